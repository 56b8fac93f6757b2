#!/bin/sh
# Builds a current bitcoind into target/core/bitcoind, from the sources that the crate libbitcoinkernel-sys packs.
# Without wallet and ZMQ, which the crate leaves out. Does nothing when it is there; the first time takes about half an
# hour on one core. Needs cmake, a C++ compiler and Boost's headers, and the crate registry once.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p target/core
# One build at a time.
exec 9>target/core/.lock
flock 9
if [ -x target/core/bitcoind ] && cmp -s tests/setup/core/Cargo.toml target/core/.built; then
    exit 0
fi
cp tests/setup/core/Cargo.toml target/core/Cargo.toml
: >target/core/empty.rs
sources="$(cargo metadata --manifest-path target/core/Cargo.toml --format-version 1 |
    sed -n 's|.*"manifest_path":"\([^"]*/libbitcoinkernel-sys-[^"/]*\)/Cargo.toml".*|\1|p')"
if [ ! -d "$sources/bitcoin" ]; then
    echo "the crate libbitcoinkernel-sys has no sources of Bitcoin Core: $sources/bitcoin" >&2
    exit 69
fi
cmake -S "$sources/bitcoin" -B target/core/build -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
    -DBUILD_DAEMON=ON -DBUILD_CLI=OFF -DBUILD_BITCOIN_BIN=OFF -DBUILD_TESTS=OFF -DBUILD_TX=OFF -DBUILD_UTIL=OFF \
    -DENABLE_WALLET=OFF -DENABLE_IPC=OFF -DWITH_ZMQ=OFF -DENABLE_EXTERNAL_SIGNER=OFF -DWITH_EMBEDDED_ASMAP=OFF
cmake --build target/core/build --target bitcoind -j "${JOBS:-1}"
cp target/core/build/bin/bitcoind target/core/bitcoind
strip target/core/bitcoind
cp tests/setup/core/Cargo.toml target/core/.built
rm -rf target/core/build
