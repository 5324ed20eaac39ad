/*
 * license.c: liblicense's handle: opening it, setting its licence, list and keys, and its
 * clock.
 *
 * It has three locks:
 *	loading	one thread at a time reads a licence, list or keys; owns `keyring`
 *	lock	guards all else in the handle; held for microseconds, never during file access
 *		or an RSA operation
 *	saving	one thread at a time writes the state file; others do not wait for it
 */
#include "licensing/license.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "licensing/handle.h"

/* Seconds by which the clock in the file may be behind, and the default leeway. */
enum { SAVE_EVERY_S = 600, LEEWAY_S = 120 };

enum {
	OPTIONS_SIZE_OLDER = offsetof(struct license_options, instance),
	OPTIONS_SIZE_MAX = 4096
};

static int64_t
system_clock(void *context)
{
	(void)context;
	return clock_now_ms() / SECOND_MS;
}

/* Holds the licence against the list. Under the lock. */
static void
apply_list(struct license *license)
{
	struct verdict_input *input = &license->held->input;

	if (license->listing == NULL || !license->held->genuine)
		return;
	input->revoked = revocations_contains(&license->listing->list, &input->claims);
	input->listed_s = license->listing->list.issued_at_s;
}

static void
write_state(struct license *license, struct clock_mark mark)
{
	struct clock_mark before;
	bool kept;

	/* Another process of the application may have written a newer mark. */
	if (clock_mark_read(license->state_file, &before))
		mark = clock_mark_merge(before, mark);
	kept = clock_mark_write(license->state_file, mark);
	pthread_mutex_lock(&license->lock);
	license->state_kept = kept;
	license->mark = clock_mark_merge(license->mark, mark);
	pthread_mutex_unlock(&license->lock);
}

void
handle_enter(struct license *license)
{
	int64_t now_s = license->now(license->now_context);

	now_s = now_s < 0 ? 0 : now_s > LICENSE_TIME_MAX ? LICENSE_TIME_MAX : now_s;
	pthread_mutex_lock(&license->lock);
	license->now_s = now_s;
	clock_mark_see(&license->mark, license->now_s);
}

void
handle_leave(struct license *license)
{
	struct clock_mark mark = license->mark;
	bool due =
	        license->writes_state && (mark.signed_s != license->saved.signed_s ||
	                                  mark.seen_s - license->saved.seen_s >= SAVE_EVERY_S);

	/* Counts as saved even if writing fails, so that not every call tries a full disk. */
	if (due)
		license->saved = mark;
	pthread_mutex_unlock(&license->lock);
	if (due && pthread_mutex_trylock(&license->saving) == 0) {
		write_state(license, mark);
		pthread_mutex_unlock(&license->saving);
	}
}

enum license_is
handle_judge(const struct license *license, const char **reason)
{
	return verdict_judge(&license->held->input, &license->rules, license->mark,
	                     license->now_s, reason);
}

/* Replaces the licence at hand. */
static void
replace_license(struct license *license, struct held_license *made)
{
	struct held_license *before;

	handle_enter(license);
	before = license->held;
	license->held = made;
	apply_list(license);
	if (made->genuine)
		clock_mark_sign(&license->mark, made->input.claims.issued_at_s);
	clock_mark_see(&license->mark, license->now_s);
	handle_leave(license);
	arena_free(before != NULL ? before->arena : NULL);
}

enum license_error
license_set(struct license *license, const char *token)
{
	struct reading reading = {.license = license, .text = token};

	if (license == NULL)
		return LICENSE_ERROR_ARGUMENT;
	pthread_mutex_lock(&license->loading);
	reading.keys = &license->keyring->keys;
	if (handle_read_license(&reading) == LICENSE_OK)
		replace_license(license, reading.out);
	pthread_mutex_unlock(&license->loading);
	return reading.error;
}

enum license_error
license_try(struct license *license, const char *token, enum license_is *out)
{
	struct reading reading = {.license = license, .text = token};
	struct held_license *tried, *held;
	const char *reason;

	if (license == NULL || out == NULL)
		return LICENSE_ERROR_ARGUMENT;
	pthread_mutex_lock(&license->loading);
	reading.keys = &license->keyring->keys;
	if (handle_read_license(&reading) == LICENSE_OK) {
		tried = reading.out;
		handle_enter(license);
		held = license->held;
		license->held = tried;
		apply_list(license);
		/* Its signed time counts for its own verdict, not for the handle's clock. */
		*out = handle_judge(license, &reason);
		license->held = held;
		handle_leave(license);
		arena_free(reading.arena);
	}
	pthread_mutex_unlock(&license->loading);
	return reading.error;
}

enum license_error
license_set_revocations(struct license *license, const char *token)
{
	struct reading reading = {.license = license, .text = token};
	struct listing *listing, *before;

	if (license == NULL || token == NULL)
		return LICENSE_ERROR_ARGUMENT;
	pthread_mutex_lock(&license->loading);
	reading.keys = &license->keyring->keys;
	if (handle_read_list(&reading) == LICENSE_OK) {
		listing = reading.out;
		handle_enter(license);
		before = license->listing;
		if (before != NULL && revocations_are_older(&listing->list, &before->list)) {
			reading.error = LICENSE_ERROR_OLDER;
			before = listing;
		} else {
			license->listing = listing;
			apply_list(license);
			clock_mark_sign(&license->mark, listing->list.issued_at_s);
			clock_mark_see(&license->mark, license->now_s);
		}
		handle_leave(license);
		arena_free(before != NULL ? before->arena : NULL);
	}
	pthread_mutex_unlock(&license->loading);
	return reading.error;
}

enum license_error
license_set_keys(struct license *license, const char *keys)
{
	struct reading ring = {.license = license, .text = keys};
	struct reading again = {.license = license};
	struct keyring *before;
	enum license_error error;

	if (license == NULL || keys == NULL)
		return LICENSE_ERROR_ARGUMENT;
	pthread_mutex_lock(&license->loading);
	error = handle_read_keys(&ring);
	if (error == LICENSE_OK) {
		again.text = license->held->token;
		again.keys = &((struct keyring *)ring.out)->keys;
		error = handle_read_license(&again);
		if (error != LICENSE_OK)
			arena_free(ring.arena);
	}
	if (error == LICENSE_OK) {
		before = license->keyring;
		license->keyring = ring.out;
		replace_license(license, again.out);
		arena_free(before->arena);
	}
	pthread_mutex_unlock(&license->loading);
	return error;
}

/* Copies the options. Older ones end before `instance`; those of a later version are accepted when
 * their unknown members are all zero. */
static bool
options_read(const struct license_options *options, struct license_options *out)
{
	const unsigned char *bytes = (const unsigned char *)options;

	if (options == NULL || options->size > OPTIONS_SIZE_MAX ||
	    (options->size < sizeof(*out) && options->size != OPTIONS_SIZE_OLDER))
		return false;
	*out = (struct license_options){0};
	memcpy(out, options, options->size < sizeof(*out) ? options->size : sizeof(*out));
	if (out->keys == NULL || out->leeway_s < 0 || out->grace_days < 0 ||
	    out->leeway_s > LICENSE_TIME_MAX || out->grace_days > 36500)
		return false;
	for (size_t i = sizeof(*out); i < options->size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool
copy_text(const char *text, char **out)
{
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL;
}

static enum license_error
fill(struct license *license, const struct license_options *options)
{
	struct reading ring = {.license = license, .text = options->keys};
	struct reading none = {.license = license};

	license->rules.leeway_s = options->leeway_s > 0 ? options->leeway_s : LEEWAY_S;
	license->rules.grace_s = options->grace_days * (DAY_MS / SECOND_MS);
	license->now = options->now != NULL ? options->now : system_clock;
	license->now_context = options->now_context;
	license->writes_state = options->state_file != NULL && !options->state_is_read_only;
	/* A clock of the caller's own may show any time, as in tests. */
	license->rules.floor_s = options->now == NULL ? license_build_date_s : 0;
	license->state_kept = true;
	if (!copy_text(options->issuer, &license->issuer) ||
	    !copy_text(options->state_file, &license->state_file) ||
	    !copy_text(options->instance, &license->instance))
		return LICENSE_ERROR_MEMORY;
	license->rules.instance = license->instance;
	if (handle_read_keys(&ring) != LICENSE_OK)
		return ring.error;
	license->keyring = ring.out;
	if (handle_read_license(&none) != LICENSE_OK)
		return none.error;
	license->held = none.out;
	if (license->state_file != NULL)
		(void)clock_mark_read(license->state_file, &license->mark);
	license->saved = license->mark;
	return LICENSE_OK;
}

static void
release(struct license *license)
{
	arena_free(license->held != NULL ? license->held->arena : NULL);
	arena_free(license->listing != NULL ? license->listing->arena : NULL);
	arena_free(license->keyring != NULL ? license->keyring->arena : NULL);
	pthread_mutex_destroy(&license->saving);
	pthread_mutex_destroy(&license->lock);
	pthread_mutex_destroy(&license->loading);
	free(license->instance);
	free(license->state_file);
	free(license->issuer);
	free(license);
}

enum license_error
license_open(const struct license_options *options, struct license **out)
{
	struct license_options known;
	struct license *license;
	enum license_error error;

	if (out == NULL)
		return LICENSE_ERROR_ARGUMENT;
	*out = NULL;
	if (!options_read(options, &known))
		return LICENSE_ERROR_ARGUMENT;
	license = calloc(1, sizeof(*license));
	if (license == NULL)
		return LICENSE_ERROR_MEMORY;
	/* With default attributes these never fail in glibc. */
	pthread_mutex_init(&license->loading, NULL);
	pthread_mutex_init(&license->lock, NULL);
	pthread_mutex_init(&license->saving, NULL);
	error = fill(license, &known);
	if (error != LICENSE_OK)
		release(license);
	else
		*out = license;
	return error;
}

void
license_close(struct license *license)
{
	if (license == NULL)
		return;
	if (license->writes_state && license->mark.seen_s != license->saved.seen_s)
		write_state(license, license->mark);
	release(license);
}
