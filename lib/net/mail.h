/*
 * mail.h: one message handed to a mail server (RFC 5321), by libcurl.
 *
 * The handle keeps its connection for the next message. TLS is always verified (1.2 or newer).
 * Proxies of the environment and .netrc are ignored. A client belongs to the process that made it:
 * make it after fork(). libcurl never sends a message again by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct mail_client;

struct mail_client_options {
	const char *url; /* smtp://host[:port][/name of this machine] or smtps://... */
	const char *user;
	const char *password; /* "" without a user */
	const char *ca_file;  /* PEM file of the authorities to trust; NULL: the system's */
	bool starttls;        /* of smtp://: no message is sent without TLS */
	int64_t connect_timeout_ms;
	int64_t timeout_ms; /* of one message, the connection included */
};

enum mail_outcome {
	MAIL_ACCEPTED,
	MAIL_REFUSED, /* for good: the recipient, or the message */
	MAIL_DELAYED, /* not accepted, for a reason that may pass */
	MAIL_LOST     /* the whole message was sent, and no answer came */
};

struct mail_message {
	const char *sender; /* addresses without brackets */
	const char *recipient;
	const char *text; /* headers and body, lines that end with CRLF */
	size_t length;
};

struct mail_answer {
	enum mail_outcome outcome;
	const char *step; /* of the conversation that came last: "connect", "recipient", ... */
	bool reached; /* the server took the sender: it works, whatever it says of this message */
	int code;     /* of the server's last answer; 0: none */
	const char *status; /* its enhanced status (RFC 3463), "5.1.1", or "" */
	const char *
	        reason; /* why it is not accepted, for the log; neither a secret nor an address */
	/* The server's words, which may repeat the address: for people at the machine only. */
	const char *words;
};

/* NULL when the URL can be one of a mail server, else why not. */
const char *mail_check_url(const char *url);

/* The URL is smtp:// and its host is this machine itself. */
bool mail_url_is_local(const char *url);

/* The URL is smtps://. */
bool mail_url_is_tls(const char *url);

/* NULL when libcurl cannot be had. The strings of the options must outlive the client. */
struct mail_client *mail_client_new(const struct mail_client_options *options);
void mail_client_free(struct mail_client *client);

/* Sends the message and waits for the answer. What `out` points to lives in the arena. An address
 * with a blank, a bracket or a control character is MAIL_REFUSED and nothing is sent. */
void mail_client_send(struct mail_client *client, struct arena *arena,
                      const struct mail_message *message, struct mail_answer *out);

/* Connects, introduces itself and signs in as for a message, and sends none. MAIL_ACCEPTED when the
 * server would take one. */
void mail_client_try(struct mail_client *client, struct arena *arena, struct mail_answer *out);
