/* names.c: how a message names a customer: without words that a mail program makes a link of. */
#include "notices/names.h"

#include <string.h>

#include "base/arena.h"
#include "billing/unicode.h"

/* The full stop of Chinese and Japanese, which browsers take for a dot. */
#define IDEOGRAPHIC_STOP "\xe3\x80\x82"

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* A dot within a word, with two letters or more behind it, as in "acme.example". Abbreviations have one letter
 * between their dots. */
static bool
has_domain(const char *text)
{
	for (const char *dot = strchr(text, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		bool behind_word = dot > text && (is_letter(dot[-1]) || dot[-1] == '-' ||
		                                  (dot[-1] >= '0' && dot[-1] <= '9'));

		if (behind_word && is_letter(dot[1]) && is_letter(dot[2]))
			return true;
	}
	return false;
}

/* The folded form has plain letters and dots where the text has wide ones. */
static bool
is_harmless(struct task *task, const char *name)
{
	struct task attempt = task_attempt(task);
	const char *text;

	return unicode_fold(&attempt, name, &text) == FAIL_NONE &&
	       strstr(text, "://") == NULL && strchr(text, '@') == NULL &&
	       strstr(text, IDEOGRAPHIC_STOP) == NULL && !has_domain(text);
}

const char *
notice_name(struct task *task, const char *company_name, const char *email)
{
	const char *at, *plus;

	if (company_name != NULL && is_harmless(task, company_name))
		return company_name;
	at = email == NULL ? NULL : strrchr(email, '@');
	plus = email == NULL ? NULL : strchr(email, '+');
	if (at == NULL || plus == NULL || plus == email || plus > at)
		return email;
	return arena_printf(task->arena, "%.*s%s", (int)(plus - email), email, at);
}
