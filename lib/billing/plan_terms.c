/* plan_terms.c: the terms in which plans were sold. */
#include "billing/plan_terms.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "billing/audit.h"
#include "plans/plans_diff.h"

/* Terms of a plan that are kept, and rows that are read. */
enum { KEPT_MAX = 32, READ_MAX = 1024 };

struct stored {
	const char *plan;
	struct instant since;
	const char *terms;
};

struct customer_row {
	const char *customer_id;
};

enum { LIST, LOCK, ADD, TRIM, CUSTOMERS, CUSTOMER_IDS };

/* The subscription that counts, by its plan; a trial is the plan ''. See subscription_order() in
 * migration 25. */
#define COUNTING                                                                               \
	"FROM (SELECT DISTINCT ON (s.customer_id) s.customer_id, s.status, s.trial_ends_at, "  \
	"s.addons, "                                                                           \
	"s.starts_at, s.ends_at, CASE WHEN s.status = 'trialing' THEN '' ELSE s.plan END "     \
	"AS plan FROM subscriptions s JOIN customers c ON c.customer_id = s.customer_id "      \
	"AND c.deleted_at IS NULL WHERE NOT s.superseded ORDER BY s.customer_id, "             \
	"subscription_order(s, $1), s.subscription_id DESC) AS counting "                      \
	"WHERE (status IN ('active', 'past_due') OR (status = 'trialing' "                     \
	"AND trial_ends_at > $1)) AND COALESCE(starts_at <= $1, true) "                        \
	"AND COALESCE(ends_at > $1, true) "

static const struct statement statements[] = {
        [LIST] = {"plan_terms_list", ROWS_WITH(struct stored, plan, since, terms),
                  .sql = "SELECT plan, since, terms FROM (SELECT plan, since, terms, "
                         "row_number() OVER (PARTITION BY plan ORDER BY since DESC) AS age "
                         "FROM plan_terms) AS aged ORDER BY age, plan LIMIT $1::bigint"},
        [LOCK] = {"plan_terms_lock",
                  .sql = "SELECT pg_advisory_xact_lock(hashtextextended('plan-terms', 0))"},
        [ADD] = {"plan_terms_add",
                 .sql = "INSERT INTO plan_terms (plan, since, terms) VALUES ($1, "
                        "clock_timestamp(), $2)"},
        [TRIM] = {"plan_terms_trim",
                  .sql = "DELETE FROM plan_terms WHERE plan = $1 AND since < (SELECT since "
                         "FROM plan_terms WHERE plan = $1 ORDER BY since DESC "
                         "OFFSET $2::bigint - 1 LIMIT 1)"},
        [CUSTOMERS] = {"plan_customers", ROWS_WITH(struct plan_customers, plan, customers),
                       .sql = "SELECT plan, count(*) AS customers FROM (SELECT plan " COUNTING
                              "UNION ALL SELECT '+' || jsonb_object_keys(addons) " COUNTING
                              ") AS bought GROUP BY plan ORDER BY plan"},
        [CUSTOMER_IDS] = {"plan_customer_ids", ROWS_WITH(struct customer_row, customer_id),
                          .sql = "SELECT customer_id " COUNTING
                                 "AND (plan = $2 OR addons ? substr($2, 2) "
                                 "AND $2 LIKE '+%') ORDER BY customer_id LIMIT $3::bigint"},
};

const struct statement_list plan_terms_statements = STATEMENT_LIST(statements);

static enum fail
list(struct operation *operation, const struct stored **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[LIST],
	               PARAMETERS(param_int(operation->task, READ_MAX)), (void *)out, count);
}

/* The newest stored row of a plan, or NULL. They come before the older ones of all plans. */
static const struct stored *
newest(const struct stored *rows, size_t count, const char *plan)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].plan, plan) == 0)
			return &rows[i];
	return NULL;
}

/* The ids of the file's plans, then of the trial and of the add-ons; NULL at the end. */
static const char *
plan_at(struct arena *arena, const struct plans *plans, size_t i)
{
	if (i <= plans->count)
		return i < plans->count ? plans->items[i].id : PLANS_TRIAL;
	i -= plans->count + 1;
	return i < plans->addon_count
	               ? arena_printf(arena, "%c%s", PLANS_ADDON, plans->addons[i].id)
	               : NULL;
}

/* Whether the file's terms are to be stored; `changes` is NULL where the stored ones, if there are any,
 * allow the same. */
static bool
differs(struct arena *arena, const struct plans *plans, const char *plan,
        const struct stored *before, const char **changes)
{
	struct plan_terms present, old;
	struct term_changes found;

	*changes = NULL;
	(void)plans_present_terms(arena, plans, plan, &present);
	if (before == NULL || !plans_terms_read(arena, plans, before->terms, &old))
		return true;
	found = plans_changes(arena, plans, &old, &present);
	if (found.count > 0)
		*changes = plans_changes_text(arena, &found, false);
	return found.count > 0 || !plans_terms_are_whole(arena, before->terms);
}

/* The terms that the file has of a plan or add-on. */
static const char *
present_text(struct arena *arena, const struct plans *plans, const char *plan)
{
	struct plan_terms present;

	if (*plan == PLANS_ADDON)
		return plans_addon_write(arena, plans, plans_find_addon(plans, plan + 1));
	(void)plans_present_terms(arena, plans, plan, &present);
	return plans_terms_write(arena, plans, &present);
}

static enum fail
add(struct operation *operation, const struct plans *plans, const char *plan,
    const char *changes)
{
	struct task *task = operation->task;

	TRY(db_run(operation->db, task, &statements[ADD],
	           PARAMETERS(plan, present_text(task->arena, plans, plan)), NULL));
	TRY(db_run(operation->db, task, &statements[TRIM],
	           PARAMETERS(plan, param_int(task, KEPT_MAX)), NULL));
	if (changes == NULL)
		return FAIL_NONE;
	if (*plan == '\0')
		plan = "the trial";
	log_line(LOG_LEVEL_WARNING, "the terms of a plan have changed", LOG_S("plan", plan),
	         LOG_S("changes", changes));
	return audit_record(operation, "plan_change", NULL, plan, changes);
}

/* Adds what differs. With `dry` nothing is added, and `*found` tells whether something would be. */
static enum fail
add_changed(struct operation *operation, const struct plans *plans, bool dry, bool *found)
{
	const struct stored *rows;
	const char *changes, *plan;
	size_t count;

	*found = false;
	TRY(list(operation, &rows, &count));
	for (size_t i = 0; (plan = plan_at(operation->task->arena, plans, i)) != NULL; i++) {
		if (!differs(operation->task->arena, plans, plan, newest(rows, count, plan),
		             &changes))
			continue;
		*found = true;
		if (!dry)
			TRY(add(operation, plans, plan, changes));
	}
	return FAIL_NONE;
}

enum fail
plan_terms_record(struct operation *operation, struct plans *plans)
{
	bool found;

	TRY(add_changed(operation, plans, true, &found));
	if (!found)
		return FAIL_NONE;
	TRY(db_begin(operation->db, operation->task));
	TRY(db_run(operation->db, operation->task, &statements[LOCK], NO_PARAMETERS, NULL));
	TRY(add_changed(operation, plans, false, &found));
	return db_commit(operation->db, operation->task);
}

enum fail
plan_terms_load(struct operation *operation, struct plans *plans)
{
	struct arena *arena = operation->task->arena;
	const struct stored *rows;
	struct sold_terms *sold;
	struct plan_terms present;
	size_t count, kept = 0;

	TRY(list(operation, &rows, &count));
	sold = arena_array(arena, count, sizeof(*sold));
	plans->gone_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct sold_terms *next = &sold[kept];

		/* The newest terms of each come first. */
		if (*rows[i].plan == PLANS_ADDON)
			plans_addon_keep(arena, plans, rows[i].plan + 1, rows[i].terms);

		*next = (struct sold_terms){.plan = rows[i].plan, .since = rows[i].since};
		if (!plans_terms_read(arena, plans, rows[i].terms, &next->terms))
			continue;
		plan_terms_fit(arena, plans, &next->terms);
		next->is_present = plans_present_terms(arena, plans, next->plan, &present) &&
		                   plan_terms_equal(arena, plans, &present, &next->terms);
		kept++;
	}
	plans->sold = sold;
	plans->sold_count = kept;
	return FAIL_NONE;
}

enum fail
plan_terms_in_force(struct operation *operation, const struct plans *plans,
                    struct sold_terms **out, size_t *out_count)
{
	struct arena *arena = operation->task->arena;
	const struct stored *rows;
	size_t count;

	TRY(list(operation, &rows, &count));
	*out = arena_array(arena, count, sizeof(**out));
	*out_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct sold_terms *next = &(*out)[*out_count];

		*next = (struct sold_terms){.plan = rows[i].plan, .since = rows[i].since};
		if (newest(rows, count, rows[i].plan) == &rows[i] &&
		    plans_terms_read(arena, plans, rows[i].terms, &next->terms))
			++*out_count;
	}
	return FAIL_NONE;
}

enum fail
plan_customers(struct operation *operation, const struct plan_customers **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[CUSTOMERS],
	               PARAMETERS(param_now(operation)), (void *)out, count);
}

enum fail
plan_customer_ids(struct operation *operation, const char *plan, int64_t limit,
                  const char *const **out, size_t *count)
{
	const struct customer_row *rows;
	const char **ids;

	TRY(db_rows(operation->db, operation->task, &statements[CUSTOMER_IDS],
	            PARAMETERS(param_now(operation), plan, param_int(operation->task, limit)),
	            (void *)&rows, count));
	ids = arena_array(operation->task->arena, *count, sizeof(*ids));
	for (size_t i = 0; i < *count; i++)
		ids[i] = rows[i].customer_id;
	*out = ids;
	return FAIL_NONE;
}
