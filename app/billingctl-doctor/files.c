/* files.c: the checks of billingctl doctor of the files that billingd writes: the published revocation list, and
 * the signed heads of the audit trail. billingctl may read other files than billingd writes, when a setting is
 * in the environment of billingd alone. */
#include <errno.h>
#include <sys/stat.h>

#include "audit/verify.h"
#include "base/arena.h"
#include "billingctl-doctor/doctor.h"
#include "issuing/revocation_list.h"
#include "issuing/revocation_restore.h"

enum { WAIT_MAX_S = 600, PUBLISH_MAX_S = 60 };

/* billingd writes each list into the file within seconds. */
enum fail
check_published_list(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct task *task = operation->task;
	const char *path = doctor->ctl->settings.revocations_file;
	struct revocation_list_figures figures;
	int64_t number = 0;

	TRY(revocation_list_figures(operation, &figures));
	if (figures.number == 0)
		return doctor_ok(doctor, "no list is signed yet");
	if (revocation_published_number(task, path, &number) != FAIL_NONE) {
		const char *why = task->failure.message;

		task_clear(task);
		return doctor_warn(doctor, "%s", why);
	}
	if (number < figures.number &&
	    seconds_since(operation, figures.issued_at) > PUBLISH_MAX_S)
		return doctor_warn(doctor, "%s has list %lld, the database has %lld.", path,
		                   (long long)number, (long long)figures.number);
	return doctor_ok(doctor, "%s has list %lld", path, (long long)number);
}

/* The fault of the file of signed heads, when links are old enough to have a head; or NULL. */
static const char *
heads_wrong(struct ctl *ctl, const struct audit_chain_figures *figures)
{
	const int64_t limit_ms = ctl->operation.now_ms - AUDIT_HEAD_DAYS_MAX * DAY_MS;
	const char *path = ctl->settings.audit_heads_file;
	struct stat status;

	if (stat(path, &status) != 0)
		return errno == ENOENT && figures->first_at.ms < limit_ms
		               ? arena_printf(ctl->task.arena,
		                              "%s is missing, with the signed heads", path)
		               : NULL;
	if (status.st_mtime * SECOND_MS < limit_ms)
		return arena_printf(ctl->task.arena, "%s has no head of the last %d days", path,
		                    AUDIT_HEAD_DAYS_MAX);
	return NULL;
}

enum fail
check_audit(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct audit_chain_figures figures;
	const char *wrong;
	int64_t waited_s;

	TRY(audit_chain_figures(operation, &figures));
	waited_s = seconds_since(operation, figures.waiting_since);
	if (waited_s > WAIT_MAX_S)
		return WRONG(doctor,
		             "Entries of the audit trail that are not chained: %lld, "
		             "the oldest for %lld s.",
		             (long long)figures.waiting, (long long)waited_s);
	wrong = figures.links > 0 ? heads_wrong(doctor->ctl, &figures) : NULL;
	if (wrong != NULL)
		return doctor_warn(doctor, "%s", wrong);
	return doctor_ok(doctor, "%lld entries are chained, %lld wait",
	                 (long long)figures.links, (long long)figures.waiting);
}
