//! The format: which tables and keys there are, their bounds and their defaults. One file per table.

mod algorithm;
mod coin;
mod daemon;
mod database;
mod fixed_output;
mod metrics;
mod node;
mod port;
mod profile;
mod recipient;
mod rules;
mod transport;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::Config;
use super::problem::{Place, Report, Source};
use super::relations::{self, CoinMarks};
use super::section::{Layer, Section};
use crate::coin::preset::{self, PRESETS};
use crate::coin::profile::Profile;

/// The presets, parsed.
struct Presets(BTreeMap<&'static str, (Source, Spanned<DeTable<'static>>)>);

impl Presets {
    fn new(report: &Report) -> Self {
        let parsed = PRESETS.iter().map(|preset| {
            let source = Source::new(Path::new(preset.name), preset.toml.to_owned());
            let table = parsed(&source, preset.toml, report);
            (preset.name, (source, table))
        });
        Self(parsed.collect())
    }

    fn layer(&self, name: &str) -> Option<Layer<'_>> {
        let (source, table) = self.0.get(preset::find(name)?.name)?;
        Some(Layer { source, table: table.get_ref(), path: format!("preset {name}") })
    }
}

/// Parses a text and reports every mistake of syntax.
fn parsed<'t>(source: &Source, text: &'t str, report: &Report) -> Spanned<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        report.syntax(source, error);
    }
    table
}

/// Reads everything: the file, and those beside it that hold further coins. `None` only together with a problem in
/// `report`.
pub(super) fn config(sources: &[Source], report: &Report) -> Option<Config> {
    let presets = Presets::new(report);
    let documents: Vec<_> = sources.iter().map(|source| (source, parsed(source, source.text(), report))).collect();
    let ((source, document), drop_ins) = documents.split_first()?;
    if report.has_problems() {
        // Whatever the tables of a text with mistakes seem to say would only lead to more of them.
        return None;
    }
    let layer = Layer { source, table: document.get_ref(), path: String::new() };
    let top = Section::new(report, "", vec![layer.clone()], home(source));

    let (tls_files, handshakes) = transport::daemon_wide(top.table("tls"));
    let metrics = metrics::read(top.table("metrics"));
    let listen = metrics.as_ref().map(|door| door.address);
    let (daemon, nomp) = daemon::read(top.table("daemon"), source, handshakes, listen);
    let doors: Vec<_> = metrics.into_iter().chain(nomp).collect();
    let defaults = defaults(&top, &layer);
    let read_coin = |section| coin::read(report, section, defaults.as_ref(), &presets, &tls_files);
    let further = drop_ins.iter().flat_map(|(source, document)| coins_of_drop_in(report, source, document));
    let sections = top.tables("coin").into_iter().chain(further);
    let (coins, marks): (Vec<_>, Vec<CoinMarks<'_>>) = sections.map(read_coin).unzip();
    if marks.is_empty() {
        report.problem(&top.place("coin"), "there is no coin", "add a [[coin]] table; config.example.toml shows one");
    }
    top.finish();
    relations::check(report, &doors, &marks);
    sources.iter().for_each(|source| report.note_file(source.path()));
    if report.holds_secret() {
        sources.iter().for_each(|source| warn_if_public(report, source.path(), &home(source)));
    }
    let coins = coins.into_iter().map(|coin| coin.map(Arc::new)).collect::<Option<Vec<_>>>()?;
    Some(Config { daemon: daemon?, coins, warnings: Vec::new(), files: Vec::new() })
}

/// The coins of a file beside the configuration; anything else in it would leave open which file decides.
fn coins_of_drop_in<'a>(
    report: &'a Report,
    source: &'a Source,
    document: &'a Spanned<DeTable<'a>>,
) -> Vec<Section<'a>> {
    for (key, _) in document.get_ref().iter().filter(|(key, _)| key.get_ref() != "coin") {
        let place = Place { source, span: key.span(), key: key.get_ref().to_string(), shown: false };
        report.problem(&place, "only [[coin]] tables may stand here", "move it into the configuration file itself");
    }
    let layer = Layer { source, table: document.get_ref(), path: String::new() };
    Section::new(report, "", vec![layer], home(source)).tables("coin")
}

/// A file as a whole.
fn home(source: &Source) -> Place<'_> {
    Place { source, span: 0..0, key: String::new(), shown: false }
}

/// What operators add to presets of coins that MPOS has no class for and of algorithms that are not proven.
const BY_THE_OPERATOR: &str = "mpos_bits = 24\naccept_unproven = true\naccept_expensive = true";

/// The profile of a shipped preset; what only the operator can say is as in [`BY_THE_OPERATOR`].
pub(super) fn preset_profile(name: &str) -> Option<Profile> {
    let report = Report::default();
    let presets = Presets::new(&report);
    let layer = presets.layer(name)?;
    let operator = Source::new(Path::new("preset"), BY_THE_OPERATOR.to_owned());
    let table = parsed(&operator, BY_THE_OPERATOR, &report);
    let below = Layer { source: &operator, table: table.get_ref(), path: String::new() };
    let home = home(layer.source);
    profile::read(&report, &Section::new(&report, "coin", vec![layer, below], home))
}

/// The layer of `[defaults]`.
fn defaults<'a>(top: &Section<'a>, layer: &Layer<'a>) -> Option<Layer<'a>> {
    let (value, place) = top.find("defaults")?;
    match value.as_table() {
        Some(table) => Some(Layer { source: layer.source, table, path: "defaults".to_owned() }),
        None => {
            top.report().problem(&place, "must be a table", "write it as [defaults] with its keys below");
            None
        }
    }
}

/// Warns if a file that holds a password may be read by everybody.
fn warn_if_public(report: &Report, path: &Path, place: &Place<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if metadata.permissions().mode() & 0o004 != 0 {
        let remedy = format!("chmod o-rwx {}", path.display());
        report.warning(place, format!("{} holds a password and everybody may read it", path.display()), remedy);
    }
}
