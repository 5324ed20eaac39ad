/* digest.c: the figures of the operators' weekly digest. */
#include "notices/digest.h"

#include <string.h>

struct part {
	const char *part;
	int64_t total;
	const char *lines; /* the first of them, or NULL */
};

extern const char notices_digest_sql[]; /* digest.sql */

static const struct statement statements[] = {
        {"notice_digest", ROWS_WITH(struct part, part, total, lines), .reads = true,
         .sql = notices_digest_sql},
};

const struct statement_list notice_digest_statements = STATEMENT_LIST(statements);

/* The placeholders of a part. */
static const struct {
	const char *part;
	enum notice_field total, lines;
} fields[] = {
        {"new", NOTICE_NEW_COUNT, NOTICE_NEW},
        {"lost", NOTICE_LOST_COUNT, NOTICE_LOST},
        {"at_risk", NOTICE_AT_RISK_COUNT, NOTICE_AT_RISK},
        {"expiring", NOTICE_EXPIRING_COUNT, NOTICE_EXPIRING},
        {"over_limit", NOTICE_OVER_LIMIT_COUNT, NOTICE_OVER_LIMIT},
        {"attention", NOTICE_ATTENTION_COUNT, NOTICE_ATTENTION},
};

enum fail
notice_digest_values(struct operation *operation, struct notice_values *values)
{
	struct task *task = operation->task;
	struct part *parts;
	size_t count;

	TRY(db_rows(operation->db, task, &statements[0], PARAMETERS(param_now(operation)),
	            (void *)&parts, &count));
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		values->of[fields[i].total] = "0";
		for (size_t j = 0; j < count; j++) {
			if (strcmp(parts[j].part, fields[i].part) != 0)
				continue;
			values->of[fields[i].total] = param_int(task, parts[j].total);
			values->of[fields[i].lines] = parts[j].lines;
		}
	}
	return FAIL_NONE;
}
