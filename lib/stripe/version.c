/* version.c: compares the dates of Stripe's API versions. */
#include "stripe/version.h"

#include <stddef.h>
#include <string.h>

enum { DATE_LENGTH = 10 };

static int
compare_dates(const char *version, const char *other)
{
	return strncmp(version, other, DATE_LENGTH);
}

bool
stripe_version_is_tested(const char *version)
{
	return version != NULL && compare_dates(version, STRIPE_VERSION_BASIL) >= 0 &&
	       compare_dates(version, STRIPE_VERSION_NEWEST) <= 0;
}

bool
stripe_version_has_billing_mode(const char *version)
{
	return compare_dates(version, "2025-06-30") >= 0;
}

bool
stripe_version_has_anchor_object(const char *version)
{
	return compare_dates(version, "2026-09-30") >= 0;
}
