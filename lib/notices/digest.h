/* digest.h: the figures of the operators' weekly digest. */
#pragma once

#include "notices/templates.h"
#include "operation/operation.h"

extern const struct statement_list notice_digest_statements;

/* Sets the values of the digest's placeholders but the week's, as of now. A list has at most 20 lines. */
enum fail notice_digest_values(struct operation *operation,
                               struct notice_values *values) MUST_CHECK;
