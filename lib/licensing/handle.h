/* handle.h: the inside of liblicense's `struct license`, which license.c and license_read.c
 * fill and guards.c reads. */
#pragma once

#include <pthread.h>

#include "licensing/revocations.h"
#include "licensing/verdict.h"

/* Keys, licence and list each have an arena of their own and are replaced as a whole. */
struct keyring {
	struct arena *arena;
	struct license_keys keys;
};

struct held_license {
	struct arena *arena;
	const char *token; /* as it was given; NULL: none */
	struct verdict_input input;
	bool genuine;             /* signed by the keys, for the issuer; it may have expired */
	const char *payload;      /* the claims as JSON; "" unless the signature held */
	const char *entitlements; /* features and limits as JSON; NULL unless it is genuine */
};

struct listing {
	struct arena *arena;
	struct revocations list;
};

/* The day on which this library was built, in seconds; see build_date.c. */
extern const int64_t license_build_date_s;

struct license {
	pthread_mutex_t loading, lock, saving;
	char *issuer;
	char *state_file;
	char *instance;
	bool writes_state;
	struct verdict_rules rules;
	int64_t (*now)(void *context);
	void *now_context;
	struct keyring *keyring;
	/* Under `lock`. */
	struct held_license *held; /* never NULL */
	struct listing *listing;
	struct clock_mark mark;
	struct clock_mark saved; /* the mark of the last attempt to write */
	bool state_kept;
	int64_t now_s; /* at handle_enter() */
};

/* Takes the lock and reads the clock. Every handle_enter() needs a handle_leave(), which
 * releases the lock and writes the state file when that is due. */
void handle_enter(struct license *license);
void handle_leave(struct license *license);

/* The verdict, between the two. */
enum license_is handle_judge(const struct license *license, const char **reason);

/* A text to read, with the keys that must have signed it, and what it becomes in an arena of its own. */
struct reading {
	struct license *license;
	const struct license_keys *keys;
	const char *text;
	struct arena *arena;
	enum license_error error;
	void *out; /* in the arena */
};

/* Read the text: `out` becomes a struct keyring, held_license or listing. A blank text is no licence, which
 * is no error. LICENSE_ERROR_MEMORY, with everything freed, when memory runs out; LICENSE_ERROR_KEYS,
 * LICENSE_ERROR_LIST. */
enum license_error handle_read_keys(struct reading *reading);
enum license_error handle_read_license(struct reading *reading);
enum license_error handle_read_list(struct reading *reading);
