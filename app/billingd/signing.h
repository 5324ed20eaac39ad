/* signing.h: keeps the signing keys of a process as the database has them. */
#pragma once

#include "api/api.h"

/* Loads the keys from the database at the start, and when the jobs have seen a change. They stay as
 * they are when that fails; the next try is five seconds later. */
void signing_refresh(struct api *api);

/* For the one process of the host that looks for changes: makes the host's keys known to a database
 * without keys, and tells the other processes when the keys in the database have changed. */
void signing_watch(struct api *api);
