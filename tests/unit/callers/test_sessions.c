/* test_sessions.c: when a session ends, and that a link is used once. */
#include "support/billing_fixture.h"

#include "base/text.h"
#include "callers/session_links.h"

static const char *
token_of(const struct session_link *link)
{
	return strchr(link->url, '=') + 1;
}

/* Whether the session gives rights at this time. */
static bool
is_live(const struct session_opened *opened, int64_t now_ms)
{
	struct sha256 digest = digest_sha256(opened->token, strlen(opened->token));
	struct api_key key = {0};
	bool found;

	operation.now_ms = now_ms;
	fine(session_find(&operation, &digest, &key, &found));
	ck_assert(found);
	return !key.revoked_at.known;
}

static struct session_opened
open_by_key(void)
{
	const struct bytes digest = signed_up.key.key.digest;
	struct session_opened opened = {0};
	struct sha256 copy;

	memcpy(copy.bytes, digest.data, sizeof(copy.bytes));
	fine(session_open(&operation, &copy, "test", &opened));
	return opened;
}

START_TEST(test_it_ends_after_twelve_hours)
{
	struct session_opened opened = open_by_key();

	ck_assert_str_eq(opened.key.key_id, signed_up.key.key.key_id);
	for (int64_t at = 0; at < SESSION_LIFE_MS; at += SESSION_IDLE_MS / 2) {
		ck_assert(is_live(&opened, NOW_MS + at));
		fine(session_touch(&operation, &opened.key));
	}
	ck_assert(is_live(&opened, NOW_MS + SESSION_LIFE_MS - 1));
	ck_assert(!is_live(&opened, NOW_MS + SESSION_LIFE_MS));
}
END_TEST

START_TEST(test_it_ends_after_an_hour_without_use)
{
	struct session_opened opened = open_by_key();

	ck_assert(is_live(&opened, NOW_MS + SESSION_IDLE_MS - 1));
	ck_assert(!is_live(&opened, NOW_MS + SESSION_IDLE_MS));
}
END_TEST

START_TEST(test_a_link_is_used_once)
{
	struct session_opened opened = {0};
	struct session_link link;

	fine(session_link_customer(&operation, customer_id, 5, &link));
	ck_assert(text_starts_with(token_of(&link), "gbl_"));
	ck_assert(text_is_made_of(token_of(&link) + strlen("gbl_"), TEXT_HEX, 64, 64));
	fine(session_link_open(&operation, token_of(&link), NULL, &opened));
	ck_assert_str_eq(opened.key.customer_id, customer_id);
	ck_assert_str_eq(opened.key.key_id, opened.session.session_id);
	refused(session_link_open(&operation, token_of(&link), NULL, &opened),
	        FAIL_UNAUTHENTICATED, "link_invalid");
}
END_TEST

START_TEST(test_a_link_ends)
{
	struct session_opened opened = {0};
	struct session_link link;

	fine(session_link_customer(&operation, customer_id, 5, &link));
	fine(session_link_end(&operation, link.link_id));
	refused(session_link_open(&operation, token_of(&link), NULL, &opened),
	        FAIL_UNAUTHENTICATED, "link_invalid");
	fine(session_link_customer(&operation, customer_id, 5, &link));
	operation.now_ms = link.expires_at.ms;
	refused(session_link_open(&operation, token_of(&link), NULL, &opened),
	        FAIL_UNAUTHENTICATED, "link_invalid");
	refused(session_link_operator(&operation, signed_up.key.key.key_id, &link),
	        FAIL_NOT_FOUND, "operator_not_found");
}
END_TEST

START_TEST(test_the_job_deletes_what_has_ended)
{
	struct session_opened opened = open_by_key();
	struct sha256 digest = digest_sha256(opened.token, strlen(opened.token));
	struct api_key key = {0};
	struct session_link link;
	int64_t pruned;
	bool found;

	fine(session_link_customer(&operation, customer_id, 5, &link));
	operation.batch = 1000;
	operation.now_ms += SESSION_IDLE_MS;
	fine(session_prune(&operation, &pruned));
	ck_assert_int_ge(pruned, 2);
	fine(session_find(&operation, &digest, &key, &found));
	ck_assert(!found);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sessions_db");
	TCase *tcase = fixture_case("sessions");

	tcase_add_test(tcase, test_it_ends_after_twelve_hours);
	tcase_add_test(tcase, test_it_ends_after_an_hour_without_use);
	tcase_add_test(tcase, test_a_link_is_used_once);
	tcase_add_test(tcase, test_a_link_ends);
	tcase_add_test(tcase, test_the_job_deletes_what_has_ended);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
