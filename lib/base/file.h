/* file.h: whole files, read and written safely. */
#pragma once

#include <sys/types.h>

#include "base/failure.h"

/* The file's content, NUL-terminated, in the arena. FAIL_UNAVAILABLE "file_unreadable" (the
 * message names the path and the reason), FAIL_TOO_LARGE "file_too_large" beyond `limit`
 * bytes, FAIL_INVALID "file_not_utf8" for UTF-16. A byte order mark in front is left out. */
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

/* The names of the folder's files that end in `suffix` (".pem") and do not begin with a dot,
 * sorted. FAIL_UNAVAILABLE "file_unreadable" with errno set. */
enum fail file_list(struct task *task, const char *folder, const char *suffix,
                    const char *const **names, size_t *count) MUST_CHECK;

/* FAIL_UNAVAILABLE "file_unreadable" and "file_unwritable"; `error` is errno's. */
enum fail file_unreadable(struct task *task, const char *path, int error);
enum fail file_unwritable(struct task *task, const char *path, int error);

/* Gives a file that root has made, open as `file`, to the owner of its folder, so that the
 * service can read a key that root rotated. False with errno; true for other users. */
bool file_inherit_owner(struct arena *arena, int file, const char *path) MUST_CHECK;
