#!/bin/sh
# The documents say what the code says: docs.sh BUILD_DIR. What is generated is what the programs print
# now, manual pages are well-formed, and every file and heading that a document names exists.
set -u
build=$1
cd "$(dirname "$0")/.." || exit 1
bad=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

conf/docs.py "$build" "$scratch" || exit 1
for file in $(cd "$scratch" && find . -type f | sed 's|^\./||' | sort); do
	diff -u "$file" "$scratch/$file" && continue
	echo "$file differs from what the programs print (+): run make docs"
	bad=1
done

pages=$(git ls-files -co --exclude-standard '*.[1-9]')
if command -v mandoc >/dev/null; then
	# shellcheck disable=SC2086
	mandoc -Tlint -W warning $pages || bad=1
else
	echo "docs: NOT CHECKED: manual pages, as mandoc is not installed"
	echo "manual pages: mandoc is not installed" >>"${NOT_TESTED_FILE:-/dev/null}"
fi

# An identifier that begins a sentence keeps its small letters.
# shellcheck disable=SC2086
grep -nE '^[A-Z][a-z]+_[a-z_]+\>' $pages && bad=1

# Every function that liblicense exports is in its page.
missing=$(sed -n 's/^\t\(license_[a-z_]*\);$/^[.]Fn \1 /p' lib/licensing/liblicense.map |
	while read -r line; do grep -q "$line" lib/licensing/liblicense.3 || echo "$line"; done)
[ -z "$missing" ] || { echo "liblicense.3 does not describe:" "$missing" && bad=1; }

# Paths in `code` and links of Markdown, and .Pa of manual pages, whose first folder is one of ours.
# A name with a wildcard or a placeholder is none.
folders=$(git ls-files | sed -n 's|/.*||p' | sort -u | sed 's/[.]/[.]/g' | paste -sd '|' -)
# shellcheck disable=SC2016
named() {
	case $1 in
	*.md) grep -oE '`[^` ]+`|\]\([^) ]+\)' "$1" | sed 's/^`//; s/`$//; s/^](//; s/)$//' ;;
	*) sed -n 's/^\.It Pa /.Pa /; s/^\.Pa (* *\([^ ]*\).*/\1/p' "$1" ;;
	esac | sed 's/#.*//' | grep -E "^([.][.]/)*($folders|Makefile)(/|\$)" | grep -v '[*<>{$]' | sort -u
}
for page in $(git ls-files -co --exclude-standard '*.md') $pages; do
	for path in $(named "$page"); do
		[ -e "${path#../}" ] && continue
		[ -e "$(dirname "$page")/$path" ] && continue
		echo "$page names $path, which does not exist"
		bad=1
	done
done

# The heading that a link of Markdown names, as GitHub writes it: in small letters, with - for blanks.
headings() {
	sed -n 's/^##* //p' "$1" | tr '[:upper:] ' '[:lower:]-' | tr -cd '[:alnum:]_\n-'
}
missing=$(git ls-files -co --exclude-standard '*.md' | xargs grep -oHE '\]\([^) :]*#[^) ]+\)' |
	sed 's/:](/ /; s/)$//; s/#/ # /' | while read -r page target anchor; do
		[ "$target" = "#" ] && file=$page || file=$(dirname "$page")/$target
		anchor=${anchor#\# }
		headings "$file" | grep -qxF -- "$anchor" || echo "$page: #$anchor"
	done)
[ -z "$missing" ] || { echo "links to headings that do not exist:" "$missing" && bad=1; }

tests/support/guarantees.py || bad=1

# The picture of the rooms has each of them.
for room in lib/*/ app/*/; do
	room=$(basename "$room")
	grep -qE "(^| )$room([ ,:]|\$)" lib/README.md && continue
	echo "lib/README.md does not show the room $room"
	bad=1
done

lines=$(wc -l <README.md)
[ "$lines" -le 220 ] || { echo "README.md has $lines lines; details belong into manual pages" && bad=1; }
[ $bad -eq 0 ] && echo "docs: documents agree with the code, and the files that they name exist"
exit $bad
