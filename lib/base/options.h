/* options.h: refuses what getopt_long() does not accept, with a suggestion. */
#pragma once

#include <getopt.h>

/* getopt_long() for programs whose options are all long. '?' after it has refused an option in one
 * line on stderr, which begins with the program's name. */
int options_next(const char *program, int argc, char **argv, const struct option *options);
