/* certificates.h: an authority of the test's own and certificates of every kind from it. */
#pragma once

#include "support/suite.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct authority {
	EVP_PKEY *key; /* of the authority and, as no test minds, of all its certificates */
	X509 *certificate;
};

static inline void
certificate_extend(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Valid from `from_s` to `to_s` from now on; `issuer` NULL signs itself; `alt_name` NULL is an
 * authority's. The caller frees it. */
static inline X509 *
certificate_new(EVP_PKEY *key, X509 *issuer, const char *name, const char *alt_name,
                long from_s, long to_s)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	static long serial = 1;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
	                           -1, 0);
	X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
	X509_set_pubkey(certificate, key);
	certificate_extend(certificate, NID_basic_constraints,
	                   alt_name ? "CA:FALSE" : "critical,CA:TRUE");
	if (alt_name)
		certificate_extend(certificate, NID_subject_alt_name, alt_name);
	ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
	return certificate;
}

static inline void
authority_init(struct authority *authority)
{
	authority->key = EVP_EC_gen("P-256");
	ck_assert_ptr_nonnull(authority->key);
	authority->certificate =
	        certificate_new(authority->key, NULL, "Test authority", NULL, -3600, 3600);
}

static inline void
authority_free(struct authority *authority)
{
	X509_free(authority->certificate);
	EVP_PKEY_free(authority->key);
}

static inline void
certificate_write(X509 *certificate, const char *path)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
	ck_assert_int_eq(fclose(file), 0);
}

/* A server's side of TLS with the certificate, which it takes over. */
static inline SSL_CTX *
certificate_context(const struct authority *authority, X509 *certificate)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	ck_assert_ptr_nonnull(context);
	ck_assert_int_eq(SSL_CTX_use_certificate(context, certificate), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, authority->key), 1);
	X509_free(certificate);
	return context;
}
