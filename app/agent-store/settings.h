/* settings.h: the table of the agent's settings. */
#pragma once

#include "base/settings.h"

struct agent_settings {
	const char *api_url;
	const char *api_key;
	const char *customer_id;
	const char *instance_id;
	const char *instance_kind;
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

/* Reads the file (or NULL), the environment and LICENSE_PUBLIC_KEY_FILE, and sets the log
 * level. Strings live in the task's arena. FAIL_INVALID "invalid_setting", also for one that
 * the vendor has fixed otherwise, or "keys_invalid", or as file_read(). */
enum fail agent_settings_load(struct task *task, const char *path,
                              struct agent_settings *out) MUST_CHECK;

/* The PEM keys or JWK set that were compiled in, or "". They win over every setting. */
extern const char agent_vendor_keys[];

enum { AGENT_GRACE_DAYS_MAX = 365 };

/* Settings that the vendor compiled in besides the keys; "" where the settings are free. */
struct agent_vendor {
	const char *issuer;
	const char *customer_id;
	int64_t grace_days; /* at most */
};

extern const struct agent_vendor agent_vendor;

/* Whether BILLING_API_URL, BILLING_API_KEY and CUSTOMER_ID are set. */
bool agent_settings_online(const struct agent_settings *settings);
