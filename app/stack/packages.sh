#!/bin/bash
# packages.sh PURPOSE...: installs what conf/packages.txt lists for these purposes and is missing.
#
# With nothing missing it is one dpkg-query and takes milliseconds. Otherwise it needs root or
# sudo. The packages' own services are kept from starting: Debian's postgresql would make and
# start a cluster of its own, and nginx would take port 80.

set -euo pipefail

# Debian gives users, and root after a plain su, no sbin.
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

# As root: keeps services from starting while packages are unpacked. What is put in place for
# that is taken away again by the trap in install_packages().
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

# Shows what a command said only when it fails.
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
	# Installed for us alone, nginx shall not take port 80 at the next boot either.
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
		die "missing packages and no sudo here; as root run: apt-get install -y $*"
	elif sudo -n true 2>/dev/null; then
		sudo -n "${self[@]}"
	elif [[ -t 0 ]]; then
		sudo "${self[@]}"
	else
		die "missing packages and sudo wants a password; run: sudo apt-get install -y $*"
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
		echo "packages: not a Debian; please see to it yourself that these are there: ${wanted[*]}"
		return
	fi
	mapfile -t missing < <(missing_among "${wanted[@]}")
	if [[ ${#missing[@]} -gt 0 ]]; then
		echo "packages: installing ${missing[*]}"
		as_root "${missing[@]}"
	fi
}

main "$@"
