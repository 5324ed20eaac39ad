/* body.h: the body of a delivery. */
#pragma once

#include "webhooks/queue.h"

/* {type, timestamp, id, customer_id, sequence, data}, in the arena; NULL when the event is no longer kept. */
const char *webhook_body(struct arena *arena, const struct webhook_taken *taken);
