/* steps.h: the steps of billingctl import original. */
#pragma once

#include "billingctl-import/source.h"

/* Each reads one table of the original and stores what is not here yet, a transaction for each of its
 * pieces. `total` is for the progress. */
enum fail import_customers(struct import *import, int64_t total) MUST_CHECK;
enum fail import_subscriptions(struct import *import, int64_t total) MUST_CHECK;
enum fail import_reports(struct import *import, int64_t total) MUST_CHECK;

/* Publishes the public keys in the folder, so that licences of the original stay valid. */
enum fail import_keys(struct import *import, const char *folder) MUST_CHECK;
