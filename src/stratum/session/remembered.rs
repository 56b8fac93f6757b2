//! What difficulty suited a worker last: the storm of reconnections after an outage starts where each
//! miner was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::difficulty::Difficulty;

/// Most pairs of worker and program remembered; at it the expired ones go, then any.
pub const REMEMBERED_MAX: usize = 65_536;
/// How long one is remembered.
pub const REMEMBER: Duration = Duration::from_secs(24 * 3600);

type Pair = (Arc<str>, Box<str>);

/// The difficulties of a coin's miners; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Remembered(Arc<Mutex<HashMap<Pair, (Difficulty, Duration)>>>);

impl Remembered {
    /// Remembers what suited a worker with a mining program.
    pub fn put(&self, worker: &Arc<str>, agent: &str, difficulty: Difficulty, now: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (Arc::clone(worker), agent.into());
        if known.len() >= REMEMBERED_MAX && !known.contains_key(&pair) {
            known.retain(|_, (_, at)| now.saturating_sub(*at) < REMEMBER);
            let any = known.keys().next().cloned().filter(|_| known.len() >= REMEMBERED_MAX);
            any.map(|any| known.remove(&any));
        }
        known.insert(pair, (difficulty, now));
    }

    /// What suited a worker with a mining program, if that is not too long ago.
    pub fn get(&self, worker: &Arc<str>, agent: &str, now: Duration) -> Option<Difficulty> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (difficulty, at) = known.get(&(Arc::clone(worker), agent.into()))?;
        (now.saturating_sub(*at) < REMEMBER).then_some(*difficulty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_of_a_worker_is_remembered_for_a_day_and_memory_is_bounded() {
        let remembered = Remembered::default();
        let worker: Arc<str> = "a.b".into();
        let eight = Difficulty::new(8.0).unwrap();
        remembered.put(&worker, "cgminer", eight, Duration::ZERO);
        assert_eq!(remembered.get(&worker, "cgminer", REMEMBER - Duration::from_secs(1)), Some(eight));
        assert_eq!(remembered.get(&worker, "cgminer", REMEMBER), None);
        assert_eq!(remembered.get(&worker, "other", Duration::ZERO), None);
        for number in 0..REMEMBERED_MAX {
            remembered.put(&format!("a.{number}").into(), "x", eight, Duration::from_secs(1));
        }
        assert_eq!(remembered.0.lock().unwrap().len(), REMEMBERED_MAX);
        assert_eq!(remembered.get(&format!("a.{}", REMEMBERED_MAX - 1).into(), "x", REMEMBER), Some(eight));
    }
}
