/* url.h: the URL of another server, as libcurl reads it. */
#pragma once

#include <stdbool.h>

struct arena;

struct http_url {
	bool https;
	/* Without the brackets of IPv6; every form of an IPv4 address as four decimal numbers. */
	const char *host;
};

/* NULL when the text is a URL that a request can be sent to, else why not: it starts with https:// or
 * http://, names a host, and has no user name, password or fragment. */
const char *http_url_read(struct arena *arena, const char *text, struct http_url *out);
