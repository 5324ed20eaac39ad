/* doctor_keys.c: the checks of billingctl doctor that concern the signing keys. */
#include <string.h>

#include "billing/key_use.h"
#include "billingctl/doctor.h"
#include "billingctl/probe.h"

enum fail
check_signing_key(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct license_keys *keys = &ctl->billing.keys;

	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, clock_now_ms(), keys));
	TRY(license_keys_warm(&ctl->task, keys));
	return doctor_ok(doctor, "%s", license_keys_signing(keys)->kid);
}

enum fail
check_rotation(struct doctor *doctor)
{
	const struct license_keys *keys = &doctor->ctl->billing.keys;

	if (!keys->items[0].can_sign)
		return WRONG(doctor, "A rotation of the keys was interrupted.");
	return doctor_ok(doctor, "%zu keys are published", keys->count);
}

enum fail
check_published_keys(struct doctor *doctor)
{
	struct key_use use = {.kid = NULL};
	char until[CLOCK_TEXT_SIZE];
	bool missing;

	TRY(key_use_find_missing(&doctor->ctl->operation, &doctor->ctl->billing.keys, &use,
	                         &missing));
	if (!missing)
		return doctor_ok(doctor, "every live licence can be verified");
	clock_format(use.last_expires_at.ms, until);
	return WRONG(doctor,
	             "Licences signed by key %s are valid until %s, but it isn't published "
	             "that long.",
	             use.kid, until);
}

/* billingd uses a new key only after a reload. */
enum fail
check_reload(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	const char *kid = ctl->billing.keys.items[0].kid;
	struct probe_answer answer;

	TRY(probe_get(&ctl->task, ctl->settings.socket, "/.well-known/jwks.json", &answer));
	if (strstr(answer.body, kid) == NULL)
		return WRONG(doctor, "billingd doesn't know the newest key %s.", kid);
	return doctor_ok(doctor, "knows the newest key");
}
