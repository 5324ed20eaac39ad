/* table.c: answers that are a list of rows with definitions, as JSON or as CSV. */
#include "api/table.h"

#include "api/csv.h"
#include "base/arena.h"

static enum fail
answer_csv(struct call *call, const struct table *table, const void *rows, size_t count)
{
	struct task *task = call->operation.task;
	struct text csv = text_new(task->arena, 256 + count * 200);

	csv_names(&csv, table->columns);
	for (size_t i = 0; i < count; i++)
		csv_row(&csv, task, table->columns, (const char *)rows + i * table->row_size);
	csv_answer(call, &csv, table->file, table->page == NULL ? NULL : table->page->next);
	return FAIL_NONE;
}

enum fail
table_answer(struct call *call, const struct table *table, const void *rows, size_t count)
{
	struct json_out json;

	if (csv_is_wanted(call))
		return answer_csv(call, table, rows, count);
	json = answer_begin(call, 2048 + count * 400);
	json_out_open(&json, table->list, '[');
	for (size_t i = 0; i < count; i++)
		render_row(&json, NULL, table->columns,
		           (const char *)rows + i * table->row_size);
	json_out_close(&json, ']');
	if (table->write != NULL)
		table->write(&json, table->closure);
	if (table->page != NULL) {
		json_out_int(&json, "limit", table->page->limit);
		json_out_string(&json, "next_cursor", table->page->next);
	}
	json_out_open(&json, "definition", '{');
	for (const struct definition *one = table->definitions; one->name != NULL; one++)
		json_out_string(&json, one->name, one->sentence);
	json_out_close(&json, '}');
	return answer_end(call, 200, &json);
}
