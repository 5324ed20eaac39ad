/* build_date.c: the day on which liblicense was built. No clock that shows an earlier time is right. */
#include "licensing/handle.h"

#ifndef BUILD_DATE
#define BUILD_DATE 0 /* for tools that only read the source */
#endif

const int64_t license_build_date_s = BUILD_DATE;
