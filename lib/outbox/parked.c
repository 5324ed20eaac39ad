/* parked.c: writes the event that tells operators what was given up at Stripe and waits for them. */
#include "outbox/parked.h"

#include "db/render.h"
#include "events/log.h"

static const struct column columns[] =
        COLUMNS(struct stripe_parked, kind, id, type, subject, customer_id, error);

enum fail
stripe_parked_tell(struct operation *operation, const struct stripe_parked *parked)
{
	struct json_out json = json_out_new(operation->task->arena, 256);

	render_row(&json, NULL, columns, parked);
	return event_write(operation, EVENT_STRIPE_PARKED, parked->customer_id, json.text.data);
}
