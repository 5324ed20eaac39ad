/* customer_ids.c: our id of a customer that another service named by a text of its own. */
#include "billing/customer_ids.h"

#include <string.h>

#include "base/digest.h"
#include "base/encoding.h"
#include "base/text.h"
#include "base/wire.h"

enum { ID_DIGITS = 32 };

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == '\x7f')
			return true;
	return false;
}

const char *
customer_id_of_text(struct arena *arena, const char *text)
{
	const char *parts[] = {"customer id of another service", text};
	struct sha256 digest;

	if (wire_is_customer_id(text))
		return text;
	if (*text == '\0' || !text_is_utf8(text, strlen(text)) || has_control(text) ||
	    text_characters(text) > CUSTOMER_TEXT_MAX)
		return NULL;
	digest = digest_strings(parts, 2);
	return arena_printf(arena, "cust_%.*s", ID_DIGITS,
	                    hex_encode(arena, digest.bytes, sizeof(digest.bytes)));
}

const char *
customer_id_or_text(struct arena *arena, const char *text)
{
	const char *id = customer_id_of_text(arena, text);

	return id == NULL ? text : id;
}
