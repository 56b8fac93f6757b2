#!/bin/sh
# Installs what is missing of the programs that tests, bench and demo start, and nothing that is there.
#
#   tests/setup/install.sh test|core|bench|demo|fuzz|deb|package
#
# No service is started or enabled by it: the tests run private servers of their own.
set -eu
cd "$(dirname "$0")/../.."
purpose="${1:-test}"

# A program, and the package that has it.
wanted_programs="cc:gcc make:make pkg-config:pkg-config mariadbd:mariadb-server mariadb-install-db:mariadb-server"
case "$purpose" in
bench) ;;
fuzz) wanted_programs="cc:gcc c++:g++ make:make pkg-config:pkg-config" ;;
demo) wanted_programs="$wanted_programs litecoind:litecoind" ;;
core) wanted_programs="$wanted_programs c++:g++ cmake:cmake flock:util-linux" ;;
deb | package)
    wanted_programs="cc:gcc make:make pkg-config:pkg-config dh:debhelper dpkg-buildpackage:dpkg-dev lintian:lintian man:man-db"
    wanted_programs="$wanted_programs git:git"
    if [ "$purpose" = package ]; then
        wanted_programs="$wanted_programs litecoind:litecoind mmdebstrap:mmdebstrap flock:util-linux ip:iproute2 pgrep:procps"
        wanted_programs="$wanted_programs systemd-analyze:systemd"
    fi
    ;;
test)
    wanted_programs="$wanted_programs litecoind:litecoind node:nodejs npm:npm flock:util-linux"
    wanted_programs="$wanted_programs systemd-analyze:systemd man:man-db shellcheck:shellcheck"
    ;;
*)
    echo "usage: $0 test|core|bench|demo|fuzz|deb|package" >&2
    exit 64
    ;;
esac

# Debian keeps the servers where only root looks.
PATH="$PATH:/usr/sbin:/sbin"
missing=""
for pair in $wanted_programs; do
    program="${pair%%:*}"
    package="${pair#*:}"
    if ! command -v "$program" >/dev/null 2>&1; then
        case " $missing " in
        *" $package "*) ;;
        *) missing="$missing $package" ;;
        esac
    fi
done
if [ "$purpose" = core ] && [ ! -d /usr/include/boost ]; then
    missing="$missing libboost-dev"
fi
# The linker needs libsystemd's header and library; pkg-config knows whether they are there.
if ! pkg-config --exists libsystemd 2>/dev/null; then
    missing="$missing libsystemd-dev"
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing: install Rust, see https://rustup.rs" >&2
    exit 69
fi

if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "missing:$missing (names of Debian's packages)" >&2
        echo "There is no apt-get here: install them with your system's packages, then try again." >&2
        exit 69
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "missing:$missing" >&2
            echo "Install them as root: apt-get install --no-install-recommends$missing" >&2
            exit 69
        fi
        as_root="sudo"
    fi
    echo "installing:$missing"

    # Debian's packages start their servers when installed, unless this file says no (101).
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        # Taken away again whatever happens.
        trap '$as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    fi
    noninteractive="env DEBIAN_FRONTEND=noninteractive"
    # shellcheck disable=SC2086 # the list of packages is meant to be split
    install() { $as_root $noninteractive apt-get install -y --no-install-recommends $missing </dev/null; }
    # An old package list is the usual reason to fail: fetch a new one only then.
    install || { $as_root apt-get update </dev/null && install; }
fi

if [ "$purpose" = test ]; then
    tests/setup/bcoin.sh
fi
