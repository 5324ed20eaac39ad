# Fuzz targets: one program for each file of tests/fuzz, with AddressSanitizer and UBSan. Included by
# the Makefile. `make fuzz FUZZ_SECONDS=600` looks longer than `make check` does.
FUZZ_BUILD := build/fuzz
FUZZ_FLAGS := -std=c17 $(CPPFLAGS) -O1 -g -fno-omit-frame-pointer -DARENA_DEBUG \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CODE := $(patsubst %.c,$(FUZZ_BUILD)/%.o,$(LICENSE_SOURCES) \
	$(addprefix lib/base/,arena_exit.c file.c file_key.c log.c suggestion.c random.c settings.c wire.c) \
	app/agent/bundle.c app/agent/local_http.c $(call sources,app/agent-store))
FUZZERS := $(patsubst tests/fuzz/%.c,$(FUZZ_BUILD)/%,$(wildcard tests/fuzz/*.c))

$(FUZZ_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ_BUILD)/%: tests/fuzz/%.c $(FUZZ_CODE)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ -lcrypto -ljson-c

.SECONDARY: $(FUZZ_CODE) # kept, or each run would compile all of it again
.PHONY: fuzz
fuzz: $(FUZZERS)
	@tests/fuzz/run.py $(FUZZ_BUILD)

-include $(shell find $(FUZZ_BUILD) -name '*.d' 2>/dev/null)
