/* plans_digest.c: a digest of plans.json, by which hosts compare their plans. */
#include "plans/plans_digest.h"

#include <string.h>

#include "base/arena.h"
#include "base/digest.h"

/* Copies JSON without the white space between its tokens; the length of the copy. */
static size_t
copy_tokens(const char *text, size_t length, char *out)
{
	bool in_string = false;
	size_t kept = 0;

	for (size_t i = 0; i < length; i++) {
		if (!in_string && strchr(" \t\r\n", text[i]) != NULL)
			continue;
		out[kept++] = text[i];
		if (text[i] == '"')
			in_string = !in_string;
		else if (in_string && text[i] == '\\' && i + 1 < length)
			out[kept++] = text[++i];
	}
	return kept;
}

const char *
plans_digest(struct arena *arena, const char *text, size_t length)
{
	char *tokens = arena_alloc(arena, length + 1);
	struct sha256 digest = digest_sha256(tokens, copy_tokens(text, length, tokens));

	return hex_encode(arena, digest.bytes, SHA256_SIZE);
}
