/* hosts.c: the check of billingctl doctor whether all hosts have loaded the plans of this one. */
#include "billing/host_plans.h"
#include "billingctl-doctor/doctor.h"

/* This host is named too where its billingd has not loaded the file yet. */
enum fail
check_plans_of_hosts(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct host_plans hosts;

	TRY(host_plans_compare(&ctl->operation, &ctl->billing.plans, &hosts));
	if (hosts.pooled)
		return doctor_ok(doctor, "a connection pooler hides the hosts");
	if (hosts.differ == 0)
		return doctor_ok(doctor, "hosts that have loaded the file: %lld",
		                 (long long)hosts.alike);
	return doctor_warn(doctor, "Hosts that have loaded other plans than %s has: %s%s.",
	                   ctl->settings.plans_file, hosts.names,
	                   hosts.differ > HOST_PLANS_NAMED ? ", and others" : "");
}
