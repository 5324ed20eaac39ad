/* access.c: the checks of what billingd's role may do, of who may read the settings and the
 * connection to PostgreSQL, and of the standby and the archive of its log. */
#include <sys/stat.h>

#include "billingctl-doctor/doctor.h"
#include "db/role.h"

/* The settings file may hold secrets. The group of the socket is that of nginx. */
enum fail
check_settings_file(struct doctor *doctor)
{
	const char *path = doctor->ctl->config;
	struct stat file, socket;

	if (path == NULL)
		return doctor_ok(doctor, "none");
	if (stat(path, &file) != 0)
		return WRONG(doctor, "%s cannot be looked at.", path);
	if ((file.st_mode & S_IRWXO) != 0)
		return WRONG(doctor, "Every user may read %s (run: chmod o= %s).", path, path);
	if ((file.st_mode & S_IRWXG) != 0 && stat(doctor->ctl->settings.socket, &socket) == 0 &&
	    socket.st_gid == file.st_gid)
		return WRONG(doctor, "The group that may use the socket, nginx's, may read %s.",
		             path);
	return doctor_ok(doctor, "%s", path);
}

enum fail
check_role(struct doctor *doctor)
{
	struct role_facts facts;

	TRY(role_facts_read(doctor->ctl->operation.db, &doctor->ctl->task, &facts));
	return facts.owns ? WRONG(doctor,
	                          "The role %s owns the schema, so billingd could change the "
	                          "audit trail and drop tables.",
	                          facts.name)
	                  : doctor_ok(doctor, "%s", facts.name);
}

enum fail
check_tls(struct doctor *doctor)
{
	const struct server_facts *facts = &doctor->facts;

	if (!facts->remote)
		return doctor_ok(doctor, "PostgreSQL is on this host");
	if (!facts->encrypted)
		return doctor_warn(doctor, "The connection to PostgreSQL is not encrypted.");
	if (!facts->verified)
		return doctor_warn(doctor, "PostgreSQL's certificate is not verified.");
	return doctor_ok(doctor, "encrypted, and the certificate is verified");
}

enum fail
check_archive(struct doctor *doctor)
{
	const struct server_facts *facts = &doctor->facts;

	if (facts->archive_fails)
		return doctor_warn(doctor, "PostgreSQL cannot archive its log, which fills its "
		                           "disk.");
	if (facts->idle_slots > 0)
		return doctor_warn(
		        doctor,
		        "%lld replication slots keep log for a standby that is away, "
		        "which fills the disk of PostgreSQL.",
		        (long long)facts->idle_slots);
	return doctor_ok(doctor, "no log waits for an archive or a standby that is away");
}

/* The checks above have sent statements, so that a refusal is known. */
enum fail
check_pooler(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;

	if (!doctor->facts.pooled)
		return doctor_ok(doctor, "none stands before PostgreSQL");
	if (!ctl->settings.db_prepared)
		return doctor_ok(doctor, "there is one, and statements are not prepared");
	if (!db_prepares(ctl->operation.db))
		return WRONG(doctor,
		             "Prepared statements fail behind the connection pooler (SQLSTATE "
		             "42P05 or 26000) (run: set DB_PREPARED=off, and reload billingd)");
	return doctor_warn(doctor,
	                   "There is one, and DB_PREPARED is on: prepared statements fail "
	                   "where it pools transactions.");
}

enum fail
check_limits(struct doctor *doctor)
{
	struct role_facts facts;

	TRY(role_facts_read(doctor->ctl->operation.db, &doctor->ctl->task, &facts));
	return facts.limited ? doctor_ok(doctor, "statements, locks and idle transactions end")
	                     : WRONG(doctor,
	                             "Sessions of %s have no time limits: a connection pooler "
	                             "drops those of the connection.",
	                             facts.name);
}

enum fail
check_standby(struct doctor *doctor)
{
	struct ctl *ctl = doctor->ctl;
	enum fail kind = db_confirm(ctl->operation.db, &ctl->task);

	if (!db_standby_is_away(ctl->operation.db))
		return kind == FAIL_NONE ? doctor_ok(doctor, "confirms, or none is needed")
		                         : kind;
	task_clear(&ctl->task);
	return WRONG(doctor, "No synchronous standby confirms: changes are refused.");
}
