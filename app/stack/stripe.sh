# shellcheck shell=bash
# stripe.sh: without a key of Stripe, the stand-in of the tests (tests/stripe) runs, so that everything
# can be tried without an account.

# The settings that the stack sets while the stand-in runs.
readonly STAND_IN_SETTINGS=(STRIPE_SECRET_KEY_FILE STRIPE_API_BASE STRIPE_WEBHOOK_SECRET
	STRIPE_PRICES STRIPE_METER_PRICES)
# Older forms of STRIPE_PRICES, which the env file of an earlier start may have.
readonly OLDER_SETTINGS=(STRIPE_PRICE_STARTER STRIPE_PRICE_PROFESSIONAL STRIPE_PRICE_ENTERPRISE)

# Sets STAND_IN to on or off, and SERVICES. A value that was read from an env file of this stack is
# not the caller's own, so that a real key is never sent to the stand-in.
choose_stripe() {
	local name

	for name in "${STAND_IN_SETTINGS[@]}" "${OLDER_SETTINGS[@]}"; do
		[[ -n ${!name:-} && ${!name} != "$(kept_value "$name")" ]] || unset "$name"
	done
	for name in STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET_FILE; do
		[[ -n ${!name:-} ]] || unset "$name"
	done
	STAND_IN=${STRIPE_STAND_IN:-on}
	[[ $STAND_IN == on || $STAND_IN == off ]] ||
		die "STRIPE_STAND_IN: '$STAND_IN' is neither on nor off"
	[[ -z ${STRIPE_SECRET_KEY:-}${STRIPE_SECRET_KEY_FILE:-} ]] || STAND_IN=off
	if [[ $STAND_IN == off ]]; then
		SERVICES=(postgres billingd nginx)
		return
	fi
	# shellcheck disable=SC2034  # stack.sh reads it
	SERVICES=(postgres stripe billingd nginx)
	for name in "${STAND_IN_SETTINGS[@]}" "${OLDER_SETTINGS[@]}" STRIPE_WEBHOOK_SECRET_FILE \
		STRIPE_CA_FILE; do
		[[ -z ${!name:-} ]] ||
			die "$name is set but STRIPE_SECRET_KEY is not; set both, or none for a stand-in"
	done
}

# stripe_file NAME: prints the file of the stand-in's folder, which is billingd's user's.
stripe_file() {
	read_as "${AS_BILLING[@]}" "$STATE/stripe/$1"
}

# keep_secret NAME VALUE: writes a file there that only that user can read.
keep_secret() {
	echo "$2" | write_as "${AS_BILLING[@]}" "$STATE/stripe/$1"
}

# Makes the stand-in's three secrets, or takes those of an earlier start.
make_secrets() {
	local key

	key=$(stripe_file secret-key)
	key=${key:-sk_test_$(openssl rand -hex 16)}
	STRIPE_WEBHOOK_SECRET=$(webhook_secret)
	STRIPE_CONTROL_TOKEN=$(kept_value STRIPE_CONTROL_TOKEN)
	STRIPE_CONTROL_TOKEN=${STRIPE_CONTROL_TOKEN:-$(openssl rand -hex 32)}
	keep_secret secret-key "$key"
	keep_secret webhook-secret "$STRIPE_WEBHOOK_SECRET"
	keep_secret secrets "{\"secret_key\": \"$key\", \"webhook_secret\": \"$STRIPE_WEBHOOK_SECRET\",
		\"control_token\": \"$STRIPE_CONTROL_TOKEN\"}"
}

# Monthly prices of the plans of conf/plans.json as it is shipped. The stand-in has yearly ones beside them.
readonly SHIPPED_PRICES=(starter=2900 professional=9900 enterprise=49900)

# Whether PLANS_FILE has the plans and prices of conf/plans.json as it is shipped.
sells_as_shipped() {
	local plans=${PLANS_FILE:-$ROOT/conf/plans.json}

	plans=$(cd -- "$CALLED_FROM" && realpath -m -- "$plans")
	/usr/bin/python3 "$STACK_DIR/shipped_prices.py" "$plans" "${SHIPPED_PRICES[@]}"
}

# The address to which the stand-in delivers its events.
webhook_url() {
	echo "https://localhost:$HTTPS_PORT/api/webhooks/stripe"
}

# Sets the prices, as settings of billingd and as the stand-in wants to hear of them: those of the plans as
# they are shipped, or none, if PLANS_FILE has other plans or prices. Then sell_plans makes them.
set_prices() {
	local plan amount pair

	STAND_IN_PRICES=
	STRIPE_PRICES=
	# shellcheck disable=SC2034  # read by name
	STRIPE_METER_PRICES=
	sells_as_shipped || return 0
	for pair in "${SHIPPED_PRICES[@]}"; do
		plan=${pair%=*}
		amount=${pair#*=}
		STRIPE_PRICES+=$plan:price_${plan}_month,$plan:price_${plan}_year,
		STAND_IN_PRICES+=$plan=price_${plan}_month:$amount:month,
		STAND_IN_PRICES+=$plan=price_${plan}_year:$((10 * amount)):year,
	done
	STRIPE_PRICES=${STRIPE_PRICES%,}
}

# Has billingctl make the prices and meters of PLANS_FILE at the stand-in, as an operator does at Stripe. Without the
# stand-in, those of the last start count.
sell_plans() {
	local made log=$STATE/log/billingctl.log

	if ! is_running stripe; then
		STRIPE_PRICES=$(kept_value STRIPE_PRICES)
		STRIPE_METER_PRICES=$(kept_value STRIPE_METER_PRICES)
	else
		made=$("${AS_SERVICE[@]}" "$BILLINGCTL" stripe setup --webhook-url "$(webhook_url)" \
			2>"$log") ||
			die "stripe setup: $(complaint "$log")"
		STRIPE_PRICES=$(sed -n 's/^STRIPE_PRICES=//p' <<<"$made")
		STRIPE_METER_PRICES=$(sed -n 's/^STRIPE_METER_PRICES=//p' <<<"$made")
	fi
	AS_SERVICE+=("STRIPE_PRICES=$STRIPE_PRICES" "STRIPE_METER_PRICES=$STRIPE_METER_PRICES")
}

# The port stays the same, as billingd and open pages in a browser use it.
start_stripe() {
	local folder=$STATE/stripe port end=$((SECONDS + 20)) program

	[[ $STAND_IN == on ]] || die "with a key of Stripe there is no stand-in"
	port=$(stripe_file port)
	port=${port:-0}
	[[ $port =~ ^[0-9]{1,5}$ ]] || die "$folder/port holds no port"
	if port_in_use "$port"; then
		is_running billingd && die "port $port, the stand-in's, is in use by another program"
		port=0
	fi
	make_secrets
	set_prices
	program=$(for_service "$ROOT/tests/stripe")
	"${AS_BILLING[@]}" rm -f -- "$folder/port"
	spawn stripe "$STATE/log/stripe.log" "${AS_BILLING[@]}" env -i PATH="$PATH" LC_ALL=C.UTF-8 \
		PYTHONDONTWRITEBYTECODE=1 "${CLOCK[@]}" /usr/bin/python3 "$program" --port "$port" \
		--port-file "$folder/port" --data-file "$folder/data" --prices "${STAND_IN_PRICES%,}" \
		--secrets-file "$folder/secrets" --brand "$BRAND_PATH" \
		--webhook-url "$(webhook_url)" \
		--webhook-ca "$STATE/tls/cert.pem"
	until [[ -n $(stripe_file port) ]]; do
		is_running stripe || die "the stand-in for Stripe did not start: $(last_words stripe)"
		((SECONDS <= end)) || die "the stand-in for Stripe is not ready; see $(log_of stripe)"
		sleep 0.02
	done
	use_stand_in
}

# Sets billingd's settings for the stand-in.
use_stand_in() {
	local folder=$STATE/stripe name

	set_prices
	# shellcheck disable=SC2034  # read by name, below and for the env file
	STRIPE_API_BASE=http://127.0.0.1:$(stripe_file port)
	STRIPE_SECRET_KEY_FILE=$folder/secret-key
	AS_SERVICE+=("STRIPE_WEBHOOK_SECRET_FILE=$folder/webhook-secret")
	for name in "${STAND_IN_SETTINGS[@]}"; do
		[[ $name == STRIPE_WEBHOOK_SECRET ]] || AS_SERVICE+=("$name=${!name}")
	done
	[[ -n $STRIPE_PRICES ]] || sell_plans
}

# The secret in the env file: the stand-in signs with it, and scripts may.
webhook_secret() {
	local kept

	kept=$(kept_value STRIPE_WEBHOOK_SECRET)
	echo "${kept:-whsec_$(openssl rand -hex 32)}"
}

stop_stripe() {
	stop_one stripe TERM 5 KILL
}
