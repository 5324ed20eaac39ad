#!/bin/sh
# The documents say what the code says: docs.sh BUILD_DIR
set -u
build=$1
cd "$(dirname "$0")/.." || exit 1
bad=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# same NAME EXPECTED-FILE: compares with standard input
same() {
	cat >"$scratch/found"
	diff -u "$2" "$scratch/found" >"$scratch/diff" || {
		echo "$1 differs from the code:"
		cat "$scratch/diff"
		bad=1
	}
}

"$build/billingd" --settings >"$scratch/settings"
sed -n '/^| setting |/,/^$/p' README.md | sed '/^$/d' | same "README.md, the table of settings" "$scratch/settings"
"$build/billingd" --example >"$scratch/example"
sed '1,/^$/d' conf/billing.env.example | same "conf/billing.env.example" "$scratch/example"
[ $bad -eq 0 ] && echo "docs: README.md and conf/billing.env.example agree with the code"
exit $bad
