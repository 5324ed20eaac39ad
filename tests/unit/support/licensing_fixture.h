/* licensing_fixture.h: the task, the keys and the good licence that tests of tokens start
 * from. */
#pragma once

#include "support/forge.h"

#include "licensing/verify.h"

static struct task task;
static struct license_keys keys, foreign; /* ours, and somebody else's */
static struct license_claims claims;

/* Once for all tests, as making a key is slow. */
static inline void
fixture_make_keys(void)
{
	struct task making = suite_task();

	forge_keys(&making, &keys);
	forge_keys(&making, &foreign);
	suite_task_end(&making);
}

static inline void
fixture_release_keys(void)
{
	license_keys_release(&keys);
	license_keys_release(&foreign);
}

static inline void
fixture_setup(void)
{
	task = suite_task();
	claims = forge_claims();
}

static inline void
fixture_teardown(void)
{
	suite_task_end(&task);
}

static inline TCase *
fixture_case(const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 600);
	tcase_add_unchecked_fixture(tcase, fixture_make_keys, fixture_release_keys);
	tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
	return tcase;
}

/* The verdict of a verifier with our keys, now, without leeway. */
static inline enum token_verdict
verify(const char *token)
{
	struct license_claims out;
	const char *payload;
	enum token_verdict verdict = license_verify(&task, &keys, token, FORGE_NOW_S, 0,
	                                            FORGE_ISSUER, &out, &payload);

	ck_assert_int_eq(task.failure.kind, FAIL_NONE);
	return verdict;
}

static inline char *
good_token(void)
{
	char *token = NULL;

	ck_assert_int_eq(license_sign(&task, &keys.items[0], &claims, &token), FAIL_NONE);
	return token;
}

static inline char *
good_payload(void)
{
	return license_claims_write(task.arena, &claims);
}

static inline char *
good_header(void)
{
	return arena_printf(task.arena, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	                    keys.items[0].kid);
}
