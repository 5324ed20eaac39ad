/* keys.c: fuzzes what is given as keys: PEM and JWK sets. Keys that are taken can be asked. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "licensing/license.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct license_options options = {.size = sizeof(options)};
	struct license *license;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	options.keys = text;
	if (license_open(&options, &license) == LICENSE_OK) {
		if (license_set(license, "a.b.c") != LICENSE_OK ||
		    license_verdict(license) != LICENSE_IS_FORGED)
			abort();
		license_close(license);
	} else if (license != NULL) {
		abort();
	}
	free(text);
	return 0;
}
