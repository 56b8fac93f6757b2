//! NOMP's folder: `config.json`, `pool_configs/*.json` and the files in `coins/` that those name.

mod accounts;
mod coin;
mod pool;
mod portal;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::file::{self, Unusable};
use super::history::{Context, Old};
use super::identity;
use super::mpos::MposFacts;
use super::value::{Node, Value};

/// Most files of one folder that are looked at; a portal has a few dozens.
const FILES_MAX: usize = 1000;

/// Reads the folder into a draft. Broken files of single pools are told and left out.
pub(super) fn import(cx: &Context, dir: &Path, mpos: &[MposFacts]) -> Result<Draft, Unusable> {
    let portal = file::json(&dir.join("config.json"))?;
    let old = Old::new(cx, "config.json", &portal);
    let mut draft = Draft::default();
    portal::import(&old, &mut draft.daemon);
    let empty = Node { line: 0, value: Value::Table(Vec::new()) };
    let defaults = old.within("defaultPoolConfigs").unwrap_or_else(|| Old::new(cx, "config.json", &empty));
    let mut coins = Coins { dir: dir.join("coins"), names: OnceCell::new(), seen: Vec::new() };
    for path in json_files(&dir.join("pool_configs"))? {
        let label = format!("pool_configs/{}", file_name(&path));
        match file::json(&path) {
            Err(unusable) => cx.remark(format!("{unusable}: this pool is left out")),
            Ok(node) => {
                let pool = Old::new(cx, &label, &node);
                draft.coins.extend(one_pool(cx, &label, pool, &defaults, &mut coins, mpos));
            }
        }
    }
    defaults.finish(&[pool::IDLE, portal::IDLE_DEFAULTS].concat());
    old.finish(portal::IDLE);
    if draft.coins.is_empty() {
        return Err(Unusable::new(dir, "no pool in pool_configs/ is enabled and readable; nothing is there to import"));
    }
    Ok(draft)
}

fn one_pool<'a>(
    cx: &'a Context,
    label: &str,
    pool: Old<'a>,
    defaults: &'a Old<'a>,
    coins: &mut Coins,
    mpos: &[MposFacts],
) -> Option<super::draft::CoinDraft> {
    if pool.flag("enabled").unwrap_or(pool.flag("disabled") != Some(true)) {
        pool.dropped("enabled", "what stands in the configuration is served");
        pool.dropped("disabled", "what stands in the configuration is served");
    } else {
        cx.remark(format!("{label}: not enabled, so it is left out"));
        return None;
    }
    let path = coins.find(pool.text("coin").unwrap_or_default());
    let Some(path) = path else {
        cx.remark(format!("{}: there is no such file or coin in coins/: this pool is left out", pool.place("coin")));
        return None;
    };
    if coins.seen.contains(&path) {
        cx.remark(format!(
            "{}: another pool has this coin too, with which NOMP would not start: left out",
            pool.place("coin")
        ));
        return None;
    }
    pool.taken("coin", "name, preset or algorithm");
    let node = match file::json(&path) {
        Ok(node) => node,
        Err(unusable) => {
            cx.remark(format!("{unusable}: the pool of {label} is left out"));
            return None;
        }
    };
    coins.seen.push(path.clone());
    let coin = Old::new(cx, &format!("coins/{}", file_name(&path)), &node);
    // `enabled` and `coin` were looked at before NOMP copied its defaults.
    pool::import(cx, pool.over(defaults), coin, mpos)
}

/// The JSON files of a folder, by name.
fn json_files(dir: &Path) -> Result<Vec<PathBuf>, Unusable> {
    let failed = |error: std::io::Error| Unusable::new(dir, format!("cannot be read: {error}"));
    let entries = std::fs::read_dir(dir).map_err(failed)?.take(FILES_MAX).filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    Ok(files)
}

/// The folder `coins`.
struct Coins {
    dir: PathBuf,
    /// Every file with the coin's name in it, read when first needed.
    names: OnceCell<Vec<(PathBuf, String)>>,
    /// Files that a pool has taken.
    seen: Vec<PathBuf>,
}

impl Coins {
    /// A coin's file, by its name or, as in the first versions, by the coin's.
    fn find(&self, coin: &str) -> Option<PathBuf> {
        // A file of this folder and no other.
        if coin.is_empty() || coin.contains(['/', '\0']) || coin == ".." {
            return None;
        }
        let direct = self.dir.join(coin);
        if direct.is_file() {
            return Some(direct);
        }
        let names = self.names.get_or_init(|| {
            let name = |path: PathBuf| match &file::json(&path).ok()?.get("name")?.value {
                Value::Text(name) => Some((path, name.clone())),
                _ => None,
            };
            json_files(&self.dir).unwrap_or_default().into_iter().filter_map(name).collect()
        });
        names.iter().find(|(_, name)| name.eq_ignore_ascii_case(coin)).map(|(path, _)| path.clone())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The name of a coin in our files.
fn coin_name(coin: &Old<'_>) -> String {
    coin.text("name").and_then(identity::name).unwrap_or_else(|| super::answers::UNNAMED.to_owned())
}
