/* license_content.h: the claims of a licence, its end, and its fingerprint. */
#pragma once

#include "issuing/licenses.h"
#include "licensing/claims.h"

/* All claims of a licence that is issued now but the times and the jti. */
struct license_claims license_claims_of(const struct operation *operation,
                                        const struct customer *customer,
                                        const struct subscription *subscription,
                                        const struct entitlement_terms *terms);

/* When it ends: as access_license_end(), and not after overrides that grant more than the layers below
 * them. Unknown while the end of the paid period is needed and not known. */
struct instant license_end(const struct operation *operation,
                           const struct subscription *subscription,
                           const struct entitlement_terms *terms);

/* Two licences with the same fingerprint differ in times and jti only. */
struct sha256 license_fingerprint(const struct operation *operation,
                                  const struct license_claims *claims,
                                  const struct subscription *subscription,
                                  const struct entitlement_terms *terms);

/* The features, the limits and, where there is any, the overage as a JSON object. */
const char *license_grants(const struct operation *operation,
                           const struct license_claims *claims);
