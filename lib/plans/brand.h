/* brand.h: the vendor's name, logo, colour and addresses, read from brand.json. */
#pragma once

#include "base/failure.h"
#include "plans/brand_colors.h"

enum { BRAND_NAME_MAX = 80, BRAND_LOGO_MAX = 64 * 1024 };

struct brand {
	const char *name;
	struct brand_colors colors;
	const char *support; /* an e-mail address, or an https:// address; NULL: none */
	const char *website; /* https:// addresses; NULL: none */
	const char *terms;
	const char *privacy;
	const char *logo; /* the file's bytes */
	size_t logo_length;
	const char *logo_type; /* "image/svg+xml" or "image/png" */
};

/* Reads the file, and the logo that it names, whose path counts from the file's folder. FAIL_INVALID
 * "brand_invalid" with file, line and reason. Without a "logo", one is made of the name's first letter.
 * `out` points into the task's arena. */
enum fail brand_load(struct task *task, const char *path, struct brand *out) MUST_CHECK;

/* The brand of a service that has no file. */
void brand_default(struct task *task, struct brand *out);

/* Whether the support address is one of e-mail. */
bool brand_support_is_email(const struct brand *brand);
