#!/bin/sh
# What of others the program contains, with their licences, on standard output: a list of the crates that are linked
# into it, then every text that comes with them, once, under the names of those that have it.
set -eu
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

host="$(rustc -vV | sed -n 's/^host: //p')"
cargo metadata --locked --format-version 1 --filter-platform "$host" | tr ',' '\n' |
    sed -n 's|.*"manifest_path":"\(.*\)/Cargo.toml".*|\1|p' >"$work/sources"
cargo tree --locked --edges normal,no-proc-macro --prefix none --format '{p}|{l}|{r}' |
    sed 's/ (\*)$//' | grep -v '^mpos-stratum ' | sort -u >"$work/crates"

cat <<'END'
mpos-stratum is linked with these libraries, each under the licence that stands beside it. Where one may be chosen of
several, it is that of mpos-stratum, MIT or Apache-2.0, if that is among them.

END
while IFS='|' read -r crate licence home; do
    name="${crate%% v*}"
    version="${crate##* v}"
    source="$(grep "/$name-$version\$" "$work/sources")"
    printf '%-36s %s\n' "$name $version" "${licence:?$name says no licence}"
    find "$source" -maxdepth 2 -type f ! -name '*.rs' \
        \( -iname 'licen[cs]e*' -o -iname 'unlicense*' -o -iname 'copying*' -o -iname 'copyright*' -o -iname 'notice*' \) |
        LC_ALL=C sort >"$work/files"
    if [ ! -s "$work/files" ]; then
        printf '%-36s no text comes with it; its home is %s\n' "" "$home"
    fi
    while read -r file; do
        sum="$(sha256sum <"$file" | cut -c 1-64)"
        if [ ! -e "$work/$sum" ]; then
            cp "$file" "$work/$sum"
            echo "$sum" >>"$work/order"
        fi
        echo "$name $version" >>"$work/$sum.of"
    done <"$work/files"
done <"$work/crates"

while read -r sum; do
    printf '\n%s\n' "------------------------------------------------------------------------"
    uniq "$work/$sum.of" | paste -s -d ',' | sed 's/,/, /g' | fold -s -w 118
    printf '\n'
    cat "$work/$sum"
done <"$work/order"
