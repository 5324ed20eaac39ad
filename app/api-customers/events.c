/* events.c: reads the log of events. */
#include "events/reader.h"

#include <string.h>

#include "api/handlers.h"
#include "api/render.h"
#include "base/text.h"
#include "billing/customer_ids.h"

enum { TEXT_MAX = 100 };

struct events_input {
	int64_t limit;
	const char *cursor;
	const char *type;
	const char *customer_id;
	const char *order;
};

static const char *
check_order(const char *order)
{
	return text_equal(order, "oldest") || text_equal(order, "newest")
	               ? NULL
	               : "must be oldest or newest";
}

const struct field events_query[] = {
        PAGE_FIELDS(struct events_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct events_input, type, .check = event_type_check),
        FIELD(struct events_input, customer_id, .min = 1, .max = TEXT_MAX),
        FIELD(struct events_input, order, .check = check_order),
        FIELD_END(struct events_input),
};

/* The events that the caller may see: an operator all, a customer its own, of the types that
 * customers see. */
static enum fail
limit_to_caller(struct call *call, struct event_filter *filter)
{
	const char *own;

	TRY(db_judge_ahead(call->operation.db, call->operation.task));
	own = call->caller.key.customer_id;
	if (filter->customer_id != NULL)
		filter->customer_id =
		        customer_id_or_text(call->operation.task->arena, filter->customer_id);
	if (own == NULL)
		return FAIL_NONE;
	if (filter->customer_id != NULL && strcmp(filter->customer_id, own) != 0)
		return fail_customer_not_found(call->operation.task);
	filter->customer_id = own;
	filter->customers_only = true;
	return FAIL_NONE;
}

enum fail
list_events(struct call *call)
{
	const struct events_input *input = call->query;
	struct event_filter filter = {.type = input->type,
	                              .customer_id = input->customer_id,
	                              .newest_first = text_equal(input->order, "newest")};
	struct operation *operation = &call->operation;
	const struct event *rows;
	struct json_out json;
	const char *last;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(limit_to_caller(call, &filter));
	TRY(event_page(operation, &filter, &page, &rows, &count, &last));
	json = answer_begin(call, 256 + count * 800);
	json_out_open(&json, "events", '[');
	for (size_t i = 0; i < count; i++)
		event_render(&json, NULL, &rows[i]);
	json_out_close(&json, ']');
	json_out_int(&json, "limit", page.limit);
	json_out_string(&json, "next_cursor", page.next);
	json_out_string(&json, "cursor", last);
	return answer_end(call, 200, &json);
}

enum fail
get_event(struct call *call)
{
	struct event_filter filter = {0};
	struct json_out json;
	struct event event;
	enum event_type type;

	TRY(limit_to_caller(call, &filter));
	TRY(event_find(&call->operation, request_param(call->request, "event_id"), &event));
	if (filter.customer_id != NULL &&
	    (event.customer_id == NULL || strcmp(event.customer_id, filter.customer_id) != 0 ||
	     !event_type_find(event.type, &type) || !event_type_is_customers(type)))
		return fail_event_not_found(call->operation.task);
	json = answer_begin(call, 1024);
	event_render(&json, "event", &event);
	return answer_end(call, 200, &json);
}
