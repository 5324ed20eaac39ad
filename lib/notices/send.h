/* send.h: sends the notices that are due. */
#pragma once

#include "http/mail.h"
#include "notices/records.h"

/* The sending side of one process. */
struct notice_sender {
	struct mail_client *client;
	/* While the server cannot be reached, no notice uses up its attempts: clock_monotonic_us(). */
	int64_t quiet_until_us;
	int64_t quiet_us;
	bool away; /* the last attempt did not reach the server */
	/* Counts since they were read last. */
	int64_t sent, refused, failed, repeated;
};

/* A job: sends one notice by `operation->mailer`. An attempt is counted before it begins. So a notice
 * arrives twice only when the answer to its text was lost, be it on the network or with this process. */
enum fail notice_send_run(struct operation *operation, int64_t *done) MUST_CHECK;
