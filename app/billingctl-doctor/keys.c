/* keys.c: the checks of billingctl doctor that concern the signing keys. */
#include <string.h>

#include "billingctl-doctor/doctor.h"
#include "billingctl/keys.h"
#include "billingctl/probe.h"
#include "issuing/key_use.h"

enum fail
check_signing_key(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct license_keys *keys = &ctl->billing.keys;

	TRY(license_keys_load(&ctl->task, ctl->settings.keys_dir, true, clock_now_ms(), keys));
	TRY(license_keys_warm(&ctl->task, keys));
	return doctor_ok(doctor, "%s", license_keys_signing(keys)->kid);
}

/* The key that all hosts sign with must be in the KEYS_DIR of this one. */
static enum fail
check_current(struct doctor *doctor, const struct signing_key *current,
              const struct license_keys *here)
{
	const char *dir = doctor->ctl->settings.keys_dir;
	const struct license_key *key = license_keys_find(here, current->kid);

	if (key == NULL)
		return WRONG(doctor,
		             "%s hasn't the private half of the signing key %s: copy "
		             "private-key.pem or next-private-key.pem of the host that has it, "
		             "as %s/" LICENSE_KEY_NEXT_FILE ". If no host has it any more: "
		             "billingctl keys rotate --now.",
		             dir, current->kid, dir);
	if (key != &here->items[0])
		return WRONG(doctor,
		             "The signing key is not in place (run: billingctl keys use %s).",
		             current->kid);
	return FAIL_NONE;
}

static enum fail
check_added(struct doctor *doctor, const struct signing_key *added,
            const struct license_keys *here)
{
	struct instant from = key_usable_at(doctor->ctl, added);
	char at[CLOCK_TEXT_SIZE];

	clock_format(from.ms, at);
	if (license_keys_find(here, added->kid) == NULL)
		return WRONG(doctor,
		             "The key %s was added on another host: copy its "
		             "next-private-key.pem here before it is used.",
		             added->kid);
	if (from.ms > doctor->ctl->operation.now_ms)
		return doctor_ok(doctor, "the key %s can be used from %s on", added->kid, at);
	return doctor_warn(
	        doctor, "The key %s waits to be used since %s (run: billingctl keys use %s).",
	        added->kid, at, added->kid);
}

/* Files of keys that another host has withdrawn or distrusted. */
static enum fail
check_leftover(struct doctor *doctor, size_t count)
{
	struct ctl *ctl = doctor->ctl;
	const char *name;

	TRY(signing_keys_leftover(&ctl->operation, ctl->settings.keys_dir, &name));
	if (name == NULL)
		return doctor_ok(doctor, "keys known: %zu", count);
	return doctor_warn(
	        doctor,
	        "%s/%s is of a key that is no longer published (run: billingctl keys "
	        "retire KID, or remove the file).",
	        ctl->settings.keys_dir, name);
}

enum fail
check_rotation(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct license_keys here;
	struct known_keys known;
	enum fail kind;

	TRY(known_keys_read(ctl, &known));
	if (known.current == NULL)
		return doctor_ok(doctor, "billingd makes the keys known when it starts");
	TRY(license_keys_load_private(&ctl->task, ctl->settings.keys_dir, &here));
	kind = check_current(doctor, known.current, &here);
	if (kind == FAIL_NONE)
		kind = known.added != NULL ? check_added(doctor, known.added, &here)
		                           : check_leftover(doctor, known.count);
	license_keys_release(&here);
	return kind;
}

/* The keys of the database replace those of the folder. */
enum fail
check_published_keys(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct key_use use = {.kid = NULL};
	struct license_keys keys;
	char until[CLOCK_TEXT_SIZE];
	bool missing;
	enum fail kind;

	TRY(signing_keys_load(&ctl->operation, ctl->settings.keys_dir, &keys));
	kind = key_use_find_missing(&ctl->operation, &keys, &use, &missing);
	license_keys_release(&keys);
	TRY(kind);
	if (!missing)
		return doctor_ok(doctor, "every live licence can be verified");
	clock_format(use.last_expires_at.ms, until);
	return WRONG(doctor,
	             "Licences signed by key %s are valid until %s, but it isn't published.",
	             use.kid, until);
}

/* billingd publishes all keys that the database says are published. */
enum fail
check_reload(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	struct probe_answer answer;
	struct known_keys known;
	size_t published = 0;

	TRY(known_keys_read(ctl, &known));
	TRY(probe_get(&ctl->task, ctl->settings.socket, "/.well-known/jwks.json", &answer));
	for (size_t i = 0; i < known.count; i++) {
		if (!known.keys[i].published)
			continue;
		if (strstr(answer.body, known.keys[i].kid) == NULL)
			return WRONG(doctor, "billingd doesn't publish the key %s.",
			             known.keys[i].kid);
		published++;
	}
	return doctor_ok(doctor, "keys published: %zu", published);
}
