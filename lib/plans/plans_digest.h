/* plans_digest.h: a digest of plans.json, by which hosts compare their plans. */
#pragma once

#include <stddef.h>

struct arena;

/* SHA-256 of the text without the white space between its tokens, in hex. The order of members counts:
 * it is the order in which plans and features are shown. */
const char *plans_digest(struct arena *arena, const char *text, size_t length);
