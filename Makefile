# moss for SQLite: one makefile for everything.  `make help` lists the targets.
#
# Objects of a variant (plain, asan, tsan, cov) lie under $(BUILD)/$(VARIANT);
# the products of the plain variant lie in $(BUILD) itself.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/sh

# ------------------------------------------------------------- settings

BUILD ?= build
VARIANT ?= plain
WERROR ?= 0
PREFIX ?= /usr/local
DESTDIR ?=
OPT ?= -O2 -g
# Of the core, the layers to build; of the unit tests, the modules to run.
LAYERS ?= base segment stack collection store
TESTS ?= $(patsubst moss-core/tests/test_%.c,%,$(wildcard moss-core/tests/test_*.c))

# VERBOSE=1 shows every command.
VERBOSE ?= 0
say_0 = @printf '  %-8s%s\n' $(1) $@;
say_1 =
say_s = @
say = $(say_$(if $(findstring s,$(firstword -$(MAKEFLAGS))),s,$(VERBOSE)))

OBJCOPY ?= objcopy
CLANG ?= clang
CLANG_FORMAT ?= clang-format
VERSION := $(shell sed -n 's/^\#define MOSS_VERSION "\(.*\)"/\1/p' moss-core/include/moss.h)

V := $(BUILD)/$(VARIANT)
ifeq ($(VARIANT),plain)
OUT := $(BUILD)
else
OUT := $(V)
endif

# Only the product drops its assertions, and only in the plain variant: a test
# program may use assert() to check.
ASSERTIONS_plain := -DNDEBUG
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread
SANITIZE_cov := --coverage
SANITIZE_libfuzzer := -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DMOSS_LIBFUZZER
SANITIZE := $(SANITIZE_$(VARIANT))
ifeq ($(filter $(VARIANT),plain asan tsan cov libfuzzer),)
$(error VARIANT=$(VARIANT): it is plain, asan, tsan, cov or libfuzzer)
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla
ifeq ($(WERROR),1)
WARN += -Werror
endif
INCLUDES := -Imoss-core/include -Imoss-core/src
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE $(OPT) -fPIC -fvisibility=hidden $(WARN) \
	$(SANITIZE) -MMD -MP $(INCLUDES) $(CPPFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(SANITIZE) $(LDFLAGS)
LIBS := -lpthread -lm
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null || \
	echo -lcheck -lsubunit -lrt -lm)

# -------------------------------------------------------------- sources

CORE_SRC := $(foreach l,$(LAYERS),$(sort $(wildcard moss-core/src/$(l)/*.c)))
EXT_SRC := $(sort $(wildcard ext/*.c))
SUPPORT_SRC := $(sort $(wildcard moss-core/tests/support/*.c))
TEST_SRC := $(patsubst %,moss-core/tests/test_%.c,$(sort $(TESTS)))
# Programs of their own: stress_*.c, fuzz_*.c, format_writer.c, ...
PROG_SRC := $(filter-out moss-core/tests/test_%.c moss-core/tests/main.c, \
	$(sort $(wildcard moss-core/tests/*.c)))
SQL_SUPPORT_SRC := $(sort $(wildcard sql-tests/support/*.c))
SQL_SRC := $(sort $(wildcard sql-tests/*.c))
EXAMPLE_SRC := $(filter-out examples/lower_%.c,$(sort $(wildcard examples/*.c)))
# The example lower levels; LevelDB's where that is there.
HAVE_LEVELDB := $(wildcard /usr/include/leveldb/c.h)
LOWER_SRC := $(wildcard examples/lower_sqlite*.c) \
	$(if $(HAVE_LEVELDB),$(wildcard examples/lower_leveldb*.c))
LOWER_LIBS := -lsqlite3 $(if $(HAVE_LEVELDB),-lleveldb)
SCOPE_SRC := $(sort $(wildcard moss-core/tools/mossscope/*.c))
BENCH_SRC := $(sort $(wildcard moss-core/tests/bench/*.c))
BENCH_SQL_SRC := $(sort $(wildcard sql-tests/bench/*.c))

HEADERS := $(notdir $(wildcard moss-core/include/*.h))

objects = $(patsubst %,$(V)/$(1)/%.o,$(basename $(2)))
CORE_OBJ := $(call objects,core,$(CORE_SRC))
EXT_OBJ := $(call objects,shared,$(EXT_SRC))
EXT_STATIC_OBJ := $(call objects,static,$(EXT_SRC))
SUPPORT_OBJ := $(call objects,test,$(SUPPORT_SRC))
TEST_OBJ := $(call objects,test,$(TEST_SRC) moss-core/tests/main.c)
SQL_SUPPORT_OBJ := $(call objects,test,$(SQL_SUPPORT_SRC))
SCOPE_OBJ := $(call objects,scope,$(SCOPE_SRC))
BENCH_OBJ := $(call objects,bench-objects,$(BENCH_SRC))
BENCH_SQL_OBJ := $(call objects,bench-objects,$(BENCH_SQL_SRC))

PROGRAMS := $(patsubst moss-core/tests/%.c,$(V)/tests/%,$(PROG_SRC))
SQL_PROGRAMS := $(patsubst sql-tests/%.c,$(V)/sql-tests/%,$(SQL_SRC))
EXAMPLES := $(patsubst examples/%.c,$(OUT)/examples/%,$(EXAMPLE_SRC))

# -------------------------------------------------------------- products

.PHONY: all
all: $(OUT)/moss.so $(OUT)/libmoss.a $(OUT)/libmoss_sqlite.a \
	$(addprefix $(OUT)/include/,$(HEADERS)) \
	$(OUT)/mossscope ## the extension, the libraries, the diagnostic tool

# What is missing is installed (as root) or named.
$(BUILD)/deps-%.ok: .ci/deps
	@mkdir -p $(BUILD)
	@CC='$(CC)' .ci/deps $*
	@touch $@

$(V)/core/%.o: %.c | $(BUILD)/deps-build.ok
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ASSERTIONS_$(VARIANT)) $(CFLAGS_ALL) -c -o $@ $<

$(V)/shared/%.o: %.c | $(BUILD)/deps-build.ok
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ASSERTIONS_$(VARIANT)) $(CFLAGS_ALL) -c -o $@ $<

$(V)/static/%.o: %.c | $(BUILD)/deps-build.ok
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -DSQLITE_CORE $(ASSERTIONS_$(VARIANT)) $(CFLAGS_ALL) -c -o $@ $<

# Pre-linked, and everything internal made local, so that short internal
# names cannot meet those of a host program.
$(OUT)/libmoss.a: $(CORE_OBJ)
	@rm -f $@
	$(call say,LD)$(LD) -r -o $(V)/moss.o $^
	@$(OBJCOPY) --localize-hidden $(V)/moss.o
	@$(AR) rcsD $@ $(V)/moss.o

$(OUT)/libmoss_sqlite.a: $(EXT_STATIC_OBJ)
	@rm -f $@
	$(call say,LD)$(LD) -r -o $(V)/moss_sqlite.o $^
	@$(OBJCOPY) --localize-hidden $(V)/moss_sqlite.o
	@$(AR) rcsD $@ $(V)/moss_sqlite.o

# nodelete: threads of moss may run when SQLite unloads its extensions.
$(OUT)/moss.so: $(EXT_OBJ) $(OUT)/libmoss.a
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -shared -Wl,-z,nodelete -Wl,-z,relro \
		$(if $(SANITIZE),,-Wl,-z,defs) -Wl,--exclude-libs,ALL \
		-o $@ $(EXT_OBJ) $(OUT)/libmoss.a $(LIBS)

# The tool looks into the library: it is linked with its objects.
$(V)/scope/%.o: %.c | $(BUILD)/deps-build.ok
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ASSERTIONS_$(VARIANT)) $(CFLAGS_ALL) \
		-Imoss-core/tools/mossscope -c -o $@ $<
$(OUT)/mossscope: $(SCOPE_OBJ) $(V)/libcore.a
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(OUT)/include/%.h: moss-core/include/%.h
	@mkdir -p $(@D)
	@cp $< $@

# ----------------------------------------------------------------- tests

$(V)/test/%.o: %.c | $(BUILD)/deps-build.ok $(BUILD)/deps-test.ok
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS_ALL) -DSQLITE_CORE -Imoss-core/tests -Isql-tests -Iext \
		-I$(V)/gen -c -o $@ $<

# The list of unit-test suites, from the file names.  Written anew only when
# it differs.
$(V)/gen/suites.h: FORCE
	@mkdir -p $(@D)
	@for t in $(sort $(TESTS)); do echo "SUITE($$t)"; done >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(V)/test/moss-core/tests/main.o: $(V)/gen/suites.h

# As an archive, so that a program takes in only what it uses.
$(V)/libcore.a: $(CORE_OBJ)
	@rm -f $@
	@$(AR) rcsT $@ $^
$(V)/libsupport.a: $(SUPPORT_OBJ)
	@rm -f $@
	@$(AR) rcsT $@ $^

UNIT_LIBS = -Wl,--start-group $(V)/libsupport.a $(V)/libcore.a -Wl,--end-group
$(V)/unit: $(TEST_OBJ) $(V)/libsupport.a $(V)/libcore.a
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $(TEST_OBJ) $(UNIT_LIBS) $(LIBS) $(CHECK_LIBS)

$(V)/tests/%: $(V)/test/moss-core/tests/%.o $(V)/libsupport.a $(V)/libcore.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $< $(UNIT_LIBS) $(LIBS) $(CHECK_LIBS)

# Named after what is there: with LevelDB, other objects and flags.
LOWER_STAMP := $(BUILD)/lower$(if $(HAVE_LEVELDB),-leveldb).stamp
$(LOWER_STAMP):
	@mkdir -p $(@D) && touch $@
LOWER_OBJ := $(call objects,test,$(LOWER_SRC))
$(LOWER_OBJ) $(V)/test/moss-core/tests/examples_lower.o: $(LOWER_STAMP)
$(V)/tests/examples_lower: $(V)/test/moss-core/tests/examples_lower.o \
		$(LOWER_OBJ) $(V)/libsupport.a $(V)/libcore.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $< $(LOWER_OBJ) $(UNIT_LIBS) $(LOWER_LIBS) $(LIBS) $(CHECK_LIBS)

# The SQL test programs link the objects, and so can put their own operating
# system under the store.
$(V)/sql-tests/%: $(V)/test/sql-tests/%.o $(SQL_SUPPORT_OBJ) \
		$(EXT_STATIC_OBJ) $(V)/libsupport.a $(V)/libcore.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $< $(SQL_SUPPORT_OBJ) $(EXT_STATIC_OBJ) \
		$(UNIT_LIBS) -lsqlite3 $(LIBS) -ldl $(CHECK_LIBS)

.PHONY: programs sql-programs everything
programs: $(V)/unit $(PROGRAMS) $(OUT)/bench ## every unit-test program, built only
sql-programs: $(SQL_PROGRAMS) ## every SQL test program, built only
everything: all programs sql-programs $(EXAMPLES) $(OUT)/bench $(OUT)/bench_sql ## all that there is to build

.PHONY: test check unit
test: all $(V)/unit $(PROGRAMS) $(SQL_PROGRAMS) $(EXAMPLES) $(OUT)/bench | $(BUILD)/deps-test.ok ## unit tests and SQL tests
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) all
check unit: $(V)/unit ## the unit tests alone
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) unit

.PHONY: check-asan check-tsan check-valgrind
check-asan: ## the unit tests with address and undefined-behaviour sanitizer
	$(MAKE) VARIANT=asan check
check-tsan: ## the unit tests and the thread stress with the thread sanitizer
	$(MAKE) VARIANT=tsan programs
	@VARIANT=tsan .ci/tests $(BUILD) unit stress
check-valgrind: $(V)/unit ## the unit tests under valgrind
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) valgrind

.PHONY: test-defects
test-defects: programs ## each defect of Go moss, put in here, must be found: DEFECTS=
	moss-core/tests/mutants/run.sh $(BUILD)
FLIPS ?= 2000
.PHONY: test-flips
test-flips: programs ## damage to files, each noticed or harmless: FLIPS=, SEED=
	@FLIPS=$(FLIPS) VARIANT=$(VARIANT) .ci/tests $(BUILD) flips
.PHONY: fuzz stress machine libfuzzer
machine: programs ## the state machine, everything at random: STEPS=, SEED=
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) machine
fuzz: programs ## the fuzz programs' seeded loops: RUNS=, SEED=
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) fuzz
stress: programs ## the thread stress programs
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) stress
libfuzzer: ## the fuzz programs for libFuzzer: $(BUILD)/libfuzzer/tests/fuzz_*
	$(MAKE) VARIANT=libfuzzer CC=$(CLANG) OPT='-O1 -g' libfuzzer-programs
.PHONY: libfuzzer-programs
libfuzzer-programs: $(filter $(V)/tests/fuzz_%,$(PROGRAMS))
$(BUILD)/libfuzzer/tests/fuzz_%: LDFLAGS += -fsanitize=fuzzer

# Long runs of the SQL test programs.
SEED ?= 1
STATEMENTS ?= 100000
.PHONY: test-transfer test-kill test-powercut test-diff test-format test-mutants test-bigtx
test-transfer: $(V)/sql-tests/transfer ## 30 s of transfers, WAL and rollback mode
	$< --seconds 30 --mode both --seed $(SEED)
test-kill: $(V)/sql-tests/killer ## 200 times kill -9 during commits
	$< --rounds 200 --seed $(SEED)
test-powercut: $(V)/sql-tests/powercut ## a power cut at every event, in slow cases at every sync
	$< --cuts 0 --seed $(SEED)
test-bigtx: $(V)/sql-tests/bigtx ## 10 M rows in one transaction, 100 M in many; 30 GB of disk
	$< --rows 10000000 --seed $(SEED)
	$< --rows 100000000 --batch 100000 --seed $(SEED)
test-diff: $(V)/sql-tests/diff ## random SQL beside SQLite: SEED= STATEMENTS=
	$< --statements $(STATEMENTS) --seed $(SEED)
test-format: programs ## 1000 mutations of each store against the checker of Go's format
	MUTATIONS=1000 .ci/tests $(BUILD) format
test-mutants: all $(SQL_PROGRAMS) ## each seeded bug must be found
	sql-tests/mutants/run.sh $(BUILD)

# ---------------------------------------------------------------- checks

.PHONY: check-layers check-names check-symbols check-locks check-install
check-install: all ## install, pkg-config, a program linked against it, C++
	@CC='$(CC)' .ci/check-install $(BUILD)
check-layers: ## who includes whom
	@.ci/check-layers
check-names: ## what the README's table of features names
	@.ci/check-names
check-symbols: all ## what the products export
	@.ci/check-symbols $(OUT)
check-locks: | $(BUILD)/deps-ci.ok ## clang's analysis of the lock annotations
	@for f in $(CORE_SRC); do \
		$(CLANG) -std=c11 -D_GNU_SOURCE $(WARN) -Wthread-safety -Werror \
		$(INCLUDES) -fsyntax-only $$f || exit 1; \
	done
	@for f in $(EXT_SRC); do \
		$(CLANG) -std=c11 -D_GNU_SOURCE $(WARN) -Wthread-safety -Werror \
		$(INCLUDES) -fsyntax-only $$f || exit 1; \
	done
	@echo "check-locks: $(words $(CORE_SRC) $(EXT_SRC)) files are clean"

FORMATTED = $(shell find moss-core ext sql-tests examples -name '*.[ch]')
.PHONY: format format-check
format: ## lay out every C file by .clang-format
	$(CLANG_FORMAT) -i $(FORMATTED)
format-check: | $(BUILD)/deps-ci.ok ## fail where `make format` would change something
	@$(CLANG_FORMAT) --dry-run -Werror $(FORMATTED)
	@echo "format-check: $(words $(FORMATTED)) files are laid out"

.PHONY: coverage
coverage: ## lines of moss-core that the unit tests run
	$(MAKE) VARIANT=cov OPT='-O0 -g' LAYERS='$(LAYERS)' check
	@.ci/coverage $(BUILD)/cov $(CORE_SRC)

# -------------------------------------------------- examples and benchmark

$(OUT)/examples/%: examples/%.c $(OUT)/libmoss.a $(OUT)/libmoss_sqlite.a
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=c11 $(OPT) $(WARN) $(SANITIZE) -Imoss-core/include -Iext \
		$(CFLAGS) -o $@ $< $(OUT)/libmoss_sqlite.a $(OUT)/libmoss.a \
		-lsqlite3 $(LIBS) -ldl
$(OUT)/examples/lower: examples/lower.c $(LOWER_SRC) $(LOWER_STAMP) \
		$(wildcard examples/lower*.h) $(OUT)/libmoss.a
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=c11 $(OPT) $(WARN) $(SANITIZE) -Imoss-core/include \
		$(CFLAGS) -o $@ $< $(LOWER_SRC) $(OUT)/libmoss.a $(LOWER_LIBS) $(LIBS)

.PHONY: examples demo
examples: $(EXAMPLES) ## the example programs
demo: all | $(BUILD)/deps-demo.ok ## the Unicode character database in a moss table
	@examples/demo.sh $(BUILD)

have = $(if $(wildcard /usr/include/$(1)),-D$(2))
BENCH_DEFS := $(call have,lmdb.h,HAVE_LMDB) \
	$(call have,wiredtiger.h,HAVE_WIREDTIGER) \
	$(call have,rocksdb/c.h,HAVE_ROCKSDB) \
	$(call have,leveldb/c.h,HAVE_LEVELDB)
BENCH_LIBS := $(if $(findstring LMDB,$(BENCH_DEFS)),-llmdb) \
	$(if $(findstring WIREDTIGER,$(BENCH_DEFS)),-lwiredtiger) \
	$(if $(findstring ROCKSDB,$(BENCH_DEFS)),-lrocksdb) \
	$(if $(findstring LEVELDB,$(BENCH_DEFS)),-lleveldb)
# Named after the peers that are there: others make the objects anew.
BENCH_STAMP := $(BUILD)/bench$(subst $() $(),,$(BENCH_DEFS)).stamp
$(BENCH_STAMP):
	@mkdir -p $(@D) && touch $@
$(V)/bench-objects/%.o: %.c $(BENCH_STAMP) | $(BUILD)/deps-build.ok
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS_ALL) $(BENCH_DEFS) -c -o $@ $<
$(OUT)/bench: $(BENCH_OBJ) $(OUT)/libmoss.a
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $^ \
		$(BENCH_LIBS) -lsqlite3 $(LIBS)
$(OUT)/bench_sql: $(BENCH_SQL_OBJ) $(OUT)/libmoss_sqlite.a $(OUT)/libmoss.a
	$(call say,LINK)$(CC) $(LDFLAGS_ALL) -o $@ $^ -lsqlite3 $(LIBS) -ldl

.PHONY: bench bench-growth bench-sql bench-deps test-bench
bench: $(OUT)/bench ## the library beside its peers, 1M entries: BENCH_ARGS=
	$(OUT)/bench --seconds=2 $(BENCH_ARGS)
bench-growth: $(OUT)/bench ## how costs grow from 1M to 100M entries: BENCH_ARGS=
	$(OUT)/bench --count=1M,10M,100M --order=random --batch=1000 \
		--engines=moss $(BENCH_ARGS)
test-bench: $(OUT)/bench ## that the benchmark works, and fails on wrong results
	@VARIANT=$(VARIANT) .ci/tests $(BUILD) bench
bench-sql: $(OUT)/bench_sql ## SQL on a moss table beside an ordinary one: BENCH_ARGS=
	$(OUT)/bench_sql $(BENCH_ARGS)
bench-deps: ## install the peers' development packages
	@CC='$(CC)' .ci/deps bench

# --------------------------------------------------------------- install

.PHONY: install uninstall
install: all ## PREFIX=/usr/local DESTDIR=
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/bin
	install -m 755 $(OUT)/mossscope $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(addprefix moss-core/include/,$(HEADERS)) \
		$(DESTDIR)$(PREFIX)/include
	install -m 644 $(OUT)/libmoss.a $(OUT)/libmoss_sqlite.a \
		$(DESTDIR)$(PREFIX)/lib
	install -m 755 $(OUT)/moss.so $(DESTDIR)$(PREFIX)/lib
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
		moss-core/moss.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/moss.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/moss.pc
uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(addprefix include/,$(HEADERS)) \
		bin/mossscope lib/libmoss.a lib/libmoss_sqlite.a \
		lib/moss.so lib/pkgconfig/moss.pc)

.PHONY: clean help FORCE
clean: ## remove $(BUILD)
	rm -rf $(BUILD)
help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
		sort | awk -F'\t' '{ printf "  %-16s %s\n", $$1, $$2 }'
FORCE:

.SECONDARY:
-include $(shell find $(V) -name '*.d' 2>/dev/null)
