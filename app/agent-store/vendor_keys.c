/* vendor_keys.c: the keys that `make vendor-agent AGENT_KEYS=FILE` compiles in. The settings
 * cannot replace them. */
#include "agent-store/settings.h"

#ifdef AGENT_KEYS
__asm__(".section .rodata\n"
        ".global agent_vendor_keys\n"
        "agent_vendor_keys:\n"
        ".incbin \"" AGENT_KEYS "\"\n"
        ".byte 0\n"
        ".previous\n");
#else
const char agent_vendor_keys[] = "";
#endif
