/* notices.c: lists the notices by e-mail. */
#include "notices/records.h"

#include "api/handlers.h"
#include "api/render.h"
#include "db/render.h"

struct notices_input {
	int64_t limit;
	const char *cursor;
	const char *state;
	const char *customer_id;
};

const struct field notices_query[] = {
        PAGE_FIELDS(struct notices_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct notices_input, state, .check = notice_check_state),
        FIELD(struct notices_input, customer_id, .min = 1, .max = 100),
        FIELD_END(struct notices_input),
};

static const struct column columns[] =
        COLUMNS(struct notice, notice_id, kind, recipient, customer_id, source, state, reason,
                attempts, created_at, next_try_at, finished_at);

void
render_notice(struct json_out *json, const struct notice *notice)
{
	render_row(json, NULL, columns, notice);
}

enum fail
list_notices(struct call *call)
{
	const struct notices_input *input = call->query;
	const struct notice_filter filter = {.state = input->state,
	                                     .customer_id = input->customer_id};
	struct operation *operation = &call->operation;
	const struct notice *rows;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(notice_list(operation, &filter, &page, &rows, &count));
	json = answer_begin(call, 256 + count * 400);
	json_out_open(&json, "notices", '[');
	for (size_t i = 0; i < count; i++)
		render_notice(&json, &rows[i]);
	json_out_close(&json, ']');
	return answer_page(call, &json, &page);
}
