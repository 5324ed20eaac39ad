/* license_rights.h: revokes the licences that grant more than the customer is entitled to
 * now. */
#pragma once

#include "operation/operation.h"

extern const struct statement_list license_right_statements;

/*
 * Called by each transaction that may take a right away, after it has changed the subscription or its
 * terms. Without access all licences are revoked. Else licences are revoked that grant more than the
 * present entitlements, that outlive overrides and grant more than the layers below these, or that
 * outlive a running trial. An end or a smaller plan that is only scheduled revokes nothing. Audited.
 */
enum fail license_revoke_excess(struct operation *operation,
                                const char *customer_id) MUST_CHECK;

/* A job: revokes such licences of customers whose grace after a failed payment has ended, or whose access
 * has ended early. */
enum fail license_revoke_unpaid(struct operation *operation, int64_t *customers) MUST_CHECK;
