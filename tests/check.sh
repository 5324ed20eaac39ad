#!/bin/bash
# All of `make check`. The quick parts run first, then two lanes side by side that take about the same
# time: one tests the code by itself, also with sanitizers; the other tests the service from outside. A
# part that fails stops the run, and its output is shown. The last lines name what was not tested because
# a corpus or a tool is not there. JOBS (default: the cores) bounds the compilers, FAULT_SECONDS (8) how
# long processes are killed.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
make=(make --no-print-directory -s)
lane=
log=$(mktemp)
# Tests append to this file what they leave out because a corpus or a tool is not there.
NOT_TESTED_FILE=$(mktemp)
export NOT_TESTED_FILE PYTHONPATH=$PWD/tests/support PYTEST_ADDOPTS="-p not_tested"
trap finish EXIT

# Shows the other lane's output when this one fails: the other may have failed before.
finish() {
	local status=$?
	if [[ -n $lane ]]; then
		[[ $status -eq 0 ]] || { echo "== the other lane, until then" && grep -v '^{' "$log" | tail -n 100; }
		kill -- -"$lane" 2>/dev/null || true
	fi
	rm -f "$log" "$NOT_TESTED_FILE"
}

part() {
	local name=$1 start=$SECONDS
	shift
	echo "== $name"
	"$@"
	echo "== $name: $((SECONDS - start)) s"
}

# The output of the second lane comes at its end; its failure ends this lane too.
join_code_lane() {
	wait "$lane" || {
		lane=
		cat "$log"
		exit 1
	}
	lane=
	grep -v '^{' "$log" # the tests' own log lines are only of use in a failure
}

service_part() {
	kill -0 "$lane" 2>/dev/null || [[ -z $lane ]] || join_code_lane
	part "$@"
}

code_lane() {
	part "lint" "${make[@]}" lint
	part "clang" "${make[@]}" clang-check
	part "unit tests, sanitizers" env MUTATIONS=20000 "${make[@]}" SANITIZE=1 check-unit
	part "unit tests, valgrind" env MUTATIONS=100 tests/unit/run.sh build/release valgrind -q \
		--error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
	part "library" tests/library.sh
	part "agent tests" "${make[@]}" check-agent
	part "agent tests, sanitizers" "${make[@]}" SANITIZE=1 check-agent
	part "recipes" "${make[@]}" recipes-check
	part "stand-in for Stripe" "${make[@]}" check-stripe
	part "fault tests, sanitizers" env FAULT_SECONDS=5 CHAOS_SECONDS=5 STRIPE_SHUFFLES=3 \
		"${make[@]}" SANITIZE=1 FAULT_OPTIONS="$quick" check-faults
}

# API tests that repeat the same code or test other programs: they do not run again with sanitizers.
once=(agent_service alerts analytics_speed another_trade auth_matrix billingctl billingctl_account
	billingctl_requests brand console console_attacks contract_billing customer_pages demo doctor events
	image import import_service import_stripe intervals links metered_sales migrate missing_customer
	networks nginx_pools notices openapi operations_page pages pooler rates revenue_lives seats secrets
	stand_in stripe_versions support tenants upgrade usage_upkeep webhook_endpoints)
slow=(clocks disk_full fastcgi_records leaks revocations shares signing_burst standby_repeats stripe_life
	stripe_outages stripe_races usage_sums webhook_faults)
quick=$(printf -- '--ignore=tests/faults/test_%s.py ' "${slow[@]}")
sanitized=$(printf -- '--ignore-glob=*/test_%s.py ' "${once[@]}")

part "layers and format" "${make[@]}" layers format-check
part "build with gcc" "${make[@]}" -j"$jobs" build unit-tests
part "build with sanitizers" "${make[@]}" -j"$jobs" SANITIZE=1 build unit-tests
part "fuzz" "${make[@]}" -j"$jobs" fuzz
part "documents" "${make[@]}" docs-check compose-check
set -m # a lane is a process group, so that all of it can be ended
code_lane >"$log" 2>&1 &
lane=$!
set +m
service_part "API tests" "${make[@]}" check-api
service_part "API tests, sanitizers" env FUZZ_EXAMPLES=8 "${make[@]}" SANITIZE=1 \
	API_OPTIONS="$sanitized" check-api
service_part "fault tests" env FAULT_SECONDS="${FAULT_SECONDS:-8}" "${make[@]}" check-faults
[[ -z $lane ]] || join_code_lane
echo "everything passed in $SECONDS s"
[[ ! -s $NOT_TESTED_FILE ]] || sort -u "$NOT_TESTED_FILE" | sed 's/^/not tested: /'
