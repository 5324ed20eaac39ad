/* sessions.c: sessions of browsers, and links that open one. */
#include "callers/sessions.h"

#include <string.h>

#include "api/caller.h"
#include "api/handlers.h"
#include "api/origin.h"
#include "api/render.h"
#include "base/arena.h"
#include "callers/session_links.h"

enum { SECRET_LENGTH_MAX = 200, SESSION_ID_MAX = 100 };

/* One of both. */
struct open_session_input {
	const char *api_key;
	const char *link;
};

const struct field open_session_body[] = {
        FIELD(struct open_session_input, api_key, .min = 1, .max = SECRET_LENGTH_MAX),
        FIELD(struct open_session_input, link, .min = 1, .max = SECRET_LENGTH_MAX),
        FIELD_END(struct open_session_input),
};

struct sessions_input {
	const char *customer_id;
};

const struct field sessions_query[] = {
        FIELD(struct sessions_input, customer_id, .min = 1, .max = SESSION_ID_MAX),
        FIELD_END(struct sessions_input),
};

struct link_input {
	int64_t expires_in_minutes;
};

const struct field link_body[] = {
        FIELD(struct link_input, expires_in_minutes, .min = 5, .max = LINK_MINUTES_MAX,
              .initial = LINK_MINUTES_USUAL),
        FIELD_END(struct link_input),
};

static const struct column session_columns[] =
        COLUMNS(struct session, session_id, key_id, customer_id, name, role, created_at,
                last_used_at, expires_at, user_agent);

void
render_session(struct json_out *json, const char *name, const struct session *session,
               const char *current)
{
	json_out_open(json, name, '{');
	render_members(json, session_columns, session);
	json_out_bool(json, "current",
	              current != NULL && strcmp(current, session->session_id) == 0);
	json_out_close(json, '}');
}

/* The caller's name, role and rights. */
static void
render_caller(struct json_out *json, const struct api_key *key)
{
	bool linked = key->session_id != NULL && strcmp(key->session_id, key->key_id) == 0;

	json_out_open(json, "caller", '{');
	json_out_string(json, "key_id", linked ? NULL : key->key_id);
	json_out_string(json, "name", key->name);
	json_out_string(json, "role", key->role);
	json_out_string(json, "customer_id", key->customer_id);
	json_out_open(json, "scopes", '[');
	for (size_t i = 0; i < key->scopes.count; i++)
		json_out_string(json, NULL, key->scopes.items[i]);
	json_out_close(json, ']');
	json_out_close(json, '}');
}

static enum fail
open_session(struct call *call, const struct open_session_input *input,
             struct session_opened *out)
{
	const char *agent = call->request->headers.user_agent;
	struct task *task = &call->request->task;

	if ((input->api_key == NULL) == (input->link == NULL)) {
		(void)task_fail_field(task, "api_key", "is required, or link in its place");
		return FAIL_INVALID;
	}
	if (input->link != NULL)
		return session_link_open(&call->operation, input->link, agent, out);
	/* A refusal is recorded as that of this key. */
	call->caller.secret = input->api_key;
	call->caller.digest = digest_sha256(input->api_key, strlen(input->api_key));
	call->caller.has_digest = api_key_is_well_formed(input->api_key);
	return session_open(&call->operation, &call->caller.digest, agent, out);
}

/* Opens a session, and ends the one that the browser has: its cookie is overwritten, so that the user could
 * not sign out of it any more. */
static enum fail
replace_session(struct call *call, const struct open_session_input *input,
                struct session_opened *out)
{
	const char *token = call->request->headers.session;
	struct operation *operation = &call->operation;
	struct sha256 digest;

	if (token == NULL || !session_is_well_formed(token))
		return open_session(call, input, out);
	digest = digest_sha256(token, strlen(token));
	TRY(db_begin(operation->db, operation->task));
	TRY(open_session(call, input, out));
	TRY(session_end_replaced(operation, &digest));
	return db_commit(operation->db, operation->task);
}

enum fail
post_session(struct call *call)
{
	struct json_out json = answer_begin(call, 1024);
	struct session_opened opened = {0};

	TRY(origin_check(call));
	TRY(replace_session(call, call->body, &opened));
	call->caller.kind = opened.key.customer_id == NULL ? CALLER_OPERATOR : CALLER_CUSTOMER;
	call->caller.key = opened.key;
	call->caller.key.used_today = true;
	origin_set_cookie(call, opened.token, SESSION_LIFE_MS / SECOND_MS);
	render_caller(&json, &opened.key);
	render_session(&json, "session", &opened.session, opened.session.session_id);
	return answer_end(call, 201, &json);
}

/* The sessions of the caller's own key or links. */
static struct session_owner
own_sessions(const struct call *call)
{
	const struct api_key *key = &call->caller.key;
	bool linked = key->session_id != NULL && strcmp(key->session_id, key->key_id) == 0;

	return (struct session_owner){
	        .key_id = linked ? NULL : key->key_id,
	        .customer_id = key->customer_id,
	};
}

/* Owners see the sessions of all operators, or of the customer that they name. */
static enum fail
seen_sessions(struct call *call, const char *customer_id, struct session_owner *out)
{
	*out = own_sessions(call);
	if (strcmp(call->caller.key.role, "owner") == 0) {
		out->all = true;
		out->customer_id = customer_id;
	} else if (customer_id != NULL &&
	           (out->customer_id == NULL || strcmp(customer_id, out->customer_id) != 0)) {
		return fail_customer_not_found(&call->request->task);
	}
	return FAIL_NONE;
}

enum fail
list_sessions(struct call *call)
{
	const struct sessions_input *input = call->query;
	struct session_owner owner;
	const struct session *rows;
	struct json_out json;
	size_t count;

	TRY(db_judge_ahead(call->operation.db, &call->request->task));
	TRY(seen_sessions(call, input->customer_id, &owner));
	TRY(session_list(&call->operation, &owner, &rows, &count));
	json = answer_begin(call, 256 + count * 400);
	json_out_open(&json, "sessions", '[');
	for (size_t i = 0; i < count; i++)
		render_session(&json, NULL, &rows[i], call->caller.key.session_id);
	json_out_close(&json, ']');
	return answer_end(call, 200, &json);
}

enum fail
get_session(struct call *call)
{
	struct session_owner owner;
	const struct session *rows;
	struct json_out json = answer_begin(call, 1024);
	const char *current;
	size_t count = 0;

	TRY(caller_recognise(call));
	if (call->caller.kind == CALLER_NOBODY) {
		json_out_null(&json, "caller");
		json_out_null(&json, "session");
		return answer_end(call, 200, &json);
	}
	current = call->caller.key.session_id;
	owner = own_sessions(call);
	render_caller(&json, &call->caller.key);
	if (current != NULL)
		TRY(session_list(&call->operation, &owner, &rows, &count));
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].session_id, current) == 0) {
			render_session(&json, "session", &rows[i], current);
			return answer_end(call, 200, &json);
		}
	json_out_null(&json, "session");
	return answer_end(call, 200, &json);
}

static enum fail
answer_ended(struct call *call, int64_t ended)
{
	struct json_out json = answer_begin(call, 128);

	json_out_int(&json, "ended", ended);
	return answer_end(call, 200, &json);
}

/* The caller's own session; a caller with a key has none, and nothing is done. */
enum fail
delete_session(struct call *call)
{
	const char *current = call->caller.key.session_id;
	struct session_owner owner = own_sessions(call);

	if (current != NULL)
		TRY(session_end(&call->operation, &owner, current));
	origin_set_cookie(call, "", 0);
	return answer_ended(call, current != NULL);
}

/* All of the caller's key. An owner can end those of a customer. */
enum fail
delete_sessions(struct call *call)
{
	const struct sessions_input *input = call->query;
	struct session_owner owner = own_sessions(call);
	int64_t ended;

	if (input->customer_id != NULL || owner.key_id == NULL)
		TRY(seen_sessions(call, input->customer_id, &owner));
	TRY(session_end_all(&call->operation, &owner, &ended));
	if (call->caller.key.session_id != NULL && !owner.all)
		origin_set_cookie(call, "", 0);
	return answer_ended(call, ended);
}

enum fail
delete_other_session(struct call *call)
{
	const struct sessions_input *input = call->query;
	const char *session_id = request_param(call->request, "session_id");
	struct session_owner owner;

	TRY(seen_sessions(call, input->customer_id, &owner));
	TRY(session_end(&call->operation, &owner, session_id));
	return answer_message(call, "The session has ended.", "session_id", session_id);
}

enum fail
post_customer_link(struct call *call)
{
	const struct link_input *input = call->body;
	const char *id = request_param(call->request, "customer_id");
	struct json_out json = answer_begin(call, 512);
	struct session_link link;

	TRY(session_link_customer(&call->operation, id, input->expires_in_minutes, &link));
	json_out_string(&json, "link_id", link.link_id);
	json_out_string(&json, "customer_id", id);
	json_out_string(&json, "url", link.url);
	json_out_time(&json, "expires_at", link.expires_at);
	return answer_end(call, 201, &json);
}
