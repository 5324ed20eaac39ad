#!/bin/sh
# docker-setup.sh: makes the secrets of docker-compose.yml, each once, as files that only the
# container that needs them can read. An existing file stays, so bring your own before the first start.
# Stripe's secrets are stored again whenever they are given.
#
#   /setup/database  the owner's database password, for PostgreSQL   (uid 999 in its image)
#   /setup/owner     how migrations connect, as the owner            (uid 10001, billing)
#   /setup/service   how billingd connects, signing key and Stripe's secrets   (uid 10001)
#   /setup/tls       certificate and key, for nginx                  (www-data)
#
# It runs as root, which gives each folder to its user. Files are written by that user, who could have
# put a link in their place.

set -eu
umask 077

# give USER:GROUP FOLDER: the folder itself, which is where a volume is mounted.
give() {
	chown -h "$1" "$2"
	chmod 700 "$2"
}

# as USER GROUP COMMAND...
as() {
	user=$1 group=$2
	shift 2
	setpriv --reuid "$user" --regid "$group" --clear-groups -- "$@"
}

# keep USER GROUP FILE VALUE: writes the value as that user, in one step.
keep() {
	# shellcheck disable=SC2016  # the inner shell expands it
	printf '%s\n' "$4" | as "$1" "$2" sh -c 'cat >"$1.new" && mv -fT "$1.new" "$1"' sh "$3"
}

# password USER GROUP FILE: prints the password in the file, which is made if it is missing.
password() {
	# shellcheck disable=SC2016
	as "$1" "$2" sh -c '[ -s "$1" ] || openssl rand -hex 32 >"$1"; cat "$1"' sh "$3"
}

give 999:999 /setup/database
give billing:www-data /setup/owner
give billing:www-data /setup/service
give www-data:www-data /setup/tls

owner=$(password 999 999 /setup/database/password)
service=$(password billing www-data /setup/service/database-password)
keep billing www-data /setup/service/database-url "postgresql://billingd:$service@postgres/billing"
# With a database of one's own its owner is DATABASE_OWNER_URL's matter.
owner_url=
[ -n "${DATABASE_URL:-}" ] || owner_url=postgresql://billing:$owner@postgres/billing
keep billing www-data /setup/owner/database-url "$owner_url"

for name in stripe-secret-key stripe-webhook-secret; do
	value=${STRIPE_SECRET_KEY:-}
	[ "$name" = stripe-secret-key ] || value=${STRIPE_WEBHOOK_SECRET:-}
	if [ -n "$value" ] || ! as billing www-data test -e "/setup/service/$name"; then
		keep billing www-data "/setup/service/$name" "$value"
	fi
done
as billing www-data mkdir -p /setup/service/keys
if ! as billing www-data test -e /setup/service/keys/private-key.pem; then
	KEYS_DIR=/setup/service/keys as billing www-data billingctl keys generate
fi

if ! as www-data www-data test -e /setup/tls/cert.pem; then
	host=${BASE_URL#*://}
	host=${host%%[:/]*}
	case $host in
	*[!0-9.]*) name=DNS:$host ;;
	*) name=IP:$host ;;
	esac
	as www-data www-data openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 825 \
		-subj "/CN=$host" -addext "subjectAltName=$name,DNS:localhost,IP:127.0.0.1" \
		-addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth \
		-keyout /setup/tls/key.pem -out /setup/tls/cert.pem
fi

# A folder whose group its files get: the sockets are nginx's to use.
install -d -m 2750 -o billing -g www-data /run/billing
