/* unicode.c: what the service asks of ICU: which characters a text has, and forms for comparison. */
#include "billing/unicode.h"

#include <string.h>

#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

#include "base/arena.h"
#include "base/text.h"

enum { JOINER_NON = 0x200c, JOINER = 0x200d, VIRAMA = 9, BLANK_BRAILLE = 0x2800 };

/* The character at *at, which moves behind it; negative for bytes that are no UTF-8. */
static UChar32
next_character(const char *text, int32_t *at)
{
	const uint8_t *bytes = (const uint8_t *)text;
	UChar32 c;

	U8_NEXT(bytes, *at, -1, c);
	return c;
}

/* The character before `at`; 0 at the start. */
static UChar32
character_before(const char *text, int32_t at)
{
	const uint8_t *bytes = (const uint8_t *)text;
	UChar32 c = 0;

	if (at > 0)
		U8_PREV(bytes, 0, at, c);
	return c;
}

static bool
joins(UChar32 c, UJoiningType one_side)
{
	int32_t type = u_getIntPropertyValue(c, UCHAR_JOINING_TYPE);

	return type == U_JT_DUAL_JOINING || type == (int32_t)one_side;
}

/* Whether a joiner at `at` changes how its neighbours look (RFC 5892, appendix A). `after` is
 * behind it. */
static bool
is_joiner_in_place(const char *text, int32_t at, int32_t after)
{
	UChar32 before = character_before(text, at);

	if (u_getCombiningClass(before) == VIRAMA)
		return true;
	return text[after] != '\0' && joins(before, U_JT_LEFT_JOINING) &&
	       joins(next_character(text, &after), U_JT_RIGHT_JOINING);
}

static bool
is_control(UChar32 c)
{
	int8_t type = u_charType(c);

	return type == U_CONTROL_CHAR || type == U_LINE_SEPARATOR ||
	       type == U_PARAGRAPH_SEPARATOR;
}

static bool
is_invisible(UChar32 c)
{
	int8_t type = u_charType(c);

	return type == U_FORMAT_CHAR || type == U_UNASSIGNED ||
	       u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

const char *
unicode_text_fault(const char *text)
{
	int32_t at = 0, start;

	while (text[start = at] != '\0') {
		UChar32 c = next_character(text, &at);

		if (c < 0 || is_control(c))
			return "must not have control characters";
		if ((c == JOINER_NON || c == JOINER) && is_joiner_in_place(text, start, at))
			continue;
		if (is_invisible(c))
			return "must not have invisible or unassigned characters";
	}
	return NULL;
}

static bool
is_blank(UChar32 c)
{
	return c == BLANK_BRAILLE || u_hasBinaryProperty(c, UCHAR_WHITE_SPACE);
}

bool
unicode_is_blank(const char *text)
{
	int32_t at = 0;

	while (text[at] != '\0')
		if (!is_blank(next_character(text, &at)))
			return false;
	return true;
}

bool
unicode_has_blank(const char *text)
{
	int32_t at = 0;

	while (text[at] != '\0')
		if (is_blank(next_character(text, &at)))
			return true;
	return false;
}

static bool
prints(UChar32 c)
{
	return c >= 0 && !is_control(c) && !is_invisible(c) &&
	       u_charType(c) != U_PRIVATE_USE_CHAR;
}

/* As in JSON: a pair of surrogates for what has no four digits. */
static void
add_escaped(struct text *out, UChar32 c)
{
	if (U_IS_BMP(c))
		text_printf(out, "\\u%04x", (unsigned int)c);
	else
		text_printf(out, "\\u%04x\\u%04x", (unsigned int)U16_LEAD(c),
		            (unsigned int)U16_TRAIL(c));
}

const char *
unicode_escape(struct arena *arena, const char *text, const char *keep)
{
	struct text out = text_new(arena, strlen(text) + 16);
	int32_t at = 0, start;

	while (text[start = at] != '\0') {
		UChar32 c = next_character(text, &at);

		if (prints(c) || strchr(keep, text[start]) != NULL)
			text_add_bytes(&out, text + start, (size_t)(at - start));
		else if (c >= 0)
			add_escaped(&out, c);
		else
			for (; start < at; start++)
				add_escaped(&out, (unsigned char)text[start]);
	}
	return out.data;
}

static enum fail
unicode_failed(struct task *task, UErrorCode status)
{
	return task_fail(task, FAIL_INTERNAL, "internal_error", "ICU: %s.",
	                 u_errorName(status));
}

/* One character of UTF-8 may become 18 of UTF-16 (NFKC), and each of these up to 3 bytes. */
enum { GROWTH_UTF16 = 18, GROWTH_UTF8 = 3 };

enum fail
unicode_fold(struct task *task, const char *text, const char **out)
{
	size_t room = strlen(text) + 1, grown = room * GROWTH_UTF16;
	UChar *wide = arena_array(task->arena, room, sizeof(*wide));
	UChar *folded = arena_array(task->arena, grown, sizeof(*folded));
	char *narrow = arena_alloc(task->arena, grown * GROWTH_UTF8);
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *form = unorm2_getNFKCCasefoldInstance(&status);
	int32_t length;

	(void)u_strFromUTF8(wide, (int32_t)room, &length, text, -1, &status);
	length = unorm2_normalize(form, wide, length, folded, (int32_t)grown, &status);
	(void)u_strToUTF8(narrow, (int32_t)(grown * GROWTH_UTF8), NULL, folded, length,
	                  &status);
	if (U_FAILURE(status))
		return unicode_failed(task, status);
	*out = narrow;
	return FAIL_NONE;
}

typedef int32_t domain_form(const UIDNA *, const char *, int32_t, char *, int32_t, UIDNAInfo *,
                            UErrorCode *);

/* Longer than any name of DNS. */
enum { DOMAIN_ROOM = 1024 };

static bool
convert_domain(domain_form *convert, const char *domain, char out[DOMAIN_ROOM])
{
	UErrorCode status = U_ZERO_ERROR;
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	UIDNA *idna = uidna_openUTS46(
	        UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE, &status);

	(void)convert(idna, domain, -1, out, DOMAIN_ROOM, &info, &status);
	uidna_close(idna);
	return U_SUCCESS(status) && status != U_STRING_NOT_TERMINATED_WARNING &&
	       info.errors == 0;
}

bool
unicode_is_domain(const char *domain)
{
	char converted[DOMAIN_ROOM];

	return convert_domain(uidna_nameToASCII_UTF8, domain, converted);
}

static enum fail
convert_or_fold(struct task *task, domain_form *convert, const char *domain, const char **out)
{
	char *converted = arena_alloc(task->arena, DOMAIN_ROOM);

	*out = converted;
	return convert_domain(convert, domain, converted) ? FAIL_NONE
	                                                  : unicode_fold(task, domain, out);
}

enum fail
unicode_domain_ascii(struct task *task, const char *domain, const char **out)
{
	return convert_or_fold(task, uidna_nameToASCII_UTF8, domain, out);
}

enum fail
unicode_domain_shown(struct task *task, const char *domain, const char **out)
{
	return convert_or_fold(task, uidna_nameToUnicodeUTF8, domain, out);
}

enum fail
unicode_skeleton(struct task *task, const char *text, const char **out)
{
	size_t room = (strlen(text) + 1) * GROWTH_UTF16 * GROWTH_UTF8;
	char *skeleton = arena_alloc(task->arena, room);
	UErrorCode status = U_ZERO_ERROR;
	USpoofChecker *checker = uspoof_open(&status);

	(void)uspoof_getSkeletonUTF8(checker, 0, text, -1, skeleton, (int32_t)room, &status);
	uspoof_close(checker);
	if (U_FAILURE(status))
		return unicode_failed(task, status);
	*out = skeleton;
	return FAIL_NONE;
}
