/* verdict.c: verdicts, features and limits of licences. */
#include "licensing/verdict.h"

#include <string.h>

/* Seconds of a day. */
enum { DAY_S = DAY_MS / SECOND_MS };

#define NUMBER(NAME, VALUE)                                                                    \
	{                                                                                      \
		.name = (NAME), .type = VALUE_INTEGER, .number = (VALUE)                       \
	}
#define TRUTH(NAME, VALUE)                                                                     \
	{                                                                                      \
		.name = (NAME), .type = VALUE_BOOLEAN, .truth = (VALUE)                        \
	}

/* The features and limits of an installation without a licence. */
static const struct license_value unlicensed_features[] = {
        NUMBER("maxDevices", 3),           NUMBER("dataRetentionDays", 7),
        TRUTH("canExportData", false),     TRUTH("hasAdvancedAlerts", false),
        TRUTH("hasApiAccess", true),       TRUTH("hasMqttAccess", true),
        TRUTH("hasCustomBranding", false),
};

static const struct license_value unlicensed_limits[] = {
        NUMBER("maxUsers", 1),
        NUMBER("maxAlertRules", 5),
        NUMBER("maxDashboards", 2),
};

#define VALUES(ITEMS)                                                                          \
	{                                                                                      \
		(ITEMS), sizeof(ITEMS) / sizeof(*(ITEMS))                                      \
	}

static const struct license_claims unlicensed = {.features = VALUES(unlicensed_features),
                                                 .limits = VALUES(unlicensed_limits)};

static enum license_is
conclude(enum license_is verdict, const char *code, const char **reason)
{
	*reason = code;
	return verdict;
}

static bool
has_status(const struct license_claims *claims, const char *status)
{
	return strcmp(claims->status, status) == 0;
}

/* A failed payment leaves access for some days; then the licence has "access": false. */
static bool
gives_access(const struct license_claims *claims)
{
	return !claims->no_access &&
	       (has_status(claims, "active") || has_status(claims, "trialing") ||
	        has_status(claims, "past_due"));
}

static bool
is_for_another(const struct license_claims *claims, const struct verdict_rules *rules)
{
	return claims->instance != NULL &&
	       (rules->instance == NULL || strcmp(claims->instance, rules->instance) != 0);
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The vendor cannot have signed a time that is still to come, so the present is no earlier. */
static int64_t
least_present_s(const struct verdict_input *input, const struct verdict_rules *rules,
                struct clock_mark mark)
{
	return later(later(mark.seen_s, mark.signed_s),
	             later(verdict_checked_s(input), rules->floor_s));
}

/* The customer's grace, or the licence's greatest if that is less. */
static int64_t
grace_of(const struct license_claims *claims, const struct verdict_rules *rules)
{
	int64_t most_s = claims->grace.max_days * DAY_S;

	return claims->grace.limited && most_s < rules->grace_s ? most_s : rules->grace_s;
}

static enum license_is
judge_time(const struct license_claims *claims, const struct verdict_rules *rules, int64_t at_s,
           const char **reason)
{
	int64_t end_s = claims->expires_at_s + rules->leeway_s;

	if (at_s < end_s && has_status(claims, "past_due"))
		return conclude(LICENSE_IS_GRACE, "license_past_due", reason);
	if (at_s < end_s)
		return conclude(LICENSE_IS_VALID, "license_valid", reason);
	/* Only paid licences have days of grace. */
	if (!claims->trial.is_trial && at_s < end_s + grace_of(claims, rules))
		return conclude(LICENSE_IS_GRACE, "license_grace", reason);
	return conclude(LICENSE_IS_EXPIRED, "license_expired", reason);
}

int64_t
verdict_checked_s(const struct verdict_input *input)
{
	return later(input->claims.issued_at_s, input->listed_s);
}

/* The vendor last vouched for the licence so many days ago; 0 days are without a bound. */
static bool
is_offline(const struct verdict_input *input, const struct verdict_rules *rules, int64_t at_s,
           int64_t days)
{
	return days > 0 && at_s >= verdict_checked_s(input) + days * DAY_S + rules->leeway_s;
}

const char *
verdict_warning(const struct verdict_input *input, const struct verdict_rules *rules,
                struct clock_mark mark, int64_t now_s)
{
	const struct license_offline *offline = &input->claims.offline;
	const char *reason;

	if (!verdict_is_licensed(verdict_judge(input, rules, mark, now_s, &reason)))
		return "";
	return is_offline(input, rules, later(now_s, least_present_s(input, rules, mark)),
	                  offline->given ? offline->warn_days : LICENSE_WARN_DAYS)
	               ? "license_offline"
	               : "";
}

enum license_is
verdict_judge(const struct verdict_input *input, const struct verdict_rules *rules,
              struct clock_mark mark, int64_t now_s, const char **reason)
{
	const struct license_claims *claims = &input->claims;
	enum license_is verdict;
	int64_t least_s;

	if (!input->present)
		return conclude(LICENSE_IS_NONE, "license_none", reason);
	if (input->signature < LICENSE_NOT_YET_VALID && input->signature != LICENSE_VALID)
		return conclude(LICENSE_IS_FORGED, token_verdict_code(input->signature),
		                reason);
	if (input->revoked)
		return conclude(LICENSE_IS_REVOKED, "license_revoked", reason);
	if (is_for_another(claims, rules))
		return conclude(LICENSE_IS_WRONG_INSTANCE, "license_wrong_instance", reason);
	if (!gives_access(claims))
		return conclude(LICENSE_IS_CANCELED, "license_canceled", reason);
	least_s = least_present_s(input, rules, mark);
	if (now_s < later(least_s, claims->not_before_s) - VERDICT_CLOCK_TOLERANCE_S)
		return conclude(LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious",
		                reason);
	verdict = judge_time(claims, rules, later(now_s, least_s), reason);
	if (verdict_is_licensed(verdict) &&
	    is_offline(input, rules, later(now_s, least_s), claims->offline.stale_days))
		return conclude(LICENSE_IS_STALE, "license_stale", reason);
	return verdict;
}

bool
verdict_is_licensed(enum license_is verdict)
{
	return verdict == LICENSE_IS_VALID || verdict == LICENSE_IS_GRACE;
}

const struct license_value *
verdict_value(const struct license_claims *claims, const char *name)
{
	const struct license_claims *from = claims != NULL ? claims : &unlicensed;
	const struct license_value *feature = values_find(&from->features, name);

	return feature != NULL ? feature : values_find(&from->limits, name);
}

bool
verdict_allows(const struct license_claims *claims, const char *feature)
{
	const struct license_value *value = verdict_value(claims, feature);

	return value != NULL && value->type == VALUE_BOOLEAN && value->truth;
}

int64_t
verdict_limit(const struct license_claims *claims, const char *name)
{
	const struct license_value *value = verdict_value(claims, name);

	if (value == NULL || value->type != VALUE_INTEGER)
		return 0;
	return value->number == LICENSE_UNLIMITED || (value->number >= VERDICT_NO_BOUND &&
	                                              verdict_value(NULL, name) != NULL)
	               ? LICENSE_NO_LIMIT
	               : value->number;
}

const char *
verdict_entitlements(struct arena *arena, const struct license_claims *claims)
{
	struct json_out json = json_out_new(arena, 512);

	json_out_open(&json, NULL, '{');
	values_write(&json, VALUE_FEATURE, &claims->features);
	values_write(&json, VALUE_LIMIT, &claims->limits);
	json_out_close(&json, '}');
	return json.text.data;
}
