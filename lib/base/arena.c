/*
 * arena.c: bump allocation in chunks; one reset releases everything.
 *
 * With ARENA_DEBUG every item is a chunk of its own, so that a sanitizer sees each overrun and
 * each use after the reset.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* A chunk has twice the size of the one before. Most requests, and what a process keeps, fit into the first. */
enum { CHUNK_MAX = 64 * 1024 };
#ifdef ARENA_DEBUG
enum { FIRST_CHUNK = 0 };
#else
enum { FIRST_CHUNK = 16 * 1024 };
#endif

/* A run of memory. bytes[0, used) are allocated, bytes[used, size) is zero. */
struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char bytes[];
};

struct deferred {
	struct deferred *next;
	void (*release)(void *);
	void *object;
};

struct arena {
	struct chunk *chunks; /* newest first; the last one is kept over a reset */
	struct deferred *deferred;
	size_t limit;
	size_t used;
	void (*give_up)(void *context, const char *why);
	void *context;
};

static struct chunk *
chunk_new(size_t size)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (chunk != NULL)
		chunk->size = size;
	return chunk;
}

struct arena *
arena_new_with(size_t limit, void (*give_up)(void *, const char *), void *context)
{
	struct arena *arena = calloc(1, sizeof(*arena));
	struct chunk *chunk = chunk_new(FIRST_CHUNK);

	if (arena == NULL || chunk == NULL) {
		free(arena);
		free(chunk);
		return NULL;
	}
	*arena = (struct arena){
	        .chunks = chunk, .limit = limit, .give_up = give_up, .context = context};
	return arena;
}

void
arena_give_up(struct arena *arena, const char *why)
{
	for (;;)
		arena->give_up(arena->context, why);
}

/* The size of a chunk after one of the size `before`, with room for so many bytes. */
static size_t
next_size(size_t before, size_t room)
{
	size_t size = 2 * before < CHUNK_MAX ? 2 * before : CHUNK_MAX;

	return size > room ? size : room;
}

/* NULL with the reason when there is none. */
static void *
reserve(struct arena *arena, size_t size, const char **why)
{
	const size_t align = alignof(max_align_t);
	struct chunk *chunk = arena->chunks;
	size_t room, grown;
	bool fits;
	void *out;

	*why = "arena limit reached";
	if (size > arena->limit || arena->used + size > arena->limit)
		return NULL;
	room = (size + align - 1) / align * align;
	fits = chunk->size - chunk->used >= room;
	grown = next_size(chunk->size, room);
#ifdef ARENA_DEBUG
	room = grown = size;
	fits = false;
#endif
	if (!fits) {
		*why = "out of memory";
		chunk = chunk_new(grown);
		if (chunk == NULL)
			return NULL;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	out = chunk->bytes + chunk->used;
	chunk->used += room;
	arena->used += room;
	return out;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	const char *why;
	void *out = reserve(arena, size, &why);

	if (out == NULL)
		arena_give_up(arena, why);
	return out;
}

void *
arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		arena_give_up(arena, "arena limit reached");
	return arena_alloc(arena, total);
}

char *
arena_copy_bytes(struct arena *arena, const void *bytes, size_t length)
{
	char *out = arena_alloc(arena, length + 1);

	if (length > 0)
		memcpy(out, bytes, length);
	out[length] = '\0';
	return out;
}

char *
arena_copy(struct arena *arena, const char *string)
{
	return arena_copy_bytes(arena, string, strlen(string));
}

char *
arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
	va_list again;
	int length;
	char *out;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		arena_give_up(arena, "unprintable format");
	out = arena_alloc(arena, (size_t)length + 1);
	(void)vsnprintf(out, (size_t)length + 1, format, arguments);
	return out;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *out;

	va_start(arguments, format);
	out = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return out;
}

void
arena_defer(struct arena *arena, void (*release)(void *), void *object)
{
	const char *why;
	struct deferred *deferred = reserve(arena, sizeof(*deferred), &why);

	if (deferred == NULL) {
		release(object);
		arena_give_up(arena, why);
	}
	deferred->release = release;
	deferred->object = object;
	deferred->next = arena->deferred;
	arena->deferred = deferred;
}

void
arena_reset(struct arena *arena)
{
	struct chunk *chunk;

	for (struct deferred *d = arena->deferred; d != NULL; d = d->next)
		d->release(d->object);
	arena->deferred = NULL;
	/* The memory held keys and tokens: nothing of one request stays for the next. */
	while ((chunk = arena->chunks)->next != NULL) {
		arena->chunks = chunk->next;
		OPENSSL_cleanse(chunk->bytes, chunk->used);
		free(chunk);
	}
	OPENSSL_cleanse(chunk->bytes, chunk->used);
	chunk->used = 0;
	arena->used = 0;
}

void
arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	arena_reset(arena);
	free(arena->chunks);
	free(arena);
}
