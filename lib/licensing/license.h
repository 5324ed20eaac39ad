/*
 * license.h: liblicense, for applications that a Global Billing licence governs.
 *
 * One `struct license` holds the vendor's public keys, the licence of this installation, the
 * list of revoked licences and the highest clock ever seen. Everything is checked offline. A
 * few lines are a working integration:
 *
 *	struct license_options options = {.size = sizeof(options), .keys = vendor_public_key,
 *	                                  .state_file = "/var/lib/app/license-clock"};
 *	struct license *license;
 *
 *	if (license_open(&options, &license) != LICENSE_OK)
 *		...
 *	license_set(license, token);
 *	if (license_allows(license, "canExportData") &&
 *	    license_within(license, "maxDevices", devices + 1))
 *		...
 *
 * Promises of the library:
 * - It never ends the process, never prints, never waits for the network, a disk's flush or
 *   another thread's file. What it cannot do for want of memory it says (LICENSE_ERROR_MEMORY).
 * - A `struct license` may be used by any number of threads at once; there is no other state.
 * - It touches no locale, no signal and no environment; of OpenSSL only the calling thread's
 *   queue of errors, which it empties.
 * - The verdict is computed at each call: a licence that runs out at noon has run out at noon.
 *
 * ABI: within liblicense.so.1 no function is removed or changes its arguments or its meaning,
 * no number in an enum changes, and `struct license_options` only grows at its end, which its
 * `size` makes safe. An enum may gain values, so handle those that you don't know as the worst.
 */
#ifndef LICENSE_H
#define LICENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICENSE_API __attribute__((visibility("default")))

/* license_limit() without a bound. */
#define LICENSE_NO_LIMIT ((int64_t)-1)

struct license;

/* The verdict on a licence. The application decides what follows from it. */
enum license_is {
	LICENSE_IS_NONE = 0, /* there is no licence */
	LICENSE_IS_VALID = 1,
	LICENSE_IS_GRACE = 2, /* valid for some more days: a payment failed, or it expired */
	LICENSE_IS_EXPIRED = 3,
	LICENSE_IS_REVOKED = 4,  /* the vendor's list names it */
	LICENSE_IS_CANCELED = 5, /* genuine, but its subscription gives no access */
	LICENSE_IS_FORGED = 6,   /* not signed by the keys; license_reason() tells more */
	LICENSE_IS_CLOCK_SUSPICIOUS = 7, /* the clock is more than a day too early */
	LICENSE_IS_STALE = 8, /* for too long no licence or list of the vendor's has come */
	LICENSE_IS_WRONG_INSTANCE = 9 /* it is bound to another installation */
};

enum license_error {
	LICENSE_OK = 0,
	LICENSE_ERROR_ARGUMENT = 1, /* NULL, or options of an unknown size */
	LICENSE_ERROR_KEYS = 2,     /* neither PEM public keys nor a JWK set, or weak keys */
	LICENSE_ERROR_LIST = 3,     /* no revocation list that the keys signed */
	LICENSE_ERROR_OLDER = 4,    /* a list that is older than the one at hand */
	LICENSE_ERROR_MEMORY = 5    /* nothing has changed */
};

/* All strings are copied. A member that is 0 or NULL has the default given here. */
struct license_options {
	size_t size; /* sizeof(struct license_options) */
	const char
	        *keys; /* PEM public keys one after the other, or a JWK set; compile them in */
	const char *issuer;     /* the licence's `iss`; NULL: any */
	const char *state_file; /* where the highest clock seen is kept; NULL: only in memory */
	int64_t leeway_s;       /* seconds by which clocks may differ; 0: 120 */
	int64_t grace_days; /* days that an expired paid licence goes on; 0: none. The licence
	                         * may allow less */
	/* Seconds since 1970 and what it is called with; NULL: the system's clock. */
	int64_t (*now)(void *context);
	void *now_context;
	bool state_is_read_only; /* the file counts, but is never written */
	const char
	        *instance; /* the id of this installation, for licences that are bound to one;
	                       * NULL: none, so that every bound one is for another */
};

/* Opens; the licence is LICENSE_IS_NONE until license_set(). On failure *out is NULL. */
LICENSE_API enum license_error license_open(const struct license_options *options,
                                            struct license **out);

/* Writes the clock's state and frees everything. NULL is allowed. */
LICENSE_API void license_close(struct license *license);

/* Takes this licence (a JWT; white space anywhere in it, and a byte order mark, is dropped) in the place of
 * the one at hand, whatever the verdict on it. NULL, or nothing but white space, means no licence. */
LICENSE_API enum license_error license_set(struct license *license, const char *token);

/* The verdict on a licence without taking it; `out` is what license_verdict() would say. */
LICENSE_API enum license_error license_try(struct license *license, const char *token,
                                           enum license_is *out);

/* Takes a revocation list as GET /api/licenses/revocations gives it (the token itself). A list
 * that is out of date is taken: it still names what it names. */
LICENSE_API enum license_error license_set_revocations(struct license *license,
                                                       const char *token);

/* Takes other keys in the place of all before, and judges the licence again by them. */
LICENSE_API enum license_error license_set_keys(struct license *license, const char *keys);

/* The verdict, now. */
LICENSE_API enum license_is license_verdict(struct license *license);

/* Its name ("valid", "grace", "expired", "revoked", "canceled", "forged", "clock_suspicious", "stale",
 * "wrong_instance", "none"), and the stable code of the reason, such as "license_key_unknown" for a forged
 * one. Static text. */
LICENSE_API const char *license_verdict_name(enum license_is verdict);
LICENSE_API const char *license_reason(struct license *license);

/* "license_offline" while a valid licence has had no news of the vendor for 30 days, or for as many
 * as it says; "" without a warning. More codes may come. Static text. */
LICENSE_API const char *license_warning(struct license *license);

/* A sentence for people. Static text. */
LICENSE_API const char *license_error_text(enum license_error error);

/*
 * Feature guards. They answer by the licence while it is valid or in grace; else by the
 * defaults of an unlicensed installation: 3 maxDevices, 7 dataRetentionDays, 1 maxUsers, 5
 * maxAlertRules, 2 maxDashboards, hasApiAccess, hasMqttAccess. The names are those of the
 * vendor's plans.json. A name that the licence doesn't have is not allowed and has the limit 0.
 * Only maxUsers, maxAlertRules and maxDashboards are without a bound when a licence lacks them;
 * of them, of maxDevices and dataRetentionDays 999999 or more is no bound either.
 */
LICENSE_API bool license_allows(struct license *license, const char *feature);

/* The bound of a limit, or of a feature that is an integer. */
LICENSE_API int64_t license_limit(struct license *license, const char *name);

/* `count` of them are no more than the limit: ask with what there will be. */
LICENSE_API bool license_within(struct license *license, const char *name, int64_t count);

/* An integer of a feature or limit exactly as it is given; LICENSE_NO_LIMIT for null,
 * `otherwise` when there is no integer of that name. */
LICENSE_API int64_t license_integer(struct license *license, const char *name,
                                    int64_t otherwise);

/* The text of a feature (of at most 200 bytes), written to `out` and cut to `size`; its
 * uncut length is returned, 0 when there is no text of that name. */
LICENSE_API size_t license_string(struct license *license, const char *name, char *out,
                                  size_t size);

/* Whether the feature is this text; never the empty one. */
LICENSE_API bool license_matches(struct license *license, const char *name, const char *text);

/* All features and limits that the guards answer by, as JSON, {"features": {...},
 * "limits": {...}}; otherwise as license_string(). */
LICENSE_API size_t license_entitlements(struct license *license, char *out, size_t size);

/* Days left of a trial, a begun one counted; 0 when it is over; -1 when this is no trial. */
LICENSE_API int64_t license_trial_days(struct license *license);

/* A text of the licence, also of an expired one, but not of a forged one. It is written to
 * `out`, cut to `size`; its uncut length is returned, 0 without such a text. Names: customerId,
 * customerName, plan, status, jti, iss, instance. "" names all the claims, as JSON. */
LICENSE_API size_t license_text(struct license *license, const char *name, char *out,
                                size_t size);

/* Seconds since 1970, -1 when there is none: issuedAt, expiresAt, currentPeriodEndsAt,
 * trialExpiresAt; checkedAt, when the newest licence or list of the vendor's was signed;
 * staleAt, when the licence becomes stale unless a newer one comes. */
LICENSE_API int64_t license_time(struct license *license, const char *name);

/* The state file could be read and written when it last was to be; a full disk shows here. */
LICENSE_API bool license_state_is_kept(struct license *license);

/* The version of the library, such as "1.0". */
LICENSE_API const char *license_version(void);

#ifdef __cplusplus
}
#endif

#endif
