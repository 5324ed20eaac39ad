#!/bin/sh
# deb.sh BUILD_DIR VERSION: packs billing-agent and liblicense, which run at the customer, for Debian.
#
# The settings are a configuration file of the package (dpkg keeps the administrator's changes). The
# package makes no user (the unit has DynamicUser), and neither enables nor starts the agent: it needs
# settings first. An update restarts an agent that runs, a removal stops it, a purge takes its state.
set -eu
cd "$(dirname "$0")/.."
build=$1
version=$2
architecture=$(dpkg --print-architecture)
multiarch=$(gcc -print-multiarch)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
make --no-print-directory -s install PREFIX=/usr "LIBDIR=/usr/lib/$multiarch" "DESTDIR=$root"
strip --strip-unneeded "$root"/usr/bin/* "$root/usr/lib/$multiarch"/*.so.*.*
doc=$root/usr/share/doc/billing-agent
cp .github/CHANGELOG.md "$doc/changelog"
gzip -9n "$root"/usr/share/man/man*/* "$doc/changelog"
install -D -m 600 conf/billing-agent.env.example "$root/etc/billing/agent.env"
for shell in bash zsh; do
	"$root/usr/bin/billing-agent" --completion $shell >"$root/$shell"
done
install -D -m 644 "$root/bash" "$root/usr/share/bash-completion/completions/billing-agent"
install -D -m 644 "$root/zsh" "$root/usr/share/zsh/vendor-completions/_billing-agent"
rm "$root/bash" "$root/zsh"
install -d "$root/DEBIAN"
install -m 755 conf/deb/preinst conf/deb/postinst conf/deb/prerm conf/deb/postrm "$root/DEBIAN/"
echo /etc/billing/agent.env >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<END
Package: billing-agent
Version: $version
Architecture: $architecture
Maintainer: Global Billing <billing@example.com>
Depends: libc6 (>= 2.36), libcurl4, libssl3, ca-certificates
Section: admin
Priority: optional
Description: licence agent of Global Billing, and liblicense
 Keeps a licence at hand for the application beside it, verifies it offline, and
 reports usage. liblicense does the verifying inside of a C program.
END
echo "activate-noawait ldconfig" >"$root/DEBIAN/triggers"
dpkg-deb --root-owner-group --build "$root" "${build%/*}/billing-agent_${version}_$architecture.deb"
