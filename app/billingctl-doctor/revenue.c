/* revenue.c: the check of billingctl doctor of the movements of MRR. */
#include "analytics/revenue.h"
#include "billingctl-doctor/doctor.h"

enum { WAIT_MAX_S = 600 };

enum fail
check_revenue(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct revenue_figures figures;
	int64_t waited_s;

	TRY(revenue_figures(operation, &figures));
	waited_s = seconds_since(operation, figures.overdue_since);
	if (waited_s > WAIT_MAX_S)
		return WRONG(
		        doctor,
		        "Changes of MRR by their dates have waited for %lld s to be booked.",
		        (long long)waited_s);
	if (!figures.settled_at.known)
		return doctor_ok(doctor, "no change of MRR waits");
	return doctor_ok(doctor, "all changes of MRR are booked until %s",
	                 param_time(operation->task, figures.settled_at));
}
