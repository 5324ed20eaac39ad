/* records.c: the rows of notices. */
#include "notices/records.h"

#include <string.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "base/text.h"

enum { KEPT_DAYS = 90, ID_BYTES = 16 };

#define NOTICE                                                                                 \
	ROWS_WITH(struct notice, notice_id, kind, recipient, customer_id, source, state,       \
	          reason, attempts, created_at, next_try_at, finished_at)
#define SELECT_NOTICE                                                                          \
	"SELECT notice_id, kind, recipient, customer_id, source, state, reason, attempts, "    \
	"created_at, next_try_at, finished_at FROM notices "                                   \
	"WHERE (created_at, notice_id) < (COALESCE($1::timestamptz, 'infinity'), "             \
	"COALESCE($2, '')) AND ($4::text IS NULL OR state = $4) "
#define NEWEST_FIRST "ORDER BY created_at DESC, notice_id DESC LIMIT $3::bigint"
#define CLAIMED                                                                                \
	ROWS_WITH(struct claimed_notice, notice_id, kind, recipient, facts, attempts, until,   \
	          customer_id, email, company_name, wanted, paid, bought, payment_link)

enum { MAKE, CLAIM, END, LIST, LIST_OF_CUSTOMER, FIGURES, FAULTS, FORGET, BLANK, PRUNE };

static const struct statement statements[] = {
        [MAKE] =
                {"notice_make",
                 .sql = "INSERT INTO notices (notice_id, source, kind, recipient, customer_id, "
                        "  facts, until, created_at, state, reason, next_try_at, "
                        "  finished_at) "
                        "SELECT $9, $1, $2, $3, $4, $5::jsonb, $6::timestamptz, "
                        "  $7::timestamptz, CASE WHEN fits THEN 'pending' ELSE 'dropped' END, "
                        "  CASE WHEN NOT fits THEN 'too many in one day' END, "
                        "  CASE WHEN fits THEN $7::timestamptz END, "
                        "  CASE WHEN NOT fits THEN $7::timestamptz END "
                        "FROM (SELECT count(*) < $8::bigint AS fits FROM notices "
                        "  WHERE recipient = $3 AND state <> 'dropped' AND created_at >= "
                        "  date_trunc('day', $7::timestamptz, 'UTC')) AS today "
                        "WHERE $3 <> COALESCE($4, '') OR EXISTS (SELECT FROM customers "
                        "  WHERE customer_id = $4 AND deleted_at IS NULL AND notices) "
                        "ON CONFLICT DO NOTHING"},
        [CLAIM] = {"notice_claim", CLAIMED,
                   .sql = "WITH due AS (SELECT notice_id FROM notices "
                          "  WHERE state = 'pending' AND next_try_at <= $1::timestamptz "
                          "  ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED) "
                          "UPDATE notices AS n SET attempts = n.attempts + 1, "
                          "next_try_at = $2::timestamptz FROM due, notices AS o "
                          "LEFT JOIN customers AS c USING (customer_id) "
                          "LEFT JOIN invoices AS i ON i.customer_id = o.customer_id "
                          "  AND i.invoice_id = o.facts ->> 'invoice_id' "
                          "WHERE n.notice_id = due.notice_id AND o.notice_id = due.notice_id "
                          "RETURNING n.notice_id, n.kind, n.recipient, "
                          "n.facts::text AS facts, n.attempts, n.until, "
                          "n.customer_id, c.email, c.company_name, "
                          "COALESCE(c.notices, true) AS wanted, "
                          "COALESCE(i.status IN ('paid', 'void'), false) AS paid, "
                          "o.kind = 'trial_ending' AND NOT EXISTS (SELECT "
                          "  FROM subscriptions AS s WHERE s.customer_id = o.customer_id "
                          "  AND s.status = 'trialing' AND NOT s.superseded) AS bought, "
                          "i.hosted_invoice_url AS payment_link"},
        [END] = {"notice_end_attempt",
                 .sql = "UPDATE notices SET state = $3, reason = left($4, 500), "
                        "next_try_at = $5::timestamptz, "
                        "finished_at = CASE WHEN $3 <> 'pending' THEN $6::timestamptz END, "
                        "facts = CASE WHEN $3 = 'pending' THEN facts ELSE '{}' END "
                        "WHERE notice_id = $1 AND attempts = $2::bigint "
                        "AND state = 'pending'"},
        [LIST] = {"notice_list", NOTICE, .sql = SELECT_NOTICE NEWEST_FIRST},
        [LIST_OF_CUSTOMER] = {"notice_list_of_customer", NOTICE,
                              .sql = SELECT_NOTICE "AND customer_id = $5 " NEWEST_FIRST},
        [FIGURES] = {"notice_figures", ROWS_WITH(struct notice_figures, pending, waiting_since),
                     .sql = "SELECT count(*) AS pending, min(created_at) AS waiting_since "
                            "FROM notices WHERE state = 'pending'"},
        [FAULTS] = {"notice_faults", ROWS_WITH(struct notice_faults, refused, failed),
                    .sql = "SELECT count(*) FILTER (WHERE state = 'refused') AS refused, "
                           "count(*) FILTER (WHERE state = 'failed') AS failed "
                           "FROM notices WHERE finished_at >= $1::timestamptz"},
        [FORGET] = {"notice_forget", .sql = "DELETE FROM notices WHERE customer_id = $1 "
                                            "AND state = 'pending'"},
        [BLANK] = {"notice_blank",
                   .sql = "UPDATE notices SET facts = '{}' WHERE customer_id = $1 "
                          "AND facts <> '{}'"},
        [PRUNE] = {"notice_prune",
                   .sql = "DELETE FROM notices WHERE notice_id IN (SELECT notice_id "
                          "FROM notices WHERE finished_at < $1::timestamptz "
                          "LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"},
};

const struct statement_list notice_record_statements = STATEMENT_LIST(statements);

static const char *
id_of(struct operation *operation, const struct new_notice *notice)
{
	struct arena *arena = operation->task->arena;
	const char *parts[] = {notice->source, notice->recipient,
	                       operation->billing->mail.base_url};
	struct sha256 digest = digest_strings(parts, sizeof(parts) / sizeof(*parts));

	return arena_printf(arena, "ntc_%s", hex_encode(arena, &digest, ID_BYTES));
}

enum fail
notice_make(struct operation *operation, const struct new_notice *notice, int64_t *made)
{
	const struct notice_kind_row *row = &notice_kinds[notice->kind];
	struct task *task = operation->task;
	int64_t most = row->operators ? NOTICES_OPERATOR_DAY_MAX : NOTICES_CUSTOMER_DAY_MAX;
	int64_t rows;

	TRY(db_run(operation->db, task, &statements[MAKE],
	           PARAMETERS(notice->source, row->name, notice->recipient, notice->customer_id,
	                      notice->facts->json, param_time(task, notice->facts->until),
	                      param_now(operation), param_int(task, most),
	                      id_of(operation, notice)),
	           &rows));
	*made += rows;
	return FAIL_NONE;
}

enum fail
notice_claim(struct operation *operation, int64_t for_ms, struct claimed_notice *out,
             bool *found)
{
	return db_row(operation->db, operation->task, &statements[CLAIM],
	              PARAMETERS(param_now(operation), param_in(operation, for_ms)), out,
	              found);
}

enum fail
notice_end_attempt(struct operation *operation, const struct claimed_notice *notice,
                   const char *state, const char *reason, struct instant again)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[END],
	              PARAMETERS(notice->notice_id, param_int(task, notice->attempts), state,
	                         reason, param_time(task, again), param_now(operation)),
	              NULL);
}

const char *
notice_check_state(const char *state)
{
	static const char *const known[] = {"pending", "sent", "refused", "failed", "dropped"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], state) == 0)
			return NULL;
	return "must be pending, sent, refused, failed or dropped";
}

enum fail
notice_list(struct operation *operation, const struct notice_filter *filter, struct page *page,
            const struct notice **out, size_t *count)
{
	struct task *task = operation->task;
	const char *values[] = {param_time(task, page->at), page->id, page_limit(task, page),
	                        filter->state, filter->customer_id};
	bool all = filter->customer_id == NULL;
	struct notice *rows;

	TRY(db_rows(operation->db, task, &statements[all ? LIST : LIST_OF_CUSTOMER],
	            (struct parameters){values, all ? 4 : 5}, (void *)&rows, count));
	if (page_has_next(page, count))
		page->next = page_cursor(task, rows[*count - 1].created_at,
		                         rows[*count - 1].notice_id);
	*out = rows;
	return FAIL_NONE;
}

enum fail
notice_figures(struct operation *operation, struct notice_figures *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FIGURES], NO_PARAMETERS, out,
	              &found);
}

enum fail
notice_faults(struct operation *operation, struct notice_faults *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[FAULTS],
	              PARAMETERS(param_in(operation, -7 * DAY_MS)), out, &found);
}

enum fail
notice_forget(struct operation *operation, const char *customer_id)
{
	TRY(db_run(operation->db, operation->task, &statements[FORGET], PARAMETERS(customer_id),
	           NULL));
	return db_run(operation->db, operation->task, &statements[BLANK],
	              PARAMETERS(customer_id), NULL);
}

enum fail
notice_prune_run(struct operation *operation, int64_t *pruned)
{
	struct task *task = operation->task;

	return db_run(operation->db, task, &statements[PRUNE],
	              PARAMETERS(param_in(operation, -KEPT_DAYS * DAY_MS),
	                         param_int(task, operation->batch)),
	              pruned);
}
