/* file.c: whole files; a reader sees the old content or the new one, also after a crash. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/text.h"

enum fail
file_unreadable(struct task *task, const char *path, int error)
{
	return task_fail(task, FAIL_UNAVAILABLE, "file_unreadable", "%s cannot be read: %s.",
	                 path, strerror(error));
}

enum fail
file_unwritable(struct task *task, const char *path, int error)
{
	return task_fail(task, FAIL_UNAVAILABLE, "file_unwritable", "%s cannot be written: %s.",
	                 path, strerror(error));
}

/* Reads to the end: the file may grow meanwhile, or be a pipe. */
static enum fail
read_all(struct task *task, int file, const char *path, size_t limit, struct text *content)
{
	char block[8192];

	for (;;) {
		ssize_t got = read(file, block, sizeof(block));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_unreadable(task, path, errno);
		if (got == 0)
			return FAIL_NONE;
		if ((size_t)got > limit - content->length)
			return task_fail(task, FAIL_TOO_LARGE, "file_too_large",
			                 "%s is larger than %zu bytes.", path, limit);
		text_add_bytes(content, block, (size_t)got);
		explicit_bzero(block, (size_t)got); /* it may be a secret */
	}
}

static enum fail
read_file(struct task *task, const char *path, size_t limit, mode_t forbidden,
          struct text *content)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	enum fail kind;

	if (file < 0)
		return file_unreadable(task, path, errno);
	if (fstat(file, &status) != 0) {
		kind = file_unreadable(task, path, errno);
	} else if (status.st_mode & forbidden) {
		kind = task_fail(task, FAIL_FORBIDDEN, "file_too_open",
		                 "%s is open to every user of this machine (run: chmod o= %s).",
		                 path, path);
	} else {
		*content = text_new(task->arena, 1024);
		kind = read_all(task, file, path, limit, content);
	}
	close(file);
	return kind;
}

/* Reads a text and takes the byte order mark from its beginning. */
static enum fail
read_text(struct task *task, const char *path, size_t limit, mode_t forbidden,
          struct text *content)
{
	size_t mark;

	TRY(read_file(task, path, limit, forbidden, content));
	if (text_is_utf16(content->data, content->length))
		return task_fail(task, FAIL_INVALID, "file_not_utf8",
		                 "%s is UTF-16, and must be UTF-8.", path);
	mark = text_mark(content->data, content->length);
	content->data += mark;
	content->length -= mark;
	return FAIL_NONE;
}

enum fail
file_read(struct task *task, const char *path, size_t limit, char **out, size_t *length)
{
	struct text content = {0};

	TRY(read_text(task, path, limit, 0, &content));
	*out = content.data;
	*length = content.length;
	return FAIL_NONE;
}

enum fail
file_read_secret(struct task *task, const char *path, size_t limit, char **out)
{
	struct text content = {0};

	TRY(read_text(task, path, limit, S_IRWXO, &content));
	*out = content.data;
	while (*out != NULL && content.length > 0 && strchr("\r\n", (*out)[content.length - 1]))
		(*out)[--content.length] = '\0';
	return FAIL_NONE;
}

static bool
write_all(int file, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(file, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		data += written;
		length -= (size_t)written;
	}
	return true;
}

/* The folder that the path stands in. */
static const char *
directory_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return ".";
	return arena_copy_bytes(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

bool
file_inherit_owner(struct arena *arena, int file, const char *path)
{
	struct stat folder;

	if (geteuid() != 0)
		return true;
	return stat(directory_of(arena, path), &folder) == 0 &&
	       fchown(file, folder.st_uid, folder.st_gid) == 0;
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

enum fail
file_list(struct task *task, const char *folder, const char *suffix, const char *const **out,
          size_t *out_count)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_visible, alphasort);
	const char **names;

	if (count < 0)
		return file_unreadable(task, folder, errno);
	names = arena_array(task->arena, (size_t)count, sizeof(*names));
	*out = names;
	*out_count = 0;
	for (int i = 0; i < count; i++) {
		const char *dot = strrchr(entries[i]->d_name, '.');

		if (dot != NULL && strcmp(dot, suffix) == 0)
			names[(*out_count)++] = arena_copy(task->arena, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return FAIL_NONE;
}

/* A new file with exactly this mode, on the disk when this returns. */
static enum fail
write_new(struct task *task, const char *path, mode_t mode, const char *data, size_t length)
{
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int error = 0;

	if (file < 0)
		return file_unwritable(task, path, errno);
	if (!file_inherit_owner(task->arena, file, path) || !write_all(file, data, length) ||
	    fchmod(file, mode) != 0 || fsync(file) != 0)
		error = errno;
	if (close(file) != 0 && error == 0)
		error = errno;
	if (error == 0)
		return FAIL_NONE;
	unlink(path);
	return file_unwritable(task, path, error);
}

/* A rename survives a crash only once the directory is on the disk too. */
static enum fail
sync_directory_of(struct task *task, const char *path)
{
	const char *directory = directory_of(task->arena, path);
	int file, error = 0;

	file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file < 0)
		return file_unwritable(task, directory, errno);
	/* Some file systems cannot sync a directory and say EINVAL. */
	if (fsync(file) != 0 && errno != EINVAL)
		error = errno;
	close(file);
	return error == 0 ? FAIL_NONE : file_unwritable(task, directory, error);
}

enum fail
file_write(struct task *task, const char *path, mode_t mode, const char *data, size_t length,
           bool replace)
{
	const char *beside =
	        arena_printf(task->arena, "%s.%s", path, random_id(task->arena, "new-", 6));
	int error = 0;

	TRY(write_new(task, beside, mode, data, length));
	/* link() refuses an existing name, rename() replaces it. */
	if (replace ? rename(beside, path) : link(beside, path))
		error = errno;
	if (error || !replace)
		unlink(beside);
	if (error == EEXIST)
		return task_fail(task, FAIL_CONFLICT, "file_exists", "%s exists already.",
		                 path);
	if (error)
		return file_unwritable(task, path, error);
	return sync_directory_of(task, path);
}
