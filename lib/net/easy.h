/* easy.h: the handles of libcurl's easy interface: their making, and the rules that all requests have. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

/* A handle, or NULL. */
CURL *easy_new(void);
void easy_free(CURL *easy);

/* Times, and nothing of the environment: no .netrc, no proxy but this one ("": none). */
bool easy_set_rules(CURL *easy, const char *proxy, int64_t timeout_ms,
                    int64_t connect_timeout_ms);

/* HTTP/1.1 to the URL as it is written. No redirect is followed. */
bool easy_set_http(CURL *easy, const char *user_agent);

/* TLS 1.2 or newer, whose certificates are verified; `ca_file` NULL: by the system's authorities. */
bool easy_set_tls(CURL *easy, const char *ca_file);

enum { EASY_HEAD_MAX = 65536 };

/* The head of an answer so far: its bytes and those of interim answers, and of trailers. */
struct easy_head {
	bool ended;
	size_t length;
};

/* Notices where the head of an answer ends, by each line of an interim answer, the answer and a trailer:
 * libcurl would take the end of the connection for the end of the head. Gives the length, or 0 where the head
 * is longer than EASY_HEAD_MAX: libcurl ends the request then. */
size_t easy_note_line(struct easy_head *head, const char *line, size_t length);
bool easy_head_is_too_long(const struct easy_head *head);
