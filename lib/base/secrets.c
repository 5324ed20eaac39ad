/* secrets.c: keeps secret settings out of processes that do not need them. */
#include "base/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

/* The place of each secret in a memory file, which takes no memory where nothing is written. */
enum { PLACE_SIZE = 128 * 1024, HIDDEN_MAX = 8 };

static int hidden[HIDDEN_MAX];
static size_t hidden_count;

void
process_protect(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

int
secrets_open(void)
{
	int file = memfd_create("secrets", MFD_CLOEXEC);

	if (file >= 0 && fchmod(file, S_IRUSR | S_IWUSR) != 0) {
		close(file);
		return -1;
	}
	return file;
}

static bool
write_text(int file, const char *text, size_t length, size_t place)
{
	return length < PLACE_SIZE &&
	       pwrite(file, text, length, (off_t)(place * PLACE_SIZE)) == (ssize_t)length;
}

/* Replaces the variable NAME by NAME_FILE. */
static bool
hide(const char *name, const char *value)
{
	int file = hidden_count < HIDDEN_MAX ? secrets_open() : -1;
	char variable[64], path[32];

	if (file < 0)
		return false;
	hidden[hidden_count++] = file;
	(void)snprintf(variable, sizeof(variable), "%s_FILE", name);
	(void)snprintf(path, sizeof(path), SECRETS_HIDDEN_PREFIX "%d", file);
	return write_text(file, value, strlen(value), 0) && setenv(variable, path, 1) == 0;
}

bool
secrets_hide(const struct setting *table, unsigned int kept)
{
	for (const struct setting *s = table; s->type != SETTING_STOP; s++) {
		char *value = s->secret == 0 ? NULL : getenv(s->name);

		if (value == NULL)
			continue;
		if ((s->secret & kept) != 0 && !hide(s->name, value))
			return false;
		explicit_bzero(value, strlen(value));
		(void)unsetenv(s->name);
	}
	return true;
}

void
secrets_close_hidden(void)
{
	while (hidden_count > 0)
		close(hidden[--hidden_count]);
}

bool
secrets_write(int file, const struct setting *table, const void *settings)
{
	for (size_t i = 0; table[i].type != SETTING_STOP; i++) {
		const char *const *member =
		        (const void *)((const char *)settings + table[i].offset);

		if (table[i].secret != 0 && !write_text(file, *member, strlen(*member) + 1, i))
			return false;
	}
	return true;
}

/* The text of a place, or NULL. Most are short, so a long buffer is the second try. */
static const char *
read_text(struct arena *arena, int file, size_t place)
{
	static const size_t sizes[] = {1024, PLACE_SIZE};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *text = arena_alloc(arena, sizes[i]);
		ssize_t got = pread(file, text, sizes[i] - 1, (off_t)(place * PLACE_SIZE));

		if (got <= 0)
			return NULL;
		if (memchr(text, '\0', (size_t)got) != NULL)
			return text;
	}
	return NULL;
}

bool
secrets_read(struct arena *arena, int file, const struct setting *table, unsigned int wanted,
             void *settings)
{
	for (size_t i = 0; table[i].type != SETTING_STOP; i++) {
		const char *text;

		if ((table[i].secret & wanted) == 0)
			continue;
		text = read_text(arena, file, i);
		if (text == NULL)
			return false;
		*(const char **)(void *)((char *)settings + table[i].offset) = text;
	}
	return true;
}
