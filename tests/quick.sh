#!/bin/bash
# quick.sh BUILD_DIR: the checks for each change, in less than a minute: layers, format, documents,
# the unit tests of the rooms that differ from main (SINCE names another commit) and of the rooms that
# include them, and at the same time the API tests that are marked `quick`. `make check` runs everything.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
base=${SINCE:-main}
git rev-parse -q --verify "$base" >/dev/null || base=HEAD
make=(make --no-print-directory -s -j"$(nproc)")
log=$(mktemp)
api=
trap 'rm -f "$log"; [[ -z $api ]] || kill "$api" 2>/dev/null || true' EXIT

# Tests that take seconds run only when their own room has changed.
slow=' billing/test_customers_search db/test_lost db/test_migrations db/test_statements agent/test_agent
	agent/test_state licensing/test_keys '

changed_rooms() {
	{
		git diff --name-only "$(git merge-base HEAD "$base")"
		git ls-files --others --exclude-standard
	} | sed -nE 's#^app/agent[^/]*/.*#agent#p; s#^(lib|tests/unit)/([^/]+)/.*#\2#p' | sort -u
}

# includes ROOM OTHER: whether a source of ROOM includes a header of OTHER
includes() {
	grep -qsE "^#include \"$2/" lib/"$1"/*.[ch] app/"$1"*/*.[ch]
}

# The unit tests to run, as room/test_name.
chosen_tests() {
	local folder room other name changed
	changed=" $(changed_rooms | tr '\n' ' ')"

	for folder in tests/unit/*/; do
		compgen -G "$folder"'test_*.c' >/dev/null || continue
		room=$(basename "$folder")
		for other in $changed; do
			[[ $room == "$other" ]] || includes "$room" "$other" || continue
			for name in "$folder"test_*.c; do
				name=$room/$(basename "$name" .c)
				[[ $changed != *" $room "* && $slow == *[[:space:]]"$name"[[:space:]]* ]] ||
					echo "$name"
			done
			break
		done
	done
}

mapfile -t tests < <(chosen_tests)
"${make[@]}" layers format-check
"${make[@]}" build "${tests[@]/#/$build/tests/unit/}"
"${make[@]}" docs-check
BILLING_VARIANT=${build##*/} /usr/bin/python3 -m pytest -q -m quick tests/api >"$log" 2>&1 &
api=$!
if [[ ${#tests[@]} -gt 0 ]]; then
	# shellcheck disable=SC2016
	MUTATIONS=1000 tests/unit/with_database.sh bash -euc 'for test; do "$test"; done' - \
		"${tests[@]/#/$build/tests/unit/}" 2>&1 | grep -v "^{"
fi
wait "$api" || {
	api=
	cat "$log"
	exit 1
}
api=
tail -n 1 "$log"
echo "quick: ${#tests[@]} unit test programs and the quick API tests passed in $SECONDS s"
