/* probe.h: sends requests to billingd over its socket, as nginx does. */
#pragma once

#include "base/failure.h"

struct probe_answer {
	int status; /* of HTTP */
	const char *body;
};

/* One GET. FAIL_UNAVAILABLE "service_unreachable" says in a sentence why there is no answer
 * within five seconds. */
enum fail probe_get(struct task *task, const char *socket_path, const char *path,
                    struct probe_answer *out) MUST_CHECK;
