# shellcheck shell=bash
# service.sh: billingd, and before it the signing key, the schema and two operators.

# Sets AS_SERVICE: a prefix that runs a command as billingd's user with billingd's settings, and
# AS_OWNER: one that runs it as a user who may connect as the owner of the schema.
prepare_service() {
	local name settings

	for name in PLANS_FILE BRAND_FILE MIGRATIONS_DIR KEYS_DIR MAIL_TEMPLATES; do
		[[ -z ${!name:-} ]] ||
			printf -v "$name" %s "$(cd -- "$CALLED_FROM" && realpath -m -- "${!name}")"
	done
	KEYS_DIR=${KEYS_DIR:-$STATE/keys}
	SUBSCRIPTION_CANCEL=${SUBSCRIPTION_CANCEL:-period_end}
	BILLINGD=$(for_service "$BIN/billingd")
	BILLINGCTL=$(for_service "$BIN/billingctl")
	BRAND_PATH=$(brand_for_service "${BRAND_FILE:-$ROOT/conf/brand.json}")
	settings=(env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u MAKEOVERRIDES
		-u RUN_DIR -u HTTPS_PORT -u LISTEN -u RATE_LIMITS -u BUILD_VARIANT -u STRIPE_STAND_IN
		"HOME=$STATE"
		"BASE_URL=$BASE_URL" "KEYS_DIR=$KEYS_DIR" "DATABASE_URL=$DATABASE_URL"
		"BILLING_SOCKET=$BILLING_SOCKET_PATH" "BILLING_STRIPE_SOCKET=$STRIPE_SOCKET_PATH"
		"BILLINGD_PID_FILE=$BILLINGD_PID_FILE"
		"SUBSCRIPTION_CANCEL=$SUBSCRIPTION_CANCEL"
		"BRAND_FILE=$BRAND_PATH"
		"MAIL_TEMPLATES=$(for_service "${MAIL_TEMPLATES:-$ROOT/conf/mail}")"
		"PLANS_FILE=$(for_service "${PLANS_FILE:-$ROOT/conf/plans.json}")"
		"MIGRATIONS_DIR=$(for_service "${MIGRATIONS_DIR:-$ROOT/migrations}")")

	AS_SERVICE=("${AS_BILLING[@]}" "${settings[@]}")
	AS_OWNER=("${AS_PG[@]}" env -u STRIPE_SECRET_KEY -u STRIPE_SECRET_KEY_FILE
		-u STRIPE_WEBHOOK_SECRET -u STRIPE_WEBHOOK_SECRET_FILE
		-u SMTP_PASSWORD -u SMTP_PASSWORD_FILE "${settings[@]}"
		"DATABASE_OWNER_URL=$DATABASE_OWNER_URL")
}

# for_service PATH: prints the path, or that of a copy if billingd's user cannot enter its folder.
for_service() {
	local copy

	if "${AS_BILLING[@]}" test -r "$1" || [[ ! -e $1 ]]; then
		echo "$1"
		return
	fi
	copy=$STATE/app/$(basename "$1")
	own 711 "$CALLER" "$STATE/app"
	rm -rf -- "$copy"
	cp -rL -- "$1" "$copy"
	chmod -R a+rX -- "$copy"
	echo "$copy"
}

# brand_for_service PATH: likewise for the brand, with the logo that it names.
brand_for_service() {
	local logo file

	file=$(for_service "$1")
	logo=$(sed -n 's/^.*"logo" *: *"\([^"]*\)".*$/\1/p' "$1" 2>/dev/null | head -n 1)
	[[ $file == "$1" || -z $logo || $logo == /* ]] || for_service "${1%/*}/$logo" >/dev/null
	echo "$file"
}

# complaint LOG: its last line, without the program's name.
complaint() {
	tail -n 1 "$1" | sed 's/^billing\(d\|ctl\): //'
}

# control ARGUMENT...: runs billingctl as the service. Its messages go to the log; when it fails, the
# last one is shown.
control() {
	local log=$STATE/log/billingctl.log

	"${AS_SERVICE[@]}" "$BILLINGCTL" "$@" 2>"$log" || die "$1 $2: $(complaint "$log")"
}

make_keys() {
	[[ -e $KEYS_DIR/private-key.pem ]] || control keys generate >/dev/null
}

migrate() {
	local log=$STATE/log/billingctl.log

	"${AS_OWNER[@]}" "$BILLINGCTL" migrate up >/dev/null 2>"$log" ||
		die "migrate up: $(complaint "$log")"
}

# Checks billingd's configuration first, as its message can be shown here.
check_service() {
	local log=$STATE/log/billingctl.log

	"${AS_SERVICE[@]}" "$BILLINGD" --check >/dev/null 2>"$log" || die "$(complaint "$log")"
}

# new_operator ROLE: prints the key of a new operator.
new_operator() {
	control operator create "make-run-$1" --role "$1" | grep -o -m 1 'gba_[0-9a-f]\{64\}'
}

# A link that signs the browser in to the console.
console_link() {
	control console link make-run-owner | grep -o -m 1 'https*://.*'
}

# Settings that find_given leaves out. The env file has most of them anyway. Those of a real Stripe account are
# not written to a file: only the caller has them.
readonly NOT_HANDED_ON=(BASE_URL DATABASE_URL DATABASE_OWNER_URL BILLINGD_PID_FILE BILLING_SOCKET
	BILLING_STRIPE_SOCKET KEYS_DIR STRIPE_SECRET_KEY STRIPE_CA_FILE "${STAND_IN_SETTINGS[@]}"
	"${OLDER_SETTINGS[@]}")

# Sets `given` to the other settings of this start with their values, which billingctl needs as billingd does.
# A setting can be given as NAME or, by a file, as NAME_FILE.
find_given() {
	local name form

	given=()
	while read -r name; do
		[[ " ${NOT_HANDED_ON[*]} " != *" $name "* ]] || continue
		for form in "$name" "${name}_FILE"; do
			[[ -z ${!form:-} ]] || given+=("$form" "${!form}")
		done
	done < <(sed -n 's/^#\{0,1\}\([A-Z][A-Z0-9_]*\)=.*/\1/p' "$ROOT/conf/billing.env.example")
}

# Writes the env file. The two operators are made once for a database and kept there.
make_operators() {
	local owner='' viewer='' name stripe=() given

	if [[ $CLUSTER_IS_NEW == no ]]; then
		owner=$(kept_value ADMIN_API_KEY)
		viewer=$(kept_value VIEWER_API_KEY)
	fi
	[[ -n $owner ]] || owner=$(new_operator owner)
	[[ -n $viewer ]] || viewer=$(new_operator viewer)
	if [[ $STAND_IN == on ]]; then
		for name in "${STAND_IN_SETTINGS[@]}"; do
			stripe+=("$name" "${!name}")
		done
		stripe+=(STRIPE_CONTROL_TOKEN "$STRIPE_CONTROL_TOKEN")
	fi
	find_given
	write_env BASE_URL "$BASE_URL" ADMIN_API_KEY "$owner" VIEWER_API_KEY "$viewer" \
		CA_CERT "$STATE/tls/cert.pem" DATABASE_URL "$DATABASE_URL" \
		DATABASE_OWNER_URL "$DATABASE_OWNER_URL" \
		"${stripe[@]}" BILLINGD_PID_FILE "$BILLINGD_PID_FILE" \
		BILLING_SOCKET "$BILLING_SOCKET_PATH" BILLING_STRIPE_SOCKET "$STRIPE_SOCKET_PATH" \
		KEYS_DIR "$KEYS_DIR" "${given[@]}"
}

# Returns when billingd listens.
start_billingd() {
	local end=$((SECONDS + 20))

	"${AS_BILLING[@]}" rm -f -- "$BILLING_SOCKET_PATH" "$STRIPE_SOCKET_PATH"
	spawn billingd "$STATE/log/billingd.log" "${AS_SERVICE[@]}" "$BILLINGD"
	until [[ -S $BILLING_SOCKET_PATH && -S $STRIPE_SOCKET_PATH ]]; do
		is_running billingd || die "billingd did not start: $(last_words billingd)"
		((SECONDS <= end)) || die "billingd does not listen; see $(log_of billingd)"
		sleep 0.02
	done
}

stop_billingd() {
	stop_one billingd TERM "$((DRAIN_SECONDS + 5))" TERM
}

# Waits until a request through TLS, nginx and billingd to PostgreSQL is answered.
wait_until_ready() {
	local url=https://localhost:$HTTPS_PORT/health/ready end=$((SECONDS + 60)) service answer

	until answer=$(curl -sS --max-time 5 --noproxy '*' --resolve "localhost:$HTTPS_PORT:$REACHED_AT" \
		--cacert "$STATE/tls/cert.pem" -w '\n%{http_code}' "$url" 2>&1) &&
		[[ ${answer##*$'\n'} == 200 ]]; do
		for service in "${SERVICES[@]}"; do
			is_running "$service" || die "$service did not start: $(last_words "$service")"
		done
		((SECONDS <= end)) || die "not ready after 60 s: ${answer//$'\n'/ }"
		sleep 0.05
	done
}

# The plan that the welcome text buys: professional, or else the first one that is sold.
plan_to_buy() {
	if [[ ,$STRIPE_PRICES == *,professional:* ]]; then
		echo professional
	else
		echo "${STRIPE_PRICES%%:*}"
	fi
}

# The part of the welcome text about the stand-in for Stripe.
print_story() {
	cat <<WORDS

  Buy a plan for it. No key of Stripe's is given, so a stand-in plays Stripe at
  $STRIPE_API_BASE; no money moves:
    api -d "{\"customer_id\": \"\$ID\", \"plan\": \"$(plan_to_buy)\"}" "\$BASE_URL/api/subscriptions/checkout"
  Open the checkout_url of the answer in a browser and pay with the first test card. Then fetch
  the licence that was paid for, and what it says:
    api "\$BASE_URL/api/licenses/\$ID"
    api "\$BASE_URL/api/subscriptions/\$ID"
  Its clock can be moved, here by 32 days, so that renewals come:
    curl -sS -H "Authorization: Bearer \$STRIPE_CONTROL_TOKEN" "\$STRIPE_API_BASE/_control/advance" -d '{"seconds": 2764800}'; echo
  To sell through Stripe itself, start with STRIPE_SECRET_KEY and its siblings (man -l app/billingctl/billingctl.8).
WORDS
}

users_text() {
	if [[ $EUID -eq 0 ]]; then
		echo "billingd runs as $SERVICE_USER, nginx's workers as $WEB_USER, PostgreSQL as $PG_USER"
	else
		echo "all processes run as $CALLER; started by root, each has a user of its own"
	fi
}

print_welcome() {
	local env=$RUN_DIR/env logs=billingd,nginx-access,nginx-error,postgres billingctl

	[[ $STAND_IN == off ]] || logs+=,stripe
	[[ $PWD != "$CALLED_FROM" ]] && env=$(realpath --relative-base="$CALLED_FROM" -s "$env")
	[[ $env == /* ]] || env=./$env
	billingctl=$(realpath --relative-base="$CALLED_FROM" -s "$BIN/billingctl")
	cat <<WORDS

Global Billing is ready at $BASE_URL

  Open the console: this link signs in once, by a click on its page, within 10 minutes; after that, the key
  ADMIN_API_KEY in $(printf %q "$env") does, or: billingctl console link make-run-owner
    $(console_link)
  Customers see prices at $BASE_URL/pricing/, and their plan at $BASE_URL/account/.
WORDS
	[[ -e $STATE/demo ]] || echo "  For a console with fourteen months of business in it: make demo"
	cat <<WORDS

  Sign up a customer, which begins its trial:
    . $(printf %q "$env")
    api() { curl -sS --cacert "\$CA_CERT" -H "Authorization: Bearer \$ADMIN_API_KEY" \\
            -H 'Content-Type: application/json' "\$@"; echo; }
    api -d '{"email": "jane@example.com", "company_name": "Acme Corp"}' "\$BASE_URL/api/customers" | tee sign-up.json
    ID=\$(grep -o 'cust_[0-9a-f]*' sign-up.json | head -n 1)
WORDS
	[[ $STAND_IN == off ]] || print_story
	cat <<WORDS

  See it as its operator:
    billingctl() { (set -a && . $(printf %q "$env") && exec $(printf %q "$billingctl") "\$@"); }
    billingctl doctor

  Logs:  $STATE/log/{$logs}.log
  State: $STATE
  Users: $(users_text)
WORDS
	if [[ $STATE != "$RUN_DIR" ]]; then
		echo "         ($PG_USER may not enter $RUN_DIR, which holds links to it)"
	fi
	echo
}
