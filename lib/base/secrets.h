/*
 * secrets.h: keeps secret settings out of processes that do not need them.
 *
 * A process that starts others moves the secrets of its environment into memory files (memfd_create(2))
 * and reads the other settings only. A child that has read all secrets stores them in one more memory
 * file, from which each further child reads what its work needs.
 */
#pragma once

#include "base/settings.h"

/* From now on other processes of this user cannot read the memory or environment of this one, nor of
 * its children, and a crash leaves no core. Sanitizers need to read it: their builds stay open. */
void process_protect(void);

/*
 * Takes every secret of the table out of the environment. One that belongs to `kept` stays readable:
 * NAME becomes NAME_FILE, the path of a memory file. The old value is wiped, also where /proc shows it.
 * False when there is no memory.
 */
bool secrets_hide(const struct setting *table, unsigned int kept);

/* In a child: closes these files. */
void secrets_close_hidden(void);

/* A new memory file for secrets_write(); -1 when there is no memory. */
int secrets_open(void);

/* Stores the secrets of a settings struct; false when that fails. */
bool secrets_write(int file, const struct setting *table, const void *settings);

/* Sets the `wanted` secrets of a settings struct as they were stored; the strings live in the arena.
 * False when they cannot be read. */
bool secrets_read(struct arena *arena, int file, const struct setting *table,
                  unsigned int wanted, void *settings);
