/* routes.c: the table of routes. Reading it is reading what the service offers. */
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "db/page.h"

#define CUSTOMER_PATH "/api/customers/:customer_id"
#define LICENSE_PATH "/api/licenses/:customer_id"
#define USAGE_BATCH_BODY_MAX ((size_t)512 * 1024)
#define INSTANCE_PATH CUSTOMER_PATH "/instances/:instance_id"
#define CONTRACT_PATH CUSTOMER_PATH "/contracts/:contract_id"
#define ANALYTICS "/api/analytics"
#define USAGE_PATH "/api/usage/:customer_id"
#define ENDPOINTS_PATH "/api/webhook-endpoints"
#define ENDPOINT_PATH ENDPOINTS_PATH "/:endpoint_id"

/* clang-format off */
const struct route api_routes[] = {
	{{HTTP_GET,    "/health"},                       WHO_ANYBODY,  .handler = get_health, .any_pool = true},
	{{HTTP_GET,    "/health/ready"},                 WHO_ANYBODY,  .handler = get_ready, .any_pool = true},
	{{HTTP_GET,    "/metrics"},                      WHO_ANYBODY,  .handler = get_metrics},
	{{HTTP_GET,    "/openapi.json"},                 WHO_ANYBODY,  .handler = get_openapi},
	{{HTTP_GET,    "/.well-known/jwks.json"},        WHO_ANYBODY,  .handler = get_jwks},
	{{HTTP_GET,    "/.well-known/webhook-key"},      WHO_ANYBODY,  .handler = get_webhook_key},
	{{HTTP_GET,    "/api/plans"},                    WHO_ANYBODY,  .handler = get_plans},
	{{HTTP_GET,    "/api/brand"},                    WHO_ANYBODY,  .handler = get_brand},
	{{HTTP_GET,    "/api/brand/logo"},               WHO_ANYBODY,  .handler = get_brand_logo},
	{{HTTP_GET,    "/api/brand/style.css"},          WHO_ANYBODY,  .handler = get_brand_style},

	{{HTTP_POST,   "/api/customers"},                WHO_SIGN_UP,  .handler = post_customer, .body = sign_up_body},
	{{HTTP_GET,    "/api/customers"},                WHO_OPERATOR, .handler = list_customers, .query = list_customers_query},
	{{HTTP_GET,    CUSTOMER_PATH},                   WHO_CUSTOMER, SCOPE_BILLING, .handler = get_customer},
	{{HTTP_PATCH,  CUSTOMER_PATH},                   WHO_CUSTOMER, SCOPE_BILLING, .handler = patch_customer, .body = patch_customer_body},
	{{HTTP_DELETE, CUSTOMER_PATH},                   WHO_OPERATOR, .handler = delete_customer},
	{{HTTP_POST,   CUSTOMER_PATH "/keys"},           WHO_CUSTOMER, SCOPE_BILLING, .handler = post_key, .body = create_key_body},
	{{HTTP_GET,    CUSTOMER_PATH "/keys"},           WHO_CUSTOMER, SCOPE_BILLING, .handler = list_keys},
	{{HTTP_DELETE, CUSTOMER_PATH "/keys/:key_id"},   WHO_CUSTOMER, SCOPE_BILLING, .handler = delete_key},
	{{HTTP_POST,   CUSTOMER_PATH "/links"},          WHO_OPERATOR, .handler = post_customer_link, .body = link_body},
	{{HTTP_GET,    CUSTOMER_PATH "/export"},         WHO_CUSTOMER, SCOPE_BILLING, .handler = get_export, .query = export_query},
	{{HTTP_GET,    CUSTOMER_PATH "/entitlements"},   WHO_CUSTOMER, SCOPE_LICENSE, .handler = get_entitlements},
	{{HTTP_GET,    CUSTOMER_PATH "/overrides"},      WHO_OPERATOR, .handler = get_overrides},
	{{HTTP_PUT,    CUSTOMER_PATH "/overrides"},      WHO_OPERATOR, .handler = put_overrides, .body = put_overrides_body},
	{{HTTP_GET,    CUSTOMER_PATH "/instances"},      WHO_CUSTOMER, SCOPE_USAGE, .handler = list_instances, .query = page_query_fields},
	{{HTTP_PUT,    INSTANCE_PATH},                   WHO_CUSTOMER, SCOPE_USAGE, .handler = put_instance, .body = activate_instance_body},
	{{HTTP_DELETE, INSTANCE_PATH},                   WHO_CUSTOMER, SCOPE_USAGE, .handler = delete_instance},
	{{HTTP_POST,   INSTANCE_PATH "/transfer"},       WHO_CUSTOMER, SCOPE_USAGE, .handler = post_instance_transfer, .body = transfer_instance_body},

	{{HTTP_POST,   CUSTOMER_PATH "/contracts"},      WHO_OPERATOR, .handler = post_contract, .body = create_contract_body},
	{{HTTP_GET,    CUSTOMER_PATH "/contracts"},      WHO_OPERATOR, .handler = list_contracts, .query = list_contracts_query},
	{{HTTP_PATCH,  CONTRACT_PATH},                   WHO_OPERATOR, .handler = patch_contract, .body = amend_contract_body},
	{{HTTP_POST,   CONTRACT_PATH "/end"},            WHO_OPERATOR, .handler = post_contract_end, .body = end_contract_body},

	{{HTTP_GET,    "/api/licenses/public-key"},      WHO_ANYBODY,  .handler = get_public_key},
	{{HTTP_GET,    "/api/licenses/revocations"},     WHO_ANYBODY,  .handler = get_revocations},
	{{HTTP_POST,   "/api/licenses/verify"},          WHO_ANYBODY,  .handler = post_license_verify, .body = verify_license_body, .confirms = true},
	{{HTTP_GET,    LICENSE_PATH},                    WHO_CUSTOMER, SCOPE_LICENSE, .handler = get_license, .joins_caller = true},
	{{HTTP_GET,    LICENSE_PATH "/history"},         WHO_CUSTOMER, SCOPE_LICENSE, .handler = get_license_history, .query = page_query_fields},
	{{HTTP_POST,   LICENSE_PATH "/rotate"},          WHO_CUSTOMER, SCOPE_LICENSE, .handler = post_license_rotate},
	{{HTTP_POST,   LICENSE_PATH "/revoke"},          WHO_OPERATOR, .handler = post_license_revoke, .body = revoke_license_body},

	{{HTTP_POST,   "/api/subscriptions/trial"},      WHO_CUSTOMER, SCOPE_BILLING, .handler = post_trial, .body = customer_body},
	{{HTTP_GET,    "/api/subscriptions/:customer_id"}, WHO_CUSTOMER, SCOPE_BILLING, .handler = get_subscription},
	{{HTTP_GET,    "/api/subscriptions/:customer_id/invoices"}, WHO_CUSTOMER, SCOPE_BILLING, .handler = list_invoices, .query = page_query_fields},
	{{HTTP_POST,   "/api/subscriptions/checkout"},   WHO_CUSTOMER, SCOPE_BILLING, .handler = post_checkout, .body = checkout_body, .pool = POOL_STRIPE},
	{{HTTP_POST,   "/api/subscriptions/upgrade"},    WHO_CUSTOMER, SCOPE_BILLING, .handler = post_upgrade, .body = change_plan_body, .pool = POOL_STRIPE},
	{{HTTP_POST,   "/api/subscriptions/preview"},    WHO_CUSTOMER, SCOPE_BILLING, .handler = post_preview, .body = change_plan_body, .pool = POOL_STRIPE, .confirms = true},
	{{HTTP_POST,   "/api/subscriptions/cancel"},     WHO_CUSTOMER, SCOPE_BILLING, .handler = post_cancel, .body = cancel_body, .pool = POOL_STRIPE},
	{{HTTP_POST,   "/api/subscriptions/resume"},     WHO_CUSTOMER, SCOPE_BILLING, .handler = post_resume, .body = customer_body, .pool = POOL_STRIPE},
	{{HTTP_POST,   "/api/subscriptions/portal"},     WHO_CUSTOMER, SCOPE_BILLING, .handler = post_portal, .body = portal_body, .pool = POOL_STRIPE},

	{{HTTP_POST,   "/api/session"},                  WHO_ANYBODY,  .handler = post_session, .body = open_session_body},
	{{HTTP_GET,    "/api/session"},                  WHO_ANYBODY,  .handler = get_session},
	{{HTTP_DELETE, "/api/session"},                  WHO_CALLER,   .handler = delete_session},
	{{HTTP_GET,    "/api/sessions"},                 WHO_CALLER,   .handler = list_sessions, .query = sessions_query},
	{{HTTP_DELETE, "/api/sessions"},                 WHO_CALLER,   .handler = delete_sessions, .query = sessions_query},
	{{HTTP_DELETE, "/api/sessions/:session_id"},     WHO_CALLER,   .handler = delete_other_session, .query = sessions_query},

	{{HTTP_GET,    "/api/events"},                   WHO_CALLER, SCOPE_BILLING, .handler = list_events, .query = events_query},
	{{HTTP_GET,    "/api/events/:event_id"},         WHO_CALLER, SCOPE_BILLING, .handler = get_event},

	{{HTTP_GET,    "/api/operators"},                WHO_OPERATOR, .handler = list_operators},
	{{HTTP_POST,   "/api/operators"},                WHO_OPERATOR, .handler = post_operator, .body = create_operator_body},
	{{HTTP_DELETE, "/api/operators/:operator_key_id"}, WHO_OPERATOR, .handler = delete_operator},
	{{HTTP_GET,    "/api/stripe/parked"},            WHO_OPERATOR, .handler = list_parked},
	{{HTTP_POST,   "/api/stripe/parked/:parked_id/retry"}, WHO_OPERATOR, .handler = post_parked_retry},
	{{HTTP_POST,   "/api/stripe/parked/:parked_id/dismiss"}, WHO_OPERATOR, .handler = post_parked_dismiss, .body = dismiss_body},
	{{HTTP_GET,    "/api/stripe/unknown-prices"},    WHO_OPERATOR, .handler = list_unknown_prices},
	{{HTTP_PUT,    "/api/stripe/prices/:price_id"},  WHO_OPERATOR, .handler = put_price_plan, .body = map_price_body},

	{{HTTP_GET,    "/api/audit"},                    WHO_OPERATOR, .handler = list_audit, .query = audit_query},
	{{HTTP_GET,    "/api/notices"},                  WHO_OPERATOR, .handler = list_notices, .query = notices_query},

	{{HTTP_POST,   ENDPOINTS_PATH},                  WHO_OPERATOR, .handler = post_webhook_endpoint, .body = create_endpoint_body},
	{{HTTP_GET,    ENDPOINTS_PATH},                  WHO_OPERATOR, .handler = list_webhook_endpoints},
	{{HTTP_GET,    ENDPOINT_PATH},                   WHO_OPERATOR, .handler = get_webhook_endpoint},
	{{HTTP_PATCH,  ENDPOINT_PATH},                   WHO_OPERATOR, .handler = patch_webhook_endpoint, .body = patch_endpoint_body},
	{{HTTP_DELETE, ENDPOINT_PATH},                   WHO_OPERATOR, .handler = delete_webhook_endpoint},
	{{HTTP_POST,   ENDPOINT_PATH "/rotate"},         WHO_OPERATOR, .handler = post_webhook_rotate},
	{{HTTP_POST,   ENDPOINT_PATH "/test"},           WHO_OPERATOR, .handler = post_webhook_test},
	{{HTTP_POST,   ENDPOINT_PATH "/replay"},         WHO_OPERATOR, .handler = post_webhook_replay, .body = replay_events_body},
	{{HTTP_GET,    ENDPOINT_PATH "/deliveries"},     WHO_OPERATOR, .handler = list_webhook_deliveries, .query = list_deliveries_query},

	{{HTTP_GET,    ANALYTICS "/revenue"},            WHO_OPERATOR, .handler = get_revenue, .query = revenue_query},
	{{HTTP_GET,    ANALYTICS "/summary"},            WHO_OPERATOR, .handler = get_summary},
	{{HTTP_GET,    ANALYTICS "/trials"},             WHO_OPERATOR, .handler = get_trials, .query = trials_query},
	{{HTTP_GET,    ANALYTICS "/plans"},              WHO_OPERATOR, .handler = get_plan_figures},
	{{HTTP_GET,    ANALYTICS "/usage"},              WHO_OPERATOR, .handler = get_usage_totals, .query = usage_totals_query},
	{{HTTP_GET,    ANALYTICS "/limits"},             WHO_OPERATOR, .handler = list_limits, .query = limits_query},
	{{HTTP_GET,    ANALYTICS "/renewals"},           WHO_OPERATOR, .handler = list_renewals, .query = renewals_query},
	{{HTTP_GET,    ANALYTICS "/attention"},          WHO_OPERATOR, .handler = get_attention},
	{{HTTP_GET,    ANALYTICS "/movements"},          WHO_OPERATOR, .handler = list_movements, .query = movements_query},

	{{HTTP_POST,   "/api/webhooks/stripe"},          WHO_ANYBODY,  .handler = post_stripe_event, .raw_body = true, .body_max = REQUEST_BODY_MAX, .confirms = true},

	{{HTTP_POST,   "/api/usage/report"},             WHO_CUSTOMER, SCOPE_USAGE, .handler = post_usage_report, .body = usage_report_body, .joins_caller = true, .confirms = true},
	{{HTTP_POST,   "/api/usage/reports"},            WHO_CUSTOMER, SCOPE_USAGE, .handler = post_usage_reports, .body = usage_batch_body, .body_max = USAGE_BATCH_BODY_MAX, .confirms = true},
	{{HTTP_DELETE, "/api/usage/cleanup"},            WHO_OPERATOR, .handler = delete_old_usage, .query = clean_up_query},
	{{HTTP_GET,    USAGE_PATH},                      WHO_CUSTOMER, SCOPE_USAGE, .handler = list_usage, .query = usage_history_query},
	{{HTTP_GET,    USAGE_PATH "/latest"},            WHO_CUSTOMER, SCOPE_USAGE, .handler = get_latest_usage},
	{{HTTP_GET,    USAGE_PATH "/daily"},             WHO_CUSTOMER, SCOPE_USAGE, .handler = list_usage_days, .query = usage_daily_query},
	{{HTTP_GET,    USAGE_PATH "/limits"},            WHO_CUSTOMER, SCOPE_USAGE, .handler = get_usage_limits},
	{{HTTP_POST,   USAGE_PATH "/corrections"},       WHO_OPERATOR, .handler = post_usage_correction, .body = correct_usage_body},
};
/* clang-format on */

const size_t api_route_count = sizeof(api_routes) / sizeof(*api_routes);

static bool
names_customer(const struct route *route)
{
	const struct field *field = route->body;

	if (strstr(route->entry.pattern, "/:customer_id") != NULL)
		return true;
	/* In a list each object names its customer; the handler checks each. */
	for (; field != NULL && field->type != FIELD_STOP; field++)
		if ((strcmp(field->name, "customer_id") == 0 && field->required) ||
		    field->type == FIELD_OBJECTS)
			return true;
	return false;
}

const char *
api_fault(void)
{
	const struct router router = {api_routes, sizeof(*api_routes), api_route_count};

	for (size_t i = 0; i < api_route_count; i++) {
		const struct route *route = &api_routes[i];

		/* A customer's route without a customer would give every customer the same
		 * rows. */
		if (route->who == WHO_CUSTOMER &&
		    (!names_customer(route) || route->scope == SCOPE_NONE))
			return route->entry.pattern;
		if (route->handler == NULL)
			return route->entry.pattern;
	}
	return router_fault(&router);
}

const char *
api_route_labels(struct arena *arena, size_t route)
{
	const struct router_entry *entry;

	if (route >= api_route_count)
		return "method=\"none\",route=\"none\"";
	entry = &api_routes[route].entry;
	return arena_printf(arena, "method=\"%s\",route=\"%s\"",
	                    request_method_name(entry->method), entry->pattern);
}
