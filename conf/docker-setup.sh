#!/bin/sh
# docker-setup.sh: makes the secrets of docker-compose.yml, each once, as files that only the
# container that needs them can read. An existing file stays, so bring your own before the first start.
# Stripe's secrets are stored again whenever they are given.
#
#   /setup/database  the database password, for PostgreSQL      (uid 999 in its image)
#   /setup/service   database URL, signing key and Stripe's secrets, for billingd (uid 10001)
#   /setup/tls       certificate and key, for nginx             (www-data)

set -eu
umask 077

if [ ! -s /setup/database/password ]; then
	openssl rand -hex 32 >/setup/database/password
fi
chown -R 999:999 /setup/database

printf 'postgresql://billing:%s@postgres/billing\n' "$(cat /setup/database/password)" \
	>/setup/service/database-url
# keep FILE VALUE: writes the value; without one the file stays, or is made empty (not set up).
keep() {
	[ -z "$2" ] || printf '%s\n' "$2" >"$1"
	[ -e "$1" ] || : >"$1"
}
keep /setup/service/stripe-secret-key "${STRIPE_SECRET_KEY:-}"
keep /setup/service/stripe-webhook-secret "${STRIPE_WEBHOOK_SECRET:-}"
mkdir -p /setup/service/keys
chown -R billing:www-data /setup/service
if [ ! -e /setup/service/keys/private-key.pem ]; then
	KEYS_DIR=/setup/service/keys setpriv --reuid billing --regid www-data --clear-groups \
		billingctl keys generate
fi

if [ ! -e /setup/tls/cert.pem ]; then
	host=${BASE_URL#*://}
	host=${host%%[:/]*}
	case $host in
	*[!0-9.]*) name=DNS:$host ;;
	*) name=IP:$host ;;
	esac
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 825 \
		-subj "/CN=$host" -addext "subjectAltName=$name,DNS:localhost,IP:127.0.0.1" \
		-addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth \
		-keyout /setup/tls/key.pem -out /setup/tls/cert.pem
fi
chown -R www-data:www-data /setup/tls

install -d -m 750 -o billing -g www-data /run/billing
