/* message.h: a notice as a message of Internet mail (RFC 5322), and the addresses in settings. */
#pragma once

#include "base/failure.h"
#include "notices/templates.h"

/* An address, and the name that mail programs show beside it. */
struct mailbox {
	const char *name; /* "" without one */
	const char *address;
};

struct message_head {
	struct mailbox from;
	const char *to;
	const char *reply_to; /* NULL: none */
	const char *opt_out;  /* the page where such messages are switched off; NULL: none */
	const char *id;       /* the Message-ID's part before the @ */
	int64_t at_ms;
};

/* "Name <address>" or an address alone. NULL when `out` is set, else why not. `out` may be NULL. */
const char *mailbox_read(struct arena *arena, const char *text, struct mailbox *out);

/* The checks of settings: NULL when fine, else why not. An empty text is fine. */
const char *mailbox_check(const char *text);
const char *mailbox_check_list(const char *addresses); /* separated by commas */

/* The whole message: lines end with CRLF, no header has more than one, all bytes are ASCII but for
 * addresses that are not. Text that is not plain ASCII is quoted-printable. */
const char *message_write(struct arena *arena, const struct message_head *head,
                          const struct notice_text *text);
