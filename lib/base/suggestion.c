/* suggestion.c: finds the known word that a misspelt one stands for. */
#include "base/suggestion.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"

enum { LENGTH_MAX = 63, EDITS_MAX = 2, SHORT_WORD = 4 };

static bool
differ(char a, char b)
{
	return tolower((unsigned char)a) != tolower((unsigned char)b);
}

/* The Levenshtein distance of two words of LENGTH_MAX bytes at most, in any case. */
static size_t
distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t row[LENGTH_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t best = diagonal + differ(a[i - 1], b[j - 1]);

			diagonal = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[b_length];
}

struct suggestion
suggestion_begin(const char *word, size_t length)
{
	return (struct suggestion){
	        .word = word,
	        .length = length,
	        .edits = (length <= SHORT_WORD ? EDITS_MAX - 1 : EDITS_MAX) + 1,
	};
}

void
suggestion_offer(struct suggestion *suggestion, const char *known)
{
	size_t length = known == NULL ? LENGTH_MAX + 1 : strlen(known), edits;

	if (length > LENGTH_MAX || suggestion->length > LENGTH_MAX)
		return;
	edits = distance(suggestion->word, suggestion->length, known, length);
	if (edits >= suggestion->edits)
		return;
	suggestion->edits = edits;
	suggestion->found = known;
}

const char *
suggestion_question(struct arena *arena, const struct suggestion *suggestion)
{
	return suggestion->found == NULL
	               ? ""
	               : arena_printf(arena, "; did you mean %s?", suggestion->found);
}
