/* guards.c: liblicense's questions: verdict, features, limits, claims. */
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/version.h"
#include "licensing/handle.h"

static const char *const verdict_names[] = {
        [LICENSE_IS_NONE] = "none",       [LICENSE_IS_VALID] = "valid",
        [LICENSE_IS_GRACE] = "grace",     [LICENSE_IS_EXPIRED] = "expired",
        [LICENSE_IS_REVOKED] = "revoked", [LICENSE_IS_CANCELED] = "canceled",
        [LICENSE_IS_FORGED] = "forged",   [LICENSE_IS_CLOCK_SUSPICIOUS] = "clock_suspicious",
        [LICENSE_IS_STALE] = "stale",     [LICENSE_IS_WRONG_INSTANCE] = "wrong_instance",
};

static const char *const error_texts[] = {
        [LICENSE_OK] = "All is well.",
        [LICENSE_ERROR_ARGUMENT] = "An argument is missing, or options have values that this "
                                   "version doesn't know.",
        [LICENSE_ERROR_KEYS] =
                "The keys are neither RSA public keys (PEM) of 2048 bits or more "
                "nor a JWK set.",
        [LICENSE_ERROR_LIST] = "This isn't a revocation list that the keys signed.",
        [LICENSE_ERROR_OLDER] = "This revocation list is older than the one at hand.",
        [LICENSE_ERROR_MEMORY] = "There isn't enough memory.",
};

/* The texts that license_text() gives. */
static const struct {
	const char *name;
	size_t offset;
} texts[] = {
        {"customerId", offsetof(struct license_claims, customer_id)},
        {"customerName", offsetof(struct license_claims, customer_name)},
        {"plan", offsetof(struct license_claims, plan)},
        {"status", offsetof(struct license_claims, status)},
        {"jti", offsetof(struct license_claims, jti)},
        {"iss", offsetof(struct license_claims, issuer)},
        {"instance", offsetof(struct license_claims, instance)},
};

/* The features and limits without a licence, as verdict_allows() and verdict_limit() give them. */
static const char unlicensed[] =
        "{\"features\":{\"maxDevices\":3,\"dataRetentionDays\":7,\"canExportData\":false,"
        "\"hasAdvancedAlerts\":false,\"hasApiAccess\":true,\"hasMqttAccess\":true,"
        "\"hasCustomBranding\":false},"
        "\"limits\":{\"maxUsers\":1,\"maxAlertRules\":5,\"maxDashboards\":2}}";

const char *
license_version(void)
{
	return VERSION;
}

const char *
license_verdict_name(enum license_is verdict)
{
	size_t index = (size_t)verdict;

	return index < sizeof(verdict_names) / sizeof(*verdict_names) ? verdict_names[index]
	                                                              : "unknown";
}

const char *
license_error_text(enum license_error error)
{
	size_t index = (size_t)error;

	return index < sizeof(error_texts) / sizeof(*error_texts) ? error_texts[index]
	                                                          : "An unknown error.";
}

enum license_is
license_verdict(struct license *license)
{
	enum license_is verdict;
	const char *reason;

	if (license == NULL)
		return LICENSE_IS_NONE;
	handle_enter(license);
	verdict = handle_judge(license, &reason);
	handle_leave(license);
	return verdict;
}

const char *
license_reason(struct license *license)
{
	const char *reason = "license_none";

	if (license == NULL)
		return reason;
	handle_enter(license);
	(void)handle_judge(license, &reason);
	handle_leave(license);
	return reason;
}

const char *
license_warning(struct license *license)
{
	const char *warning;

	if (license == NULL)
		return "";
	handle_enter(license);
	warning = verdict_warning(&license->held->input, &license->rules, license->mark,
	                          license->now_s);
	handle_leave(license);
	return warning;
}

/* The claims that count now, or NULL; between handle_enter() and handle_leave(). */
static const struct license_claims *
counting_claims(const struct license *license)
{
	const char *reason;

	return verdict_is_licensed(handle_judge(license, &reason))
	               ? &license->held->input.claims
	               : NULL;
}

/* The claims that were signed, whether they still hold or not, or NULL. */
static const struct license_claims *
signed_claims(const struct license *license)
{
	return license->held->genuine ? &license->held->input.claims : NULL;
}

bool
license_allows(struct license *license, const char *feature)
{
	bool allowed;

	if (feature == NULL)
		return false;
	if (license == NULL)
		return verdict_allows(NULL, feature);
	handle_enter(license);
	allowed = verdict_allows(counting_claims(license), feature);
	handle_leave(license);
	return allowed;
}

int64_t
license_limit(struct license *license, const char *name)
{
	int64_t limit;

	if (name == NULL)
		return 0;
	if (license == NULL)
		return verdict_limit(NULL, name);
	handle_enter(license);
	limit = verdict_limit(counting_claims(license), name);
	handle_leave(license);
	return limit;
}

bool
license_within(struct license *license, const char *name, int64_t count)
{
	int64_t limit = license_limit(license, name);

	return limit == LICENSE_NO_LIMIT || count <= limit;
}

int64_t
license_integer(struct license *license, const char *name, int64_t otherwise)
{
	const struct license_value *value;
	int64_t number = otherwise;

	if (name == NULL)
		return otherwise;
	if (license != NULL)
		handle_enter(license);
	value = verdict_value(license == NULL ? NULL : counting_claims(license), name);
	if (value != NULL && value->type == VALUE_INTEGER)
		number = value->number;
	if (license != NULL)
		handle_leave(license);
	return number;
}

/* Copies a text, cut to `size`. Returns its uncut length. */
static size_t
copy_out(const char *text, char *out, size_t size)
{
	size_t length = strlen(text), kept;

	if (size > 0 && out != NULL) {
		kept = length < size ? length : size - 1;
		memcpy(out, text, kept);
		out[kept] = '\0';
	}
	return length;
}

/* The text of a feature that counts now, or "". An installation without a licence has no texts. */
static const char *
feature_text(const struct license *license, const char *name)
{
	const struct license_claims *claims = counting_claims(license);
	const struct license_value *value =
	        claims == NULL ? NULL : values_find(&claims->features, name);

	return value != NULL && value->type == VALUE_TEXT ? value->text : "";
}

size_t
license_string(struct license *license, const char *name, char *out, size_t size)
{
	size_t length;

	if (license == NULL || name == NULL)
		return copy_out("", out, size);
	handle_enter(license);
	length = copy_out(feature_text(license, name), out, size);
	handle_leave(license);
	return length;
}

bool
license_matches(struct license *license, const char *name, const char *text)
{
	bool matches;

	if (license == NULL || name == NULL || text == NULL || *text == '\0')
		return false;
	handle_enter(license);
	matches = strcmp(feature_text(license, name), text) == 0;
	handle_leave(license);
	return matches;
}

size_t
license_entitlements(struct license *license, char *out, size_t size)
{
	size_t length;

	if (license == NULL)
		return copy_out(unlicensed, out, size);
	handle_enter(license);
	length = copy_out(counting_claims(license) != NULL ? license->held->entitlements
	                                                   : unlicensed,
	                  out, size);
	handle_leave(license);
	return length;
}

int64_t
license_trial_days(struct license *license)
{
	const struct license_claims *claims;
	const int64_t day_s = DAY_MS / SECOND_MS;
	int64_t left_s, days = -1;

	if (license == NULL)
		return -1;
	handle_enter(license);
	claims = signed_claims(license);
	if (claims != NULL && claims->trial.is_trial && claims->trial.expires_at.known) {
		/* In whole seconds: a trial of 14 days begins with 14 days left. */
		left_s = claims->trial.expires_at.ms / SECOND_MS - license->now_s;
		days = counting_claims(license) == NULL || left_s <= 0
		               ? 0
		               : (left_s + day_s - 1) / day_s;
	}
	handle_leave(license);
	return days;
}

/* A member's text; "" when there is none of that name. */
static const char *
text_of(const struct license *license, const char *name)
{
	const struct license_claims *claims = signed_claims(license);

	if (claims == NULL)
		return "";
	if (*name == '\0')
		return license->held->payload;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *const *text;

		text = (const char *const *)(const void *)((const char *)claims +
		                                           texts[i].offset);
		if (strcmp(texts[i].name, name) == 0)
			return *text != NULL ? *text : "";
	}
	return "";
}

size_t
license_text(struct license *license, const char *name, char *out, size_t size)
{
	size_t length;

	if (license == NULL || name == NULL)
		return copy_out("", out, size);
	handle_enter(license);
	length = copy_out(text_of(license, name), out, size);
	handle_leave(license);
	return length;
}

/* When the licence becomes stale; -1: never. */
static int64_t
stale_at(const struct license *license)
{
	const struct verdict_input *input = &license->held->input;
	int64_t days = input->claims.offline.stale_days;

	return days > 0 ? verdict_checked_s(input) + days * (DAY_MS / SECOND_MS) : -1;
}

static int64_t
time_of(const struct license *license, const char *name)
{
	const struct license_claims *claims = &license->held->input.claims;
	const struct instant *instant = NULL;

	if (strcmp(name, "checkedAt") == 0)
		return verdict_checked_s(&license->held->input);
	if (strcmp(name, "staleAt") == 0)
		return stale_at(license);
	if (strcmp(name, "issuedAt") == 0)
		return claims->issued_at_s;
	if (strcmp(name, "expiresAt") == 0)
		return claims->expires_at_s;
	if (strcmp(name, "currentPeriodEndsAt") == 0)
		instant = &claims->period_ends_at;
	else if (strcmp(name, "trialExpiresAt") == 0)
		instant = &claims->trial.expires_at;
	return instant && instant->known ? instant->ms / SECOND_MS : -1;
}

int64_t
license_time(struct license *license, const char *name)
{
	int64_t seconds;

	if (license == NULL || name == NULL)
		return -1;
	handle_enter(license);
	seconds = signed_claims(license) != NULL ? time_of(license, name) : -1;
	handle_leave(license);
	return seconds;
}

bool
license_state_is_kept(struct license *license)
{
	bool kept;

	if (license == NULL)
		return false;
	handle_enter(license);
	kept = license->state_kept;
	handle_leave(license);
	return kept;
}
