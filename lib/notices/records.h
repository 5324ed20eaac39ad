/* records.h: the rows of notices: made once for each event and recipient, claimed, finished, listed. */
#pragma once

#include "db/page.h"
#include "notices/facts.h"

extern const struct statement_list notice_record_statements;

/* Bounds of one day (UTC): notices of one customer, and notices about events to one operator. What
 * exceeds them is dropped, and listed as such. */
enum { NOTICES_CUSTOMER_DAY_MAX = 10, NOTICES_OPERATOR_DAY_MAX = 50 };

/* While NOTICES_PENDING_MAX notices wait, no further events are read: the log keeps them. */
enum { NOTICES_PENDING_MAX = 10000 };

struct notice {
	const char *notice_id; /* "ntc_..." */
	const char *kind;
	const char *recipient;   /* a customer's id, or an operator's address */
	const char *customer_id; /* that it is about; NULL: none */
	const char *source;
	const char *state;
	const char *reason; /* why it was not sent, or not yet; NULL: none */
	int64_t attempts;
	struct instant created_at;
	struct instant next_try_at; /* of one that is pending */
	struct instant finished_at;
};

/* A notice that this process sends now. */
struct claimed_notice {
	const char *notice_id;
	const char *kind;
	const char *recipient;
	const char *facts;
	int64_t attempts; /* this one included */
	struct instant until;
	const char *customer_id; /* that it is about, with what is known of it; NULL: none */
	const char *email;       /* NULL: the customer was deleted */
	const char *company_name;
	bool wanted; /* the customer has not switched notices off */
	bool paid;   /* the invoice that it is about was paid meanwhile */
	bool bought; /* the trial has become a purchase meanwhile */
	const char
	        *payment_link; /* where that invoice can be paid without signing in, or NULL */
};

/* The notice to make; `recipient` as in struct notice. */
struct new_notice {
	enum notice_kind kind;
	const char *source;
	const char *recipient;
	const char *customer_id;
	const struct notice_facts *facts;
};

/* Makes the notice, whose id follows from source, recipient and BASE_URL: made again after a restore it has
 * the same one. Does nothing if there is one of this source and recipient, or the customer wants none.
 * `*made` counts up. */
enum fail notice_make(struct operation *operation, const struct new_notice *notice,
                      int64_t *made) MUST_CHECK;

/* Claims the notice that has been due longest, and counts an attempt: for so long no other process
 * claims it. */
enum fail notice_claim(struct operation *operation, int64_t for_ms, struct claimed_notice *out,
                       bool *found) MUST_CHECK;

/* Ends the attempt: `state` is sent, refused, failed or dropped, or pending until `again`. Does nothing
 * when the notice is gone, or claimed by another process since. */
enum fail notice_end_attempt(struct operation *operation, const struct claimed_notice *notice,
                             const char *state, const char *reason,
                             struct instant again) MUST_CHECK;

struct notice_filter {
	const char *state; /* NULL: any */
	const char *customer_id;
};

/* NULL when a notice can have the state, else why not. */
const char *notice_check_state(const char *state);

/* A page of the notices, newest first. */
enum fail notice_list(struct operation *operation, const struct notice_filter *filter,
                      struct page *page, const struct notice **out, size_t *count) MUST_CHECK;

/* A notice that waits for longer is a fault. */
enum { NOTICE_WAIT_MAX_S = 3600 };

struct notice_figures {
	int64_t pending;
	struct instant waiting_since; /* when the oldest of them was made; none: none waits */
};

enum fail notice_figures(struct operation *operation, struct notice_figures *out) MUST_CHECK;

/* Notices of the last seven days that did not arrive. */
struct notice_faults {
	int64_t refused;
	int64_t failed;
};

enum fail notice_faults(struct operation *operation, struct notice_faults *out) MUST_CHECK;

/* Takes a deleted customer's pending notices away, and what finished ones say of it. */
enum fail notice_forget(struct operation *operation, const char *customer_id) MUST_CHECK;

/* A job: deletes notices that were finished 90 days ago. */
enum fail notice_prune_run(struct operation *operation, int64_t *pruned) MUST_CHECK;
