/* local_http.c: reads the requests of the local application. */
#include "agent/local_http.h"

#include <string.h>
#include <strings.h>

struct line {
	const char *text;
	size_t length;
};

struct head {
	size_t body_length;
	bool body_counted;
	int status; /* of a refusal, 0: none */
};

static const struct {
	int status;
	const char *reason;
} reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
};

const char *
local_http_reason(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* The next line without its line break; false when it is not complete. */
static bool
next_line(const char **cursor, const char *end, struct line *out)
{
	const char *newline = memchr(*cursor, '\n', (size_t)(end - *cursor));

	if (newline == NULL)
		return false;
	out->text = *cursor;
	out->length = (size_t)(newline - *cursor);
	if (out->length > 0 && out->text[out->length - 1] == '\r')
		out->length--;
	*cursor = newline + 1;
	return true;
}

/* Copies a word; false when it does not fit, or has a blank or a control character. */
static bool
copy_word(const char *text, size_t length, char *out, size_t size)
{
	if (length >= size)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return false;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

/* Reads "GET /path?query HTTP/1.1"; the status of a refusal, or 0. */
static int
read_request_line(const struct line *line, struct local_request *out)
{
	const char *end = line->text + line->length;
	const char *target = memchr(line->text, ' ', line->length);
	const char *version;
	size_t path_length;

	version = target != NULL ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	if (version == NULL || !copy_word(line->text, (size_t)(target - line->text),
	                                  out->method, sizeof(out->method)))
		return 400;
	target++;
	path_length = (size_t)(version - target);
	if (memchr(target, '?', path_length) != NULL)
		path_length = (size_t)((const char *)memchr(target, '?', path_length) - target);
	if (path_length == 0 || *target != '/' ||
	    !copy_word(target, path_length, out->path, sizeof(out->path)))
		return 400;
	version++;
	if (end - version != 8 || memcmp(version, "HTTP/1.", 7) != 0)
		return 505;
	out->keep_alive = version[7] == '1';
	return version[7] == '1' || version[7] == '0' ? 0 : 505;
}

/* Reads a Content-Length; false when it is not a decimal number below 1000000. */
static bool
read_length(const struct line *value, size_t *out)
{
	*out = 0;
	if (value->length == 0 || value->length > 6)
		return false;
	for (size_t i = 0; i < value->length; i++) {
		if (value->text[i] < '0' || value->text[i] > '9')
			return false;
		*out = *out * 10 + (size_t)(value->text[i] - '0');
	}
	return true;
}

static bool
is_word(const struct line *line, const char *word)
{
	return line->length == strlen(word) && strncasecmp(line->text, word, line->length) == 0;
}

static void
read_header(const struct line *name, const struct line *value, struct local_request *out,
            struct head *head)
{
	if (is_word(name, "Content-Length")) {
		/* Two readers could take different lengths (RFC 9112, section 6.3). */
		if (head->body_counted || !read_length(value, &head->body_length))
			head->status = 400;
		head->body_counted = true;
	} else if (is_word(name, "Transfer-Encoding")) {
		head->status = 411;
	} else if (is_word(name, "Expect")) {
		head->status = 417;
	} else if (is_word(name, "Host")) {
		if (*out->host != '\0' ||
		    !copy_word(value->text, value->length, out->host, sizeof(out->host)))
			head->status = 400;
	} else if (is_word(name, "Connection")) {
		if (is_word(value, "close"))
			out->keep_alive = false;
		else if (is_word(value, "keep-alive"))
			out->keep_alive = true;
	}
}

/* Splits "Name: value"; false when the line is malformed. */
static bool
split_header(const struct line *line, struct line *name, struct line *value)
{
	const char *colon = memchr(line->text, ':', line->length);
	const char *end = line->text + line->length;

	if (colon == NULL || colon == line->text)
		return false;
	*name = (struct line){line->text, (size_t)(colon - line->text)};
	for (size_t i = 0; i < name->length; i++)
		if ((unsigned char)name->text[i] <= ' ')
			return false;
	colon++;
	while (colon < end && (*colon == ' ' || *colon == '\t'))
		colon++;
	while (end > colon && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*value = (struct line){colon, (size_t)(end - colon)};
	return memchr(value->text, '\0', value->length) == NULL;
}

static enum local_verdict
refuse(int *status, int why)
{
	*status = why;
	return LOCAL_BAD;
}

enum local_verdict
local_http_read(const char *bytes, size_t length, struct local_request *out, size_t *consumed,
                int *status)
{
	const char *cursor = bytes, *end = bytes + length;
	struct head head = {0};
	struct line line, name, value;

	*out = (struct local_request){.keep_alive = false};
	*status = 0;
	if (!next_line(&cursor, end, &line))
		return length < LOCAL_REQUEST_MAX ? LOCAL_MORE : refuse(status, 431);
	head.status = read_request_line(&line, out);
	while (head.status == 0) {
		if (!next_line(&cursor, end, &line))
			return length < LOCAL_REQUEST_MAX ? LOCAL_MORE : refuse(status, 431);
		if (line.length == 0)
			break;
		if (!split_header(&line, &name, &value))
			head.status = 400;
		else
			read_header(&name, &value, out, &head);
	}
	if (head.status != 0)
		return refuse(status, head.status);
	if (head.body_length > LOCAL_REQUEST_MAX - (size_t)(cursor - bytes))
		return refuse(status, 413);
	if (head.body_length > (size_t)(end - cursor))
		return LOCAL_MORE;
	out->body = cursor;
	out->body_length = head.body_length;
	*consumed = (size_t)(cursor - bytes) + head.body_length;
	return LOCAL_WHOLE;
}
