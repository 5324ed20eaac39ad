# shellcheck shell=bash
# postgres.sh: the private PostgreSQL: unix socket only, peer authentication, checksums on.
#
# The server's own user and role is called postgres. The role billing owns the database, and
# migrations run as it. billingd connects as the role billingd, which `billingctl migrate up` lets do
# what the service needs. pg_ident.conf says which system user may connect as which role.

# Sets PG_BIN to PostgreSQL 15's programs.
find_postgres() {
	PG_BIN=/usr/lib/postgresql/15/bin
	if [[ ! -x $PG_BIN/initdb ]]; then
		PG_BIN=$(dirname "$(command -v initdb || true)")
		[[ $("$PG_BIN/initdb" --version 2>/dev/null) == *' 15.'* ]] ||
			die "PostgreSQL 15 is missing; 'make deps' installs what is needed"
	fi
	readonly PG_BIN
}

# The data folder is made under another name and moved, so a folder that exists is complete.
make_cluster() {
	local data=$STATE/postgres new=$STATE/postgres.new version

	CLUSTER_IS_NEW=no
	if [[ ! -e $data ]]; then
		# shellcheck disable=SC2034  # service.sh reads it
		CLUSTER_IS_NEW=yes
		rm -rf -- "$new"
		own 700 "$PG_USER" "$new"
		"${AS_PG[@]}" "$PG_BIN/initdb" -D "$new" -U postgres --auth=peer --data-checksums \
			--encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions \
			>"$STATE/log/initdb.log" 2>&1 ||
			die "initdb: $(tail -n 1 "$STATE/log/initdb.log")"
		sync -f "$new"
		mv -T -- "$new" "$data"
	fi
	version=$(read_as "${AS_PG[@]}" "$data/PG_VERSION")
	[[ $version == 15 ]] || die "$data was made by PostgreSQL $version; this stack needs 15"
	write_access
}

# peer_line USER ROLE
peer_line() {
	printf 'billing "%s" %s\n' "$1" "$2"
}

# The users that may connect: the service's as billingd only, the one that started this and root as
# each role.
write_access() {
	local data=$STATE/postgres user

	echo 'local all all peer map=billing' | write_as "${AS_PG[@]}" "$data/pg_hba.conf"
	{
		for user in $(printf '%s\n' root "$CALLER" "$PG_USER" | sort -u); do
			peer_line "$user" postgres
			peer_line "$user" billing
		done
		for user in $(printf '%s\n' root "$CALLER" "$PG_USER" "$SERVICE_USER" | sort -u); do
			peer_line "$user" billingd
		done
	} | write_as "${AS_PG[@]}" "$data/pg_ident.conf"
}

# A killed server leaves its process id in two files, and another process may have that number now.
# The working folder of a server is its data folder, which tells them apart.
forget_dead_server() {
	local data=$STATE/postgres pid=

	read -r pid < <(read_as "${AS_PG[@]}" "$data/postmaster.pid") || true
	if [[ -z $pid || $(readlink "/proc/$pid/cwd" 2>/dev/null) != "$(realpath "$data")" ]]; then
		"${AS_PG[@]}" rm -f -- "$data/postmaster.pid" "$SOCKETS"/postgres/.s.PGSQL.5432{,.lock}
	fi
}

# One connection for each worker of the current generation and of the one before, and a hundred for
# people, scripts and tests.
connections_needed() {
	local workers=${WORKERS:-0} stripe=${STRIPE_WORKERS:-2}

	[[ $workers =~ ^[1-9][0-9]{0,3}$ ]] || workers=$((4 * $(nproc)))
	[[ $stripe =~ ^[1-9][0-9]?$ ]] || stripe=2
	echo $((2 * (workers + stripe) + 100))
}

start_postgres() {
	local lock=$STATE/postgres/postmaster.pid end=$((SECONDS + 60))

	forget_dead_server
	spawn postgres "$STATE/log/postgres.log" env -i LC_ALL=C.UTF-8 PATH="$PATH" "${AS_PG[@]}" \
		"$PG_BIN/postgres" -D "$STATE/postgres" -c listen_addresses= \
		-c unix_socket_directories="$SOCKETS/postgres" -c port=5432 -c max_connections="$(connections_needed)" \
		-c log_line_prefix='%m [%p] ' -c log_timezone=UTC -c timezone=UTC \
		-c log_error_verbosity=terse -c cluster_name=billing
	until [[ $(read_as "${AS_PG[@]}" "$lock" | sed -n 8p) == ready* ]]; do
		is_running postgres || die "PostgreSQL did not start: $(last_words postgres)"
		((SECONDS <= end)) || die "PostgreSQL is not ready after 60 s; see $(log_of postgres)"
		sleep 0.02
	done
	make_database
}

stop_postgres() {
	stop_one postgres INT 60 QUIT
}

# Makes the roles and the database unless they exist.
make_database() {
	"${AS_PG[@]}" "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$SOCKETS/postgres" -p 5432 \
		-U postgres -d postgres >>"$STATE/log/postgres.log" 2>&1 <<'SQL' ||
SELECT format('CREATE ROLE %I LOGIN', name) FROM (VALUES ('billing'), ('billingd')) AS wanted (name)
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT 'CREATE DATABASE billing OWNER billing'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'billing') \gexec
SQL
		die "cannot make the database: $(last_words postgres)"
}
