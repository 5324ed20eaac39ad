/* file_key.h: the key pair (Ed25519) that signs usage files. It follows from the customer's API key, so
 * the agent has it without being given one. The service stores the public half alone, which signs
 * nothing: who copies the database cannot write a file that it accepts. */
#pragma once

#include "base/encoding.h"

enum { FILE_KEY_SIZE = 32, FILE_SIGNATURE_SIZE = 64 };

/* The public half, in the arena. All of these end the process when OpenSSL has no memory. */
struct bytes file_key_public(struct arena *arena, const char *api_key);

/* The signature of the text, in the arena. */
struct bytes file_key_sign(struct arena *arena, const char *api_key, struct bytes text);

/* Whether the key pair with this public half signed the text. */
bool file_key_verify(struct bytes public_key, struct bytes text, struct bytes signature);
