#!/bin/sh
# The Debian package of billing-agent: package.sh FILE.deb. dpkg asks no question, keeps what an
# administrator has changed, and a purge leaves nothing. The maintainer scripts stop and restart what
# runs, and enable nothing.
set -eu
package=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root
settings=$root/etc/billing/agent.env
bad=0

fault() {
	echo "package: $*"
	bad=1
}

# expect WHAT WANTED GOT
expect() {
	[ "$2" = "$3" ] || fault "$1: expected '$2', got '$3'"
}

dpkg-deb -e "$package" "$scratch/control"
expect "the configuration files" /etc/billing/agent.env "$(cat "$scratch/control/conffiles")"
for script in preinst postinst prerm postrm; do
	sh -n "$scratch/control/$script" || fault "$script is no shell script"
	expect "the mode of $script" 755 "$(stat -c %a "$scratch/control/$script")"
done
expect "what belongs to another user than root" "" \
	"$(dpkg-deb -c "$package" | awk '$2 != "root/root" {print $NF}')"
expect "the settings, which may get a key" -rw------- \
	"$(dpkg-deb -c "$package" | awk '$NF == "./etc/billing/agent.env" {print $1}')"

# The scripts on a machine with systemd: run SCRIPT ARGUMENT...; the commands that it calls.
mkdir -p "$scratch/bin" "$scratch/systemd"
for command in systemctl deb-systemd-invoke; do
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho "$(basename "$0") $*" >>"%s/called"\n' "$scratch" >"$scratch/bin/$command"
	chmod 755 "$scratch/bin/$command"
done
run() {
	: >"$scratch/called"
	sed "s|/run/systemd/system|$scratch/systemd|; s|=\${DPKG_ROOT:-}|=$scratch/none|" \
		"$scratch/control/$1" >"$scratch/script"
	shift
	PATH="$scratch/bin:$PATH" sh "$scratch/script" "$@" || fault "a maintainer script fails: $*"
	paste -sd ';' "$scratch/called"
}
reload="systemctl --system daemon-reload"
expect "a first installation" "$reload" "$(run postinst configure)"
expect "an update" "$reload;deb-systemd-invoke try-restart billing-agent.service" \
	"$(run postinst configure 0.9)"
expect "before an update" "" "$(run prerm upgrade 1.1)"
expect "a removal" "deb-systemd-invoke stop billing-agent.service" "$(run prerm remove)"
[ "$(grep -c 'enable\|adduser\|useradd' "$scratch/control/postinst")" -eq 0 ] ||
	fault "postinst enables or makes something"

if [ "$(id -u)" -ne 0 ]; then
	echo "package: NOT CHECKED: its installation, which needs root"
	echo "the installation of the Debian package, which needs root" >>"${NOT_TESTED_FILE:-/dev/null}"
	exit $bad
fi

mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers"
: >"$root/var/lib/dpkg/status"
# A question would end dpkg, as there is nobody to answer it.
install_() {
	dpkg --root="$root" --force-depends --force-script-chrootless --log=/dev/null "$@" \
		</dev/null >"$scratch/dpkg" 2>&1 || {
		fault "dpkg $*:"
		cat "$scratch/dpkg"
	}
}
install_ -i "$package"
expect "the new settings" 600 "$(stat -c %a "$settings")"
expect "settings that are set" "" "$(grep -v '^#' "$settings" | grep . || true)"
echo CUSTOMER_ID=cust_1 >>"$settings"
install_ -i "$package"
expect "changed settings after an update" CUSTOMER_ID=cust_1 "$(tail -n 1 "$settings")"
mkdir -p "$root/var/lib/private/billing-agent"
ln -s private/billing-agent "$root/var/lib/billing-agent"
install_ -r billing-agent
expect "the program after a removal" gone "$([ -e "$root/usr/bin/billing-agent" ] || echo gone)"
expect "changed settings after a removal" CUSTOMER_ID=cust_1 "$(tail -n 1 "$settings")"
install_ -i "$package"
expect "changed settings after a return" CUSTOMER_ID=cust_1 "$(tail -n 1 "$settings")"
install_ -P billing-agent
expect "what a purge leaves" "" "$(find "$root" \( -type f -o -type l \) ! -path '*/var/lib/dpkg/*')"
expect "folders that a purge leaves" "" "$(find "$root" -name 'billing*')"

# The settings that an administrator made by hand for a package without them.
dpkg-deb -R "$package" "$scratch/older"
rm -r "$scratch/older/etc" "$scratch/older/DEBIAN/conffiles"
sed -i 's/^Version: .*/Version: 0.9/' "$scratch/older/DEBIAN/control"
for script in preinst postinst prerm postrm; do
	rm "$scratch/older/DEBIAN/$script"
done
dpkg-deb --root-owner-group --build "$scratch/older" "$scratch/older.deb" >/dev/null
install_ -i "$scratch/older.deb"
mkdir -p "${settings%/*}"
echo CUSTOMER_ID=cust_2 >"$settings"
chmod 640 "$settings"
install_ -i "$package"
expect "settings made by hand" "CUSTOMER_ID=cust_2 640" "$(cat "$settings") $(stat -c %a "$settings")"
install_ -i "$package"
expect "settings made by hand after another update" CUSTOMER_ID=cust_2 "$(cat "$settings")"
expect "what was put aside" "" "$(find "$root" -name '*by-hand*')"
install_ -P billing-agent
expect "settings made by hand after a purge" gone "$([ -e "$settings" ] || echo gone)"

# A package that is unpacked, and removed or purged before it is configured.
unpack_over_settings() {
	mkdir -p "${settings%/*}"
	echo CUSTOMER_ID=cust_3 >"$settings"
	chmod 600 "$settings"
	install_ --unpack "$package"
	expect "settings before the package is configured" gone "$([ -e "$settings" ] || echo gone)"
}
unpack_over_settings
install_ -r billing-agent
expect "settings of a package that was never configured" "CUSTOMER_ID=cust_3 600" \
	"$(cat "$settings") $(stat -c %a "$settings")"
expect "what its removal leaves aside" "" "$(find "$root" -name '*by-hand*')"
install_ -P billing-agent
expect "what a purge leaves of it" "" "$(find "$root" -name 'billing*')"
unpack_over_settings
install_ -P billing-agent
expect "what a purge leaves without a removal" "" "$(find "$root" -name 'billing*')"
[ $bad -eq 0 ] && echo "package: installs, updates, removes and purges as promised"
exit $bad
