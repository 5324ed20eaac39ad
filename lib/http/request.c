/* request.c: names of methods, parameters of paths. */
#include "http/request.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[HTTP_METHOD_COUNT] = {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER",
};

enum http_method
request_method_parse(const char *name)
{
	for (size_t i = 0; i < HTTP_OTHER; i++)
		if (strcmp(names[i], name) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

const char *
request_method_name(enum http_method method)
{
	return names[method];
}

void
request_set_param(struct request *request, const char *name, const char *value)
{
	for (size_t i = 0; i < request->param_count; i++)
		if (strcmp(request->params[i].name, name) == 0)
			request->params[i].value = value;
}

const char *
request_param(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->param_count; i++)
		if (strcmp(request->params[i].name, name) == 0)
			return request->params[i].value;
	abort();
}
