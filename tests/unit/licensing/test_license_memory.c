/*
 * test_license_memory.c: liblicense when memory ends: every allocation of opening, taking a
 * licence, a list and keys fails in turn. It must say so, or be right; it must not crash, leak,
 * spoil what it holds, or call a good licence forged.
 *
 * OOM_STRIDE=1 fails every allocation; by default, to be quick, the first 40 and every 41st.
 *
 * The allocator stands in for the C library's, so the sanitizers' builds can't run it.
 */
#include "support/licensing_fixture.h"

#include <errno.h>

#include "licensing/license.h"
#include "licensing/revocations.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__)
#define INJECT 0
#else
#define INJECT 1
#endif

#if INJECT
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static long left = -1; /* allocations until the one that fails; below 0: none does */
static bool once;      /* only that one, or all from there on */

static bool
fails(void)
{
	if (left < 0)
		return false;
	if (left > 0) {
		left--;
		return false;
	}
	if (once)
		left = -2;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}
#else
static long left = -1;
static bool once;
#endif

static int64_t
fixed_clock(void *context)
{
	(void)context;
	return FORGE_NOW_S;
}

static char *token, *list, *both_keys;

static enum license_error
step_open(struct license **license)
{
	struct license_options options = {.size = sizeof(options),
	                                  .keys = both_keys,
	                                  .issuer = FORGE_ISSUER,
	                                  .now = fixed_clock};

	return license_open(&options, license);
}

static enum license_error
step_set(struct license **license)
{
	return license_set(*license, token);
}

static enum license_error
step_list(struct license **license)
{
	return license_set_revocations(*license, list);
}

static enum license_error
step_keys(struct license **license)
{
	return license_set_keys(*license, both_keys);
}

static const struct {
	const char *name;
	enum license_error (*run)(struct license **license);
	bool opens;
} steps[] = {
        {"open", step_open, true},
        {"licence", step_set, false},
        {"list", step_list, false},
        {"keys", step_keys, false},
};

/* Whatever failed, the same without the failure works afterwards. */
static void
check_sound(struct license **license)
{
	if (*license == NULL)
		ck_assert_int_eq(step_open(license), LICENSE_OK);
	ck_assert_int_eq(step_keys(license), LICENSE_OK);
	ck_assert_int_eq(step_set(license), LICENSE_OK);
	ck_assert_int_eq(license_verdict(*license), LICENSE_IS_VALID);
}

/* False when no allocation was left to fail. */
static bool
fail_at(int step, long point)
{
	struct license *license = NULL;
	enum license_error error;
	bool failed;

	if (!steps[step].opens) {
		ck_assert_int_eq(step_open(&license), LICENSE_OK);
		ck_assert_int_eq(step_set(&license), LICENSE_OK);
	}
	left = point;
	error = steps[step].run(&license);
	failed = left <= 0;
	left = -1;
	if (error == LICENSE_OK || license != NULL)
		ck_assert_msg(steps[step].opens || license_verdict(license) == LICENSE_IS_VALID,
		              "%s, allocation %ld: %s", steps[step].name, point,
		              license_reason(license));
	else
		ck_assert(error == LICENSE_ERROR_MEMORY || error == LICENSE_ERROR_KEYS);
	check_sound(&license);
	license_close(license);
	return failed;
}

START_TEST(test_each_allocation)
{
	const char *jtis[] = {"lic_other"};
	struct revocations revoked = {.issuer = FORGE_ISSUER,
	                              .issued_at_s = FORGE_NOW_S,
	                              .next_update_s = FORGE_NOW_S + 1,
	                              .jtis = jtis,
	                              .count = 1};
	const char *given = getenv("OOM_STRIDE");
	long point = 0, stride = given ? strtol(given, NULL, 10) : 41;

	if (!INJECT) {
		printf("failing allocations: not under sanitizers\n");
		return;
	}
	once = _i % 2;
	token = good_token();
	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &revoked, &list), FAIL_NONE);
	both_keys = _i % 4 / 2 ? license_keys_jwks(task.arena, &keys)
	                       : arena_copy(task.arena, keys.items[0].public_pem);
	while (point < 5000 && fail_at(_i / 4, point))
		point += point < 40 ? 1 : stride;
	ck_assert_int_gt(point, 5);
	printf("failing allocations: %s, up to the %ldth, %s\n", steps[_i / 4].name, point,
	       once ? "one each" : "all from each on");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("license memory");
	TCase *tcase = fixture_case("memory");

	tcase_add_loop_test(tcase, test_each_allocation, 0, 4 * ROWS(steps));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
