/* test_license.c: liblicense through its public header: verdicts over time, guards, a clock set
 * back, revocations, changed keys, threads. */
#include "support/licensing_fixture.h"

#include <pthread.h>

#include "licensing/handle.h"
#include "licensing/revocations.h"

enum { DAY_S = 86400 };

static int64_t now_s;

static int64_t
fake_clock(void *context)
{
	(void)context;
	return __atomic_load_n(&now_s, __ATOMIC_RELAXED);
}

/* A handle with our public keys and the fake clock. */
static struct license *
opened(const char *state_file)
{
	struct license_options options = {
	        .size = sizeof(options),
	        .keys = license_keys_jwks(task.arena, &keys),
	        .issuer = FORGE_ISSUER,
	        .state_file = state_file,
	        .grace_days = 30,
	        .now = fake_clock,
	};
	struct license *license;

	now_s = FORGE_NOW_S;
	ck_assert_int_eq(license_open(&options, &license), LICENSE_OK);
	return license;
}

static void
check_verdict(struct license *license, enum license_is verdict, const char *reason)
{
	ck_assert_msg(license_verdict(license) == verdict, "%s instead of %s",
	              license_verdict_name(license_verdict(license)),
	              license_verdict_name(verdict));
	ck_assert_str_eq(license_reason(license), reason);
}

static char *
signed_list(int64_t issued_at_s, const char *jti)
{
	const char *jtis[] = {jti};
	struct revocations list = {.issuer = FORGE_ISSUER,
	                           .issued_at_s = issued_at_s,
	                           .next_update_s = issued_at_s + DAY_S,
	                           .jtis = jtis,
	                           .count = jti != NULL};
	char *token = NULL;

	ck_assert_int_eq(revocations_sign(&task, &keys.items[0], &list, &token), FAIL_NONE);
	return token;
}

/* A year's licence at a second of its life; the leeway is 120 s, the grace 30 days. */
static const struct {
	const char *status;
	bool trial;
	int64_t at_s;
	enum license_is verdict;
	const char *reason;
} lives[] = {
        {"active", false, 0, LICENSE_IS_VALID, "license_valid"},
        {"active", false, -DAY_S, LICENSE_IS_VALID, "license_valid"},
        {"active", false, -DAY_S - 1, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious"},
        {"active", false, 365 * DAY_S + 119, LICENSE_IS_VALID, "license_valid"},
        {"active", false, 365 * DAY_S + 120, LICENSE_IS_GRACE, "license_grace"},
        {"active", false, 395 * DAY_S + 119, LICENSE_IS_GRACE, "license_grace"},
        {"active", false, 395 * DAY_S + 120, LICENSE_IS_EXPIRED, "license_expired"},
        {"active", false, INT64_C(4102444800), LICENSE_IS_EXPIRED, "license_expired"},
        {"active", false, -FORGE_NOW_S, LICENSE_IS_CLOCK_SUSPICIOUS,
         "license_clock_suspicious"},
        {"active", false, INT64_MAX - FORGE_NOW_S, LICENSE_IS_EXPIRED, "license_expired"},
        {"active", false, INT64_MIN, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious"},
        {"trialing", true, 365 * DAY_S + 119, LICENSE_IS_VALID, "license_valid"},
        {"trialing", true, 365 * DAY_S + 120, LICENSE_IS_EXPIRED, "license_expired"},
        {"past_due", false, 0, LICENSE_IS_GRACE, "license_past_due"},
        {"past_due", false, 365 * DAY_S + 120, LICENSE_IS_GRACE, "license_grace"},
        {"canceled", false, 0, LICENSE_IS_CANCELED, "license_canceled"},
        {"canceled", false, 400 * DAY_S, LICENSE_IS_CANCELED, "license_canceled"},
        {"unpaid", false, 0, LICENSE_IS_CANCELED, "license_canceled"},
        {"paused", false, 0, LICENSE_IS_CANCELED, "license_canceled"},
        {"incomplete", false, 0, LICENSE_IS_CANCELED, "license_canceled"},
        {"something new", false, 0, LICENSE_IS_CANCELED, "license_canceled"},
};

START_TEST(test_life)
{
	struct license *license = opened(NULL);
	enum license_is tried;
	const char *token;

	claims.status = lives[_i].status;
	claims.trial.is_trial = lives[_i].trial;
	now_s = FORGE_NOW_S + lives[_i].at_s;
	token = good_token();
	ck_assert_int_eq(license_try(license, token, &tried), LICENSE_OK);
	ck_assert_int_eq(tried, lives[_i].verdict);
	check_verdict(license, LICENSE_IS_NONE, "license_none");
	ck_assert_int_eq(license_set(license, token), LICENSE_OK);
	check_verdict(license, lives[_i].verdict, lives[_i].reason);
	license_close(license);
}
END_TEST

/* The service says "past_due" with and without access; then the licence says so. */
START_TEST(test_past_due_without_access)
{
	struct license *license = opened(NULL);

	claims.status = "past_due";
	claims.no_access = true;
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_verdict(license, LICENSE_IS_CANCELED, "license_canceled");
	license_close(license);
}
END_TEST

/* The verdict changes with the clock alone, without a call in between. */
START_TEST(test_each_look_is_fresh)
{
	struct license *license = opened(NULL);

	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert(license_allows(license, "canExportData"));
	now_s = claims.expires_at_s + 31 * DAY_S;
	ck_assert(!license_allows(license, "canExportData"));
	check_verdict(license, LICENSE_IS_EXPIRED, "license_expired");
	license_close(license);
}
END_TEST

static const struct {
	const char *name;
	int64_t licensed, unlicensed;
} limits[] = {
        {"maxDevices", 50, 3},     {"dataRetentionDays", 365, 7}, {"maxUsers", 10, 1},
        {"maxAlertRules", 100, 5}, {"maxDashboards", 20, 2},      {"maxUnicorns", 0, 0},
};

static const struct {
	const char *name;
	bool licensed, unlicensed;
} features[] = {
        {"canExportData", true, false},      {"hasAdvancedAlerts", true, false},
        {"hasApiAccess", true, true},        {"hasMqttAccess", true, true},
        {"hasCustomBranding", false, false}, {"hasUnicorns", false, false},
};

START_TEST(test_guards)
{
	struct license *license = opened(NULL);

	for (int round = 0; round < 3; round++) {
		bool licensed = round == 1;

		ck_assert_int_eq(license_set(license, licensed ? good_token()
		                                      : round  ? "forged"
		                                               : NULL),
		                 LICENSE_OK);
		for (int i = 0; i < ROWS(limits); i++) {
			int64_t limit = licensed ? limits[i].licensed : limits[i].unlicensed;

			ck_assert_int_eq(license_limit(license, limits[i].name), limit);
			ck_assert(license_within(license, limits[i].name, limit));
			ck_assert(!license_within(license, limits[i].name, limit + 1));
		}
		for (int i = 0; i < ROWS(features); i++)
			ck_assert_int_eq(license_allows(license, features[i].name),
			                 licensed ? features[i].licensed
			                          : features[i].unlicensed);
	}
	license_close(license);
}
END_TEST

/* The text that a call gives, and its length. */
static const char *
string_of(struct license *license, const char *name)
{
	char text[VALUE_TEXT_MAX + 1];
	size_t length = license_string(license, name, text, sizeof(text));

	ck_assert_uint_eq(strlen(text), length);
	return arena_copy(task.arena, text);
}

/* Names and types are the vendor's own; a large number of its own is a number, not "no limit". */
START_TEST(test_guards_of_any_names)
{
	struct license *license = opened(NULL);

	claims.features = VALUES(TEXT("region", "eu-west"), TRUTH("sso", true),
	                         NUMBER("exportsDaily", 2000000));
	claims.limits = VALUES(NUMBER("seats", 5), NUMBER("projects", LICENSE_UNLIMITED));
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert(license_allows(license, "sso"));
	ck_assert(!license_allows(license, "region"));
	ck_assert(!license_allows(license, "exportsDaily"));
	ck_assert_int_eq(license_limit(license, "exportsDaily"), 2000000);
	ck_assert_int_eq(license_limit(license, "seats"), 5);
	ck_assert_int_eq(license_limit(license, "projects"), LICENSE_NO_LIMIT);
	ck_assert_int_eq(license_limit(license, "sso"), 0);
	ck_assert_int_eq(license_limit(license, "maxDevices"), 0);
	ck_assert_int_eq(license_integer(license, "exportsDaily", 7), 2000000);
	ck_assert_int_eq(license_integer(license, "projects", 7), LICENSE_NO_LIMIT);
	ck_assert_int_eq(license_integer(license, "region", 7), 7);
	ck_assert_int_eq(license_integer(license, "maxDevices", 7), 7);
	ck_assert_str_eq(string_of(license, "region"), "eu-west");
	ck_assert_str_eq(string_of(license, "sso"), "");
	ck_assert_uint_eq(license_string(license, "region", NULL, 0), 7);
	ck_assert(license_matches(license, "region", "eu-west"));
	ck_assert(!license_matches(license, "region", "eu"));
	ck_assert(!license_matches(license, "sso", ""));
	now_s = claims.expires_at_s + 31 * DAY_S;
	ck_assert_str_eq(string_of(license, "region"), "");
	ck_assert(!license_matches(license, "region", "eu-west"));
	ck_assert_int_eq(license_integer(license, "seats", 7), 7);
	ck_assert_int_eq(license_integer(license, "maxDevices", 7), 3);
	license_close(license);
}
END_TEST

static struct json_view
entitlements_of(struct license *license)
{
	size_t length = license_entitlements(license, NULL, 0);
	char *text = arena_alloc(task.arena, length + 1);
	struct json_view object;

	ck_assert_uint_eq(license_entitlements(license, text, length + 1), length);
	ck_assert_int_eq(json_view_open(&task, text, length, &object), FAIL_NONE);
	return object;
}

/* All that the guards answer by, of a licence and without one. */
START_TEST(test_entitlements)
{
	struct license *license = opened(NULL);
	struct license *const without[] = {NULL, license};
	struct json_view object, part, value;
	const char *name;

	for (int i = 0; i < ROWS(without); i++) {
		object = entitlements_of(without[i]);
		ck_assert(json_view_object(&object, "features", &part));
		ck_assert_uint_eq(json_view_count(&part), 7);
		for (bool more = json_view_first_member(&part, &name, &value); more;
		     more = json_view_next_member(&name, &value)) {
			int64_t number = license_limit(NULL, name);
			bool truth = license_allows(NULL, name);

			ck_assert_msg(json_view_truth(&value, &truth) ||
			                      json_view_number(&value, &number),
			              "%s", name);
			ck_assert_int_eq(truth, license_allows(NULL, name));
			ck_assert_int_eq(number, license_limit(NULL, name));
		}
		ck_assert(json_view_object(&object, "limits", &part));
		ck_assert_uint_eq(json_view_count(&part), 3);
		for (bool more = json_view_first_member(&part, &name, &value); more;
		     more = json_view_next_member(&name, &value)) {
			int64_t number;

			ck_assert(json_view_number(&value, &number));
			ck_assert_int_eq(number, license_limit(NULL, name));
		}
	}
	claims.features = VALUES(TEXT("region", "eu"), NUMBER("maxDevices", 999999));
	claims.limits = VALUES(NUMBER("seats", 5), NUMBER("maxUsers", LICENSE_UNLIMITED),
	                       NUMBER("projects", LICENSE_UNLIMITED));
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	object = entitlements_of(license);
	ck_assert_str_eq(json_view_source(&object),
	                 "{\"features\":{\"region\":\"eu\",\"maxDevices\":999999},"
	                 "\"limits\":{\"seats\":5,\"projects\":null}}");
	license_close(license);
}
END_TEST

START_TEST(test_unlimited)
{
	struct license *license = opened(NULL);

	claims.features = values_with(task.arena, claims.features, "maxDevices", 999999);
	claims.limits = values_with(task.arena, claims.limits, "maxUsers", LICENSE_UNLIMITED);
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert_int_eq(license_limit(license, "maxDevices"), LICENSE_NO_LIMIT);
	ck_assert_int_eq(license_limit(license, "maxUsers"), LICENSE_NO_LIMIT);
	ck_assert(license_within(license, "maxDevices", INT64_MAX));
	ck_assert(license_within(license, "maxUsers", INT64_MAX));
	license_close(license);
}
END_TEST

START_TEST(test_trial_days)
{
	struct license *license = opened(NULL);

	ck_assert_int_eq(license_trial_days(license), -1);
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert_int_eq(license_trial_days(license), -1);
	claims.status = "trialing";
	claims.expires_at_s = FORGE_NOW_S + 14 * DAY_S;
	claims.trial =
	        (struct license_trial){true, INSTANT_MS(claims.expires_at_s * SECOND_MS + 792)};
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert_int_eq(license_trial_days(license), 14);
	now_s += 1;
	ck_assert_int_eq(license_trial_days(license), 14);
	now_s = FORGE_NOW_S + 13 * DAY_S;
	ck_assert_int_eq(license_trial_days(license), 1);
	now_s = FORGE_NOW_S + 14 * DAY_S;
	ck_assert_int_eq(license_trial_days(license), 0);
	license_close(license);
}
END_TEST

START_TEST(test_what_it_says)
{
	struct license *license = opened(NULL);
	char text[2048];

	ck_assert_uint_eq(license_text(license, "plan", text, sizeof(text)), 0);
	ck_assert_int_eq(license_time(license, "expiresAt"), -1);
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	now_s += 900 * DAY_S;
	ck_assert_uint_eq(license_text(license, "customerName", text, sizeof(text)), 9);
	ck_assert_str_eq(text, "Acme Corp");
	ck_assert_uint_eq(license_text(license, "customerName", text, 5), 9);
	ck_assert_str_eq(text, "Acme");
	ck_assert_uint_eq(license_text(license, "customerName", NULL, 0), 9);
	(void)license_text(license, "", text, sizeof(text));
	ck_assert_str_eq(text, good_payload());
	ck_assert_uint_eq(license_text(license, "nothing", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "");
	ck_assert_int_eq(license_time(license, "expiresAt"), claims.expires_at_s);
	ck_assert_int_eq(license_time(license, "issuedAt"), FORGE_NOW_S);
	ck_assert_int_eq(license_time(license, "currentPeriodEndsAt"), 1739577600);
	ck_assert_int_eq(license_time(license, "trialExpiresAt"), -1);
	/* A forged licence gives no claims. */
	claims.issuer = "https://elsewhere.example";
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_verdict(license, LICENSE_IS_FORGED, "license_issuer_invalid");
	ck_assert_uint_eq(license_text(license, "plan", text, sizeof(text)), 0);
	license_close(license);
}
END_TEST

START_TEST(test_revocations)
{
	struct license *license = opened(NULL);

	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert_int_eq(
	        license_set_revocations(license, signed_list(FORGE_NOW_S, "lic_other")),
	        LICENSE_OK);
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	ck_assert_int_eq(license_set_revocations(license, good_token()), LICENSE_ERROR_LIST);
	ck_assert_int_eq(license_set_revocations(license, ""), LICENSE_ERROR_LIST);
	ck_assert_int_eq(
	        license_set_revocations(license,
	                                arena_printf(task.arena, "\n%s\n",
	                                             signed_list(FORGE_NOW_S + 1, claims.jti))),
	        LICENSE_OK);
	check_verdict(license, LICENSE_IS_REVOKED, "license_revoked");
	ck_assert_int_eq(license_limit(license, "maxDevices"), 3);
	ck_assert_int_eq(license_set_revocations(license, signed_list(FORGE_NOW_S, NULL)),
	                 LICENSE_ERROR_OLDER);
	check_verdict(license, LICENSE_IS_REVOKED, "license_revoked");
	/* An outdated list still revokes. */
	now_s += 300 * DAY_S;
	check_verdict(license, LICENSE_IS_REVOKED, "license_revoked");
	claims.jti = "lic_its_successor";
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	license_close(license);
}
END_TEST

static void
check_offline(struct license *license, int64_t days, enum license_is verdict,
              const char *warning)
{
	now_s = FORGE_NOW_S + days * DAY_S + 120;
	check_verdict(license, verdict,
	              verdict == LICENSE_IS_STALE ? "license_stale" : "license_valid");
	ck_assert_str_eq(license_warning(license), warning);
	ck_assert_int_eq(license_allows(license, "canExportData"), verdict == LICENSE_IS_VALID);
}

/* Without news of the vendor there is a warning, then the licence counts no more; a list that does
 * not name it makes it count again. */
START_TEST(test_stale)
{
	struct license *license = opened(NULL);

	claims.offline =
	        (struct license_offline){.given = true, .warn_days = 7, .stale_days = 14};
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert_int_eq(license_time(license, "checkedAt"), FORGE_NOW_S);
	ck_assert_int_eq(license_time(license, "staleAt"), FORGE_NOW_S + 14 * DAY_S);
	check_offline(license, 6, LICENSE_IS_VALID, "");
	check_offline(license, 7, LICENSE_IS_VALID, "license_offline");
	check_offline(license, 14, LICENSE_IS_STALE, "");
	ck_assert_int_eq(license_limit(license, "maxDevices"), 3);
	ck_assert_int_eq(license_set_revocations(
	                         license, signed_list(FORGE_NOW_S + 10 * DAY_S, "lic_other")),
	                 LICENSE_OK);
	check_offline(license, 14, LICENSE_IS_VALID, "");
	check_offline(license, 17, LICENSE_IS_VALID, "license_offline");
	ck_assert_int_eq(license_time(license, "staleAt"), FORGE_NOW_S + 24 * DAY_S);
	/* The clock that is set back within its tolerance gains nothing. */
	check_offline(license, 24, LICENSE_IS_STALE, "");
	now_s -= 3600;
	check_verdict(license, LICENSE_IS_STALE, "license_stale");
	claims.offline = (struct license_offline){.given = true};
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_offline(license, 300, LICENSE_IS_VALID, "");
	claims.offline.given = false;
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_offline(license, 300, LICENSE_IS_VALID, "license_offline");
	ck_assert_int_eq(license_time(license, "staleAt"), -1);
	license_close(license);
}
END_TEST

/* A licence that is malformed in what it asks of verifiers is none of ours. */
START_TEST(test_bad_terms)
{
	static const char *const terms[] = {
	        "\"offline\":7",
	        "\"offline\":null",
	        "\"offline\":{\"staleDays\":\"7\"}",
	        "\"offline\":{\"staleDays\":-1}",
	        "\"offline\":{\"warnDays\":36501}",
	        "\"grace\":{}",
	        "\"grace\":{\"maxDays\":1.5}",
	        "\"grace\":[]",
	};
	struct license *license = opened(NULL);

	for (int i = 0; i < ROWS(terms); i++) {
		const char *payload =
		        arena_printf(task.arena, "{%s,%s", terms[i], good_payload() + 1);

		ck_assert_int_eq(
		        license_set(license, forge_token(task.arena, keys.items[0].pkey,
		                                         good_header(), payload)),
		        LICENSE_OK);
		check_verdict(license, LICENSE_IS_FORGED, "license_malformed");
	}
	license_close(license);
}
END_TEST

/* On the system's clock nothing is earlier than the day of the build, also without a state file. */
START_TEST(test_floor_of_the_build)
{
	struct license_options options = {.size = sizeof(options),
	                                  .keys = keys.items[0].public_pem};
	struct license *license;

	ck_assert_int_gt(license_build_date_s, INT64_C(1764288000));
	ck_assert_int_le(license_build_date_s, clock_now_ms() / SECOND_MS);
	ck_assert_int_eq(license_open(&options, &license), LICENSE_OK);
	ck_assert_int_eq(license->rules.floor_s, license_build_date_s);
	license->now = fake_clock;
	claims.status = "trialing";
	claims.trial.is_trial = true;
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	now_s = license_build_date_s - DAY_S - 1;
	check_verdict(license, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious");
	now_s = license_build_date_s - DAY_S;
	check_verdict(license, LICENSE_IS_EXPIRED, "license_expired");
	license_close(license);
}
END_TEST

/* With state_is_read_only the file counts and stays as it is. */
START_TEST(test_state_is_read_only)
{
	char *folder = suite_folder(task.arena);
	char *state = arena_printf(task.arena, "%s/clock", folder);
	struct license_options options = {.size = sizeof(options),
	                                  .keys = keys.items[0].public_pem,
	                                  .state_file = state,
	                                  .now = fake_clock,
	                                  .state_is_read_only = true};
	struct license *license = opened(state);
	struct clock_mark before, after;

	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	now_s += 30 * DAY_S;
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	license_close(license);
	ck_assert(clock_mark_read(state, &before));
	ck_assert_int_eq(license_open(&options, &license), LICENSE_OK);
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	now_s -= 2 * DAY_S;
	check_verdict(license, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious");
	now_s += 900 * DAY_S;
	check_verdict(license, LICENSE_IS_EXPIRED, "license_expired");
	license_close(license);
	ck_assert(clock_mark_read(state, &after));
	ck_assert_int_eq(after.seen_s, before.seen_s);
	suite_folder_remove(task.arena, folder);
}
END_TEST

/* The clock goes on to beyond the licence's end, then back: also over a restart. */
START_TEST(test_clock_set_back)
{
	char *folder = suite_folder(task.arena);
	char *state = arena_printf(task.arena, "%s/clock", folder);
	struct license *license = opened(state);

	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	now_s = claims.expires_at_s + 31 * DAY_S;
	check_verdict(license, LICENSE_IS_EXPIRED, "license_expired");
	now_s = claims.expires_at_s - 30 * DAY_S;
	check_verdict(license, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious");
	/* Within the tolerance it gains nothing either. */
	now_s = claims.expires_at_s + 31 * DAY_S - 3600;
	check_verdict(license, LICENSE_IS_EXPIRED, "license_expired");
	license_close(license);
	license = opened(state);
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_verdict(license, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious");
	ck_assert(!license_allows(license, "canExportData"));
	/* A newer signed time starts the mark anew; an older one does not. */
	claims.issued_at_s += 60;
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	ck_assert(license_state_is_kept(license));
	license_close(license);
	suite_folder_remove(task.arena, folder);
}
END_TEST

/* No folder for it: said, and the mark is kept in memory. */
START_TEST(test_state_cannot_be_kept)
{
	struct license *license = opened("/nonexistent/folder/clock");

	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	ck_assert(!license_state_is_kept(license));
	now_s += 300 * DAY_S;
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	now_s -= 2 * DAY_S;
	check_verdict(license, LICENSE_IS_CLOCK_SUSPICIOUS, "license_clock_suspicious");
	license_close(license);
}
END_TEST

/* A rotation: the new key is shipped beside the old one, later the old one goes. */
START_TEST(test_rotation)
{
	const char *both = arena_printf(task.arena, "our keys\n%s\n%s",
	                                foreign.items[0].public_pem, keys.items[0].public_pem);
	struct license *license = opened(NULL);
	char *token = NULL;

	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	ck_assert_int_eq(license_set_keys(license, foreign.items[0].public_pem), LICENSE_OK);
	check_verdict(license, LICENSE_IS_FORGED, "license_key_unknown");
	ck_assert_int_eq(license_set_keys(license, "no key"), LICENSE_ERROR_KEYS);
	ck_assert_int_eq(license_set_keys(license, both), LICENSE_OK);
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	ck_assert_int_eq(license_sign(&task, &foreign.items[0], &claims, &token), FAIL_NONE);
	ck_assert_int_eq(license_set(license, token), LICENSE_OK);
	check_verdict(license, LICENSE_IS_VALID, "license_valid");
	ck_assert_int_eq(license_set_keys(license, license_keys_jwks(task.arena, &keys)),
	                 LICENSE_OK);
	check_verdict(license, LICENSE_IS_FORGED, "license_key_unknown");
	license_close(license);
}
END_TEST

/* The verdict of an installation with this id, with options of this size. */
static enum license_is
verdict_at(const char *instance, size_t size)
{
	struct license_options options = {.size = size,
	                                  .keys = license_keys_jwks(task.arena, &keys),
	                                  .now = fake_clock,
	                                  .instance = instance};
	struct license *license;
	enum license_is verdict;
	char bound[8];

	now_s = FORGE_NOW_S;
	ck_assert_int_eq(license_open(&options, &license), LICENSE_OK);
	ck_assert_int_eq(license_set(license, good_token()), LICENSE_OK);
	verdict = license_verdict(license);
	ck_assert_int_eq(license_allows(license, "canExportData"), verdict == LICENSE_IS_VALID);
	(void)license_text(license, "instance", bound, sizeof(bound));
	ck_assert_str_eq(bound, claims.instance == NULL ? "" : claims.instance);
	license_close(license);
	return verdict;
}

START_TEST(test_bound)
{
	const size_t size = sizeof(struct license_options);
	const size_t size_before = offsetof(struct license_options, instance);

	ck_assert_int_eq(verdict_at("a", size), LICENSE_IS_VALID);
	ck_assert_int_eq(verdict_at(NULL, size), LICENSE_IS_VALID);
	ck_assert_int_eq(verdict_at("a", size_before), LICENSE_IS_VALID);
	claims.instance = "a";
	ck_assert_int_eq(verdict_at("a", size), LICENSE_IS_VALID);
	ck_assert_int_eq(verdict_at("A", size), LICENSE_IS_WRONG_INSTANCE);
	ck_assert_int_eq(verdict_at("ab", size), LICENSE_IS_WRONG_INSTANCE);
	ck_assert_int_eq(verdict_at("", size), LICENSE_IS_WRONG_INSTANCE);
	ck_assert_int_eq(verdict_at(NULL, size), LICENSE_IS_WRONG_INSTANCE);
	/* An application that was built before there were bound licences. */
	ck_assert_int_eq(verdict_at("a", size_before), LICENSE_IS_WRONG_INSTANCE);
	ck_assert_str_eq(license_verdict_name(LICENSE_IS_WRONG_INSTANCE), "wrong_instance");
}
END_TEST

START_TEST(test_bad_options)
{
	static const char *const bad_keys[] = {
	        "", " ", "{}", "{\"keys\":[]}", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n"};
	struct {
		struct license_options known;
		int64_t unknown;
	} newer = {.known = {.size = sizeof(newer), .keys = keys.items[0].public_pem}};
	struct license_options options = {.size = sizeof(options)};
	struct license *license = (struct license *)&options;

	ck_assert_int_eq(license_open(NULL, &license), LICENSE_ERROR_ARGUMENT);
	ck_assert_ptr_null(license);
	ck_assert_int_eq(license_open(&options, &license), LICENSE_ERROR_ARGUMENT);
	ck_assert_int_eq(license_open(&newer.known, NULL), LICENSE_ERROR_ARGUMENT);
	for (int i = 0; i < ROWS(bad_keys); i++) {
		options.keys = bad_keys[i];
		ck_assert_int_eq(license_open(&options, &license), LICENSE_ERROR_KEYS);
		ck_assert_ptr_null(license);
	}
	ck_assert_int_eq(license_open(&newer.known, &license), LICENSE_OK);
	license_close(license);
	newer.unknown = 1;
	ck_assert_int_eq(license_open(&newer.known, &license), LICENSE_ERROR_ARGUMENT);
	newer.known.size = sizeof(newer.known) - 1;
	ck_assert_int_eq(license_open(&newer.known, &license), LICENSE_ERROR_ARGUMENT);
	license_close(NULL);
	ck_assert_int_eq(license_set(NULL, ""), LICENSE_ERROR_ARGUMENT);
	ck_assert_int_eq(license_verdict(NULL), LICENSE_IS_NONE);
	ck_assert_int_eq(license_limit(NULL, "maxDevices"), 3);
	ck_assert(license_allows(NULL, "hasApiAccess"));
}
END_TEST

/* Some threads read the licence while others replace it. */
struct crowd {
	struct license *license;
	const char *tokens[2];
	const char *rings[2];
	const char *list;
	int rounds;
	bool wrong;
};

static void *
ask(void *argument)
{
	struct crowd *crowd = argument;
	char text[64];

	for (int i = 0; i < 20 * crowd->rounds; i++) {
		int64_t limit = license_limit(crowd->license, "maxDevices");

		if (limit != 50 && limit != 3)
			crowd->wrong = true;
		(void)license_text(crowd->license, "customerName", text, sizeof(text));
		if (*text && strcmp(text, "Acme Corp") != 0)
			crowd->wrong = true;
		__atomic_add_fetch(&now_s, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *
replace(void *argument)
{
	struct crowd *crowd = argument;

	for (int i = 0; i < crowd->rounds; i++) {
		if (license_set(crowd->license, crowd->tokens[i % 2]) != LICENSE_OK ||
		    license_set_keys(crowd->license, crowd->rings[i % 2]) != LICENSE_OK ||
		    license_set_revocations(crowd->license, crowd->list) != LICENSE_OK)
			crowd->wrong = true;
	}
	return NULL;
}

START_TEST(test_threads)
{
	char *folder = suite_folder(task.arena);
	struct crowd crowd = {.license = opened(arena_printf(task.arena, "%s/clock", folder)),
	                      .tokens = {good_token(), "forged"},
	                      .rounds = suite_is_slow() ? 3 : 40};
	pthread_t threads[4];

	crowd.rings[0] = keys.items[0].public_pem;
	crowd.rings[1] = license_keys_jwks(task.arena, &keys);
	crowd.list = signed_list(FORGE_NOW_S, "lic_other");
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(
		        pthread_create(&threads[i], NULL, i < 2 ? ask : replace, &crowd), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert(!crowd.wrong);
	license_close(crowd.license);
	suite_folder_remove(task.arena, folder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("license");
	TCase *tcase = fixture_case("liblicense");

	tcase_add_loop_test(tcase, test_life, 0, ROWS(lives));
	tcase_add_test(tcase, test_past_due_without_access);
	tcase_add_test(tcase, test_each_look_is_fresh);
	tcase_add_test(tcase, test_guards);
	tcase_add_test(tcase, test_guards_of_any_names);
	tcase_add_test(tcase, test_entitlements);
	tcase_add_test(tcase, test_unlimited);
	tcase_add_test(tcase, test_trial_days);
	tcase_add_test(tcase, test_what_it_says);
	tcase_add_test(tcase, test_revocations);
	tcase_add_test(tcase, test_stale);
	tcase_add_test(tcase, test_bound);
	tcase_add_test(tcase, test_bad_terms);
	tcase_add_test(tcase, test_floor_of_the_build);
	tcase_add_test(tcase, test_state_is_read_only);
	tcase_add_test(tcase, test_clock_set_back);
	tcase_add_test(tcase, test_state_cannot_be_kept);
	tcase_add_test(tcase, test_rotation);
	tcase_add_test(tcase, test_bad_options);
	tcase_add_test(tcase, test_threads);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
