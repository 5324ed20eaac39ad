/*
 * guard.h: the addresses that webhooks may be sent to.
 *
 * A wrong address that an operator entered, or a DNS name that points elsewhere now, must not make the
 * service send requests into its own network. So every public address may be reached, by https alone; the
 * networks that WEBHOOK_ALLOW lists may be reached whatever they are, by http too.
 */
#pragma once

#include "base/failure.h"

struct sockaddr;

/* Networks in CIDR form, separated by commas: the text of the setting, which outlives the guard. */
struct webhook_guard {
	const char *allowed;
};

/* For a setting: NULL when the text is such a list, else why not. */
const char *webhook_guard_check(const char *allowed);

/* Whether a connection to the address may be made. For struct posts_options: the context is the guard. */
bool webhook_guard_admits(void *guard, const struct sockaddr *address, bool https);

/* NULL when an endpoint may have the URL, else why not. A host that is a name is judged when it is
 * connected to. */
const char *webhook_guard_check_url(struct arena *arena, const struct webhook_guard *guard,
                                    const char *url);
