/* token.c: fuzzes licences as they come in, then their parts behind a signature that isn't
 * asked for: header, claims, the conclusion. What is taken must come out of writing and reading
 * unchanged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "licensing/license.h"
#include "licensing/revocations.h"
#include "licensing/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct license *license;

static int64_t
fixed_clock(void *context)
{
	(void)context;
	return 1767225600;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char keys[65536];
	struct license_options options = {
	        .size = sizeof(options), .keys = keys, .now = fixed_clock};
	const char *path = getenv("FUZZ_KEYS");
	FILE *file = path ? fopen(path, "r") : NULL;

	(void)argc, (void)argv;
	if (!file || fread(keys, 1, sizeof(keys) - 1, file) == 0 ||
	    license_open(&options, &license) != LICENSE_OK)
		abort();
	fclose(file);
	return 0;
}

static void
check_claims(struct arena *arena, const char *text)
{
	struct task task = {.arena = arena};
	struct verdict_input input = {.present = true};
	struct verdict_rules rules = {120, 30 * 86400};
	struct clock_mark mark = {0};
	struct license_claims again;
	struct json_view view;
	const char *reason, *written;

	if (json_view_open(&task, text, strlen(text), &view) != FAIL_NONE ||
	    license_claims_read(&task, &view, &input.claims) != FAIL_NONE)
		return;
	(void)verdict_judge(&input, &rules, mark, 1767225600, &reason);
	written = license_claims_write(arena, &input.claims);
	if (json_view_open(&task, written, strlen(written), &view) != FAIL_NONE ||
	    license_claims_read(&task, &view, &again) != FAIL_NONE ||
	    strcmp(written, license_claims_write(arena, &again)) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(64 * 1024 * 1024);
	char *text = arena_copy_bytes(arena, data, size);
	size_t mark = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	enum license_is verdict;

	if (license_try(license, text, &verdict) != LICENSE_OK)
		abort();
	/* The one licence of the corpus that the key signed, also with blanks or a byte order mark. */
	if (verdict != LICENSE_IS_FORGED && verdict != LICENSE_IS_NONE &&
	    strncmp(text + mark + strspn(text + mark, " \t\r\n\v\f"), "eyJ", 3) != 0)
		abort();
	(void)license_set_revocations(license, text);
	check_claims(arena, text);
	arena_free(arena);
	return 0;
}
