/* sold_terms.c: gives a process the stored terms in which plans were sold. */
#include "billingd/sold_terms.h"

#include "base/arena.h"
#include "base/log.h"
#include "billing/plan_terms.h"

enum { ARENA_LIMIT = 64 * 1024 * 1024, RETRY_US = 5 * 1000 * 1000 };

static enum fail
run(struct api *api, struct arena *arena,
    enum fail (*step)(struct operation *operation, struct plans *plans))
{
	struct task task = {.arena = arena, .request_id = "plans"};
	struct operation operation = {.task = &task,
	                              .db = api->db,
	                              .billing = &api->billing,
	                              .actor = "system:plans",
	                              .now_ms = db_now_ms(api->db)};
	enum fail kind = step(&operation, &api->billing.plans);

	db_rollback_to(api->db, 0);
	if (kind != FAIL_NONE)
		log_line(LOG_LEVEL_WARNING, "the stored terms of plans cannot be read",
		         LOG_S("code", task.failure.code),
		         LOG_S("reason", task.failure.message));
	return kind;
}

/* The process keeps what the arena has, so only the loading uses it. */
static enum fail
learn(struct api *api, struct arena *kept)
{
	struct arena *scratch = arena_new(ARENA_LIMIT);
	enum fail kind = run(api, scratch, plan_terms_record);

	arena_free(scratch);
	return kind == FAIL_NONE ? run(api, kept, plan_terms_load) : kind;
}

void
sold_terms_load(struct api *api)
{
	struct arena *arena;

	if (api->sold_terms != NULL || clock_monotonic_us() < api->sold_terms_retry_us)
		return;
	arena = arena_new(ARENA_LIMIT);
	if (learn(api, arena) == FAIL_NONE) {
		api->sold_terms = arena;
		return;
	}
	arena_free(arena);
	api->sold_terms_retry_us = clock_monotonic_us() + RETRY_US;
}

void
sold_terms_forget(struct api *api)
{
	api->billing.plans.sold_count = 0;
	api->billing.plans.gone_count = 0;
	arena_free(api->sold_terms);
	api->sold_terms = NULL;
}
