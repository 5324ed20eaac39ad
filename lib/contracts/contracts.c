/* contracts.c: finds, lists and writes contracts and their versions. */
#include "contracts/contracts.h"

#include "base/text.h"
#include "billing/access.h"
#include "billing/customers.h"
#include "outbox/calls.h"

#define TERMS                                                                                  \
	"v.plan AS \"terms.plan\", v.starts_at AS \"terms.starts_at\", "                       \
	"v.ends_at AS \"terms.ends_at\", v.amount_minor AS \"terms.amount_minor\", "           \
	"v.currency AS \"terms.currency\", v.interval AS \"terms.interval\", "                 \
	"v.interval_count AS \"terms.interval_count\", "                                       \
	"v.features::text AS \"terms.features\", v.limits::text AS \"terms.limits\", "         \
	"v.overage::text AS \"terms.overage\", v.days_until_due AS \"terms.days_until_due\", " \
	"v.reference AS \"terms.reference\", v.note AS \"terms.note\" "

/* A contract with its newest version and its subscription. */
#define SELECT_CONTRACT                                                                        \
	"SELECT k.contract_id, k.customer_id, k.billing, k.version, k.end_set_at, "            \
	"k.end_reason, k.created_at, k.updated_at, "                                           \
	"s.subscription_id AS \"subscription.subscription_id\", "                              \
	"s.customer_id AS \"subscription.customer_id\", "                                      \
	"s.stripe_subscription_id AS \"subscription.stripe_subscription_id\", "                \
	"s.plan AS \"subscription.plan\", s.status AS \"subscription.status\", "               \
	"s.interval AS \"subscription.interval\", "                                            \
	"s.interval_count AS \"subscription.interval_count\", "                                \
	"s.trial_ends_at AS \"subscription.trial_ends_at\", "                                  \
	"s.pause_resumes_at AS \"subscription.pause_resumes_at\", "                            \
	"s.pause_ends_access_at AS \"subscription.pause_ends_access_at\", "                    \
	"s.hold_reason AS \"subscription.hold_reason\", "                                      \
	"s.hold_ends_access_at AS \"subscription.hold_ends_access_at\", "                      \
	"s.price_ends_access_at AS \"subscription.price_ends_access_at\", "                    \
	"s.contract_id AS \"subscription.contract_id\", "                                      \
	"s.starts_at AS \"subscription.starts_at\", s.ends_at AS \"subscription.ends_at\", "   \
	"s.ended_at AS \"subscription.ended_at\", s.version AS "                               \
	"\"subscription.version\", " TERMS "FROM contracts k "                                 \
	"JOIN contract_versions v ON v.contract_id = k.contract_id "                           \
	"  AND v.version = k.version "                                                         \
	"JOIN subscriptions s ON s.contract_id = k.contract_id "

static const struct column columns[] = COLUMNS(
        struct contract, contract_id, customer_id, billing, version, end_set_at, end_reason,
        created_at, updated_at, subscription.subscription_id, subscription.customer_id,
        subscription.stripe_subscription_id, subscription.plan, subscription.status,
        subscription.interval, subscription.interval_count, subscription.trial_ends_at,
        subscription.pause_resumes_at, subscription.pause_ends_access_at,
        subscription.hold_reason, subscription.hold_ends_access_at,
        subscription.price_ends_access_at, subscription.contract_id, subscription.starts_at,
        subscription.ends_at, subscription.ended_at, subscription.version, terms.plan,
        terms.starts_at, terms.ends_at, terms.amount_minor, terms.currency, terms.interval,
        terms.interval_count, terms.features, terms.limits, terms.overage, terms.days_until_due,
        terms.reference, terms.note);

#define ROW ROWS_OF(struct contract, columns)

/* Stripe has that long to tell that a subscription has ended. */
enum { STRIPE_END_MS = 2 * HOUR_MS, SOON_DAYS = 30 };

enum { FIND, LIST, VERSIONS, FIGURES };

static const struct statement statements[] = {
        [FIND] = {"contract_find", ROW,
                  .sql = SELECT_CONTRACT "WHERE k.customer_id = $1 AND k.contract_id = $2"},
        [LIST] = {"contract_list", ROW,
                  .sql = SELECT_CONTRACT
                  "WHERE k.customer_id = $1 AND (k.created_at, k.contract_id) < "
                  "(COALESCE($2::timestamptz, 'infinity'), COALESCE($3, '')) "
                  "ORDER BY k.created_at DESC, k.contract_id DESC LIMIT $4::bigint"},
        [VERSIONS] = {"contract_versions",
                      ROWS_WITH(struct contract_version, version, created_at, created_by,
                                terms.plan, terms.starts_at, terms.ends_at, terms.amount_minor,
                                terms.currency, terms.interval, terms.interval_count,
                                terms.features, terms.limits, terms.overage,
                                terms.days_until_due, terms.reference, terms.note),
                      .sql = "SELECT v.version, v.created_at, v.created_by, " TERMS
                             "FROM contract_versions v WHERE v.contract_id = $1 "
                             "ORDER BY v.version"},
        [FIGURES] = {"contract_figures",
                     ROWS_WITH(struct contract_figures, running, ending, parked, overdue,
                               parked_one, overdue_one),
                     .sql = "SELECT running, ending, parked, overdue, parked_one, overdue_one "
                            "FROM (SELECT count(DISTINCT subject) AS parked, "
                            "  min(subject) AS parked_one FROM stripe_calls "
                            "  WHERE state = 'parked' AND kind = $4) p, "
                            "(SELECT count(*) FILTER (WHERE runs) AS running, "
                            "  count(*) FILTER (WHERE runs AND ends_at <= $2) AS ending, "
                            "  count(*) FILTER (WHERE overdue) AS overdue, "
                            "  min(contract_id) FILTER (WHERE overdue) AS overdue_one "
                            "  FROM (SELECT contract_id, ends_at, status <> 'incomplete' "
                            "      AND starts_at <= $1 AND ends_at > $1 AS runs, "
                            "      stripe_subscription_id IS NOT NULL AND ends_at <= $3 "
                            "      AS overdue FROM subscriptions "
                            "    WHERE contract_id IS NOT NULL AND status NOT IN "
                            "    ('canceled', 'incomplete_expired')) k) s"},
};

const struct statement_list contract_statements = STATEMENT_LIST(statements);

enum fail
contract_find(struct operation *operation, const char *customer_id, const char *contract_id,
              struct contract *out)
{
	struct customer customer;
	bool found;

	TRY(customer_find(operation, customer_id, &customer));
	TRY(db_row(operation->db, operation->task, &statements[FIND],
	           PARAMETERS(customer_id, contract_id), out, &found));
	if (found)
		return FAIL_NONE;
	return task_fail(operation->task, FAIL_NOT_FOUND, "contract_not_found",
	                 "The customer has no such contract.");
}

enum fail
contract_list(struct operation *operation, const char *customer_id, struct page *page,
              const struct contract **out, size_t *count)
{
	struct task *task = operation->task;
	struct customer customer;

	TRY(customer_find(operation, customer_id, &customer));
	TRY(db_rows(operation->db, task, &statements[LIST],
	            PARAMETERS(customer_id, param_time(task, page->at), page->id,
	                       page_limit(task, page)),
	            (void *)out, count));
	if (page_has_next(page, count))
		page->next = page_cursor(task, (*out)[*count - 1].created_at,
		                         (*out)[*count - 1].contract_id);
	return FAIL_NONE;
}

enum fail
contract_versions(struct operation *operation, const char *contract_id,
                  const struct contract_version **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[VERSIONS],
	               PARAMETERS(contract_id), (void *)out, count);
}

bool
contract_is_over(const struct contract *contract, int64_t now_ms)
{
	return text_equal(access_status(&contract->subscription, now_ms), "canceled") ||
	       text_equal(contract->subscription.status, "incomplete_expired");
}

enum fail
contract_figures(struct operation *operation, struct contract_figures *out)
{
	bool found;

	*out = (struct contract_figures){0};
	return db_row(operation->db, operation->task, &statements[FIGURES],
	              PARAMETERS(param_now(operation), param_in(operation, SOON_DAYS * DAY_MS),
	                         param_in(operation, -STRIPE_END_MS), STRIPE_CONTRACT),
	              out, &found);
}

void
contract_write(struct json_out *json, const struct contract *contract, int64_t now_ms)
{
	const struct subscription *subscription = &contract->subscription;

	json_out_string(json, "contract_id", contract->contract_id);
	json_out_string(json, "customer_id", contract->customer_id);
	json_out_string(json, "billing", contract->billing);
	json_out_string(json, "status", access_status(subscription, now_ms));
	json_out_int(json, "version", contract->version);
	contract_terms_write(json, &contract->terms);
	json_out_string(json, "stripe_subscription_id", subscription->stripe_subscription_id);
	json_out_time(json, "ended_at", subscription->ended_at);
	json_out_time(json, "end_set_at", contract->end_set_at);
	json_out_string(json, "end_reason", contract->end_reason);
	json_out_time(json, "created_at", contract->created_at);
	json_out_time(json, "updated_at", contract->updated_at);
}

static void
write_version(struct json_out *json, const struct contract_version *version)
{
	json_out_open(json, NULL, '{');
	json_out_int(json, "version", version->version);
	contract_terms_write(json, &version->terms);
	json_out_time(json, "created_at", version->created_at);
	json_out_string(json, "created_by", version->created_by);
	json_out_close(json, '}');
}

enum fail
render_contract(struct operation *operation, struct json_out *json, const char *name,
                struct contract contract, bool with_notes)
{
	const struct contract_version *versions;
	size_t count;

	TRY(contract_versions(operation, contract.contract_id, &versions, &count));
	if (!with_notes) {
		contract.terms.note = NULL;
		contract.end_reason = NULL;
	}
	json_out_open(json, name, '{');
	contract_write(json, &contract, operation->now_ms);
	json_out_open(json, "versions", '[');
	for (size_t i = 0; i < count; i++) {
		struct contract_version version = versions[i];

		if (!with_notes) {
			version.terms.note = NULL;
			version.created_by = NULL;
		}
		write_version(json, &version);
	}
	json_out_close(json, ']');
	json_out_close(json, '}');
	return FAIL_NONE;
}

enum fail
render_contracts(struct operation *operation, struct json_out *json, const char *customer_id,
                 struct page *page, bool with_notes)
{
	const struct contract *rows;
	size_t count;

	TRY(contract_list(operation, customer_id, page, &rows, &count));
	json_out_open(json, "contracts", '[');
	for (size_t i = 0; i < count; i++)
		TRY(render_contract(operation, json, NULL, rows[i], with_notes));
	json_out_close(json, ']');
	return FAIL_NONE;
}
