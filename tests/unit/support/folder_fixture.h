/* folder_fixture.h: a task and an empty folder for each test. */
#pragma once

#include "support/suite.h"

static struct task task;
static const char *folder;

static inline void
folder_setup(void)
{
	task = suite_task();
	folder = suite_folder(task.arena);
}

static inline void
folder_teardown(void)
{
	suite_folder_remove(task.arena, folder);
	suite_task_end(&task);
}

/* The path of a file in the folder; it lives as long as the task. */
static inline const char *
folder_path(const char *name)
{
	return arena_printf(task.arena, "%s/%s", folder, name);
}
