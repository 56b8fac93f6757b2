//! A patient: the healthy pool, and the comparison with it after each fault.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalogue::REMEDIES;
use crate::pool::{Found, Pool};

/// The healthy pool and what it says.
pub struct Ward {
    pub pool: Pool,
    pub usual: Found,
    /// What was not as a test expected it.
    pub missed: Vec<String>,
    /// Checks that have spoken, each with the word of its remedy that was found.
    pub heard: BTreeSet<(&'static str, &'static str)>,
}

impl Ward {
    pub fn new(pool: Pool, usual: Found) -> Self {
        Self { pool, usual, missed: Vec::new(), heard: BTreeSet::new() }
    }

    /// Exactly this check has something to say, its remedy names what mends it, and the exit code agrees.
    pub async fn expect(&mut self, what: &str, id: &str, severity: &str) {
        self.expect_in(&[], what, id, severity, &[]).await;
    }

    /// The same, where looking at other things needs what is broken: beside this check and `more`, an id and
    /// severity each, others say at most that they could not look.
    pub async fn expect_among(&mut self, what: &str, id: &str, severity: &str, more: &[(&str, &str)]) {
        let (code, found, value) = self.pool.found().await;
        let news: Vec<_> = found.difference(&self.usual).cloned().collect();
        let is_known = |(one, how): &(String, String)| {
            how == "could-not-look" || (one == id && how == severity) || more.contains(&(one, how))
        };
        if code != 1 || !news.contains(&(id.to_owned(), severity.to_owned())) || !news.iter().all(is_known) {
            self.miss(what, id, severity, code, &news, &value);
        }
        self.heed(what, id, severity, &value);
        for (id, severity) in more {
            self.heed(what, id, severity, &value);
        }
    }

    /// Exactly this check has something to say to a doctor that is started by a command, beside the `usual` of it.
    pub async fn expect_in(&mut self, by: &[&str], what: &str, id: &str, severity: &str, usual: &[(&str, &str)]) {
        let (code, found, value) = self.pool.found_by(by).await;
        let news: Vec<_> = found
            .difference(&self.usual)
            .filter(|(one, how)| !usual.contains(&(one.as_str(), how.as_str())))
            .cloned()
            .collect();
        let wrong = i32::from(severity != "note" || !usual.is_empty());
        if news != [(id.to_owned(), severity.to_owned())] || code != wrong {
            self.miss(what, id, severity, code, &news, &value);
        }
        self.heed(what, id, severity, &value);
    }

    /// The pool is as it was.
    pub async fn expect_health(&mut self, after: &str) {
        let (code, found, value) = self.pool.found().await;
        if code != 0 || found != self.usual {
            self.miss(after, "nothing", "new", code, &found.into_iter().collect::<Vec<_>>(), &value);
        }
    }

    /// Notes what a check says mends it; a check that says nothing is missed elsewhere.
    pub fn heed(&mut self, what: &str, id: &str, severity: &str, value: &Value) {
        let is_it = |one: &&Value| one["id"] == id && one["severity"] == severity;
        let Some(one) = value["findings"].as_array().unwrap().iter().find(is_it) else { return };
        let text = |key: &str| one[key].as_str().unwrap();
        assert!(!text("saw").is_empty() && !text("means").is_empty() && !text("about").is_empty(), "{what}: {one:#}");
        if severity == "could-not-look" {
            return;
        }
        let words = REMEDIES.iter().find(|(known, _)| *known == id);
        let found =
            words.and_then(|(id, words)| Some((*id, *words.iter().find(|word| text("mend").contains(**word))?)));
        match found {
            Some(heard) => drop(self.heard.insert(heard)),
            None => self.missed.push(format!("{what}: the remedy of {id} names none of {words:?}: {}", text("mend"))),
        }
    }

    fn miss(&mut self, what: &str, id: &str, severity: &str, code: i32, news: &[(String, String)], value: &Value) {
        let told: Vec<_> =
            value["findings"].as_array().unwrap().iter().filter(|one| one["severity"] != "fine").collect();
        self.missed.push(format!("{what}: expected {id} {severity}, got {code} {news:?}\n{told:#?}"));
    }
}
