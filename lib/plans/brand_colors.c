/* brand_colors.c: contrast as WCAG 2.2 defines it, and shades of a colour that have enough. */
#include "plans/brand_colors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { BLACK = 0, WHITE = 0xffffff, SHADES = 64 };

bool
brand_color_read(const char *text, uint32_t *out)
{
	if (*text != '#' || !text_is_made_of(text + 1, TEXT_HEX "ABCDEF", 6, 6))
		return false;
	*out = (uint32_t)strtoul(text + 1, NULL, 16);
	return true;
}

/* By Newton's method; x from 0.01 to 1. */
static double
fifth_root(double x)
{
	double y = 1;

	for (int i = 0; i < 30; i++)
		y = (4 * y + x / (y * y * y * y)) / 5;
	return y;
}

/* The light of one of the colour's bytes: the power of 2.4 is the square times the fifth root's
 * square. */
static double
linear(uint32_t color, int shift)
{
	double part = (double)(color >> shift & 0xff) / 255, root;

	if (part <= 0.04045)
		return part / 12.92;
	part = (part + 0.055) / 1.055;
	root = fifth_root(part);
	return part * part * root * root;
}

static double
luminance(uint32_t color)
{
	return 0.2126 * linear(color, 16) + 0.7152 * linear(color, 8) +
	       0.0722 * linear(color, 0);
}

double
brand_contrast(uint32_t a, uint32_t b)
{
	double x = luminance(a) + 0.05, y = luminance(b) + 0.05;

	return x > y ? x / y : y / x;
}

static uint32_t
mix(uint32_t from, uint32_t to, int share)
{
	uint32_t mixed = 0;

	for (int shift = 0; shift <= 16; shift += 8) {
		int a = (int)(from >> shift & 0xff), b = (int)(to >> shift & 0xff);

		mixed |= (uint32_t)(a + (b - a) * share / SHADES) << shift;
	}
	return mixed;
}

/* The shade nearest to the colour, on the way to black or white, that can be read on the ground. */
static uint32_t
ink_on(uint32_t color, uint32_t ground, uint32_t way)
{
	int share = 0;

	while (share < SHADES &&
	       brand_contrast(mix(color, way, share), ground) < BRAND_CONTRAST)
		share++;
	return mix(color, way, share);
}

static void
write_color(char out[8], uint32_t color)
{
	(void)snprintf(out, 8, "#%06x", color & WHITE);
}

struct brand_colors
brand_colors_of(uint32_t color)
{
	struct brand_colors colors = {0};
	bool white = brand_contrast(color, WHITE) >= brand_contrast(color, BLACK) ||
	             brand_contrast(color, WHITE) >= BRAND_CONTRAST;

	write_color(colors.color, color);
	write_color(colors.on_color, white ? WHITE : BLACK);
	write_color(colors.ink_light, ink_on(color, BRAND_GROUND_LIGHT, BLACK));
	write_color(colors.ink_dark, ink_on(color, BRAND_GROUND_DARK, WHITE));
	return colors;
}
