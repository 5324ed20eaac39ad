/* notify.c: waits for NOTIFY. */
#include <poll.h>

#include "base/arena.h"
#include "db/internal.h"

enum fail
db_listen(struct db *db, struct task *task, const char *channel)
{
	if (!db->options.prepared)
		return FAIL_NONE;
	TRY(db_connect(db, task));
	return db_command(db, task, arena_printf(task->arena, "LISTEN %s", channel), "LISTEN");
}

static bool
take_notifications(struct db *db)
{
	bool any = false;
	PGnotify *notification;

	while ((notification = PQnotifies(db->connection)) != NULL) {
		PQfreemem(notification);
		any = true;
	}
	return any;
}

void
db_sleep(struct db *db, int64_t timeout_ms, const sigset_t *signals)
{
	struct timespec pause = {.tv_sec = timeout_ms / 1000,
	                         .tv_nsec = timeout_ms % 1000 * 1000000};
	struct pollfd ready = {.fd = -1, .events = POLLIN};

	if (db->connection != NULL) {
		/* A notification came with an earlier answer: only signals are let in. */
		if (take_notifications(db))
			pause = (struct timespec){0};
		ready.fd = PQsocket(db->connection);
	}
	if (ppoll(&ready, 1, &pause, signals) <= 0 || db->connection == NULL)
		return;
	if (PQconsumeInput(db->connection) == 0)
		db_disconnect(db);
	else
		(void)take_notifications(db);
}
