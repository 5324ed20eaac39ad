/*
 * arena_exit.c: arenas whose exhaustion ends the process.
 *
 * Callers cannot go on without memory, and libraries may report success without it. So the
 * process ends, the master starts another, and PostgreSQL rolls back.
 */
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

static void
end_process(void *context, const char *why)
{
	(void)context;
	log_line(LOG_LEVEL_ERROR, why);
	_exit(70);
}

struct arena *
arena_new(size_t limit)
{
	struct arena *arena = arena_new_with(limit, end_process, NULL);

	if (arena == NULL)
		end_process(NULL, "out of memory");
	return arena;
}
