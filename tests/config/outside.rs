//! What stands outside the file, and files of any shape.

use super::*;

#[test]
fn a_password_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.toml");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "from file \n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let least = LEAST.replace("Lpool", "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1");
    std::fs::write(&path, least.replace("password = \"hunter2\"", "password_file = \"secret\"")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = config::load(&path).unwrap();
    assert_eq!(config.coins[0].mpos.password.reveal(), "from file ", "one newline goes, nothing else");
    assert_eq!(config.warnings, [], "the file itself holds no password, so everybody may read it");

    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = config::load(&path).unwrap().warnings;
    assert!(warnings[0].what.ends_with("holds a password and everybody may read it"), "{warnings:?}");
    std::fs::remove_file(&secret).unwrap();
    let error = config::load(&path).unwrap_err().to_string();
    assert!(error.contains("coin[litecoin].mpos.password_file"), "{error}");

    std::fs::write(&path, least).unwrap();
    assert_eq!(config::load(&path).unwrap().warnings.len(), 1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(config::load(&path).unwrap().warnings, []);
}

#[test]
fn further_coins_stand_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("pool.toml"), folder.path().join("conf.d"));
    std::fs::create_dir(&beside).unwrap();
    let defaults = "[defaults.port]\nconnections_max = 77\n";
    std::fs::write(&path, format!("{defaults}{LEAST}")).unwrap();
    std::fs::write(beside.join("doge.toml"), SECOND).unwrap();
    // What editors leave and what is meant for others is not read.
    for name in [".doge.toml", "doge.toml~", "doge.toml.dpkg-old", "README"] {
        std::fs::write(beside.join(name), "no toml").unwrap();
    }
    let config = config::load(&path).unwrap();
    let names: Vec<&str> = config.coins.iter().map(|coin| coin.name.as_str()).collect();
    assert_eq!(names, ["litecoin", "dogecoin"]);
    assert!(config.coins.iter().all(|coin| coin.ports[0].connections_max == 77), "[defaults] are inherited");
    let public = |config: &Config| config.warnings.iter().filter(|warning| warning.what.contains("everybody")).count();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(public(&config::load(&path).unwrap()), 1, "the other file's password");

    let mistakes = |text: &str| {
        std::fs::write(beside.join("doge.toml"), text).unwrap();
        config::load(&path).unwrap_err().problems
    };
    let [problem] = &mistakes(&format!("[daemon]\nlog_level = \"info\"\n{SECOND}"))[..] else { panic!() };
    assert_eq!((problem.file.as_path(), problem.position), (&*beside.join("doge.toml"), Some((1, 2))));
    assert!(problem.what.contains("only [[coin]] tables"), "{problem}");
    // Names and ports are everybody's, and places are told with their file.
    for (text, part) in [(LEAST.to_owned(), "doge.toml:"), ("x = ".to_owned(), "this is not TOML")] {
        let problems = mistakes(&text);
        assert!(problems.iter().any(|problem| problem.to_string().contains(part)), "{problems:?}");
        assert!(problems.iter().all(|problem| problem.file == beside.join("doge.toml")), "{problems:?}");
    }
    std::fs::remove_file(beside.join("doge.toml")).unwrap();
    assert_eq!(config::load(&path).unwrap().coins.len(), 1);
    std::fs::create_dir(beside.join("folder.toml")).unwrap();
    assert!(config::load(&path).unwrap_err().to_string().contains("folder.toml: the file cannot be read"));
}

#[test]
fn no_message_repeats_a_password() {
    let shown = |text: &str| match config::parse(Path::new("p"), text.to_owned()) {
        Ok(config) => format!("{config:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    let inline_mpos = "mpos = { user = \"u\", password = \"hunter2\", database = \"mpos_doge\" }\n[[coin.node]]";
    let second_inline = SECOND.replacen("[[coin.node]]", inline_mpos, 1);
    let (second_inline, _) = second_inline.split_once("[coin.mpos]").unwrap();
    for text in [
        LEAST.to_owned(),
        LEAST.replace("user = \"mpos\"\npassword = \"hunter2\"", "user = 1\npassword = [\"hunter2\"]"),
        LEAST.replace("password = \"hunter2\"", "pasword = \"hunter2\""),
        LEAST.replace("password = \"hunter2\"", "password = \"hunter2"),
        LEAST.replace("password = \"hunter2\"", "password = hunter2"),
        LEAST.replace("password = \"hunter2\"", "password = \"hunter2\"\npassword_file = \"x\""),
        LEAST.replace("password = \"hunter2\"", "password = \"hunter2\"\npassword = \"hunter2\""),
        LEAST.replace("http://127", "http://rpc:hunter2@127"),
        LEAST.replace("[[coin.port]]", "[[coin.prt]]"),
        format!("{LEAST}{}", second_inline.replace("mpos_doge", "mpos")),
    ] {
        assert!(!shown(&text).contains("hunter2"), "{}", shown(&text));
    }
}

/// The example with every line `#key = ...` and `#[table]` taken in.
fn example_with_everything() -> toml::Table {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n").parse().unwrap()
}

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Every key of a table with its value, as `coin.port.listen`.
fn keys(prefix: &str, table: &toml::Table, found: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(table) => keys(&path, table, found),
            toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
                items.iter().filter_map(toml::Value::as_table).for_each(|table| keys(&path, table, found));
            }
            _ => {
                found.push((path.clone(), value.clone()));
                continue;
            }
        }
        found.push((path, toml::Value::Boolean(true)));
    }
}

#[test]
fn the_example_is_complete_and_true() {
    let config = read(EXAMPLE);
    assert!(config.coins[0].ports[0].vardiff.is_some());
    let with_tables = EXAMPLE.replace("\n#[", "\n[");
    let known = config::known_keys(Path::new("config.example.toml"), with_tables);
    let mut shown = Vec::new();
    keys("", &example_with_everything(), &mut shown);
    for key in known.keys() {
        assert!(shown.iter().any(|(path, _)| path == key), "{key} is not in the example");
    }
    for (path, value) in &shown {
        let path = path.strip_prefix("defaults.").map_or(path.clone(), |rest| format!("coin.{rest}"));
        let default = known.get(&path).unwrap_or_else(|| panic!("{path} of the example is no key"));
        if let Some(default) = default {
            let line: toml::Table = format!("default = {default}").parse().unwrap();
            assert_eq!(Some(value), line.get("default"), "{path}");
            let key = path.rsplit('.').next().unwrap();
            assert!(
                EXAMPLE.contains(&format!("\n#{key} = {default}\n")),
                "{path} shows its default, so it starts with #"
            );
        }
    }
}

/// Keys whose bounds are those of what they are: ports, heights, seconds since 1970, amounts.
const BOUNDS_OF_THEIR_OWN: [&str; 3] = ["65535", "4294967295", "9223372036854775807"];

#[test]
fn the_example_shows_the_bounds_of_every_number() {
    let (mut words, mut silent): (Vec<&str>, Vec<String>) = Default::default();
    let (mut table, mut seen, mut is_new) = ("", 0, true);
    let with_tables = EXAMPLE.replace("\n#[", "\n[");
    for line in with_tables.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        let setting = bare.split_once(" = ").filter(|_| bare.starts_with(|first: char| first.is_ascii_lowercase()));
        let Some((key, value)) = setting else {
            if bare.starts_with('[') {
                table = bare;
            }
            if std::mem::take(&mut is_new) {
                words.clear();
            }
            words.extend(bare.strip_prefix(' '));
            continue;
        };
        is_new = true;
        // What is inherited is explained where it is used.
        if table.starts_with("[defaults.") || value.parse::<f64>().is_err() {
            continue;
        }
        // Of this table, by its place: keys of several tables have one name.
        let at = line.as_ptr().addr() - with_tables.as_ptr().addr();
        let text = format!("{}{key} = -1{}", &with_tables[..at], &with_tables[at + line.len()..]);
        let problems = config::parse(Path::new("p"), text).unwrap_err().problems;
        let is_of_key = |problem: &&config::Problem| {
            problem.key.ends_with(&format!(".{key}")) && problem.value.as_deref() == Some("-1")
        };
        let problem = problems.iter().find(is_of_key).unwrap_or_else(|| panic!("{key}: {problems:?}"));
        let Some((_, bounds)) = problem.remedy.split_once("number from ") else { continue };
        let told = words.join(" ");
        let bounds = if key == "target_secs" { "1 to 60" } else { bounds.split(',').next().unwrap() };
        let is_of_its_own = BOUNDS_OF_THEIR_OWN.iter().any(|most| bounds.ends_with(most));
        if !told.contains(bounds) && !is_of_its_own {
            silent.push(format!("{key} may be {bounds}: {told}"));
        }
        seen += 1;
    }
    assert!(silent.is_empty() && seen > 60, "{seen}; {silent:#?}");
}

#[test]
fn the_profile_s_keys_stand_together_as_the_example_says() {
    // Read without a preset, each of them is asked for by the profile alone; what stands behind them is not.
    let (_, below) = EXAMPLE.split_once("\npreset = ").unwrap();
    let (profile, rest) = below.split_once("#p2p_port = ").unwrap();
    let preset = |name: &str| include_str!("../../src/coin/presets/bitcoin.toml").contains(name);
    assert!(preset("[schedule]") && preset("[addresses]"));
    for key in ["payout_address", "coinbase_text", "instance", "fallback_worker", "confirmations", "chain"] {
        let line = format!("\n{key} = ");
        assert!(!profile.replace("\n#", "\n").contains(&line), "{key} is not a profile's");
        assert!(rest.replace("\n#", "\n").contains(&line), "{key}");
    }
    for key in ["algorithm", "stratum_bits", "header", "version_mask", "extranonce2_bytes", "p2p_magic"] {
        assert!(profile.replace("\n#", "\n").contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn the_first_configuration_of_the_readme_is_good() {
    let readme = include_str!("../../README.md");
    let (_, after) = readme.split_once("```toml\n").unwrap();
    let (text, _) = after.split_once("```").unwrap();
    assert_eq!(read(text).coins[0].name, "litecoin");
}

#[test]
fn the_configuration_of_the_package_is_good_once_its_comments_are_taken_away() {
    let shipped = include_str!("../../packaging/config.toml");
    let error = config::parse(Path::new("p"), shipped.to_owned()).unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert_eq!(error.problems[0].what, "there is no coin");
    let setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    let taken: Vec<&str> = shipped.lines().filter(setting).map(|line| &line[1..]).collect();
    assert_eq!(read(&taken.join("\n")).coins[0].name, "litecoin");
}

proptest! {
    #[test]
    fn no_text_makes_reading_fail_otherwise_than_by_an_answer(
        cut in 0..EXAMPLE.len(), length in 0usize..200, insert in "[ -~\n]{0,20}"
    ) {
        let text: String = EXAMPLE.chars().take(cut).chain(insert.chars()).chain(EXAMPLE.chars().skip(cut + length)).collect();
        if let Err(error) = config::parse(Path::new("p"), text) {
            prop_assert!(!error.problems.is_empty());
        }
    }
}

#[test]
fn metrics_are_told_on_this_machine_unless_it_is_said_otherwise() {
    let with = |keys: &str| config::parse(Path::new("/etc/pool.toml"), format!("[metrics]\n{keys}\n{LEAST}"));
    let told = |keys: &str| with(keys).unwrap().daemon.metrics.map(|address| address.to_string());
    assert_eq!(told(""), None);
    assert_eq!(told("listen = \"127.0.0.1:9100\"").as_deref(), Some("127.0.0.1:9100"));
    assert_eq!(told("listen = \"[::1]:9100\"").as_deref(), Some("[::1]:9100"));
    assert_eq!(told("listen = \"0.0.0.0:9100\"\nallow_remote = true").as_deref(), Some("0.0.0.0:9100"));
    for wrong in ["listen = \"0.0.0.0:9100\"", "listen = \"192.0.2.1:9100\"\nallow_remote = false"] {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains("metrics.listen") && error.contains("allow_remote = true"), "{error}");
    }
    assert!(with("port = 9100").is_err());
}
