/* test_arena.c: arenas give zeroed, aligned memory that does not overlap, up to a limit. */
#include "support/suite.h"

#include <stdalign.h>
#include <stdint.h>
#include <sys/wait.h>

enum { LIMIT = 4 * 1024 * 1024 };

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new(LIMIT);
}

static void
teardown(void)
{
	arena_free(arena);
}

static void
check_fresh(const unsigned char *item, size_t size)
{
	ck_assert_uint_eq((uintptr_t)item % alignof(max_align_t), 0);
	for (size_t i = 0; i < size; i++)
		if (item[i] != 0)
			ck_abort_msg("byte %zu of %zu is not zero", i, size);
}

START_TEST(test_zeroed_and_aligned)
{
	static const size_t sizes[] = {1, 3, 15, 16, 17, 1000, 65535, 65536, 65537, 300000};

	/* The second round gets the memory that the first one filled. */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < ROWS(sizes); i++) {
			unsigned char *item = arena_alloc(arena, sizes[i]);

			check_fresh(item, sizes[i]);
			memset(item, 0xa5, sizes[i]);
		}
		arena_reset(arena);
	}
}
END_TEST

START_TEST(test_items_do_not_overlap)
{
	enum { ITEMS = 2000 };
	unsigned char *items[ITEMS];
	size_t sizes[ITEMS];
	uint64_t state = suite_seed("arena sizes");

	for (int i = 0; i < ITEMS; i++) {
		sizes[i] = 1 + suite_random(&state) % 700;
		items[i] = arena_alloc(arena, sizes[i]);
		memset(items[i], i % 251, sizes[i]);
	}
	for (int i = 0; i < ITEMS; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			if (items[i][k] != i % 251)
				ck_abort_msg("item %d was overwritten at %zu", i, k);
}
END_TEST

START_TEST(test_strings)
{
	const char bytes[] = {'a', '\0', 'b', 'c'};
	char *copy = arena_copy_bytes(arena, bytes, 3);

	ck_assert_mem_eq(copy, "a\0b\0", 4);
	ck_assert_str_eq(arena_copy_bytes(arena, NULL, 0), "");
	ck_assert_str_eq(arena_copy(arena, ""), "");
	ck_assert_str_eq(arena_copy(arena, "text"), "text");
	ck_assert_str_eq(arena_printf(arena, "%s=%d%%", "n", -7), "n=-7%");
	copy = arena_printf(arena, "%0*d", 100000, 1);
	ck_assert_uint_eq(strlen(copy), 100000);
	ck_assert_ptr_ne(arena_copy(arena, copy), copy);
}
END_TEST

static char order[8];

static void
note(void *letter)
{
	strncat(order, letter, 1);
}

START_TEST(test_deferred_run_once_and_backwards)
{
	char letters[] = "abc";

	order[0] = '\0';
	for (int i = 0; i < 3; i++)
		arena_defer(arena, note, letters + i);
	ck_assert_str_eq(order, "");
	arena_reset(arena);
	ck_assert_str_eq(order, "cba");
	arena_reset(arena);
	ck_assert_str_eq(order, "cba");
}
END_TEST

START_TEST(test_free_runs_what_is_deferred)
{
	struct arena *other = arena_new(1024);
	char letter[] = "x";

	order[0] = '\0';
	arena_defer(other, note, letter);
	arena_free(other);
	ck_assert_str_eq(order, "x");
	arena_free(NULL);
}
END_TEST

/* Allocates all of 1024 bytes, in small pieces and after a reset in one; the caller frees
 * it. */
static struct arena *
full_arena(void)
{
	struct arena *own = arena_new(1024);

	for (int i = 0; i < 64; i++)
		(void)arena_alloc(own, 16);
	arena_reset(own);
	(void)arena_alloc(own, 1024);
	return own;
}

/* Ways to allocate more than the limit. */
static void
allocate_too_much(int way)
{
	struct arena *own = way == 5 ? full_arena() : arena_new(1000);

	if (way == 0)
		(void)arena_alloc(own, 1001);
	if (way == 1)
		(void)arena_alloc(own, SIZE_MAX);
	if (way == 2)
		(void)arena_array(own, SIZE_MAX / 2, 3);
	for (int i = 0; way == 3 && i < 11; i++)
		(void)arena_alloc(own, 100);
	if (way == 4)
		(void)arena_printf(own, "%2000d", 1);
	if (way == 5)
		(void)arena_alloc(own, 1);
}

/* The process exits with status 70 and a line in the log; code behind the allocation never
 * runs. */
START_TEST(test_the_limit_ends_the_process)
{
	int out[2], status;
	char line[512] = "";
	pid_t child;

	ck_assert_int_eq(pipe(out), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		dup2(out[1], STDERR_FILENO);
		allocate_too_much(_i);
		_exit(0);
	}
	close(out[1]);
	ck_assert_int_gt(read(out[0], line, sizeof(line) - 1), 0);
	close(out[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 70);
	ck_assert_ptr_nonnull(strstr(line, "\"message\":\"arena limit reached\""));
}
END_TEST

START_TEST(test_up_to_the_limit)
{
	arena_free(full_arena());
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tcase = tcase_create("arena");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_zeroed_and_aligned);
	tcase_add_test(tcase, test_items_do_not_overlap);
	tcase_add_test(tcase, test_strings);
	tcase_add_test(tcase, test_deferred_run_once_and_backwards);
	tcase_add_test(tcase, test_free_runs_what_is_deferred);
	tcase_add_loop_test(tcase, test_the_limit_ends_the_process, 0, 6);
	tcase_add_test(tcase, test_up_to_the_limit);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
