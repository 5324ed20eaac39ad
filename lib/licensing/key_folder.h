/* key_folder.h: the files in a folder of keys; shared by key_files.c, which reads them, and
 * key_rotation.c, which makes them. */
#pragma once

#include "licensing/keys.h"

#define KEY_PRIVATE_FILE "private-key.pem"
#define KEY_PUBLIC_FILE "public-key.pem"
#define KEY_RETIRED_DIR "retired"
#define KEY_RETIRED_LABEL "Retired:"
#define KEY_PUBLISH_LABEL "Publish-Until:"

/* Reads one key file. The caller frees the key. Failures as license_keys_load(). */
enum fail key_folder_private(struct task *task, const char *path, EVP_PKEY **out) MUST_CHECK;

/* The path of a retired key. */
char *key_folder_retired(struct arena *arena, const char *dir, const char *kid);
