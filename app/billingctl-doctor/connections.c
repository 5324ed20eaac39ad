/* connections.c: the check of billingctl doctor whether PostgreSQL has a connection for each process. */
#include "billingctl-doctor/doctor.h"

enum { OTHER_PROGRAMS = 10, JOB_PROCESSES = 2 };

/* The processes of billingd on this host. */
static int64_t
count_processes(const struct ctl *ctl)
{
	return (int64_t)app_settings_workers(&ctl->settings) + ctl->settings.stripe_workers +
	       JOB_PROCESSES + (ctl->billing.sales.configured ? 1 : 0) +
	       (ctl->billing.mail.configured ? 1 : 0);
}

/* The processes of billingd on all hosts. Other hosts may have more or fewer than this one. */
static int64_t
estimate_all(int64_t processes, const struct server_connections *found)
{
	int64_t all = processes * (found->hosts > 1 ? found->hosts : 1);

	return all > found->ours ? all : found->ours;
}

/* A reload has old and new processes for a time. */
enum fail
check_connections(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	long long allowed, all, wanted;
	struct server_connections found;

	if (doctor->facts.pooled)
		return doctor_ok(doctor, "a connection pooler gives them out");
	TRY(server_connections_read(ctl->operation.db, &ctl->task, &found));
	allowed = found.allowed;
	all = estimate_all(count_processes(ctl), &found);
	wanted =
	        all + all / 4 + (found.others > OTHER_PROGRAMS ? found.others : OTHER_PROGRAMS);
	if (all > allowed && found.hosts <= 1)
		return WRONG(doctor,
		             "PostgreSQL allows %lld connections, and billingd has %lld "
		             "processes, each with one.",
		             allowed, all);
	if (wanted > allowed)
		return doctor_warn(doctor,
		                   "PostgreSQL allows %lld connections, which is little for "
		                   "%lld processes, a reload, and other programs: %lld.",
		                   allowed, all, wanted);
	return doctor_ok(doctor, "%lld are allowed, billingd has %lld processes", allowed, all);
}
