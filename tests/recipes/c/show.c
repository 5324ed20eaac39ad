/*
 * show.c: prints the verdict on a licence and asks two guards, with liblicense.
 *
 *   cc show.c $(pkg-config --cflags --libs liblicense) -o show
 *   ./show "$(cat jwks.json)" "$(cat license.jwt)" "$(cat revocations.jwt)" [INSTANCE]
 */
#include <license.h>
#include <stdio.h>

static int
show(const char *keys, const char *token, const char *revocations, const char *instance)
{
	struct license_options options = {
	        .size = sizeof(options), .keys = keys, .grace_days = 30, .instance = instance};
	struct license *license;

	if (license_open(&options, &license) != LICENSE_OK)
		return 1;
	license_set(license, token);
	if (revocations != NULL)
		license_set_revocations(license, revocations);
	printf("%s\n", license_verdict_name(license_verdict(license)));
	if (license_allows(license, "canExportData"))
		puts("export is allowed");
	if (!license_within(license, "maxDevices", 4))
		puts("a fourth device is too many");
	license_close(license);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	return show(argv[1], argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
}
