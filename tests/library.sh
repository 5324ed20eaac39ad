#!/bin/sh
# liblicense as others get it: installed under a prefix, found by pkg-config, linked into a C and a
# C++ program, shared and static. It needs libcrypto alone, exports what its header declares and
# nothing else, has no writable state, and calls nothing that prints or ends the process.
# library.sh [MAKE_VARIABLE=VALUE...]
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
make --no-print-directory -s install-liblicense PREFIX=/opt/license DESTDIR="$scratch/root" "$@"
root=$scratch/root/opt/license
version=$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' lib/base/version.h)
so=$root/lib/liblicense.so.$version
bad=0

fault() {
	echo "liblicense: $*"
	bad=1
}

# expect WHAT WANTED GOT
expect() {
	[ "$2" = "$3" ] || fault "$1: expected '$2', got '$3'"
}

names() {
	tr -s ' \n' '\n' | sort -u | tr '\n' ' '
}

needed=$(readelf -d "$so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | names)
expect "what it needs" "libc.so.6 libcrypto.so.3 " "$needed"
expect "its version" "$version" "$(sed -n 's/^Version: //p' "$root/lib/pkgconfig/liblicense.pc")"
expect "its name" "liblicense.so.${version%%.*}" "$(readelf -d "$so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"
declared=$(sed 's|/\*.*\*/||' "$root/include/license.h" | grep -v '^ \*' | tr '\n' ' ' |
	grep -oE 'LICENSE_API [^;(]*\(' | grep -oE 'license_[a-z_]+\($' | tr -d '(' | names)
expect "what the shared library exports" "$declared" \
	"$(nm -D --defined-only "$so" | awk '$2 == "T" {sub("@.*", "", $3); print $3}' | names)"
expect "what the static library exports" "$declared" \
	"$(nm -g --defined-only "$root/lib/liblicense.a" | awk 'NF == 3 {print $3}' | names)"
# `completed.0` and `__TMC_END__` are the compiler's own.
expect "its writable state" "" "$(nm "$so" |
	awk '$2 ~ /^[bBdDsS]$/ && $2 !~ /^[dD]$/ && $3 !~ /^completed/ {print $3}' | names)"
expect "its writable data" ".data" "$(readelf -SW "$so" | grep -oE ' \.(data|tdata|tbss) ' | tr -d ' ')"
expect "the size of its writable data" 8 \
	"$((0x$(readelf -SW "$so" | awk '$0 ~ / \.data / {print $(NF - 5)}')))"
forbidden=$(nm -D -u "$so" | awk '{sub("@.*", "", $NF); print $NF}' |
	grep -xE '_?_?exit|_Exit|abort|(v|f|__f?|__v)?printf(_chk)?|puts|fputs|perror|sleep|poll|select|connect|socket|fsync|system|fork|setlocale|signal|sigaction|setenv|__assert_fail' | names)
expect "calls that it must not make" "" "$forbidden"

cat >"$scratch/app.c" <<'END'
#include <license.h>
#include <stdio.h>
/* The application's own functions of names that the library uses inside. */
int arena_new(void);
int arena_new(void) { return 7; }
int license_verify(void);
int license_verify(void) { return 8; }
int
main(void)
{
	struct license_options options = {sizeof options, "no key", 0, 0, 0, 0, 0, 0, 0, 0};
	struct license *license;
	enum license_error error = license_open(&options, &license);
	printf("%s %d %d %d\n", license_version(), (int)error, arena_new(), license_verify());
	return 0;
}
END
cp "$scratch/app.c" "$scratch/app.cc"
export PKG_CONFIG_PATH="$root/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$scratch/root"
strict="-Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
{
	gcc -std=c99 $strict -o "$scratch/shared" "$scratch/app.c" $(pkg-config --cflags --libs liblicense)
	g++ -std=c++11 $strict -o "$scratch/cxx" "$scratch/app.cc" $(pkg-config --cflags --libs liblicense)
	gcc $strict -o "$scratch/static" "$scratch/app.c" -I"$root/include" "$root/lib/liblicense.a" \
		$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs-only-l liblicense | sed 's/-llicense//')
}
for program in shared cxx static; do
	expect "the $program program" "$version 2 7 8" "$(LD_LIBRARY_PATH=$root/lib "$scratch/$program")"
done
# Library and agent as a Debian package.
make --no-print-directory -s deb "$@" >"$scratch/deb"
package=$(sed -n "s/.*in '\(.*\.deb\)'.*/\1/p" "$scratch/deb")
tests/package.sh "$package" || bad=1
dpkg-deb -x "$package" "$scratch/package"
expect "the packaged agent" "billing-agent $version" "$("$scratch/package/usr/bin/billing-agent" --version)"
expect "the packaged library" "$(readelf -n "$so" | grep 'Build ID')" \
	"$(readelf -n "$scratch"/package/usr/lib/*/liblicense.so.1 | grep 'Build ID')"
# A program is built against the package alone. pkg-config finds its file where Debian has them.
multiarch=$(gcc -print-multiarch)
export PKG_CONFIG_PATH="$scratch/package/usr/lib/$multiarch/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$scratch/package" PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
# shellcheck disable=SC2046,SC2086
gcc $strict -o "$scratch/packaged" "$scratch/app.c" $(pkg-config --cflags --libs liblicense)
expect "a program of the package" "$version 2 7 8" \
	"$(LD_LIBRARY_PATH=$scratch/package/usr/lib/$multiarch "$scratch/packaged")"
# All of it without a package.
make --no-print-directory -s install PREFIX=/opt/all DESTDIR="$scratch/all" "$@"
expect "the installed agent" "billing-agent $version" "$("$scratch/all/opt/all/bin/billing-agent" --version)"
expect "what its unit starts" /opt/all/bin/billing-agent \
	"$(sed -n 's/^ExecStart=//p' "$scratch/all/opt/all/lib/systemd/system/billing-agent.service")"
for file in usr/bin/billing-agent-sync usr/include/license.h usr/share/man/man3/liblicense.3.gz \
	usr/share/man/man8/billing-agent.8.gz usr/lib/systemd/system/billing-agent.service; do
	[ -f "$scratch/package/$file" ] || fault "$file isn't in the package"
done
[ $bad -eq 0 ] && echo "liblicense: installs, links and exports as promised"
exit $bad
