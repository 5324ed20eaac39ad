/* contracts.c: the check of contracts that Stripe bills, and of those that end soon. */
#include "contracts/contracts.h"
#include "billingctl-doctor/doctor.h"

enum fail
check_contracts(struct doctor *doctor)
{
	struct contract_figures figures;

	TRY(contract_figures(&doctor->ctl->operation, &figures));
	if (figures.parked > 0)
		return WRONG(doctor,
		             "Contracts whose change at Stripe was given up: %lld, one is %s.",
		             (long long)figures.parked, figures.parked_one);
	if (figures.overdue > 0)
		return WRONG(
		        doctor,
		        "Contracts that are over, but whose subscription at Stripe has not "
		        "ended: %lld, one is %s.",
		        (long long)figures.overdue, figures.overdue_one);
	return doctor_ok(doctor, "%lld run, %lld of them end within 30 days",
	                 (long long)figures.running, (long long)figures.ending);
}
