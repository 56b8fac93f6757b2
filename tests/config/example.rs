//! The example shows every key there is, with its default.

use std::path::Path;

use mpos_stratum::config;

use super::{EXAMPLE, read};

/// The example with every line `#key = ...` and `#[table]` taken in.
fn example_with_everything() -> toml::Table {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n").parse().unwrap()
}

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
    let known = config::known_keys(Path::new("config.example.toml"), EXAMPLE.to_owned());
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
