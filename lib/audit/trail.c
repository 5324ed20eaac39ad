/* trail.c: reads the audit trail. */
#include "audit/trail.h"

#include "base/text.h"

#define ENTRY                                                                                  \
	ROWS_WITH(struct audit_entry, audit_id, happened_at, actor, action, customer_id,       \
	          subject, request_id, detail, before, after, position, hash)

#define SELECT_ENTRY                                                                           \
	"SELECT a.audit_id, a.happened_at, a.actor, a.action, a.customer_id, a.subject, "      \
	"a.request_id, a.detail, a.value_before::text AS before, "                             \
	"a.value_after::text AS after, COALESCE(c.position, 0) AS position, "                  \
	"encode(c.hash, 'hex') AS hash "                                                       \
	"FROM audit_log a LEFT JOIN audit_chain c USING (audit_id) "                           \
	"WHERE a.audit_id < $1::bigint "

#define NEWEST_FIRST "ORDER BY a.audit_id DESC LIMIT $2::bigint"

/* By the narrowest filter that is given, each of which has an index. */
enum { ALL, OF_CUSTOMER, OF_ACTOR, OF_ACTION };

static const struct statement statements[] = {
        [ALL] = {"audit_trail", ENTRY, .sql = SELECT_ENTRY NEWEST_FIRST},
        [OF_CUSTOMER] = {"audit_trail_of_customer", ENTRY,
                         .sql = SELECT_ENTRY "AND a.customer_id = $3 "
                                             "AND ($4::text IS NULL OR a.actor = $4) "
                                             "AND ($5::text IS NULL OR a.action = "
                                             "$5) " NEWEST_FIRST},
        [OF_ACTOR] = {"audit_trail_of_actor", ENTRY,
                      .sql = SELECT_ENTRY
                      "AND a.actor = $3 "
                      "AND ($4::text IS NULL OR a.action = $4) " NEWEST_FIRST},
        [OF_ACTION] = {"audit_trail_of_action", ENTRY,
                       .sql = SELECT_ENTRY "AND a.action = $3 " NEWEST_FIRST},
};

const struct statement_list audit_trail_statements = STATEMENT_LIST(statements);

static enum fail
select_rows(struct operation *operation, int statement, struct parameters parameters,
            const struct audit_entry **out, size_t *count)
{
	return db_rows(operation->db, operation->task, &statements[statement], parameters,
	               (void *)out, count);
}

static enum fail
select_page(struct operation *operation, const struct audit_filter *filter, const char *before,
            const char *limit, const struct audit_entry **out, size_t *count)
{
	if (filter->customer_id != NULL)
		return select_rows(operation, OF_CUSTOMER,
		                   PARAMETERS(before, limit, filter->customer_id, filter->actor,
		                              filter->action),
		                   out, count);
	if (filter->actor != NULL)
		return select_rows(operation, OF_ACTOR,
		                   PARAMETERS(before, limit, filter->actor, filter->action),
		                   out, count);
	if (filter->action != NULL)
		return select_rows(operation, OF_ACTION,
		                   PARAMETERS(before, limit, filter->action), out, count);
	return select_rows(operation, ALL, PARAMETERS(before, limit), out, count);
}

enum fail
audit_trail(struct operation *operation, const struct audit_filter *filter, struct page *page,
            const struct audit_entry **out, size_t *count)
{
	struct task *task = operation->task;
	int64_t before = INT64_MAX;
	const struct audit_entry *last;

	if (page->id != NULL && !text_parse_int(page->id, &before))
		return page_fail(task);
	TRY(select_page(operation, filter, param_int(task, before), page_limit(task, page), out,
	                count));
	if (!page_has_next(page, count))
		return FAIL_NONE;
	last = &(*out)[*count - 1];
	page->next = page_cursor(task, last->happened_at, param_int(task, last->audit_id));
	return FAIL_NONE;
}
