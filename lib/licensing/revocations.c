/* revocations.c: the signed list of revoked licences. */
#include "licensing/revocations.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "json/out.h"
#include "json/view.h"

static const struct jwt_kind list_kind = {"revocations+jwt", REVOCATIONS_TOKEN_MAX};

enum fail
revocations_sign(struct task *task, const struct license_key *key,
                 const struct revocations *list, char **token)
{
	struct json_out json =
	        json_out_new(task->arena, 256 + 48 * list->count + 64 * list->before_count);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "iss", list->issuer);
	json_out_int(&json, "number", list->number);
	json_out_int(&json, "iat", list->issued_at_s);
	json_out_int(&json, "nextUpdate", list->next_update_s);
	json_out_open(&json, "revoked", '[');
	for (size_t i = 0; i < list->count; i++)
		json_out_string(&json, NULL, list->jtis[i]);
	json_out_close(&json, ']');
	json_out_open(&json, "revokedBefore", '[');
	for (size_t i = 0; i < list->before_count; i++) {
		json_out_open(&json, NULL, '[');
		json_out_string(&json, NULL, list->before[i].customer_id);
		json_out_int(&json, NULL, list->before[i].before_s);
		json_out_close(&json, ']');
	}
	json_out_close(&json, ']');
	json_out_open(&json, "distrustedKeys", '[');
	for (size_t i = 0; i < list->distrusted_count; i++)
		json_out_string(&json, NULL, list->distrusted[i]);
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

/* A list of texts; NULL when it is none. */
static const char **
read_texts(struct arena *arena, const struct json_view *list, size_t *count)
{
	const char **texts = arena_array(arena, json_view_count(list) + 1, sizeof(*texts));
	struct json_view item;
	bool more;

	*count = 0;
	if (!json_view_is_list(list))
		return NULL;
	for (more = json_view_first(list, &item); more; more = json_view_next(&item))
		if (!json_view_text(&item, &texts[(*count)++]))
			return NULL;
	return texts;
}

static bool
read_jtis(struct arena *arena, const struct json_view *list, struct revocations *out)
{
	const char **jtis = read_texts(arena, list, &out->count);

	if (jtis == NULL)
		return false;
	qsort(jtis, out->count, sizeof(*jtis), compare_jtis);
	out->jtis = jtis;
	return true;
}

/* Lists of older versions lack this member. */
static bool
read_distrusted(struct arena *arena, const struct json_view *payload, struct revocations *out)
{
	struct json_view list;

	if (!json_view_member(payload, "distrustedKeys", &list))
		return true;
	out->distrusted = read_texts(arena, &list, &out->distrusted_count);
	return out->distrusted != NULL;
}

static bool
is_time(int64_t seconds)
{
	return seconds >= 0 && seconds <= LICENSE_TIME_MAX;
}

static int
compare_customers(const void *a, const void *b)
{
	const struct revoked_before *left = a, *right = b;

	return strcmp(left->customer_id, right->customer_id);
}

static bool
read_pair(const struct json_view *pair, struct revoked_before *out)
{
	struct json_view item;

	return json_view_count(pair) == 2 && json_view_first(pair, &item) &&
	       json_view_text(&item, &out->customer_id) && json_view_next(&item) &&
	       json_view_number(&item, &out->before_s) && is_time(out->before_s);
}

static bool
read_before(struct arena *arena, const struct json_view *list, struct revocations *out)
{
	size_t count = json_view_count(list);
	struct revoked_before *before = arena_array(arena, count + 1, sizeof(*before));
	struct revoked_before *end = before;
	struct json_view pair;

	for (bool more = json_view_first(list, &pair); more; more = json_view_next(&pair))
		if (!read_pair(&pair, end++))
			return false;
	qsort(before, count, sizeof(*before), compare_customers);
	out->before = before;
	out->before_count = count;
	return true;
}

static bool
read_list(struct arena *arena, const struct json_view *payload, struct revocations *out)
{
	struct json_view list;

	*out = (struct revocations){0};
	(void)json_view_int(payload, "number", &out->number);
	if (!json_view_string(payload, "iss", &out->issuer) ||
	    !json_view_int(payload, "iat", &out->issued_at_s) || !is_time(out->issued_at_s) ||
	    !json_view_int(payload, "nextUpdate", &out->next_update_s) ||
	    !is_time(out->next_update_s) || !json_view_member(payload, "revoked", &list) ||
	    !read_jtis(arena, &list, out) || !read_distrusted(arena, payload, out))
		return false;
	/* A list of an older version has no such member. */
	if (!json_view_member(payload, "revokedBefore", &list))
		return true;
	return json_view_is_list(&list) && read_before(arena, &list, out);
}

enum token_verdict
revocations_read(struct task *task, const struct license_keys *keys, const char *token,
                 int64_t now_s, int64_t leeway_s, const char *issuer, struct revocations *out)
{
	struct jwt_payload content = {0};
	enum token_verdict verdict;

	verdict = token_verdict_of_jwt(
	        jwt_verify(task->arena, keys, &list_kind, token, strlen(token), &content));
	if (verdict != LICENSE_VALID)
		return verdict;
	if (!read_list(task->arena, &content.object, out))
		return LICENSE_MALFORMED;
	out->kid = content.kid;
	if (issuer != NULL && strcmp(issuer, out->issuer) != 0)
		return LICENSE_WRONG_ISSUER;
	if (out->issued_at_s > now_s + leeway_s)
		return LICENSE_NOT_YET_VALID;
	return out->next_update_s <= now_s - leeway_s ? LICENSE_EXPIRED : LICENSE_VALID;
}

static bool
distrusts(const struct revocations *list, const char *kid)
{
	for (size_t i = 0; kid != NULL && i < list->distrusted_count; i++)
		if (strcmp(list->distrusted[i], kid) == 0)
			return true;
	return false;
}

bool
revocations_are_older(const struct revocations *list, const struct revocations *other)
{
	if (distrusts(other, list->kid))
		return true;
	return list->issued_at_s < other->issued_at_s ||
	       (list->issued_at_s == other->issued_at_s && list->number < other->number);
}

bool
revocations_contains(const struct revocations *list, const struct license_claims *claims)
{
	const struct revoked_before wanted = {.customer_id = claims->customer_id};
	const struct revoked_before *before = NULL;

	if (distrusts(list, claims->kid))
		return true;
	if (list->count > 0 && bsearch(&claims->jti, list->jtis, list->count,
	                               sizeof(*list->jtis), compare_jtis) != NULL)
		return true;
	if (list->before_count > 0)
		before = bsearch(&wanted, list->before, list->before_count, sizeof(wanted),
		                 compare_customers);
	return before != NULL && claims->issued_at_s < before->before_s;
}
