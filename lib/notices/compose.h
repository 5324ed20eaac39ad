/* compose.h: a notice from its template, as people read it and as it is sent. */
#pragma once

#include "net/mail.h"
#include "notices/message.h"
#include "operation/operation.h"

/* The values that every notice has. */
void notice_common_values(struct operation *operation, struct notice_values *values);

/* A value for each placeholder, for a preview. */
void notice_sample_values(struct notice_values *values);

/* The values of the customer that have no value yet. */
struct customer;
void notice_customer_values(struct task *task, const struct customer *customer,
                            struct notice_values *values);

/* The text, by the template of the kind. */
void notice_fill(struct operation *operation, enum notice_kind kind,
                 const struct notice_values *values, struct notice_text *out);

/* The message to one address; a customer's names the page where it switches notices off. `id` is unique in
 * the world and stays when the notice is sent again. */
void notice_write(struct operation *operation, const struct notice_text *text, const char *to,
                  bool is_customer, const char *id, struct mail_message *out);
