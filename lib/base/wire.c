/* wire.c: checks of ids that the service and the customer's agent share. */
#include "base/wire.h"

#include <string.h>

#include "base/text.h"

bool
wire_is_customer_id(const char *text)
{
	return text_starts_with(text, "cust_") && text_is_made_of(text + 5, TEXT_HEX, 32, 32);
}

const char *
wire_check_id(const char *text)
{
	static const char allowed[] =
	        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";

	return text_is_made_of(text, allowed, 1, 100)
	               ? NULL
	               : "must be 1 to 100 letters, digits, dots, colons, hyphens and "
	                 "underscores";
}

const char *
wire_check_version(const char *text)
{
	size_t length = strlen(text);
	bool fine = length >= 1 && length <= WIRE_VERSION_MAX && text[0] != ' ' &&
	            text[length - 1] != ' ';

	for (size_t i = 0; fine && i < length; i++)
		fine = text[i] >= ' ' && text[i] <= '~';
	return fine ? NULL
	            : "must be 1 to 64 printable ASCII characters without spaces at the ends";
}

const char *
wire_check_kind(const char *text)
{
	static const char *const kinds[] = {"production", "staging", "development"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (text_equal(text, kinds[i]))
			return NULL;
	return "must be production, staging or development";
}
