# shellcheck shell=bash
# demo.sh: `make demo`: fourteen months of a business of two hundred customers, to look at. demo.py makes
# them through the API and the stand-in for Stripe, while the clock of the whole stack moves from then to
# now by weeks (libfaketime). This takes about three minutes and happens once for a RUN_DIR; afterwards the stack
# runs on it like any other.

# Shorter ones are for tests.
readonly DEMO_DAYS=${DEMO_DAYS:-425}

# Removes a demonstration that was not finished, and what made it.
give_up_demo() {
	local code=$?

	trap - EXIT INT TERM HUP
	[[ -z ${DEMO_PID:-} ]] || kill "$DEMO_PID" 2>/dev/null || true
	rm -rf -- "${CLOCK_FILE%/*}"
	if [[ $code -ne 0 ]]; then
		"$STACK_DIR/stack.sh" stop >/dev/null 2>&1 || true
		[[ -e $STATE/demo ]] || rm -rf -- "$STATE" "$RUN_DIR"
	fi
	exit "$code"
}

# is_empty FOLDER: whether nothing would be lost with it.
is_empty() {
	[[ ! -e $1 || (-d $1 && -z $(ls -A -- "$1")) ]]
}

make_demo() {
	say "making $DEMO_DAYS days of business in $RUN_DIR; fourteen months take about three minutes"
	CLOCK_FILE=$(mktemp -d /tmp/billing-clock-XXXXXXXX)/offset
	trap give_up_demo EXIT
	trap 'exit 130' INT TERM HUP
	chmod 755 "${CLOCK_FILE%/*}"
	echo "-${DEMO_DAYS}d" >"$CLOCK_FILE"
	chmod 644 "$CLOCK_FILE"
	# No installation is lost because the clock moves by weeks.
	env CLOCK_FILE="$CLOCK_FILE" RATE_LIMITS=off INSTANCE_LEASE_HOURS=240 "$STACK_DIR/stack.sh" start >/dev/null
	# In the background, so that a signal ends it at once.
	/usr/bin/python3 "$STACK_DIR/demo.py" "$STATE/env" "$CLOCK_FILE" "$DEMO_DAYS" &
	DEMO_PID=$!
	wait "$DEMO_PID"
	"$STACK_DIR/stack.sh" stop >/dev/null
	touch "$STATE/demo"
	trap - EXIT INT TERM HUP
	rm -rf -- "${CLOCK_FILE%/*}"
}

command_demo() {
	export RUN_DIR=${RUN_DIR:-.run-demo} PUBLIC_SIGNUP=${PUBLIC_SIGNUP:-on}
	need /usr/bin/python3
	[[ -z ${STRIPE_SECRET_KEY:-}${STRIPE_SECRET_KEY_FILE:-} ]] ||
		die "a demonstration is made with the stand-in for Stripe: unset STRIPE_SECRET_KEY"
	sells_as_shipped ||
		die "a demonstration sells the plans of conf/plans.json as they are shipped; PLANS_FILE has others"
	find_place
	if [[ ! -e $STATE/demo ]]; then
		# A demonstration that fails removes its folder again.
		if ! is_empty "$STATE" || ! is_empty "$RUN_DIR"; then
			die "$RUN_DIR holds files; choose a new or empty folder for RUN_DIR"
		fi
		make_demo
	fi
	unset CLOCK_FILE
	say "another terminal ends it with: make stop RUN_DIR=$RUN_DIR"
	exec "$STACK_DIR/stack.sh" run
}
