#!/bin/sh
# Checks that includes point one way. Each room may include the rooms below it: base < db, http, licensing <
# stripe, billing < usage, outbox < sync < sales, meters < accounts < app. Prints every include that
# points elsewhere; exit 1 when there is one.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0

# allow FOLDER LAYER...: what files of FOLDER may include
allow() {
	folder=$1
	shift
	pattern=$(echo "$*" | sed 's/ /|/g; s/[.]h/[.]h"/g')
	found=$(grep -rnE '^#include "' --include='*.[ch]' "$folder" |
		grep -vE "#include \"($pattern)(/|\$)")
	if [ -n "$found" ]; then
		echo "$folder may include only: $*"
		echo "$found"
		bad=1
	fi
}

# only FILE-PATTERN HEADER: the files that may include a library's header
only() {
	found=$(grep -rlE "^#include <$2" --include='*.[ch]' app lib | grep -vE "$1")
	if [ -n "$found" ]; then
		echo "only $1 may include <$2>:"
		echo "$found"
		bad=1
	fi
}

allow lib/base base
allow lib/db base db
allow lib/http base http
allow lib/licensing base licensing
allow lib/stripe base http/client.h stripe
allow lib/billing base db licensing billing
allow lib/usage base db billing usage
allow lib/outbox base db stripe billing outbox
allow lib/sync base db stripe billing outbox sync
allow lib/sales base db stripe billing outbox sync sales
allow lib/meters base db stripe billing outbox sync meters
service="db http licensing stripe billing usage outbox sync sales meters accounts"
allow lib/accounts base "$service"
allow app/agent-store base licensing agent-store
allow app/agent base licensing agent-store agent
allow app/agent-sync base http/client.h licensing agent-store agent-sync
allow app/settings base "$service" settings
allow app/api base "$service" settings api
allow app/billingd base "$service" settings api billingd
allow app/billingctl base "$service" settings billingctl
allow app/billingctl-stripe base "$service" settings billingctl billingctl-stripe
only '^lib/http/client\.c$' curl
only '^lib/http/fcgi\.c$' fcgi
only '^lib/db/(internal\.h|[a-z]+\.c)$' libpq
only '^app/billingctl/output\.c$' json-c
only '^lib/billing/unicode\.c$' unicode

# never PATTERN FILES WHY: no source but FILES may match PATTERN
never() {
	found=$(grep -rnE "$1" --include='*.[ch]' app lib | grep -vE "$2")
	if [ -n "$found" ]; then
		echo "$3:"
		echo "$found"
		bad=1
	fi
}

# SQL is a literal with parameters. No source quotes values or sends a composed text, except for
# migrations (db_script) and the numbers of savepoints (db_command).
never '\<PQescape|\<PQexec(\(|Params|Prepared)' '^$' "statements go through lib/db/statements.c"
never '\<PQsendQuery\(' '^lib/db/(statements|migrations)\.c' "several commands in one text are for migrations"
never '\<db_script\(' '^lib/db/' "several commands in one text are for migrations"
never '\.sql = [^"]*[a-z_]+\(' '^$' "SQL must be a literal"
# liblicense runs in other people's processes: it neither logs nor reads settings or requests.
found=$(grep -nE '#include "base/(log|random|fields|settings)\.h"' lib/licensing/*.[ch] |
	grep -vE '^lib/licensing/key_(files|rotation)\.c')
if [ -n "$found" ]; then
	echo "$found"
	bad=1
fi
# billingd's role has no privilege on a table without a line in grants.sql.
tables=$(sed -nE 's/^CREATE TABLE (IF NOT EXISTS )?([a-z_]+).*/\2/p' migrations/*.sql)
for table in $tables; do
	grep -q "('$table', " lib/accounts/grants.sql && continue
	echo "lib/accounts/grants.sql has no line for the table $table"
	bad=1
done
never '\<(strcpy|strcat|sprintf|gets|system|popen)\(' 'NOLINT' "a safer function exists"
[ $bad -eq 0 ] && echo "layers: every include points the right way"
exit $bad
