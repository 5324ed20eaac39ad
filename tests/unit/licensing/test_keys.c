/* test_keys.c: the folder of keys: refusals with their messages, and rotations, also when a
 * crash cuts them short after any step. */
#include "support/forge.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "licensing/verify.h"

#define NOW_MS (FORGE_NOW_S * SECOND_MS)

static struct task task;
static const char *dir;

static void
setup(void)
{
	task = suite_task();
	dir = suite_folder(task.arena);
}

static void
teardown(void)
{
	suite_folder_remove(task.arena, dir);
	suite_task_end(&task);
}

static char *
path_of(const char *name)
{
	return arena_printf(task.arena, "%s/%s", dir, name);
}

static char *
content_of(const char *name)
{
	size_t length;
	char *text = NULL;

	ck_assert_int_eq(file_read(&task, path_of(name), 1 << 20, &text, &length), FAIL_NONE);
	return text;
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A shell command that must succeed. */
static void
run(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	ck_assert_int_eq(system(arena_vprintf(task.arena, format, arguments)), 0);
	va_end(arguments);
}

static void
generate(void)
{
	ck_assert_int_eq(license_keys_generate(&task, dir), FAIL_NONE);
}

static struct license_keys
load(bool want_private, int64_t now_ms)
{
	struct license_keys keys;

	ck_assert_msg(license_keys_load(&task, dir, want_private, now_ms, &keys) == FAIL_NONE,
	              "%s", task.failure.message);
	return keys;
}

static char *
sign_with(const struct license_keys *keys)
{
	struct license_claims claims = forge_claims();
	char *token = NULL;

	ck_assert_int_eq(license_sign(&task, license_keys_signing(keys), &claims, &token),
	                 FAIL_NONE);
	return token;
}

/* The verdict of somebody who reads the folder's public keys now. */
static enum token_verdict
verdict_at(const char *token, int64_t now_ms)
{
	struct license_keys keys = load(false, now_ms);
	struct license_claims claims;
	enum token_verdict verdict = license_verify(&task, &keys, token, FORGE_NOW_S, 0,
	                                            FORGE_ISSUER, &claims, NULL);

	license_keys_release(&keys);
	return verdict;
}

START_TEST(test_generate)
{
	struct license_keys keys;
	struct stat status;
	const char *before;

	dir = arena_printf(task.arena, "%s/new", dir);
	generate();
	ck_assert_int_eq(stat(path_of("private-key.pem"), &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
	ck_assert_ptr_nonnull(strstr(content_of("private-key.pem"), "BEGIN PRIVATE KEY"));
	keys = load(true, NOW_MS);
	ck_assert_uint_eq(keys.count, 1);
	ck_assert(keys.items[0].can_sign);
	ck_assert_uint_eq(strlen(keys.items[0].kid), LICENSE_KID_LENGTH);
	ck_assert_str_eq(keys.items[0].public_pem, content_of("public-key.pem"));
	ck_assert_int_eq(license_keys_warm(&task, &keys), FAIL_NONE);
	license_keys_release(&keys);
	before = content_of("private-key.pem");
	ck_assert_int_eq(license_keys_generate(&task, dir), FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "key_exists");
	ck_assert_str_eq(content_of("private-key.pem"), before);
	run("rm -r '%s'", dir);
	dir = arena_copy_bytes(task.arena, dir, strlen(dir) - 4);
}
END_TEST

/* The private key was written, then the process died. */
START_TEST(test_generate_completes)
{
	const char *before;
	struct license_keys keys;

	generate();
	before = content_of("private-key.pem");
	run("rm '%s/public-key.pem'", dir);
	generate();
	ck_assert_str_eq(content_of("private-key.pem"), before);
	keys = load(true, NOW_MS);
	license_keys_release(&keys);
}
END_TEST

START_TEST(test_one_at_a_time)
{
	int lock = open(dir, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	ck_assert_int_eq(license_keys_generate(&task, dir), FAIL_CONFLICT);
	ck_assert_str_eq(task.failure.code, "keys_busy");
	close(lock);
}
END_TEST

/* Shell commands that spoil a good folder, with what the operator is told. */
static const struct {
	const char *command; /* run in the folder */
	const char *code;
	const char *words;
} spoils[] = {
        {"rm private-key.pem", "key_missing", "run: billingctl keys generate"},
        {"rm public-key.pem", "key_missing", "run: billingctl keys generate"},
        {"chmod 644 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"chmod 604 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"chmod 640 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"chmod 610 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"chmod 660 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"chmod 602 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"chmod 601 private-key.pem", "key_too_open", "run: chmod 600 "},
        {"rm private-key.pem; mkdir private-key.pem", "key_invalid", "a regular file"},
        {"rm private-key.pem; mkfifo -m 600 private-key.pem", "key_invalid", "a regular file"},
        {": > private-key.pem", "key_invalid", "private-key.pem isn't"},
        {"cp public-key.pem private-key.pem; chmod 600 private-key.pem", "key_invalid",
         "private-key.pem isn't"},
        {"openssl genrsa -out private-key.pem 1024 2>&1; chmod 600 private-key.pem;"
         "openssl pkey -in private-key.pem -pubout -out public-key.pem",
         "key_invalid", "less than 2048 bits"},
        {"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private-key.pem;"
         "openssl pkey -in private-key.pem -pubout -out public-key.pem; chmod 600 "
         "private-key.pem",
         "key_invalid", "isn't an RSA key"},
        {"openssl genpkey -quiet -algorithm RSA-PSS -out private-key.pem 2>/dev/null ||"
         "openssl genpkey -algorithm RSA-PSS -out private-key.pem 2>/dev/null;"
         "openssl pkey -in private-key.pem -pubout -out public-key.pem; chmod 600 "
         "private-key.pem",
         "key_invalid", "isn't an RSA key"},
        {"openssl pkey -in private-key.pem -aes256 -passout pass:x -out e.pem;"
         "mv e.pem private-key.pem; chmod 600 private-key.pem",
         "key_invalid", "an unencrypted PEM private key"},
        {"openssl genrsa 2048 2>/dev/null | openssl pkey -pubout -out public-key.pem",
         "key_mismatch", "run: openssl pkey"},
        {"mkdir retired; echo nonsense > retired/x.pem", "key_invalid", "retired/x.pem isn't"},
        {"mkdir retired; (echo 'Publish-Until: tomorrow'; cat public-key.pem) > retired/x.pem",
         "key_invalid", "retired/x.pem has a time"},
};

START_TEST(test_refusals)
{
	struct license_keys keys;

	generate();
	run("cd '%s' && (%s) > /dev/null", dir, spoils[_i].command);
	ck_assert_msg(license_keys_load(&task, dir, true, NOW_MS, &keys) != FAIL_NONE,
	              "accepted after: %s", spoils[_i].command);
	ck_assert_msg(strcmp(task.failure.code, spoils[_i].code) == 0, "%s: %s",
	              spoils[_i].command, task.failure.message);
	ck_assert_msg(strstr(task.failure.message, spoils[_i].words), "%s",
	              task.failure.message);
	ck_assert_ptr_nonnull(strstr(task.failure.message, dir));
	ck_assert_ptr_null(strchr(task.failure.message, '\n'));
	ck_assert_uint_eq(keys.count, 0);
}
END_TEST

/* A verifier reads no private key, so it needs none. */
START_TEST(test_public_only)
{
	struct license_keys keys;

	generate();
	run("rm '%s/private-key.pem'; touch '%s/.hidden.pem'", dir, dir);
	keys = load(false, NOW_MS);
	ck_assert_uint_eq(keys.count, 1);
	ck_assert_ptr_null(license_keys_signing(&keys));
	license_keys_release(&keys);
}
END_TEST

static void
rotate(int64_t now_ms, int64_t publish_until_ms)
{
	struct license_keys next;

	ck_assert_msg(license_keys_make_next(&task, dir, &next) == FAIL_NONE, "%s",
	              task.failure.message);
	ck_assert_uint_eq(next.count, 1);
	license_keys_release(&next);
	ck_assert_msg(license_keys_use_next(&task, dir, now_ms, publish_until_ms) == FAIL_NONE,
	              "%s", task.failure.message);
}

START_TEST(test_rotations)
{
	const char *tokens[3];
	struct license_keys keys;

	generate();
	for (int i = 0; i < 3; i++) {
		if (i > 0)
			rotate(NOW_MS + i, NOW_MS + i * DAY_MS);
		keys = load(true, NOW_MS + i);
		ck_assert_int_eq((int)keys.count, i + 1);
		ck_assert(keys.items[0].can_sign);
		tokens[i] = sign_with(&keys);
		if (i < 2)
			license_keys_release(&keys);
	}
	/* Newest first, with the dates of the retired ones. */
	ck_assert(!keys.items[0].retired_at.known);
	ck_assert_int_eq(keys.items[1].retired_at.ms, NOW_MS + 2);
	ck_assert_int_eq(keys.items[1].publish_until.ms, NOW_MS + 2 * DAY_MS);
	ck_assert_int_eq(keys.items[2].retired_at.ms, NOW_MS + 1);
	license_keys_release(&keys);
	/* All verify, until their day: the first key's comes a day before the second's. */
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(verdict_at(tokens[i], NOW_MS), LICENSE_VALID);
		ck_assert_int_eq(verdict_at(tokens[i], NOW_MS + DAY_MS - 1), LICENSE_VALID);
	}
	ck_assert_int_eq(verdict_at(tokens[0], NOW_MS + DAY_MS), LICENSE_UNKNOWN_KEY);
	ck_assert_int_eq(verdict_at(tokens[1], NOW_MS + 2 * DAY_MS - 1), LICENSE_VALID);
	ck_assert_int_eq(verdict_at(tokens[1], NOW_MS + 2 * DAY_MS), LICENSE_UNKNOWN_KEY);
	ck_assert_int_eq(verdict_at(tokens[2], NOW_MS + 3 * DAY_MS), LICENSE_VALID);
	ck_assert_int_ne(access(path_of("next-private-key.pem"), F_OK), 0);
}
END_TEST

START_TEST(test_rotate_without_keys)
{
	ck_assert_int_eq(license_keys_use_next(&task, dir, NOW_MS, NOW_MS + DAY_MS),
	                 FAIL_NOT_FOUND);
	ck_assert_str_eq(task.failure.code, "key_missing");
}
END_TEST

/*
 * The folder as a crash after step 1, 2 or 3 leaves it: made by undoing the later steps of a
 * whole rotation.
 */
static void
crash_after(int step)
{
	run("cd '%s' && cp -p private-key.pem old-private && cp -p public-key.pem old-public",
	    dir);
	rotate(NOW_MS, NOW_MS + DAY_MS);
	run("cd '%s' && mv private-key.pem next-private-key.pem && mv old-private "
	    "private-key.pem",
	    dir);
	if (step < 3)
		run("cd '%s' && mv old-public public-key.pem", dir);
	if (step < 2)
		run("rm -r '%s/retired'", dir);
}

START_TEST(test_interrupted_rotation)
{
	int step = _i;
	struct license_keys keys;
	const char *first, *second, *kid;

	generate();
	keys = load(true, NOW_MS);
	kid = arena_copy(task.arena, keys.items[0].kid);
	license_keys_release(&keys);
	crash_after(step);
	keys = load(true, NOW_MS);
	/* The old key goes on signing, and what it signs is accepted. */
	ck_assert_str_eq(license_keys_signing(&keys)->kid, kid);
	ck_assert_uint_eq(keys.count, step == 3 ? 2 : 1);
	first = sign_with(&keys);
	license_keys_release(&keys);
	ck_assert_int_eq(verdict_at(first, NOW_MS), LICENSE_VALID);
	/* The next call completes the rotation. */
	rotate(NOW_MS + 1, NOW_MS + 9 * DAY_MS);
	keys = load(true, NOW_MS + 1);
	ck_assert_str_ne(license_keys_signing(&keys)->kid, kid);
	ck_assert_uint_eq(keys.count, 2);
	ck_assert_str_eq(keys.items[1].kid, kid);
	ck_assert_int_eq(keys.items[1].publish_until.ms, NOW_MS + 9 * DAY_MS);
	second = sign_with(&keys);
	license_keys_release(&keys);
	ck_assert_int_eq(verdict_at(first, NOW_MS + 8 * DAY_MS), LICENSE_VALID);
	ck_assert_int_eq(verdict_at(second, NOW_MS + 8 * DAY_MS), LICENSE_VALID);
	ck_assert_int_ne(access(path_of("next-private-key.pem"), F_OK), 0);
}
END_TEST

/* The new key was published by step 3, but its private half is lost: rotation refuses. */
START_TEST(test_interrupted_rotation_with_the_wrong_key)
{
	generate();
	crash_after(3);
	run("openssl genrsa -out '%s' 2048 2>/dev/null", path_of("next-private-key.pem"));
	run("chmod 600 '%s'", path_of("next-private-key.pem"));
	ck_assert_int_eq(license_keys_use_next(&task, dir, NOW_MS, NOW_MS + DAY_MS),
	                 FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "key_mismatch");
}
END_TEST

/* The private exponent and the CRT coefficient with a bit changed each (either one alone
 * OpenSSL makes up for): the key loads, but what it signs doesn't verify. */
START_TEST(test_damaged_private_key)
{
	struct license_keys keys;

	generate();
	run("cd '%s' && cat > damage.py <<'END' && /usr/bin/python3 damage.py\n"
	    "import base64\n"
	    "lines = open('private-key.pem').read().split('\\n')\n"
	    "der = bytearray(base64.b64decode(''.join(lines[1:-2])))\n"
	    "der[400] ^= 1\n"
	    "der[-40] ^= 1\n"
	    "text = base64.encodebytes(bytes(der)).decode()\n"
	    "open('private-key.pem', 'w').write(lines[0] + '\\n' + text + lines[-2] + '\\n')\n"
	    "END\n",
	    dir);
	keys = load(true, NOW_MS);
	ck_assert_int_eq(license_keys_warm(&task, &keys), FAIL_INVALID);
	ck_assert_str_eq(task.failure.message, "The private key is damaged.");
	license_keys_release(&keys);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("keys");
	TCase *reading = tcase_create("reading");
	TCase *making = tcase_create("making"); /* RSA keys: slow under valgrind */

	tcase_set_timeout(reading, 120);
	tcase_add_checked_fixture(reading, setup, teardown);
	tcase_add_loop_test(reading, test_refusals, 0, ROWS(spoils));
	tcase_add_test(reading, test_public_only);
	tcase_add_test(reading, test_rotate_without_keys);
	tcase_add_test(reading, test_damaged_private_key);
	suite_add_tcase(suite, reading);
	tcase_set_timeout(making, 120);
	tcase_add_checked_fixture(making, setup, teardown);
	tcase_add_test(making, test_generate);
	tcase_add_test(making, test_generate_completes);
	tcase_add_test(making, test_one_at_a_time);
	tcase_add_test(making, test_rotations);
	tcase_add_loop_test(making, test_interrupted_rotation, 1, 4);
	tcase_add_test(making, test_interrupted_rotation_with_the_wrong_key);
	suite_add_tcase(suite, making);
	return suite_run(suite);
}
