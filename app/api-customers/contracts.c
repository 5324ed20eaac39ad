/* contracts.c: makes, lists, amends and ends contracts: deals outside the price list. */
#include "contracts/contracts.h"

#include "api/handlers.h"
#include "api/render.h"
#include "base/text.h"
#include "json/fields.h"

enum { ID_MAX = 100, REFERENCE_MAX = 100, TEXT_MAX = 500, DUE_DAYS_MAX = 365 };

static const char *
check_billing(const char *billing)
{
	return text_equal(billing, CONTRACT_MANUAL) || text_equal(billing, CONTRACT_STRIPE)
	               ? NULL
	               : "must be manual or stripe_invoice";
}

#define TERMS                                                                                  \
	FIELD(struct contract_input, starts_at, .nullable = true),                             \
	        FIELD(struct contract_input, price, .nullable = true),                         \
	        FIELD(struct contract_input, features, .nullable = true),                      \
	        FIELD(struct contract_input, limits, .nullable = true),                        \
	        FIELD(struct contract_input, overage, .nullable = true),                       \
	        FIELD(struct contract_input, days_until_due, .nullable = true, .min = 1,       \
	              .max = DUE_DAYS_MAX),                                                    \
	        FIELD(struct contract_input, reference, .min = 1, .max = REFERENCE_MAX),       \
	        FIELD(struct contract_input, note, .min = 1, .max = TEXT_MAX),                 \
	        FIELD(struct contract_input, dry_run, .required = false)

const struct field create_contract_body[] = {
        FIELD(struct contract_input, plan, .required = true, .min = 1, .max = ID_MAX),
        FIELD(struct contract_input, ends_at, .required = true),
        FIELD(struct contract_input, billing, .required = true, .check = check_billing),
        TERMS,
        FIELD_END(struct contract_input),
};

const struct field amend_contract_body[] = {
        FIELD(struct contract_input, version, .required = true, .min = 1, .max = INT32_MAX),
        FIELD(struct contract_input, plan, .nullable = true, .min = 1, .max = ID_MAX),
        FIELD(struct contract_input, ends_at, .nullable = true),
        TERMS,
        FIELD_END(struct contract_input),
};

const struct field list_contracts_query[] = {
        PAGE_FIELDS(struct page_query, CONTRACT_PAGE_MAX, CONTRACT_PAGE_MAX),
        FIELD_END(struct page_query),
};

struct end_input {
	struct instant at;
	const char *reason;
	int64_t version;
	bool dry_run;
};

const struct field end_contract_body[] = {
        FIELD(struct end_input, at, .nullable = true),
        FIELD(struct end_input, reason, .nullable = true, .min = 1, .max = TEXT_MAX),
        FIELD(struct end_input, version, .nullable = true, .min = 1, .max = INT32_MAX),
        FIELD(struct end_input, dry_run, .required = false),
        FIELD_END(struct end_input),
};

/* Answers with the contract, the subscription that counts and the licence's claims, and then stores the
 * change, unless the caller only wants to see it. */
static enum fail
answer_change(struct call *call, int status, const struct contract *contract, bool dry_run)
{
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 4096);
	const struct subscription *subscription;
	struct license_view view = {0};
	const char *claims;

	TRY(subscription_newest(operation, contract->customer_id, &subscription));
	TRY(license_view_read(operation, NULL, contract->customer_id, &view));
	claims = license_preview(operation, &view);
	TRY(render_contract(operation, &json, "contract", *contract, true));
	render_subscription(&json, "subscription", subscription, operation->now_ms);
	if (claims == NULL)
		json_out_null(&json, "license_claims");
	else
		json_out_raw(&json, "license_claims", claims);
	json_out_bool(&json, "dry_run", dry_run);
	if (dry_run)
		db_rollback_to(operation->db, 0);
	else
		TRY(db_commit(operation->db, operation->task));
	return answer_end(call, dry_run ? 200 : status, &json);
}

enum fail
post_contract(struct call *call)
{
	const struct contract_input *input = call->body;
	struct operation *operation = &call->operation;
	struct contract contract;

	TRY(db_begin(operation->db, operation->task));
	TRY(contract_create(operation, request_param(call->request, "customer_id"), input,
	                    &contract));
	return answer_change(call, 201, &contract, input->dry_run);
}

enum fail
patch_contract(struct call *call)
{
	const struct contract_input *input = call->body;
	struct operation *operation = &call->operation;
	struct contract contract;

	TRY(db_begin(operation->db, operation->task));
	TRY(contract_amend(operation, request_param(call->request, "customer_id"),
	                   request_param(call->request, "contract_id"), input, &contract));
	return answer_change(call, 200, &contract, input->dry_run);
}

enum fail
post_contract_end(struct call *call)
{
	const struct end_input *input = call->body;
	const struct contract_end end = {input->at, input->reason, input->version};
	struct operation *operation = &call->operation;
	struct contract contract;

	TRY(db_begin(operation->db, operation->task));
	TRY(contract_end(operation, request_param(call->request, "customer_id"),
	                 request_param(call->request, "contract_id"), &end, &contract));
	return answer_change(call, 200, &contract, input->dry_run);
}

enum fail
list_contracts(struct call *call)
{
	const struct page_query *input = call->query;
	const char *id = request_param(call->request, "customer_id");
	struct operation *operation = &call->operation;
	struct json_out json = answer_begin(call, 4096);
	struct page page;

	TRY(page_read(operation->task, input->limit, input->cursor, &page));
	json_out_string(&json, "customer_id", id);
	TRY(render_contracts(operation, &json, id, &page, true));
	return answer_page(call, &json, &page);
}
