/* random.c: unguessable bytes from OpenSSL's generator, which reseeds itself after a fork. */
#include "base/random.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/rand.h>

#include "base/arena.h"
#include "base/encoding.h"
#include "base/log.h"

void
random_bytes(void *out, size_t length)
{
	/* No caller could handle this failure safely. */
	if (length > INT_MAX || RAND_bytes(out, (int)length) != 1) {
		log_line(LOG_LEVEL_ERROR, "the random generator failed");
		_Exit(EXIT_FAILURE);
	}
}

char *
random_id(struct arena *arena, const char *prefix, size_t bytes)
{
	unsigned char *raw = arena_alloc(arena, bytes);

	random_bytes(raw, bytes);
	return arena_printf(arena, "%s%s", prefix, hex_encode(arena, raw, bytes));
}
