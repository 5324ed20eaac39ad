/*
 * test_key_timing.c: the time that it takes to refuse a key does not depend on how much of the
 * key is right.
 *
 * Under valgrind the stored digest counts as undefined, so that memcheck reports each branch
 * and each address that depends on it (Langley's ctgrind): exact, on any machine. With FULL the
 * clock is asked as well: guesses that share all but the last digits with a true key, and
 * guesses that share none; Welch's t-test over the times that the whole decision takes (form,
 * SHA-256, comparison), as in "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede,
 * 2017).
 */
#include "support/suite.h"

#include <math.h>
#include <stdbool.h>
#include <time.h>
#include <valgrind/memcheck.h>

#include "base/digest.h"
#include "callers/api_keys.h"

enum { GUESSES = 100000, TRIES = 4, KEY_LENGTH = 68 };
static const double t_limit = 4.5;
static const double kept = 0.9; /* the slowest tenth is noise of the machine */

struct sample {
	double nanoseconds;
	bool near;
};

static double
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* A key's text; `seed` makes the digits. */
static void
make_key(char key[KEY_LENGTH + 1], unsigned int seed)
{
	srand(seed);
	memcpy(key, "gba_", 4);
	for (size_t i = 4; i < KEY_LENGTH; i++)
		key[i] = "0123456789abcdef"[rand() % 16];
	key[KEY_LENGTH] = '\0';
}

/* A wrong guess that differs from digit `from` on. A digit stays one and a letter stays one:
 * what the processor foresees of the form, which the guesser knows, is no part of the
 * measure. */
static void
make_guess(char guess[KEY_LENGTH + 1], const char *key, size_t from)
{
	memcpy(guess, key, KEY_LENGTH + 1);
	for (size_t i = from; i < KEY_LENGTH; i++)
		if (key[i] >= 'a')
			guess[i] = key[i] == 'f' ? 'a' : (char)(key[i] + 1);
		else
			guess[i] = key[i] == '9' ? '0' : (char)(key[i] + 1);
}

/* The decision under test: true when the key is refused. */
static bool
constant_time_refusal(const char *guess, const struct sha256 *stored, const char *secret)
{
	struct sha256 digest;

	(void)secret;
	if (!api_key_is_well_formed(guess))
		return true;
	digest = digest_sha256(guess, strlen(guess));
	return !digest_equal(&digest, stored);
}

/* A comparison with a leak, which shows that the measurement finds one. */
static bool
leaking_refusal(const char *guess, const struct sha256 *stored, const char *secret)
{
	(void)stored;
	for (size_t i = 0; secret[i] != '\0'; i++) {
		/* Slow enough to be seen over the clock's own noise. */
		for (volatile int spin = 0; spin < 4; spin++)
			;
		if (guess[i] != secret[i])
			return true;
	}
	return false;
}

static int
by_time(const void *a, const void *b)
{
	double left = ((const struct sample *)a)->nanoseconds;
	double right = ((const struct sample *)b)->nanoseconds;

	return left < right ? -1 : left > right;
}

static double
welch(struct sample *samples)
{
	double sum[2] = {0}, square[2] = {0}, count[2] = {0}, mean[2], variance[2];

	qsort(samples, GUESSES, sizeof(*samples), by_time);
	for (size_t i = 0; i < (size_t)(GUESSES * kept); i++) {
		double value = samples[i].nanoseconds;

		sum[samples[i].near] += value;
		square[samples[i].near] += value * value;
		count[samples[i].near]++;
	}
	for (int k = 0; k < 2; k++) {
		mean[k] = sum[k] / count[k];
		variance[k] = square[k] / count[k] - mean[k] * mean[k];
	}
	return (mean[0] - mean[1]) / sqrt(variance[0] / count[0] + variance[1] / count[1]);
}

/* All that differs between the two kinds of guesses is made before the clock starts. */
static double
measure(bool (*refusal)(const char *, const struct sha256 *, const char *), unsigned int seed)
{
	static struct sample samples[GUESSES];
	char secret[KEY_LENGTH + 1], guesses[2][KEY_LENGTH + 1], guess[KEY_LENGTH + 1];
	struct sha256 stored;

	make_key(secret, seed);
	make_guess(guesses[0], secret, 4);
	make_guess(guesses[1], secret, KEY_LENGTH - 4);
	stored = digest_sha256(secret, KEY_LENGTH);
	for (size_t i = 0; i < GUESSES; i++)
		samples[i].near = rand() % 2 == 0;
	for (size_t i = 0; i < GUESSES; i++) {
		double start;

		memcpy(guess, guesses[samples[i].near], sizeof(guess));
		start = now_ns();
		ck_assert(refusal(guess, &stored, secret));
		samples[i].nanoseconds = now_ns() - start;
	}
	return welch(samples);
}

/* Memcheck ends the program's run with an error when anything depends on the digest. */
START_TEST(test_only_the_answer_depends_on_the_stored_digest)
{
	char secret[KEY_LENGTH + 1], guess[KEY_LENGTH + 1];
	bool watched = RUNNING_ON_VALGRIND;

	for (unsigned int seed = 1; seed <= 20; seed++)
		for (size_t from = 4; from <= KEY_LENGTH; from += 16) {
			unsigned char unknown = 0; /* bits of the answer */
			struct sha256 stored;
			bool refused;

			make_key(secret, seed);
			make_guess(guess, secret, from);
			stored = digest_sha256(secret, KEY_LENGTH);
			(void)VALGRIND_MAKE_MEM_UNDEFINED(&stored, sizeof(stored));
			refused = constant_time_refusal(guess, &stored, secret);
			(void)VALGRIND_GET_VBITS(&refused, &unknown, sizeof(unknown));
			ck_assert_int_eq(unknown != 0, watched);
			(void)VALGRIND_MAKE_MEM_DEFINED(&refused, sizeof(refused));
			ck_assert_int_eq(refused, from < KEY_LENGTH);
		}
}
END_TEST

/* A busy machine may show a difference once; a leak shows each time. */
START_TEST(test_refusal_takes_as_long_for_a_near_guess)
{
	double t = 0;

	for (unsigned int try = 0; try < TRIES; try++) {
		t = fabs(measure(constant_time_refusal, 20250215 + try));
		printf("key timing: |t| = %.2f over %d guesses\n", t, GUESSES);
		if (t < t_limit)
			return;
	}
	ck_abort_msg("|t| = %.2f in each of %d runs", t, TRIES);
}
END_TEST

START_TEST(test_the_measurement_finds_a_leak)
{
	ck_assert(fabs(measure(leaking_refusal, 20250215)) > t_limit);
}
END_TEST

static TCase *
measured_cases(void)
{
	TCase *tcase = tcase_create("welch");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_refusal_takes_as_long_for_a_near_guess);
	tcase_add_test(tcase, test_the_measurement_finds_a_leak);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("key timing");
	TCase *exact = tcase_create("memcheck");

	tcase_add_test(exact, test_only_the_answer_depends_on_the_stored_digest);
	suite_add_tcase(suite, exact);
	if (getenv("FULL"))
		suite_add_tcase(suite, measured_cases());
	return suite_run(suite);
}
