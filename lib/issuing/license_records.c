/* license_records.c: the records of issued licences. */
#include "issuing/license_records.h"

#include "db/render.h"
#include "issuing/imported_licenses.h"

/* A licence that is revoked. */
struct revoked {
	const char *jti;
};

/* When a key's last licence expires. */
struct last {
	struct instant expires_at;
};

enum { HISTORY, IS_REVOKED, LAST_OF_KEY, FORGET_TOKENS };

static const struct statement statements[] = {
        [HISTORY] =
                {"license_history",
                 ROWS_WITH(struct issued_license, jti, kid, plan, reason, instance_id,
                           issued_at, expires_at, revoked_at, revoke_reason),
                 .sql = "SELECT jti, kid, plan, reason, instance_id, issued_at, expires_at, "
                        "revoked_at, "
                        "revoke_reason FROM licenses WHERE customer_id = $1 AND "
                        "(issued_at, jti) < (COALESCE($2::timestamptz, 'infinity'), "
                        "COALESCE($3, '')) ORDER BY issued_at DESC, jti DESC LIMIT $4::bigint"},
        [IS_REVOKED] =
                {"license_is_revoked", ROWS_WITH(struct revoked, jti),
                 .sql = "SELECT jti FROM licenses WHERE jti = $1 AND revoked_at IS NOT NULL"},
        [LAST_OF_KEY] =
                {"license_last_of_key", ROWS_WITH(struct last, expires_at),
                 .sql = "SELECT max(expires_at) AS expires_at FROM licenses WHERE kid = $1"},
        [FORGET_TOKENS] = {"license_forget_tokens",
                           .sql = "UPDATE licenses SET token = NULL WHERE jti IN ("
                                  "SELECT jti FROM licenses WHERE token IS NOT NULL "
                                  "AND issued_at < $1 ORDER BY issued_at LIMIT $2::bigint "
                                  "FOR UPDATE SKIP LOCKED)"},
};

const struct statement_list license_record_statements = STATEMENT_LIST(statements);

enum fail
license_history(struct operation *operation, const char *customer_id, struct page *page,
                const struct issued_license **out, size_t *count)
{
	struct task *task = operation->task;

	TRY(db_rows(operation->db, task, &statements[HISTORY],
	            PARAMETERS(customer_id, param_time(task, page->at), page->id,
	                       page_limit(task, page)),
	            (void *)out, count));
	if (page_has_next(page, count))
		page->next =
		        page_cursor(task, (*out)[*count - 1].issued_at, (*out)[*count - 1].jti);
	return FAIL_NONE;
}

enum fail
license_check(struct operation *operation, const char *token, enum token_verdict *verdict,
              const char **payload)
{
	struct task *task = operation->task;
	const struct billing *billing = operation->billing;
	int64_t now_s = operation->now_ms / SECOND_MS;
	struct license_claims claims = {0};
	struct revoked row;
	bool revoked;

	*verdict = license_verify(task, &billing->keys, token, now_s, LICENSE_LEEWAY_SECONDS,
	                          billing->policy.issuer, &claims, payload);
	*verdict =
	        imported_license_verify(task, &billing->keys, token, now_s,
	                                LICENSE_LEEWAY_SECONDS, *verdict, payload, &claims.jti);
	if (*verdict != LICENSE_VALID)
		return FAIL_NONE;
	TRY(db_row(operation->db, task, &statements[IS_REVOKED], PARAMETERS(claims.jti), &row,
	           &revoked));
	if (revoked)
		*verdict = LICENSE_REVOKED;
	return FAIL_NONE;
}

enum fail
license_last_of_key(struct operation *operation, const char *kid, struct instant *out)
{
	struct last last = {.expires_at = INSTANT_NONE};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[LAST_OF_KEY], PARAMETERS(kid),
	           &last, &found));
	*out = last.expires_at;
	return FAIL_NONE;
}

enum fail
license_forget_tokens(struct operation *operation, int64_t *forgotten)
{
	struct task *task = operation->task;

	return db_run(
	        operation->db, task, &statements[FORGET_TOKENS],
	        PARAMETERS(param_in(operation, -DAY_MS), param_int(task, operation->batch)),
	        forgotten);
}

static const struct column license_columns[] =
        COLUMNS(struct issued_license, jti, kid, plan, reason, issued_at, expires_at,
                revoked_at, revoke_reason);

void
render_license_row(struct json_out *json, const struct issued_license *license)
{
	json_out_open(json, NULL, '{');
	render_members(json, license_columns, license);
	if (license->instance_id != NULL)
		json_out_string(json, "instance_id", license->instance_id);
	json_out_close(json, '}');
}

const char *
license_row_text(struct arena *arena, const struct issued_license *license)
{
	struct json_out json = json_out_new(arena, 512);

	render_license_row(&json, license);
	return json.text.data;
}
