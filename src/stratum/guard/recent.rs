//! A map that forgets what was not touched for the longest time once it is full.

use std::collections::{BTreeMap, HashMap};

use super::source::Source;

/// Values by source, at most `most` of them.
#[derive(Debug)]
pub struct Recent<V> {
    most: usize,
    values: HashMap<Source, (u64, V)>,
    /// Sources by the moment they were touched last, counted in touches.
    order: BTreeMap<u64, Source>,
    touches: u64,
}

impl<V: Default> Recent<V> {
    /// An empty one.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), values: HashMap::new(), order: BTreeMap::new(), touches: 0 }
    }

    /// The value of a source, new if there is none: the one not touched for the longest time gives way.
    pub fn touch(&mut self, source: Source) -> &mut V {
        if !self.values.contains_key(&source)
            && self.values.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
        }
        self.touches += 1;
        let (touched, value) = self.values.entry(source).or_default();
        self.order.remove(touched);
        *touched = self.touches;
        self.order.insert(self.touches, source);
        value
    }

    /// The value of a source; looking is no touch.
    pub fn get(&self, source: Source) -> Option<&V> {
        self.values.get(&source).map(|(_, value)| value)
    }

    /// Everything, the longest untouched first.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &V)> {
        self.order.values().filter_map(|source| Some((*source, self.get(*source)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u32) -> Source {
        Source::V4(number.to_be_bytes())
    }

    #[test]
    fn the_longest_untouched_gives_way() {
        let mut recent = Recent::<u32>::new(3);
        for number in 1..=3 {
            *recent.touch(source(number)) = number;
        }
        assert_eq!(*recent.touch(source(1)), 1);
        *recent.touch(source(4)) = 4;
        assert_eq!(recent.get(source(2)), None);
        let left: Vec<u32> = recent.iter().map(|(_, value)| *value).collect();
        assert_eq!(left, [3, 1, 4]);
    }

    #[test]
    fn no_flood_makes_it_grow() {
        let mut recent = Recent::<u32>::new(100);
        for number in 0..10_000 {
            *recent.touch(source(number % 1000)) += 1;
            assert!(recent.values.len() <= 100 && recent.order.len() == recent.values.len());
        }
    }
}
