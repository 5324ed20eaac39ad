/* test_text.c: texts that grow, numbers to and from digits, UTF-8, and lists in a string. */
#include "support/suite.h"

#include <inttypes.h>

#include "base/text.h"

static struct arena *arena;

static void
setup(void)
{
	arena = arena_new((size_t)256 * 1024 * 1024);
}

static void
teardown(void)
{
	arena_free(arena);
}

START_TEST(test_grows)
{
	static const size_t capacities[] = {0, 1, 7, 4096};
	struct text text = text_new(arena, capacities[_i]);
	char want[3001] = "";

	ck_assert_str_eq(text.data, "");
	for (int i = 0; i < 1000; i++) {
		text_add_char(&text, (char)('a' + i % 26));
		text_add(&text, i % 2 ? "xy" : "");
		ck_assert_uint_eq(strlen(text.data), text.length);
		want[strlen(want)] = (char)('a' + i % 26);
		strcat(want, i % 2 ? "xy" : "");
	}
	ck_assert_str_eq(text.data, want);
	ck_assert_uint_le(text.length, text.capacity);
}
END_TEST

START_TEST(test_bytes_and_formats)
{
	struct text text = text_new(arena, 2);

	text_add_bytes(&text, "a\0b", 3);
	ck_assert_mem_eq(text.data, "a\0b\0", 4);
	text_printf(&text, "%s-%05d", "long enough to grow", 42);
	ck_assert_str_eq(text.data + 3, "long enough to grow-00042");
	text_add_bytes(&text, "", 0);
	ck_assert_uint_eq(text.length, 28);
}
END_TEST

START_TEST(test_int_round_trip)
{
	static const int64_t edges[] = {0,         1,         -1,           9, 10, -10,
	                                INT64_MAX, INT64_MIN, INT64_MIN + 1};
	uint64_t state = suite_seed("integers");

	for (int i = 0; i < 20000; i++) {
		int64_t number =
		        i < ROWS(edges) ? edges[i] : (int64_t)suite_random(&state) >> (i % 63);
		struct text text = text_new(arena, 4);
		int64_t back = 77;
		char want[32];

		text_add_int(&text, number);
		snprintf(want, sizeof(want), "%" PRId64, number);
		ck_assert_str_eq(text.data, want);
		ck_assert(text_parse_int(text.data, &back));
		ck_assert_int_eq(back, number);
	}
}
END_TEST

START_TEST(test_no_integers)
{
	static const char *const texts[] = {"",
	                                    "-",
	                                    "+1",
	                                    " 1",
	                                    "1 ",
	                                    "01",
	                                    "-01",
	                                    "-0",
	                                    "00",
	                                    "1.0",
	                                    "1e3",
	                                    "0x10",
	                                    "١",
	                                    "1\n",
	                                    "--1",
	                                    "1-",
	                                    "a",
	                                    "9223372036854775808",
	                                    "1_0",
	                                    "1,00",
	                                    "\t10",
	                                    "/",
	                                    ":",
	                                    "-9223372036854775809",
	                                    "18446744073709551616",
	                                    "99999999999999999999999999"};
	int64_t number = 77;

	for (int i = 0; i < ROWS(texts); i++) {
		ck_assert_msg(!text_parse_int(texts[i], &number), "%s", texts[i]);
		ck_assert_int_eq(number, 77);
	}
}
END_TEST

START_TEST(test_numbers_within_a_text)
{
	static const char *const refused[] = {"",
	                                      "1",
	                                      "-",
	                                      "01-",
	                                      "9223372036854775808-",
	                                      "1 -",
	                                      "00000000000000000000000000000000000001-"};
	const char *cursor = "12-9223372036854775807:w";
	int64_t number;

	ck_assert(text_take_int(&cursor, '-', &number) && number == 12);
	ck_assert(text_take_int(&cursor, ':', &number) && number == INT64_MAX);
	ck_assert_str_eq(cursor, "w");
	for (int i = 0; i < ROWS(refused); i++) {
		cursor = refused[i];
		ck_assert_msg(!text_take_int(&cursor, '-', &number), "%s", refused[i]);
	}
}
END_TEST

START_TEST(test_equal_and_prefix)
{
	char copy[] = "abc";

	ck_assert(text_equal(NULL, NULL) && text_equal("", "") && text_equal("abc", copy));
	ck_assert(!text_equal(NULL, "") && !text_equal("", NULL) && !text_equal("abc", "abd"));
	ck_assert(text_starts_with("abc", "") && text_starts_with("abc", "abc"));
	ck_assert(!text_starts_with("abc", "abcd") && !text_starts_with("", "a"));
}
END_TEST

/* A second decoder of UTF-8, written by RFC 3629. */
static bool
decodes(const unsigned char *bytes, size_t length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	for (size_t at = 0; at < length;) {
		unsigned first = bytes[at];
		size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
		uint32_t point = size == 1 ? first : first & (0xffu >> (size + 1));

		if (size == 4 && first >> 3 != 30)
			return false;
		if (size > length - at)
			return false;
		for (size_t k = 1; k < size; k++) {
			if (bytes[at + k] >> 6 != 2)
				return false;
			point = point << 6 | (bytes[at + k] & 0x3f);
		}
		if (point < least[size] || point > 0x10ffff ||
		    (point >= 0xd800 && point <= 0xdfff))
			return false;
		at += size;
	}
	return true;
}

/* Checks a copy without a byte more, so that a sanitizer sees each read beyond it. */
static void
compare(const unsigned char *bytes, size_t length)
{
	char *exact = malloc(length);
	bool verdict;

	memcpy(exact, bytes, length);
	verdict = text_is_utf8(exact, length);
	free(exact);
	if (verdict != decodes(bytes, length))
		ck_abort_msg("%02x %02x %02x %02x: %zu bytes", bytes[0], bytes[1], bytes[2],
		             bytes[3], length);
}

/* All texts of up to two bytes, then three and four with every interesting byte. */
START_TEST(test_utf8_small)
{
	static const unsigned char edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
	                                      0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
	                                      0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
	                                      0xf3, 0xf4, 0xf5, 0xf8, 0xfc, 0xfe, 0xff};
	unsigned char bytes[4] = {0};

	ck_assert(text_is_utf8("", 0));
	for (unsigned i = 0; i < 65536; i++) {
		bytes[0] = (unsigned char)(i >> 8);
		bytes[1] = (unsigned char)i;
		compare(bytes, 1);
		compare(bytes, 2);
	}
	for (int i = 0; i < ROWS(edges) * ROWS(edges) * ROWS(edges) * ROWS(edges); i++) {
		for (int k = 0, rest = i; k < 4; k++, rest /= ROWS(edges))
			bytes[k] = edges[rest % ROWS(edges)];
		if (bytes[3] == 0)
			compare(bytes, 3);
		compare(bytes, 4);
	}
}
END_TEST

START_TEST(test_cut)
{
	ck_assert_uint_eq(text_cut("", 3), 0);
	ck_assert_uint_eq(text_cut("abc", 3), 3);
	ck_assert_uint_eq(text_cut("abcd", 3), 3);
	ck_assert_uint_eq(text_cut("ab\xc3\xa9", 3), 2);
	ck_assert_uint_eq(text_cut("ab\xc3\xa9", 4), 4);
	ck_assert_uint_eq(text_cut("\xf0\x9f\x98\x80", 3), 0);
}
END_TEST

START_TEST(test_characters)
{
	ck_assert_uint_eq(text_characters(""), 0);
	ck_assert_uint_eq(text_characters("abc"), 3);
	ck_assert_uint_eq(text_characters("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), 4);
}
END_TEST

START_TEST(test_made_of)
{
	ck_assert(text_is_made_of("0af9", TEXT_HEX, 4, 4));
	ck_assert(text_is_made_of("", TEXT_HEX, 0, 4));
	ck_assert(!text_is_made_of("", TEXT_HEX, 1, 4));
	ck_assert(!text_is_made_of("0af", TEXT_HEX, 4, 8));
	ck_assert(!text_is_made_of("0af912345", TEXT_HEX, 4, 8));
	ck_assert(!text_is_made_of("0aF9", TEXT_HEX, 4, 4));
	ck_assert(!text_is_made_of("0af9\n", TEXT_HEX, 4, 5));
}
END_TEST

static const struct {
	const char *list;
	const char *items[4];
} lists[] = {
        {"", {NULL}},
        {" , ,\t,", {NULL}},
        {"a", {"a"}},
        {" a b ,c\t,, d", {"a b", "c", "d"}},
        {"https://a.example,https://b.example", {"https://a.example", "https://b.example"}},
};

START_TEST(test_next_item)
{
	const char *cursor = lists[_i].list, *item;
	size_t length, count = 0;

	while (text_next_item(&cursor, &item, &length)) {
		const char *want = lists[_i].items[count++];

		ck_assert_ptr_nonnull(want);
		ck_assert_uint_eq(length, strlen(want));
		ck_assert_mem_eq(item, want, length);
	}
	ck_assert_ptr_null(lists[_i].items[count]);
	ck_assert_str_eq(cursor, "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("text");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_grows, 0, 4);
	tcase_add_test(tcase, test_bytes_and_formats);
	tcase_add_test(tcase, test_int_round_trip);
	tcase_add_test(tcase, test_no_integers);
	tcase_add_test(tcase, test_numbers_within_a_text);
	tcase_add_test(tcase, test_equal_and_prefix);
	tcase_add_test(tcase, test_utf8_small);
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_characters);
	tcase_add_test(tcase, test_made_of);
	tcase_add_loop_test(tcase, test_next_item, 0, ROWS(lists));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
