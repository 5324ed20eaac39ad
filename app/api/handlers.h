/*
 * handlers.h: one function per endpoint, and the inputs that their routes name. Each answers the
 * call or returns a failure; routes.c says who may call it.
 */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/api.h"

/* customers.c */
extern const struct input sign_up_body, patch_customer_body, list_customers_query;
enum fail post_customer(struct call *call) MUST_CHECK;
enum fail list_customers(struct call *call) MUST_CHECK;
enum fail get_customer(struct call *call) MUST_CHECK;
enum fail patch_customer(struct call *call) MUST_CHECK;
enum fail delete_customer(struct call *call) MUST_CHECK;

/* keys.c */
extern const struct input create_key_body;
enum fail post_key(struct call *call) MUST_CHECK;
enum fail list_keys(struct call *call) MUST_CHECK;
enum fail delete_key(struct call *call) MUST_CHECK;

/* licenses.c */
extern const struct input revoke_license_body, verify_license_body;
enum fail get_license(struct call *call) MUST_CHECK;
enum fail get_public_key(struct call *call) MUST_CHECK;
enum fail get_jwks(struct call *call) MUST_CHECK;
enum fail get_revocations(struct call *call) MUST_CHECK;
enum fail get_license_history(struct call *call) MUST_CHECK;
enum fail post_license_revoke(struct call *call) MUST_CHECK;
enum fail post_license_rotate(struct call *call) MUST_CHECK;
enum fail post_license_verify(struct call *call) MUST_CHECK;

/* subscriptions.c */
extern const struct input start_trial_body;
enum fail post_trial(struct call *call) MUST_CHECK;
enum fail get_subscription(struct call *call) MUST_CHECK;

/* payments.c */
extern const struct input checkout_body, change_plan_body, cancel_body, resume_body,
        portal_body;
enum fail post_checkout(struct call *call) MUST_CHECK;
enum fail post_upgrade(struct call *call) MUST_CHECK;
enum fail post_preview(struct call *call) MUST_CHECK;
enum fail post_cancel(struct call *call) MUST_CHECK;
enum fail post_resume(struct call *call) MUST_CHECK;
enum fail post_portal(struct call *call) MUST_CHECK;
enum fail list_invoices(struct call *call) MUST_CHECK;

/* webhooks.c */
enum fail post_stripe_event(struct call *call) MUST_CHECK;

/* instances.c */
extern const struct input activate_instance_body;
enum fail list_instances(struct call *call) MUST_CHECK;
enum fail put_instance(struct call *call) MUST_CHECK;
enum fail delete_instance(struct call *call) MUST_CHECK;

/* export.c */
extern const struct input export_query;
enum fail get_export(struct call *call) MUST_CHECK;

/* usage.c */
extern const struct input usage_report_body, usage_batch_body;
enum fail post_usage_report(struct call *call) MUST_CHECK;
enum fail post_usage_reports(struct call *call) MUST_CHECK;

/* usage_reading.c */
extern const struct input usage_history_query, usage_daily_query;
enum fail list_usage(struct call *call) MUST_CHECK;
enum fail get_latest_usage(struct call *call) MUST_CHECK;
enum fail list_usage_days(struct call *call) MUST_CHECK;
enum fail get_usage_limits(struct call *call) MUST_CHECK;

/* usage_upkeep.c */
extern const struct input clean_up_query, correct_usage_body;
enum fail delete_old_usage(struct call *call) MUST_CHECK;
enum fail post_usage_correction(struct call *call) MUST_CHECK;

/* operations.c */
enum fail get_plans(struct call *call) MUST_CHECK;
enum fail get_health(struct call *call) MUST_CHECK;
enum fail get_ready(struct call *call) MUST_CHECK;
enum fail get_metrics(struct call *call) MUST_CHECK;
enum fail get_openapi(struct call *call) MUST_CHECK;

#endif
