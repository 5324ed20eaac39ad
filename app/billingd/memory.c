/*
 * memory.c: an allocator that ends the process when there is no memory.
 *
 * Not all libraries survive a NULL (json-c can even answer wrongly with success), so malloc()
 * never returns one: the process ends, the master starts another, and PostgreSQL rolls back.
 * These symbols replace the C library's in the whole process; the sanitizer build is linked
 * without this file.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static void *
or_die(void *memory, size_t size)
{
	static const char line[] = "{\"level\":\"error\",\"message\":\"out of memory\"}\n";

	if (memory != NULL || size == 0)
		return memory;
	(void)!write(STDERR_FILENO, line, sizeof(line) - 1);
	_exit(70);
}

void *
malloc(size_t size)
{
	return or_die(__libc_malloc(size), size);
}

void *
calloc(size_t count, size_t size)
{
	return or_die(__libc_calloc(count, size), count == 0 ? 0 : size);
}

void *
realloc(void *memory, size_t size)
{
	return or_die(__libc_realloc(memory, size), size);
}
