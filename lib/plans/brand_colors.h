/* brand_colors.h: the vendor's colour on pages, with shades of it that can be read (WCAG 2.2, 1.4.3). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The contrast that text of a normal size needs by level AA. */
#define BRAND_CONTRAST 4.5

/* Colours are "#rrggbb". */
struct brand_colors {
	char color[8];     /* the vendor's */
	char on_color[8];  /* of text on it: black or white */
	char ink_light[8]; /* of text in the colour on the light theme's grounds */
	char ink_dark[8];  /* on the dark theme's grounds */
};

/* The darkest ground of the light theme and the lightest one of the dark theme that text in the
 * colour stands on. */
enum { BRAND_GROUND_LIGHT = 0xeef1f4, BRAND_GROUND_DARK = 0x2a313b };

/* Reads "#rrggbb". */
bool brand_color_read(const char *text, uint32_t *out);

/* The contrast of two colours, from 1 to 21. */
double brand_contrast(uint32_t a, uint32_t b);

struct brand_colors brand_colors_of(uint32_t color);
