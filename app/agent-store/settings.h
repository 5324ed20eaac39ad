/*
 * settings.h: THE table of the agent's settings: what the environment of the container says.
 */
#ifndef AGENT_STORE_SETTINGS_H
#define AGENT_STORE_SETTINGS_H

#include "base/settings.h"

struct agent_settings {
	const char *api_url;
	const char *api_key;
	const char *customer_id;
	const char *instance_id;
	const char *public_key;
	const char *public_key_file;
	const char *issuer;
	const char *license_jwt;
	const char *upgrade_url;
	const char *state_dir;
	const char *listen;
	const char *ca_file;
	const char *proxy;
	const char *log_level;
	int64_t offline_grace_days;
	int64_t refresh_minutes;
	int64_t report_minutes;
	int64_t buffer_reports;
};

extern const struct setting agent_settings_table[];

/* Reads file (or NULL) and environment, the public key's file included, and sets the log level.
 * FAIL_INVALID "invalid_setting" or as file_read(); strings live in the task's arena. */
enum fail agent_settings_load(struct task *task, const char *path,
                              struct agent_settings *out) MUST_CHECK;

/* PEM keys or a JWK set that were compiled in; "" when none were. They win over every setting. */
extern const char agent_vendor_keys[];

/* Whether there is a service to talk to: its address, a key and a customer are set. */
bool agent_settings_online(const struct agent_settings *settings);

#endif
