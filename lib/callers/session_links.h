/* session_links.h: links that open a session once, without a key. The token stands in the fragment of the
 * address, which a browser sends to no server, so that it reaches no log. */
#pragma once

#include "callers/sessions.h"

/* The life of a link in minutes: an operator's, and a customer's as given. */
enum { LINK_OPERATOR_MINUTES = 10, LINK_MINUTES_USUAL = 60, LINK_MINUTES_MAX = 7 * 24 * 60 };

/* Live links of one customer or operator: a further one ends the oldest. */
enum { LINKS_LIVE_MAX = 10 };

struct session_link {
	const char *link_id;
	const char *url; /* shown once */
	struct instant expires_at;
};

extern const struct statement_list session_link_statements;

/* Makes a link to the console for an operator's live key. FAIL_NOT_FOUND "operator_not_found". */
enum fail session_link_operator(struct operation *operation, const char *key_id,
                                struct session_link *out) MUST_CHECK;

/* Makes a link to the account page. FAIL_NOT_FOUND "customer_not_found". */
enum fail session_link_customer(struct operation *operation, const char *customer_id,
                                int64_t minutes, struct session_link *out) MUST_CHECK;

/* Ends a link that was not used. */
enum fail session_link_end(struct operation *operation, const char *link_id) MUST_CHECK;

/* Uses a link up and opens its session. FAIL_UNAUTHENTICATED "link_invalid" for one that is unknown, used
 * or expired. */
enum fail session_link_open(struct operation *operation, const char *token,
                            const char *user_agent, struct session_opened *out) MUST_CHECK;
