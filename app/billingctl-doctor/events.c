/* events.c: the check of billingctl doctor of the log of events. */
#include "billingctl-doctor/doctor.h"
#include "events/horizon.h"

enum { WAIT_MAX_S = 60 };

enum fail
check_events(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct event_horizon horizon;
	int64_t waited_s = 0;

	TRY(event_horizon_read(operation, &horizon));
	if (horizon.waiting_since.known)
		waited_s = (operation->now_ms - horizon.waiting_since.ms) / SECOND_MS;
	if (waited_s > WAIT_MAX_S)
		return WRONG(doctor,
		             "Events have waited for %lld s for an open transaction: %s.",
		             (long long)waited_s,
		             horizon.holder == NULL ? "it has just ended" : horizon.holder);
	if (horizon.months_missing > 0)
		return WRONG(doctor, "Months of events that have no table yet: %lld.",
		             (long long)horizon.months_missing);
	return doctor_ok(doctor, "%lld events wait", (long long)horizon.waiting);
}
