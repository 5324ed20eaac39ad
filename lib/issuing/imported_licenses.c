/* imported_licenses.c: verifies licences that an earlier service signed with a key that was
 * imported. */
#include "issuing/imported_licenses.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

/* Header, payload and signature; `signed_length` covers the first two and their dot. */
struct parts {
	const char *token;
	size_t signed_length;
	struct bytes header;
	struct bytes payload;
	struct bytes signature;
};

/* The token without white space, as people paste it. */
static const char *
strip_blanks(struct arena *arena, const char *token)
{
	size_t length = strnlen(token, LICENSE_TOKEN_MAX + 1), used = 0;
	char *out = arena_alloc(arena, length + 1);

	if (length > LICENSE_TOKEN_MAX)
		return NULL;
	for (size_t i = 0; i < length; i++)
		if (strchr(" \t\n\v\f\r", token[i]) == NULL)
			out[used++] = token[i];
	return out;
}

static bool
split(struct arena *arena, const char *token, struct parts *out)
{
	const char *first = strchr(token, '.'),
	           *second = first == NULL ? NULL : strchr(first + 1, '.');

	if (second == NULL)
		return false;
	out->token = token;
	out->signed_length = (size_t)(second - token);
	return base64url_decode(arena, token, (size_t)(first - token), &out->header) &&
	       base64url_decode(arena, first + 1, (size_t)(second - first - 1),
	                        &out->payload) &&
	       base64url_decode(arena, second + 1, strlen(second + 1), &out->signature) &&
	       out->header.length > 0 && out->payload.length > 0 && out->signature.length > 0;
}

/* Whether the header has alg, typ and kid, or the first alone or with one of the others: members that
 * name a key, or change what is signed, are refused. */
static bool
header_fits(struct arena *arena, struct bytes text, bool *has_kid)
{
	struct json_view header;
	const char *alg, *typ, *kid;
	size_t known = 1;

	if (!json_view_try(arena, (const char *)text.data, text.length, &header) ||
	    !json_view_string(&header, "alg", &alg) || strcmp(alg, "RS256") != 0)
		return false;
	if (json_view_string(&header, "typ", &typ)) {
		if (strcmp(typ, "JWT") != 0)
			return false;
		known++;
	}
	*has_kid = json_view_string(&header, "kid", &kid);
	return json_view_count(&header) == known + *has_kid;
}

static bool
is_signed(const struct license_keys *keys, const struct parts *parts)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->items[i].imported &&
		    jwt_signature_is_valid(&keys->items[i], parts->token, parts->signed_length,
		                           parts->signature))
			return true;
	return false;
}

static bool
has_imported(const struct license_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->items[i].imported)
			return true;
	return false;
}

/* A time of the payload in seconds; `*out` stays when it is absent. False when it is no time. */
static bool
read_time(const struct json_view *payload, const char *name, int64_t *out)
{
	struct json_view member;

	if (!json_view_member(payload, name, &member) || json_view_is_null(&member))
		return true;
	return json_view_number(&member, out) && *out >= 0 && *out <= LICENSE_TIME_MAX;
}

static enum token_verdict
judge(const struct json_view *payload, int64_t now_s, int64_t leeway_s)
{
	int64_t exp = LICENSE_TIME_MAX + 1, expires = exp, iat = 0, issued = 0, nbf = 0;
	const char *customer;

	if (!json_view_string(payload, "customerId", &customer) || *customer == '\0' ||
	    !read_time(payload, "exp", &exp) || !read_time(payload, "expiresAt", &expires) ||
	    !read_time(payload, "iat", &iat) || !read_time(payload, "issuedAt", &issued) ||
	    !read_time(payload, "nbf", &nbf))
		return LICENSE_MALFORMED;
	/* A licence without end is none. */
	if (expires < exp)
		exp = expires;
	if (exp > LICENSE_TIME_MAX)
		return LICENSE_MALFORMED;
	if (iat > now_s + leeway_s || issued > now_s + leeway_s || nbf > now_s + leeway_s)
		return LICENSE_NOT_YET_VALID;
	return exp <= now_s - leeway_s ? LICENSE_EXPIRED : LICENSE_VALID;
}

enum token_verdict
imported_license_verify(struct task *task, const struct license_keys *keys, const char *token,
                        int64_t now_s, int64_t leeway_s, enum token_verdict before,
                        const char **payload, const char **jti)
{
	struct arena *arena = task->arena;
	struct json_view object;
	struct parts parts;
	bool has_kid;

	if ((before != LICENSE_MALFORMED && before != LICENSE_UNKNOWN_KEY) ||
	    !has_imported(keys))
		return before;
	token = strip_blanks(arena, token);
	if (token == NULL || !split(arena, token, &parts) ||
	    !header_fits(arena, parts.header, &has_kid))
		return before;
	if (!is_signed(keys, &parts))
		return has_kid ? before : LICENSE_BAD_SIGNATURE;
	*payload = arena_copy_bytes(arena, parts.payload.data, parts.payload.length);
	if (!json_view_try(arena, *payload, parts.payload.length, &object))
		return LICENSE_MALFORMED;
	*jti = NULL;
	if (!json_view_string(&object, "jti", jti))
		*jti = NULL;
	return judge(&object, now_s, leeway_s);
}
