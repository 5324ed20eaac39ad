/* brand.c: the vendor's name, addresses, logo and colours, for the pages under nginx/www. */
#include "api/handlers.h"
#include "api/render.h"
#include "base/text.h"

/* Pages of other hosts take nothing from here, and a logo that is opened as a page runs nothing. */
static enum fail
answer_file(struct call *call, const char *type, const char *bytes, size_t length)
{
	struct response *response = call->response;

	response->status = 200;
	response->body = bytes;
	response->length = length;
	response_header(response, "Content-Type", type);
	response_header(response, "Cache-Control", "public, max-age=300");
	response_header(response, "Content-Security-Policy",
	                "default-src 'none'; style-src 'unsafe-inline'; sandbox");
	return FAIL_NONE;
}

enum fail
get_brand(struct call *call)
{
	const struct brand *brand = &call->api->billing.brand;
	struct json_out json = answer_begin(call, 1024);

	json_out_string(&json, "name", brand->name);
	json_out_string(&json, "logo", "/api/brand/logo");
	json_out_string(&json, "color", brand->colors.color);
	json_out_string(&json, "support", brand->support);
	json_out_string(&json, "website", brand->website);
	json_out_string(&json, "terms", brand->terms);
	json_out_string(&json, "privacy", brand->privacy);
	json_out_bool(&json, "sign_up", call->api->settings->public_signup);
	json_out_bool(&json, "checkout", call->api->billing.sales.configured);
	response_header(call->response, "Cache-Control", "public, max-age=300");
	return answer_end(call, 200, &json);
}

enum fail
get_brand_logo(struct call *call)
{
	const struct brand *brand = &call->api->billing.brand;

	return answer_file(call, brand->logo_type, brand->logo, brand->logo_length);
}

/* Custom properties that a page's style sheet uses. */
enum fail
get_brand_style(struct call *call)
{
	const struct brand_colors *colors = &call->api->billing.brand.colors;
	struct text css = text_new(call->operation.task->arena, 512);

	text_printf(&css,
	            ":root {\n\t--brand: %s;\n\t--on-brand: %s;\n\t--brand-ink-light: %s;\n"
	            "\t--brand-ink-dark: %s;\n\t--brand-ink: var(--brand-ink-light);\n}\n"
	            "@media (prefers-color-scheme: dark) {\n"
	            "\t:root {\n\t\t--brand-ink: var(--brand-ink-dark);\n\t}\n}\n",
	            colors->color, colors->on_color, colors->ink_light, colors->ink_dark);
	return answer_file(call, "text/css; charset=utf-8", css.data, css.length);
}
