/*
 * version.h: the version of the programs and of liblicense. To change it, edit the line below,
 * run `make docs`, and begin a section of .github/CHANGELOG.md; the build takes it from here.
 *
 * Its first number is also that of liblicense's ABI (see license.h).
 */
#pragma once

#define VERSION "1.0"
