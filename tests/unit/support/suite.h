/* suite.h: the parts that unit tests share: running a suite, temporary folders, and published
 * corpora, which may lie beside the project. */
#pragma once

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/encoding.h"
#include "base/failure.h"

/* Check's old macro for ck_abort_msg() would break `enum fail (*step)(...)`. */
#undef fail

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

/* Check gives a test 4 seconds, which a busy machine may take for one of a tenth. */
static __attribute__((constructor)) void
suite_patience(void)
{
	(void)setenv("CK_DEFAULT_TIMEOUT", "60", 0);
}

/* Runs the suite as CK_FORK, CK_RUN_CASE and CK_VERBOSITY say; the exit status of main(). */
static inline int
suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A fresh task; the caller ends it with suite_task_end(). */
static inline struct task
suite_task(void)
{
	return (struct task){.arena = arena_new((size_t)256 * 1024 * 1024)};
}

static inline void
suite_task_end(struct task *task)
{
	arena_free(task->arena);
}

/* A new empty folder under TMPDIR. */
static inline char *
suite_folder(struct arena *arena)
{
	const char *base = getenv("TMPDIR");
	char *path = arena_printf(arena, "%s/billing-test-XXXXXX", base ? base : "/tmp");

	ck_assert_ptr_nonnull(mkdtemp(path));
	return path;
}

/* Removes what suite_folder() made, with everything in it. */
static inline void
suite_folder_remove(struct arena *arena, const char *path)
{
	ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s'", path)), 0);
}

/* Appends a line to the file that $NOT_TESTED_FILE names: tests/check.sh prints it at its
 * end. */
static inline void
suite_not_tested(const char *what)
{
	const char *path = getenv("NOT_TESTED_FILE");
	FILE *file = path == NULL ? NULL : fopen(path, "a");

	printf("not tested: %s\n", what);
	if (file == NULL)
		return;
	fprintf(file, "%s\n", what);
	fclose(file);
}

/* The path of a file under $SHARED_DIR (default ../shared); NULL, recorded, when it is
 * absent. */
static inline char *
suite_shared(struct arena *arena, const char *name)
{
	const char *shared = getenv("SHARED_DIR");
	char *path = arena_printf(arena, "%s/%s", shared ? shared : "../shared", name);

	if (access(path, R_OK) == 0)
		return path;
	suite_not_tested(path);
	return NULL;
}

/* The path of a corpus among them. */
static inline char *
suite_corpus(struct arena *arena, const char *name)
{
	return suite_shared(arena, arena_printf(arena, "corpora/%s", name));
}

static inline uint8_t
suite_hex_digit(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* The bytes that lower-case hex spells. */
static inline struct bytes
suite_hex(struct arena *arena, const char *hex)
{
	size_t length = strlen(hex) / 2;
	uint8_t *data = arena_alloc(arena, length + 1);

	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(suite_hex_digit(hex[2 * i]) << 4 |
		                    suite_hex_digit(hex[2 * i + 1]));
	return (struct bytes){data, length};
}

/* A small generator whose seed repeats a run (xorshift64*). */
static inline uint64_t
suite_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* Under valgrind, which run.sh tells by asking for few mutations. */
static inline bool
suite_is_slow(void)
{
	const char *mutations = getenv("MUTATIONS");

	return mutations && strtol(mutations, NULL, 10) < 1000;
}

/* The seed of this run, from SEED or fixed, printed. */
static inline uint64_t
suite_seed(const char *what)
{
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : 20250215;

	printf("%s: seed %llu\n", what, (unsigned long long)seed);
	return seed ? seed : 1;
}

/* The bytes of a published text as they stand in its file: no mark is left out, no encoding refused. */
static inline char *
suite_read_bytes(struct arena *arena, const char *path, size_t *length)
{
	FILE *file = fopen(path, "re");
	char *text;

	ck_assert_msg(file != NULL && fseek(file, 0, SEEK_END) == 0, "cannot open %s", path);
	*length = (size_t)ftell(file);
	rewind(file);
	text = arena_alloc(arena, *length + 1);
	ck_assert_uint_eq(fread(text, 1, *length, file), *length);
	(void)fclose(file);
	return text;
}
