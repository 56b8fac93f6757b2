//! The manual page of the configuration, out of the annotated example: its tables, its keys and what it says of them.
//! A test of the configuration keeps that example complete and its defaults true.

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// What stands above the keys, in place of the example's words about `#`.
const HEAD: &str = "\
.SH NAME
mpos\\-stratum.toml \\- configuration of mpos\\-stratum
.SH SYNOPSIS
.I /etc/mpos\\-stratum/config.toml
.SH DESCRIPTION
One TOML file says everything that
.BR mpos\\-stratum (8)
has to know. Below stands every table with its keys. A key that is marked as required must be given where its table
stands, unless the mark names what may be given instead. Others may be left out and are shown with their default, or
with an example where it is said that there is no default.
.PP
The tables whose names begin with
.B coin
belong to the
.B [[coin]]
above them.
";

const FOOT: &str = "\
.SH FILES
.TP
.I /etc/mpos\\-stratum/config.toml
The configuration that is read if no other is named.
.TP
.I /usr/share/doc/mpos\\-stratum/examples/config.example.toml
The text that this page was made from, as a configuration.
.SH SEE ALSO
.BR mpos\\-stratum (8),
.BR mpos\\-stratum\\-check (8),
.BR mpos\\-stratum\\-import (8)
";

/// Keys that must be given as long as nothing else is, each with its table and with what that may be.
const INSTEAD: [(&str, &str, &str); 4] = [
    ("coin", "preset", "the keys of a profile"),
    ("coin.node", "user", "cookie_file"),
    ("coin.node", "password", "password_file or cookie_file"),
    ("coin.mpos", "password", "password_file"),
];

/// What is said of whether a key of a table must be given.
fn mark(table: &str, key: &str, required: bool) -> String {
    match INSTEAD.iter().find(|(of, name, _)| (*of, *name) == (table, key)) {
        Some((.., instead)) => format!(" (required without {instead})"),
        None if required => " (required)".to_owned(),
        None => String::new(),
    }
}

/// A piece of the example, with the words that stand above it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Piece<'a> {
    words: Vec<&'a str>,
    /// The head of a table with its brackets, where one begins here.
    table: Option<&'a str>,
    /// Keys with their values as they are written, and whether they must be given.
    keys: Vec<(&'a str, bool)>,
}

/// The page.
pub(super) fn page(source: &str) -> String {
    let mut out = format!(".TH mpos\\-stratum.toml 5 \"\" \"{}\" \"File formats\"\n.nh\n{HEAD}", escaped(source));
    let pieces = pieces(EXAMPLE);
    let first = pieces.iter().position(|piece| piece.table.is_some()).unwrap_or(0);
    let (above, tables) = pieces.split_at(first);
    // The title, and what is said of `#`, are for who writes in the example; the rest holds of every table.
    let of_the_example = |piece: &&Piece<'_>| piece.words.iter().any(|line| line.contains("`#`"));
    for piece in above.iter().skip(1).filter(|piece| !of_the_example(piece)) {
        out.push_str(".PP\n");
        say(&mut out, &piece.words);
    }
    out.push_str(".SH TABLES AND KEYS\n");
    let mut table = "";
    for piece in tables {
        if let Some(head) = piece.table {
            table = head.trim_matches(['[', ']']);
            out.push_str(&format!(".SS {}\n", escaped(head)));
        }
        for (at, (setting, required)) in piece.keys.iter().enumerate() {
            let tag = if at == 0 { ".TP" } else { ".TQ" };
            let (key, value) = setting.split_once(" = ").unwrap_or((setting, ""));
            let mark = escaped(&mark(table, key, *required));
            out.push_str(&format!("{tag}\n\\fB{}\\fR = {}{mark}\n", escaped(key), escaped(value)));
        }
        say(&mut out, &piece.words);
    }
    out.push_str(FOOT);
    out
}

fn say(out: &mut String, words: &[&str]) {
    for line in words {
        out.push_str(&escaped(line));
        out.push('\n');
    }
}

/// A line of text so that the formatter takes no part of it for a command.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// The example in pieces, in its order.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut words = Vec::new();
    // Keys right below one another share the words above the first of them.
    let mut goes_on = false;
    for line in text.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        let required = bare.len() == line.len();
        if bare.starts_with('[') {
            pieces.push(Piece { words: std::mem::take(&mut words), table: Some(bare), keys: Vec::new() });
            goes_on = false;
        } else if bare.starts_with(|first: char| first.is_ascii_lowercase()) {
            match pieces.last_mut().filter(|_| goes_on && words.is_empty()) {
                // A key that must be given has nothing to do with others that may be left out.
                Some(piece) if !required || piece.keys.iter().all(|(_, required)| *required) => {
                    piece.keys.push((bare, required));
                }
                _ => {
                    let words = std::mem::take(&mut words);
                    pieces.push(Piece { words, table: None, keys: vec![(bare, required)] });
                }
            }
            goes_on = true;
        } else if let Some(word) = bare.strip_prefix(' ') {
            words.push(word);
        } else if !words.is_empty() {
            pieces.push(Piece { words: std::mem::take(&mut words), ..Piece::default() });
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config;

    #[test]
    fn keys_have_the_words_above_them_and_tables_too() {
        let text = "# Head.\n#\n# Of tables\n# of two lines.\n[one]\n# Of a.\n#a = 1\n#b = 2\nc = \"'.\"\n\n#[[two]]\nd = 1\n#e = 2\n";
        let shown: Vec<(usize, Option<&str>, String)> = pieces(text)
            .iter()
            .map(|piece| (piece.words.len(), piece.table, piece.keys.iter().map(|(key, _)| &key[..1]).collect()))
            .collect();
        let expected = [
            (1, None, ""),
            (2, Some("[one]"), ""),
            (1, None, "ab"),
            (0, None, "c"),
            (0, Some("[[two]]"), ""),
            (0, None, "de"),
        ];
        assert_eq!(shown, expected.map(|(words, table, keys)| (words, table, keys.to_owned())));
    }

    /// Keys that are left out, and settings that are taken in, each with its key's place.
    type Change<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

    /// The example with such a change.
    fn with((leave_out, take_in): Change<'_>) -> Result<config::Config, String> {
        let mut table = String::new();
        let mut lines = Vec::new();
        for line in EXAMPLE.lines() {
            let bare = line.strip_prefix('#').unwrap_or(line);
            if bare.starts_with('[') {
                table = bare.trim_matches(['[', ']']).to_owned();
            }
            let key = |line: &str| format!("{table}.{}", line.split(" = ").next().unwrap());
            match take_in.iter().find(|(of, _)| *of == key(bare)) {
                Some((_, setting)) => lines.push(*setting),
                None if leave_out.contains(&key(line).as_str()) => {}
                None => lines.push(line),
            }
        }
        config::parse(Path::new("/p"), lines.join("\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_marked_as_required_is_and_what_may_stand_instead_does() {
        let mut table = "";
        for piece in pieces(EXAMPLE) {
            table = piece.table.map_or(table, |head| head.trim_matches(['[', ']']));
            for (setting, required) in piece.keys {
                let (key, _) = setting.split_once(" = ").unwrap();
                assert_eq!(with((&[&format!("{table}.{key}")], &[])).is_err(), required, "{table}.{key}");
                assert_eq!(mark(table, key, required).is_empty(), !required, "{table}.{key}");
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "secret").unwrap();
        let password_file = format!("password_file = {:?}", file.display().to_string());
        let cookie = [("coin.node.cookie_file", "cookie_file = \"/c\"")];
        let profile = [
            ("coin.algorithm", "algorithm = \"scrypt\""),
            ("coin.block_hash", "block_hash = \"sha256d\""),
            ("coin.addresses.pubkey_hash", "[coin.addresses]\npubkey_hash = [48, 111]"),
        ];
        let instead: [Change<'_>; 4] = [
            (&["coin.preset"], &profile),
            (&["coin.node.user", "coin.node.password"], &cookie),
            (&["coin.node.password"], &[("coin.node.password_file", &password_file)]),
            (&["coin.mpos.password"], &[("coin.mpos.password_file", &password_file)]),
        ];
        for (left_out, taken_in) in instead {
            assert_eq!(with((left_out, taken_in)).err(), None, "{left_out:?}");
        }
        let page = page("mpos-stratum 1");
        assert!(page.contains(" (required without password_file or cookie_file)\n"), "{page}");
    }

    #[test]
    fn the_page_has_every_key_that_the_configuration_knows() {
        let known = config::known_keys(Path::new("config.example.toml"), EXAMPLE.replace("\n#[", "\n["));
        let mut table = String::new();
        let mut shown = BTreeSet::new();
        for piece in pieces(EXAMPLE) {
            if let Some(head) = piece.table {
                table = head.trim_matches(['[', ']']).to_owned();
                shown.insert(table.clone());
            }
            for (setting, _) in &piece.keys {
                let (key, _) = setting.split_once(" = ").unwrap();
                shown.insert(format!("{table}.{key}"));
            }
        }
        for key in known.keys() {
            assert!(shown.contains(key), "{key} is not on the page");
        }
        let page = page("mpos-stratum 1");
        for key in &shown {
            let key = key.rsplit('.').next().unwrap();
            let (bold, table) = (format!("\n\\fB{}\\fR = ", escaped(key)), format!("{}]", escaped(key)));
            assert!(page.contains(&bold) || page.contains(&table), "{key}");
        }
        assert!(page.contains(
            "\n\\fBmin\\fR = 1 (required)\n.TQ\n\\fBmax\\fR = 65536 (required)\nBounds of the difficulty, 1e\\-12 to 1e30.\n"
        ));
        assert!(page.contains(".SS [[coin.port]]\nA port for miners; as many as wanted."));
        for rule in
            ["Names end in their unit", "Relative paths", "CREDENTIALS_DIRECTORY/NAME", "conf.d/*.toml", "reload mpos"]
        {
            assert!(page.contains(&escaped(rule)), "{rule}");
        }
        assert!(!page.contains("\\(ga#") && !page.contains("every key there is"), "that is about the example");
        let mut commands = page.lines().filter(|line| line.starts_with(['.', '\'']));
        let known = [".TH", ".SH", ".SS", ".TP", ".TQ", ".PP", ".I ", ".B ", ".BR", ".nh"];
        assert_eq!(commands.find(|line| !known.iter().any(|known| line.starts_with(known))), None);
    }
}
