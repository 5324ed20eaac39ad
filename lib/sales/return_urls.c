/* return_urls.c: where Stripe may send a customer's browser after a checkout. */
#include "sales/return_urls.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* The parts of a URL that make its origin (RFC 6454, sections 4 and 5). */
struct origin {
	const char *scheme, *host;
	size_t scheme_length, host_length;
	int64_t port;
};

/* Reads the text after the host: empty, or a colon and a port, which may be missing. */
static bool
read_port(const char *text, size_t length, int64_t *port)
{
	if (length > 0 && *text != ':')
		return false;
	if (length <= 1)
		return true;
	if (length > 6)
		return false;
	*port = 0;
	for (size_t i = 1; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*port = *port * 10 + (text[i] - '0');
	}
	return true;
}

/* False when it is no http(s) URL, has no host, or has a user name before it. */
static bool
origin_read(const char *url, size_t length, struct origin *out)
{
	static const char separator[] = "://";
	size_t scheme = strcspn(url, ":"), skip = scheme + strlen(separator), authority;

	if (length < skip || strncmp(url + scheme, separator, strlen(separator)) != 0)
		return false;
	*out = (struct origin){.scheme = url, .scheme_length = scheme, .host = url + skip};
	if (scheme == 5 && strncasecmp(url, "https", scheme) == 0)
		out->port = 443;
	else if (scheme == 4 && strncasecmp(url, "http", scheme) == 0)
		out->port = 80;
	else
		return false;
	authority = strcspn(out->host, "/?#");
	authority = authority < length - skip ? authority : length - skip;
	if (memchr(out->host, '@', authority) != NULL)
		return false;
	/* An IPv6 address contains colons, between brackets. */
	out->host_length =
	        *out->host == '[' ? strcspn(out->host, "]/?#") + 1 : strcspn(out->host, ":/?#");
	if (out->host_length > authority)
		out->host_length = authority;
	return out->host_length > 0 && read_port(out->host + out->host_length,
	                                         authority - out->host_length, &out->port);
}

static bool
same_origin(const struct origin *a, const char *url, size_t length)
{
	struct origin b;

	return origin_read(url, length, &b) && a->port == b.port &&
	       a->scheme_length == b.scheme_length && a->host_length == b.host_length &&
	       strncasecmp(a->host, b.host, a->host_length) == 0;
}

const char *
return_url_fault(const struct sales_policy *policy, const char *url)
{
	const char *origins = policy->return_origins, *item;
	struct origin origin;
	size_t length;

	/* Browsers read a backslash as a slash and drop line breaks. A URL contains neither,
	 * and ASCII alone (RFC 3986, section 2). */
	for (const char *at = url; *at != '\0'; at++)
		if (*at <= ' ' || *at >= '\x7f' || *at == '\\')
			return "must not hold blanks, backslashes, control or non-ASCII "
			       "characters";
	if (!origin_read(url, strlen(url), &origin))
		return "must be an http or https URL";
	if (same_origin(&origin, policy->base_url, strlen(policy->base_url)))
		return NULL;
	while (text_next_item(&origins, &item, &length))
		if (same_origin(&origin, item, length))
			return NULL;
	return "must belong to this service or to one of RETURN_URL_ORIGINS";
}
