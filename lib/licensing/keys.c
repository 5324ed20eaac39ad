/* keys.c: sets of RSA keys with their thumbprints (RFC 7638). */
#include "licensing/keys.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/arena.h"
#include "base/digest.h"

enum { KEY_SET_BYTES_MAX = 4 * 1024 * 1024, EXPONENT_MIN = 65537, EXPONENT_BITS_MAX = 64 };

/* A key of LICENSE_KEY_BITS_MAX takes 1.5 KiB. */
enum { PUBLIC_PEM_MAX = 4096 };

void
license_keys_init(struct license_keys *keys)
{
	*keys = (struct license_keys){.arena = arena_new(KEY_SET_BYTES_MAX)};
	keys->items = arena_array(keys->arena, LICENSE_KEYS_MAX, sizeof(*keys->items));
}

void
license_keys_init_in(struct license_keys *keys, struct arena *arena)
{
	*keys = (struct license_keys){.arena = arena};
	keys->items = arena_array(arena, LICENSE_KEYS_MAX, sizeof(*keys->items));
}

void
license_keys_release(struct license_keys *keys)
{
	arena_free(keys->arena);
	*keys = (struct license_keys){0};
}

static void
release_pkey(void *pkey)
{
	EVP_PKEY_free(pkey);
}

const struct license_key *
license_keys_find(const struct license_keys *keys, const char *kid)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->items[i].kid, kid) == 0)
			return &keys->items[i];
	return NULL;
}

const struct license_key *
license_keys_signing(const struct license_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->items[i].can_sign)
			return &keys->items[i];
	return NULL;
}

const struct license_key *
license_keys_current(const struct license_keys *keys)
{
	const struct license_key *signing = license_keys_signing(keys);

	return signing != NULL ? signing : &keys->items[0];
}

char *
license_key_thumbprint(struct arena *arena, const char *n, const char *e)
{
	/* Members in lexical order and no blanks: RFC 7638 section 3. */
	const char *json =
	        arena_printf(arena, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", e, n);
	struct sha256 digest;

	if (!digest_try_sha256(json, strlen(json), &digest))
		arena_give_up(arena, "OpenSSL cannot hash");
	return base64url_encode(arena, digest.bytes, SHA256_SIZE);
}

/* NULL when the key is strong enough, else why not. */
static const char *
weakness(const EVP_PKEY *pkey)
{
	BIGNUM *exponent = NULL;
	bool strong;

	/* RSA-PSS and RSA-OAEP keys carry another name and cannot do RS256. */
	if (!EVP_PKEY_is_a(pkey, "RSA"))
		return "isn't an RSA key";
	if (EVP_PKEY_get_bits(pkey) < LICENSE_KEY_BITS_MIN)
		return "has less than 2048 bits";
	if (EVP_PKEY_get_bits(pkey) > LICENSE_KEY_BITS_MAX)
		return "has more than 8192 bits";
	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1)
		return "has no exponent";
	strong = BN_is_odd(exponent) && BN_num_bits(exponent) <= EXPONENT_BITS_MAX &&
	         BN_get_word(exponent) >= EXPONENT_MIN;
	BN_free(exponent);
	return strong ? NULL : "has a weak exponent";
}

/* One public number of the key as a JWK writes it; NULL when OpenSSL does not tell. */
static char *
public_number(struct arena *arena, const EVP_PKEY *pkey, const char *parameter)
{
	unsigned char bytes[LICENSE_KEY_BITS_MAX / 8];
	BIGNUM *number = NULL;
	int length = 0;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return NULL;
	if (BN_num_bytes(number) <= (int)sizeof(bytes))
		length = BN_bn2bin(number, bytes);
	BN_free(number);
	return length > 0 ? base64url_encode(arena, bytes, (size_t)length) : NULL;
}

static char *
public_pem(struct arena *arena, const EVP_PKEY *pkey)
{
	/* Allocated first: an arena that gives up would leak the BIO. */
	char *out = arena_alloc(arena, PUBLIC_PEM_MAX);
	BIO *memory = BIO_new(BIO_s_mem());
	char *data;
	long length;
	bool fine = memory != NULL && PEM_write_bio_PUBKEY(memory, pkey) == 1;

	length = fine ? BIO_get_mem_data(memory, &data) : 0;
	fine = length > 0 && length < PUBLIC_PEM_MAX;
	if (fine)
		memcpy(out, data, (size_t)length);
	BIO_free(memory);
	return fine ? out : NULL;
}

static enum fail
refuse_key(struct task *task, const char *name, const char *why)
{
	ERR_clear_error();
	return task_fail(task, FAIL_INVALID, "key_invalid", "%s %s.", name, why);
}

static void
release_signer(void *signer)
{
	EVP_MD_CTX_free(signer);
}

/* A context that has fetched its algorithms. RSA's default padding is PKCS #1 v1.5, as RS256 demands. */
static EVP_MD_CTX *
signer_of(struct arena *arena, EVP_PKEY *pkey)
{
	EVP_MD_CTX *signer = EVP_MD_CTX_new();

	arena_defer(arena, release_signer, signer);
	if (signer != NULL &&
	    EVP_DigestSignInit_ex(signer, NULL, "SHA256", NULL, NULL, pkey, NULL) == 1)
		return signer;
	return NULL;
}

enum fail
license_keys_add(struct task *task, struct license_keys *keys, EVP_PKEY *pkey, const char *name,
                 bool can_sign, struct license_key **out)
{
	struct license_key key = {.pkey = pkey, .can_sign = can_sign};
	const char *why;

	if (out != NULL)
		*out = NULL;
	arena_defer(keys->arena, release_pkey, pkey);
	why = weakness(pkey);
	if (why != NULL)
		return refuse_key(task, name, why);
	key.n = public_number(keys->arena, pkey, OSSL_PKEY_PARAM_RSA_N);
	key.e = public_number(keys->arena, pkey, OSSL_PKEY_PARAM_RSA_E);
	key.public_pem = public_pem(keys->arena, pkey);
	if (key.n == NULL || key.e == NULL || key.public_pem == NULL)
		return refuse_key(task, name, "has no public half");
	key.kid = license_key_thumbprint(keys->arena, key.n, key.e);
	if (license_keys_find(keys, key.kid))
		return FAIL_NONE;
	key.signer = can_sign ? signer_of(keys->arena, pkey) : NULL;
	if (keys->count == LICENSE_KEYS_MAX)
		return task_fail(task, FAIL_INVALID, "key_invalid",
		                 "%s is one key too many (the bound is %d).", name,
		                 LICENSE_KEYS_MAX);
	keys->items[keys->count] = key;
	if (out != NULL)
		*out = &keys->items[keys->count];
	keys->count++;
	return FAIL_NONE;
}

enum fail
license_keys_add_pem(struct task *task, struct license_keys *keys, const char *pem)
{
	static const char begin[] = "-----BEGIN ";
	const char *block = strstr(pem, begin);

	if (block == NULL)
		return refuse_key(task, "The text", "holds no PEM public key");
	for (; block; block = strstr(block + 1, begin)) {
		BIO *memory = BIO_new_mem_buf(block, -1);
		EVP_PKEY *pkey =
		        memory != NULL ? PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL) : NULL;

		BIO_free(memory);
		if (pkey == NULL)
			return refuse_key(task, "The public key", "isn't a PEM public key");
		TRY(license_keys_add(task, keys, pkey, "The public key", false, NULL));
	}
	return FAIL_NONE;
}

enum fail
license_keys_add_public(struct task *task, struct license_keys *keys, const char *pem,
                        struct license_key **out)
{
	BIO *memory = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = PEM_read_bio_PUBKEY(memory, NULL, NULL, NULL);

	BIO_free(memory);
	if (pkey == NULL)
		return refuse_key(task, "The public key", "isn't a PEM public key");
	return license_keys_add(task, keys, pkey, "The public key", false, out);
}

enum fail
license_keys_public_from_pem(struct task *task, const char *pem, struct license_keys *out)
{
	enum fail kind;

	license_keys_init(out);
	kind = license_keys_add_public(task, out, pem, NULL);
	if (kind != FAIL_NONE)
		license_keys_release(out);
	return kind;
}
