//! The readers: what they understand, where they say a file is broken, and that nothing makes them fail
//! otherwise.

use proptest::prelude::*;

use super::answers::KnownMiner;
use super::draft;
use super::value::{Broken, Node, Value};
use super::{ABOUT_HSTRATUM, json, php, python};

/// A value as one line, for comparing.
fn flat(node: &Node) -> String {
    match &node.value {
        Value::Nothing => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number, _) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", ")),
        Value::Table(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {}", flat(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Unread(why) => format!("<{why}>"),
    }
}

fn python_value(text: &str) -> String {
    flat(python::read(&format!("A = {text}\n")).unwrap().root.get("A").unwrap())
}

fn php_value(text: &str) -> String {
    flat(php::read(&format!("<?php\n$config['a'] = {text};\n")).unwrap().root.get("a").unwrap())
}

fn json_value(text: &str) -> String {
    flat(json::read(&format!("{{\"a\": {text}}}")).unwrap().get("a").unwrap())
}

/// The line and the reason of a broken file.
fn broken<T>(read: Result<T, Broken>) -> (usize, String) {
    let broken = read.err().unwrap();
    (broken.line, broken.what)
}

#[test]
fn literals_of_python_are_read() {
    for (written, meant) in [
        ("'a # b'", "\"a # b\""),
        ("\"it's\"   # comment", "\"it's\""),
        ("u'x' \"y\"", "\"xy\""),
        (r"'a\'b\\c\n\x41\u00e9\q'", "\"a'b\\\\c\\nAé\\\\q\""),
        (r"r'a\b'", "\"a\\\\b\""),
        ("'''two\nlines'''", "\"two\\nlines\""),
        ("'x' \\\n  'y'", "\"xy\""),
        ("0x10", "16"),
        ("0b11", "3"),
        ("0o17", "15"),
        ("017", "15"),
        ("1_000L", "1000"),
        ("-2.5e-1", "-0.25"),
        ("True", "true"),
        ("None; B = 1", "nothing"),
        ("[1, 'b',\n # c\n None,]", "[1, \"b\", nothing]"),
        ("('x')", "\"x\""),
        ("('x', 2)", "[\"x\", 2]"),
        ("{'a': 1, 'b': [True]}", "{a: 1, b: [true]}"),
        ("60 * 24", "<is computed, and nothing is executed here>"),
        ("os.environ['X']", "<is computed, and nothing is executed here>"),
        ("open('/etc/passwd').read()", "<is computed, and nothing is executed here>"),
        ("[x for x in y]", "<is a name that has no value in this file>"),
        ("'a' % 'b'", "<is computed, and nothing is executed here>"),
        ("f'{x}'", "<is computed, and nothing is executed here>"),
    ] {
        assert_eq!(python_value(written), meant, "{written}");
    }
    assert_eq!(python_value("B = 3"), "3", "one value for two names");
}

#[test]
fn python_takes_the_last_assignment_and_names_of_earlier_ones() {
    let text = "A = 1\r\nB = A\r\nA = 2\r\nif True:\r\n    A = 3\r\ndef f(a,\n b): return {\n}\nA == 5\nprint('x')\nC = 'é' # ü\n";
    let settings = python::read(text).unwrap();
    let get = |name: &str| settings.root.get(name).map(flat);
    assert_eq!((get("A"), get("B"), get("C")), (Some("2".into()), Some("1".into()), Some("\"é\"".into())));
    let lines: Vec<usize> = settings.skipped.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [4, 5, 6, 9, 10]);
    assert_eq!(settings.root.get("C").unwrap().line, 11);
}

#[test]
fn broken_python_is_told_with_its_line() {
    for (text, line, what) in [
        ("A = 1\nB = 'open\nC = 3\n", 2, "closing quote is missing"),
        ("A = '''open\n\n", 1, "closing quote is missing"),
        ("A = [1,\n2\n", 1, "never closed"),
        ("A = 1\nB = {'a' 1}\n", 2, "expected a colon"),
        ("A = \n", 1, "expected a value, found '\\n'"),
        ("A = 1)\n", 1, "expected the end of the line, found ')'"),
        ("A = 12ab\n", 1, "not a number"),
        ("print(\n\n", 1, "never closed"),
        ("A = [1 = 2]\n", 1, "expected a comma"),
    ] {
        let (found, why) = broken(python::read(text));
        assert_eq!(found, line, "{text}: {why}");
        assert!(why.contains(what), "{text}: {why}");
    }
}

#[test]
fn json_is_read_with_comments_and_trailing_commas() {
    for (written, meant) in [
        ("\"a\\\"b\\/\\u00e9\\ud83d\\ude00\"", "\"a\\\"b/é😀\""),
        ("-1.5e3", "-1500"),
        ("[1, 2, // two\n ]", "[1, 2]"),
        ("{\"b\": null, /* \n */ }", "{b: nothing}"),
        ("\"// no comment\"", "\"// no comment\""),
    ] {
        assert_eq!(json_value(written), meant, "{written}");
    }
    assert_eq!(flat(json::read("\u{feff}{\"a\":1,\"a\":2}").unwrap().get("a").unwrap()), "2");
}

#[test]
fn broken_json_is_told_with_its_line() {
    for (text, line, what) in [
        ("", 1, "expected {, found the end of the file"),
        ("{\n\"a\": 1\n\"b\": 2}", 3, "expected a comma or }, found '\"'"),
        ("{\n\"a\": [1\n", 3, "the bracket of line 2 is never closed"),
        ("{\n\"a\": tru}", 2, "expected a value"),
        ("{'a': 1}", 1, "expected a name in double quotes"),
        ("{\"a\": 1} x", 1, "expected nothing behind the last }"),
        ("{\"a\": \"x\n\"}", 1, "closing quote is missing"),
        ("{\"a\": \"\\x\"}", 1, "a backslash in text that JSON does not know"),
        ("{\"a\": \"\\ud800\"}", 1, "a backslash in text that JSON does not know"),
        ("{\n/* open", 2, "a comment begins here that never ends"),
        ("{\"a\": 1e999}", 1, "not a number"),
    ] {
        let (found, why) = broken(json::read(text));
        assert_eq!(found, line, "{text}: {why}");
        assert!(why.contains(what), "{text}: {why}");
    }
}

#[test]
fn literals_of_php_are_read() {
    for (written, meant) in [
        (r"'it\'s \\ \n $x'", "\"it's \\\\ \\\\n $x\""),
        (r#""a\n\$b 5$""#, "\"a\\n$b 5$\""),
        ("'a' . \"b\" . 3", "\"ab3\""),
        ("TRUE", "true"),
        ("null", "nothing"),
        ("-0x1F", "-31"),
        ("array('b' => 1, 'c' => array(2, 3,))", "{b: 1, c: {0: 2, 1: 3}}"),
        ("['b' => [true]]", "{b: {0: true}}"),
        ("\"$x\"", "<has a variable in it>"),
        ("\"{$x}\"", "<has a variable in it>"),
        ("getenv('X')", "<is computed, and nothing is executed here>"),
        ("60 * 24", "<is computed, and nothing is executed here>"),
        ("$config['unknown']", "<is a setting not given before>"),
        ("(1)", "<is computed, and nothing is executed here>"),
    ] {
        assert_eq!(php_value(written), meant, "{written}");
    }
}

#[test]
fn php_assignments_build_one_tree() {
    let text = "#!/x\n<?php\n$config['a']['b'] = 1; # one\n$config['a']['c'] = $config['a']['b'];\n\
                if ($x) { $config['a']['b'] = 2; }\n$config['d'] = false;\n$config['d']['e'] = 'f' ?>\nhtml 'x\n\
                <?php $config[\"g\"]=/* h */7;$configuration['a'] = 9; $config['i'][] = 1; include('x');";
    let settings = php::read(text).unwrap();
    assert_eq!(flat(&settings.root), "{a: {b: 1, c: 1}, d: {e: \"f\"}, g: 7}");
    let lines: Vec<usize> = settings.skipped.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 9, 9, 9]);
}

#[test]
fn the_line_every_file_of_mpos_begins_with_is_no_surprise() {
    let skipped = |text: &str| {
        let settings = php::read(&format!("<?php\n{text}\n$config['a'] = 1;")).unwrap();
        assert_eq!(flat(&settings.root), "{a: 1}");
        settings.skipped.len()
    };
    assert_eq!(skipped("$defflip = (!cfip()) ? exit(header('HTTP/1.1 401 Unauthorized')) : 1;"), 0);
    assert_eq!(skipped("$defflip=(!cfip())?exit(header('a; b')):1; $defflop = 1;"), 1);
    assert_eq!(skipped("$defflip = (!cfip()) ? 0 : include('config.php');"), 1);
}

#[test]
fn broken_php_is_told_with_its_line() {
    for (text, line, what) in [
        ("$config['a'] = 1;", 1, "not a PHP file"),
        ("<?php\n$config['a'] = 'open;\n", 2, "closing quote is missing"),
        ("<?php\n$config['a'] = 1\n$config['b'] = 2;", 3, "expected a semicolon, found '$'"),
        ("<?php\n$config['a'] = array(1, 2;\n", 2, "expected a comma, found ';'"),
        ("<?php\n$config['a'] = array(1,", 2, "never closed"),
        ("<?php /* open", 1, "a comment begins here that never ends"),
        ("<?php\nif (true) {\n", 2, "never ends"),
        ("<?php\n$config['a'] = ;", 2, "expected a value, found ';'"),
        ("<?php\n$config['a'] = <<<X\nX;\n", 2, "put it in quotes"),
    ] {
        let (found, why) = broken(php::read(text));
        assert_eq!(found, line, "{text}: {why}");
        assert!(why.contains(what), "{text}: {why}");
    }
}

#[test]
fn files_that_are_bombs_are_refused_in_little_time() {
    let long = |part: &str| part.repeat((1 << 20) / part.len());
    for text in ["A=1\n", "A=A\n", "A=", "A=[", "A={'a':", "A=(", "'", "(", "A='", "x;", "A=B\n", "A,"] {
        let _ = python::read(&long(text));
    }
    for text in ["[", "{\"a\":", "[0,", "/*", "\"", "0"] {
        let _ = json::read(&format!("{{\"a\":{}", long(text)));
    }
    for text in ["$config['a']", "$config['a']=1;", "$config['a']=array(", "(", "{", "'", "x;", "'a'.", "?>"] {
        let _ = php::read(&format!("<?php {}", long(text)));
    }
    assert_eq!(
        broken(json::read(&format!("{{\"a\":{}", "[".repeat(40)))).1.split(':').next(),
        Some("lists are nested deeper than 32")
    );
    assert!(broken(python::read(&"A=1\n".repeat(6000))).1.contains("more than 5000 values"));
}

#[test]
fn known_miners_measure_the_unit() {
    let miner = KnownMiner::parse("1.048576M, 16, 1").unwrap();
    assert_eq!(miner.bits(), 16.0);
    assert_eq!(KnownMiner::parse("1T,32,1").unwrap().bits().round(), 35.0);
    for bad in ["", "1,2", "1,2,3,4", "x,1,1", "-1,1,1", "1,0,1", "1,1,inf", "M,1,1"] {
        assert_eq!(KnownMiner::parse(bad), None, "{bad}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let letters = proptest::sample::select(
        [
            "A", "=", "'", "\"", "[", "]", "{", "}", "(", ")", ",", ":", ";", "\n", " ", "\\", "#", "/*", "*/", "//",
            "$config", "['a']", "<?php", "?>", "1", "-", ".", "e", "True", "null", "array(", "=>", "'''", "é",
            "\u{2028}", "\0", "\t", "0x", "u", "r",
        ]
        .as_slice(),
    );
    proptest::collection::vec(letters, 0..80).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_fail_otherwise(text in any_text(), any in any::<String>()) {
        for text in [text, any] {
            let lines = text.lines().count() + 1;
            for line in [
                python::read(&text).err().map(|broken| broken.line),
                json::read(&text).err().map(|broken| broken.line),
                json::read(&format!("{{{text}}}")).err().map(|broken| broken.line),
                php::read(&text).err().map(|broken| broken.line),
                php::read(&format!("<?php {text}")).err().map(|broken| broken.line),
            ].into_iter().flatten() {
                prop_assert!((1..=lines).contains(&line), "line {} of {}", line, lines);
            }
        }
    }

    #[test]
    fn json_of_others_is_read_as_they_read_it(text in any::<String>(), number in any::<i32>()) {
        let other = serde_json::json!({ "a": [text, number], "b": { "c": null, "d": true } });
        let node = json::read(&serde_json::to_string_pretty(&other).unwrap()).unwrap();
        prop_assert_eq!(flat(&node), format!("{{a: [{text:?}, {number}], b: {{c: nothing, d: true}}}}"));
    }

    #[test]
    fn any_text_is_written_as_toml_on_one_line(text in any::<String>()) {
        let written = draft::text(&text);
        prop_assert!(!written.contains('\n'));
        let table: toml::Table = toml::from_str(&format!("a = {written}\n")).unwrap();
        prop_assert_eq!(table["a"].as_str(), Some(text.as_str()));
    }

    #[test]
    fn any_number_is_written_as_toml(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        let table: toml::Table = toml::from_str(&format!("a = {}\n", draft::number(value))).unwrap();
        let read = table["a"].as_float().or(table["a"].as_integer().map(|whole| whole as f64));
        prop_assert_eq!(read, Some(value));
    }
}

#[test]
fn what_is_said_of_hstratum_s_options_names_keys_that_are_there() {
    let example = include_str!("../../../config.example.toml");
    // The text of each table, by its header without the mark of what may be left out.
    let tables: Vec<(&str, &str)> = example
        .split("\n[")
        .skip(1)
        .filter_map(|part| part.split_once('\n').map(|(header, text)| (header.trim_matches(['[', ']']), text)))
        .collect();
    let told: Vec<&str> = ABOUT_HSTRATUM.lines().filter(|line| line.starts_with("  --stratum-")).collect();
    assert_eq!(told.len(), 6);
    for line in told {
        let (_, fate) = line.split_once(": ").unwrap();
        let Some((keys, place)) = fate.split_once(" in [") else {
            assert!(line.contains("dropped: "), "{line}");
            continue;
        };
        let table = place.trim_start_matches('[').split(']').next().unwrap();
        let (_, text) = tables.iter().find(|(name, _)| *name == table).unwrap_or_else(|| panic!("{line}: no {table}"));
        for key in keys.split(" and ") {
            let is_there = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} = "));
            assert!(text.lines().any(is_there), "{line}: [{table}] has no {key}");
        }
    }
}
