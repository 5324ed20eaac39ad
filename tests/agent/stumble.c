/*
 * stumble.c: preloaded into the agent, makes it fall at the STUMBLE_AT-th thing that it does to a file
 * (write, fsync, rename, unlink), and says so by making the file STUMBLE_MARK.
 *	STUMBLE_HOW=kill   the process is killed just before; of a write half is done
 *	STUMBLE_HOW=full   from then on the disk is full
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int steps;

static void *
real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

enum fate { GOES_ON, DIES, IS_FULL };

/* Counts a step, and tells what becomes of it. */
static enum fate
step(void)
{
	const char *at = getenv("STUMBLE_AT"), *how = getenv("STUMBLE_HOW");
	const char *mark = getenv("STUMBLE_MARK");
	int file;

	if (!at || !how || !mark || ++steps < atoi(at))
		return GOES_ON;
	file = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file >= 0)
		close(file);
	return strcmp(how, "kill") == 0 ? DIES : IS_FULL;
}

static void
die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

ssize_t
write(int file, const void *data, size_t length)
{
	ssize_t (*next)(int, const void *, size_t) =
	        (ssize_t(*)(int, const void *, size_t))real("write");
	struct stat status;
	enum fate fate = GOES_ON;

	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
		fate = step();
	if (fate == IS_FULL) {
		errno = ENOSPC;
		return -1;
	}
	if (fate == DIES) {
		(void)next(file, data, length / 2);
		die();
	}
	return next(file, data, length);
}

int
fsync(int file)
{
	int (*next)(int) = (int (*)(int))real("fsync");

	if (step() == DIES)
		die();
	return next(file);
}

int
rename(const char *from, const char *to)
{
	int (*next)(const char *, const char *) =
	        (int (*)(const char *, const char *))real("rename");

	if (step() == DIES)
		die();
	return next(from, to);
}

int
unlink(const char *path)
{
	int (*next)(const char *) = (int (*)(const char *))real("unlink");

	if (step() == DIES)
		die();
	return next(path);
}
