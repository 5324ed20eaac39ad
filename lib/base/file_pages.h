/* file_pages.h: the pages of the program and of its libraries that a process has mapped. */
#pragma once

/* Unmaps those that are read only. A page that is used again is mapped again. For a process that does little after its
 * start: linking, and the starts of libraries, read several megabytes. */
void file_pages_unmap(void);
