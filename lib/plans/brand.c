/* brand.c: reads brand.json and the logo that it names. */
#include "plans/brand.h"

#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "plans/plans_reader.h"
#include "json/view.h"

enum { FILE_LIMIT = 64 * 1024, DEFAULT_COLOR = 0x0f6b5c, ADDRESS_MAX = 500 };

/* The file that is read. */
struct brand_file {
	struct task *task;
	const char *path;
	struct json_view root;
};

/* The line of the member, or of the object that lacks it. */
static enum fail
refuse(const struct brand_file *file, const char *member, const char *why)
{
	const char *place = member;
	struct json_view nearest = json_view_follow(&file->root, &place);

	return task_fail(file->task, FAIL_INVALID, "brand_invalid", "%s: line %zu: %s %s",
	                 file->path, plans_line(nearest.text, nearest.node->at), member, why);
}

static bool
has_no_controls(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == '\177')
			return false;
	return true;
}

/* An address that can stand in a link and in a header of a mail. */
static bool
is_plain(const char *text)
{
	return has_no_controls(text) && strlen(text) <= ADDRESS_MAX &&
	       strpbrk(text, " \"'<>\\`{}|^,;") == NULL;
}

static bool
is_web_address(const char *text)
{
	return is_plain(text) && text_starts_with(text, "https://") &&
	       strlen(text) > strlen("https://");
}

static bool
is_email(const char *text)
{
	const char *at = strchr(text, '@');

	return is_plain(text) && strpbrk(text, "/?#%&:()") == NULL && at != NULL &&
	       at != text && at[1] != '\0' && strchr(at + 1, '@') == NULL;
}

bool
brand_support_is_email(const struct brand *brand)
{
	return brand->support != NULL && !text_starts_with(brand->support, "https://");
}

/* A string, or NULL when it is missing or null. */
static enum fail
read_optional(const struct brand_file *file, const char *name, const char **out)
{
	struct json_view value;

	*out = NULL;
	if (!json_view_member(&file->root, name, &value) || json_view_is_null(&value) ||
	    json_view_text(&value, out))
		return FAIL_NONE;
	return refuse(file, name, "must be a string or null");
}

static enum fail
read_addresses(const struct brand_file *file, struct brand *out)
{
	const struct {
		const char *name;
		const char **place;
	} links[] = {
	        {"website", &out->website}, {"terms", &out->terms}, {"privacy", &out->privacy}};

	TRY(read_optional(file, "support", &out->support));
	if (out->support != NULL && !is_email(out->support) && !is_web_address(out->support))
		return refuse(
		        file, "support",
		        "must be an e-mail address or an address that begins with https://");
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		TRY(read_optional(file, links[i].name, links[i].place));
		if (*links[i].place != NULL && !is_web_address(*links[i].place))
			return refuse(file, links[i].name,
			              "must be an address that begins with https://");
	}
	return FAIL_NONE;
}

static enum fail
read_name(const struct brand_file *file, struct brand *out)
{
	if (!json_view_string(&file->root, "name", &out->name) || *out->name == '\0' ||
	    text_characters(out->name) > BRAND_NAME_MAX || !has_no_controls(out->name))
		return refuse(file, "name", "must be a text of 1 to 80 characters in one line");
	return FAIL_NONE;
}

static enum fail
read_color(const struct brand_file *file, struct brand *out)
{
	const char *text;
	uint32_t color = DEFAULT_COLOR;

	TRY(read_optional(file, "color", &text));
	if (text != NULL && !brand_color_read(text, &color))
		return refuse(file, "color", "must be a colour like #0f6b5c");
	out->colors = brand_colors_of(color);
	return FAIL_NONE;
}

/* A square in the colour with the name's first character. */
static void
make_logo(struct task *task, struct brand *out)
{
	struct text svg = text_new(task->arena, 512);
	size_t length = 1;

	while ((out->name[length] & 0xc0) == 0x80)
		length++;
	text_printf(&svg,
	            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\">"
	            "<rect width=\"64\" height=\"64\" rx=\"14\" fill=\"%s\"/>"
	            "<text x=\"32\" y=\"45\" text-anchor=\"middle\" font-family=\"sans-serif\" "
	            "font-size=\"38\" font-weight=\"600\" fill=\"%s\">",
	            out->colors.color, out->colors.on_color);
	if (length > 1 || strchr("<>&\"'", *out->name) == NULL)
		text_add_bytes(&svg, out->name, length);
	text_add(&svg, "</text></svg>");
	out->logo = svg.data;
	out->logo_length = svg.length;
	out->logo_type = "image/svg+xml";
}

/* The path counts from the folder of brand.json. */
static const char *
logo_path(const struct brand_file *file, const char *name)
{
	const char *slash = strrchr(file->path, '/');

	if (*name == '/' || slash == NULL)
		return name;
	return arena_printf(file->task->arena, "%.*s/%s", (int)(slash - file->path), file->path,
	                    name);
}

static enum fail
read_logo(const struct brand_file *file, struct brand *out)
{
	struct task attempt = task_attempt(file->task);
	const char *name;
	char *bytes;

	TRY(read_optional(file, "logo", &name));
	if (name == NULL) {
		make_logo(file->task, out);
		return FAIL_NONE;
	}
	if (file_read(&attempt, logo_path(file, name), BRAND_LOGO_MAX, &bytes,
	              &out->logo_length) != FAIL_NONE)
		return refuse(file, "logo",
		              arena_printf(file->task->arena, "cannot be used: %s",
		                           attempt.failure.message));
	out->logo = bytes;
	if (out->logo_length > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
		out->logo_type = "image/png";
	else if (strstr(bytes, "<svg") != NULL && text_is_utf8(bytes, out->logo_length))
		out->logo_type = "image/svg+xml";
	else
		return refuse(file, "logo", "must name an SVG or PNG file");
	return FAIL_NONE;
}

static enum fail
refuse_unknown(const struct brand_file *file)
{
	static const char *const known[] = {"name",    "logo",  "color",   "support",
	                                    "website", "terms", "privacy", NULL};
	struct json_view value;
	const char *name;

	for (bool more = json_view_first_member(&file->root, &name, &value); more;
	     more = json_view_next_member(&name, &value)) {
		const char *const *k = known;

		while (*k != NULL && strcmp(*k, name) != 0)
			k++;
		if (*k == NULL)
			return task_fail(file->task, FAIL_INVALID, "brand_invalid",
			                 "%s: line %zu: %s is not a known member", file->path,
			                 plans_line(value.text, value.node->at), name);
	}
	return FAIL_NONE;
}

enum fail
brand_load(struct task *task, const char *path, struct brand *out)
{
	struct brand_file file = {.task = task, .path = path};
	struct json_refusal refusal;
	size_t length;
	char *text;

	*out = (struct brand){0};
	TRY(file_read(task, path, FILE_LIMIT, &text, &length));
	if (!json_view_read(task->arena, text, length, &file.root, &refusal))
		return task_fail(task, FAIL_INVALID, "brand_invalid", "%s: line %zu: %s", path,
		                 plans_line(text, refusal.offset), refusal.why);
	if (!json_view_is_object(&file.root))
		return refuse(&file, "it", "must be an object");
	TRY(refuse_unknown(&file));
	TRY(read_name(&file, out));
	TRY(read_color(&file, out));
	TRY(read_addresses(&file, out));
	return read_logo(&file, out);
}

void
brand_default(struct task *task, struct brand *out)
{
	*out = (struct brand){.name = "Global Billing",
	                      .colors = brand_colors_of(DEFAULT_COLOR)};
	make_logo(task, out);
}
