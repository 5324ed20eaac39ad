/* refresh.c: fetches keys, licence and revocations, and keeps those that verify. */
#include <string.h>

#include "agent-store/known_metrics.h"
#include "agent-sync/session.h"
#include "base/arena.h"

static bool
read_member(struct agent_session *session, const char *path, const struct http_answer *answer,
            const char *name, const char **out)
{
	struct json_view object;

	if (session_object(session, answer, &object) && json_view_string(&object, name, out))
		return true;
	return session_fail(session, SYNC_UNTRUSTED, "%s: the answer has no %s", path, name);
}

/* Without pinned keys those of the service are trusted, as TLS protects them. */
static bool
refresh_keys(struct agent_session *session)
{
	static const char path[] = "/.well-known/jwks.json";
	struct license_options options = {.size = sizeof(options)};
	struct license *trial;
	struct http_answer answer;

	if (*session->settings->public_key != '\0')
		return true;
	if (!session_send(session, path, "", NULL, &answer))
		return false;
	options.keys = answer.body;
	if (license_open(&options, &trial) != LICENSE_OK)
		return session_fail(session, SYNC_UNTRUSTED, "%s: no set of keys", path);
	license_close(trial);
	return session_check(session, state_keep_text(session->task, session->state, STATE_KEYS,
	                                              answer.body));
}

static bool
keep_if_genuine(struct agent_session *session, const char *token, const char *etag)
{
	struct license_cache *cache = &session->cache;
	enum license_is verdict = LICENSE_IS_NONE;
	char customer[128];

	if (license_try(cache->license, token, &verdict) != LICENSE_OK)
		return session_fail(session, SYNC_BROKEN, "There is not enough memory.");
	if (verdict == LICENSE_IS_FORGED || verdict == LICENSE_IS_NONE)
		return session_fail(session, SYNC_UNTRUSTED,
		                    "the licence is not signed with a trusted key");
	(void)license_set(cache->license, token);
	(void)license_text(cache->license, "customerId", customer, sizeof(customer));
	if (strcmp(customer, session->settings->customer_id) != 0)
		return session_fail(session, SYNC_UNTRUSTED,
		                    "the licence is another customer's");
	return session_check(session, state_keep_license(session->task, session->state, token,
	                                                 etag == NULL ? "" : etag));
}

static bool
refresh_license(struct agent_session *session)
{
	const char *path = arena_printf(session->task->arena, "/api/licenses/%s",
	                                session->settings->customer_id);
	struct kept_license kept = state_license(session->task, session->state);
	enum license_is verdict = LICENSE_IS_NONE;
	struct http_answer answer;
	const char *token = NULL;

	/* A kept licence that no longer verifies is fetched again in full. */
	(void)license_try(session->cache.license, kept.token, &verdict);
	if (verdict == LICENSE_IS_FORGED || verdict == LICENSE_IS_NONE)
		kept.etag = "";
	if (!session_send(session, path, kept.etag, NULL, &answer))
		return false;
	if (answer.status == 304)
		return true;
	return read_member(session, path, &answer, "license", &token) &&
	       keep_if_genuine(session, token, http_answer_header(&answer, "ETag"));
}

static bool
refresh_revocations(struct agent_session *session)
{
	static const char path[] = "/api/licenses/revocations";
	struct http_answer answer;
	const char *list = NULL;
	enum license_error error;

	if (!session_send(session, path, "", NULL, &answer) ||
	    !read_member(session, path, &answer, "revocations", &list))
		return false;
	error = license_set_revocations(session->cache.license, list);
	/* An HTTP cache may answer with an older list; the newer one stays. */
	if (error == LICENSE_ERROR_OLDER)
		return true;
	if (error != LICENSE_OK)
		return session_fail(session, SYNC_UNTRUSTED, "%s: %s", path,
		                    license_error_text(error));
	return session_check(session, state_keep_text(session->task, session->state,
	                                              STATE_REVOCATIONS, list));
}

/* For known_metrics_check(). A failure other than an outage changes nothing: usage goes on. */
static void
refresh_metrics(struct agent_session *session)
{
	struct sync_state before = session->sync;
	struct http_answer answer;
	struct json_view plans;

	if (session_send(session, "/api/plans", "", NULL, &answer)) {
		if (session_object(session, &answer, &plans))
			(void)session_check(
			        session,
			        known_metrics_keep(session->task, session->state, &plans));
	} else if (session->sync.outcome != SYNC_UNREACHABLE) {
		session->sync = before;
	}
}

void
session_refresh(struct agent_session *session)
{
	if (!refresh_keys(session) ||
	    !session_check(session, license_cache_load(session->task, session->state, false,
	                                               &session->cache)))
		return;
	/* A customer that is refused a licence still gets the revocations. */
	(void)refresh_license(session);
	if (session->sync.outcome != SYNC_UNREACHABLE)
		(void)refresh_revocations(session);
	if (session->sync.outcome != SYNC_UNREACHABLE)
		refresh_metrics(session);
}
