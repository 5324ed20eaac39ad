#!/bin/bash
# All of `make check`. The quick parts run first, then four lanes side by side: tests with faults, and the API
# with sanitizers; the API; lint, valgrind, library and recipes; unit tests with sanitizers, the agent and the
# stand-in. Tests with faults look at times, so their lane comes first at the processor, and the last two lanes
# get what the others leave. A part that fails ends the run, and the output of its lane comes last. The last
# lines name what was not tested because a corpus or a tool is not there.
# JOBS (default: the cores) bounds the compilers, FAULT_SECONDS (8) how long processes are killed.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
make=(make --no-print-directory -s)
declare -A lanes=() # the lanes that run: name by process id
logs=$(mktemp -d)
exec 3>&1 # parts tell here that they begin and end, whichever lane they are in
# Tests append to this file what they leave out because a corpus or a tool is not there.
NOT_TESTED_FILE=$logs/not_tested
export NOT_TESTED_FILE PYTHONPATH=$PWD/tests/support PYTEST_ADDOPTS="-p not_tested"
trap finish EXIT

finish() {
	for pid in "${!lanes[@]}"; do
		kill -- -"$pid" 2>/dev/null || true
	done
	rm -rf "$logs"
}

part() {
	local name=$1 start=$SECONDS
	shift
	echo "== $name" >&3
	"$@"
	echo "== $name: $((SECONDS - start)) s" >&3
}

# The tests' own log lines are only of use in a failure.
show_lane() {
	echo "== output of the $1 lane"
	grep -v '^{' "$logs/$1" || true
}

# A lane that failed is shown last, after what the others had printed until then.
end_in_failure() {
	for pid in "${!lanes[@]}"; do
		show_lane "${lanes[$pid]}" | tail -n 100
	done
	echo "== the $1 lane failed"
	cat "$logs/$1"
	exit 1
}

# A lane is a process group, so that all of it can be ended.
run_lanes() {
	local pid name status
	set -m
	for name in "$@"; do
		"${name}_lane" >"$logs/$name" 2>&1 &
		lanes[$!]=$name
	done
	set +m
	while [[ ${#lanes[@]} -gt 0 ]]; do
		status=0
		wait -n -p pid "${!lanes[@]}" || status=$?
		name=${lanes[$pid]}
		unset "lanes[$pid]"
		[[ $status -eq 0 ]] || end_in_failure "$name"
		show_lane "$name"
	done
}

code_lane() {
	renice -n 10 $BASHPID
	part "lint" "${make[@]}" lint
	part "clang" "${make[@]}" clang-check
	part "unit tests, valgrind" env MUTATIONS=100 UNIT_ROOMS="${valgrind_rooms[*]}" \
		tests/unit/run.sh build/release valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite
	part "library" tests/library.sh
	part "recipes" "${make[@]}" recipes-check
	part "bench's statements" "${make[@]}" bench-check
}

unit_lane() {
	renice -n 10 $BASHPID
	part "unit tests, sanitizers" env MUTATIONS=20000 "${make[@]}" SANITIZE=1 check-unit
	part "agent tests" "${make[@]}" check-agent
	part "agent tests, sanitizers" "${make[@]}" SANITIZE=1 check-agent
	part "stand-in for Stripe" "${make[@]}" check-stripe
}

service_lane() {
	renice -n 5 $BASHPID
	part "API tests" "${make[@]}" check-api
}

fault_lane() {
	part "fault tests" env FAULT_SECONDS="${FAULT_SECONDS:-8}" "${make[@]}" check-faults
	part "fault tests, sanitizers" env FAULT_SECONDS=5 CHAOS_SECONDS=5 "${make[@]}" SANITIZE=1 \
		FAULT_OPTIONS="-k 'drain or stripe_chaos or usage_faults or worker_kills'" check-faults
	part "API tests, sanitizers" env FUZZ_EXAMPLES=8 "${make[@]}" SANITIZE=1 \
		API_OPTIONS="$sanitized" check-api
}

# Rooms whose tests wait little for the database; valgrind runs all in `make check-full`.
valgrind_rooms=(agent base callers db entitlements http json metrics net licensing notices operation outbox plans
	stripe webhooks)

# API tests that repeat the same code or test other programs: they do not run again with sanitizers.
once=(agent_service alerts analytics_speed another_trade auth_matrix billingctl
	billingctl_account billingctl_requests brand console console_attacks console_speed
	contract_billing customer_pages demo doctor events image import import_service import_stripe
	intervals links metered_sales migrate missing_customer networks nginx_pools notices openapi
	operations_page pages pooler rates revenue_lives seats secrets stand_in stripe_versions support
	tenants upgrade usage_count usage_upkeep webhook_endpoints)
sanitized=$(printf -- '--ignore-glob=*/test_%s.py ' "${once[@]}")

part "layers and format" "${make[@]}" layers format-check
part "build with gcc" "${make[@]}" -j"$jobs" build unit-tests
part "build with sanitizers" "${make[@]}" -j"$jobs" SANITIZE=1 build unit-tests
part "fuzz" "${make[@]}" -j"$jobs" fuzz
part "documents" "${make[@]}" docs-check compose-check
run_lanes fault service code unit
echo "everything passed in $SECONDS s"
[[ ! -s $NOT_TESTED_FILE ]] || sort -u "$NOT_TESTED_FILE" | sed 's/^/not tested: /'
