/*
 * fault.c: preloaded into the agent, makes step FAULT_AT that it takes on a file (write, fsync,
 * rename, unlink) fail, and creates the file FAULT_MARK then.
 *	FAULT_HOW=kill   the process is killed before the step; a write is done by half
 *	FAULT_HOW=full   from that step on the disk is full
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

enum fault { NO_FAULT, KILL, DISK_FULL };

/* Counts a step and decides whether it fails. */
static enum fault
step(void)
{
	const char *at = getenv("FAULT_AT"), *how = getenv("FAULT_HOW");
	const char *mark = getenv("FAULT_MARK");
	int file;

	if (at == NULL || how == NULL || mark == NULL || ++steps < atoi(at))
		return NO_FAULT;
	file = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file >= 0)
		close(file);
	return strcmp(how, "kill") == 0 ? KILL : DISK_FULL;
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
	enum fault fault = NO_FAULT;

	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
		fault = step();
	if (fault == DISK_FULL) {
		errno = ENOSPC;
		return -1;
	}
	if (fault == KILL) {
		(void)next(file, data, length / 2);
		die();
	}
	return next(file, data, length);
}

int
fsync(int file)
{
	int (*next)(int) = (int (*)(int))real("fsync");

	if (step() == KILL)
		die();
	return next(file);
}

int
rename(const char *from, const char *to)
{
	int (*next)(const char *, const char *) =
	        (int (*)(const char *, const char *))real("rename");

	if (step() == KILL)
		die();
	return next(from, to);
}

int
unlink(const char *path)
{
	int (*next)(const char *) = (int (*)(const char *))real("unlink");

	if (step() == KILL)
		die();
	return next(path);
}
