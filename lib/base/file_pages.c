/* file_pages.c: unmaps the pages that linking and the start of libraries have read. */
#include "base/file_pages.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* For dl_iterate_phdr(). Writable segments are left alone: the linker has written to them, also to those that are
 * read only since. */
static int
unmap_segments(struct dl_phdr_info *object, size_t size, void *context)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)context;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + segment->p_vaddr;
		uintptr_t end = (start + segment->p_memsz) / page * page;

		start = (start + page - 1) / page * page;
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 && start < end)
			(void)madvise((void *)start, /* NOLINT: the linker tells numbers */
			              end - start, MADV_DONTNEED);
	}
	return 0;
}

void
file_pages_unmap(void)
{
	(void)dl_iterate_phdr(unmap_segments, NULL);
}
