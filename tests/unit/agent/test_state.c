/* test_state.c: each file of the agent's folder, truncated at every byte, counts as absent, and
 * the others still count. */
#include "support/licensing_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "agent-store/license_cache.h"
#include "agent-store/state.h"
#include "base/file.h"
#include "base/log.h"
#include "licensing/revocations.h"

static struct agent_settings settings;
static struct state state;
static char *folder;

/* The verdict of an agent that starts now; the JSON of GET /license is written too. */
static enum license_is
verdict(void)
{
	static const struct tally usage;
	struct license_cache cache = {0};
	enum license_is out;

	ck_assert_int_eq(license_cache_load(&task, &state, true, &cache), FAIL_NONE);
	out = license_verdict(cache.license);
	ck_assert_ptr_nonnull(license_cache_json(&task, &state, &cache, &usage));
	license_cache_release(&cache);
	return out;
}

/* A folder with a licence, a list, keys, a clock, and the outcome of a session. */
static void
setup(void)
{
	static const char *const jtis[] = {"lic_another"};
	const int64_t now_s = (int64_t)time(NULL);
	struct revocations revoked = {.issuer = FORGE_ISSUER,
	                              .issued_at_s = now_s,
	                              .next_update_s = now_s + 86400,
	                              .jtis = jtis,
	                              .count = 1};
	struct sync_state sync = {SYNC_DONE, INSTANT_MS(1700000000000),
	                          INSTANT_MS(1700000000000), 60, "A text"};
	char *list = NULL;

	folder = suite_folder(task.arena);
	settings = (struct agent_settings){.state_dir = folder,
	                                   .instance_id = "",
	                                   .customer_id = claims.customer_id,
	                                   .public_key = "",
	                                   .issuer = "",
	                                   .license_jwt = "",
	                                   .upgrade_url = "",
	                                   .offline_grace_days = 30};
	claims.issued_at_s = now_s;
	claims.expires_at_s = now_s + 86400;
	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &revoked, &list), FAIL_NONE);
	ck_assert_int_eq(state_open(&task, &settings, &state), FAIL_NONE);
	ck_assert_int_eq(state_keep_license(&task, &state, good_token(), "\"1\""), FAIL_NONE);
	ck_assert_int_eq(state_keep_text(&task, &state, STATE_REVOCATIONS, list), FAIL_NONE);
	ck_assert_int_eq(state_keep_text(&task, &state, STATE_KEYS,
	                                 license_keys_jwks(task.arena, &keys)),
	                 FAIL_NONE);
	ck_assert_int_eq(state_keep_sync(&task, &state, &sync), FAIL_NONE);
	ck_assert_int_eq(verdict(), LICENSE_IS_VALID);
}

static void
teardown(void)
{
	suite_folder_remove(task.arena, folder);
}

/* Writes a file without waiting for the disk. */
static void
put(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

/* Each file, and the verdict when it is truncated. */
static const struct {
	const char *name;
	enum license_is truncated;
} files[] = {
        {"license.json", LICENSE_IS_NONE}, {"revocations.jwt", LICENSE_IS_VALID},
        {"keys.json", LICENSE_IS_NONE},    {"clock", LICENSE_IS_VALID},
        {"sync.json", LICENSE_IS_VALID},   {"instance-id", LICENSE_IS_VALID},
};

START_TEST(test_truncated_at_every_byte)
{
	const char *path = state_path(task.arena, &state, files[_i].name);
	size_t length = 0, step = suite_is_slow() ? 97 : 1;
	int errors = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
	char *whole = NULL;

	ck_assert_int_eq(file_read(&task, path, 65536, &whole, &length), FAIL_NONE);
	ck_assert_uint_gt(length, 20);
	/* The log would have hundreds of lines about damaged keys. */
	ck_assert_int_ge(dup2(nowhere, STDERR_FILENO), 0);
	for (size_t i = 0; i < length; i += step) {
		put(path, whole, i);
		ck_assert_int_eq(state_open(&task, &settings, &state), FAIL_NONE);
		ck_assert_msg(verdict() == files[_i].truncated, "%s of %zu bytes",
		              files[_i].name, i);
		ck_assert_uint_eq(strlen(state.instance_id), 37);
	}
	ck_assert_int_ge(dup2(errors, STDERR_FILENO), 0);
	close(errors);
	close(nowhere);
	put(path, whole, length);
	ck_assert_int_eq(verdict(), LICENSE_IS_VALID);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("agent state");
	TCase *tcase = fixture_case("files");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_truncated_at_every_byte, 0, ROWS(files));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
