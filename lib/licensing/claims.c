/* claims.c: licences to JSON and back. */
#include "licensing/claims.h"

#include <string.h>

#include "base/text.h"
#include "json/out.h"
#include "json/view.h"

/* Days of grace or offline: a century. */
#define DAYS_MAX ((int64_t)36500)

static void
write_subscription(struct json_out *json, const struct license_claims *claims)
{
	json_out_open(json, "trial", '{');
	json_out_bool(json, "isTrialMode", claims->trial.is_trial);
	if (claims->trial.expires_at.known)
		json_out_time(json, "expiresAt", claims->trial.expires_at);
	json_out_close(json, '}');
	json_out_open(json, "subscription", '{');
	json_out_string(json, "status", claims->status);
	json_out_time(json, "currentPeriodEndsAt", claims->period_ends_at);
	if (claims->no_access)
		json_out_bool(json, "access", false);
	json_out_close(json, '}');
}

/* Writes the vendor's demands on verifiers; none are left out. */
static void
write_terms(struct json_out *json, const struct license_claims *claims)
{
	if (claims->offline.given) {
		json_out_open(json, "offline", '{');
		json_out_int(json, "warnDays", claims->offline.warn_days);
		if (claims->offline.stale_days > 0)
			json_out_int(json, "staleDays", claims->offline.stale_days);
		json_out_close(json, '}');
	}
	if (claims->grace.limited) {
		json_out_open(json, "grace", '{');
		json_out_int(json, "maxDays", claims->grace.max_days);
		json_out_close(json, '}');
	}
	if (claims->instance != NULL)
		json_out_string(json, "instance", claims->instance);
}

/* Writes the deal that the licence is of, and how far use may exceed its limits. */
static void
write_contract(struct json_out *json, const struct license_claims *claims)
{
	if (claims->contract_id == NULL)
		return;
	json_out_open(json, "contract", '{');
	json_out_string(json, "id", claims->contract_id);
	json_out_string(json, "reference", claims->contract_reference);
	json_out_time(json, "endsAt", claims->contract_ends_at);
	json_out_close(json, '}');
	if (claims->overage != NULL)
		json_out_raw(json, "overage", claims->overage);
}

char *
license_claims_write(struct arena *arena, const struct license_claims *claims)
{
	struct json_out json = json_out_new(arena, 1024);

	json_out_open(&json, NULL, '{');
	json_out_string(&json, "customerId", claims->customer_id);
	json_out_string(&json, "customerName", claims->customer_name);
	json_out_string(&json, "plan", claims->plan);
	values_write(&json, VALUE_FEATURE, &claims->features);
	values_write(&json, VALUE_LIMIT, &claims->limits);
	write_subscription(&json, claims);
	write_contract(&json, claims);
	write_terms(&json, claims);
	json_out_int(&json, "issuedAt", claims->issued_at_s);
	json_out_int(&json, "expiresAt", claims->expires_at_s);
	json_out_string(&json, "iss", claims->issuer);
	json_out_string(&json, "sub", claims->customer_id);
	json_out_string(&json, "jti", claims->jti);
	json_out_int(&json, "iat", claims->issued_at_s);
	json_out_int(&json, "exp", claims->expires_at_s);
	json_out_close(&json, '}');
	return json.text.data;
}

static enum fail
refuse(struct task *task, const char *name)
{
	return task_fail(task, FAIL_INVALID, "license_malformed",
	                 "The licence's member %s is missing or wrong.", name);
}

static enum fail
read_text(struct task *task, const struct json_view *object, const char *name, const char **out)
{
	const char *text;

	if (!json_view_string(object, name, &text) || *text == '\0')
		return refuse(task, name);
	*out = text;
	return FAIL_NONE;
}

static enum fail
read_number(struct task *task, const struct json_view *object, const char *name, int64_t max,
            int64_t *out)
{
	if (!json_view_int(object, name, out) || *out < 0 || *out > max)
		return refuse(task, name);
	return FAIL_NONE;
}

static enum fail
read_flag(struct task *task, const struct json_view *object, const char *name, bool *out)
{
	return json_view_bool(object, name, out) ? FAIL_NONE : refuse(task, name);
}

static enum fail
read_object(struct task *task, const struct json_view *object, const char *name,
            struct json_view *out)
{
	return json_view_object(object, name, out) ? FAIL_NONE : refuse(task, name);
}

/* A time that may be absent or null. */
static enum fail
read_time(struct task *task, const struct json_view *object, const char *name,
          struct instant *out)
{
	struct json_view member;
	const char *text;

	*out = INSTANT_NONE;
	if (!json_view_member(object, name, &member) || json_view_is_null(&member))
		return FAIL_NONE;
	if (!json_view_string(object, name, &text) || !clock_parse(text, &out->ms))
		return refuse(task, name);
	out->known = true;
	return FAIL_NONE;
}

/* Reads "features" or "limits". */
static enum fail
read_values(struct task *task, const struct json_view *payload, enum value_kind kind,
            struct license_values *out)
{
	const char *name = value_kind_name(kind), *bad;
	struct json_view object = {0};

	TRY(read_object(task, payload, name, &object));
	if (values_read(&object, kind, out, &bad) != NULL)
		return refuse(task, bad != NULL && value_is_name(bad) ? bad : name);
	return FAIL_NONE;
}

static enum fail
read_subscription(struct task *task, const struct json_view *payload,
                  struct license_claims *out)
{
	struct json_view trial = {0}, subscription = {0}, member;
	bool access = true;

	TRY(read_object(task, payload, "trial", &trial));
	TRY(read_flag(task, &trial, "isTrialMode", &out->trial.is_trial));
	TRY(read_time(task, &trial, "expiresAt", &out->trial.expires_at));
	TRY(read_object(task, payload, "subscription", &subscription));
	TRY(read_text(task, &subscription, "status", &out->status));
	if (json_view_member(&subscription, "access", &member)) {
		TRY(read_flag(task, &subscription, "access", &access));
		out->no_access = !access;
	}
	return read_time(task, &subscription, "currentPeriodEndsAt", &out->period_ends_at);
}

/* Days that may be absent. */
static enum fail
read_days(struct task *task, const struct json_view *object, const char *name, int64_t *out)
{
	struct json_view member;

	if (!json_view_member(object, name, &member))
		return FAIL_NONE;
	return read_number(task, object, name, DAYS_MAX, out);
}

static enum fail
read_terms(struct task *task, const struct json_view *payload, struct license_claims *out)
{
	struct json_view object = {0}, member;

	if (json_view_member(payload, "instance", &member))
		TRY(read_text(task, payload, "instance", &out->instance));
	out->offline.given = json_view_member(payload, "offline", &member);
	if (out->offline.given) {
		out->offline.warn_days = LICENSE_WARN_DAYS;
		TRY(read_object(task, payload, "offline", &object));
		TRY(read_days(task, &object, "warnDays", &out->offline.warn_days));
		TRY(read_days(task, &object, "staleDays", &out->offline.stale_days));
	}
	out->grace.limited = json_view_member(payload, "grace", &member);
	if (!out->grace.limited)
		return FAIL_NONE;
	TRY(read_object(task, payload, "grace", &object));
	return read_number(task, &object, "maxDays", DAYS_MAX, &out->grace.max_days);
}

/* A registered claim and its older copy must agree, as readers use either. */
static enum fail
read_times(struct task *task, const struct json_view *payload, struct license_claims *out)
{
	struct json_view member;
	int64_t twin = 0;

	TRY(read_number(task, payload, "iat", LICENSE_TIME_MAX, &out->issued_at_s));
	TRY(read_number(task, payload, "issuedAt", LICENSE_TIME_MAX, &twin));
	if (twin != out->issued_at_s)
		return refuse(task, "issuedAt");
	TRY(read_number(task, payload, "exp", LICENSE_TIME_MAX, &out->expires_at_s));
	TRY(read_number(task, payload, "expiresAt", LICENSE_TIME_MAX, &twin));
	if (twin != out->expires_at_s)
		return refuse(task, "expiresAt");
	out->not_before_s = 0;
	if (json_view_member(payload, "nbf", &member))
		TRY(read_number(task, payload, "nbf", LICENSE_TIME_MAX, &out->not_before_s));
	return FAIL_NONE;
}

enum fail
license_claims_read(struct task *task, const struct json_view *payload,
                    struct license_claims *out)
{
	const char *subject = "";

	*out = (struct license_claims){0};
	TRY(read_text(task, payload, "iss", &out->issuer));
	TRY(read_text(task, payload, "jti", &out->jti));
	TRY(read_text(task, payload, "sub", &subject));
	TRY(read_text(task, payload, "customerId", &out->customer_id));
	if (strcmp(subject, out->customer_id) != 0)
		return refuse(task, "sub");
	TRY(read_times(task, payload, out));
	TRY(read_text(task, payload, "customerName", &out->customer_name));
	TRY(read_text(task, payload, "plan", &out->plan));
	TRY(read_values(task, payload, VALUE_FEATURE, &out->features));
	TRY(read_values(task, payload, VALUE_LIMIT, &out->limits));
	values_add_left_out(task->arena, &out->limits);
	TRY(read_terms(task, payload, out));
	return read_subscription(task, payload, out);
}
