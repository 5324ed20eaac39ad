#!/bin/bash
# All of `make check`: static checks and builds first, then the tests, each part with its own time.
# What fails stops the run and shows its output. JOBS (default: the cores) bounds the compilers.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
make=(make --no-print-directory -s)

part() {
	local name=$1 start=$SECONDS
	shift
	echo "== $name"
	"$@"
	echo "== $name: $((SECONDS - start)) s"
}

part "layers and format" "${make[@]}" layers format-check
part "build with gcc" "${make[@]}" -j"$jobs" build unit-tests
part "build with clang" "${make[@]}" -j"$jobs" CC=clang build unit-tests
part "build with sanitizers" "${make[@]}" -j"$jobs" SANITIZE=1 build unit-tests
part "library" tests/library.sh
part "recipes" "${make[@]}" recipes-check
part "documents" "${make[@]}" docs-check compose-check
part "lint" "${make[@]}" lint
# Unit tests on one core, the service from outside on the other.
unit_tests() {
	part "unit tests" "${make[@]}" check-unit
	part "unit tests, sanitizers" env MUTATIONS=20000 "${make[@]}" SANITIZE=1 check-unit
	part "unit tests, valgrind" env MUTATIONS=100 tests/unit/run.sh build/release valgrind -q \
		--error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
}

log=$(mktemp)
trap 'kill "$lane" 2>/dev/null || true; rm -f "$log"' EXIT
unit_tests >"$log" 2>&1 &
lane=$!
part "API tests" "${make[@]}" check-api
part "agent tests" "${make[@]}" check-agent
part "API tests, sanitizers" "${make[@]}" SANITIZE=1 check-api
wait "$lane" || {
	cat "$log"
	exit 1
}
grep -v '^{' "$log" # the tests' own log lines are only of use in a failure
part "agent tests, sanitizers" "${make[@]}" SANITIZE=1 check-agent
part "fault tests" "${make[@]}" check-faults
part "fault tests, sanitizers" env FAULT_SECONDS=10 "${make[@]}" SANITIZE=1 check-faults
echo "everything passed in $SECONDS s"
