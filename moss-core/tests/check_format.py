#!/usr/bin/env python3
"""Check a store directory against Go moss's file format, version 4.

This knows nothing of the library beside it: it reads a store as Go moss does
(the first two lines of the header, footers from the end of the file, field
names without regard to case, unknown fields dropped) and is stricter than Go
moss where the format says what a writer does.

    check_format.py DIR                  check every commit point
    check_format.py DIR --expect FILE    ... and compare with what Go read
    check_format.py DIR --dump           ... and print it in that form
    check_format.py DIR --mutate N [--seed S]
                                         change the store N times; each change
                                         must be rejected, or read the same or
                                         as an older commit point, or have
                                         changed nothing but the bytes of keys,
                                         values and names, which format 4 does
                                         not protect
    --merge add                          operands are 8-byte integers to add
    --ours                               Go moss can go on from every footer

Exit status 0: good.  1: not, with a message.
"""

import argparse
import json
import os
import random
import re
import struct
import sys

PAGE = 4096
HEAD, TAIL = b"0m1o2s0m1o2s", b"3s4p5s3s4p5s"
SET, DEL, MERGE = 1, 2, 3
LOC_FIELDS = ["KvsOffset", "KvsBytes", "BufOffset", "BufBytes", "TotOpsSet",
              "TotOpsDel", "TotKeyByte", "TotValByte"]


class Bad(Exception):
    """The store is not what the format says."""


def need(condition, text):
    if not condition:
        raise Bad(text)


# ------------------------------------------------------------------- parsing

def strict_object(pairs):
    """Objects as Go reads them, but a name given twice is an error."""
    names = [name.lower() for name, _ in pairs]
    # Children are told apart by case; fields are not.  Which one this is
    # shows only later, so keep the pairs.
    need(len(set(n for n, _ in pairs)) == len(pairs), "a name given twice")
    result = dict(pairs)
    result["\0fields"] = len(set(names)) == len(names)
    return result


def fields(obj, known, where):
    """The known fields of an object; others are dropped, as Go does."""
    need(isinstance(obj, dict), "%s is not an object" % where)
    need(obj.get("\0fields"), "%s has a field in two spellings" % where)
    by_lower = {name.lower(): value for name, value in obj.items()}
    for name in obj:
        for k in known:
            need(name == k or name.lower() != k.lower(),
                 "%s: field %r is spelt unlike %r" % (where, name, k))
    # Unknown fields are dropped, but none may stand where a known one should.
    unknown = [n for n in obj if n not in known and n != "\0fields"]
    missing = [k for k in known if k not in obj]
    need(not (unknown and missing), "%s has %r instead of %r"
         % (where, unknown, missing))
    return {k: by_lower.get(k.lower()) for k in known}


def whole(value, where):
    need(isinstance(value, int) and not isinstance(value, bool) and
         0 <= value < 1 << 63, "%s is not a whole number" % where)
    return value


class Segment:
    def __init__(self, data, loc, where):
        v = fields(loc, ["Kind"] + LOC_FIELDS, where)
        need(v["Kind"] == "a", "%s is of kind %r" % (where, v["Kind"]))
        n = {k: whole(v[k], where + "." + k) for k in LOC_FIELDS}
        self.where, self.n = where, n
        self.entries, self.places, self.regions = [], [], []
        for off, size in (("KvsOffset", "KvsBytes"), ("BufOffset", "BufBytes")):
            need(n[off] % PAGE == 0, "%s.%s is not on a page" % (where, off))
            if n[size] > 0:
                need(n[off] >= PAGE and n[off] + n[size] <= len(data),
                     "%s: region at %d is not in the file" % (where, n[off]))
                self.regions.append((n[off], n[off] + n[size]))
        need(n["KvsBytes"] % 16 == 0, where + ": part of an entry")
        if n["KvsBytes"] > 0:
            need(n["KvsOffset"] + n["KvsBytes"] <= n["BufOffset"],
                 where + ": bytes before entries")
        self.read(data)
        self.check_totals()

    def read(self, data):
        n, last = self.n, None
        buf = data[n["BufOffset"]:n["BufOffset"] + n["BufBytes"]]
        words = struct.unpack_from("<%dQ" % (n["KvsBytes"] // 8), data,
                                   n["KvsOffset"]) if n["KvsBytes"] else ()
        for i in range(0, len(words), 2):
            word, off = words[i], words[i + 1]
            op = word >> 56 & 0xf
            key_len, value_len = word >> 32 & 0xffffff, word & 0xfffffff
            need(word == op << 56 | key_len << 32 | value_len,
                 "%s: reserved bits of entry %d" % (self.where, i // 2))
            need(op in (SET, DEL, MERGE),
                 "%s: operation %d" % (self.where, op))
            need(off + key_len + value_len <= len(buf),
                 "%s: entry %d points outside" % (self.where, i // 2))
            need(key_len or value_len or off == 0,
                 "%s: empty entry %d with an offset" % (self.where, i // 2))
            key = bytes(buf[off:off + key_len])
            value = bytes(buf[off + key_len:off + key_len + value_len])
            need(last is None or last < key,
                 "%s: entry %d is out of order" % (self.where, i // 2))
            need(op != DEL or value_len == 0,
                 "%s: deletion %d with a value" % (self.where, i // 2))
            last = key
            self.entries.append((op, key, value))
            self.places.append((off, off + key_len + value_len))

    def check_totals(self):
        want = (sum(op == SET for op, _, _ in self.entries),
                sum(op == DEL for op, _, _ in self.entries),
                sum(len(k) for _, k, _ in self.entries),
                sum(len(v) for _, _, v in self.entries))
        have = tuple(self.n[k] for k in LOC_FIELDS[4:])
        need(want == have, "%s: totals %r, counted %r"
             % (self.where, have, want))
        # Writers leave no gaps: each byte belongs to one entry.
        at = 0
        for lo, hi in sorted(p for p in self.places if p[0] < p[1]):
            need(lo == at, "%s: gap or overlap at %d" % (self.where, at))
            at = hi
        need(at == self.n["BufBytes"], "%s: bytes of no entry" % self.where)


class Collection:
    def __init__(self, data, obj, where, segments, depth=0):
        need(depth < 100, "collections nest too deeply")
        v = fields(obj, ["SegmentLocs", "PrevFooterOffset", "ChildFooters"],
                   where)
        self.prev = whole(v["PrevFooterOffset"] or 0, where + ".Prev")
        locs = v["SegmentLocs"] or []
        need(isinstance(locs, list), where + ".SegmentLocs is not a list")
        self.segments = []
        for i, loc in enumerate(locs):
            key = json.dumps(loc, sort_keys=True)
            if key not in segments:
                segments[key] = Segment(data, loc, "%s[%d]" % (where, i))
            self.segments.append(segments[key])
        children = v["ChildFooters"] or {}
        need(isinstance(children, dict), where + ".ChildFooters")
        self.children = {}
        for name, child in children.items():
            if name != "\0fields":
                need(isinstance(child, dict), "child %r is null" % name)
                self.children[name] = Collection(
                    data, child, "%s/%s" % (where, name), segments, depth + 1)

    def regions(self):
        for s in self.segments:
            yield from s.regions
        for c in self.children.values():
            yield from c.regions()

    def entry_regions(self):
        for s in self.segments:
            yield s.n["KvsOffset"], s.n["KvsOffset"] + s.n["KvsBytes"]
        for c in self.children.values():
            yield from c.entry_regions()

    def content(self, merge):
        """The entries, replayed from the oldest segment to the newest."""
        out = {}
        for s in self.segments:
            for op, key, value in s.entries:
                if op == SET:
                    out[key] = value
                elif op == DEL:
                    out.pop(key, None)
                else:
                    out[key] = merge(out.get(key), value)
        return out

    def lines(self, merge, path=""):
        for key, value in sorted(self.content(merge).items()):
            yield "%s\t%s\t%s" % (path, key.hex(), value.hex())
        for name, child in sorted(self.children.items(),
                                  key=lambda item: item[0].encode()):
            yield from child.lines(merge, path + "/" + name)


class Footer:
    def __init__(self, data, off, segments):
        where = "footer at %d" % off
        need(off % PAGE == 0 and 0 < off and off + 44 <= len(data),
             where + ": no room")
        need(data[off:off + 12] == HEAD, where + ": no magic")
        version, length = struct.unpack_from("<II", data, off + 12)
        need(version == 4, "%s: version %d" % (where, version))
        need(44 <= length <= len(data) - off, "%s: length" % where)
        end = off + length
        place, length2 = struct.unpack_from("<qI", data, end - 24)
        need(place == off and length2 == length, where + ": its own place")
        need(data[end - 12:end] == TAIL, where + ": no end magic")
        try:
            text = bytes(data[off + 20:end - 24]).decode("utf-8")
            obj = json.loads(text, object_pairs_hook=strict_object)
        except (ValueError, RecursionError) as e:
            raise Bad("%s: %s" % (where, e))
        self.off = off
        self.top = Collection(data, obj, "", segments)
        for lo, hi in self.top.regions():
            need(hi <= off, "%s lies below %d-%d" % (where, lo, hi))
        # Go moss itself leaves such a footer, and then cannot go on from it.
        self.is_stuck = not self.top.segments
        self.end = end
        need(self.top.prev < off and self.top.prev % PAGE == 0,
             where + ": the older one is not below it")


# --------------------------------------------------------------- whole stores

def check_header(data):
    need(len(data) >= PAGE, "the header is cut off")
    lines = bytes(data[:PAGE]).split(b"\n")
    need(len(lines) > 2 and lines[0] == b"moss-data-store:", "no header")
    try:
        obj = json.loads(lines[1].decode("utf-8"),
                         object_pairs_hook=strict_object)
    except ValueError as e:
        raise Bad("header: %s" % e)
    v = fields(obj, ["Version", "CreatedAt", "CreatedEndian"], "header")
    need(v["Version"] == 4, "version %r" % v["Version"])
    need(v["CreatedEndian"] == "little", "byte order %r" % v["CreatedEndian"])
    need(isinstance(v["CreatedAt"], str) and
         re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", v["CreatedAt"]),
         "creation time %r" % v["CreatedAt"])


def history(data):
    """The commit points of a file, the newest first."""
    check_header(data)
    off = (len(data) - 1) // PAGE * PAGE
    segments, found = {}, []
    while off > 0 and data[off:off + 12] != HEAD:
        off -= PAGE
    need(off > 0, "no footer")
    while off > 0:
        footer = Footer(data, off, segments)
        found.append(footer)
        off = footer.top.prev
    return found


def data_files(directory):
    """Data files, the newest first; and Go's rules for all other names."""
    names = []
    for name in os.listdir(directory):
        if name.startswith("data-") and name.endswith(".moss"):
            need(re.fullmatch(r"data-[0-9a-f]{16}\.moss", name),
                 "name %r" % name)
            names.append(name)
            continue
        # Go moss slices every name so; a short one stops the program.
        need(len(name) >= 10, "the name %r is too short for Go moss" % name)
        need(not re.fullmatch(r"[+-]?[0-9a-fA-F]+", name[5:-5]),
             "Go moss takes %r for a number" % name)
    need(names, "no data file")
    return sorted(names, reverse=True)


def no_merge(old, operand):
    raise Bad("a merge operand, and no operator (--merge)")


def merge_add(old, operand):
    need(len(operand) == 8 and (old is None or len(old) == 8),
         "operand of add is not 8 bytes")
    a = int.from_bytes(old or b"", "little")
    return ((a + int.from_bytes(operand, "little")) % (1 << 64)).to_bytes(
        8, "little")


def dump(footers, merge):
    out = []
    for i, footer in enumerate(footers):
        out.append("@%d" % i)
        out.extend(footer.top.lines(merge))
    return out


def newest_file(directory):
    name = data_files(directory)[0]
    with open(os.path.join(directory, name), "rb") as f:
        return name, f.read()


def check_store(data, merge, ours=False):
    """Everything of a file; the lines that it reads as."""
    footers = history(data)
    for footer in footers:
        need(not (ours and footer.is_stuck),
             "Go moss cannot go on from the footer at %d" % footer.off)
    return dump(footers, merge)


# ------------------------------------------------------------------ mutations

def mutate(data, rng):
    """A changed copy, and what was done."""
    pages = max(1, len(data) // PAGE)
    copy = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        n = rng.randrange(1, 4)
        at = [rng.randrange(len(copy)) for _ in range(n)]
        for i in at:
            copy[i] ^= 1 << rng.randrange(8)
        return copy, "bits flipped at %r" % at
    if kind == 1:
        n = rng.randrange(len(copy))
        return copy[:n], "cut to %d" % n
    if kind == 2:
        p = rng.randrange(pages) * PAGE
        copy[p:p + PAGE] = bytes(len(copy[p:p + PAGE]))
        return copy, "page %d zeroed" % p
    p, q = rng.randrange(pages) * PAGE, rng.randrange(pages) * PAGE
    copy[p:p + PAGE] = data[q:q + PAGE]
    return copy, "page %d put over %d" % (q, p)


def free_bytes(data):
    """Which bytes format 4 says nothing about: it has no checksums.

    Keys, values and names can be any; so can what no footer names.  Changes
    of other bytes must not go unnoticed.
    """
    free = bytearray(b"\1" * len(data))

    def fix(lo, hi):
        free[lo:hi] = bytes(hi - lo)

    fix(0, data.index(b"\n", 17) + 1)
    for footer in history(data):
        fix(footer.off, footer.end)
        text = bytes(data[footer.off + 20:footer.end - 24])
        for m in re.finditer(rb'"((?:[^"\\]|\\.)*)":', text):
            if m.group(1).decode() not in LOC_FIELDS + [
                    "Kind", "SegmentLocs", "PrevFooterOffset", "ChildFooters"]:
                lo = footer.off + 20
                free[lo + m.start(1):lo + m.end(1)] = b"\1" * len(m.group(1))
        for lo, hi in footer.top.entry_regions():
            fix(lo, hi)
    return free


def all_states(data, merge):
    """What each footer in the file reads as, of the chain or not."""
    states = []
    for off in range(PAGE, len(data), PAGE):
        if data[off:off + 12] == HEAD:
            states.append(list(Footer(data, off, {}).top.lines(merge)))
    return states


def newest_state(lines):
    cut = next((i for i in range(1, len(lines)) if lines[i][0] == "@"),
               len(lines))
    return lines[1:cut]


def run_mutations(directory, merge, n, seed):
    _, data = newest_file(directory)
    want = check_store(data, merge)
    states, free = all_states(data, merge), free_bytes(data)
    rng = random.Random(seed)
    counts = {"rejected": 0, "same": 0, "older": 0, "only keys or values": 0}
    for i in range(n):
        copy, what = mutate(data, rng)
        try:
            got = check_store(copy, merge)
        except Bad:
            counts["rejected"] += 1
            continue
        if got == want:
            counts["same"] += 1
        elif newest_state(got) in states:
            counts["older"] += 1    # a whole commit point, the rest lost
        elif all(free[k] for k in range(len(copy)) if copy[k] != data[k]):
            counts["only keys or values"] += 1
        else:
            raise Bad("mutation %d (%s) reads as something else" % (i, what))
    return counts


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("directory")
    ap.add_argument("--expect")
    ap.add_argument("--dump", action="store_true")
    ap.add_argument("--merge", choices=["add"])
    ap.add_argument("--mutate", type=int, default=0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--ours", action="store_true")
    a = ap.parse_args()
    merge = merge_add if a.merge == "add" else no_merge
    try:
        lines = check_store(newest_file(a.directory)[1], merge, a.ours)
        if a.expect:
            with open(a.expect, encoding="utf-8") as f:
                want = [line for line in f.read().split("\n") if line]
            need(lines == want, "content differs from %s" % a.expect)
        if a.mutate:
            counts = run_mutations(a.directory, merge, a.mutate, a.seed)
            print("%s: %d mutations, seed %d: %s" % (
                a.directory, a.mutate, a.seed,
                ", ".join("%d %s" % (v, k) for k, v in counts.items())))
    except (Bad, OSError) as e:
        print("%s: %s" % (a.directory, e), file=sys.stderr)
        return 1
    if a.dump:
        print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
