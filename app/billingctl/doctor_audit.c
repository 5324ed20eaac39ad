/* doctor_audit.c: the check of billingctl doctor of the audit trail's chain. */
#include <sys/stat.h>

#include "audit/heads.h"
#include "billingctl/doctor.h"

enum { WAIT_MAX_S = 600, HEAD_DAYS_MAX = 2 };

enum fail
check_audit(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	const char *path = doctor->ctl->settings.audit_heads_file;
	struct audit_chain_figures figures;
	struct stat status;

	TRY(audit_chain_figures(operation, &figures));
	if (figures.waiting_since.known &&
	    operation->now_ms - figures.waiting_since.ms > WAIT_MAX_S * SECOND_MS)
		return WRONG(doctor,
		             "Entries of the audit trail that are not chained: %lld, "
		             "the oldest for %lld s.",
		             (long long)figures.waiting,
		             (long long)((operation->now_ms - figures.waiting_since.ms) /
		                         SECOND_MS));
	if (figures.links > 0 && stat(path, &status) == 0 &&
	    operation->now_ms / SECOND_MS - status.st_mtime >
	            HEAD_DAYS_MAX * DAY_MS / SECOND_MS)
		return doctor_warn(doctor, "%s has no head of the last %d days", path,
		                   HEAD_DAYS_MAX);
	return doctor_ok(doctor, "%lld entries are chained, %lld wait",
	                 (long long)figures.links, (long long)figures.waiting);
}
