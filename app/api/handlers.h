/* handlers.h: one function per endpoint, and the inputs that their routes name. Each answers
 * the call or returns a failure; routes.c says who may call it. */
#pragma once

#include "api/api.h"

/* customers.c */
extern const struct field sign_up_body[], patch_customer_body[], list_customers_query[];
handler post_customer, list_customers, get_customer, patch_customer, delete_customer;

/* entitlements.c */
extern const struct field put_overrides_body[];
handler get_entitlements, get_overrides, put_overrides;

/* keys.c */
extern const struct field create_key_body[];
handler post_key, list_keys, delete_key;

/* sessions.c */
extern const struct field open_session_body[], sessions_query[], link_body[];
handler post_session, get_session, delete_session, list_sessions, delete_sessions,
        delete_other_session, post_customer_link;

/* operators.c */
extern const struct field create_operator_body[];
handler list_operators, post_operator, delete_operator;

/* stripe_upkeep.c */
extern const struct field dismiss_body[], map_price_body[];
handler list_parked, post_parked_retry, post_parked_dismiss, list_unknown_prices,
        put_price_plan;

/* licenses.c */
extern const struct field revoke_license_body[], verify_license_body[];
handler get_license, get_public_key, get_jwks, get_revocations, get_license_history,
        post_license_revoke, post_license_rotate, post_license_verify;

/* subscriptions.c */
/* The body of a call that takes a customer and nothing else. */
struct customer_input {
	const char *customer_id;
};
extern const struct field customer_body[];
handler post_trial, get_subscription;

/* payments.c */
extern const struct field checkout_body[], change_plan_body[], cancel_body[], portal_body[];
handler post_checkout, post_upgrade, post_preview, post_cancel, post_resume, post_portal,
        list_invoices;

/* contracts.c */
extern const struct field create_contract_body[], amend_contract_body[], end_contract_body[],
        list_contracts_query[];
handler post_contract, list_contracts, patch_contract, post_contract_end;

/* analytics.c */
extern const struct field trials_query[], usage_totals_query[], renewals_query[],
        limits_query[];
handler list_limits, get_summary, get_trials, get_plan_figures, get_usage_totals, list_renewals,
        get_attention;

/* revenue.c */
extern const struct field revenue_query[], movements_query[];
handler get_revenue, list_movements;

/* webhooks.c */
handler post_stripe_event;

/* webhook_endpoints.c */
extern const struct field create_endpoint_body[], patch_endpoint_body[], replay_events_body[],
        list_deliveries_query[];
handler post_webhook_endpoint, list_webhook_endpoints, get_webhook_endpoint,
        patch_webhook_endpoint, delete_webhook_endpoint, post_webhook_rotate, post_webhook_test,
        post_webhook_replay, list_webhook_deliveries, get_webhook_key;

/* instances.c */
extern const struct field activate_instance_body[], transfer_instance_body[];
handler list_instances, put_instance, delete_instance, post_instance_transfer;

/* export.c */
extern const struct field export_query[];
handler get_export;

/* usage.c */
extern const struct field usage_report_body[], usage_batch_body[];
handler post_usage_report, post_usage_reports;

/* usage_reading.c */
extern const struct field usage_history_query[], usage_daily_query[];
handler list_usage, get_latest_usage, list_usage_days, get_usage_limits;

/* usage_upkeep.c */
extern const struct field clean_up_query[], correct_usage_body[];
handler delete_old_usage, post_usage_correction;

/* events.c */
extern const struct field events_query[];
handler list_events, get_event;

/* audit.c */
extern const struct field audit_query[];
handler list_audit;

extern const struct field notices_query[];
handler list_notices;

/* brand.c */
handler get_brand, get_brand_style, get_brand_logo;

/* operations.c */
handler get_plans, get_health, get_ready, get_metrics, get_openapi;
