#!/bin/sh
# Builds the Debian package and its debug package into target/deb, and holds lintian against them.
#
#   packaging/build-deb.sh          REVISION=2 is a further package of the same version, OUT=DIR another place,
#                                   PROFILE=dev has the unoptimised daemon in it, to try the packaging sooner;
#                                   MAINTAINER="Name <mail>" is who answers for a package that is given to others
#
# Sources are packaging/debian and the tree; the work is done in OUT/build.
set -eu
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
revision="${REVISION:-1}"
out="${OUT:-target/deb}"
work="$out/build"
profile="${PROFILE:-release}"
case "$profile" in
dev) built="$target/debug" ;;
*) built="$target/$profile" ;;
esac

version="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
maintainer="${MAINTAINER:-$(sed -n 's/^Maintainer: //p' packaging/debian/control)}"
cargo build --profile "$profile" --locked --bin mpos-stratum

# The same tree gives the same package: times are those of its last commit. Set behind the build, which
# would begin anew for it.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

rm -rf "$work"
mkdir -p "$work/built" "$work/presets"
cp "$built/mpos-stratum" "$work/built/"
"$work/built/mpos-stratum" generate "$work/built/documents"
cp -r packaging/debian "$work/debian"
awk -v who="$maintainer" '/^Maintainer: /{$0 = "Maintainer: " who} {print}' packaging/debian/control >"$work/debian/control"
# Only a first revision is an upload without bugs; lintian minds an override that nothing needs.
[ "$revision" = 1 ] || sed -i '/^# Not made for/d; /initial-upload-closes-no-bugs/d' "$work/debian/mpos-stratum.lintian-overrides"
cp packaging/mpos-stratum.service "$work/debian/"
cp -r packaging/config.toml packaging/credentials.conf packaging/prometheus packaging/grafana schema config.example.toml README.md CHANGELOG.md "$work/"
cp src/coin/presets/*.toml "$work/presets/"
packaging/third-party.sh >"$work/THIRD-PARTY"
awk -v version="$version" -v revision="$revision" -v who="$maintainer" \
    -v now="$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" -f packaging/changelog.awk CHANGELOG.md >"$work/debian/changelog"

# Only what this call makes: a test looks at all that lies here.
rm -f "$out"/*.deb "$out"/*.ddeb "$out"/*.buildinfo "$out"/*.changes
(cd "$work" && dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes >../build.log 2>&1) || {
    cat "$out/build.log" >&2
    exit 70
}
lintian --info --display-info --pedantic --fail-on error,warning,info,pedantic --allow-root "$out"/*.changes
ls -l "$out"/*.deb
