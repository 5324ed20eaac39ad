/* settings.c: the table of the agent's settings. */
#include "agent-store/settings.h"

#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wire.h"

enum { KEYS_MAX = 256 * 1024 };

/* Refuses early what is wrong at first sight. billing-agent-sync judges the URL before it sends
 * the key, as libcurl reads it (http_check_key_url); libcurl is in that program alone. */
static const char *
check_api_url(const char *value)
{
	static const char *const allowed[] = {"https://", "http://127.", "http://localhost",
	                                      "http://[::1]"};

	if (strchr(value, '@') != NULL)
		return "must not have a user name or password";
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if (text_starts_with(value, allowed[i]))
			return NULL;
	return *value == '\0' ? NULL
	                      : "must start with https:// (http:// only for this machine "
	                        "itself)";
}

static const char *
check_customer(const char *value)
{
	return *value == '\0' || wire_is_customer_id(value) ? NULL
	                                                    : "must be cust_ and 32 hex digits";
}

static const char *
check_instance(const char *value)
{
	return *value == '\0' ? NULL : wire_check_id(value);
}

static const char *
check_listen(const char *value)
{
	return *value == '/' || text_starts_with(value, "127.0.0.1:")
	               ? NULL
	               : "must be the path of a socket, or 127.0.0.1:PORT";
}

static const char *
check_proxy(const char *value)
{
	return *value == '\0' || text_starts_with(value, "http://") ? NULL
	                                                            : "must start with http://";
}

static const char *
check_path(const char *value)
{
	return *value == '/' ? NULL : "must be an absolute path";
}

#define ROW(member, ...) SETTING(struct agent_settings, member, __VA_ARGS__)

const struct setting agent_settings_table[] = {
        ROW(api_url, "BILLING_API_URL", "",
            "The billing service, such as https://billing.example.com; empty: offline.",
            .check = check_api_url),
        ROW(api_key, "BILLING_API_KEY", "",
            "The API key of this customer, with the scopes license and usage.", .secret = true),
        ROW(customer_id, "CUSTOMER_ID", "", "The customer that this instance belongs to.",
            .check = check_customer),
        ROW(instance_id, "INSTANCE_ID", "",
            "The name of this instance; empty: a random one, kept in AGENT_STATE_DIR.",
            .check = check_instance),
        ROW(instance_kind, "INSTANCE_KIND", "production",
            "The kind of this instance for billing-agent request: production, staging or "
            "development.",
            .check = wire_check_kind),
        ROW(public_key, "LICENSE_PUBLIC_KEY", "",
            "The public keys to trust: PEM (\\n for line breaks) or a JWK set; empty: the keys "
            "that BILLING_API_URL publishes."),
        ROW(public_key_file, "LICENSE_PUBLIC_KEY_FILE", "",
            "The path of a file with the public keys to trust."),
        ROW(issuer, "LICENSE_ISSUER", "", "The issuer that licences must have; empty: any."),
        ROW(license_jwt, "LICENSE_JWT", "",
            "A licence. The agent uses the later issued of this one and the one in "
            "AGENT_STATE_DIR.",
            .secret = true),
        ROW(upgrade_url, "BILLING_UPGRADE_URL", "",
            "The URL where people upgrade, passed on in GET /license."),
        ROW(state_dir, "AGENT_STATE_DIR", "/var/lib/billing-agent",
            "Folder of licence, clock and unsent usage. It must outlive the container.",
            .check = check_path),
        ROW(listen, "AGENT_LISTEN", "/run/billing-agent/agent.sock",
            "Unix socket (mode 0660) or 127.0.0.1:PORT for the local application.",
            .check = check_listen),
        ROW(ca_file, "BILLING_CA_FILE", "",
            "PEM file of the certificate authorities to trust; empty: the system's."),
        ROW(proxy, "BILLING_PROXY", "",
            "HTTP proxy, http://[user:password@]host:port; empty: none.", .secret = true,
            .check = check_proxy),
        ROW(offline_grace_days, "OFFLINE_GRACE_DAYS", "30",
            "Days that an expired paid licence stays usable when it cannot be renewed. The "
            "licence or the vendor's build may allow less.",
            .min = 0, .max = AGENT_GRACE_DAYS_MAX),
        ROW(refresh_minutes, "AGENT_REFRESH_MINUTES", "60",
            "Minutes between two refreshes of the licence.", .min = 1, .max = 10080),
        ROW(report_minutes, "AGENT_REPORT_MINUTES", "60",
            "Minutes that one usage report covers.", .min = 1, .max = 1440),
        ROW(buffer_reports, "AGENT_BUFFER_REPORTS", "1000",
            "Most unsent reports that are kept. Beyond that, the oldest days become one "
            "report each.",
            .min = 10, .max = 100000),
        ROW(log_level, "LOG_LEVEL", "info", "error, warning, info or debug.",
            .choices = log_level_names),
        SETTING_END("billing-agent"),
};

/* Turns each \n that a one-line environment variable has to spell out into a line break. */
static void
unescape_lines(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		if (text[0] == '\\' && text[1] == 'n') {
			*out++ = '\n';
			text++;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

/* The URL without slashes at its end, and without the /api that older clients append. */
static char *
base_of(struct arena *arena, const char *url)
{
	size_t length = strlen(url);

	while (length > 0 && url[length - 1] == '/')
		length--;
	if (length > 4 && strncmp(url + length - 4, "/api", 4) == 0)
		length -= 4;
	return arena_copy_bytes(arena, url, length);
}

/* Takes what the vendor has compiled in; refuses another value. */
static enum fail
pin(struct task *task, const char *name, const char *pinned, const char **value)
{
	if (*pinned == '\0')
		return FAIL_NONE;
	if (**value != '\0' && strcmp(*value, pinned) != 0)
		return task_fail(task, FAIL_INVALID, "invalid_setting",
		                 "setting %s must be %s: the vendor built this agent for it",
		                 name, pinned);
	*value = pinned;
	return FAIL_NONE;
}

enum fail
agent_settings_load(struct task *task, const char *path, struct agent_settings *out)
{
	char *keys;
	size_t length;

	TRY(settings_load(task, agent_settings_table, path, SECRETS_ALL, out));
	TRY(pin(task, "LICENSE_ISSUER", agent_vendor.issuer, &out->issuer));
	TRY(pin(task, "CUSTOMER_ID", agent_vendor.customer_id, &out->customer_id));
	if (out->offline_grace_days > agent_vendor.grace_days)
		out->offline_grace_days = agent_vendor.grace_days;
	if (*agent_vendor_keys != '\0') {
		out->public_key = agent_vendor_keys;
	} else if (*out->public_key == '\0' && *out->public_key_file != '\0') {
		TRY(file_read(task, out->public_key_file, KEYS_MAX, &keys, &length));
		/* No pinned key would mean to trust every key that the service publishes. */
		if (length == 0)
			return task_fail(task, FAIL_INVALID, "keys_invalid",
			                 "LICENSE_PUBLIC_KEY_FILE: %s is empty.",
			                 out->public_key_file);
		out->public_key = keys;
	} else {
		keys = arena_copy(task->arena, out->public_key);
		if (*keys != '{')
			unescape_lines(keys);
		out->public_key = keys;
	}
	out->api_url = base_of(task->arena, out->api_url);
	log_set_level_named(out->log_level);
	return FAIL_NONE;
}

bool
agent_settings_online(const struct agent_settings *settings)
{
	return *settings->api_url != '\0' && *settings->api_key != '\0' &&
	       *settings->customer_id != '\0';
}
