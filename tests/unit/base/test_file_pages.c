/* test_file_pages.c: the pages of libraries after the start. */
#include <fcntl.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "support/suite.h"

#include "base/file_pages.h"

/* Whether the process has mapped the page now: bit 63 of its entry. */
static bool
is_mapped(uintptr_t address)
{
	int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t place = (off_t)(address / (uintptr_t)sysconf(_SC_PAGESIZE) * sizeof(uint64_t));
	uint64_t entry = 0;

	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(pread(file, &entry, sizeof(entry), place), sizeof(entry));
	(void)close(file);
	return entry >> 63 != 0;
}

START_TEST(test_unmap)
{
	unsigned long version = OpenSSL_version_num();
	uintptr_t function = (uintptr_t)OpenSSL_version_num;

	ck_assert(is_mapped(function));
	file_pages_unmap();
	ck_assert(!is_mapped(function));
	ck_assert_uint_eq(OpenSSL_version_num(), version);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("file_pages");
	TCase *tcase = tcase_create("file_pages");

	tcase_add_test(tcase, test_unmap);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
