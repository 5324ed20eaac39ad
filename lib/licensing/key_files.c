/*
 * key_files.c: reads the folder of keys.
 *
 * A rotation (key_rotation.c has its steps) that a crash cut short leaves one of these folders,
 * and each of them loads:
 *	after step 1	next-private-key.pem beside an unchanged pair: it is ignored
 *	after step 2	the current public key is also in retired/: the current one counts
 *	after step 3	public-key.pem is the new one, private-key.pem still the old one, whose
 *			public half is in retired/: the old one signs, both verify
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "licensing/key_folder.h"

enum { KEY_FILE_MAX = 32 * 1024 };

/* Keeps OpenSSL from asking at the terminal for the passphrase of an encrypted key. */
static int
no_passphrase(char *buffer, int size, int writing, void *user)
{
	(void)buffer, (void)size, (void)writing, (void)user;
	return -1;
}

static enum fail
not_a_key(struct task *task, const char *path, const char *what)
{
	ERR_clear_error();
	return task_fail(task, FAIL_INVALID, "key_invalid", "%s isn't %s.", path, what);
}

char *
key_folder_retired(struct arena *arena, const char *dir, const char *kid)
{
	return arena_printf(arena, "%s/" KEY_RETIRED_DIR "/%s.pem", dir, kid);
}

static enum fail
check_private_file(struct task *task, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0 && errno == ENOENT)
		return task_fail(
		        task, FAIL_NOT_FOUND, "key_missing",
		        "There is no signing key at %s (run: billingctl keys generate).", path);
	if (stat(path, &status) != 0)
		return file_unreadable(task, path, errno);
	if (!S_ISREG(status.st_mode))
		return not_a_key(task, path, "a regular file");
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return task_fail(task, FAIL_FORBIDDEN, "key_too_open",
		                 "The signing key %s is open to others (run: chmod 600 %s).",
		                 path, path);
	return FAIL_NONE;
}

enum fail
key_folder_private(struct task *task, const char *path, EVP_PKEY **out)
{
	BIO *memory;
	char *pem;

	TRY(check_private_file(task, path));
	TRY(file_read_secret(task, path, KEY_FILE_MAX, &pem));
	memory = BIO_new_mem_buf(pem, -1);
	*out = PEM_read_bio_PrivateKey(memory, NULL, no_passphrase, NULL);
	BIO_free(memory);
	OPENSSL_cleanse(pem, strlen(pem));
	if (*out == NULL)
		return not_a_key(task, path, "an unencrypted PEM private key");
	return FAIL_NONE;
}

static enum fail
read_public(struct task *task, const char *path, EVP_PKEY **out, const char **pem)
{
	size_t length;
	char *text;
	BIO *memory;

	if (access(path, F_OK) != 0 && errno == ENOENT)
		return task_fail(
		        task, FAIL_NOT_FOUND, "key_missing",
		        "There is no public key at %s (run: billingctl keys generate).", path);
	TRY(file_read(task, path, KEY_FILE_MAX, &text, &length));
	memory = BIO_new_mem_buf(text, -1);
	*out = PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL);
	BIO_free(memory);
	if (*out == NULL)
		return not_a_key(task, path, "a PEM public key");
	if (pem != NULL)
		*pem = text;
	return FAIL_NONE;
}

/* The time of a line "<label>: <RFC 3339>" before the PEM block. False when it is no time. */
static bool
read_label(struct arena *arena, const char *pem, const char *label, struct instant *out)
{
	const char *begin = strstr(pem, "-----BEGIN");
	const char *line = strstr(pem, label);
	size_t length;

	*out = INSTANT_NONE;
	if (line == NULL || begin == NULL || line > begin)
		return true;
	line += strlen(label);
	line += strspn(line, " ");
	length = strcspn(line, " \r\n");
	out->known = clock_parse(arena_copy_bytes(arena, line, length), &out->ms);
	return out->known;
}

static enum fail
add_retired(struct task *task, struct license_keys *keys, const char *path, int64_t now_ms)
{
	struct instant retired_at, publish_until;
	struct license_key *key;
	EVP_PKEY *pkey = NULL;
	const char *pem = "";

	TRY(read_public(task, path, &pkey, &pem));
	if (!read_label(task->arena, pem, KEY_RETIRED_LABEL, &retired_at) ||
	    !read_label(task->arena, pem, KEY_PUBLISH_LABEL, &publish_until)) {
		EVP_PKEY_free(pkey);
		return task_fail(task, FAIL_INVALID, "key_invalid",
		                 "%s has a time that isn't RFC 3339.", path);
	}
	if (publish_until.known && publish_until.ms <= now_ms) {
		EVP_PKEY_free(pkey);
		return FAIL_NONE;
	}
	TRY(license_keys_add(task, keys, pkey, path, false, &key));
	if (key != NULL) {
		key->retired_at = retired_at;
		key->publish_until = publish_until;
	}
	return FAIL_NONE;
}

static int
compare_keys(const void *a, const void *b)
{
	const struct license_key *left = a, *right = b;

	/* Current keys come first, then retired ones, the newest first. */
	if (left->retired_at.known != right->retired_at.known)
		return left->retired_at.known ? 1 : -1;
	if (left->retired_at.ms != right->retired_at.ms)
		return left->retired_at.ms < right->retired_at.ms ? 1 : -1;
	return strcmp(left->kid, right->kid);
}

static enum fail
add_all_retired(struct task *task, struct license_keys *keys, const char *dir, int64_t now_ms)
{
	const char *folder = arena_printf(task->arena, "%s/" KEY_RETIRED_DIR, dir);
	size_t first = keys->count, count;
	const char *const *names;

	if (access(folder, F_OK) != 0 && errno == ENOENT)
		return FAIL_NONE;
	TRY(file_list(task, folder, ".pem", &names, &count));
	for (size_t i = 0; i < count; i++)
		TRY(add_retired(task, keys,
		                arena_printf(task->arena, "%s/%s", folder, names[i]), now_ms));
	qsort(keys->items + first, keys->count - first, sizeof(*keys->items), compare_keys);
	return FAIL_NONE;
}

static enum fail
refuse_mismatch(struct task *task, const char *dir)
{
	return task_fail(task, FAIL_INVALID, "key_mismatch",
	                 "%s/" KEY_PUBLIC_FILE " isn't the public half of %s/" KEY_PRIVATE_FILE
	                 " (run: openssl pkey -in %s/" KEY_PRIVATE_FILE
	                 " -pubout -out %s/" KEY_PUBLIC_FILE ").",
	                 dir, dir, dir, dir);
}

/* The pair differs, which is right only after step 3 of a rotation. */
static enum fail
add_half_rotated(struct task *task, struct license_keys *keys, const char *dir,
                 EVP_PKEY *public_key, EVP_PKEY *private_key)
{
	struct license_key *signing = NULL;
	enum fail kind;

	kind = license_keys_add(task, keys, public_key, dir, false, NULL);
	if (kind != FAIL_NONE) {
		EVP_PKEY_free(private_key);
		return kind;
	}
	TRY(license_keys_add(task, keys, private_key, dir, true, &signing));
	if (signing == NULL ||
	    access(key_folder_retired(task->arena, dir, signing->kid), F_OK) != 0)
		return refuse_mismatch(task, dir);
	log_line(LOG_LEVEL_WARNING,
	         "a new key is not in place yet; run: billingctl keys rotate",
	         LOG_S("keys_dir", dir));
	return FAIL_NONE;
}

static enum fail
add_pair(struct task *task, struct license_keys *keys, const char *dir)
{
	EVP_PKEY *public_key = NULL, *private_key = NULL;
	const char *path = arena_printf(task->arena, "%s/" KEY_PRIVATE_FILE, dir);
	enum fail kind;

	TRY(key_folder_private(task, path, &private_key));
	kind = read_public(task, arena_printf(task->arena, "%s/" KEY_PUBLIC_FILE, dir),
	                   &public_key, NULL);
	if (kind != FAIL_NONE) {
		EVP_PKEY_free(private_key);
		return kind;
	}
	if (EVP_PKEY_eq(public_key, private_key) != 1)
		return add_half_rotated(task, keys, dir, public_key, private_key);
	EVP_PKEY_free(public_key);
	return license_keys_add(task, keys, private_key, path, true, NULL);
}

static enum fail
add_public(struct task *task, struct license_keys *keys, const char *dir)
{
	const char *path = arena_printf(task->arena, "%s/" KEY_PUBLIC_FILE, dir);
	EVP_PKEY *pkey = NULL;

	TRY(read_public(task, path, &pkey, NULL));
	return license_keys_add(task, keys, pkey, path, false, NULL);
}

enum fail
license_keys_load(struct task *task, const char *dir, bool want_private, int64_t now_ms,
                  struct license_keys *out)
{
	enum fail kind;

	license_keys_init(out);
	kind = want_private ? add_pair(task, out, dir) : add_public(task, out, dir);
	if (kind == FAIL_NONE)
		kind = add_all_retired(task, out, dir, now_ms);
	if (kind != FAIL_NONE)
		license_keys_release(out);
	return kind;
}

/* Adds a private key of the folder, if the file is there. */
static enum fail
add_private(struct task *task, struct license_keys *keys, const char *path)
{
	EVP_PKEY *pkey = NULL;

	if (access(path, F_OK) != 0 && errno == ENOENT)
		return FAIL_NONE;
	TRY(key_folder_private(task, path, &pkey));
	return license_keys_add(task, keys, pkey, path, true, NULL);
}

enum fail
license_keys_load_private(struct task *task, const char *dir, struct license_keys *out)
{
	enum fail kind;

	license_keys_init(out);
	kind = add_private(task, out, arena_printf(task->arena, "%s/" KEY_PRIVATE_FILE, dir));
	if (kind == FAIL_NONE)
		kind = add_private(task, out,
		                   arena_printf(task->arena, "%s/" LICENSE_KEY_NEXT_FILE, dir));
	if (kind != FAIL_NONE)
		license_keys_release(out);
	return kind;
}
