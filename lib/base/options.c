/* options.c: refuses what getopt_long() does not accept, with a suggestion. */
#include "base/options.h"

#include <stdio.h>
#include <string.h>

#include "base/suggestion.h"

static const char *
name_of(const struct option *options, int value)
{
	while (options->val != value)
		options++;
	return options->name;
}

static void
refuse_unknown(const char *program, const char *word, const struct option *options)
{
	const char *name = word + strspn(word, "-");
	struct suggestion suggestion = suggestion_begin(name, strcspn(name, "="));

	for (; options->name != NULL; options++)
		suggestion_offer(&suggestion, options->name);
	fprintf(stderr, "%s: there is no option %s", program, word);
	if (suggestion.found != NULL)
		fprintf(stderr, "; did you mean --%s?\n", suggestion.found);
	else
		fprintf(stderr, "; see %s --help\n", program);
}

int
options_next(const char *program, int argc, char **argv, const struct option *options)
{
	const char *word;
	int found;

	opterr = 0;
	optopt = 0;
	found = getopt_long(argc, argv, ":", options, NULL);
	if (found != ':' && found != '?')
		return found;
	word = argv[optind - 1];
	if (found == ':' || (optopt != 0 && strncmp(word, "--", 2) == 0))
		fprintf(stderr, "%s: --%s %s\n", program, name_of(options, optopt),
		        found == ':' ? "needs a value" : "takes no value");
	else if (optopt != 0)
		fprintf(stderr, "%s: there is no option -%c; see %s --help\n", program, optopt,
		        program);
	else
		refuse_unknown(program, word, options);
	return '?';
}
