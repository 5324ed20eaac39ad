/* send.h: sends the notices that are due. */
#pragma once

#include "net/mail.h"
#include "notices/records.h"

enum { NOTICE_ID_SIZE = 64, NOTICE_LINK_SIZE = 64, NOTICE_REASON_SIZE = 400 };

/* An answer of the mail server that the database does not have yet. */
struct notice_answer {
	bool waits;
	char notice_id[NOTICE_ID_SIZE];
	int64_t attempts;
	const char *state;
	char reason[NOTICE_REASON_SIZE]; /* "": none */
	char link_id[NOTICE_LINK_SIZE];  /* of a link in a mail that was refused; "": none */
	struct instant again;
};

/* The sending side of one process. */
struct notice_sender {
	struct mail_client *client;
	struct notice_answer answer;
	/* While the server cannot be reached, no notice uses up its attempts: clock_monotonic_us(). */
	int64_t quiet_until_us;
	int64_t quiet_us;
	bool away; /* the last attempt did not reach the server */
	/* Counts since they were read last. */
	int64_t sent, refused, failed, repeated;
};

/* A job: sends one notice by `operation->mailer`. An attempt is counted before it begins, and an answer that the
 * database could not take is kept until it can. So a notice arrives twice only when the answer to its text was
 * lost, be it on the network or with this process, or when this process lost its database for longer than the
 * claim lasts and another one claimed the notice. */
enum fail notice_send_run(struct operation *operation, int64_t *done) MUST_CHECK;
