/* vendor.c: what `make vendor-agent` compiles in: the keys of AGENT_KEYS=FILE, AGENT_ISSUER,
 * AGENT_CUSTOMER_ID and AGENT_GRACE_DAYS. The settings cannot replace or widen them. */
#include "agent-store/settings.h"

#ifdef AGENT_KEYS
__asm__(".section .rodata\n"
        ".global agent_vendor_keys\n"
        "agent_vendor_keys:\n"
        ".incbin \"" AGENT_KEYS "\"\n"
        ".byte 0\n"
        ".previous\n");
#else
#define AGENT_ISSUER ""
#define AGENT_CUSTOMER_ID ""
#define AGENT_GRACE_DAYS AGENT_GRACE_DAYS_MAX
const char agent_vendor_keys[] = "";
#endif

const struct agent_vendor agent_vendor = {AGENT_ISSUER, AGENT_CUSTOMER_ID, AGENT_GRACE_DAYS};
