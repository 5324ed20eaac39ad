# Global Billing. `make run` runs it, `make check` tests it; `make help` lists the rest.

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON := /usr/bin/python3

ifeq ($(SANITIZE),1)
VARIANT := sanitize
VARIANT_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -DARENA_DEBUG
VARIANT_LDFLAGS := -fsanitize=address,undefined
else
VARIANT := $(if $(findstring clang,$(CC)),clang,release)
VARIANT_CFLAGS := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
VARIANT_LDFLAGS := -Wl,-z,relro,-z,now
endif

BUILD := build/$(VARIANT)
VERSION := $(shell sed -n 's/^.define VERSION "\(.*\)"/\1/p' lib/base/version.h)
WARNINGS := -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wwrite-strings \
	-Wcast-qual -Wpointer-arith -Wimplicit-fallthrough -Wswitch-enum -Wnull-dereference \
	-Wdouble-promotion $(if $(findstring clang,$(CC)),,-Wduplicated-cond -Wlogical-op)
PG_INCLUDE := $(shell pg_config --includedir 2>/dev/null)
CPPFLAGS += -D_GNU_SOURCE -Ilib -Iapp -Itests/unit $(if $(PG_INCLUDE),-isystem $(PG_INCLUDE))
CFLAGS := -std=c17 $(WARNINGS) $(VARIANT_CFLAGS) -fPIE -pthread -MMD -MP
LDFLAGS := -pie $(VARIANT_LDFLAGS) -pthread
LIBS := -lcurl -lfcgi -lpq -lcrypto -licui18n -licuuc

sources = $(sort $(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

BASE := $(call objects,$(call sources,lib/base) $(call sources,lib/json))
LICENSING := $(call objects,$(call sources,lib/licensing))
ROOMS := db http net metrics stripe plans operation events billing callers entitlements issuing audit counting usage limits instances webhooks outbox contracts subscriptions payments sync sales meters notices analytics accounts
STATEMENTS := $(patsubst %.sql,$(BUILD)/%.sql.o,$(sort $(wildcard lib/*/*.sql)))
SERVICE := $(call objects,$(foreach room,$(ROOMS),$(call sources,lib/$(room)))) $(STATEMENTS)
SETTINGS := $(call objects,$(call sources,app/settings))
API := $(call objects,$(call sources,app/api) $(call sources,app/api-customers) $(call sources,app/api-operators)) \
	$(BUILD)/app/api/openapi.o
BILLINGD := $(call objects,$(call sources,app/billingd))
BILLINGCTL := $(call objects,$(foreach room,billingctl billingctl-commands billingctl-doctor billingctl-stripe \
	billingctl-api billingctl-import,$(call sources,app/$(room))))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*/test_*.c))

.PHONY: all help build unit-tests clean
all: build

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
include lib/licensing/liblicense.mk
include app/agent/agent.mk
-include tests/fuzz/fuzz.mk

build: $(BUILD)/billingd $(BUILD)/billingctl liblicense $(AGENTS)

$(BUILD)/billingd: $(BILLINGD) $(API) $(SETTINGS) $(SERVICE) $(LICENSING) $(BASE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/billingctl: $(BILLINGCTL) $(API) $(SETTINGS) $(SERVICE) $(LICENSING) $(BASE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -ljson-c

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The OpenAPI document is part of the binary, so that both have the same version. It is served on one line, which
# is a third shorter.
$(BUILD)/app/api/openapi.o: app/api/openapi.json Makefile
	@mkdir -p $(@D)
	sed 's/^ *//' $< | tr -d '\n' >$(@D)/$(<F)
	cd $(@D) && ld -r -b binary -z noexecstack -o $(@F) $(<F)

# A long statement is a file beside its module: lib/usage/report.sql is the string usage_report_sql.
$(BUILD)/%.sql.o: %.sql Makefile
	@mkdir -p $(@D)
	printf '.section .rodata\n.global %s\n%s: .incbin "%s"\n.byte 0\n%s\n' $(sql_symbol) $(sql_symbol) $< \
		'.section .note.GNU-stack,"",%progbits' | $(CC) -c -x assembler -o $@ -
sql_symbol = $(subst /,_,$(<:lib/%.sql=%))_sql

# A unit test is one program. tests/unit/with_database.sh gives a database to those that need one.
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(SERVICE) $(LICENSING) $(BASE)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -ljson-c -lssl -lcheck -lsubunit -lm -lrt

unit-tests: $(UNIT_TESTS) $(BUILD)/billingctl

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf build

# All of it on this machine: PostgreSQL, billingd, nginx, and a stand-in for Stripe unless a key is
# given. RUN_DIR, HTTPS_PORT, LISTEN, RATE_LIMITS, STRIPE_STAND_IN and every setting of billingd can
# be given, as `make run HTTPS_PORT=9443` or in the environment. The build is a make of its own,
# because a fresh machine gets its libraries only just before.
.PHONY: deps run start demo stop status
deps:
	@app/stack/packages.sh build run

run start: deps
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" build
	@BUILD_VARIANT=$(VARIANT) app/stack/stack.sh $@

demo:
	@app/stack/packages.sh build run demo
	@$(MAKE) --no-print-directory -s -j"$$(nproc)" build
	@BUILD_VARIANT=$(VARIANT) app/stack/stack.sh demo

stop status:
	@app/stack/stack.sh $@

# All tests. `make check` installs the packages that it needs; check-all expects them.
SOURCES := $(wildcard app/*/*.[ch] lib/*/*.[ch])
FORMATTED := $(SOURCES) $(wildcard tests/*/*.[ch] tests/*/*/*.[ch])
.PHONY: check check-all quick check-unit check-api check-stripe check-faults check-full lint clang-check format format-check layers \
	docs install-man docs-check compose-check library-check recipes-check recipes-check-all bench bench-check
check:
	@app/stack/packages.sh build run check
	@$(MAKE) --no-print-directory check-all

check-all:
	@tests/check.sh

quick:
	@tests/quick.sh $(BUILD)

check-unit: unit-tests
	@tests/unit/run.sh $(BUILD)

check-api: build
	@BILLING_VARIANT=$(VARIANT) $(PYTHON) -m pytest -q $(API_OPTIONS) tests/api

check-stripe:
	@$(PYTHON) -m pytest -q tests/stripe

check-faults: build
	@BILLING_VARIANT=$(VARIANT) $(PYTHON) -m pytest -q $(FAULT_OPTIONS) tests/faults

# Tests that take too long for every run, or measure time: refusals of keys, a million reports against
# the model, the import of as many, every fault of Stripe while meter events are sent, a minute of
# kills, a million requests of every kind, full disks, slow clients, 200 orders of Stripe's events, a minute without an answer of
# Stripe, every fault of Stripe at every request to it, 500 kills of workers, kills of PostgreSQL in every step of events,
# webhooks and notices, and 100 000 customers who need a new licence at once.
check-full: build unit-tests
	@FAULT_SECONDS=5 CHAOS_SECONDS=5 STRIPE_SHUFFLES=3 $(MAKE) --no-print-directory -s SANITIZE=1 check-faults
	@FULL=1 $(BUILD)/tests/unit/callers/test_key_timing
	@for test in entitlements/test_layers accounts/test_overrides contracts/test_contract_life; do \
		FULL=1 tests/unit/with_database.sh $(BUILD)/tests/unit/$$test || exit 1; done
	@MUTATIONS=100 tests/unit/run.sh $(BUILD) valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite
	@FULL=1 USAGE_REPORTS=1000000 BILLING_VARIANT=$(VARIANT) $(PYTHON) -m pytest -q \
		tests/api/usage/test_usage_upkeep.py tests/api/usage/test_meters.py \
		tests/api/operations/test_import.py tests/api/licenses/test_overrides.py \
		tests/api/licenses/test_another_trade.py tests/api/analytics/test_revenue_lives.py \
		tests/api/analytics/test_analytics_speed.py tests/api/console/test_console_speed.py
	@FULL=1 STRIPE_SHUFFLES=200 CHAOS_SECONDS=300 BILLING_VARIANT=$(VARIANT) $(PYTHON) -m pytest -q \
		tests/faults/test_usage_faults.py tests/faults/test_usage_sums.py tests/faults/test_leaks.py \
		tests/faults/test_disk_full.py tests/faults/test_slow_clients.py \
		tests/faults/test_fastcgi_records.py tests/faults/test_clocks.py \
		tests/faults/test_stripe_life.py tests/faults/test_stripe_outages.py \
		tests/faults/test_stripe_chaos.py tests/faults/test_kept_connections.py \
		tests/faults/test_signing_burst.py tests/faults/test_webhook_faults.py \
		tests/faults/test_notice_crashes.py
	@FULL=1 BILLING_VARIANT=$(VARIANT) $(PYTHON) -m pytest -q tests/faults/test_postgres.py -k events_are

lint:
	@cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
		--suppress=missingIncludeSystem --error-exitcode=1 -Ilib -Iapp -D_GNU_SOURCE app lib
	@printf '%s\n' $(filter %.c,$(SOURCES)) | xargs -P2 -n8 sh -c \
		'clang-tidy --quiet "$$@" -- -std=c17 $(CPPFLAGS) 2>/dev/null' sh
	@shellcheck app/*/*.sh conf/*.sh conf/deb/* tests/*.sh tests/*/*.sh tests/recipes/*/*.sh
	@echo "lint: cppcheck, clang-tidy and shellcheck are quiet"

# The warnings of the other compiler; it makes no code.
clang-check:
	@printf '%s\n' $(filter %.c,$(SOURCES)) $(wildcard tests/unit/*/*.c) | xargs -n8 \
		clang -fsyntax-only $(CPPFLAGS) -std=c17 $(filter-out -Wduplicated-cond -Wlogical-op,$(WARNINGS))
	@echo "clang: no warnings"

format:
	@clang-format -i $(FORMATTED)

format-check:
	@clang-format --dry-run -Werror $(FORMATTED) && echo "format: as clang-format has it"

layers:
	@tests/layers.sh

# Documents take these parts from the programs: settings, commands, examples of settings files.
docs: build
	@conf/docs.py $(BUILD)

# The service's manual pages; `make install` brings those of what runs at the customer.
install-man:
	install -d $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 app/settings/billing.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 conf/billing-operations.7 $(DESTDIR)$(PREFIX)/share/man/man7/
	install -m 644 app/billingd/billingd.8 app/billingctl/billingctl.8 $(DESTDIR)$(PREFIX)/share/man/man8/

docs-check: build
	@tests/docs.sh $(BUILD)

library-check:
	@tests/library.sh

# The recipes in their languages, by the vectors that liblicense itself is tested with.
recipes-check: liblicense
	@tests/vectors/generate.py --check
	@tests/vectors/generate_signatures.py --check
	@tests/vectors/generate_texts.py --check
	@tests/vectors/generate_webhooks.py --check
	@tests/recipes/run.py $(BUILD) $(RECIPES)

# With npm, which is large, where it is not there yet: then none is left out.
recipes-check-all:
	@command -v npm >/dev/null || app/stack/packages.sh recipes
	@$(MAKE) --no-print-directory -s recipes-check RECIPES=--all

compose-check:
	@tests/compose.py

bench: deps
	@app/stack/packages.sh bench
	@$(MAKE) --no-print-directory -s build
	@$(PYTHON) tests/bench/bench.py $(BENCH)

# The bench measures statements with parameters of its own.
bench-check: build
	@$(PYTHON) tests/bench/bench.py --check

help:
	@echo "make run            the whole service on this machine, in the foreground; its state is in"
	@echo "                    RUN_DIR (default: .run); also HTTPS_PORT=8443 LISTEN=localhost"
	@echo "make start|stop|status   the same in the background"
	@echo "make quick          layers, format, documents and tests of what differs from main: under a minute"
	@echo "make check          every test, on a fresh machine too"
	@echo "make check-unit check-api check-stripe check-faults lint format-check layers docs-check   parts of it"
	@echo "make check-agent library-check recipes-check fuzz   of what runs at the customer; FUZZ_SECONDS=600"
	@echo "make install deb    liblicense and billing-agent; PREFIX, LIBDIR, DESTDIR"
	@echo "make install-man    the manual pages of the service"
	@echo "make docs           writes settings and commands into manual pages and examples"
	@echo "make check-full     what takes too long for make check"
	@echo "make bench          ratios against the machine's own limits; BENCH='--json FILE'"
	@echo "make build SANITIZE=1, CC=clang    other variants under build/"
