/*
 * log.h: one JSON object a line on stderr.
 *
 * Values are escaped, so no input can forge a line. Callers pass ids only: never secrets, never
 * personal data.
 */
#pragma once

#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

enum log_type { LOG_END, LOG_TEXT, LOG_NUMBER, LOG_MILLISECONDS };

/* One member of a line. LOG_MILLISECONDS takes microseconds and prints milliseconds. */
struct log_member {
	enum log_type type;
	const char *name;
	const char *text; /* NULL leaves the member out */
	int64_t number;
};

#define LOG_S(name_, value_)                                                                   \
	((struct log_member){.type = LOG_TEXT, .name = (name_), .text = (value_)})
#define LOG_I(name_, value_)                                                                   \
	((struct log_member){.type = LOG_NUMBER, .name = (name_), .number = (int64_t)(value_)})
#define LOG_MS(name_, micros_)                                                                 \
	((struct log_member){.type = LOG_MILLISECONDS, .name = (name_), .number = (micros_)})

/* Writes {"time":...,"level":...,"message":...,members...} in one write(2). */
void log_write(enum log_level level, const char *message, const struct log_member *members);

/* log_line(LOG_LEVEL_INFO, "worker started", LOG_I("pid", pid)); */
#define log_line(level_, ...)                                                                  \
	LOG_LINE_(level_, __VA_ARGS__, (struct log_member){.type = LOG_END})
#define LOG_LINE_(level_, message_, ...)                                                       \
	log_write(level_, message_, (const struct log_member[]){__VA_ARGS__})

/* Lines above this level are dropped. Set once at start. */
void log_set_level(enum log_level level);

/* As log_set_level(), by one of log_level_names: "error", "warning", "info", "debug", NULL. */
void log_set_level_named(const char *name);
extern const char *const log_level_names[];
