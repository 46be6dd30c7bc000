#!/usr/bin/env python3
"""fuzz.py SCOPE RUNS SEED STORE...: mutate stores, let mossscope loose on them.

Whatever the bytes are, each command ends by itself, with status 0, 1 or 2, and
says nothing of a sanitizer.  In a build without one its memory is bounded.
A store that mossscope has salvaged is one that it finds nothing wrong with.
"""
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

scope, runs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stores = sys.argv[4:]
WORDS = [b"0m1o2s0m1o2s", b"3s4p5s3s4p5s", b"mossxtr1", b"null", b"{}", b"[]",
         b"18446744073709551615", b"PrevFooterOffset", b"4096", b"\\u0000"]
MEMORY = 1 << 30
env = dict(os.environ, ASAN_OPTIONS="exitcode=99:allocator_may_return_null=1",
           UBSAN_OPTIONS="print_stacktrace=1:exitcode=99")


def limit():
    if os.environ.get("VARIANT", "plain") == "plain":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def mutate(data, rng):
    for _ in range(rng.randrange(1, 6)):
        if len(data) < 16:
            break
        at = rng.randrange(len(data))
        how = rng.randrange(8)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.randrange(256)
        elif how == 2 and rng.randrange(4) == 0:
            del data[at:]
        elif how == 3:
            word = rng.choice(WORDS)
            data[at:at + len(word)] = word
        elif how == 4:
            value = (1 << 64) - 1 >> rng.randrange(64)
            at -= at % 8
            data[at:at + 8] = value.to_bytes(8, "little")
        elif how == 5:
            to = min(len(data), at + rng.randrange(1, 8192))
            data[at:to] = bytes(to - at)
        elif how == 6:  # a page in another's place
            frm = rng.randrange(len(data)) & ~4095
            at &= ~4095
            page = data[frm:frm + 4096]
            data[at:at + len(page)] = page
        else:  # in the header or near the end, where it hurts
            at = rng.choice([rng.randrange(4096) % len(data),
                             len(data) - 1 - rng.randrange(512) % len(data)])
            data[at] = rng.randrange(256)
    return data


def check(statuses, *arguments):
    p = subprocess.run([scope, *arguments], env=env, preexec_fn=limit,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       stdin=subprocess.DEVNULL, timeout=300)
    if p.returncode not in statuses or b"Sanitizer" in p.stderr or \
            b"runtime error" in p.stderr:
        sys.stderr.write(p.stderr.decode(errors="replace"))
        sys.exit("fuzz.py: %s: status %d; seed %d" %
                 (" ".join(arguments), p.returncode, seed))
    return p.returncode


def run(store, rng, tmp):
    copy, new = tmp + "/store", tmp + "/new"
    shutil.copytree(store, copy)
    name = rng.choice([n for n in sorted(os.listdir(copy)) if n != "moss-store-lock"])
    with open(copy + "/" + name, "rb") as f:
        data = mutate(bytearray(f.read()), rng)
    with open(copy + "/" + name, "wb") as f:
        f.write(data)
    any_of = (0, 1, 2)
    check(any_of, "dump", copy)
    check(any_of, "dump", "--json", "--reverse", "--at", "1", copy)
    check(any_of, "dump", "--footers", copy)
    check(any_of, "dump", "--key", "key-000003", "--all-versions", copy)
    check(any_of, "history", "--diff", "0", "--json", copy)
    check(any_of, "stats", copy)
    check(any_of, "check", rng.choice(["--json", "--no-mmap"]), copy)
    how = rng.choice([[], ["--segments"], ["--at", "1"], ["--no-mmap"]])
    if check(any_of, "salvage", *how, copy, new) < 2:
        check((0,), "check", new)
        check((0,), "dump", new)
    if rng.randrange(4) == 0:
        check(any_of, "compact", copy)
        check(any_of, "dump", copy)
    shutil.rmtree(copy)
    shutil.rmtree(new, ignore_errors=True)


with tempfile.TemporaryDirectory() as tmp:
    rng = random.Random(seed)
    for i in range(runs):
        run(stores[i % len(stores)], rng, tmp)
print("fuzz.py: %d stores mutated, seed %d" % (runs, seed))
