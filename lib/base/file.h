/*
 * file.h: whole files, read and written safely.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/types.h>

#include "base/failure.h"

/* The file's content, NUL-terminated, in the arena. FAIL_UNAVAILABLE "file_unreadable" (the
 * message names the path and the reason), FAIL_TOO_LARGE "file_too_large" beyond `limit` bytes.
 */
enum fail file_read(struct task *task, const char *path, size_t limit, char **out,
                    size_t *length) MUST_CHECK;

/* As file_read(), but refuses a file that others than the owner and the group may read
 * (FAIL_FORBIDDEN "file_too_open"). Trailing newlines are stripped. */
enum fail file_read_secret(struct task *task, const char *path, size_t limit,
                           char **out) MUST_CHECK;

/* Writes to a temporary neighbour, fsyncs, renames; with `replace` false an existing file is
 * FAIL_CONFLICT "file_exists". */
enum fail file_write(struct task *task, const char *path, mode_t mode, const char *data,
                     size_t length, bool replace) MUST_CHECK;

/* What root makes belongs to whoever owns the folder it is made in: a key that root rotated must
 * still be the service's to read. `file` is open on `path`. False with errno; true without root. */
bool file_inherit_owner(struct arena *arena, int file, const char *path) MUST_CHECK;

#endif
