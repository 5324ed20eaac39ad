/* customer_ids.h: our id of a customer that another service named by a text of its own. */
#pragma once

#include "base/arena.h"

/* The most characters that an id of another service has. */
enum { CUSTOMER_TEXT_MAX = 100 };

/* The text itself when it has the form of our ids, else the id that follows from it; NULL when the text
 * can be no id: empty, longer than CUSTOMER_TEXT_MAX, not UTF-8, or with a control character. The id is
 * made of a digest of the text: no table of texts is needed, and no text can be found for an id. */
const char *customer_id_of_text(struct arena *arena, const char *text);

/* As customer_id_of_text(), but the text where that is NULL. */
const char *customer_id_or_text(struct arena *arena, const char *text);
