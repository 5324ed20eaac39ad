/*
 * reminders.h: writes events ahead of the ends of trials, contracts and licences, on certain days before.
 *
 * An object with an end has a row with the time of the next look; triggers of the database make it when the
 * object is stored or changed (migration 34). When several of the days have passed already, an event is
 * written for the last of them alone. When an end changes, events are written for its days anew.
 */
#pragma once

#include "events/event_keys.h"

extern const struct statement_list reminder_statements;

struct reminder {
	const char *kind; /* "trial", "contract" or "license" */
	const char *customer_id;
	const char *subject;
	struct instant start; /* no event is written for what became due before */
};

/* Numbers of days before an end, the greatest first; 0: the end itself. */
struct reminder_days {
	const int64_t *days;
	size_t count;
};

enum { REMINDER_NONE = -1 };

/* An object's end. */
struct reminder_end {
	struct instant since; /* when this end was set */
	struct instant at;
};

/* The number of days before the end for which an event is to be written now, or REMINDER_NONE. `*next` is
 * when the next number becomes due; unknown: none does. Days that had passed when the end was set are left
 * out. */
int64_t reminder_judge(const struct reminder_days *days, const struct reminder_end *end,
                       int64_t now_ms, struct instant *next);

/* As reminder_judge(), but REMINDER_NONE when an event for this number of days before this end, or a
 * smaller one, was written before. Records in the caller's transaction that it is written now. */
enum fail reminder_take(struct operation *operation, const struct reminder *reminder,
                        const struct reminder_days *days, struct reminder_end end, int64_t *out,
                        struct instant *next) MUST_CHECK;

/* The object's JSON text with the member "days_left": days until its end, each begun one counts. */
const char *reminder_data(const struct operation *operation, const char *object,
                          struct instant end);

/* Looks at an object, writes its event, and says when to look again; unknown: not before it changes. */
typedef enum fail reminder_look(struct operation *operation, const struct reminder *reminder,
                                struct instant *next);

/* A job: notices that the clock was set back by more than an hour, and has all objects looked at anew. */
enum fail reminders_watch_clock(struct operation *operation, int64_t *done) MUST_CHECK;

struct reminder_figures {
	struct instant overdue_since; /* the oldest look that is due; unknown: none is */
};

enum fail reminder_figures(struct operation *operation,
                           struct reminder_figures *out) MUST_CHECK;

/* A step of a job: looks at the objects of one kind that are due; `*done` counts them. */
enum fail reminders_run(struct operation *operation, const char *kind, reminder_look *look,
                        int64_t *done) MUST_CHECK;
