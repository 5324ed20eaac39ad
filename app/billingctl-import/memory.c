/* memory.c: what the steps of a dry run would have made: a hash table. */
#include "billingctl-import/memory.h"

#include <string.h>

#include "base/arena.h"

enum { PLACES = 1 << 17 };

static const size_t memory_arena = (size_t)4 * 1024 * 1024 * 1024;

struct entry {
	struct entry *next;
	enum memory_kind kind;
	const char *key;
	const char *value;
};

struct import_memory {
	struct arena *arena;
	struct entry *places[PLACES];
};

struct import_memory *
import_memory_new(void)
{
	struct arena *arena = arena_new(memory_arena);
	struct import_memory *memory = arena_alloc(arena, sizeof(*memory));

	memory->arena = arena;
	return memory;
}

void
import_memory_free(struct import_memory *memory)
{
	if (memory != NULL)
		arena_free(memory->arena);
}

/* FNV-1a. */
static size_t
place_of(enum memory_kind kind, const char *key)
{
	uint64_t hash = UINT64_C(14695981039346656037) + (uint64_t)kind;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
	return (size_t)(hash % PLACES);
}

void
import_remember(struct import *import, enum memory_kind kind, const char *key,
                const char *value)
{
	struct import_memory *memory = import->memory;
	struct entry *entry;

	if (memory == NULL || key == NULL)
		return;
	entry = arena_alloc(memory->arena, sizeof(*entry));
	*entry = (struct entry){.next = memory->places[place_of(kind, key)],
	                        .kind = kind,
	                        .key = arena_copy(memory->arena, key),
	                        .value = arena_copy(memory->arena, value)};
	memory->places[place_of(kind, key)] = entry;
}

const char *
import_recall(const struct import *import, enum memory_kind kind, const char *key)
{
	const struct entry *entry;

	if (import->memory == NULL || key == NULL)
		return NULL;
	for (entry = import->memory->places[place_of(kind, key)]; entry != NULL;
	     entry = entry->next)
		if (entry->kind == kind && strcmp(entry->key, key) == 0)
			return entry->value;
	return NULL;
}

enum fail
import_commit(struct import *import)
{
	if (!import->dry_run)
		return db_commit(import->operation.db, import->operation.task);
	db_rollback_to(import->operation.db, 0);
	return FAIL_NONE;
}
