/* form.c: percent-encoding (RFC 3986, section 2.1) of parameters and ids. */
#include "stripe/form.h"

#include <string.h>

/* The characters that need no escape anywhere (RFC 3986, section 2.3). */
#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

static void
add_encoded(struct text *text, const char *string, const char *plain)
{
	static const char digits[] = "0123456789ABCDEF";

	while (*string != '\0') {
		size_t span = strspn(string, plain);

		text_add_bytes(text, string, span);
		string += span;
		if (*string != '\0') {
			unsigned char byte = (unsigned char)*string++;
			char escaped[] = {'%', digits[byte >> 4], digits[byte & 15]};

			text_add_bytes(text, escaped, sizeof(escaped));
		}
	}
}

struct stripe_form
stripe_form_new(struct arena *arena)
{
	return (struct stripe_form){.text = text_new(arena, 512)};
}

void
stripe_form_string(struct stripe_form *form, const char *key, const char *value)
{
	if (value == NULL)
		return;
	if (form->text.length > 0)
		text_add_char(&form->text, '&');
	add_encoded(&form->text, key, UNRESERVED "[]");
	text_add_char(&form->text, '=');
	add_encoded(&form->text, value, UNRESERVED);
}

void
stripe_form_int(struct stripe_form *form, const char *key, int64_t value)
{
	struct text number = text_new(form->text.arena, 24);

	text_add_int(&number, value);
	stripe_form_string(form, key, number.data);
}

void
stripe_form_bool(struct stripe_form *form, const char *key, bool value)
{
	stripe_form_string(form, key, value ? "true" : "false");
}

const char *
stripe_path(struct arena *arena, const char *format, const char *id)
{
	struct text path = text_new(arena, 128);
	const char *hole;

	while ((hole = strstr(format, "%s")) != NULL) {
		text_add_bytes(&path, format, (size_t)(hole - format));
		add_encoded(&path, id != NULL && *id != '\0' ? id : "-", UNRESERVED);
		format = hole + 2;
	}
	text_add(&path, format);
	return path.data;
}
