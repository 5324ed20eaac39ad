/* help.c: prints the table of commands for --help. */
#include <stdio.h>
#include <string.h>

#include "billingctl/ctl.h"

/* The columns at which the meaning of an option and of a command begin, where that fits. */
enum { OPTION_WIDTH = 28, COMMAND_WIDTH = 40 };

static const struct ctl_option common_options[] = {
        {"--config", "FILE", "settings as NAME=value lines; the environment overrides them"},
        {"--json", NULL, "answer in JSON"},
        {"--help", NULL, "print this"},
        {"--version", NULL, "print the version"},
        {0},
};

static int
gap(int length, int width)
{
	return length + 2 < width ? width - length : 2;
}

static void
print_options(const struct ctl_option *options)
{
	for (; options != NULL && options->name != NULL; options++) {
		int length =
		        printf("  %s%s%s", options->name, options->value == NULL ? "" : " ",
		               options->value == NULL ? "" : options->value);

		printf("%*s%s\n", gap(length, OPTION_WIDTH), "", options->meaning);
	}
}

static void
print_name(const struct command *command)
{
	printf("%s%s%s", command->group, command->name == NULL ? "" : " ",
	       command->name == NULL ? "" : command->name);
}

static void
print_row(const struct command *command)
{
	int length = 2 + (int)strlen(command->group);

	if (command->name != NULL)
		length += 1 + (int)strlen(command->name);
	if (command->argument != NULL)
		length += 1 + (int)strlen(command->argument);
	fputs("  ", stdout);
	print_name(command);
	printf("%s%s%*s%s\n", command->argument == NULL ? "" : " ",
	       command->argument == NULL ? "" : command->argument, gap(length, COMMAND_WIDTH),
	       "", command->summary);
}

static void
print_exits(const struct ctl_exit *exits)
{
	puts("\nExit status:\n"
	     "   0  done\n"
	     "   1  failed; one line on stderr says why\n"
	     "   2  bad usage");
	for (; exits != NULL && exits->status != 0; exits++)
		printf("  %2d  %s\n", exits->status, exits->meaning);
}

static void
print_example(const char *lines)
{
	puts("\nExample:");
	while (*lines != '\0') {
		int length = (int)strcspn(lines, "\n");

		printf("  billingctl %.*s\n", length, lines);
		lines += length + (lines[length] == '\n');
	}
}

static void
print_command(const struct command *command)
{
	fputs("Usage: billingctl ", stdout);
	print_name(command);
	printf("%s%s [OPTION...]\n\n%s.\n", command->argument == NULL ? "" : " ",
	       command->argument == NULL ? "" : command->argument, command->summary);
	if (command->details != NULL)
		fputs(command->details, stdout);
	if (command->request != NULL)
		printf("As %s %s of the API.\n", request_method_name(command->request->method),
		       command->request->path);
	puts("\nOptions:");
	print_options(command->options);
	print_options(common_options);
	print_exits(command->exits);
	print_example(command->example);
}

static void
print_commands(const char *group)
{
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c))
		if (group == NULL || strcmp(group, c->group) == 0)
			print_row(c);
}

void
ctl_print_help(const struct ctl *ctl)
{
	if (ctl->command != NULL) {
		print_command(ctl->command);
		return;
	}
	printf("Usage: billingctl %s COMMAND [ARGUMENT] [OPTION...]\n\n"
	       "%s\n\nCommands:\n",
	       ctl->group == NULL ? "GROUP" : ctl->group,
	       ctl->group == NULL ? "Operates Global Billing from the command line, with "
	                            "billingd's settings."
	                          : "Each command has a --help of its own.");
	print_commands(ctl->group);
	puts("\nOptions of every command:");
	print_options(common_options);
	print_exits(NULL);
	if (ctl->group == NULL)
		puts("\nSettings come from the environment and from --config; billingd "
		     "--settings "
		     "lists them.\nSecrets are read from files or stdin, never from the "
		     "command line.");
}
