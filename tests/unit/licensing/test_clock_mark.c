/* test_clock_mark.c: the file of the highest clock: damaged or foreign content is refused and
 * overwritten. */
#include "support/folder_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "licensing/clock_mark.h"

static const char *path;

static void
setup(void)
{
	folder_setup();
	path = folder_path("clock");
}

static void
put(const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

static size_t
get(char *bytes, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t length;

	ck_assert_ptr_nonnull(file);
	length = fread(bytes, 1, size, file);
	ck_assert_int_eq(fclose(file), 0);
	return length;
}

static const struct clock_mark good = {1705276800, 1705280400};

START_TEST(test_round_trip)
{
	struct clock_mark back;

	ck_assert(!clock_mark_read(path, &back));
	ck_assert(clock_mark_write(path, good));
	ck_assert(clock_mark_read(path, &back));
	ck_assert_int_eq(back.signed_s, good.signed_s);
	ck_assert_int_eq(back.seen_s, good.seen_s);
}
END_TEST

/* Every prefix, and every byte changed to each of some others. */
START_TEST(test_damage)
{
	static const char changes[] = {'0', '9', ' ', '\n', '\0', '-', 'x', '\x80'};
	char bytes[256], spoiled[256];
	struct clock_mark back;
	size_t length;

	ck_assert(clock_mark_write(path, good));
	length = get(bytes, sizeof(bytes));
	for (size_t i = 0; i < length; i++) {
		put(bytes, i);
		ck_assert_msg(!clock_mark_read(path, &back), "%zu bytes of it", i);
		ck_assert_int_eq(back.seen_s, 0);
		for (size_t c = 0; c < sizeof(changes); c++) {
			memcpy(spoiled, bytes, length);
			spoiled[i] = changes[c];
			if (memcmp(spoiled, bytes, length) == 0)
				continue;
			put(spoiled, length);
			ck_assert_msg(!clock_mark_read(path, &back), "byte %zu", i);
		}
	}
	memcpy(spoiled, bytes, length);
	spoiled[length] = '\n';
	put(spoiled, length + 1);
	ck_assert(!clock_mark_read(path, &back));
	ck_assert(clock_mark_write(path, good));
	ck_assert(clock_mark_read(path, &back));
}
END_TEST

/* A folder or a FIFO at the path causes no wait and no crash. */
START_TEST(test_other_things)
{
	struct clock_mark back;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert(!clock_mark_read(path, &back));
	ck_assert(!clock_mark_write(path, good));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert(!clock_mark_read(path, &back));
	ck_assert(!clock_mark_write(path, good));
}
END_TEST

START_TEST(test_evidence)
{
	struct clock_mark mark = {0};

	clock_mark_see(&mark, 100);
	clock_mark_see(&mark, 90);
	ck_assert_int_eq(mark.seen_s, 100);
	clock_mark_sign(&mark, 50);
	ck_assert_int_eq(mark.seen_s, 50);
	clock_mark_see(&mark, 200);
	clock_mark_sign(&mark, 40);
	clock_mark_sign(&mark, 50);
	ck_assert_int_eq(mark.seen_s, 200);
	clock_mark_sign(&mark, 60);
	ck_assert_int_eq(mark.seen_s, 60);
	clock_mark_see(&mark, INT64_MAX);
	ck_assert_int_eq(mark.seen_s, 60);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock mark");
	TCase *tcase = tcase_create("file");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, folder_teardown);
	tcase_add_test(tcase, test_round_trip);
	tcase_add_test(tcase, test_damage);
	tcase_add_test(tcase, test_other_things);
	tcase_add_test(tcase, test_evidence);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
