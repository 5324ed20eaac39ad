/* main.c: reads the arguments of billing-agent and runs the command. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/bundle.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/options.h"
#include "base/secrets.h"
#include "base/suggestion.h"
#include "base/version.h"

enum { ARENA_MAX = 64 * 1024 * 1024, EXIT_FAULT = 1, EXIT_USAGE = 2, EXIT_UNLICENSED = 3 };

static const char help[] =
        "billing-agent - keeps a licence for a local application and reports its usage\n"
        "\n"
        "Usage: billing-agent [--config FILE] [COMMAND]\n"
        "\n"
        "Without a command it serves the local application until TERM. HUP refreshes now.\n"
        "  --once         report and refresh once, print the JSON of GET /license, and exit\n"
        "  status         print the JSON of GET /license\n"
        "  usage JSON     record usage as POST /usage does, while no daemon runs\n"
        "  retry          make refused usage unsent again, while no daemon runs\n"
        "  request FILE   write a request for a licence that is bound to this instance\n"
        "  import FILE    import a licence that billingctl license export or issue wrote\n"
        "  export FILE    write the unsent usage to a file for billingctl usage import\n"
        "\n"
        "  --config FILE  settings as NAME=value lines; the environment overrides them\n"
        "  --settings     print the table of settings (markdown)\n"
        "  --example      print an example settings file\n"
        "  --completion SHELL  print a completion for bash or zsh\n"
        "  --help, --version\n"
        "\n"
        "Exit status: 0 the licence is valid or in grace, or the daemon was stopped;\n"
        "1 a failure; 2 bad usage; 3 there is no valid licence.\n";

static int
fault(const struct task *task)
{
	fprintf(stderr, "billing-agent: %s\n", task->failure.message);
	return EXIT_FAULT;
}

static int
print_license(struct agent *agent)
{
	enum license_is verdict = license_verdict(agent->cache.license);

	puts(license_cache_json(&agent->task, &agent->state, &agent->cache,
	                        &agent->spool.current));
	return verdict == LICENSE_IS_VALID || verdict == LICENSE_IS_GRACE ? 0 : EXIT_UNLICENSED;
}

/* Makes a report of the recorded usage, unless a daemon runs. False when it fails. */
static bool
make_report_alone(struct agent *agent)
{
	int lock = state_lock(&agent->task, &agent->state, STATE_DAEMON_LOCK);
	enum fail kind = FAIL_NONE;

	if (lock < 0)
		return true;
	state_sweep(&agent->task, &agent->state);
	spool_open(&agent->task, &agent->state, &agent->spool);
	kind = spool_make_report(&agent->task, &agent->spool, clock_now_ms());
	if (kind == FAIL_NONE)
		kind = agent_compact(agent);
	close(lock);
	return kind == FAIL_NONE;
}

/* --once: for cron, and for containers that live only for a moment. */
static int
run_once(struct agent *agent)
{
	enum sync_outcome outcome = SYNC_DONE;
	int status = 0, unlicensed;

	if (!make_report_alone(agent))
		status = fault(&agent->task);
	task_clear(&agent->task);
	if (agent_settings_online(&agent->settings))
		outcome = agent_sync_now(agent);
	if (license_cache_load(&agent->task, &agent->state, true, &agent->cache) != FAIL_NONE)
		return fault(&agent->task);
	if (outcome == SYNC_BROKEN || outcome == SYNC_BUSY) {
		fprintf(stderr, "billing-agent: the session with the service was %s\n",
		        state_outcome_name(outcome));
		status = EXIT_FAULT;
	}
	unlicensed = print_license(agent);
	return status != 0 ? status : unlicensed;
}

/* Prints why the folder cannot be locked: `busy` when another agent has it. */
static int
locked_out(const struct agent *agent, const char *busy)
{
	if (errno == EWOULDBLOCK)
		fprintf(stderr, "billing-agent: %s (%s)\n", busy, agent->settings.state_dir);
	else
		fprintf(stderr, "billing-agent: %s cannot be locked: %s\n",
		        agent->settings.state_dir, strerror(errno));
	return EXIT_FAULT;
}

static int
record_usage(struct agent *agent, const char *text)
{
	int lock = state_lock(&agent->task, &agent->state, STATE_DAEMON_LOCK);
	struct json_view body;

	if (lock < 0)
		return locked_out(agent, "an agent runs in this folder; use POST /usage");
	if (json_view_open(&agent->task, text, strlen(text), &body) != FAIL_NONE ||
	    spool_post(&agent->task, &agent->spool, &body) != FAIL_NONE)
		return fault(&agent->task);
	close(lock);
	return 0;
}

static int
retry_usage(struct agent *agent, const char *argument)
{
	int lock = state_lock(&agent->task, &agent->state, STATE_DAEMON_LOCK);
	size_t retried;

	(void)argument;
	if (lock < 0)
		return locked_out(agent, "an agent runs in this folder; use POST /usage/retry");
	spool_open(&agent->task, &agent->state, &agent->spool);
	if (spool_retry(&agent->task, &agent->spool, &retried) != FAIL_NONE)
		return fault(&agent->task);
	printf("{\"retried\":%zu}\n", retried);
	close(lock);
	return 0;
}

static int
import_bundle(struct agent *agent, const char *path)
{
	if (bundle_import(&agent->task, &agent->state, path) != FAIL_NONE ||
	    license_cache_load(&agent->task, &agent->state, true, &agent->cache) != FAIL_NONE)
		return fault(&agent->task);
	return print_license(agent);
}

static int
request_license(struct agent *agent, const char *path)
{
	struct json_out json = json_out_new(agent->task.arena, 256);
	struct license_request request;

	if (request_write(&agent->task, &agent->state, path, &request) != FAIL_NONE)
		return fault(&agent->task);
	json_out_open(&json, NULL, '{');
	json_out_string(&json, "instanceId", request.instance_id);
	json_out_string(&json, "kind", request.kind);
	json_out_string(&json, "nonce", request.nonce);
	json_out_close(&json, '}');
	puts(json.text.data);
	return 0;
}

static int
export_bundle(struct agent *agent, const char *path)
{
	struct usage_export export;

	if (!make_report_alone(agent) ||
	    bundle_export(&agent->task, &agent->state, path, &export) != FAIL_NONE)
		return fault(&agent->task);
	printf("{\"file\":%lld,\"reports\":%zu}\n", (long long)export.file, export.reports);
	return 0;
}

static int
serve(struct agent *agent)
{
	int status, lock = state_lock(&agent->task, &agent->state, STATE_DAEMON_LOCK);

	if (lock < 0)
		return locked_out(agent, "another agent runs in this folder");
	state_sweep(&agent->task, &agent->state);
	/* Another process may have counted before the lock was taken. */
	spool_open(&agent->task, &agent->state, &agent->spool);
	if (serve_open(&agent->task, agent->settings.listen, &agent->server) != FAIL_NONE)
		return fault(&agent->task);
	agent->server.handler = agent_answer;
	agent->server.context = agent;
	log_line(LOG_LEVEL_INFO, "billing-agent started",
	         LOG_S("listen", agent->settings.listen),
	         LOG_S("instance_id", agent->state.instance_id),
	         LOG_S("verdict", license_verdict_name(license_verdict(agent->cache.license))));
	status = agent_run(agent);
	serve_close(&agent->server);
	log_line(LOG_LEVEL_INFO, "billing-agent stopped");
	close(lock);
	return status;
}

static int
print_status(struct agent *agent, const char *argument)
{
	(void)argument;
	return print_license(agent);
}

/* A command, and what it needs behind its name. */
struct command {
	const char *name;
	const char *argument; /* in the help; NULL: none */
	int (*run)(struct agent *agent, const char *argument);
	bool keeps_clock; /* the others only read: a wrong clock meanwhile leaves no trace */
};

static const struct command commands[] = {
        {"status", NULL, print_status, false},   {"usage", "JSON", record_usage, false},
        {"retry", NULL, retry_usage, false},     {"request", "FILE", request_license, false},
        {"import", "FILE", import_bundle, true}, {"export", "FILE", export_bundle, false},
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

/* Finds the command; NULL after it has said what is wrong with the words. */
static const struct command *
find_command(int count, char **words)
{
	struct suggestion suggestion = suggestion_begin(words[0], strlen(words[0]));

	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *command = &commands[i];

		suggestion_offer(&suggestion, command->name);
		if (strcmp(command->name, words[0]) != 0)
			continue;
		if (count == (command->argument == NULL ? 1 : 2))
			return command;
		fprintf(stderr, "billing-agent: the command is %s%s%s\n", command->name,
		        command->argument == NULL ? "" : " ",
		        command->argument == NULL ? "" : command->argument);
		return NULL;
	}
	fprintf(stderr, "billing-agent: there is no command %s", words[0]);
	if (suggestion.found != NULL)
		fprintf(stderr, "; did you mean %s?\n", suggestion.found);
	else
		fprintf(stderr, "; see billing-agent --help\n");
	return NULL;
}

static enum fail
load(struct agent *agent, bool keep_clock)
{
	spool_open(&agent->task, &agent->state, &agent->spool);
	return license_cache_load(&agent->task, &agent->state, keep_clock, &agent->cache);
}

static int
start(const char *config, bool once, const struct command *command, const char *argument)
{
	struct task lasting = {.arena = arena_new(ARENA_MAX)}; /* owns settings and state */
	struct agent agent = {.task.arena = arena_new(ARENA_MAX), .config = config};
	bool keep_clock = command == NULL || command->keeps_clock;
	int status;

	if (agent_settings_load(&lasting, config, &agent.settings) != FAIL_NONE ||
	    state_open(&lasting, &agent.settings, &agent.state) != FAIL_NONE)
		status = fault(&lasting);
	else if (load(&agent, keep_clock) != FAIL_NONE)
		status = fault(&agent.task);
	else if (command != NULL)
		status = command->run(&agent, argument);
	else
		status = once ? run_once(&agent) : serve(&agent);
	license_cache_release(&agent.cache);
	arena_free(agent.task.arena);
	arena_free(lasting.arena);
	return status;
}

static const struct option options[] = {
        {"config", required_argument, NULL, 'f'},     {"once", no_argument, NULL, 'o'},
        {"settings", no_argument, NULL, 's'},         {"example", no_argument, NULL, 'e'},
        {"completion", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},          {NULL, 0, NULL, 0},
};

/* Prints a completion of commands and options, else of files. */
static int
print_completion(const char *shell)
{
	bool zsh = strcmp(shell, "zsh") == 0;

	if (!zsh && strcmp(shell, "bash") != 0) {
		fputs("billing-agent: the shell must be bash or zsh\n", stderr);
		return EXIT_USAGE;
	}
	fputs(zsh ? "#compdef billing-agent\ncompadd --" : "complete -o default -W '", stdout);
	for (size_t i = 0; i < COMMANDS; i++)
		printf(" %s", commands[i].name);
	for (const struct option *o = options; o->name != NULL; o++)
		printf(" --%s", o->name);
	puts(zsh ? "\n_files" : "' billing-agent");
	return 0;
}

/* Handles the options that print something; returns the exit status. */
static int
print(int option)
{
	switch (option) {
	case 'h':
		fputs(help, stdout);
		return 0;
	case 'v':
		puts("billing-agent " VERSION);
		return 0;
	case 's':
		settings_print_markdown(agent_settings_table);
		return 0;
	case 'e':
		settings_print_example(agent_settings_table);
		return 0;
	case 'c':
		return print_completion(optarg);
	default:
		return EXIT_USAGE;
	}
}

int
main(int argc, char **argv)
{
	const struct command *command = NULL;
	const char *config = NULL;
	bool once = false;
	int option, count;

	process_protect();
	while ((option = options_next("billing-agent", argc, argv, options)) != -1) {
		if (option == 'f')
			config = optarg;
		else if (option == 'o')
			once = true;
		else
			return print(option);
	}
	count = argc - optind;
	if (count > 0 && once) {
		fprintf(stderr, "billing-agent: --once is without a command\n");
		return EXIT_USAGE;
	}
	if (count > 0) {
		command = find_command(count, argv + optind);
		if (command == NULL)
			return EXIT_USAGE;
	}
	return start(config, once, command, count > 1 ? argv[optind + 1] : NULL);
}
