/*
 * main.c: billing-agent's arguments, then the daemon or one step.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/bundle.h"
#include "base/arena.h"
#include "base/log.h"

enum { ARENA_MAX = 64 * 1024 * 1024, EXIT_FAULT = 1, EXIT_USAGE = 2, EXIT_UNLICENSED = 3 };

static const char help[] =
        "billing-agent - keeps a licence at hand for an application, and reports its usage\n"
        "\n"
        "Usage: billing-agent [--config FILE] [COMMAND]\n"
        "\n"
        "Without a command it serves the local application until TERM; HUP refreshes now.\n"
        "  --once         report and refresh once, print what GET /license gives, and end\n"
        "  status         print what GET /license gives\n"
        "  usage JSON     note usage as POST /usage does, where no daemon runs\n"
        "  import FILE    take a licence that was carried here (billingctl license export)\n"
        "  export FILE    write unsent usage to be carried (billingctl usage import)\n"
        "\n"
        "  --config FILE  settings as NAME=value lines; the environment wins over them\n"
        "  --settings     print the table of settings (markdown)\n"
        "  --example      print an example settings file\n"
        "  --help, --version\n"
        "\n"
        "Exit status: 0 the licence is valid or in grace (or the daemon stopped as told),\n"
        "1 a fault, 2 bad usage, 3 there is no valid licence.\n";

/* What every command works with. */
struct context {
	struct task lasting; /* settings and state */
	struct agent_settings settings;
	struct state state;
	struct agent agent;
};

static int
fault(const struct task *task)
{
	fprintf(stderr, "billing-agent: %s\n", task->failure.message);
	return EXIT_FAULT;
}

static enum fail
load(struct context *context)
{
	struct agent *agent = &context->agent;

	agent->settings = &context->settings;
	agent->state = &context->state;
	spool_open(&agent->task, &context->state, &agent->spool);
	return license_cache_load(&agent->task, &context->settings, &context->state, true,
	                          &agent->cache);
}

static int
print_license(struct context *context)
{
	struct agent *agent = &context->agent;
	enum license_is verdict = license_verdict(agent->cache.license);

	puts(license_cache_json(&agent->task, &context->settings, &context->state,
	                        &agent->cache, &agent->spool.current));
	return verdict == LICENSE_IS_VALID || verdict == LICENSE_IS_GRACE ? 0 : EXIT_UNLICENSED;
}

/* Makes the report of what was noted and bounds the buffer, unless a daemon runs, which sees to that
 * itself. False when it fails. */
static bool
cut_alone(struct context *context)
{
	struct agent *agent = &context->agent;
	int lock = state_lock(&agent->task, &context->state, STATE_DAEMON_LOCK);
	enum fail kind = FAIL_NONE;

	if (lock < 0)
		return true;
	state_sweep(&agent->task, &context->state);
	spool_open(&agent->task, &context->state, &agent->spool);
	kind = spool_cut(&agent->task, &agent->spool, clock_now_ms());
	if (kind == FAIL_NONE)
		kind = agent_bound(agent);
	close(lock);
	return kind == FAIL_NONE;
}

/* For cron, and for containers that live for a moment only. */
static int
run_once(struct context *context)
{
	struct agent *agent = &context->agent;
	enum sync_outcome outcome = SYNC_DONE;
	int status = 0, unlicensed;

	/* The licence is told all the same. */
	if (!cut_alone(context))
		status = fault(&agent->task);
	task_clear(&agent->task);
	if (agent_settings_online(&context->settings))
		outcome = agent_sync_now(agent);
	if (license_cache_load(&agent->task, &context->settings, &context->state, true,
	                       &agent->cache) != FAIL_NONE)
		return fault(&agent->task);
	if (outcome == SYNC_BROKEN || outcome == SYNC_BUSY) {
		fprintf(stderr, "billing-agent: the talk with the service was %s\n",
		        state_outcome_name(outcome));
		status = EXIT_FAULT;
	}
	unlicensed = print_license(context);
	return status != 0 ? status : unlicensed;
}

/* Why the folder isn't ours to count in; the exit status. */
static int
locked_out(const struct context *context, const char *busy)
{
	if (errno == EWOULDBLOCK)
		fprintf(stderr, "billing-agent: %s (%s)\n", busy, context->settings.state_dir);
	else
		fprintf(stderr, "billing-agent: %s can't be locked: %s\n",
		        context->settings.state_dir, strerror(errno));
	return EXIT_FAULT;
}

static int
note_usage(struct context *context, const char *text)
{
	struct agent *agent = &context->agent;
	int lock = state_lock(&agent->task, &context->state, STATE_DAEMON_LOCK);
	struct json_view body;

	if (lock < 0)
		return locked_out(context, "an agent runs in this folder: POST /usage");
	if (json_view_open(&agent->task, text, strlen(text), &body) != FAIL_NONE ||
	    spool_post(&agent->task, &agent->spool, &body) != FAIL_NONE)
		return fault(&agent->task);
	close(lock);
	return 0;
}

static int
import_bundle(struct context *context, const char *path)
{
	struct agent *agent = &context->agent;

	if (bundle_import(&agent->task, &context->settings, &context->state, path) !=
	            FAIL_NONE ||
	    license_cache_load(&agent->task, &context->settings, &context->state, true,
	                       &agent->cache) != FAIL_NONE)
		return fault(&agent->task);
	return print_license(context);
}

static int
export_bundle(struct context *context, const char *path)
{
	struct agent *agent = &context->agent;
	struct usage_export export;

	if (!cut_alone(context) || bundle_export(&agent->task, &context->settings,
	                                         &context->state, path, &export) != FAIL_NONE)
		return fault(&agent->task);
	printf("{\"file\":%lld,\"reports\":%zu}\n", (long long)export.file, export.reports);
	return 0;
}

static int
serve(struct context *context)
{
	struct agent *agent = &context->agent;
	int status, lock = state_lock(&agent->task, &context->state, STATE_DAEMON_LOCK);

	if (lock < 0)
		return locked_out(context, "another agent runs in this folder");
	state_sweep(&agent->task, &context->state);
	/* Nobody else has counted since. */
	spool_open(&agent->task, &context->state, &agent->spool);
	if (serve_open(&agent->task, context->settings.listen, &agent->server) != FAIL_NONE)
		return fault(&agent->task);
	agent->server.handler = agent_answer;
	agent->server.context = agent;
	log_line(LOG_LEVEL_INFO, "billing-agent serves",
	         LOG_S("listen", context->settings.listen),
	         LOG_S("instance_id", context->state.instance_id),
	         LOG_S("verdict", license_verdict_name(license_verdict(agent->cache.license))));
	status = agent_run(agent);
	serve_close(&agent->server);
	log_line(LOG_LEVEL_INFO, "billing-agent stops");
	close(lock);
	return status;
}

static int
run_command(struct context *context, bool once, int count, char **words)
{
	if (once && count == 0)
		return run_once(context);
	if (count == 0)
		return serve(context);
	if (!once && count == 1 && strcmp(words[0], "status") == 0)
		return print_license(context);
	if (!once && count == 2 && strcmp(words[0], "usage") == 0)
		return note_usage(context, words[1]);
	if (!once && count == 2 && strcmp(words[0], "import") == 0)
		return import_bundle(context, words[1]);
	if (!once && count == 2 && strcmp(words[0], "export") == 0)
		return export_bundle(context, words[1]);
	fprintf(stderr, "billing-agent: no such command; see billing-agent --help\n");
	return EXIT_USAGE;
}

static int
start(const char *config, bool once, int count, char **words)
{
	struct context context = {.lasting = {.arena = arena_new(ARENA_MAX)}};
	struct agent *agent = &context.agent;
	int status;

	agent->task.arena = arena_new(ARENA_MAX);
	agent->config = config;
	if (agent_settings_load(&context.lasting, config, &context.settings) != FAIL_NONE ||
	    state_open(&context.lasting, &context.settings, &context.state) != FAIL_NONE)
		status = fault(&context.lasting);
	else if (load(&context) != FAIL_NONE)
		status = fault(&agent->task);
	else
		status = run_command(&context, once, count, words);
	license_cache_release(&agent->cache);
	arena_free(agent->task.arena);
	arena_free(context.lasting.arena);
	return status;
}

/* What prints and exits; the exit status. */
static int
print(int option)
{
	switch (option) {
	case 'h':
		fputs(help, stdout);
		return 0;
	case 'v':
		puts("billing-agent 1.0");
		return 0;
	case 's':
		settings_print_markdown(agent_settings_table);
		return 0;
	case 'e':
		settings_print_example(agent_settings_table);
		return 0;
	default:
		return EXIT_USAGE;
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"config", required_argument, NULL, 'f'},
	        {"once", no_argument, NULL, 'o'},
	        {"settings", no_argument, NULL, 's'},
	        {"example", no_argument, NULL, 'e'},
	        {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'v'},
	        {NULL, 0, NULL, 0},
	};
	const char *config = NULL;
	bool once = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			config = optarg;
		else if (option == 'o')
			once = true;
		else
			return print(option);
	}
	return start(config, once, argc - optind, argv + optind);
}
