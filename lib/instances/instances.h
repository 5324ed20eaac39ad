/*
 * instances.h: the instances that a customer runs, and how many its plan lets it activate.
 *
 * An instance is in use until its lease ends. Reports and activations extend the lease. The
 * room of a container that is gone becomes free when its lease ends.
 *
 * An instance is of one kind: production, staging or development. Only activations change it. Where
 * the plan has an allowance for other kinds than production, each group has its own bound.
 */
#pragma once

#include "db/page.h"
#include "operation/operation.h"
#include "json/out.h"

struct instance {
	const char *instance_id;
	const char *kind;
	struct instant first_seen_at;
	struct instant last_seen_at;
	struct instant activated_at; /* unknown: its lease began by a report */
	struct instant lease_expires_at;
	struct instant released_at;
	struct instant latest_reported_at; /* unknown: it never reported */
	const char *version;               /* of the product there; NULL: no report had one */
	int64_t active_devices;            /* by the newest report */
	int64_t total_devices;
	const char *metrics;
};

extern const struct statement_list instance_statements;

/* As the API and the events show it; migration 052 has the same for statements. `name` is NULL within an
 * array and for the outermost value. */
void render_instance(struct json_out *json, const char *name, const struct instance *instance,
                     int64_t now_ms);

/* A page of the instances, ordered by id; one round trip, unless there are none. FAIL_NOT_FOUND
 * "customer_not_found". */
enum fail instance_list(struct operation *operation, const char *customer_id, struct page *page,
                        const struct instance **out, size_t *count) MUST_CHECK;

/* A request to take an instance into use. */
struct instance_lease {
	const char *customer_id;
	const char *instance_id;
	const char *kind; /* NULL: as it is; production, for a new one */
	int64_t end_ms;
};

/* Activates the instance, or extends the lease of one in use. `*fresh` is false for one that was in
 * use. FAIL_NOT_FOUND "customer_not_found"; FAIL_CONFLICT "instance_limit" when the plan covers no
 * further one, "move_limit" when the kind may not change any more. The bound is exact, however many
 * are activated at once. Instances that only report count, and are never refused. */
enum fail instance_activate(struct operation *operation, const struct instance_lease *lease,
                            struct instance *out, bool *fresh) MUST_CHECK;

/* Ends the lease, if it has not ended, and revokes the licences that are bound to the instance, which
 * counts as a move. FAIL_NOT_FOUND "instance_not_found"; FAIL_CONFLICT "move_limit". */
enum fail instance_release(struct operation *operation, const char *customer_id,
                           const char *instance_id, struct instance *out) MUST_CHECK;

/* Moves the activation, with kind and lease, to another instance; this one is released, and its bound
 * licences are revoked. A second time it changes nothing. FAIL_NOT_FOUND "customer_not_found",
 * "instance_not_found"; FAIL_CONFLICT "instance_not_in_use", "instance_in_use" when the other one was
 * activated itself, "move_limit". */
enum fail instance_transfer(struct operation *operation, const char *customer_id,
                            const char *from, const char *to, struct instance *out) MUST_CHECK;

/* A customer's own keys may move activations, and change kinds, INSTANCE_MOVES_MAX times in a month (UTC),
 * or as often as its plan covers production instances if that is more. A plan that covers any number bounds
 * no moves. */
enum { INSTANCE_MOVES_MAX = 20 };
