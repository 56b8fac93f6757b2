#!/bin/sh
# Installs bcoin, the tests' sha256d coin daemon, into target/bcoin. Does nothing when it is there.
# Needs node and npm, and the npm registry once.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p target/bcoin
# One installation at a time: several test programs may ask at once.
exec 9>target/bcoin/.lock
flock 9
if cmp -s tests/setup/bcoin/package.json target/bcoin/.installed; then
    exit 0
fi
cp tests/setup/bcoin/package.json target/bcoin/package.json
# No install scripts: they would compile native parts that the tests do without.
npm install --prefix target/bcoin --ignore-scripts --no-audit --no-fund --loglevel=error
cp tests/setup/bcoin/package.json target/bcoin/.installed
