/* events.c: the check of billingctl doctor of the log of events. */
#include "billingctl-doctor/doctor.h"
#include "events/horizon.h"

enum fail
check_events(struct doctor *doctor)
{
	struct operation *operation = &doctor->ctl->operation;
	struct event_horizon horizon;
	int64_t waited_s;

	TRY(event_horizon_read(operation, &horizon));
	waited_s = seconds_since(operation, horizon.waiting_since);
	if (waited_s > EVENT_WAIT_MAX_S)
		return WRONG(doctor,
		             "Events have waited for %lld s for an open transaction: %s.",
		             (long long)waited_s,
		             horizon.holder == NULL ? "it has just ended" : horizon.holder);
	if (horizon.months_missing > 0)
		return WRONG(doctor, "Months of events that have no table yet: %lld.",
		             (long long)horizon.months_missing);
	return doctor_ok(doctor, "%lld events wait", (long long)horizon.waiting);
}
