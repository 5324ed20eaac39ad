/* names.h: how a message names a customer. */
#pragma once

#include "base/failure.h"

/* The company's name, or the address when there is none. With PUBLIC_SIGNUP anybody may write the name and the +tag of
 * another person's address, so a name with a link, a domain or an address in it is not shown, nor is a tag. NULL
 * when there is no address either. */
const char *notice_name(struct task *task, const char *company_name, const char *email);
