/*
 * message.c: writes a notice as a message of Internet mail.
 *
 * No text can begin a header line of its own: control characters become blanks, and what is not plain
 * ASCII becomes encoded words (RFC 2047).
 */
#include "notices/message.h"

#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/text.h"
#include "billing/address.h"

enum { WORD_MAX = 75, PLAIN_HEADER_MAX = 70, PLAIN_LINE_MAX = 200, QUOTED_LINE_MAX = 76 };
enum { CHECK_ARENA = 64 * 1024 };

#define FROM "From: "
#define SUBJECT "Subject: "
#define WORD_BEGIN "=?UTF-8?Q?"
#define WORD_END "?="
#define WORD_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"

static bool
is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* The text between two pointers without blanks at its ends. */
static const char *
trimmed(struct arena *arena, const char *start, const char *end)
{
	while (start < end && is_blank(*start))
		start++;
	while (end > start && is_blank(end[-1]))
		end--;
	return arena_copy_bytes(arena, start, (size_t)(end - start));
}

/* A name in double quotes, as mail programs write it, loses them. */
static const char *
unquoted(struct arena *arena, const char *name)
{
	size_t length = strlen(name);

	if (length < 2 || name[0] != '"' || name[length - 1] != '"')
		return name;
	return arena_copy_bytes(arena, name + 1, length - 2);
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

const char *
mailbox_read(struct arena *arena, const char *text, struct mailbox *out)
{
	const char *open = strrchr(text, '<'), *end = text + strlen(text);
	struct mailbox read = {.name = ""};

	if (has_control(text) || !text_is_utf8(text, strlen(text)))
		return "must be UTF-8 without control characters";
	if (open == NULL) {
		read.address = trimmed(arena, text, end);
	} else {
		const char *close = strchr(open, '>');

		if (close == NULL || *trimmed(arena, close + 1, end) != '\0')
			return "must be \"Name <address>\", or an address alone";
		read.name = unquoted(arena, trimmed(arena, text, open));
		read.address = trimmed(arena, open + 1, close);
	}
	if (out != NULL)
		*out = read;
	return address_check(read.address);
}

const char *
mailbox_check(const char *text)
{
	struct arena *arena = arena_new(CHECK_ARENA);
	const char *fault = *text == '\0' ? NULL : mailbox_read(arena, text, NULL);

	arena_free(arena);
	return fault;
}

const char *
mailbox_check_list(const char *addresses)
{
	struct arena *arena = arena_new(CHECK_ARENA);
	const char *item, *fault = NULL;
	size_t length;

	while (fault == NULL && text_next_item(&addresses, &item, &length))
		if (address_check(arena_copy_bytes(arena, item, length)) != NULL)
			fault = "must be e-mail addresses, separated by commas";
	arena_free(arena);
	return fault;
}

/* The bytes of the UTF-8 character that begins here. */
static size_t
character_length(const char *text)
{
	size_t length = 1;

	while (((unsigned char)text[length] & 0xc0) == 0x80)
		length++;
	return length;
}

static bool
is_plain_word(char byte)
{
	return byte != '\0' && strchr(WORD_CHARACTERS, byte) != NULL;
}

/* One character as in an encoded word. */
static size_t
encode_character(const char *bytes, size_t length, char out[16])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t used = 0;

	for (size_t i = 0; i < length && i < 4; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte < ' ' || byte == 0x7f || byte == ' ') {
			out[used++] = '_';
		} else if (is_plain_word(bytes[i])) {
			out[used++] = bytes[i];
		} else {
			out[used++] = '=';
			out[used++] = hex[byte >> 4];
			out[used++] = hex[byte & 15];
		}
	}
	out[used] = '\0';
	return used;
}

/* Encoded words, each on a line of its own, which has 76 characters at most; none splits a character.
 * The first line begins with so many bytes of the text. */
static void
add_words(struct text *out, const char *value, size_t used)
{
	size_t begin = out->length - used;

	text_add(out, WORD_BEGIN);
	while (*value != '\0') {
		size_t length = character_length(value);
		char encoded[16];
		size_t size = encode_character(value, length, encoded);

		if (out->length - begin + size + strlen(WORD_END) > WORD_MAX) {
			text_add(out, WORD_END "\r\n ");
			begin = out->length - 1;
			text_add(out, WORD_BEGIN);
		}
		text_add(out, encoded);
		value += length;
	}
	text_add(out, WORD_END);
}

static bool
is_plain(const char *value)
{
	return text_is_ascii(value) && !has_control(value) && strstr(value, "=?") == NULL &&
	       strlen(value) <= PLAIN_HEADER_MAX;
}

static void
add_header(struct text *out, const char *name, const char *value)
{
	text_printf(out, "%s: %s\r\n", name, value);
}

static void
add_from(struct text *out, const struct mailbox *from)
{
	size_t begin = out->length;
	bool fits;

	text_add(out, FROM);
	if (*from->name == '\0') {
		text_printf(out, "%s\r\n", from->address);
		return;
	}
	if (is_plain(from->name) && strpbrk(from->name, "\"\\") == NULL)
		text_printf(out, "\"%s\"", from->name);
	else
		add_words(out, from->name, strlen(FROM));
	fits = out->length - begin + strlen(from->address) < PLAIN_HEADER_MAX;
	text_printf(out, "%s <%s>\r\n", fits ? "" : "\r\n", from->address);
}

static void
add_subject(struct text *out, const char *subject)
{
	text_add(out, SUBJECT);
	if (is_plain(subject))
		text_add(out, subject);
	else
		add_words(out, subject, strlen(SUBJECT));
	text_add(out, "\r\n");
}

static void
add_date(struct text *out, int64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm parts;
	char date[64];

	if (gmtime_r(&seconds, &parts) != NULL &&
	    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &parts) > 0)
		add_header(out, "Date", date);
}

/* Whether the body can be sent as it is. */
static bool
is_plain_body(const char *body)
{
	size_t line = 0;

	if (!text_is_ascii(body))
		return false;
	for (; *body != '\0'; body++) {
		line = *body == '\n' ? 0 : line + 1;
		if (line > PLAIN_LINE_MAX || *body == '\r')
			return false;
	}
	return true;
}

static void
add_plain_body(struct text *out, const char *body)
{
	for (; *body != '\0'; body++) {
		if (*body == '\n')
			text_add_char(out, '\r');
		text_add_char(out, *body);
	}
}

/* Quoted-printable (RFC 2045, 6.7): lines of at most 76 characters; blanks at their ends and the
 * equals sign are written in hex. */
static void
add_quoted_body(struct text *out, const char *body)
{
	size_t line = 0;

	for (; *body != '\0'; body++) {
		bool last_blank = is_blank(*body) && (body[1] == '\n' || body[1] == '\0');
		bool plain = *body >= ' ' && *body < 0x7f && *body != '=' && !last_blank;

		if (*body == '\n') {
			text_add(out, "\r\n");
			line = 0;
			continue;
		}
		if (line + (plain ? 1 : 3) > QUOTED_LINE_MAX - 1) {
			text_add(out, "=\r\n");
			line = 0;
		}
		if (plain)
			text_add_char(out, *body);
		else
			text_printf(out, "=%02X", (unsigned int)(unsigned char)*body);
		line += plain ? 1 : 3;
	}
}

const char *
message_write(struct arena *arena, const struct message_head *head,
              const struct notice_text *text)
{
	const char *domain = strrchr(head->from.address, '@');
	bool plain = is_plain_body(text->body);
	struct text out = text_new(arena, 2048 + strlen(text->body));

	add_from(&out, &head->from);
	add_header(&out, "To", head->to);
	if (head->reply_to != NULL)
		add_header(&out, "Reply-To", head->reply_to);
	add_subject(&out, text->subject);
	add_date(&out, head->at_ms);
	text_printf(&out, "Message-ID: <%s%s>\r\n", head->id, domain == NULL ? "" : domain);
	add_header(&out, "MIME-Version", "1.0");
	add_header(&out, "Content-Type", "text/plain; charset=utf-8");
	add_header(&out, "Content-Transfer-Encoding", plain ? "7bit" : "quoted-printable");
	/* No vacation message shall answer it (RFC 3834). */
	add_header(&out, "Auto-Submitted", "auto-generated");
	if (head->opt_out != NULL)
		text_printf(&out, "List-Unsubscribe: <%s>\r\n", head->opt_out);
	text_add(&out, "\r\n");
	if (plain)
		add_plain_body(&out, text->body);
	else
		add_quoted_body(&out, text->body);
	return out.data;
}
