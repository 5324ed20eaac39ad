# shellcheck shell=bash
# common.sh: messages, and the processes of the stack by name.
#
# Each service runs in a session of its own, so that Ctrl-C reaches only this script and stray
# children can be found. $STATE/pids/<name> holds "<pid> <start time>"; with the start time a
# number that now belongs to another process is never mistaken for ours.

STARTED=()

say() {
	echo "billing: $*"
}

die() {
	echo "billing: $*" >&2
	exit 1
}

# need TOOL...: ends the script unless each tool can be run.
need() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null ||
			die "$tool is missing; 'make deps' installs what is needed"
	done
}

# log_of SERVICE: the path of its log.
log_of() {
	case $1 in
	nginx) echo "$STATE/log/nginx-error.log" ;;
	*) echo "$STATE/log/$1.log" ;;
	esac
}

# last_words SERVICE: the last complaint in its log since this start, or else its last line.
last_words() {
	tail -c "+$((${LOG_START[$1]:-0} + 1))" "$(log_of "$1")" 2>/dev/null |
		awk 'NF { last = $0 } /FATAL|PANIC|ERROR|emerg/ { worst = $0 } END { print worst ? worst : last }'
}

# The start time in clock ticks since boot; nothing if there is no such process, or only a zombie.
start_time_of() {
	local stat fields

	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	read -r -a fields <<<"${stat##*) }"
	[[ ${fields[0]} == Z ]] || echo "${fields[19]}"
}

# pid_of SERVICE: its recorded process id, running or not.
pid_of() {
	local pid=''

	[[ ! -e $STATE/pids/$1 ]] || read -r pid _ <"$STATE/pids/$1" || true
	echo "$pid"
}

is_running() {
	local pid='' since=''

	[[ -e $STATE/pids/$1 ]] || return 1
	read -r pid since <"$STATE/pids/$1" || true
	[[ -n $since && $(start_time_of "$pid") == "$since" ]]
}

declare -A LOG_START

# spawn SERVICE LOG COMMAND...: starts it in a session of its own, output to the log.
spawn() {
	local service=$1 log=$2

	shift 2
	LOG_START[$service]=$(stat -c %s "$(log_of "$service")" 2>/dev/null || echo 0)
	setsid "$@" </dev/null >>"$log" 2>&1 9>&- &
	STARTED+=($!)
	echo "$! $(start_time_of $!)" >"$STATE/pids/$service"
}

# wait_gone SERVICE SECONDS: true when it has ended in time.
wait_gone() {
	local end=$((SECONDS + $2))

	while is_running "$1"; do
		((SECONDS <= end)) || return 1
		sleep 0.02
	done
}

# stop_one SERVICE SIGNAL SECONDS SIGNAL2: sends one signal, then the other, then KILL; then ends
# children that are left.
stop_one() {
	local service=$1 pid

	pid=$(pid_of "$service")
	[[ -n $pid ]] || return 0
	if is_running "$service"; then
		kill "-$2" "$pid" 2>/dev/null || true
		if ! wait_gone "$service" "$3"; then
			say "$service did not stop within $3 s, sending a stronger signal"
			kill "-$4" "$pid" 2>/dev/null || true
			wait_gone "$service" 5 || kill -KILL "$pid" 2>/dev/null || true
			wait_gone "$service" 5 || die "$service (pid $pid) cannot be stopped"
		fi
	fi
	stop_strays "$service" "$pid"
	rm -f "$STATE/pids/$service"
}

# stop_strays SERVICE SESSION: ends children of a killed parent, which are still in its session.
stop_strays() {
	local pattern="^$1" tries

	# If the session's leader lives, the session belongs to another program that got the same number.
	[[ -z $(start_time_of "$2") ]] || return 0
	for tries in {1..100}; do
		pgrep -r D,R,S,T -s "$2" "$pattern" >/dev/null || return 0
		if ((tries % 50 == 0)); then
			pkill -KILL -s "$2" "$pattern" || true
		elif ((tries == 1)); then
			pkill -TERM -s "$2" "$pattern" || true
		fi
		sleep 0.02
	done
	die "processes of $1 (session $2) cannot be stopped"
}
