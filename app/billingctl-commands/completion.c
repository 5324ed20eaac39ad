/* completion.c: billingctl completion: a script that completes commands, options and their values,
 * made of the table of commands. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "billingctl/output.h"

#define COMMON_OPTIONS "--config --json --help --version"

/* The parts of the script that differ between shells. The script's function calls `_billingctl_offer` with
 * words, and `_billingctl_files` where a file is wanted. */
static const struct shell {
	const char *name;
	const char *head; /* sets `word`, and the words before it as arguments */
	const char *foot;
} shells[] = {
        {"bash",
         "# Completion of billingctl for bash: source <(billingctl completion bash)\n"
         "_billingctl_offer() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$word\"); }\n"
         "_billingctl_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "
         "\"$word\"); }\n"
         "_billingctl() {\n"
         "\tlocal word=${COMP_WORDS[COMP_CWORD]} place='' option='' next\n"
         "\tCOMPREPLY=()\n"
         "\t[[ $word != = ]] || word=''\n"
         "\tset -- \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"\n",
         "complete -F _billingctl billingctl\n"},
        {"zsh",
         "#compdef billingctl\n"
         "# Completion of billingctl for zsh: billingctl completion zsh > a file _billingctl "
         "in "
         "fpath\n"
         "_billingctl_offer() { compadd -- ${=1}; }\n"
         "_billingctl_files() { _files; }\n"
         "_billingctl() {\n"
         "\tlocal word=${words[CURRENT]} place='' option='' next\n"
         "\tset -- \"${(@)words[2,CURRENT-1]}\"\n",
         "if [[ ${funcstack[1]} == _billingctl ]]; then _billingctl; else compdef _billingctl "
         "billingctl; fi\n"},
};

static bool
is_file(const char *placeholder)
{
	return strncmp(placeholder, "FILE", strlen("FILE")) == 0 ||
	       strcmp(placeholder, "FOLDER") == 0;
}

/* Whether it is "owner|viewer": the words themselves. Placeholders are in capitals. */
static bool
is_choice(const char *placeholder)
{
	return strchr(placeholder, '|') != NULL &&
	       strspn(placeholder, "abcdefghijklmnopqrstuvwxyz_|") == strlen(placeholder);
}

/* "keys add", or "doctor". */
static const char *
place_of(struct ctl *ctl, const struct command *command)
{
	return command->name == NULL
	               ? command->group
	               : arena_printf(ctl->task.arena, "%s %s", command->group, command->name);
}

/* Prints the case of a value that is a file or one of some words. */
static void
print_value(const char *pattern, const char *placeholder)
{
	if (is_file(placeholder))
		printf("\t\t%s) _billingctl_files ;;\n", pattern);
	if (!is_choice(placeholder))
		return;
	printf("\t\t%s) _billingctl_offer '", pattern);
	for (const char *c = placeholder; *c != '\0'; c++)
		putchar(*c == '|' ? ' ' : *c);
	puts("' ;;");
}

/* Whether an earlier command has an option of this name. */
static bool
is_known(const struct command *command, const char *name)
{
	for (const struct command *c = ctl_commands; c != command; c = ctl_next(c))
		for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++)
			if (strcmp(o->name, name) == 0)
				return true;
	return false;
}

/* Walks through the words before the one that is completed: `place` becomes the command, `option`
 * the option whose value is completed. bash makes three words of --config=FILE. */
static void
print_walk(void)
{
	fputs("\tfor next in \"$@\"; do\n"
	      "\t\t[[ -z $option || $next != = ]] || continue\n"
	      "\t\tif [[ -n $option ]]; then\n"
	      "\t\t\toption=''\n"
	      "\t\t\tcontinue\n"
	      "\t\tfi\n"
	      "\t\tcase $next in\n"
	      "\t\t--config",
	      stdout);
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c))
		for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++)
			if (o->value != NULL && !is_known(c, o->name))
				printf(" | %s", o->name);
	puts(") option=$next ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) place=\"$place${place:+ }$next\" ;;\n"
	     "\t\tesac\n"
	     "\tdone");
}

static void
print_values(struct ctl *ctl)
{
	puts("\tif [[ -n $option ]]; then\n"
	     "\t\tcase \"$place $option\" in\n"
	     "\t\t*--config) _billingctl_files ;;");
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c))
		for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++)
			if (o->value != NULL)
				print_value(arena_printf(ctl->task.arena, "'%s '*'%s'",
				                         place_of(ctl, c), o->name),
				            o->value);
	puts("\t\tesac");
}

static void
print_options(struct ctl *ctl)
{
	puts("\telif [[ $word == -* ]]; then\n"
	     "\t\tcase \"$place \" in");
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c)) {
		if (c->options == NULL)
			continue;
		printf("\t\t'%s '*) _billingctl_offer '" COMMON_OPTIONS, place_of(ctl, c));
		for (const struct ctl_option *o = c->options; o->name != NULL; o++)
			printf(" %s", o->name);
		puts("' ;;");
	}
	puts("\t\t*) _billingctl_offer '" COMMON_OPTIONS "' ;;\n"
	     "\t\tesac");
}

/* The names of a group's commands, or, without a group, the groups; each once. */
static void
print_names(const char *group)
{
	const char *last = NULL;

	printf("\t\t'%s') _billingctl_offer '", group == NULL ? "" : group);
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c)) {
		const char *name = group == NULL ? c->group : c->name;

		if ((group != NULL && strcmp(group, c->group) != 0) || text_equal(name, last))
			continue;
		printf("%s%s", last == NULL ? "" : " ", name);
		last = name;
	}
	puts("' ;;");
}

static void
print_words(struct ctl *ctl)
{
	const char *last = NULL;

	puts("\telse\n"
	     "\t\tcase $place in");
	print_names(NULL);
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c)) {
		if (c->name != NULL && !text_equal(c->group, last))
			print_names(c->group);
		last = c->group;
		if (c->argument != NULL)
			print_value(arena_printf(ctl->task.arena, "'%s'", place_of(ctl, c)),
			            c->argument);
	}
	puts("\t\tesac\n"
	     "\tfi");
}

enum fail
run_completion(struct ctl *ctl)
{
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		if (strcmp(shells[i].name, ctl->argument) != 0)
			continue;
		fputs(shells[i].head, stdout);
		print_walk();
		print_values(ctl);
		print_options(ctl);
		print_words(ctl);
		puts("}");
		fputs(shells[i].foot, stdout);
		return output_flush(&ctl->task);
	}
	return ctl_usage(ctl, "the shell must be bash or zsh");
}
