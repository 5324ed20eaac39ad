#!/bin/bash
# stack.sh run|start|stop|status: all of Global Billing on this machine, for make run.
# stack.sh demo: runs it with a business in it, for make demo (demo.sh).
# stack.sh start|stop postgres|stripe|billingd|nginx: one part of a stack, for tests of faults.
#
# A private PostgreSQL, billingd and nginx, all their state in RUN_DIR (default .run), listening
# on HTTPS_PORT (default 8443) of LISTEN: localhost (the default), all, or an address of this host.
# With other folders and ports several can run at once. Settings of billingd are passed on from the
# environment. Without STRIPE_SECRET_KEY a stand-in for Stripe runs along, unless
# STRIPE_STAND_IN=off; RATE_LIMITS=off is for load tests; BUILD_VARIANT picks build/<variant>/. It
# asks no question, and an error is one line.
#
# In reading order: common.sh (messages and processes), place.sh (folders and users), postgres.sh,
# stripe.sh (the stand-in), service.sh (keys, migration, billingd, operators), nginx.sh, demo.sh.

set -euo pipefail
umask 077
# On Debian users have no sbin in PATH, and nginx is there.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

STACK_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$STACK_DIR/../.." && pwd)
CALLED_FROM=$PWD
readonly STACK_DIR ROOT CALLED_FROM

# libpq's environment variables would change every connection.
mapfile -t foreign < <(compgen -e PG || true)
unset foreign "${foreign[@]}"

# shellcheck source=app/stack/common.sh
source "$STACK_DIR/common.sh"
# shellcheck source=app/stack/place.sh
source "$STACK_DIR/place.sh"
# shellcheck source=app/stack/postgres.sh
source "$STACK_DIR/postgres.sh"
# shellcheck source=app/stack/stripe.sh
source "$STACK_DIR/stripe.sh"
# shellcheck source=app/stack/service.sh
source "$STACK_DIR/service.sh"
# shellcheck source=app/stack/nginx.sh
source "$STACK_DIR/nginx.sh"
# shellcheck source=app/stack/demo.sh
source "$STACK_DIR/demo.sh"

# In the order in which they start; they stop in the reverse order. The stand-in for Stripe is added
# if it is wanted.
SERVICES=(postgres billingd nginx)

usage() {
	sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

# The services of the stack that was started here last.
services_here() {
	echo postgres billingd nginx
	[[ -z $(kept_value STRIPE_API_BASE) ]] || echo stripe
}

# All checks that can be made before the first process is started.
check_all() {
	local service running=() missing=()

	check_settings
	for service in $(services_here); do
		if is_running "$service"; then
			running+=("$service")
		else
			missing+=("$service")
		fi
	done
	if [[ ${#missing[@]} -eq 0 ]]; then
		die "already running in $RUN_DIR; see 'make status', or 'make stop' first"
	elif [[ ${#running[@]} -gt 0 ]]; then
		say "cleaning up after an earlier run: ${running[*]}"
	fi
	stop_services
	check_tools
	check_port
	prepare_service
}

# Starts everything. The slow steps of a first start (key, certificate, initdb) run at the same time.
start_services() {
	local certificate keys

	make_certificate &
	certificate=$!
	make_keys &
	keys=$!
	make_cluster
	wait "$keys" || exit 1
	wait "$certificate" || exit 1
	start_postgres
	[[ $STAND_IN == off ]] || start_stripe
	migrate
	check_service
	make_operators
	start_billingd
	start_nginx
	wait_until_ready
}

# May be called at any time and repeatedly.
stop_services() {
	stop_nginx
	stop_billingd
	stop_stripe
	stop_postgres
}

# Ends a failed start, or a run, and keeps the exit status.
clean_up() {
	local code=$?

	trap '' INT TERM HUP
	trap - EXIT
	stop_services
	exit "$code"
}

start() {
	prepare_place
	lock_place
	check_all
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	rm -f "$STATE/pids/stopping"
	start_services
	unlock_place
}

# Another `make stop` is running. A second signal to billingd would end its running requests.
leave_to_other() {
	local service

	trap - EXIT
	for service in "${SERVICES[@]}"; do
		wait_gone "$service" $((DRAIN_SECONDS + 120)) || true
	done
	say "stopped by make stop"
	exit 0
}

# Waits until one of the services ends, which is an error.
watch_services() {
	local service

	while { wait -n "${STARTED[@]}" || true; } 2>/dev/null; do
		for service in "${SERVICES[@]}"; do
			is_running "$service" && continue
			[[ ! -e $STATE/pids/stopping ]] || leave_to_other
			die "$service has ended unexpectedly; stopping the rest; see $(log_of "$service")"
		done
	done
}

# start_part SERVICE: starts one service of a stack that was started as a whole before.
start_part() {
	prepare_place
	lock_place
	[[ -e $STATE/env ]] || die "nothing was ever started in $RUN_DIR"
	! is_running "$1" || die "$1 is already running"
	check_settings
	check_tools
	prepare_service
	[[ $STAND_IN == off || $1 != billingd ]] || use_stand_in
	"stop_$1"
	"start_$1"
	unlock_place
}

command_run() {
	start
	trap 'echo; say "stopping"; exit 0' INT TERM HUP
	print_welcome
	say "Ctrl-C stops everything"
	watch_services
}

command_start() {
	if [[ -n ${1:-} ]]; then
		start_part "$1"
		return
	fi
	start
	trap - EXIT INT TERM HUP
	print_welcome
	say "'make stop' stops it"
}

command_stop() {
	find_place
	if [[ ! -d $STATE/pids ]]; then
		say "nothing runs in $RUN_DIR"
		return
	fi
	check_owner
	if [[ -n ${1:-} ]]; then
		"stop_$1"
		return
	fi
	touch "$STATE/pids/stopping"
	stop_services
	say "stopped"
}

command_status() {
	local service code=0

	find_place
	for service in $(services_here); do
		if is_running "$service"; then
			echo "$service: running (pid $(pid_of "$service"))"
		else
			echo "$service: not running"
			code=3
		fi
	done
	[[ $code -ne 0 ]] || sed -n "s/^BASE_URL='\(.*\)'$/address: \1/p" "$STATE/env"
	echo "state: $STATE"
	return "$code"
}

case "$*" in
run | start | stop | status | demo)
	"command_$1"
	;;
"start postgres" | "start stripe" | "start billingd" | "start nginx" | \
	"stop postgres" | "stop stripe" | "stop billingd" | "stop nginx")
	"command_$1" "$2"
	;;
help | --help | -h)
	usage
	;;
*)
	die "usage: stack.sh run|start|stop|status|demo, or start|stop postgres|stripe|billingd|nginx"
	;;
esac
