/* master.h: the process that starts the others and watches them. It has no key and no
 * database. */
#pragma once

#include "billingd/generation.h"

/* Runs until TERM or INT and frees `first`. HUP checks the configuration and starts a new
 * generation with it, or keeps the old one if the check fails. TERM lets running requests
 * finish after a delay; TERM during the delay ends it, TERM while requests finish exits now. The
 * exit status. */
int master_run(const char *config_path, struct generation *first);
