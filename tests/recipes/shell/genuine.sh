#!/bin/sh
# genuine.sh LICENSE_FILE KEYS_FOLDER [INSTANCE]: prints the claims of a genuine licence, with openssl
# alone. The exit status is 0 when one of the keys in the folder (<kid>.pem) signed the licence, 2 when
# it did and the licence is bound to another instance, else 1.

decode() {
	tr '_-' '/+' | awk '{ while (length % 4) $0 = $0 "="; print }' | openssl base64 -d -A
}

token=$(LC_ALL=C tr -d ' \t\r\n\357\273\277' <"$1") && header=${token%%.*} rest=${token#*.} || exit 1
payload=${rest%%.*} signature=${rest#*.}
[ "$token" = "$header.$payload.$signature" ] || exit 1
kid=$(printf %s "$header" | decode |
	sed -n 's/^{"alg":"RS256","typ":"JWT","kid":"\([A-Za-z0-9_-]*\)"}$/\1/p')
[ -n "$kid" ] && [ -f "$2/$kid.pem" ] && scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT
printf %s "$signature" | decode >"$scratch"
printf %s "$header.$payload" |
	openssl dgst -sha256 -verify "$2/$kid.pem" -signature "$scratch" >/dev/null 2>&1 || exit 1
claims=$(printf %s "$payload" | decode)
# A bound licence is for one installation alone. Quotes in texts of the claims have a backslash.
case $claims in
*'"instance":"'"${3:-}"'"'*) ;;
*'"instance":'*) exit 2 ;;
esac
printf '%s\n' "$claims"
