/* test_signature.c: which signatures of webhooks are accepted: cases of our own, every changed
 * byte, random headers, and the official library's verdicts when they are beside the
 * project. */
#include "support/suite.h"

#include "base/digest.h"
#include "base/file.h"
#include "stripe/signature.h"
#include "json/view.h"

/* Computed with Python's hmac. */
#define BODY "{\"id\":\"evt_own_1\",\"type\":\"invoice.paid\",\"note\":\"\xc3\xa9\0\xff\"}\n"
#define FIRST_V1 "1ca258a3e1d080295781c72194b4a12025264a8f114bebb14f4806abef212fef"
#define SECOND_V1 "4eb3067d390db02b67ad9314f921f299afc24edb9b71f7f2774786d6d9f53941"
#define NO_SECRET_V1 "643919c852cd5a6afcdc242bc368f87bed05e79cba4279aa16ae12c112a538a6"
#define NO_BODY_V1 "09bb4f1e4b6d8616004c7f31f3508817573c1604e310f4648be54fbb36fb3fe0"
#define FIRST "whsec_own_first"
#define SECOND "whsec_own_second"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

enum { BODY_LENGTH = sizeof(BODY) - 1, VECTORS_MAX = 1024 * 1024 };

static const int64_t signed_at = 1800000000;
static struct task task;

static void
setup(void)
{
	task = suite_task();
}

static void
teardown(void)
{
	suite_task_end(&task);
}

static const char *
fault_at(const char *header, const char *secrets, int64_t now_s)
{
	return stripe_signature_fault(task.arena, header, BODY, BODY_LENGTH, secrets,
	                              now_s * 1000 + 999);
}

static const struct {
	const char *header;
	const char *secrets;
	bool fine;
} cases[] = {
        {"t=1800000000,v1=" FIRST_V1, FIRST, true},
        {"v1=" FIRST_V1 ",t=1800000000", FIRST, true},
        {"t=1800000000,v1=" FIRST_V1 ",v0=" ZEROS, FIRST, true},
        {"t=1800000000,v1=" ZEROS ",v1=" FIRST_V1, FIRST, true},
        {"t=1800000000,v1=" FIRST_V1 ",v1=" ZEROS, FIRST, true},
        {"t=1800000000,v1=" SECOND_V1 ",v1=" FIRST_V1, SECOND, true},
        {"t=1800000000,v1=,v1=short,v1=" FIRST_V1, FIRST, true},
        {"t=1800000000,,foo,=,foo=bar,v1=" FIRST_V1 ",", FIRST, true},
        {"t=1,t=1800000000,v1=" FIRST_V1, FIRST, true},
        /* Several secrets, while one replaces the other. */
        {"t=1800000000,v1=" FIRST_V1, FIRST "," SECOND, true},
        {"t=1800000000,v1=" FIRST_V1, SECOND "," FIRST, true},
        {"t=1800000000,v1=" SECOND_V1, " " FIRST " , " SECOND " ", true},
        {"t=1800000000,v1=" SECOND_V1, ",," SECOND ",", true},
        {"t=1800000000,v1=" SECOND_V1, FIRST, false},
        {"t=1800000000,v1=" FIRST_V1, FIRST SECOND, false},
        {"t=1800000000,v1=" FIRST_V1, "own_first", false},
        {"t=1800000000,v1=" FIRST_V1, "WHSEC_OWN_FIRST", false},
        /* An unset secret never verifies. */
        {"t=1800000000,v1=" NO_SECRET_V1, "", false},
        {"t=1800000000,v1=" NO_SECRET_V1, NULL, false},
        {"t=1800000000,v1=" NO_SECRET_V1, ",", false},
        {"t=1800000000,v1=" NO_SECRET_V1, " , ", false},
        /* Only the scheme v1 counts. */
        {"t=1800000000,v0=" FIRST_V1, FIRST, false},
        {"t=1800000000,v2=" FIRST_V1, FIRST, false},
        {"t=1800000000,v11=" FIRST_V1, FIRST, false},
        {"t=1800000000,v=" FIRST_V1, FIRST, false},
        {"t=1800000000,V1=" FIRST_V1, FIRST, false},
        {"t=1800000000,v1 =" FIRST_V1, FIRST, false},
        /* Spelling. */
        {"t=1800000000, v1=" FIRST_V1, FIRST, false},
        {"t=1800000000,v1= " FIRST_V1, FIRST, false},
        {"t=1800000000,v1=" FIRST_V1 " ", FIRST, false},
        {"t=1800000000;v1=" FIRST_V1, FIRST, false},
        {"t=1800000000,v1=\"" FIRST_V1 "\"", FIRST, false},
        {"t=1800000000,v1=" FIRST_V1 "00", FIRST, false},
        {"t=1800000000,v1=1CA258A3E1D080295781C72194B4A12025264A8F114BEBB14F4806ABEF212FEF",
         FIRST, false},
        /* The time. */
        {"v1=" FIRST_V1, FIRST, false},
        {"t=,v1=" FIRST_V1, FIRST, false},
        {"t=abc,v1=" FIRST_V1, FIRST, false},
        {"t=01800000000,v1=" FIRST_V1, FIRST, false},
        {"t=+1800000000,v1=" FIRST_V1, FIRST, false},
        {"t=1800000000 ,v1=" FIRST_V1, FIRST, false},
        {"t=1800000000.0,v1=" FIRST_V1, FIRST, false},
        {"t=-1800000000,v1=" FIRST_V1, FIRST, false},
        {"t=9223372036854775807,v1=" FIRST_V1, FIRST, false},
        {"t=9223372036854775808,v1=" FIRST_V1, FIRST, false},
        {"t=1800000000,t=1,v1=" FIRST_V1, FIRST, false},
        {"t=1800000001,v1=" FIRST_V1, FIRST, false},
        {"T=1800000000,v1=" FIRST_V1, FIRST, false},
        /* Nothing. */
        {"t=1800000000", FIRST, false},
        {"t=1800000000,v1=", FIRST, false},
        {"t=1800000000,v1", FIRST, false},
        {"", FIRST, false},
        {NULL, FIRST, false},
        {",,,", FIRST, false},
        {"=", FIRST, false},
};

START_TEST(test_cases)
{
	const char *fault = fault_at(cases[_i].header, cases[_i].secrets, signed_at + 2);

	ck_assert_msg((fault == NULL) == cases[_i].fine, "%s: %s", cases[_i].header,
	              fault ? fault : "accepted");
}
END_TEST

static const struct {
	int64_t age_s;
	bool fine;
} ages[] = {
        {0, true},    {299, true},   {300, true},    {301, false},    {-299, true},
        {-300, true}, {-301, false}, {86400, false}, {-86400, false}, {-1800000000, false},
};

START_TEST(test_ages)
{
	const char *fault =
	        fault_at("t=1800000000,v1=" FIRST_V1, FIRST, signed_at + ages[_i].age_s);

	ck_assert_msg((fault == NULL) == ages[_i].fine, "%lld s: %s", (long long)ages[_i].age_s,
	              fault ? fault : "accepted");
}
END_TEST

START_TEST(test_every_changed_byte_of_the_body)
{
	for (size_t at = 0; at < BODY_LENGTH; at++) {
		char body[] = BODY;

		body[at] = (char)(body[at] ^ (1 << at % 8));
		ck_assert_ptr_nonnull(
		        stripe_signature_fault(task.arena, "t=1800000000,v1=" FIRST_V1, body,
		                               BODY_LENGTH, FIRST, signed_at * 1000));
	}
}
END_TEST

START_TEST(test_every_other_length_of_the_body)
{
	for (size_t length = 0; length < BODY_LENGTH; length++)
		ck_assert_ptr_nonnull(stripe_signature_fault(task.arena,
		                                             "t=1800000000,v1=" FIRST_V1, BODY,
		                                             length, FIRST, signed_at * 1000));
	/* Signed or not, an empty body is no event. */
	ck_assert_ptr_nonnull(stripe_signature_fault(task.arena, "t=1800000000,v1=" NO_BODY_V1,
	                                             "", 0, FIRST, signed_at * 1000));
	ck_assert_ptr_nonnull(stripe_signature_fault(task.arena, "t=1800000000,v1=" NO_BODY_V1,
	                                             NULL, 0, FIRST, signed_at * 1000));
}
END_TEST

START_TEST(test_every_changed_byte_of_the_header)
{
	static const char header[] = "t=1800000000,v1=" FIRST_V1;

	for (size_t at = 0; at < sizeof(header) - 1; at++) {
		for (int bit = 0; bit < 8; bit++) {
			char copy[sizeof(header)];

			memcpy(copy, header, sizeof(header));
			copy[at] = (char)(copy[at] ^ (1 << bit));
			ck_assert_msg(fault_at(copy, FIRST, signed_at) != NULL, "%s", copy);
		}
		arena_reset(task.arena);
	}
}
END_TEST

/* Random headers are accepted only when the right time is last and one v1 is right. */
START_TEST(test_random_headers)
{
	static const char *const pieces[] = {"t=1800000000",
	                                     "t=1800000001",
	                                     "t=",
	                                     "v1=" FIRST_V1,
	                                     "v1=" ZEROS,
	                                     "v0=" FIRST_V1,
	                                     "v1=",
	                                     "",
	                                     "=",
	                                     "v1=" FIRST_V1 "0",
	                                     "t",
	                                     "x=y"};
	const char *mutations = getenv("MUTATIONS");
	long rounds = (mutations ? strtol(mutations, NULL, 10) : 200000) / 10;
	uint64_t state = suite_seed("signature headers");

	for (long round = 0; round < rounds; round++) {
		char header[1024] = "";
		const char *time = "";
		bool signature = false;

		for (size_t i = suite_random(&state) % 8; i > 0; i--) {
			const char *piece = pieces[suite_random(&state) % ROWS(pieces)];

			strcat(header, piece);            /* NOLINT: eight pieces fit */
			strcat(header, i > 1 ? "," : ""); /* NOLINT */
			if (strncmp(piece, "t=", 2) == 0)
				time = piece;
			signature = signature || strcmp(piece, "v1=" FIRST_V1) == 0;
		}
		ck_assert_msg((fault_at(header, FIRST, signed_at) == NULL) ==
		                      (signature && strcmp(time, pieces[0]) == 0),
		              "%s", header);
		arena_reset(task.arena);
	}
}
END_TEST

static const char *
member(const struct json_view *object, const char *name)
{
	const char *out;

	ck_assert_msg(json_view_string(object, name, &out), "%s is missing", name);
	return out;
}

/* Decodes standard base64 by the decoder of base64url. */
static struct bytes
body_of(const struct json_view *vector)
{
	char *text = arena_copy(task.arena, member(vector, "body_base64"));
	struct bytes out;

	for (char *at = text; *at != '\0'; at++) {
		if (*at == '+')
			*at = '-';
		if (*at == '/')
			*at = '_';
	}
	ck_assert(base64url_decode(task.arena, text, strcspn(text, "="), &out));
	return out;
}

/* Cases in which we are stricter than the library, or have another tolerance. */
static bool
is_ours_to_judge(const struct json_view *vector)
{
	int64_t tolerance = 0;

	ck_assert(json_view_int(vector, "tolerance", &tolerance));
	return tolerance == STRIPE_SIGNATURE_TOLERANCE_SECONDS &&
	       strcmp(member(vector, "name"), "timestamp 400 s ahead of our clock") != 0;
}

START_TEST(test_vectors_of_the_official_library)
{
	char *path = suite_shared(task.arena, "stripe/signatures/vectors.json"), *text;
	struct json_view root, vectors, vector;
	size_t length = 0, judged = 0;

	if (path == NULL)
		return;
	ck_assert_int_eq(file_read(&task, path, VECTORS_MAX, &text, &length), FAIL_NONE);
	ck_assert_int_eq(json_view_open(&task, text, length, &root), FAIL_NONE);
	ck_assert(json_view_list(&root, "cases", &vectors));
	for (bool more = json_view_first(&vectors, &vector); more;
	     more = json_view_next(&vector)) {
		struct bytes body = body_of(&vector);
		bool accept = false, ours = is_ours_to_judge(&vector);
		int64_t now_s = 0;
		const char *fault;

		ck_assert(json_view_bool(&vector, "accept", &accept));
		ck_assert(json_view_int(&vector, "now", &now_s));
		fault = stripe_signature_fault(task.arena, member(&vector, "header"),
		                               (const char *)body.data, body.length,
		                               member(&vector, "secret"), now_s * 1000);
		/* The library accepts the excepted cases, and we refuse them. */
		ck_assert_msg((fault == NULL) == (accept && ours), "%s: %s",
		              member(&vector, "name"), fault ? fault : "accepted");
		judged += ours;
	}
	ck_assert_uint_ge(judged, 30);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe signature");
	TCase *tcase = tcase_create("stripe signature");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_cases, 0, ROWS(cases));
	tcase_add_loop_test(tcase, test_ages, 0, ROWS(ages));
	tcase_add_test(tcase, test_every_changed_byte_of_the_body);
	tcase_add_test(tcase, test_every_other_length_of_the_body);
	tcase_add_test(tcase, test_every_changed_byte_of_the_header);
	tcase_add_test(tcase, test_random_headers);
	tcase_add_test(tcase, test_vectors_of_the_official_library);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
