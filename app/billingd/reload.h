/* reload.h: replaces the children by those of a new generation, a few at a time. */
#pragma once

#include "billingd/children.h"

struct reload {
	const char *config_path;
	const char *pid_file; /* at the start; a reload does not move it */
	bool runs;
	bool again;        /* another one was requested meanwhile */
	size_t step_first; /* the first slot of the step */
	int64_t steps_until_us;
};

/* Checks the configuration anew and begins to replace the children. A configuration with a fault is logged
 * and refused. While a reload runs, the next one begins at its end. */
void reload_begin(struct reload *reload, struct children *children);

/* Goes on with a reload that runs. The time until the next look, in microseconds. */
int64_t reload_continue(struct reload *reload, struct children *children);
