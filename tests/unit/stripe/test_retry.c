/* test_retry.c: when a request is tried again, after which time, and what is known in the
 * end. */
#include "support/stripe_io.h"

#include "base/log.h"

enum { SCRIPT_MAX = 3 };

#define IN_USE "{\"error\":{\"code\":\"idempotency_key_in_use\"}}"

static struct task task;
static struct world world;

/* One client for all tests: creating one is slow under valgrind. */
static void
make_world(void)
{
	task = suite_task();
	log_set_level(LOG_LEVEL_ERROR);
	world_begin(&world, task.arena);
}

static void
remove_world(void)
{
	world_end(&world);
	suite_task_end(&task);
}

static struct stripe_answer
ask(enum stripe_method method, const char *key)
{
	struct stripe_answer answer;

	stripe_client_send(world.client, &task,
	                   &(struct stripe_request){.method = method,
	                                            .path = "/v1/things",
	                                            .form = "a=b",
	                                            .idempotency_key = key,
	                                            .deadline_us = world.now_us + 600000000},
	                   &answer);
	world_same_requests(&world);
	ck_assert_int_eq(answer.attempts, (int)world.asked_count);
	ck_assert(answer.outcome != STRIPE_DONE || json_view_is_object(&answer.object));
	return answer;
}

static const struct {
	int status;
	bool reset;
	const char *should_retry;
	int64_t retries, max_retries;
	bool again;
} rules[] = {
        {200, false, NULL, 0, 2, false},
        {400, false, NULL, 0, 2, false},
        {401, false, NULL, 0, 2, false},
        {402, false, NULL, 0, 2, false},
        {404, false, NULL, 0, 2, false},
        {409, false, NULL, 0, 2, true},
        {409, false, NULL, 1, 2, true},
        {409, false, NULL, 2, 2, false},
        {409, false, NULL, 0, 0, false},
        {424, false, NULL, 0, 2, false},
        {499, false, NULL, 0, 2, false},
        {500, false, NULL, 1, 2, true},
        {500, false, NULL, 2, 2, false},
        {503, false, NULL, 0, 2, true},
        {599, false, NULL, 0, 1, true},
        {0, false, NULL, 0, 2, true},
        {0, false, NULL, 2, 2, false},
        {0, false, NULL, 0, 0, false},
        /* A reset connection is tried once more, even without retries. */
        {0, true, NULL, 0, 0, true},
        {0, true, NULL, 1, 0, false},
        {0, true, NULL, 1, 2, true},
        {0, true, NULL, 2, 2, false},
        /* Stripe-Should-Retry decides before the status, but after the number of retries. */
        {500, false, "false", 0, 2, false},
        {409, false, "false", 0, 2, false},
        {400, false, "true", 0, 2, true},
        {400, false, "true", 2, 2, false},
        {500, false, "maybe", 0, 2, true},
        {400, false, "maybe", 0, 2, false},
        /* The rate limit. */
        {429, false, NULL, 0, 2, true},
        {429, false, NULL, 2, 2, true},
        {429, false, NULL, 3, 2, false},
        {429, false, NULL, 0, 0, false},
        {429, false, "false", 0, 2, false},
        {429, false, "true", 1, 2, true},
        {429, false, "true", 2, 2, false},
};

START_TEST(test_rules)
{
	ck_assert_int_eq(stripe_should_retry(rules[_i].status, rules[_i].reset,
	                                     rules[_i].should_retry, rules[_i].retries,
	                                     rules[_i].max_retries),
	                 rules[_i].again);
}
END_TEST

static const struct {
	int status;
	int64_t retries;
	int64_t least_ms, most_ms;
} waits[] = {
        {0, 0, 500, 500},     {500, 0, 500, 500},           {500, 1, 500, 500},
        {500, 2, 500, 1000},  {409, 3, 1000, 2000},         {0, 4, 2000, 4000},
        {0, 5, 2500, 5000},   {0, 6, 2500, 5000},           {0, INT64_MAX, 2500, 5000},
        {429, 0, 750, 1250},  {429, 1, 1500, 2500},         {429, 2, 3000, 5000},
        {429, 3, 3000, 5000}, {429, INT64_MAX, 3000, 5000},
};

START_TEST(test_waits)
{
	int64_t last_us = 0;

	for (int i = 0; i <= 1000; i++) {
		int64_t us = stripe_retry_wait_us(waits[_i].status, waits[_i].retries,
		                                  i < 1000 ? i / 1000.0 : 0.9999999);

		ck_assert_int_ge(us, waits[_i].least_ms * 1000);
		ck_assert_int_le(us, waits[_i].most_ms * 1000);
		ck_assert_int_ge(us, last_us);
		last_us = us;
	}
	ck_assert_int_ge(last_us, waits[_i].most_ms * 999);
	ck_assert_int_eq(stripe_retry_wait_us(waits[_i].status, waits[_i].retries, 0),
	                 waits[_i].least_ms * 1000);
}
END_TEST

/* clang-format off */
#define S(status_) {.status = (status_)}
#define B(status_, body_) {.status = (status_), .body = (body_)}
#define UNSENT {.unsent = true}
#define SAYS(...) {__VA_ARGS__}, ROWS(((struct scripted[]){__VA_ARGS__}))

/* The outcome after all attempts. */
static const struct {
	const char *name;
	enum stripe_method method;
	const char *key;
	struct scripted script[SCRIPT_MAX];
	int count;
	int attempts;
	enum stripe_outcome outcome;
} stories[] = {
	{"done", STRIPE_POST, "k", SAYS(S(200)), 1, STRIPE_DONE},
	{"created", STRIPE_POST, "k", SAYS(S(201)), 1, STRIPE_DONE},
	{"refused", STRIPE_POST, "k", SAYS(S(400)), 1, STRIPE_REFUSED},
	{"forbidden", STRIPE_GET, NULL, SAYS(S(403)), 1, STRIPE_REFUSED},
	{"locked", STRIPE_POST, "k", SAYS(S(409)), 3, STRIPE_NOT_NOW},
	{"limited", STRIPE_POST, "k", SAYS(S(429)), 4, STRIPE_NOT_NOW},
	{"limited, then done", STRIPE_POST, "k", SAYS(S(429), S(429), S(200)), 3, STRIPE_DONE},
	{"broken", STRIPE_POST, "k", SAYS(S(500)), 3, STRIPE_UNKNOWN},
	{"silent", STRIPE_POST, "k", SAYS(S(0)), 3, STRIPE_UNKNOWN},
	{"reset", STRIPE_POST, "k", SAYS({.reset = true}), 3, STRIPE_UNKNOWN},
	{"never reached", STRIPE_POST, "k", SAYS(UNSENT), 3, STRIPE_NOT_NOW},
	{"reached late", STRIPE_POST, "k", SAYS(UNSENT, S(200)), 2, STRIPE_DONE},
	{"redirected", STRIPE_POST, "k", SAYS(S(302)), 1, STRIPE_UNKNOWN},
	{"too large", STRIPE_GET, NULL, SAYS({.status = 200, .too_large = true}), 1, STRIPE_UNKNOWN},
	/* Bodies. */
	{"no JSON", STRIPE_POST, "k", SAYS(B(200, "<html>")), 1, STRIPE_UNKNOWN},
	{"cut JSON", STRIPE_POST, "k", SAYS(B(200, "{\"id\":")), 1, STRIPE_UNKNOWN},
	{"no object", STRIPE_POST, "k", SAYS(B(200, "[]")), 1, STRIPE_UNKNOWN},
	{"null", STRIPE_POST, "k", SAYS(B(200, "null")), 1, STRIPE_UNKNOWN},
	{"nothing", STRIPE_POST, "k", SAYS(B(200, "")), 1, STRIPE_UNKNOWN},
	{"odd JSON", STRIPE_POST, "k", SAYS(B(200, "{\"a\":\"\\ud800\\u0000\",\"a\":1}")), 1, STRIPE_DONE},
	{"refused, no JSON", STRIPE_POST, "k", SAYS(B(400, "no")), 1, STRIPE_REFUSED},
	{"refused, other JSON", STRIPE_POST, "k", SAYS(B(404, "{\"error\":\"no\"}")), 1, STRIPE_REFUSED},
	/* An attempt that may have been carried out leaves the outcome unknown, with few
	 * exceptions. */
	{"broken, then done", STRIPE_POST, "k", SAYS(S(500), S(200)), 2, STRIPE_DONE},
	{"silent, refused under the key", STRIPE_POST, "k", SAYS(S(0), S(402)), 2, STRIPE_REFUSED},
	{"silent, refused without a key", STRIPE_POST, NULL, SAYS(S(0), S(400)), 2, STRIPE_UNKNOWN},
	{"silent, then at the door", STRIPE_POST, "k", SAYS(S(0), S(401)), 2, STRIPE_UNKNOWN},
	{"silent, then limited", STRIPE_POST, "k", SAYS(S(0), S(429)), 4, STRIPE_UNKNOWN},
	{"silent, then away", STRIPE_POST, "k", SAYS(S(0), UNSENT), 3, STRIPE_UNKNOWN},
	{"limited, broken, locked", STRIPE_POST, "k", SAYS(S(429), S(502), S(409)), 3, STRIPE_UNKNOWN},
	{"the first still runs", STRIPE_POST, "k", SAYS(B(409, IN_USE)), 3, STRIPE_UNKNOWN},
	{"and then is done", STRIPE_POST, "k", SAYS(B(409, IN_USE), S(200)), 2, STRIPE_DONE},
	{"silent, then gone", STRIPE_DELETE, NULL, SAYS(S(0), S(404)), 2, STRIPE_UNKNOWN},
	{"gone at once", STRIPE_DELETE, NULL, SAYS(S(404)), 1, STRIPE_REFUSED},
	/* A GET changes nothing, so its outcome is never unknown. */
	{"silent, then not found", STRIPE_GET, NULL, SAYS(S(0), S(404)), 2, STRIPE_REFUSED},
	{"broken, then limited", STRIPE_GET, NULL, SAYS(S(500), S(429)), 4, STRIPE_NOT_NOW},
        /* clang-format on */
};

START_TEST(test_stories)
{
	int last = stories[_i].script[stories[_i].count - 1].status;
	struct stripe_answer answer;

	world_script(&world, stories[_i].script, (size_t)stories[_i].count);
	answer = ask(stories[_i].method, stories[_i].key);
	ck_assert_msg(answer.outcome == stories[_i].outcome && answer.status == last &&
	                      answer.attempts == stories[_i].attempts,
	              "%s: outcome %d, status %d, %d attempts", stories[_i].name,
	              answer.outcome, answer.status, answer.attempts);
	ck_assert_uint_eq(world.wait_count, world.asked_count - 1);
	for (size_t i = 0; i < world.asked_count; i++)
		ck_assert(text_equal(world.asked[i].key, stories[_i].key));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("stripe retry");
	TCase *tcase = tcase_create("stories"), *pure = tcase_create("rules");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(pure, test_rules, 0, ROWS(rules));
	tcase_add_loop_test(pure, test_waits, 0, ROWS(waits));
	suite_add_tcase(suite, pure);
	tcase_add_unchecked_fixture(tcase, make_world, remove_world);
	tcase_add_loop_test(tcase, test_stories, 0, ROWS(stories));
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
