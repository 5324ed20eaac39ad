/* audit.c: reads the audit trail. */
#include "audit/trail.h"

#include "api/handlers.h"
#include "api/render.h"

enum { TEXT_MAX = 100 };

struct audit_input {
	int64_t limit;
	const char *cursor;
	const char *customer_id;
	const char *actor;
	const char *action;
};

const struct field audit_query[] = {
        PAGE_FIELDS(struct audit_input, PAGE_ROWS_MAX, PAGE_ROWS_USUAL),
        FIELD(struct audit_input, customer_id, .min = 1, .max = TEXT_MAX),
        FIELD(struct audit_input, actor, .min = 1, .max = TEXT_MAX),
        FIELD(struct audit_input, action, .min = 1, .max = TEXT_MAX),
        FIELD_END(struct audit_input),
};

static const struct column entry_columns[] =
        COLUMNS(struct audit_entry, happened_at, actor, action, customer_id, subject,
                request_id, detail);

static void
render_document(struct json_out *json, const char *name, const char *document)
{
	if (document == NULL)
		json_out_null(json, name);
	else
		json_out_raw(json, name, document);
}

static void
render_entry(struct json_out *json, const struct audit_entry *entry)
{
	json_out_open(json, NULL, '{');
	json_out_int(json, "id", entry->audit_id);
	render_members(json, entry_columns, entry);
	render_document(json, "before", entry->before);
	render_document(json, "after", entry->after);
	if (entry->position == 0)
		json_out_null(json, "position");
	else
		json_out_int(json, "position", entry->position);
	json_out_string(json, "hash", entry->hash);
	json_out_close(json, '}');
}

enum fail
list_audit(struct call *call)
{
	const struct audit_input *input = call->query;
	const struct audit_filter filter = {
	        .customer_id = input->customer_id,
	        .actor = input->actor,
	        .action = input->action,
	};
	struct operation *operation = &call->operation;
	const struct audit_entry *rows;
	struct json_out json;
	struct page page;
	size_t count;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	TRY(audit_trail(operation, &filter, &page, &rows, &count));
	json = answer_begin(call, 256 + count * 500);
	json_out_open(&json, "entries", '[');
	for (size_t i = 0; i < count; i++)
		render_entry(&json, &rows[i]);
	json_out_close(&json, ']');
	return answer_page(call, &json, &page);
}
