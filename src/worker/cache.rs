//! A bounded memory of answers: at its bound the answer that was learnt longest ago goes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Something remembered, and since when.
#[derive(Debug)]
pub struct Remembered<V> {
    /// What the store said.
    pub value: V,
    /// When it said so; `None`: in an earlier run.
    since: Option<Instant>,
    order: u64,
}

impl<V> Remembered<V> {
    /// Whether the store said so less than `age` ago.
    pub fn is_younger_than(&self, age: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() < age)
    }
}

/// What the store said about names, the newest answers only.
#[derive(Debug)]
pub struct Cache<V> {
    entries: HashMap<Arc<str>, Remembered<V>>,
    by_order: BTreeMap<u64, Arc<str>>,
    next: u64,
    entries_max: usize,
}

impl<V> Cache<V> {
    /// An empty cache that never holds more than `entries_max` answers.
    pub fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), by_order: BTreeMap::new(), next: 0, entries_max }
    }

    /// What is remembered about `name`, however old.
    pub fn get(&self, name: &str) -> Option<&Remembered<V>> {
        self.entries.get(name)
    }

    /// Remembers an answer in place of an older one about the same name. `since`: when it was given,
    /// `None` for an answer of an earlier run.
    pub fn put(&mut self, name: &str, value: V, since: Option<Instant>) {
        self.forget(name);
        while self.entries.len() >= self.entries_max {
            let Some((_, oldest)) = self.by_order.pop_first() else { return };
            self.entries.remove(&oldest);
        }
        let name: Arc<str> = name.into();
        self.by_order.insert(self.next, Arc::clone(&name));
        self.entries.insert(name, Remembered { value, since, order: self.next });
        self.next += 1;
    }

    /// Forgets what is known about `name`.
    pub fn forget(&mut self, name: &str) {
        if let Some(gone) = self.entries.remove(name) {
            self.by_order.remove(&gone.order);
        }
    }

    /// Names and answers, in the order in which they were learnt.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.by_order.values().filter_map(|name| Some((name, &self.entries.get(name)?.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_answer_learnt_longest_ago_goes_first() {
        let mut cache = Cache::new(2);
        let now = Some(Instant::now());
        cache.put("a", 1, now);
        cache.put("b", 2, now);
        cache.put("a", 3, now);
        cache.put("c", 4, now);
        assert_eq!(cache.get("a").map(|known| known.value), Some(3));
        assert!(cache.get("b").is_none());
        assert_eq!((cache.entries.len(), cache.by_order.len()), (2, 2));
        assert_eq!(cache.iter().map(|(name, value)| (&**name, *value)).collect::<Vec<_>>(), [("a", 3), ("c", 4)]);
        cache.forget("a");
        assert!(cache.get("a").is_none());
        assert_eq!(cache.by_order.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_of_an_earlier_run_are_never_young() {
        let mut cache = Cache::new(2);
        let second = Duration::from_secs(1);
        cache.put("old", (), None);
        cache.put("new", (), Some(Instant::now()));
        let young = |name| cache.get(name).is_some_and(|known| known.is_younger_than(second));
        assert_eq!((young("old"), young("new")), (false, true));
        tokio::time::advance(second).await;
        assert!(!young("new"));
    }
}
