#!/bin/bash
# packages.sh PURPOSE...: installs what conf/packages.txt lists for these purposes and is missing.
#
# If nothing is missing, this is one dpkg-query of some milliseconds. Otherwise it needs root or
# sudo. The services of new packages are not started: Debian's postgresql would make and start a
# cluster of its own, and nginx would take port 80.

set -euo pipefail

# On Debian users, and root after a plain su, have no sbin in PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
LIST="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/conf/packages.txt"

die() {
	echo "packages: $*" >&2
	exit 1
}

# Prints the packages of the given purposes.
packages_for() {
	local purpose package wanted=" $* "

	while read -r purpose package; do
		if [[ -n $package && $wanted == *" $purpose "* ]]; then
			echo "$package"
		fi
	done <"$LIST"
}

# Prints those of the given packages that are not installed.
missing_among() {
	local installed package

	installed=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed \([^:]*\).*/ \1 /p' || true)
	for package; do
		[[ $installed == *" $package "* ]] || echo "$package"
	done
}

# As root: prevents services from starting while packages are unpacked. The trap in
# install_packages() removes the files that this makes.
hold_services() {
	TEMPORARY=()
	if [[ ! -e /usr/sbin/policy-rc.d ]]; then
		TEMPORARY+=(/usr/sbin/policy-rc.d)
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
	fi
	if [[ ! -d /usr/lib/postgresql ]]; then
		local drop_in=/etc/postgresql-common/createcluster.d/global-billing.conf
		TEMPORARY+=("$drop_in")
		mkdir -p "${drop_in%/*}"
		echo 'create_main_cluster = false' >"$drop_in"
	fi
}

# Runs a command and shows its output only when it fails.
quietly() {
	local said

	said=$("$@" 2>&1) || {
		echo "$said" >&2
		return 1
	}
}

# As root: the installation itself.
install_packages() {
	local had_nginx=no

	[[ -e /usr/sbin/nginx ]] && had_nginx=yes
	trap 'rm -f -- "${TEMPORARY[@]}"' EXIT
	trap 'exit 130' INT TERM HUP
	hold_services
	export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
	quietly apt-get -q -o DPkg::Lock::Timeout=300 update ||
		die "apt-get update failed: is the network reachable?"
	quietly apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confold --no-install-recommends install "$@" ||
		die "apt-get could not install: $*"
	# This nginx was installed for the stack alone, so it must not take port 80 at the next boot.
	if [[ $had_nginx == no && -d /run/systemd/system ]]; then
		systemctl --quiet disable nginx.service 2>/dev/null || true
	fi
}

# Runs this script's installation as root.
as_root() {
	local self=("$BASH" "${BASH_SOURCE[0]}" --install "$@")

	if [[ $EUID -eq 0 ]]; then
		"${self[@]}"
	elif ! command -v sudo >/dev/null; then
		die "packages are missing and there is no sudo; as root run: apt-get install -y $*"
	elif sudo -n true 2>/dev/null; then
		sudo -n "${self[@]}"
	elif [[ -t 0 ]]; then
		sudo "${self[@]}"
	else
		die "packages are missing and sudo needs a password; run: sudo apt-get install -y $*"
	fi
}

main() {
	local wanted missing

	if [[ ${1:-} == --install ]]; then
		install_packages "${@:2}"
		return
	fi
	[[ $# -gt 0 ]] || die "usage: packages.sh PURPOSE... (build, run, check, bench)"
	mapfile -t wanted < <(packages_for "$@")
	[[ ${#wanted[@]} -gt 0 ]] || die "no packages are listed for: $*"
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "packages: this is not Debian; please install these yourself: ${wanted[*]}"
		return
	fi
	mapfile -t missing < <(missing_among "${wanted[@]}")
	if [[ ${#missing[@]} -gt 0 ]]; then
		echo "packages: installing ${missing[*]}"
		as_root "${missing[@]}"
	fi
}

main "$@"
