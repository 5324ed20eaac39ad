/* main.c: reads the arguments of billingd and runs the master. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/options.h"
#include "base/secrets.h"
#include "base/version.h"
#include "billingd/master.h"

enum { MMAP_THRESHOLD = 128 * 1024 };

static const char help[] =
        "billingd - serves Global Billing to nginx over FastCGI\n"
        "\n"
        "Usage: billingd [--config FILE]\n"
        "\n"
        "  --config FILE  settings as NAME=value lines; the environment wins over them\n"
        "  --check        check settings, plans, keys and migrations, then exit\n"
        "  --routes       print the table of routes\n"
        "  --settings     print the table of settings (markdown)\n"
        "  --example      print an example settings file\n"
        "  --help, --version\n"
        "\n"
        "It stays in the foreground and logs JSON lines to stderr. HUP reloads the "
        "configuration\n"
        "without dropping a request. TERM, after DRAIN_DELAY_SECONDS, finishes running "
        "requests\n"
        "and exits; TERM during the delay ends it, TERM while requests finish exits now.\n"
        "Exit status: 0 stopped by a signal, 1 cannot start, 2 bad usage.\n";

static void
report(const struct task *task)
{
	fprintf(stderr, "billingd: %s\n", task->failure.message);
}

static const char *
who_name(const struct route *route)
{
	static const char *const names[WHO_COUNT] = {"anybody", "sign_up", "customer",
	                                             "operator", "caller"};

	return names[route->who];
}

static const char *
scope_name(const struct route *route)
{
	return route->scope == SCOPE_LICENSE   ? "license"
	       : route->scope == SCOPE_BILLING ? "billing"
	       : route->scope == SCOPE_USAGE   ? "usage"
	                                       : "-";
}

/* Method, path, who may call it, with which scope, in which pool. */
static void
print_routes(void)
{
	static const char *const pools[POOL_COUNT] = {"main", "stripe"};

	for (size_t i = 0; i < api_route_count; i++)
		printf("%s %s %s %s %s\n", request_method_name(api_routes[i].entry.method),
		       api_routes[i].entry.pattern, who_name(&api_routes[i]),
		       scope_name(&api_routes[i]), pools[api_routes[i].pool]);
}

/* Prints what a printing option asks for; false for any other option. */
static bool
print(int option)
{
	switch (option) {
	case 'h':
		fputs(help, stdout);
		return true;
	case 'v':
		puts("billingd " VERSION);
		return true;
	case 'r':
		print_routes();
		return true;
	case 's':
		settings_print_markdown(app_settings_table);
		return true;
	case 'e':
		settings_print_example(app_settings_table);
		return true;
	default:
		return false;
	}
}

static int
start(const char *config_path, bool check_only)
{
	struct generation *generation;

	if (!secrets_hide(app_settings_table, SECRETS_OF_SERVICE)) {
		fprintf(stderr, "billingd: no memory\n");
		return 1;
	}
	generation = generation_load(config_path, NULL, report);
	if (generation == NULL)
		return 1;
	if (api_fault() != NULL) {
		fprintf(stderr, "billingd: the route %s is ambiguous or unsafe\n", api_fault());
		abort();
	}
	if (!generation_check(generation, report)) {
		generation_free(generation);
		return 1;
	}
	if (!check_only)
		return master_run(config_path, generation);
	puts("The configuration is fine.");
	generation_free(generation);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"config", required_argument, NULL, 'f'}, {"check", no_argument, NULL, 'c'},
	        {"routes", no_argument, NULL, 'r'},       {"settings", no_argument, NULL, 's'},
	        {"example", no_argument, NULL, 'e'},      {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0},
	};
	const char *config_path = NULL;
	bool check_only = false;
	int option;

	process_protect();
	/* The C library raises this limit with each large block that is freed, and then keeps such
	 * blocks. With a fixed one the memory of a large request goes back at its end. */
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	/* The parent may have ignored SIGCHLD; then no child could be waited for. */
	(void)signal(SIGCHLD, SIG_DFL);
	while ((option = options_next("billingd", argc, argv, options)) != -1) {
		if (option == 'f')
			config_path = optarg;
		else if (option == 'c')
			check_only = true;
		else
			return print(option) ? 0 : 2;
	}
	if (optind < argc) {
		fprintf(stderr, "billingd: unexpected argument %s; see billingd --help\n",
		        argv[optind]);
		return 2;
	}
	return start(config_path, check_only);
}
