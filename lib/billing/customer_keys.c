/* customer_keys.c: the forms of addresses and companies' names by which customers are found. */
#include "billing/customer_keys.h"

#include <string.h>

#include "base/arena.h"
#include "billing/unicode.h"
#include "json/out.h"

struct keyless {
	const char *customer_id;
	const char *email;
	const char *company_name;
};

extern const char billing_customer_keys_sql[]; /* customer_keys.sql */

enum { KEYLESS, FILL, SHARED };

static const struct statement statements[] = {
        [KEYLESS] = {"customer_keyless",
                     ROWS_WITH(struct keyless, customer_id, email, company_name),
                     .sql = "SELECT customer_id, email, company_name FROM customers "
                            "WHERE deleted_at IS NULL AND (email_key IS NULL "
                            "  OR (company_key IS NULL AND company_name IS NOT NULL)) "
                            "ORDER BY created_at, customer_id LIMIT $1::bigint"},
        [FILL] = {.name = "customer_keys_fill", .sql = billing_customer_keys_sql},
        [SHARED] = {"customer_keys_shared",
                    ROWS_WITH(struct shared_addresses, count, customer_id),
                    .sql = "SELECT count(*) AS count, min(customer_id) AS customer_id "
                           "FROM customers WHERE deleted_at IS NULL "
                           "AND email_key LIKE '% cust\\_%'"},
};

const struct statement_list customer_key_statements = STATEMENT_LIST(statements);

enum fail
customer_name_key(struct task *task, const char *name, const char **out)
{
	enum { KEY_MAX = 500 }; /* an index takes no key over 2 KB */
	size_t length;

	*out = NULL;
	if (name == NULL)
		return FAIL_NONE;
	TRY(unicode_fold(task, name, out));
	length = strlen(*out);
	if (length <= KEY_MAX)
		return FAIL_NONE;
	for (length = KEY_MAX; ((*out)[length] & 0xc0) == 0x80;)
		length--;
	*out = arena_copy_bytes(task->arena, *out, length);
	return FAIL_NONE;
}

enum fail
customer_keys_read(struct task *task, const char *email, const char *company_name,
                   struct customer_keys *out)
{
	TRY(address_read(task, email, &out->address));
	return customer_name_key(task, company_name, &out->company);
}

static enum fail
write_keys(struct task *task, struct json_out *json, const struct keyless *row)
{
	struct customer_keys keys;

	TRY(customer_keys_read(task, row->email, row->company_name, &keys));
	json_out_open(json, NULL, '{');
	json_out_string(json, "customer_id", row->customer_id);
	json_out_string(json, "email", row->email);
	json_out_string(json, "company_name", row->company_name);
	json_out_string(json, "email_key", keys.address.key);
	json_out_string(json, "company_key", keys.company);
	json_out_string(json, "skeleton", param_digest(task, &keys.address.skeleton));
	json_out_bool(json, "plain", keys.address.plain);
	json_out_close(json, '}');
	return FAIL_NONE;
}

enum fail
customer_keys_fill(struct operation *operation, int64_t *done)
{
	struct task *task = operation->task;
	const struct keyless *rows;
	struct json_out json;
	size_t count;

	*done = 0;
	TRY(db_rows(operation->db, task, &statements[KEYLESS],
	            PARAMETERS(param_int(task, operation->batch)), (void *)&rows, &count));
	if (count == 0)
		return FAIL_NONE;
	json = json_out_new(task->arena, 64 + count * 512);
	json_out_open(&json, NULL, '[');
	for (size_t i = 0; i < count; i++)
		TRY(write_keys(task, &json, &rows[i]));
	json_out_close(&json, ']');
	return db_run(operation->db, task, &statements[FILL], PARAMETERS(json.text.data), done);
}

enum fail
customer_keys_shared(struct operation *operation, struct shared_addresses *out)
{
	bool found;

	return db_row(operation->db, operation->task, &statements[SHARED], NO_PARAMETERS, out,
	              &found);
}
