#!/bin/sh
# The documents say what the code says: docs.sh BUILD_DIR
set -u
build=$1
cd "$(dirname "$0")/.." || exit 1
bad=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# same NAME CODE DOCUMENT: two files
same() {
	diff -u "$2" "$3" && return
	echo "$1 differs from the code (-)"
	bad=1
}

"$build/billingd" --settings >"$scratch/settings"
sed -n '/^| setting |/,/^$/p' README.md | sed '/^$/d' >"$scratch/readme"
same "README.md, the table of settings," "$scratch/settings" "$scratch/readme"
"$build/billingd" --example >"$scratch/example"
sed '1,/^$/d' conf/billing.env.example >"$scratch/conf"
same conf/billing.env.example "$scratch/example" "$scratch/conf"
"$build/billing-agent" --example >"$scratch/agent"
sed '1,/^$/d' conf/billing-agent.env.example >"$scratch/conf"
same conf/billing-agent.env.example "$scratch/agent" "$scratch/conf"
[ $bad -eq 0 ] && echo "docs: README.md and the example settings agree with the code"
exit $bad
