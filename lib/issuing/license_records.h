/* license_records.h: the records of issued licences: history, verification, and how long each
 * signing key is needed. */
#pragma once

#include "db/page.h"
#include "issuing/licenses.h"
#include "licensing/verify.h"
#include "json/out.h"

extern const struct statement_list license_record_statements;

/* A page of the issued licences, newest first, without tokens. */
enum fail license_history(struct operation *operation, const char *customer_id,
                          struct page *page, const struct issued_license **out,
                          size_t *count) MUST_CHECK;

/* Verifies a token with all published keys and the database's revocations. `payload` is the
 * JSON text of the claims when the verdict is LICENSE_VALID. */
enum fail license_check(struct operation *operation, const char *token,
                        enum token_verdict *verdict, const char **payload) MUST_CHECK;

/* When the last licence of that signing key expires; unknown when there is none. */
enum fail license_last_of_key(struct operation *operation, const char *kid,
                              struct instant *out) MUST_CHECK;

/* A job: deletes the tokens of licences that are too old to be issued again. */
enum fail license_forget_tokens(struct operation *operation, int64_t *forgotten) MUST_CHECK;

/* As the API and the events show it: without its token. */
void render_license_row(struct json_out *json, const struct issued_license *license);
const char *license_row_text(struct arena *arena, const struct issued_license *license);
