/* dates.h: months and days in the queries of figures. */
#pragma once

#include "operation/operation.h"

/* A month such as "2026-11", for a field's check. */
const char *date_check_month(const char *value);

/* The first day of a month that passed the check; of the present month and `back` months before it when
 * it is NULL. */
const char *date_month(const struct operation *operation, const char *value, int back);

/* A day of the calendar such as "2025-02-15", from the year 1 to 9999, for a field's check. */
const char *date_check_day(const char *value);

/* The day, or the one `back` days before the present one when it is NULL. */
const char *date_day(const struct operation *operation, const char *value, int64_t back);

/* How many days it is from one day to another one. */
int64_t date_days_between(const char *from, const char *to);
