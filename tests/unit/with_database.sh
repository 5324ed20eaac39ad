#!/bin/bash
# with_database.sh: runs a command beside a PostgreSQL 15 that is made for it and thrown away after.
#
#	tests/unit/with_database.sh COMMAND [ARGUMENT...]
#
# TEST_DATABASE_URL leads to an empty UTF-8 database with this project's migrations applied, as a
# role that may do everything there. The server listens on a unix socket only, in a folder that
# only this user and PostgreSQL's can enter, and writes nothing safely: it is gone afterwards.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "$0")/../.." && pwd)
readonly ROOT

fail() {
	echo "with_database.sh: $*" >&2
	exit 1
}

[[ $# -gt 0 ]] || fail "usage: $0 COMMAND [ARGUMENT...]"

PG_BIN=/usr/lib/postgresql/15/bin
if [[ ! -x $PG_BIN/initdb ]]; then
	PG_BIN=$(dirname "$(command -v initdb || true)")
	[[ $("$PG_BIN/initdb" --version 2>/dev/null) == *' 15.'* ]] || fail "PostgreSQL 15 is missing"
fi
readonly PG_BIN

# PostgreSQL refuses to run as root.
AS_PG=()
if [[ $EUID -eq 0 ]]; then
	AS_PG=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

# A socket's path may have 107 bytes at most, so not under TMPDIR, which may be long. The server's
# user owns the folder of the server only: this script writes nothing there.
PLACE=$(mktemp -d /tmp/bpg-XXXXXX)
FOLDER=$PLACE/server
readonly PLACE FOLDER
SERVER=

clean_up() {
	if [[ -n $SERVER ]]; then
		kill -QUIT "$SERVER" 2>/dev/null || true
		wait "$SERVER" 2>/dev/null || true
	fi
	rm -rf -- "$PLACE"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

in_place() {
	(cd -- "$FOLDER" && env -i LC_ALL=C.UTF-8 PATH="$PATH" "${AS_PG[@]}" "$@")
}

mkdir -m 700 "$FOLDER"
if [[ $EUID -eq 0 ]]; then
	chmod 711 "$PLACE"
	chown postgres: "$FOLDER"
fi
in_place "$PG_BIN/initdb" -D "$FOLDER/data" -U postgres --auth=trust --encoding=UTF8 \
	--locale=C.UTF-8 --no-sync --no-instructions >"$PLACE/log" 2>&1 ||
	fail "initdb: $(tail -n 1 "$PLACE/log")"

# In a session of its own, so that Ctrl-C reaches the command first and this script ends it.
cd -- "$FOLDER"
env -i LC_ALL=C.UTF-8 PATH="$PATH" setsid "${AS_PG[@]}" "$PG_BIN/postgres" -D "$FOLDER/data" \
	-c listen_addresses= -c unix_socket_directories="$FOLDER" -c port=5432 -c max_connections=100 \
	-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off \
	-c log_timezone=UTC -c timezone=UTC </dev/null >>"$PLACE/log" 2>&1 &
SERVER=$!
cd -- "$ROOT"

DEADLINE=$((SECONDS + 60))
until [[ $(sed -n 8p "$FOLDER/data/postmaster.pid" 2>/dev/null) == ready* ]]; do
	kill -0 "$SERVER" 2>/dev/null || fail "PostgreSQL did not start: $(tail -n 1 "$PLACE/log")"
	((SECONDS <= DEADLINE)) || fail "PostgreSQL is not ready after 60 s: $(tail -n 1 "$PLACE/log")"
	sleep 0.02
done

sql() {
	"$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$FOLDER" -p 5432 -U postgres "$@"
}

sql -d postgres -c "CREATE DATABASE billing_test TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
for migration in "$ROOT"/migrations/[0-9]*.sql; do
	sql -d billing_test -1 -f "$migration" >/dev/null || fail "$migration does not apply"
done

export TEST_DATABASE_URL="postgresql:///billing_test?host=$FOLDER&port=5432&user=postgres"
"$@"
