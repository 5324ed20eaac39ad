/* request.c: runs a command that is one request to the API. */
#include "billingctl-api/request.h"

#include <string.h>

static const struct route *
find_route(const struct ctl_request *request)
{
	for (size_t i = 0; i < api_route_count; i++)
		if (api_routes[i].entry.method == request->method &&
		    strcmp(api_routes[i].entry.pattern, request->path) == 0)
			return &api_routes[i];
	return NULL;
}

static enum fail
check_consent(struct ctl *ctl)
{
	const char *danger = ctl->command->request->danger;

	if (danger == NULL || ctl_option(ctl, "--yes") != NULL ||
	    ctl_option(ctl, "--dry-run") != NULL)
		return FAIL_NONE;
	return ctl_usage(ctl, "%s; repeat the command with --yes if that is meant", danger);
}

/* Stripe's client is for the routes that wait for Stripe, as in billingd. Such a route answers itself
 * when nothing is sold through Stripe. */
static enum fail
open_pool(struct ctl *ctl, const struct route *route)
{
	if (route->pool != POOL_STRIPE || *ctl->settings.stripe_secret_key == '\0')
		return FAIL_NONE;
	return ctl_open_stripe(ctl);
}

enum fail
run_request(struct ctl *ctl)
{
	const struct route *route = find_route(ctl->command->request);
	struct response response = {0};
	struct request request;
	struct call call;
	struct api api;

	if (route == NULL)
		return task_fail(&ctl->task, FAIL_INTERNAL, "internal_error",
		                 "The API has no route %s.", ctl->command->request->path);
	TRY(check_consent(ctl));
	TRY(request_compose(ctl, route, &request));
	TRY(open_pool(ctl, route));
	api = (struct api){
	        .settings = &ctl->settings,
	        .billing = ctl->billing,
	        .db = ctl->operation.db,
	        .metrics = metrics_new(api_route_count),
	        .pool = route->pool,
	        .stripe = ctl->operation.stripe,
	        .trusted_actor = ctl->operation.actor,
	};
	if (api.metrics == NULL)
		return task_fail(&ctl->task, FAIL_UNAVAILABLE, "no_memory",
		                 "There is no memory.");
	api_serve(&api, &request, &response, &call);
	if (response.status >= 400)
		return answer_refuse(ctl, &request.task.failure, &response);
	return answer_show(ctl, &response);
}
