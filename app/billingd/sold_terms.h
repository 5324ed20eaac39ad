/* sold_terms.h: gives a process the stored terms in which plans were sold. */
#pragma once

#include "api/api.h"

/* Before a request or a round of jobs: stores the terms of this process's plans.json if they are new, and
 * reads the stored ones, once. Until the database answers, the terms of the file count alone. */
void sold_terms_load(struct api *api);

void sold_terms_forget(struct api *api);
