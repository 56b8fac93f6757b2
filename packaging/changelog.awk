# CHANGELOG.md as Debian writes changelogs.
#   awk -v version=0.1.0 -v revision=1 -v now="DATE" -v who="NAME <MAIL>" -f packaging/changelog.awk CHANGELOG.md
# What is not released yet is the version of Cargo.toml. Dates are midnight UTC.

function flush_item() { if (item != "") wrap(item); item = "" }
function wrap(text,    words, count, at, line) {
    count = split(text, words, " ")
    line = "  *"
    for (at = 1; at <= count; at++) {
        if (length(line) + 1 + length(words[at]) > 78) { print line; line = "   " }
        line = line " " words[at]
    }
    print line
}
function flush_entry() { flush_item(); if (entry != "") printf "\n -- %s  %s\n", who, date; entry = "" }
function rfc(day,    parts, month, year, shift, week) {
    split(day, parts, "-")
    year = parts[1]; month = parts[2] + 0
    shift = month < 3
    # Zeller's week: 0 is a Saturday.
    week = (parts[3] + int(13 * ((month + 9) % 12 + 4) / 5) + (year - shift) + int((year - shift) / 4) - int((year - shift) / 100) + int((year - shift) / 400)) % 7
    return substr("SatSunMonTueWedThuFri", week * 3 + 1, 3) ", " parts[3] " " substr("JanFebMarAprMayJunJulAugSepOctNovDec", month * 3 - 2, 3) " " year " 00:00:00 +0000"
}
/^## \[/ {
    flush_entry()
    name = $2; gsub(/[][]/, "", name)
    is_unreleased = name == "Unreleased"
    entry = is_unreleased ? version : name
    date = is_unreleased ? now : rfc($4)
    if (printed++) print ""
    printf "mpos-stratum (%s-%s) unstable; urgency=medium\n\n", entry, entry == version ? revision : 1
    next
}
entry == "" { next }
/^### / { flush_item(); if (headed == entry) print ""; headed = entry; printf "  [ %s ]\n", substr($0, 5); next }
/^- / { flush_item(); item = substr($0, 3); next }
/^  / { item = item " " substr($0, 3); next }
{ flush_item() }
END { flush_entry() }
