#!/bin/sh
# The conventions that a machine can check. Prints each place that breaks one; exit 1 when there is any.
#
# - Includes point one way: each room may include the rooms below it. base < json < db, http, net, metrics,
#   licensing < stripe, plans < operation < events < billing < callers, entitlements < issuing < audit,
#   counting < usage < limits < instances; audit < webhooks; outbox < contracts < subscriptions < payments <
#   sync < sales, meters < accounts < app. A library belongs to one room.
# - SQL is a literal, and goes through lib/db. Each table has a line in lib/accounts/grants.sql.
# - Each type of event is written by some code and named by some test.
# - No source calls a function of the C library that has a safer sibling.
# - A comment names its subject.
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

# The rooms of which each may include those before it.
texts="base json"
issued="$texts db licensing plans operation events billing callers entitlements issuing"
dealt="$issued stripe outbox contracts"
synced="$dealt subscriptions payments sync"
service="$synced audit http net metrics counting usage limits instances webhooks sales meters notices analytics accounts"
allow lib/base base
allow lib/json "$texts"
allow lib/db "$texts" db
allow lib/http "$texts" http
allow lib/net base net
allow lib/metrics base metrics
allow lib/licensing "$texts" licensing
allow lib/stripe "$texts" net stripe
allow lib/plans "$texts" licensing plans
allow lib/operation "$texts" db licensing plans operation
allow lib/events "$texts" db licensing plans operation events
allow lib/billing "$texts" db licensing plans operation events billing
allow lib/callers "$texts" db licensing plans operation events billing callers
allow lib/entitlements "$texts" db licensing plans operation events billing entitlements
allow lib/issuing "$issued"
allow lib/audit "$issued" audit
allow lib/counting "$issued" counting
allow lib/usage "$issued" counting usage
allow lib/limits "$issued" usage limits
allow lib/instances "$issued" usage limits instances
allow lib/notices "$issued" audit net notices
allow lib/webhooks "$issued" audit net webhooks
allow lib/outbox "$issued" stripe outbox
allow lib/contracts "$dealt"
allow lib/subscriptions "$dealt subscriptions"
allow lib/payments "$dealt subscriptions payments"
allow lib/sync "$synced"
allow lib/sales "$synced" sales
allow lib/meters "$synced" meters
allow lib/analytics "$synced" analytics
allow lib/accounts "$service"
allow app/agent-store "$texts" licensing agent-store
allow app/agent "$texts" licensing agent-store agent
allow app/agent-sync "$texts" net licensing agent-store agent-sync
allow app/settings "$service" settings
allow app/api "$service" settings api
allow app/api-customers "$service" settings api
allow app/api-operators "$service" settings api
allow app/billingd "$service" settings api billingd
allow app/billingctl "$service" settings billingctl
allow app/billingctl-commands "$service" settings billingctl billingctl-commands
allow app/billingctl-doctor "$service" settings billingctl billingctl-doctor
allow app/billingctl-api "$service" settings api billingctl billingctl-api
allow app/billingctl-stripe "$service" settings billingctl billingctl-doctor billingctl-stripe
allow app/billingctl-import "$service" settings billingctl billingctl-stripe billingctl-import
only '^lib/net/(easy\.[ch]|[a-z]+\.c)$' curl
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
found=$(grep -nE '#include "(base/(log|random|settings)|json/fields)\.h"' lib/licensing/*.[ch] |
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
# Each type of event is written by some code, and some test of that names it.
written=$(grep -rhoE --include='*.[ch]' '\<EVENT_[A-Z_]+' lib --exclude-dir=events | sort -u
	grep -rhoE --include='*.sql' --include='*.c' "event_add(_once)?\('[a-z_.]+'" lib migrations | sort -u)
named=$(grep -rhoE --include='test_*.c' --include='test_*.py' "[\"' ][a-z_]+\.[a-z_]+[\"' ]" tests/unit tests/api \
	--exclude='test_notices.py' --exclude='test_openapi.py' | tr -d "\"' " | sort -u)
types=$(sed -nE 's/^\t\[(EVENT_[A-Z_]+)\] = +\{"([a-z_.]+)".*/\1 \2/p' lib/events/catalogue.c)
found=$(echo "$types" | while read -r constant type; do
	echo "$written" | grep -qE "^$constant\$|\('$type'\$" || echo "no code writes the event $type"
	echo "$named" | grep -qxF "$type" || echo "no test names the event $type"
done)
if [ -n "$found" ] || [ -z "$types" ]; then
	echo "events of lib/events/catalogue.c: $found"
	bad=1
fi
never '\<(strcpy|strcat|sprintf|gets|system|popen)\(' 'NOLINT' "a safer function exists"
# A comment names its subject first, so that it is understood without the code below it. Migrations up to
# 054 are older than the second list of words, and a migration is never edited.
opening='(//|/\*\*?|^[[:space:]]*--|^[[:space:]]*\*|^[[:space:]]*#|"""|^## ) ?'
texts="app lib tests nginx conf .github .ci Makefile README.md"
words_of() {
	# shellcheck disable=SC2086
	git ls-files $texts "$@" | grep -v -e '^tests/vectors/' -e '^tests/layers\.sh'
}
found=$(words_of 'migrations/0[1-9]*' |
	xargs grep -nE "$opening(What|Who|Whoever|Nobody|Those|Somebody|Neither|The same)\>"
	words_of 'migrations/05[5-9]*' 'migrations/0[6-9]*' |
		xargs grep -nE "$opening(Of|That|Both|Likewise|So many)\>|\<of before\>")
if [ -n "$found" ]; then
	echo "a comment leaves its subject out:"
	echo "$found"
	bad=1
fi
[ $bad -eq 0 ] && echo "layers: every include points the right way"
exit $bad
