/* forge.h: keys, and tokens with any header and payload, for tests that play the attacker. */
#pragma once

#include "support/suite.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/digest.h"
#include "licensing/claims.h"
#include "licensing/keys.h"
#include "support/values.h"

#define FORGE_NOW_S ((int64_t)1705276800)
#define FORGE_ISSUER "https://billing.example.com"

static inline char *
forge_base64(struct arena *arena, const char *text)
{
	return base64url_encode(arena, text, strlen(text));
}

/* Signs as RS256 does, whatever the text is. */
static inline char *
forge_rs256(struct arena *arena, EVP_PKEY *pkey, const char *text)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char signature[LICENSE_KEY_BITS_MAX / 8];
	size_t length = sizeof(signature);

	ck_assert_int_eq(EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, pkey, NULL),
	                 1);
	ck_assert_int_eq(EVP_DigestSign(context, signature, &length,
	                                (const unsigned char *)text, strlen(text)),
	                 1);
	EVP_MD_CTX_free(context);
	return base64url_encode(arena, signature, length);
}

/* A token with this header and payload, validly signed. */
static inline char *
forge_token(struct arena *arena, EVP_PKEY *pkey, const char *header, const char *payload)
{
	const char *text = arena_printf(arena, "%s.%s", forge_base64(arena, header),
	                                forge_base64(arena, payload));

	return arena_printf(arena, "%s.%s", text, forge_rs256(arena, pkey, text));
}

/* A token signed with HS256 under the given secret. */
static inline char *
forge_hs256(struct arena *arena, const char *secret, const char *header, const char *payload)
{
	const char *text = arena_printf(arena, "%s.%s", forge_base64(arena, header),
	                                forge_base64(arena, payload));
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	ck_assert_ptr_nonnull(HMAC(EVP_sha256(), secret, (int)strlen(secret),
	                           (const unsigned char *)text, strlen(text), mac, &length));
	return arena_printf(arena, "%s.%s", text, base64url_encode(arena, mac, length));
}

/* A new RSA key, made by the openssl command: under valgrind it would take a minute in here. */
static inline EVP_PKEY *
forge_rsa(void)
{
	FILE *made = popen("openssl genrsa 2048 2>/dev/null", "r"); /* NOLINT: a literal */
	EVP_PKEY *pkey;

	ck_assert_ptr_nonnull(made);
	pkey = PEM_read_PrivateKey(made, NULL, NULL, NULL);
	ck_assert_ptr_nonnull(pkey);
	ck_assert_int_eq(pclose(made), 0);
	return pkey;
}

/* A set with one new signing key. */
static inline void
forge_keys(struct task *task, struct license_keys *out)
{
	license_keys_init(out);
	ck_assert_int_eq(license_keys_add(task, out, forge_rsa(), "A test key", true, NULL),
	                 FAIL_NONE);
}

static const struct license_value forge_features[] = {
        NUMBER("maxDevices", 50),         NUMBER("dataRetentionDays", 365),
        TRUTH("canExportData", true),     TRUTH("hasAdvancedAlerts", true),
        TRUTH("hasApiAccess", true),      TRUTH("hasMqttAccess", true),
        TRUTH("hasCustomBranding", false)};
static const struct license_value forge_limits[] = {
        NUMBER("maxUsers", 10), NUMBER("maxAlertRules", 100), NUMBER("maxDashboards", 20)};

/* The contract's example, issued now for a year. */
static inline struct license_claims
forge_claims(void)
{
	return (struct license_claims){
	        .issuer = FORGE_ISSUER,
	        .customer_id = "cust_00112233445566778899aabbccddeeff",
	        .jti = "lic_0123456789abcdef",
	        .issued_at_s = FORGE_NOW_S,
	        .expires_at_s = FORGE_NOW_S + 365 * 86400,
	        .customer_name = "Acme Corp",
	        .plan = "professional",
	        .features = {forge_features, sizeof(forge_features) / sizeof(*forge_features)},
	        .limits = {forge_limits, sizeof(forge_limits) / sizeof(*forge_limits)},
	        .status = "active",
	        .period_ends_at = INSTANT_MS(1739577600000),
	};
}
