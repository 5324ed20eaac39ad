/*
 * unicode.h: what the service asks of ICU: which characters a text has, and forms for comparison.
 * None of it depends on a locale.
 */
#pragma once

#include "base/failure.h"

/* NULL when the text shows all that it has, else why not: control characters (C0, C1), line
 * separators, invisible ones (also those that turn the direction of writing) and unassigned
 * ones. The joiners that Arabic and Indic scripts need are fine where they join. */
const char *unicode_text_fault(const char *text);

/* Whether the text has nothing but blanks, or any blank. */
bool unicode_is_blank(const char *text);
bool unicode_has_blank(const char *text);

/* The text for a terminal or in JSON: what does not print is written as \uXXXX, bytes that are
 * no UTF-8 as \u00XX. Characters of `keep` stay. */
const char *unicode_escape(struct arena *arena, const char *text, const char *keep);

/* The form for comparison: Unicode's NFKC_Casefold, in which case, width and invisible
 * characters do not count. */
enum fail unicode_fold(struct task *task, const char *text, const char **out) MUST_CHECK;

/* Whether a domain with other characters than ASCII can be one (IDNA 2008, by UTS 46). */
bool unicode_is_domain(const char *domain);

/* A domain in its form for DNS ("xn--"), or in the one that people see (UTS 46). A domain that is
 * none is only folded. */
enum fail unicode_domain_ascii(struct task *task, const char *domain,
                               const char **out) MUST_CHECK;
enum fail unicode_domain_shown(struct task *task, const char *domain,
                               const char **out) MUST_CHECK;

/* Texts that look alike have the same skeleton (UTS 39), in whatever scripts they are. */
enum fail unicode_skeleton(struct task *task, const char *text, const char **out) MUST_CHECK;
