# shellcheck shell=bash
# place.sh: the folders of the state, and the user that owns each.
#
# Started by a normal user, everything is that user's. Started by root, PostgreSQL runs as postgres,
# billingd and the stand-in for Stripe as billing, nginx's workers as www-data. The user billing is
# made if it is missing. Root makes the folders; files in the folder of another user are read and
# written as that user, who could have put a link there. If those users cannot enter RUN_DIR (under /root, for
# example), the state is in /var/tmp/billing-<hash of the path>, and RUN_DIR holds links.

# Sets RUN_DIR (as given), STATE (the folder that holds the state), and the users. Makes nothing.
find_place() {
	local asked=${RUN_DIR:-.run}

	HTTPS_PORT=${HTTPS_PORT:-8443}
	RATE_LIMITS=${RATE_LIMITS:-on}
	LISTEN=${LISTEN:-localhost}
	RUN_DIR=$(realpath -m -- "$asked")
	[[ $RUN_DIR != *$'\n'* ]] || die "RUN_DIR: a path with a line break cannot be used"
	DRAIN_SECONDS=${SHUTDOWN_TIMEOUT_SECONDS:-30}
	[[ $DRAIN_SECONDS =~ ^[1-9][0-9]{0,3}$ ]] || DRAIN_SECONDS=30
	[[ ! ${DRAIN_DELAY_SECONDS:-} =~ ^[1-9][0-9]{0,2}$ ]] ||
		DRAIN_SECONDS=$((DRAIN_SECONDS + DRAIN_DELAY_SECONDS))
	find_clock
	CALLER=$(id -un)
	PG_USER=$CALLER
	SERVICE_USER=$CALLER
	WEB_USER=$CALLER
	AS_PG=("${CLOCK[@]}")
	AS_BILLING=("${CLOCK[@]}")
	if [[ $EUID -eq 0 ]]; then
		PG_USER=postgres
		SERVICE_USER=billing
		WEB_USER=www-data
		id -u "$PG_USER" &>/dev/null ||
			die "there is no user postgres: 'make deps' installs what is needed"
		AS_PG=(setpriv --reuid="$PG_USER" --regid="$PG_USER" --init-groups -- "${CLOCK[@]}")
		make_user "$SERVICE_USER"
		AS_BILLING=(setpriv --reuid="$SERVICE_USER" --regid="$SERVICE_USER" --init-groups
			--no-new-privs -- "${CLOCK[@]}")
	fi
	STATE=$RUN_DIR
	if ! may_enter "$RUN_DIR"; then
		STATE=/var/tmp/billing-$(printf %s "$RUN_DIR" | sha256sum | cut -c 1-12)
	fi
	readonly HTTPS_PORT RATE_LIMITS LISTEN RUN_DIR STATE DRAIN_SECONDS
	readonly CALLER PG_USER SERVICE_USER WEB_USER AS_PG AS_BILLING
}

# Sets CLOCK: a prefix that runs a program with the clock that CLOCK_FILE has ("-30d"), for demo.sh. Of a
# program it is the last prefix, since libfaketime does not survive a change of the user.
find_clock() {
	local library

	CLOCK=()
	[[ -n ${CLOCK_FILE:-} ]] || return 0
	for library in /usr/lib/*/faketime/libfaketime.so.1; do
		CLOCK=(env "LD_PRELOAD=$library" "FAKETIME_TIMESTAMP_FILE=$CLOCK_FILE"
			FAKETIME_CACHE_DURATION=1)
	done
	[[ -e ${library:-} ]] || die "libfaketime is missing; 'make demo' installs it"
}

# make_user NAME: a system user with a group of its own. Several stacks may start at once.
make_user() {
	id -u "$1" &>/dev/null || useradd --system --user-group --no-create-home \
		--home-dir /nonexistent --shell /usr/sbin/nologin "$1" 2>/dev/null ||
		id -u "$1" &>/dev/null || die "cannot make the user $1"
}

# may_enter FOLDER: whether PostgreSQL's user and billingd's can use a folder there.
may_enter() {
	local folder=$1

	[[ $EUID -eq 0 ]] || return 0
	while [[ ! -e $folder ]]; do
		folder=$(dirname "$folder")
	done
	"${AS_PG[@]}" test -x "$folder" && "${AS_BILLING[@]}" test -x "$folder"
}

# own MODE USER[:GROUP] FOLDER...: makes the folders, or sets owner and mode again.
own() {
	if [[ $EUID -eq 0 ]]; then
		install -d -m "$1" -o "${2%:*}" -g "${2#*:}" -- "${@:3}"
	else
		install -d -m "$1" -- "${@:3}"
	fi
}

# write_as PREFIX... FILE: as the user of the prefix, replaces the file by stdin.
write_as() {
	# shellcheck disable=SC2016  # the inner shell expands it
	"${@:1:$#-1}" sh -c 'cat >"$1.new" && mv -fT -- "$1.new" "$1"' sh "${!#}"
}

# read_as PREFIX... FILE: as the user of the prefix, prints the file, if there is one.
read_as() {
	# shellcheck disable=SC2016
	"${@:1:$#-1}" sh -c '[ ! -f "$1" ] || cat -- "$1"' sh "${!#}"
}

# Before version 1.1 www-data owned the files of billingd. Its folders belong to billing by now, so
# no link can be added; a link that is there is not followed.
take_over() {
	[[ $EUID -ne 0 ]] || find "$@" -xdev -type f -links 1 -user "$WEB_USER" \
		-exec chown -h "$SERVICE_USER:" -- {} +
}

# Refuses a folder with another user's state, and one that holds other files.
check_owner() {
	if [[ -e $STATE && (-L $STATE || ! -O $STATE) ]]; then
		die "$STATE belongs to $(stat -c %U "$STATE"); run as that user or choose another RUN_DIR"
	fi
	if [[ -d $STATE && ! -d $STATE/pids && -n $(ls -A -- "$STATE") ]]; then
		die "$STATE holds other files; choose a new or empty folder for RUN_DIR"
	fi
}

prepare_place() {
	need setpriv setsid flock pgrep sha256sum
	find_place
	check_owner
	if [[ ! -d $RUN_DIR ]]; then
		(umask 022 && mkdir -p -- "$(dirname "$RUN_DIR")" && mkdir -m 711 -- "$RUN_DIR") 2>/dev/null ||
			die "RUN_DIR: cannot make the folder $RUN_DIR"
	fi
	[[ -d $STATE ]] || mkdir -m 711 -- "$STATE" || die "RUN_DIR: cannot make the folder $STATE"
	[[ -w $STATE ]] || die "RUN_DIR: cannot write to $STATE"
	own 711 "$CALLER" "$STATE/pids" "$STATE/log" "$STATE/tls" "$STATE/nginx"
	own 700 "$SERVICE_USER" "$STATE/keys" "$STATE/billingd" "$STATE/stripe"
	take_over "$STATE/keys" "$STATE/billingd" "$STATE/stripe"
	find_sockets
	if [[ $STATE != "$RUN_DIR" ]]; then
		ln -sfn -- "$STATE/env" "$RUN_DIR/env"
		ln -sfn -- "$STATE/log" "$RUN_DIR/log"
		ln -sfn -- "$STATE/keys" "$RUN_DIR/keys"
	fi
	# The service users may not be able to enter the folder that this was called from.
	cd -- "$STATE" || die "cannot enter $STATE"
}

# Sets SOCKETS, the folder of the unix sockets. Their paths may have 107 bytes at most and should
# need no quoting in URLs and configuration. If $STATE is longer or has other characters, they are in
# a folder in /tmp, whose name is stored.
find_sockets() {
	local kept="$STATE/sockets.path"

	SOCKETS=$STATE/sockets
	if [[ ${#SOCKETS} -gt 80 || ! $SOCKETS =~ ^[A-Za-z0-9/._-]+$ ]]; then
		SOCKETS=
		[[ ! -e $kept ]] || SOCKETS=$(<"$kept")
		if [[ ! -d $SOCKETS || -L $SOCKETS || ! -O $SOCKETS ]]; then
			SOCKETS=$(mktemp -d /tmp/billing-XXXXXXXX)
			echo "$SOCKETS" >"$kept"
		fi
	fi
	own 711 "$CALLER" "$SOCKETS"
	own 711 "$PG_USER" "$SOCKETS/postgres"
	# The sockets get the group of nginx's workers, as the folder has it.
	own 2710 "$SERVICE_USER:$WEB_USER" "$SOCKETS/billingd"
	readonly SOCKETS
	# shellcheck disable=SC2034  # service.sh and nginx.sh read them
	BILLING_SOCKET_PATH=$SOCKETS/billingd/billingd.sock
	# shellcheck disable=SC2034
	STRIPE_SOCKET_PATH=$SOCKETS/billingd/billingd-stripe.sock
}

# One start at a time. Processes that are started do not hold the lock.
lock_place() {
	exec 9>"$STATE/lock"
	flock -n 9 || die "another start is under way in $RUN_DIR"
}

unlock_place() {
	exec 9>&-
}

check_settings() {
	local name

	[[ $HTTPS_PORT =~ ^[1-9][0-9]{0,4}$ && $HTTPS_PORT -le 65535 ]] ||
		die "HTTPS_PORT: '$HTTPS_PORT' is not a port number (1 to 65535)"
	[[ $RATE_LIMITS == on || $RATE_LIMITS == off ]] ||
		die "RATE_LIMITS: '$RATE_LIMITS' is neither on nor off"
	[[ $LISTEN =~ ^(localhost|all|[0-9]+(\.[0-9]+){3}|\[?[0-9a-f:]*:[0-9a-f:.]*\]?)$ ]] ||
		die "LISTEN: '$LISTEN' is neither localhost nor all nor an address of this host"
	BASE_URL=${BASE_URL:-https://localhost:$HTTPS_PORT}
	# The stack sets these itself. A value that was read from its own env file is allowed.
	for name in DATABASE_URL DATABASE_OWNER_URL BILLINGD_PID_FILE BILLING_SOCKET BILLING_STRIPE_SOCKET; do
		[[ -z ${!name:-} || ${!name} == "$(kept_value "$name")" ]] ||
			die "$name is set, but this stack sets its own; unset it, or run billingd by itself"
		unset "$name"
	done
	unset DATABASE_URL_FILE DATABASE_OWNER_URL_FILE
	DATABASE_URL="postgresql:///billing?host=$SOCKETS/postgres&port=5432&user=billingd"
	DATABASE_OWNER_URL="postgresql:///billing?host=$SOCKETS/postgres&port=5432&user=billing"
	BILLINGD_PID_FILE=$STATE/billingd/billingd.pid
	choose_stripe
	# shellcheck disable=SC2034  # service.sh reads them
	readonly BASE_URL DATABASE_URL DATABASE_OWNER_URL BILLINGD_PID_FILE
}

# kept_value NAME: the value in the env file of an earlier start, or nothing.
kept_value() {
	[[ ! -e $STATE/env ]] || sed -n "s/^$1='\(.*\)'\$/\1/p" "$STATE/env" | sed "s/'\\\\''/'/g"
}

check_tools() {
	need openssl curl nginx
	[[ $STAND_IN == off || -x /usr/bin/python3 ]] ||
		die "/usr/bin/python3 is missing; 'make deps' installs what is needed"
	BIN=$ROOT/build/${BUILD_VARIANT:-release}
	[[ -x $BIN/billingd && -x $BIN/billingctl ]] ||
		die "$BIN/billingd is missing; 'make build' makes it"
	find_postgres
}

# port_in_use PORT: whether any program listens on it, on any address.
port_in_use() {
	local hex

	hex=$(printf '%04X' "$1")
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v port=":$hex\$" '$4 == "0A" && $2 ~ port { found = 1 } END { exit !found }'
}

check_port() {
	if port_in_use "$HTTPS_PORT"; then
		die "port $HTTPS_PORT is in use by another program; choose one with HTTPS_PORT="
	fi
}

# write_env NAME VALUE...: replaces the file that people and scripts read, in one step.
write_env() {
	local new=$STATE/env.new

	{
		echo "# Made by app/stack/stack.sh for shells and scripts; it holds secrets."
		while [[ $# -gt 0 ]]; do
			printf "%s='%s'\n" "$1" "${2//\'/\'\\\'\'}"
			shift 2
		done
	} >"$new"
	mv -f -- "$new" "$STATE/env"
}
