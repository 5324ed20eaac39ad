# shellcheck shell=bash
# nginx.sh: the certificate, and an nginx for this stack from the files in nginx/.

# The names and addresses in the certificate: this host's, and BASE_URL's.
certificate_names() {
	local host=${BASE_URL#*://}

	host=${host%%/*}
	[[ $host == \[* ]] && host=${host%%]*} || host=${host%:*}
	host=${host#[}
	printf 'DNS:localhost,IP:127.0.0.1,IP:::1'
	if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then
		[[ $host == 127.0.0.1 || $host == ::1 ]] || printf ',IP:%s' "$host"
	elif [[ $host != localhost ]]; then
		printf ',DNS:%s' "$host"
	fi
}

# Self-signed; made anew when it is about to expire or BASE_URL has another host.
make_certificate() {
	local tls=$STATE/tls names

	names=$(certificate_names)
	if [[ -e $tls/cert.pem && $(cat "$tls/names" 2>/dev/null) == "$names" ]] &&
		openssl x509 -in "$tls/cert.pem" -noout -checkend 604800 >/dev/null; then
		return
	fi
	"${CLOCK[@]}" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 825 \
		-subj /CN=localhost -addext "subjectAltName=$names" \
		-addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth \
		-keyout "$tls/key.pem.new" -out "$tls/cert.pem.new" 2>"$tls/openssl.log" ||
		die "cannot make a certificate for '$names': $(tail -n 1 "$tls/openssl.log")"
	chmod 600 "$tls/key.pem.new"
	chmod 644 "$tls/cert.pem.new"
	mv -f -- "$tls/key.pem.new" "$tls/key.pem"
	mv -f -- "$tls/cert.pem.new" "$tls/cert.pem"
	printf %s "$names" >"$tls/names"
}

# Sets what stands in place of nginx.conf's two lines "listen", one for each family of addresses, and
# REACHED_AT, an address at which nginx can be reached.
find_listeners() {
	local ipv4=127.0.0.1 ipv6='[::1]'

	case $LISTEN in
	localhost) ;;
	all) ipv4=0.0.0.0 ipv6='[::]' ;;
	*:*) ipv4='' ipv6=[${LISTEN//[\[\]]/}] ;;
	*) ipv4=$LISTEN ipv6='' ;;
	esac
	[[ -e /proc/net/if_inet6 || -z $ipv4 ]] || ipv6=''
	LISTEN_IPV4=${ipv4:+listen $ipv4:$HTTPS_PORT}
	LISTEN_IPV6=${ipv6:+listen $ipv6:$HTTPS_PORT}
	LISTEN_IPV4=${LISTEN_IPV4:-#listen}
	LISTEN_IPV6=${LISTEN_IPV6:-#listen}
	REACHED_AT=${ipv4:-$ipv6}
	[[ $REACHED_AT != 0.0.0.0 ]] || REACHED_AT=127.0.0.1
}

# A copy of nginx/ with this stack's paths, which nginx takes relative to its folder.
write_nginx_files() {
	local folder=$STATE/nginx file user="user $WEB_USER;"

	[[ $EUID -eq 0 ]] || user='# no user: not started as root'
	find_listeners
	rm -rf -- "$folder/billing"
	mkdir -p -- "$folder/billing" "$folder/tmp"
	chmod 711 "$folder/tmp"
	ln -s ../../tls "$folder/billing/tls"
	for file in "$ROOT"/nginx/*.conf; do
		sed -e "s|^user .*|$user|" \
			-e 's|/run/nginx\.pid|nginx.pid|' \
			-e 's|/var/log/nginx/|../log/nginx-|' \
			-e 's|/var/lib/nginx/|tmp/|' \
			-e "s|/etc/nginx/billing/www|$folder/billing/www|" \
			-e "s|listen 8443|$LISTEN_IPV4|" \
			-e "s|listen \[::\]:8443|$LISTEN_IPV6|" \
			-e "s|unix:/run/billing/billingd\.sock|unix:$BILLING_SOCKET_PATH|" \
			-e "s|unix:/run/billing/billingd-stripe\.sock|unix:$STRIPE_SOCKET_PATH|" \
			-e "/^geo \$billing_rate_limits/,/}/s|default on|default $RATE_LIMITS|" \
			"$file" >"$folder/billing/${file##*/}"
	done
	chmod 711 "$folder/billing"
	mv -f -- "$folder/billing/nginx.conf" "$folder/nginx.conf"
	cp -rL -- "$ROOT/nginx/www" "$folder/billing/www"
	chmod -R a+rX -- "$folder/billing/www"
}

start_nginx() {
	write_nginx_files
	spawn nginx /dev/null env -i PATH="$PATH" "${CLOCK[@]}" nginx -p "$STATE/nginx" -c nginx.conf \
		-e ../log/nginx-error.log -g 'daemon off;'
}

stop_nginx() {
	stop_one nginx QUIT 15 TERM
}
