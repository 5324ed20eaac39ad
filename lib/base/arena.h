/*
 * arena.h: memory that lives as long as one piece of work, released all at once.
 *
 * A worker owns one arena and resets it after each request, so nothing on the request path is
 * freed by hand. Objects of other libraries are tied to it with arena_defer().
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* A new arena that may grow to `limit` bytes. Never NULL: exhaustion ends the process. */
struct arena *arena_new(size_t limit);

/* A new arena for code that must not end its process. On exhaustion it calls `give_up`, which
 * must leave by longjmp() and may then free the arena. NULL when there is no memory for it. The
 * code must tie objects of other libraries to the arena, or hold them across no call that
 * allocates from it. */
struct arena *arena_new_with(size_t limit, void (*give_up)(void *context, const char *why),
                             void *context);

/* Does as exhaustion does, for another reason why the work cannot go on. */
void arena_give_up(struct arena *arena, const char *why) __attribute__((noreturn));

/* Runs the deferred calls in reverse order, then wipes and frees all but the first chunk. */
void arena_reset(struct arena *arena);

/* arena_reset(), then the arena itself is freed. NULL is allowed. */
void arena_free(struct arena *arena);

/* `size` zeroed bytes, aligned for any type, valid until the reset. Never NULL: past the limit,
 * or out of memory, a line is logged and the process exits (the master starts another). */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));

/* An array of `count` zeroed items of `size` bytes; an overflow is exhaustion. */
void *arena_array(struct arena *arena, size_t count, size_t size)
        __attribute__((returns_nonnull));

/* A copy of the string, or of its first `length` bytes followed by a NUL. */
char *arena_copy(struct arena *arena, const char *string) __attribute__((returns_nonnull));
char *arena_copy_bytes(struct arena *arena, const void *bytes, size_t length)
        __attribute__((returns_nonnull));

/* A formatted string, as asprintf(). */
char *arena_printf(struct arena *arena, const char *format, ...)
        __attribute__((format(printf, 2, 3), returns_nonnull));
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
        __attribute__((format(printf, 2, 0), returns_nonnull));

/* Calls release(object) at the reset, or at once when the arena is exhausted. For objects that
 * another library allocated. */
void arena_defer(struct arena *arena, void (*release)(void *), void *object);
