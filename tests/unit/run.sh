#!/bin/bash
# Runs every unit test of a build, in a private database's company: run.sh BUILD_DIR [WRAPPER...]
# With a wrapper (valgrind) or a sanitizer build the tests run without forking, so that leaks show.
# UNIT_ROOMS names the folders whose tests run; without it all do.
set -u
build=$1
shift
here=$(dirname "$0")
failed=0
export MUTATIONS="${MUTATIONS:-200000}"

if [ -z "${TEST_DATABASE_URL:-}" ]; then
	exec "$here/with_database.sh" "$0" "$build" "$@"
fi
case $build in
*/sanitize) export CK_FORK=no ;;
esac
[ $# -gt 0 ] && export CK_FORK=no
for source in "$here"/*/test_*.c; do
	room=$(basename "$(dirname "$source")")
	[[ " ${UNIT_ROOMS:-$room} " == *" $room "* ]] || continue
	test=$build/tests/unit${source#"$here"}
	test=${test%.c}
	wrapper=("$@")
	# These run without a wrapper, which would measure itself, make RSA keys for minutes, see of TLS the
	# libraries' part, and see nothing of processes that are killed.
	case $(basename "$test") in
	test_keys | test_http_tls | test_license_memory | test_vectors | *_crashes | *_upgrade) wrapper=() ;;
	esac
	"${wrapper[@]}" "$test" || {
		echo "FAILED: $test"
		failed=$((failed + 1))
	}
done
echo "unit tests of $build $*: $failed failed programs"
[ $failed -eq 0 ]
