/*
 * address.c: e-mail addresses: their form, the key by which they compare, and what a trial is
 * counted by.
 */
#include "billing/address.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/unicode.h"

/* The joiners, which change how a name looks, but make no other address. */
static bool
has_joiner(const char *email)
{
	return strstr(email, "\xe2\x80\x8c") != NULL || strstr(email, "\xe2\x80\x8d") != NULL;
}

static bool
is_domain(const char *domain)
{
	if (strchr(domain, '.') == NULL || *domain == '.' || strstr(domain, "..") != NULL ||
	    domain[strlen(domain) - 1] == '.' || *domain == '-')
		return false;
	return text_is_ascii(domain) || unicode_is_domain(domain);
}

/* One @, a local part of 64 bytes at most, a domain with a dot. It does not tell whether the
 * address exists. */
const char *
address_check(const char *email)
{
	const char *at = strrchr(email, '@');
	const char *fault;

	if (at == NULL || at == email || at - email > 64 || strchr(email, '@') != at)
		return "must be an e-mail address";
	if (strpbrk(email, "\"(),:;<>[]\\") != NULL || unicode_has_blank(email) ||
	    has_joiner(email))
		return "must be an e-mail address";
	fault = unicode_text_fault(email);
	if (fault != NULL)
		return fault;
	return is_domain(at + 1) ? NULL : "must be an e-mail address";
}

/* The folded part before the @, and the domain as DNS has it; a text without @ has no domain. */
static enum fail
split(struct task *task, const char *email, const char **local, const char **domain)
{
	const char *at = strrchr(email, '@');
	size_t length = at == NULL ? strlen(email) : (size_t)(at - email);

	TRY(unicode_fold(task, arena_copy_bytes(task->arena, email, length), local));
	*domain = "";
	return at == NULL ? FAIL_NONE : unicode_domain_ascii(task, at + 1, domain);
}

enum fail
address_key(struct task *task, const char *email, const char **out)
{
	const char *local, *domain;

	TRY(split(task, email, &local, &domain));
	*out = arena_printf(task->arena, "%s@%s", local, domain);
	return FAIL_NONE;
}

static bool
is_gmail(const char *domain)
{
	return text_equal(domain, "gmail.com") || text_equal(domain, "googlemail.com");
}

/* The person's part of a local part: without what follows a +, and without dots at Gmail. */
static const char *
person_of(struct arena *arena, const char *local, const char *domain)
{
	size_t length = strcspn(local, "+");
	struct text person = text_new(arena, length);

	for (size_t i = 0; i < length; i++)
		if (local[i] != '.' || !is_gmail(domain))
			text_add_char(&person, local[i]);
	return person.data;
}

static struct sha256
digest_of(struct task *task, const char *person, const char *domain)
{
	const char *whole = arena_printf(task->arena, "%s@%s", person, domain);

	return digest_sha256(whole, strlen(whole));
}

enum fail
address_read(struct task *task, const char *email, struct address *out)
{
	const char *local, *domain, *person, *shown, *skeleton;

	TRY(split(task, email, &local, &domain));
	person = person_of(task->arena, local, domain);
	if (is_gmail(domain))
		domain = "gmail.com";
	TRY(unicode_domain_shown(task, domain, &shown));
	TRY(unicode_skeleton(task, arena_printf(task->arena, "%s@%s", person, shown),
	                     &skeleton));
	*out = (struct address){
	        .trial = digest_of(task, person, domain),
	        .skeleton = digest_sha256(skeleton, strlen(skeleton)),
	        .plain = text_is_ascii(person) && text_is_ascii(shown),
	};
	return address_key(task, email, &out->key);
}
