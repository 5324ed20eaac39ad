/* easy.c: the handles of libcurl's easy interface. */
#include "net/easy.h"

#include <string.h>

CURL *
easy_new(void)
{
	CURL *easy;

	/* libcurl counts the calls; easy_free() takes one back. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	easy = curl_easy_init();
	if (easy == NULL)
		curl_global_cleanup();
	return easy;
}

void
easy_free(CURL *easy)
{
	if (easy == NULL)
		return;
	curl_easy_cleanup(easy);
	curl_global_cleanup();
}

bool
easy_set_rules(CURL *easy, const char *proxy, int64_t timeout_ms, int64_t connect_timeout_ms)
{
	return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, proxy) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms) ==
	               CURLE_OK &&
	       /* A timeout does not wait for a resolver that hangs. */
	       curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
}

bool
easy_set_http(CURL *easy, const char *user_agent)
{
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
	               CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent) == CURLE_OK;
}

bool
easy_set_tls(CURL *easy, const char *ca_file)
{
	return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
	               CURLE_OK &&
	       (ca_file == NULL || curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK);
}

size_t
easy_note_line(struct easy_head *head, const char *line, size_t length)
{
	if (length > 5 && memcmp(line, "HTTP/", 5) == 0)
		head->ended = false;
	else if (length > 0 && (line[0] == '\r' || line[0] == '\n'))
		head->ended = true;
	head->length += length;
	return easy_head_is_too_long(head) ? 0 : length;
}

bool
easy_head_is_too_long(const struct easy_head *head)
{
	return head->length > EASY_HEAD_MAX;
}
