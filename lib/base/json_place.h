/*
 * json_place.h: where in a text a value stands, for the person who edits the file.
 */
#ifndef BASE_JSON_PLACE_H
#define BASE_JSON_PLACE_H

#include <stddef.h>

/* The line (from 1) of a byte of the text. */
size_t json_place_line(const char *text, size_t offset);

/* The byte at which the value that the path ("plans[2].features.maxDevices") leads to stands, or
 * the deepest one on the way to it that exists. The text has passed the gate. */
size_t json_place_find(const char *text, size_t length, const char *path);

#endif
