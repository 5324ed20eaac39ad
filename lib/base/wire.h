/* wire.h: names and bounds that the service and the customer's agent share: the agent holds
 * them before it sends, the service when it receives. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Reports in one request to POST /api/usage/reports. */
enum { WIRE_BATCH_MAX = 500 };

/* Devices of one report. */
#define WIRE_DEVICES_MAX INT64_C(2147483647)

/* Values of metrics: exact in every client's JSON (RFC 8259, section 6). */
#define WIRE_NUMBER_MAX INT64_C(9007199254740991)

/* The header of a file of usage that the agent signs and the service imports. */
#define WIRE_USAGE_HEADER "{\"alg\":\"EdDSA\",\"typ\":\"usage+jwt\"}"

/* The header of agents before 1.0, which signed under the SHA-256 of the API key. The service stores this
 * digest, so such a file proves nothing to it. */
#define WIRE_USAGE_HEADER_OLD "{\"alg\":\"HS256\",\"typ\":\"usage+jwt\"}"

/* The member "format" of a bundle: what billingctl exports and the agent imports. */
#define WIRE_BUNDLE_FORMAT "global-billing-license-1"

/* The member "format" of a request for a bound licence, and the most bytes of its file. */
#define WIRE_REQUEST_FORMAT "global-billing-request-1"
enum { WIRE_REQUEST_MAX = 4096 };

/* Digits of the nonce of a request. */
enum { WIRE_NONCE_LENGTH = 32 };

/* The text is "cust_" and 32 lower-case hex digits. */
bool wire_is_customer_id(const char *text);

/* The most characters of the version of the vendor's product at an instance. */
enum { WIRE_VERSION_MAX = 64 };

/* NULL when the text can be such a version (1 to WIRE_VERSION_MAX printable ASCII characters, without
 * a space at its ends), else why not. */
const char *wire_check_version(const char *text);

/* NULL when the text is the name of a kind of instance, else why not. */
const char *wire_check_kind(const char *text);

/* NULL when the text can be the id of an instance or a report (1 to 100 of A-Z a-z 0-9 . _ :
 * -), else why not. For .check of a field or a setting. */
const char *wire_check_id(const char *text);
