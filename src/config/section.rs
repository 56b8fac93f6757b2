//! A table of the configuration seen through its layers.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Report, Source};
use super::value::{Wrong, nonempty};

/// One place that may say something about a table: the table itself, the defaults, or a preset.
#[derive(Clone)]
pub(super) struct Layer<'a> {
    pub(super) source: &'a Source,
    pub(super) table: &'a DeTable<'a>,
    /// How its keys are called in messages, `defaults.port`.
    pub(super) path: String,
}

impl<'a> Layer<'a> {
    /// The value of a key and its place.
    pub(super) fn get(&self, key: &str) -> Option<(&'a DeValue<'a>, Place<'a>)> {
        let value = self.table.get(key)?;
        // Tables are never repeated in messages: they may hold passwords.
        let shown = !value.get_ref().is_table() && !value.get_ref().is_array();
        let place = Place { source: self.source, span: value.span(), key: joined(&self.path, key), shown };
        Some((value.get_ref(), place))
    }

    fn has_any(&self, keys: &[&'static str]) -> bool {
        keys.iter().any(|key| self.table.contains_key(*key))
    }
}

/// A table of the format. Every key is asked for by name; [`Section::finish`] reports the keys that
/// were written but never asked for.
#[must_use]
pub(super) struct Section<'a> {
    report: &'a Report,
    /// Nearest first.
    layers: Vec<Layer<'a>>,
    /// Where a missing key should have been.
    home: Place<'a>,
    /// The table's name in the format, without indices: `coin.port`.
    table: String,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(report: &'a Report, table: &str, layers: Vec<Layer<'a>>, home: Place<'a>) -> Self {
        Self {
            report,
            layers,
            home: Place { shown: false, ..home },
            table: table.to_owned(),
            asked: RefCell::default(),
        }
    }

    fn ask(&self, key: &'static str, default: Option<&'static str>) {
        self.asked.borrow_mut().insert(key);
        self.report.asked(joined(&self.table, key), default);
    }

    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// The same table with one more layer below all others.
    pub(super) fn with_below(mut self, layer: Option<Layer<'a>>) -> Self {
        self.layers.extend(layer);
        self
    }

    /// The same table with one more layer right below the one that decides `key`.
    pub(super) fn with_below_key(mut self, key: &str, layer: Layer<'a>) -> Self {
        let above = self.layers.iter().position(|layer| layer.table.contains_key(key));
        self.layers.insert(above.map_or(self.layers.len(), |index| index + 1), layer);
        self
    }

    /// Calls the table by another name in messages from here on.
    pub(super) fn rename(&mut self, name: String) {
        if let Some(own) = self.layers.first_mut() {
            own.path.clone_from(&name);
        }
        self.home.key = name;
    }

    /// The nearest value of a key.
    pub(super) fn find(&self, key: &'static str) -> Option<(&'a DeValue<'a>, Place<'a>)> {
        self.ask(key, None);
        self.layers.iter().find_map(|layer| layer.get(key))
    }

    /// Where a key is written, or would be.
    pub(super) fn place(&self, key: &'static str) -> Place<'a> {
        let missing = || Place { key: joined(&self.home.key, key), ..self.home.clone() };
        self.layers.iter().find_map(|layer| layer.get(key)).map_or_else(missing, |(_, place)| place)
    }

    /// Where the table is.
    pub(super) fn home(&self) -> Place<'a> {
        self.home.clone()
    }

    /// A key that may be missing.
    pub(super) fn optional<T>(&self, key: &'static str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> Option<T> {
        let (value, place) = self.find(key)?;
        self.accept(&place, read(value))
    }

    /// A file that is named, as seen from the folder of the configuration.
    pub(super) fn file(&self, key: &'static str) -> Option<PathBuf> {
        let file = self.optional(key, |value| nonempty(value).map(|path| self.home().source.resolve(&path)))?;
        self.report().note_file(&file);
        Some(file)
    }

    /// A key that must be there; `example` is a line that would do.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        example: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let Some((value, place)) = self.find(key) else {
            self.missing(key, example);
            return None;
        };
        self.accept(&place, read(value))
    }

    /// A key with a default, which is given as it would be written in the file.
    pub(super) fn or<T>(
        &self,
        key: &'static str,
        default: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.ask(key, Some(default));
        match self.find(key) {
            Some((value, place)) => self.accept(&place, read(value)),
            None => DeValue::parse(default).ok().and_then(|value| self.accept(&self.place(key), read(value.get_ref()))),
        }
    }

    /// A key whose value no message may repeat.
    pub(super) fn secret<T>(&self, key: &'static str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> Option<T> {
        let (value, place) = self.find(key)?;
        self.accept(&Place { shown: false, ..place }, read(value))
    }

    /// Reports that a key is missing.
    pub(super) fn missing(&self, key: &'static str, example: &str) {
        let what = "is required and missing";
        self.report.problem(&self.place(key), what, format!("add a line such as `{example}` to [{}]", self.table));
    }

    fn accept<T>(&self, place: &Place<'a>, value: Result<T, Wrong>) -> Option<T> {
        value.map_err(|wrong| self.report.problem(place, wrong.what, wrong.remedy)).ok()
    }

    /// Which of several ways to say something was chosen: the nearest layer that holds a key of any
    /// way decides, so that a coin's own `socket` displaces an inherited `host`. Two ways in one layer are
    /// a problem. Keys of the other ways count as known.
    pub(super) fn choose(&self, ways: &[&[&'static str]]) -> Option<usize> {
        for key in ways.iter().copied().flatten() {
            self.ask(key, None);
        }
        let layer = self.layers.iter().find(|layer| ways.iter().any(|way| layer.has_any(way)))?;
        let mut chosen = ways.iter().enumerate().filter(|(_, way)| layer.has_any(way));
        let (first, _) = chosen.next()?;
        if let Some((_, other)) = chosen.next() {
            let written = |way: &[&'static str]| way.iter().copied().find(|key| layer.table.contains_key(*key));
            let both = (ways.get(first).and_then(|way| written(way)), written(other));
            if let (Some(one), Some(two)) = both {
                let place = Place { shown: false, ..self.place(two) };
                self.report.problem(&place, format!("cannot stand beside `{one}`"), format!("keep `{one}` or `{two}`"));
            }
        }
        Some(first)
    }

    /// A table within this one: the tables of that name in all layers, merged key by key.
    pub(super) fn table(&self, key: &'static str) -> Section<'a> {
        self.ask(key, None);
        self.merged(key, &self.layers)
    }

    /// A table that need not be there: `None` if no layer has it, or if the nearest says `false`, which
    /// switches an inherited one off.
    pub(super) fn table_if_any(&self, key: &'static str) -> Option<Section<'a>> {
        self.ask(key, None);
        let is_off = |layer: &Layer<'_>| layer.get(key).is_some_and(|(value, _)| value.as_bool() == Some(false));
        let off = self.layers.iter().position(is_off).unwrap_or(self.layers.len());
        let layers = self.layers.get(..off)?;
        layers.iter().any(|layer| layer.table.contains_key(key)).then(|| self.merged(key, layers))
    }

    fn merged(&self, key: &str, from: &[Layer<'a>]) -> Section<'a> {
        let mut layers = Vec::new();
        let mut home = Place { key: joined(&self.home.key, key), ..self.home.clone() };
        for layer in from {
            match layer.get(key) {
                Some((DeValue::Table(table), place)) => {
                    layers.push(Layer { source: layer.source, table, path: place.key.clone() });
                    if layers.len() == 1 {
                        home = place;
                    }
                }
                Some((_, place)) => {
                    let remedy = format!("write it as [{}] with its keys below", joined(&self.table, key));
                    self.report.problem(&place, "must be a table", remedy);
                }
                None => {}
            }
        }
        Section::new(self.report, &joined(&self.table, key), layers, home)
    }

    /// Whether any layer says something about a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.layers.iter().any(|layer| layer.table.contains_key(key))
    }

    /// Whether the table itself says something about a key.
    pub(super) fn has_own(&self, key: &str) -> bool {
        self.layers.first().is_some_and(|layer| layer.table.contains_key(key))
    }

    /// The tables of an array such as `[[coin.port]]`, each with the defaults' single table of the same
    /// name below it. The first layer is the one that may hold the array.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Section<'a>> {
        self.ask(key, None);
        let name = joined(&self.table, key);
        let Some((own, inherited)) = self.layers.split_first() else { return Vec::new() };
        let mut below = Vec::new();
        for layer in inherited {
            match layer.get(key) {
                Some((DeValue::Table(table), place)) => {
                    below.push(Layer { source: layer.source, table, path: place.key });
                }
                Some((_, place)) => {
                    let remedy = format!("write it as [{}], once; its keys go into every [[{name}]]", place.key);
                    self.report.problem(&place, "must be a single table", remedy);
                }
                None => {}
            }
        }
        let Some((value, place)) = own.get(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.report.problem(&place, "must be an array of tables", format!("write it as [[{name}]]"));
            return Vec::new();
        };
        let item = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let path = format!("{}[{index}]", joined(&self.home.key, key));
            let home = Place { source: own.source, span: value.span(), key: path.clone(), shown: false };
            let Some(table) = value.get_ref().as_table() else {
                self.report.problem(&home, "must be a table", format!("write it as [[{name}]]"));
                return None;
            };
            let mut layers = vec![Layer { source: own.source, table, path }];
            layers.extend(below.iter().cloned());
            Some(Section::new(self.report, &name, layers, home))
        };
        items.iter().enumerate().filter_map(item).collect()
    }

    /// Reports the keys that were written but never asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.into_inner();
        for layer in &self.layers {
            for (key, _) in layer.table.iter().filter(|(key, _)| !asked.contains(key.get_ref().as_ref())) {
                let name = key.get_ref();
                let place =
                    Place { source: layer.source, span: key.span(), key: joined(&layer.path, name), shown: false };
                self.report.unknown(&place, name, &self.table);
            }
        }
    }
}

fn joined(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
