/* random.h: unguessable bytes from OpenSSL's generator. */
#pragma once

#include <stddef.h>

struct arena;

/* Fills the buffer; a failing generator ends the process. */
void random_bytes(void *out, size_t length);

/* `prefix` followed by 2 * `bytes` lower-case hex digits. */
char *random_id(struct arena *arena, const char *prefix, size_t bytes);
