/* url.c: reads the URL of another server by libcurl's own parser, so that a request goes where the check
 * has looked. */
#include "net/url.h"

#include <string.h>

#include <curl/curl.h>

#include "base/arena.h"

/* The part of the URL in the arena, or NULL. */
static const char *
part_of(struct arena *arena, CURLU *parts, CURLUPart which)
{
	char *value = NULL;
	const char *out = NULL;

	if (curl_url_get(parts, which, &value, 0) == CURLUE_OK)
		out = arena_copy(arena, value);
	curl_free(value);
	return out;
}

static const char *
without_brackets(struct arena *arena, const char *host)
{
	size_t length = strlen(host);

	if (length < 2 || host[0] != '[')
		return host;
	return arena_copy_bytes(arena, host + 1, length - 2);
}

static const char *
fault_of(struct arena *arena, CURLU *parts, const char *text, struct http_url *out)
{
	CURLUcode code = curl_url_set(parts, CURLUPART_URL, text, CURLU_DISALLOW_USER);
	const char *scheme, *host, *port;

	if (code == CURLUE_USER_NOT_ALLOWED)
		return "must not have a user name or password";
	if (code != CURLUE_OK)
		return "must be a URL that starts with https://";
	scheme = part_of(arena, parts, CURLUPART_SCHEME);
	host = part_of(arena, parts, CURLUPART_HOST);
	if (scheme == NULL || host == NULL ||
	    (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		return "must be a URL that starts with https://";
	if (part_of(arena, parts, CURLUPART_FRAGMENT) != NULL)
		return "must not have a fragment (#)";
	port = part_of(arena, parts, CURLUPART_PORT);
	if (port != NULL && strcmp(port, "0") == 0)
		return "must not have the port 0, at which nothing listens";
	*out = (struct http_url){strcmp(scheme, "https") == 0, without_brackets(arena, host)};
	return NULL;
}

/* A control character, a blank, or what is not ASCII. */
static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

const char *
http_url_read(struct arena *arena, const char *text, struct http_url *out)
{
	CURLU *parts;
	const char *fault;

	if (!is_printable(text))
		return "must be a URL without blanks, in ASCII";
	parts = curl_url();
	if (parts == NULL)
		return "cannot be read: there is no memory";
	fault = fault_of(arena, parts, text, out);
	curl_url_cleanup(parts);
	return fault;
}
