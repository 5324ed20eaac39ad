/* customers.c: the customers, their e-mail addresses, and their ids at Stripe. */
#include "billing/customers.h"

#include <string.h>

#include "base/arena.h"
#include "billing/audit.h"
#include "billing/render.h"
#include "billing/unicode.h"
#include "events/log.h"

static const struct column columns[] =
        COLUMNS(struct customer, customer_id, email, company_name, stripe_customer_id,
                pending_email, notices, created_at, updated_at);

/* With the plan and the status of the subscription that counts. */
static const struct column listed_columns[] =
        COLUMNS(struct customer, customer_id, email, company_name, stripe_customer_id,
                pending_email, notices, created_at, updated_at, plan, status);

#define CUSTOMER_COLUMNS                                                                       \
	"customer_id, email, company_name, stripe_customer_id, pending_email, notices, "       \
	"created_at, updated_at"
#define ROW ROWS_OF(struct customer, columns)
#define LISTED ROWS_OF(struct customer, listed_columns)
#define NEWEST_FIRST "ORDER BY created_at DESC, customer_id DESC "
#define PAGE NEWEST_FIRST "LIMIT $3::bigint OFFSET $4::bigint "
#define PAGE_END "($3::bigint + $4::bigint) "
#define AFTER_CURSOR                                                                           \
	"deleted_at IS NULL AND (created_at, customer_id) < "                                  \
	"(COALESCE($1::timestamptz, 'infinity'), COALESCE($2, '')) "

/* Whether a key begins with the words of a parameter: a range of its index, which ends with the
 * last code point. LIKE would use that index only when the statement is planned anew for each
 * pattern. */
#define BEGINS(key, words) key " >= " words " AND " key " < " words " || chr(1114111)"
#define MATCHES(words) "(" BEGINS("email_key", words) " OR " BEGINS("company_key", words) ") "
#define MATCHES_6 MATCHES("$6")
#define MATCHES_7 MATCHES("$7")

/* The subscription that counts, with the status that it has at the time $5: access_status(). */
#define PAUSE_ENDS                                                                             \
	"CASE WHEN pause_resumes_at <= GREATEST($5::timestamptz, pause_ends_access_at) "       \
	"THEN NULL ELSE pause_ends_access_at END"
#define HOLD_ENDS "LEAST(hold_ends_access_at, price_ends_access_at)"
#define CURRENT(customer_id)                                                                   \
	"LEFT JOIN LATERAL (SELECT plan, CASE WHEN status = 'trialing' "                       \
	"  AND stripe_subscription_id IS NULL AND trial_ends_at <= $5::timestamptz "           \
	"  AND contract_id IS NULL THEN 'canceled' "                                           \
	"  WHEN ends_at <= $5::timestamptz AND status NOT IN ('canceled', "                    \
	"    'incomplete_expired') THEN 'canceled' "                                           \
	"  WHEN starts_at > $5::timestamptz AND status NOT IN ('canceled', "                   \
	"    'incomplete_expired') THEN 'incomplete' "                                         \
	"  WHEN contract_id IS NOT NULL AND status = 'trialing' THEN 'active' "                \
	"  WHEN status NOT IN ('trialing', 'active', 'past_due') THEN status "                 \
	"  WHEN " HOLD_ENDS " <= LEAST($5::timestamptz, " PAUSE_ENDS ") THEN 'unpaid' "        \
	"  WHEN " PAUSE_ENDS " <= $5::timestamptz THEN 'paused' "                              \
	"  ELSE status END AS status FROM subscriptions "                                      \
	"  WHERE subscriptions.customer_id = " customer_id " "                                 \
	"  ORDER BY superseded, subscription_order(subscriptions, $5), "                       \
	"  subscription_id DESC LIMIT 1) s ON true "
#define JOINED CURRENT("c.customer_id")

/* The customers that `from` selects, each with that subscription. */
#define PAGE_OF(with, from)                                                                    \
	with "SELECT " CUSTOMER_COLUMNS ", s.plan, s.status FROM (SELECT " CUSTOMER_COLUMNS    \
	     " FROM " from PAGE ") AS page " CURRENT("page.customer_id") NEWEST_FIRST

struct owner {
	const char *customer_id;
};

struct lock {
	bool deleted;
};

extern const char billing_customer_update_sql[]; /* customer_update.sql */

enum {
	FIND,
	LIST,
	LIST_FAR,
	LIST_EMAIL,
	LIST_QUERY,
	LIST_FILTERED,
	UPDATE,
	OF_STRIPE,
	LINK_STRIPE,
	UNLINK_STRIPE,
	LOCK
};

/* LIST_QUERY looks at the 200 newest customers first. When they do not fill the page, it finds
 * all matches by the index and sorts them. Without these two steps the planner, which samples
 * one name in a hundred, takes a rare name for a frequent one and reads the whole table in the
 * page's order. */
static const struct statement statements[] = {
        [FIND] = {"customer_find", ROW,
                  .sql = "SELECT " CUSTOMER_COLUMNS " FROM customers "
                         "WHERE customer_id = $1 AND deleted_at IS NULL"},
        /* The planner takes an unknown LIMIT for a tenth of the table. With a known one around it,
	 * the plan that serves all parameters is as cheap as one for these parameters, and the
	 * statement is not planned anew each time. */
        [LIST] = {"customer_list", LISTED,
                  .sql = PAGE_OF("",
                                 "(SELECT " CUSTOMER_COLUMNS " FROM customers "
                                 "WHERE " AFTER_CURSOR NEWEST_FIRST "LIMIT 101) AS newest ")},
        [LIST_FAR] = {"customer_list_far", LISTED,
                      .sql = PAGE_OF("", "customers WHERE " AFTER_CURSOR)},
        [LIST_EMAIL] = {"customer_list_email", LISTED,
                        .sql = PAGE_OF("", "customers WHERE " AFTER_CURSOR "AND email_key = $6 "
                                           "AND ($7::text IS NULL OR " MATCHES_7 ") ")},
        [LIST_QUERY] = {"customer_list_query", LISTED, .reads = true, .planned_once = true,
                        .sql = PAGE_OF(
                                "WITH newest AS (SELECT " CUSTOMER_COLUMNS
                                ", email_key, company_key FROM customers "
                                "  WHERE " AFTER_CURSOR NEWEST_FIRST "LIMIT 200), "
                                "near AS MATERIALIZED (SELECT " CUSTOMER_COLUMNS " FROM newest "
                                "  WHERE " MATCHES_6 NEWEST_FIRST "LIMIT " PAGE_END "), "
                                "far AS MATERIALIZED (SELECT " CUSTOMER_COLUMNS
                                " FROM customers "
                                "  WHERE (SELECT count(*) FROM near) < " PAGE_END
                                "  AND " AFTER_CURSOR "AND " MATCHES_6 ") ",
                                "(SELECT " CUSTOMER_COLUMNS " FROM near "
                                "    WHERE (SELECT count(*) FROM near) = " PAGE_END
                                "  UNION ALL SELECT " CUSTOMER_COLUMNS " FROM far) AS found ")},
        /* The conditions on $11, and on $8 where it is given, spare most customers the look at
	 * all that their subscriptions say. A list of customers in place of EXISTS would be gone
	 * through for each customer once it does not fit into work_mem. */
        [LIST_FILTERED] =
                {"customer_list_filtered", LISTED,
                 .sql = "SELECT " CUSTOMER_COLUMNS ", s.plan, s.status FROM customers c " JOINED
                        "WHERE " AFTER_CURSOR "AND ($6::text IS NULL OR email_key = $6) "
                        "AND ($7::text IS NULL OR " MATCHES_7 ") "
                        "AND ($8::text IS NULL OR COALESCE(s.status, 'none') = $8) "
                        "AND ($8::text IS NULL OR $8 IN ('none', 'canceled') OR EXISTS "
                        "  (SELECT FROM subscriptions o WHERE o.customer_id = c.customer_id "
                        "    AND (o.status = $8 OR o.contract_id IS NOT NULL "
                        "      OR LEAST(o.pause_ends_access_at, o.hold_ends_access_at, "
                        "        o.price_ends_access_at) IS NOT NULL))) "
                        "AND ($9::text IS NULL OR s.plan = $9) "
                        "AND (NOT $10::boolean OR pending_email IS NOT NULL) "
                        "AND ($11::text IS NULL OR customer_id = (SELECT COALESCE("
                        "  (SELECT customer_id FROM customers WHERE stripe_customer_id = $11), "
                        "  (SELECT customer_id FROM subscriptions "
                        "    WHERE stripe_subscription_id = $11)))) " PAGE},
        [UPDATE] = {"customer_update", ROW, .sql = billing_customer_update_sql},
        [OF_STRIPE] =
                {"customer_of_stripe", ROWS_WITH(struct owner, customer_id),
                 .sql = "SELECT COALESCE("
                        "(SELECT customer_id FROM subscriptions "
                        "  WHERE stripe_subscription_id = $2), "
                        "(SELECT customer_id FROM customers WHERE stripe_customer_id = $1), "
                        "(SELECT customer_id FROM customers WHERE customer_id = $3)) "
                        "AS customer_id"},
        [LINK_STRIPE] = {"customer_link_stripe",
                         .sql = "UPDATE customers SET stripe_customer_id = $2 "
                                "WHERE customer_id = $1 AND stripe_customer_id IS NULL "
                                "AND NOT EXISTS (SELECT FROM customers "
                                "  WHERE stripe_customer_id = $2)"},
        [UNLINK_STRIPE] = {"customer_unlink_stripe",
                           .sql = "UPDATE customers SET stripe_customer_id = NULL "
                                  "WHERE stripe_customer_id = $1"},
        [LOCK] = {"customer_lock", ROWS_WITH(struct lock, deleted),
                  .sql = "SELECT deleted_at IS NOT NULL AS deleted FROM customers "
                         "WHERE customer_id = $1 FOR NO KEY UPDATE"},
};

const struct statement_list customer_statements = STATEMENT_LIST(statements);

const char *
customer_check_name(const char *name)
{
	const char *fault = unicode_text_fault(name);

	return fault == NULL && unicode_is_blank(name) ? "must not be blank" : fault;
}

const char *
customer_check_status(const char *status)
{
	static const char *const known[] = {
	        "trialing",           "active", "past_due", "unpaid", "canceled", "incomplete",
	        "incomplete_expired", "paused", "none"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], status) == 0)
			return NULL;
	return "is not a status of a subscription";
}

enum fail
fail_customer_exists(struct task *task)
{
	return task_fail(task, FAIL_CONFLICT, "customer_exists",
	                 "There is a customer with this e-mail address.");
}

enum fail
customer_find(struct operation *operation, const char *customer_id, struct customer *out)
{
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[FIND], PARAMETERS(customer_id),
	           out, &found));
	return found ? FAIL_NONE : fail_customer_not_found(operation->task);
}

/* Whether LIST has all rows of the page, and the row after it. */
static bool
is_near(const struct page *page)
{
	return page->offset == 0 && page->limit <= PAGE_ROWS_MAX;
}

static enum fail
select_page(struct operation *operation, const struct customer_filter *filter,
            const struct page *page, struct customer **out, size_t *count)
{
	struct task *task = operation->task;
	const char *before = param_time(task, page->at), *now = param_now(operation);
	const char *limit = page_limit(task, page);
	const char *offset = param_int(task, page->offset);
	const char *email = NULL, *query;

	TRY(customer_name_key(task, filter->query, &query));
	if (filter->email != NULL)
		TRY(address_key(task, filter->email, &email));
	if (filter->status != NULL || filter->plan != NULL || filter->stripe != NULL ||
	    filter->pending_email)
		return db_rows(operation->db, task, &statements[LIST_FILTERED],
		               PARAMETERS(before, page->id, limit, offset, now, email, query,
		                          filter->status, filter->plan,
		                          param_bool(filter->pending_email), filter->stripe),
		               (void *)out, count);
	if (email != NULL)
		return db_rows(operation->db, task, &statements[LIST_EMAIL],
		               PARAMETERS(before, page->id, limit, offset, now, email, query),
		               (void *)out, count);
	if (query != NULL)
		return db_rows(operation->db, task, &statements[LIST_QUERY],
		               PARAMETERS(before, page->id, limit, offset, now, query),
		               (void *)out, count);
	return db_rows(operation->db, task, &statements[is_near(page) ? LIST : LIST_FAR],
	               PARAMETERS(before, page->id, limit, offset, now), (void *)out, count);
}

enum fail
customer_list(struct operation *operation, const struct customer_filter *filter,
              struct page *page, const struct customer **out, size_t *count)
{
	struct customer *rows;

	TRY(select_page(operation, filter, page, &rows, count));
	if (page_has_next(page, count))
		page->next = page_cursor(operation->task, rows[*count - 1].created_at,
		                         rows[*count - 1].customer_id);
	*out = rows;
	return FAIL_NONE;
}

/* The names of the fields that change, for the audit trail. */
static const char *
changed_fields(struct arena *arena, const struct customer_change *change)
{
	const char *email = change->email_pends ? ", pending_email" : ", email";

	return arena_printf(arena, "%s%s%s", change->email.present ? email : "",
	                    change->company_name.present ? ", company_name" : "",
	                    change->notices.present ? ", notices" : "") +
	       2;
}

enum fail
customer_update(struct operation *operation, const char *customer_id,
                const struct customer_change *change, struct customer *out)
{
	struct task *task = operation->task;
	const char *email_key = NULL, *company_key;
	enum fail kind;
	bool found;

	if (!change->email.present && !change->company_name.present && !change->notices.present)
		return customer_find(operation, customer_id, out);
	if (change->email.present)
		TRY(address_key(task, change->email.value, &email_key));
	TRY(customer_name_key(task, change->company_name.value, &company_key));
	TRY(db_begin(operation->db, task));
	kind = db_row(
	        operation->db, task, &statements[UPDATE],
	        PARAMETERS(customer_id, param_bool(change->email.present), change->email.value,
	                   param_bool(change->company_name.present), change->company_name.value,
	                   param_now(operation), email_key, company_key,
	                   param_bool(change->email_pends),
	                   change->notices.present ? param_bool(change->notices.value) : NULL),
	        out, &found);
	if (kind == FAIL_CONFLICT) {
		task_clear(task);
		return fail_customer_exists(task);
	}
	TRY(kind);
	if (!found)
		return fail_customer_not_found(task);
	TRY(audit_change(operation, "customer_update", customer_id, NULL,
	                 changed_fields(task->arena, change)));
	TRY(event_write(operation, EVENT_CUSTOMER_UPDATED, customer_id,
	                customer_text(task->arena, out)));
	return db_commit(operation->db, task);
}

enum fail
customer_of_stripe(struct operation *operation, const char *stripe_customer_id,
                   const char *stripe_subscription_id, const char *named,
                   const char **customer_id)
{
	struct owner owner = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[OF_STRIPE],
	           PARAMETERS(stripe_customer_id, stripe_subscription_id, named), &owner,
	           &found));
	*customer_id = owner.customer_id;
	return FAIL_NONE;
}

enum fail
customer_link_stripe(struct operation *operation, const char *customer_id,
                     const char *stripe_customer_id)
{
	return db_run(operation->db, operation->task, &statements[LINK_STRIPE],
	              PARAMETERS(customer_id, stripe_customer_id), NULL);
}

enum fail
customer_unlink_stripe(struct operation *operation, const char *stripe_customer_id)
{
	return db_run(operation->db, operation->task, &statements[UNLINK_STRIPE],
	              PARAMETERS(stripe_customer_id), NULL);
}

enum fail
customer_lock(struct operation *operation, const char *customer_id, bool *deleted)
{
	struct lock lock = {0};
	bool found;

	TRY(db_row(operation->db, operation->task, &statements[LOCK], PARAMETERS(customer_id),
	           &lock, &found));
	*deleted = lock.deleted;
	return FAIL_NONE;
}
