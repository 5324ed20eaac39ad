/*
 * revocations.c: the signed list of revoked licences.
 */
#include "licensing/revocations.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/json_out.h"

static const struct jwt_kind list_kind = {"revocations+jwt", REVOCATIONS_TOKEN_MAX};

enum fail
revocations_sign(struct task *task, const struct license_key *key,
                 const struct revocations *list, char **token)
{
	struct json_out json = json_out_new(task->arena, 256 + 48 * list->count);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "iss", list->issuer);
	json_out_int(&json, "iat", list->issued_at_s);
	json_out_int(&json, "nextUpdate", list->next_update_s);
	json_out_open(&json, "revoked", '[');
	for (size_t i = 0; i < list->count; i++)
		json_out_string(&json, NULL, list->jtis[i]);
	json_out_close(&json, ']');
	json_out_close(&json, '}');
	return jwt_sign(task, key, &list_kind, json.text.data, token);
}

static int
compare_jtis(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

static bool
read_jtis(struct arena *arena, const struct json_object *list, struct revocations *out)
{
	size_t count = json_object_array_length(list);
	const char **jtis = arena_array(arena, count + 1, sizeof *jtis);

	for (size_t i = 0; i < count; i++) {
		struct json_object *jti = json_object_array_get_idx(list, i);

		if (!json_object_is_type(jti, json_type_string))
			return false;
		jtis[i] = arena_copy(arena, json_object_get_string(jti));
	}
	qsort(jtis, count, sizeof *jtis, compare_jtis);
	out->jtis = jtis;
	out->count = count;
	return true;
}

static bool
is_time(int64_t seconds)
{
	return seconds >= 0 && seconds <= LICENSE_TIME_MAX;
}

static bool
read_list(struct arena *arena, const struct json_object *payload, struct revocations *out)
{
	struct json_object *list;
	const char *issuer;

	*out = (struct revocations){0};
	if (!json_in_string(payload, "iss", &issuer) ||
	    !json_in_int(payload, "iat", &out->issued_at_s) || !is_time(out->issued_at_s) ||
	    !json_in_int(payload, "nextUpdate", &out->next_update_s) ||
	    !is_time(out->next_update_s) ||
	    !json_object_object_get_ex(payload, "revoked", &list) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	out->issuer = arena_copy(arena, issuer);
	return read_jtis(arena, list, out);
}

enum license_verdict
revocations_read(struct task *task, const struct license_keys *keys, const char *token,
                 int64_t now_s, int64_t leeway_s, const char *issuer, struct revocations *out)
{
	struct jwt_payload content = {0};
	enum license_verdict verdict;

	verdict = license_verdict_of_jwt(
	        jwt_verify(task->arena, keys, &list_kind, token, strlen(token), &content));
	if (verdict != LICENSE_VALID)
		return verdict;
	if (!read_list(task->arena, content.object, out))
		return LICENSE_MALFORMED;
	if (issuer && strcmp(issuer, out->issuer) != 0)
		return LICENSE_WRONG_ISSUER;
	if (out->issued_at_s > now_s + leeway_s)
		return LICENSE_NOT_YET_VALID;
	return out->next_update_s <= now_s - leeway_s ? LICENSE_EXPIRED : LICENSE_VALID;
}

bool
revocations_contains(const struct revocations *list, const char *jti)
{
	if (list->count == 0)
		return false;
	return bsearch(&jti, list->jtis, list->count, sizeof *list->jtis, compare_jtis);
}
