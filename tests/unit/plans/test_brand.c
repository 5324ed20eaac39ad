/* test_brand.c: reads conf/brand.json, names the line of each fault, and computes colours that can be
 * read. */
#include "support/folder_fixture.h"

#include "base/file.h"
#include "plans/brand.h"

static struct brand brand;
static const char *path;

static void
setup(void)
{
	folder_setup();
	path = folder_path("brand.json");
}

static enum fail
load(const char *text)
{
	struct task own = suite_task();

	ck_assert_int_eq(file_write(&own, path, 0600, text, strlen(text), true), FAIL_NONE);
	suite_task_end(&own);
	return brand_load(&task, path, &brand);
}

START_TEST(test_the_brand_of_this_project)
{
	ck_assert_msg(brand_load(&task, "conf/brand.json", &brand) == FAIL_NONE, "%s",
	              task.failure.message);
	ck_assert_str_eq(brand.name, "Global Billing");
	ck_assert_str_eq(brand.logo_type, "image/svg+xml");
	ck_assert_ptr_nonnull(strstr(brand.logo, "<svg"));
	ck_assert(!brand_support_is_email(&brand));
}
END_TEST

START_TEST(test_all_members)
{
	ck_assert_int_eq(
	        load("{\"name\": \"\xc3\x84kme & S\xc3\xb6hne\", \"color\": \"#FFCC00\", "
	             "\"support\": \"help@acme.example\", \"website\": "
	             "\"https://acme.example/\", \"terms\": null}"),
	        FAIL_NONE);
	ck_assert_str_eq(brand.support, "help@acme.example");
	ck_assert(brand_support_is_email(&brand));
	ck_assert_str_eq(brand.website, "https://acme.example/");
	ck_assert_ptr_null(brand.terms);
	ck_assert_str_eq(brand.colors.color, "#ffcc00");
	ck_assert_str_eq(brand.colors.on_color, "#000000");
	/* Without a logo, the first letter. */
	ck_assert_ptr_nonnull(strstr(brand.logo, ">\xc3\x84</text>"));
}
END_TEST

START_TEST(test_without_a_file)
{
	brand_default(&task, &brand);
	ck_assert_str_eq(brand.name, "Global Billing");
	ck_assert_ptr_nonnull(strstr(brand.logo, ">G</text>"));
	ck_assert_int_eq(brand_load(&task, path, &brand), FAIL_UNAVAILABLE);
}
END_TEST

/* Names that are markup leave no markup in the logo. */
START_TEST(test_markup_in_a_name)
{
	ck_assert_int_eq(load("{\"name\": \"<script>\"}"), FAIL_NONE);
	ck_assert_ptr_null(strstr(brand.logo, "<script"));
	ck_assert_ptr_nonnull(strstr(brand.logo, "></text>"));
}
END_TEST

static const struct {
	const char *text, *says;
} broken[] = {
        {"[]", "line 1: it must be an object"},
        {"{\"name\": \"A\",\n\"nmae\": 1}", "line 2: nmae is not a known member"},
        {"{\n\"name\": \"\"}", "line 2: name must be a text of 1 to 80"},
        {"{\"name\": \"A\\nBcc: b@c.example\"}", "name must be a text of 1 to 80"},
        {"{\n\"color\": \"#123456\"}", "line 1: name must be"},
        {"{\"name\": \"A\",\n\"color\":\n\"red\"}", "line 3: color must be a colour"},
        {"{\"name\": \"A\", \"color\": \"#12345g\"}", "color must be a colour"},
        {"{\"name\": \"A\", \"color\": 7}", "color must be a string or null"},
        {"{\"name\": \"A\", \"support\": \"nobody\"}", "support must be an e-mail"},
        {"{\"name\": \"A\", \"support\": \"a@b@c\"}", "support must be an e-mail"},
        {"{\"name\": \"A\", \"support\": \"a@b.example?bcc=x\"}", "support must be an e-mail"},
        {"{\"name\": \"A\", \"support\": \"javascript:alert(1)\"}",
         "support must be an e-mail"},
        {"{\"name\": \"A\", \"support\": \"http://a.example\"}", "support must be an e-mail"},
        {"{\"name\": \"A\", \"website\": \"javascript:alert(1)\"}",
         "website must be an address"},
        {"{\"name\": \"A\", \"terms\": \"https://a.example/\\\"\"}",
         "terms must be an address"},
        {"{\"name\": \"A\", \"privacy\": \"https://\"}", "privacy must be an address"},
        {"{\"name\": \"A\",\n\"logo\": \"none.svg\"}", "line 2: logo cannot be used: "},
        {"{\"name\": \"A\",\n\"logo\": \"brand.json\"}",
         "line 2: logo must name an SVG or PNG"},
        {"{\"name\": \"A\", \"name\": \"B\"}", "line 1: "},
        {"{\"name\": \"A\",}", "line 1: "},
};

START_TEST(test_broken)
{
	ck_assert_int_eq(load(broken[_i].text), FAIL_INVALID);
	ck_assert_str_eq(task.failure.code, "brand_invalid");
	ck_assert_msg(strstr(task.failure.message, broken[_i].says) != NULL, "%s, wanted %s",
	              task.failure.message, broken[_i].says);
	ck_assert_int_eq(strncmp(task.failure.message, path, strlen(path)), 0);
}
END_TEST

/* The examples of WCAG's definition. */
START_TEST(test_contrast)
{
	ck_assert_double_eq_tol(brand_contrast(0, 0xffffff), 21, 0.001);
	ck_assert_double_eq_tol(brand_contrast(0x767676, 0xffffff), 4.54, 0.005);
	ck_assert_double_eq_tol(brand_contrast(0xffffff, 0xff0000), 3.998, 0.005);
	ck_assert_double_eq_tol(brand_contrast(0x123456, 0x123456), 1, 0.001);
}
END_TEST

static uint32_t
read_color(const char *text)
{
	uint32_t color = 0;

	ck_assert(brand_color_read(text, &color));
	return color;
}

/* Whatever the vendor's colour is, text on it and text in it can be read in both themes. */
START_TEST(test_every_color_can_be_read)
{
	for (uint32_t color = 0; color < 0x1000000; color += 0x00fd3) {
		struct brand_colors colors = brand_colors_of(color);

		ck_assert_uint_eq(read_color(colors.color), color);
		ck_assert(brand_contrast(color, read_color(colors.on_color)) >= BRAND_CONTRAST);
		ck_assert(brand_contrast(read_color(colors.ink_light), BRAND_GROUND_LIGHT) >=
		          BRAND_CONTRAST);
		ck_assert(brand_contrast(read_color(colors.ink_dark), BRAND_GROUND_DARK) >=
		          BRAND_CONTRAST);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("brand");
	TCase *tcase = tcase_create("brand");

	tcase_add_checked_fixture(tcase, setup, folder_teardown);
	tcase_add_test(tcase, test_the_brand_of_this_project);
	tcase_add_test(tcase, test_all_members);
	tcase_add_test(tcase, test_without_a_file);
	tcase_add_test(tcase, test_markup_in_a_name);
	tcase_add_loop_test(tcase, test_broken, 0, ROWS(broken));
	tcase_add_test(tcase, test_contrast);
	tcase_add_test(tcase, test_every_color_can_be_read);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
