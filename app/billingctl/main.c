/* main.c: parses the command line, runs the command, and prints its failure as one line. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/encoding.h"
#include "base/random.h"
#include "base/secrets.h"
#include "base/suggestion.h"
#include "base/text.h"
#include "base/version.h"
#include "billingctl/output.h"
#include "db/server.h"

/* Takes a group, a command's name, or its argument. */
static enum fail
take_word(struct ctl *ctl, const char *word)
{
	struct suggestion suggestion = suggestion_begin(word, strlen(word));
	bool known = false;

	if (ctl->command != NULL) {
		bool takes_two = ctl->command->argument != NULL &&
		                 strchr(ctl->command->argument, ' ') != NULL;
		const char **place = ctl->argument == NULL ? &ctl->argument : &ctl->second;

		if (ctl->command->argument == NULL || *place != NULL ||
		    (place == &ctl->second && !takes_two))
			return ctl_usage(ctl, "unexpected argument %s", word);
		*place = word;
		return FAIL_NONE;
	}
	for (const struct command *c = ctl_commands; c != NULL; c = ctl_next(c)) {
		const char *expected = ctl->group == NULL ? c->group : c->name;

		if (ctl->group != NULL && strcmp(ctl->group, c->group) != 0)
			continue;
		suggestion_offer(&suggestion, expected);
		if (!text_equal(expected, word))
			continue;
		known = true;
		if (ctl->group != NULL || c->name == NULL)
			ctl->command = c;
	}
	if (!known)
		return ctl_usage(ctl, "there is no command %s%s%s%s",
		                 ctl->group == NULL ? "" : ctl->group,
		                 ctl->group == NULL ? "" : " ", word,
		                 suggestion_question(ctl->task.arena, &suggestion));
	if (ctl->group == NULL)
		ctl->group = word;
	return FAIL_NONE;
}

/* The place for the option's value, or NULL. `*bare` is set when it takes no value. */
static const char **
find_option(struct ctl *ctl, const char *name, bool *bare)
{
	const struct ctl_option *options = ctl->command == NULL ? NULL : ctl->command->options;

	*bare = false;
	if (strcmp(name, "--config") == 0)
		return &ctl->config;
	for (size_t i = 0; options != NULL && options[i].name != NULL; i++)
		if (strcmp(options[i].name, name) == 0) {
			*bare = options[i].value == NULL;
			return &ctl->values[i];
		}
	return NULL;
}

static const struct {
	const char *name;
	size_t flag;
} switches[] = {
        {"--json", offsetof(struct ctl, json)},
        {"--help", offsetof(struct ctl, help)},
        {"-h", offsetof(struct ctl, help)},
        {"--version", offsetof(struct ctl, version)},
};

enum { SWITCHES = sizeof(switches) / sizeof(*switches) };

static enum fail
refuse_option(struct ctl *ctl, const char *name)
{
	const struct ctl_option *options = ctl->command == NULL ? NULL : ctl->command->options;
	struct suggestion suggestion = suggestion_begin(name, strlen(name));

	suggestion_offer(&suggestion, "--config");
	for (size_t i = 0; i < SWITCHES; i++)
		suggestion_offer(&suggestion, switches[i].name);
	for (; options != NULL && options->name != NULL; options++)
		suggestion_offer(&suggestion, options->name);
	return ctl_usage(ctl, "there is no option %s here%s", name,
	                 suggestion_question(ctl->task.arena, &suggestion));
}

/* Takes an option of every command; false when the word is none. */
static bool
take_switch(struct ctl *ctl, const char *word)
{
	for (size_t i = 0; i < SWITCHES; i++)
		if (strcmp(switches[i].name, word) == 0) {
			*(bool *)((char *)ctl + switches[i].flag) = true;
			return true;
		}
	return false;
}

/* Takes "--name value" or "--name=value"; `*took_next` is set when `next` is the value. */
static enum fail
take_option(struct ctl *ctl, const char *word, const char *next, bool *took_next)
{
	size_t length = strcspn(word, "=");
	const char *name = arena_copy_bytes(ctl->task.arena, word, length);
	const char **value;
	bool bare;

	if (take_switch(ctl, word))
		return FAIL_NONE;
	value = find_option(ctl, name, &bare);
	if (value == NULL)
		return refuse_option(ctl, name);
	if (*value != NULL)
		return ctl_usage(ctl, "%s is given twice", name);
	if (bare) {
		*value = "";
		return word[length] == '\0' ? FAIL_NONE
		                            : ctl_usage(ctl, "%s takes no value", name);
	}
	*took_next = word[length] != '=';
	*value = *took_next ? next : word + length + 1;
	return *value == NULL ? ctl_usage(ctl, "%s needs a value", name) : FAIL_NONE;
}

/* The id of a signing key begins with "-" once in 64 times, and is an argument all the same. */
static bool
is_key_id(const struct ctl *ctl, const char *word)
{
	return ctl->command != NULL && ctl->command->argument != NULL &&
	       strlen(word) == LICENSE_KID_LENGTH &&
	       strspn(word, BASE64URL) == LICENSE_KID_LENGTH;
}

/* Each word of the placeholder that is not in [] must be given. */
static enum fail
check_arguments(struct ctl *ctl)
{
	const char *first = ctl->command->argument;
	const char *second = first == NULL ? NULL : strchr(first, ' ');

	if (first != NULL && ctl->argument == NULL && *first != '[')
		return ctl_usage(ctl, "%s is missing", first);
	if (second != NULL && ctl->second == NULL && second[1] != '[')
		return ctl_usage(ctl, "%s is missing", second + 1);
	return FAIL_NONE;
}

static enum fail
parse(struct ctl *ctl, char **words)
{
	bool options = true;

	for (; *words != NULL; words++) {
		bool took_next = false;

		if (options && strcmp(*words, "--") == 0) {
			options = false;
		} else if (options && **words == '-' && strcmp(*words, "-") != 0 &&
		           !is_key_id(ctl, *words)) {
			TRY(take_option(ctl, *words, words[1], &took_next));
			words += took_next ? 1 : 0;
		} else {
			TRY(take_word(ctl, *words));
		}
	}
	if (ctl->help || ctl->version)
		return FAIL_NONE;
	if (ctl->command == NULL)
		return ctl_usage(ctl, ctl->group == NULL
		                              ? "a command is missing"
		                              : "the rest of the command is missing");
	return check_arguments(ctl);
}

/* Runs the command. Its answer was confirmed before it was printed; a refusal that may come from its
 * own first try is confirmed here. */
static enum fail
run_command(struct ctl *ctl)
{
	struct failure refusal;
	enum fail kind;

	ctl->says_stored = (ctl->command->needs & CTL_CHANGES) != 0;
	kind = ctl->command->run(ctl);
	if (!ctl->says_stored || (kind != FAIL_CONFLICT && kind != FAIL_NOT_FOUND))
		return kind;
	refusal = ctl->task.failure;
	task_clear(&ctl->task);
	TRY(ctl_confirm(ctl));
	ctl->task.failure = refusal;
	return kind;
}

static enum fail
run(struct ctl *ctl, char **words)
{
	TRY(parse(ctl, words));
	if (ctl->help) {
		ctl_print_help(ctl);
		return output_flush(&ctl->task);
	}
	if (ctl->version) {
		puts("billingctl " VERSION);
		return output_flush(&ctl->task);
	}
	TRY(ctl_prepare(ctl, ctl->command->needs));
	return run_command(ctl);
}

/* The failure's message. Unlike the API it also says why the database is unreachable. */
static const char *
message_of(struct ctl *ctl)
{
	const struct db_options options = app_settings_db(&ctl->settings, "billingctl");
	const char *why = NULL;

	if (strcmp(ctl->task.failure.code, "database_unavailable") == 0 &&
	    ctl->settings.database_url != NULL)
		why = server_unreachable(ctl->task.arena, &options);
	return why == NULL
	               ? ctl->task.failure.message
	               : arena_printf(ctl->task.arena,
	                              "The database cannot be reached (DATABASE_URL): %s", why);
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {.task.arena = arena_new((size_t)256 * 1024 * 1024)};
	int status;

	(void)argc;
	process_protect();
	ctl.words = argv + 1;
	ctl.task.request_id = random_id(ctl.task.arena, "cli-", 8);
	if (run(&ctl, argv + 1) == FAIL_NONE) {
		status = ctl.status;
	} else {
		status = strcmp(ctl.task.failure.code, "usage") == 0 ? CTL_BAD_USAGE
		                                                     : CTL_FAILED;
		fprintf(stderr, "billingctl: %s\n",
		        output_printable(ctl.task.arena, message_of(&ctl)));
	}
	ctl_release(&ctl);
	arena_free(ctl.task.arena);
	return status;
}
