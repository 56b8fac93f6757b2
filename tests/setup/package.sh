#!/bin/sh
# Makes what `make test-package` stands on: a pristine Debian 12 with systemd and MariaDB in target/package/root (once,
# two minutes), the package, and the same as a newer version to upgrade to. As root.
set -eu
cd "$(dirname "$0")/../.."
suite=bookworm
# What a machine with a pool has beside the package, and what the package depends on: inside there is no network.
packages="systemd-sysv,dbus,mariadb-server,procps"

if [ "$(id -u)" -ne 0 ]; then
    echo "test-package boots a system of its own: run it as root" >&2
    exit 77
fi
mkdir -p target/package
# One at a time.
exec 9>target/package/.lock
flock 9
if [ "$(cat target/package/.made 2>/dev/null)" != "$suite $packages" ]; then
    rm -rf target/package/root
    # Root fetches: the user that apt would take for that may not be allowed to write where the mirror's key is checked.
    mmdebstrap --quiet --variant=apt --include="$packages" --aptopt='APT::Sandbox::User "root"' "$suite" target/package/root
    echo "$suite $packages" >target/package/.made
fi
packaging/build-deb.sh
REVISION=2 OUT=target/package/next packaging/build-deb.sh
