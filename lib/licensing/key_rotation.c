/*
 * key_rotation.c: makes signing keys and replaces them.
 *
 * A rotation has four steps; days may pass between the first and the second, in which the new key
 * is published. A crash between two of them leaves a folder that loads (key_files.c has the cases),
 * and every licence stays verifiable:
 *	1. next-private-key.pem	gets the new key, mode 0600
 *	2. retired/<kid>.pem	gets the old public key with its dates
 *	3. public-key.pem	gets the new public key, so that verifiers know it early
 *	4. next-private-key.pem	is renamed to private-key.pem
 * Each file appears whole, and is on the disk before the next step. A call that finds step 3
 * done repeats the steps from 2 on with the new date.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/arena.h"
#include "base/encoding.h"
#include "base/file.h"
#include "licensing/key_folder.h"

/* A folder that this process has locked to change it. */
struct folder {
	struct task *task;
	const char *private_path;
	const char *next_path;
	const char *public_path;
	const char *dir;
	int lock;
};

static enum fail
make_folder(struct task *task, const char *path, mode_t mode)
{
	bool fine;
	int folder;

	if (mkdir(path, mode) != 0)
		return errno == EEXIST ? FAIL_NONE : file_unwritable(task, path, errno);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	fine = folder >= 0 && file_inherit_owner(task->arena, folder, path);
	if (folder >= 0)
		close(folder);
	return fine ? FAIL_NONE : file_unwritable(task, path, errno);
}

static enum fail
open_folder(struct task *task, const char *dir, struct folder *out)
{
	*out = (struct folder){
	        .task = task,
	        .dir = dir,
	        .private_path = arena_printf(task->arena, "%s/" KEY_PRIVATE_FILE, dir),
	        .next_path = arena_printf(task->arena, "%s/" LICENSE_KEY_NEXT_FILE, dir),
	        .public_path = arena_printf(task->arena, "%s/" KEY_PUBLIC_FILE, dir),
	        .lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	if (out->lock < 0)
		return file_unwritable(task, dir, errno);
	if (flock(out->lock, LOCK_EX | LOCK_NB) == 0)
		return FAIL_NONE;
	close(out->lock);
	return task_fail(task, FAIL_CONFLICT, "keys_busy",
	                 "Another process is changing the keys in %s.", dir);
}

static bool
is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The key as PEM text in the arena: PKCS#8, or its public half. */
static enum fail
key_to_pem(struct task *task, EVP_PKEY *pkey, bool private_half, const char **out)
{
	BIO *memory = BIO_new(BIO_s_secmem());
	char *data = NULL;
	long length = 0;

	if (memory != NULL && (private_half ? PEM_write_bio_PKCS8PrivateKey(memory, pkey, NULL,
	                                                                    NULL, 0, NULL, NULL)
	                                    : PEM_write_bio_PUBKEY(memory, pkey)) == 1)
		length = BIO_get_mem_data(memory, &data);
	if (length > 0)
		*out = arena_copy_bytes(task->arena, data, (size_t)length);
	BIO_free(memory);
	ERR_clear_error();
	if (length <= 0)
		return task_fail(task, FAIL_INTERNAL, "key_generation_failed",
		                 "OpenSSL cannot write the key.");
	return FAIL_NONE;
}

static enum fail
write_private(struct folder *folder, const char *path, bool replace, EVP_PKEY *pkey)
{
	const char *pem = "";

	TRY(key_to_pem(folder->task, pkey, true, &pem));
	return file_write(folder->task, path, 0600, pem, strlen(pem), replace);
}

static enum fail
write_public(struct folder *folder, bool replace, EVP_PKEY *pkey)
{
	const char *pem = "";

	TRY(key_to_pem(folder->task, pkey, false, &pem));
	return file_write(folder->task, folder->public_path, 0644, pem, strlen(pem), replace);
}

/* Makes a key and writes its private half, before the public half is published. */
static enum fail
make_key(struct folder *folder, const char *path, bool replace, EVP_PKEY **out)
{
	enum fail kind;

	*out = EVP_RSA_gen(LICENSE_KEY_BITS_MIN);
	if (*out == NULL)
		return task_fail(folder->task, FAIL_INTERNAL, "key_generation_failed",
		                 "OpenSSL cannot make a key.");
	kind = write_private(folder, path, replace, *out);
	if (kind != FAIL_NONE)
		EVP_PKEY_free(*out);
	return kind;
}

static enum fail
generate(struct folder *folder)
{
	EVP_PKEY *pkey = NULL;
	enum fail kind;

	if (is_there(folder->public_path))
		return task_fail(folder->task, FAIL_CONFLICT, "key_exists",
		                 "There are keys in %s already (run: billingctl keys rotate).",
		                 folder->dir);
	/* A private key alone was left by an earlier call that was cut short. */
	if (is_there(folder->private_path))
		TRY(key_folder_private(folder->task, folder->private_path, &pkey));
	else
		TRY(make_key(folder, folder->private_path, false, &pkey));
	kind = write_public(folder, false, pkey);
	EVP_PKEY_free(pkey);
	return kind;
}

enum fail
license_keys_generate(struct task *task, const char *dir)
{
	struct folder folder;
	enum fail kind;

	TRY(make_folder(task, dir, 0755));
	TRY(open_folder(task, dir, &folder));
	kind = generate(&folder);
	close(folder.lock);
	return kind;
}

/* Step 2. */
static enum fail
retire(struct folder *folder, const struct license_key *old, int64_t now_ms,
       int64_t publish_until_ms)
{
	struct arena *arena = folder->task->arena;
	char retired[CLOCK_TEXT_SIZE], publish_until[CLOCK_TEXT_SIZE];
	const char *text;

	clock_format(now_ms, retired);
	clock_format(publish_until_ms, publish_until);
	text = arena_printf(arena, KEY_RETIRED_LABEL " %s\n" KEY_PUBLISH_LABEL " %s\n%s",
	                    retired, publish_until, old->public_pem);
	TRY(make_folder(folder->task, arena_printf(arena, "%s/" KEY_RETIRED_DIR, folder->dir),
	                0755));
	return file_write(folder->task, key_folder_retired(arena, folder->dir, old->kid), 0644,
	                  text, strlen(text), true);
}

/* Step 4. */
static enum fail
put_into_use(struct folder *folder)
{
	if (rename(folder->next_path, folder->private_path) != 0 || fsync(folder->lock) != 0)
		return file_unwritable(folder->task, folder->private_path, errno);
	return FAIL_NONE;
}

/* An interrupted rotation has published its new key: the next private key must belong to it. */
static enum fail
next_is_published(struct folder *folder, const struct license_key *published)
{
	EVP_PKEY *next = NULL;
	bool same;

	TRY(key_folder_private(folder->task, folder->next_path, &next));
	same = EVP_PKEY_eq(next, published->pkey) == 1;
	EVP_PKEY_free(next);
	if (!same)
		return task_fail(folder->task, FAIL_INVALID, "key_mismatch",
		                 "%s isn't the public half of %s.", folder->public_path,
		                 folder->next_path);
	return FAIL_NONE;
}

/* The public half of the next key. */
static enum fail
add_next(struct folder *folder, struct license_keys *out)
{
	EVP_PKEY *pkey = NULL;

	if (is_there(folder->next_path))
		TRY(key_folder_private(folder->task, folder->next_path, &pkey));
	else
		TRY(make_key(folder, folder->next_path, false, &pkey));
	return license_keys_add(folder->task, out, pkey, folder->next_path, true, NULL);
}

enum fail
license_keys_make_next(struct task *task, const char *dir, struct license_keys *out)
{
	struct folder folder;
	enum fail kind;

	*out = (struct license_keys){0};
	TRY(open_folder(task, dir, &folder));
	license_keys_init(out);
	kind = add_next(&folder, out);
	if (kind != FAIL_NONE)
		license_keys_release(out);
	close(folder.lock);
	return kind;
}

static enum fail
use_next(struct folder *folder, const struct license_keys *keys, int64_t now_ms,
         int64_t publish_until_ms)
{
	const struct license_key *old = license_keys_signing(keys);
	EVP_PKEY *next = NULL;
	enum fail kind;

	if (!is_there(folder->next_path))
		return task_fail(folder->task, FAIL_NOT_FOUND, "key_missing",
		                 "There is no next key at %s.", folder->next_path);
	/* The newest key cannot sign: step 3 was done. */
	if (old != &keys->items[0])
		TRY(next_is_published(folder, &keys->items[0]));
	TRY(retire(folder, old, now_ms, publish_until_ms));
	TRY(key_folder_private(folder->task, folder->next_path, &next));
	kind = write_public(folder, true, next);
	EVP_PKEY_free(next);
	return kind == FAIL_NONE ? put_into_use(folder) : kind;
}

enum fail
license_keys_use_next(struct task *task, const char *dir, int64_t now_ms,
                      int64_t publish_until_ms)
{
	struct license_keys keys = {0};
	struct folder folder;
	enum fail kind;

	TRY(open_folder(task, dir, &folder));
	kind = license_keys_load(task, dir, true, now_ms, &keys);
	if (kind == FAIL_NONE)
		kind = use_next(&folder, &keys, now_ms, publish_until_ms);
	license_keys_release(&keys);
	close(folder.lock);
	return kind;
}

enum fail
license_keys_remove(struct task *task, const char *dir, const char *name)
{
	const char *path = arena_printf(task->arena, "%s/%s", dir, name);

	if (unlink(path) != 0 && errno != ENOENT)
		return file_unwritable(task, path, errno);
	return FAIL_NONE;
}

static enum fail
is_next_key(struct task *task, const char *path, const char *kid, bool *out)
{
	struct license_keys next;
	EVP_PKEY *pkey = NULL;
	enum fail kind;

	*out = false;
	if (!is_there(path))
		return FAIL_NONE;
	TRY(key_folder_private(task, path, &pkey));
	license_keys_init(&next);
	kind = license_keys_add(task, &next, pkey, path, true, NULL);
	*out = kind == FAIL_NONE && license_keys_find(&next, kid) != NULL;
	license_keys_release(&next);
	return kind;
}

enum fail
license_keys_leftover(struct task *task, const char *dir, const char *kid, const char **name)
{
	const char *next = arena_printf(task->arena, "%s/" LICENSE_KEY_NEXT_FILE, dir);
	bool found;

	*name = NULL;
	/* The text becomes a part of a path. */
	if (strspn(kid, BASE64URL) != strlen(kid))
		return FAIL_NONE;
	TRY(is_next_key(task, next, kid, &found));
	if (found)
		*name = LICENSE_KEY_NEXT_FILE;
	else if (is_there(key_folder_retired(task->arena, dir, kid)))
		*name = arena_printf(task->arena, KEY_RETIRED_DIR "/%s.pem", kid);
	return FAIL_NONE;
}
