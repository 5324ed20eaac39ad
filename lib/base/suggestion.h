/* suggestion.h: finds the known word that a misspelt one stands for. */
#pragma once

#include <stddef.h>

struct arena;

struct suggestion {
	const char *word; /* as it was written */
	size_t length;
	const char *found; /* the nearest word so far; NULL: none is near */
	size_t edits;      /* between the two */
};

/* Begins the search for the first `length` bytes of the word. */
struct suggestion suggestion_begin(const char *word, size_t length);

/* Compares with a known word (NULL: with none), which must live as long as the search. */
void suggestion_offer(struct suggestion *suggestion, const char *known);

/* "; did you mean X?", or "" when no known word is near. */
const char *suggestion_question(struct arena *arena, const struct suggestion *suggestion);
