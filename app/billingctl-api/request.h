/* request.h: a command of billingctl as one request to the API's handlers, and its answer. */
#pragma once

#include "api/api.h"
#include "billingctl/ctl.h"

/* Makes the route's request of the command line: its path, query, body and headers. */
enum fail request_compose(struct ctl *ctl, const struct route *route,
                          struct request *out) MUST_CHECK;

/* The option or the placeholder that a field of the request comes from, or the field's name. */
const char *request_word(const struct ctl *ctl, const char *field);

/* Prints an answer, or turns a refusal into the failure of the command. */
enum fail answer_show(struct ctl *ctl, const struct response *response) MUST_CHECK;
enum fail answer_refuse(struct ctl *ctl, const struct failure *failure,
                        const struct response *response) MUST_CHECK;
