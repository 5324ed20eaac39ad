/*
 * license_read.c: reads liblicense's keys, licence and revocation list.
 *
 * The parsers do not handle failed allocations: they run in an arena that leaves them by
 * longjmp().
 */
#include "licensing/license.h"

#include <setjmp.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "licensing/handle.h"

/* Bytes that reading may take. A revocation list grows with the vendor's history. */
enum {
	TOKEN_ARENA_MAX = 1024 * 1024,
	KEYS_ARENA_MAX = 4 * 1024 * 1024,
	LIST_ARENA_MAX = 128 * 1024 * 1024
};

static const char blanks[] = " \t\r\n\v\f";

static void
leave_by_jump(void *context, const char *why)
{
	(void)why;
	longjmp(*(jmp_buf *)context, 1);
}

/* Runs `read`. LICENSE_ERROR_MEMORY, with everything freed, when memory runs out meanwhile. */
static enum license_error
run(struct reading *reading, size_t limit, void (*read)(struct reading *reading))
{
	jmp_buf escape;

	reading->error = LICENSE_ERROR_MEMORY;
	reading->arena = arena_new_with(limit, leave_by_jump, &escape);
	if (reading->arena == NULL)
		return LICENSE_ERROR_MEMORY;
	if (setjmp(escape) != 0)
		reading->error = LICENSE_ERROR_MEMORY;
	else
		read(reading);
	if (reading->error != LICENSE_OK) {
		arena_free(reading->arena);
		reading->arena = NULL;
	}
	return reading->error;
}

/* The text without what an editor may have put before it. */
static const char *
begin(const char *text)
{
	text += text_mark(text, strnlen(text, 3));
	return text + strspn(text, blanks);
}

static void
read_keys(struct reading *reading)
{
	struct keyring *keyring = arena_alloc(reading->arena, sizeof(*keyring));
	struct task task = {.arena = reading->arena};
	const char *text = begin(reading->text);
	enum fail kind;

	keyring->arena = reading->arena;
	license_keys_init_in(&keyring->keys, reading->arena);
	kind = *text == '{' ? license_keys_add_jwks(&task, &keyring->keys, text, strlen(text))
	                    : license_keys_add_pem(&task, &keyring->keys, text);
	/* Out of memory during a key's first use can break the key in OpenSSL for good. */
	if (kind == FAIL_NONE)
		kind = license_keys_warm(&task, &keyring->keys);
	reading->error =
	        kind == FAIL_NONE && keyring->keys.count > 0 ? LICENSE_OK : LICENSE_ERROR_KEYS;
	reading->out = keyring;
}

static bool
is_blank(const char *text)
{
	return text == NULL || *begin(text) == '\0';
}

static void
read_token(struct reading *reading)
{
	struct held_license *made = arena_alloc(reading->arena, sizeof(*made));
	struct verdict_input *input = &made->input;
	struct task task = {.arena = reading->arena};

	made->arena = reading->arena;
	made->payload = "";
	input->present = !is_blank(reading->text);
	if (input->present) {
		size_t length = strnlen(reading->text, TOKEN_ARENA_MAX / 4);

		/* Kept, for license_set_keys(). A longer text is no licence. */
		made->token = arena_copy_bytes(reading->arena, reading->text, length);
		input->signature = license_verify(&task, reading->keys, made->token, 0, 0,
		                                  reading->license->issuer, &input->claims,
		                                  &made->payload);
		made->genuine = input->signature == LICENSE_VALID ||
		                input->signature == LICENSE_EXPIRED ||
		                input->signature == LICENSE_NOT_YET_VALID;
	}
	if (made->genuine)
		made->entitlements = verdict_entitlements(reading->arena, &input->claims);
	reading->error = LICENSE_OK;
	reading->out = made;
}

static void
read_list(struct reading *reading)
{
	struct listing *listing = arena_alloc(reading->arena, sizeof(*listing));
	struct task task = {.arena = reading->arena};
	enum token_verdict verdict;
	const char *text;

	listing->arena = reading->arena;
	text = begin(reading->text);
	text = arena_copy_bytes(reading->arena, text, strcspn(text, blanks));
	verdict = revocations_read(&task, reading->keys, text, 0, 0, reading->license->issuer,
	                           &listing->list);
	/* Its times do not matter: what was revoked stays revoked. */
	reading->error = verdict == LICENSE_VALID || verdict == LICENSE_EXPIRED ||
	                                 verdict == LICENSE_NOT_YET_VALID
	                         ? LICENSE_OK
	                         : LICENSE_ERROR_LIST;
	reading->out = listing;
}

enum license_error
handle_read_keys(struct reading *reading)
{
	return run(reading, KEYS_ARENA_MAX, read_keys);
}

enum license_error
handle_read_license(struct reading *reading)
{
	return run(reading, TOKEN_ARENA_MAX, read_token);
}

enum license_error
handle_read_list(struct reading *reading)
{
	return run(reading, LIST_ARENA_MAX, read_list);
}
