//! Who knew of which tip when: counts for every source how often it was first and by how much.
//!
//! A tip counts once a node builds on it; what a source claims that no node confirms counts for nothing.

use std::collections::VecDeque;
use std::time::Duration;

use super::tip::Source;
use crate::bytes::{Hash, display_hash};

const SOURCES: usize = Source::OF_TIPS.len();
/// Tips remembered, confirmed or only claimed; beyond it the oldest is forgotten.
const TIPS_MAX: usize = 32;
/// A source that is so much later than the first has missed the tip.
const LATE_MAX: Duration = Duration::from_secs(2);
/// So many tips missed in a row make a warning.
const MISSED_MAX: u32 = 10;

/// What is known about one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Tips it told of.
    pub told: u64,
    /// Tips it was first with.
    pub first: u64,
    /// How much earlier than the second it was with those that others told of too, all together.
    pub lead: Duration,
    /// How many tips `lead` is about.
    pub led: u64,
    /// How much later than the first it was with the others, all together.
    pub behind: Duration,
    /// Tips in a row that it did not tell of in time.
    pub missed: u32,
}

/// A tip and when each source told of it.
#[derive(Debug)]
struct Tip {
    hash: Hash,
    told: [Option<Duration>; SOURCES],
    is_confirmed: bool,
    is_counted: bool,
}

impl Tip {
    fn first_at(&self) -> Option<Duration> {
        self.told.iter().flatten().min().copied()
    }
}

/// The counts of a coin.
#[derive(Debug, Default)]
pub(super) struct Tally {
    tips: VecDeque<Tip>,
    counts: [Count; SOURCES],
    /// Sources in use: only these can miss a tip. How much later than the first each may be.
    used: [Option<Duration>; SOURCES],
}

impl Tally {
    /// The source is in use; `pace` is how rarely it looks, if it does not hear of tips by itself.
    pub(super) fn in_use(&mut self, source: Source, pace: Duration) {
        if let Some(used) = source.index().and_then(|index| self.used.get_mut(index)) {
            *used = Some(LATE_MAX + pace);
        }
    }

    /// No source is in use any more until it is said again.
    pub(super) fn none_in_use(&mut self) {
        self.used = [None; SOURCES];
    }

    /// A source tells of a tip. True if a node builds on it already.
    pub(super) fn told(&mut self, source: Source, hash: Hash, now: Duration) -> bool {
        let tip = self.tip(hash);
        if let Some(told) = source.index().and_then(|index| tip.told.get_mut(index)) {
            told.get_or_insert(now);
        }
        tip.is_confirmed
    }

    /// A node builds on the tip. The tips before it are counted.
    pub(super) fn confirmed(&mut self, hash: Hash, now: Duration) {
        self.count(now);
        self.tip(hash).is_confirmed = true;
    }

    /// A tip that was there before anybody could tell of it: it counts for nobody.
    pub(super) fn known(&mut self, hash: Hash) {
        let tip = self.tip(hash);
        (tip.is_confirmed, tip.is_counted) = (true, true);
    }

    fn tip(&mut self, hash: Hash) -> &mut Tip {
        let at = self.tips.iter().position(|tip| tip.hash == hash).unwrap_or_else(|| {
            if self.tips.len() == TIPS_MAX {
                self.tips.pop_front();
            }
            self.tips.push_back(Tip { hash, told: [None; SOURCES], is_confirmed: false, is_counted: false });
            self.tips.len() - 1
        });
        &mut self.tips[at]
    }

    fn count(&mut self, now: Duration) {
        for tip in self.tips.iter_mut().filter(|tip| tip.is_confirmed && !tip.is_counted) {
            tip.is_counted = true;
            add(&mut self.counts, tip);
            // A script that has told of a tip is expected to go on.
            for (used, told) in self.used.iter_mut().zip(tip.told) {
                *used = used.or(told.map(|_| LATE_MAX));
            }
            note_missed(&mut self.counts, &self.used, tip, now);
        }
    }

    /// The counts so far, with those tips that are not behind us yet.
    pub(super) fn counts(&self) -> Vec<(Source, Count)> {
        let mut counts = self.counts;
        for tip in self.tips.iter().filter(|tip| tip.is_confirmed && !tip.is_counted) {
            add(&mut counts, tip);
        }
        let used = counts.iter().zip(self.used).map(|(count, used)| used.is_some() || count.told > 0);
        let rows = Source::OF_TIPS.into_iter().zip(counts).zip(used);
        rows.filter_map(|(row, used)| used.then_some(row)).collect()
    }
}

/// Adds what each source did about a tip.
fn add(counts: &mut [Count; SOURCES], tip: &Tip) {
    let Some(first) = tip.first_at() else { return };
    let winner = tip.told.iter().position(|told| *told == Some(first));
    let others = tip.told.iter().enumerate().filter(|(index, _)| Some(*index) != winner);
    let second = others.filter_map(|(_, told)| *told).min();
    for (index, (count, told)) in counts.iter_mut().zip(tip.told).enumerate() {
        let Some(told) = told else { continue };
        count.told += 1;
        if Some(index) == winner {
            count.first += 1;
            if let Some(second) = second {
                count.led += 1;
                count.lead += second.saturating_sub(first);
            }
        } else {
            count.behind += told.saturating_sub(first);
        }
    }
}

fn note_missed(counts: &mut [Count; SOURCES], used: &[Option<Duration>; SOURCES], tip: &Tip, now: Duration) {
    let Some(first) = tip.first_at() else { return };
    let rows = counts.iter_mut().zip(used).zip(tip.told).zip(Source::OF_TIPS);
    for (((count, late), told), source) in rows {
        let Some(late) = *late else { continue };
        if told.is_some_and(|told| told.saturating_sub(first) < late) {
            if count.missed >= MISSED_MAX {
                tracing::info!(source = source.name(), "this source of new tips works again");
            }
            count.missed = 0;
            continue;
        }
        if now.saturating_sub(first) < late {
            // The next block came before it was late.
            continue;
        }
        count.missed = count.missed.saturating_add(1);
        if count.missed == MISSED_MAX {
            let tip = display_hash(&tip.hash);
            tracing::warn!(
                source = source.name(),
                missed = MISSED_MAX,
                tip,
                "this source of new tips has been silent or late for many blocks: check its settings here and on the node"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn count_of(tally: &Tally, source: Source) -> Count {
        tally.counts().into_iter().find(|(of, _)| *of == source).unwrap().1
    }

    #[test]
    fn the_first_wins_and_its_lead_is_over_the_second() {
        let mut tally = Tally::default();
        assert!(!tally.told(Source::Zmq, [1; 32], at(100)));
        tally.told(Source::Longpoll, [1; 32], at(103));
        tally.confirmed([1; 32], at(104));
        // Later words on the same tip, and repeated ones.
        assert!(tally.told(Source::Poll, [1; 32], at(600)));
        assert!(tally.told(Source::Zmq, [1; 32], at(700)));
        assert_eq!(count_of(&tally, Source::Zmq), Count { told: 1, first: 1, lead: at(3), led: 1, ..Count::default() });
        assert_eq!(count_of(&tally, Source::Longpoll), Count { told: 1, behind: at(3), ..Count::default() });
        assert_eq!(count_of(&tally, Source::Poll), Count { told: 1, behind: at(500), ..Count::default() });
        // Being behind us changes nothing.
        let before = tally.counts();
        tally.confirmed([2; 32], at(800));
        assert_eq!(tally.counts(), before);
    }

    #[test]
    fn what_no_node_confirms_counts_for_nobody() {
        let mut tally = Tally::default();
        tally.told(Source::NompLine, [9; 32], at(1));
        tally.known([1; 32]);
        tally.told(Source::Poll, [1; 32], at(2));
        assert!(tally.counts().is_empty());
        // And it cannot fill the memory.
        for byte in 0..=255 {
            tally.told(Source::NompLine, [byte; 32], at(3));
        }
        assert_eq!(tally.tips.len(), TIPS_MAX);
    }

    #[test]
    fn a_slow_poll_is_not_late_and_a_script_that_worked_once_is_missed() {
        let mut tally = Tally::default();
        tally.in_use(Source::Poll, Duration::from_secs(60));
        tally.in_use(Source::Longpoll, Duration::ZERO);
        for byte in 1..=5u8 {
            let now = at(u64::from(byte) * 100_000);
            tally.told(Source::Longpoll, [byte; 32], now);
            tally.confirmed([byte; 32], now);
            tally.told(Source::Poll, [byte; 32], now + at(55_000));
            if byte == 1 {
                tally.told(Source::NompLine, [byte; 32], now + at(50));
            }
        }
        tally.confirmed([6; 32], at(600_000));
        assert_eq!((count_of(&tally, Source::Poll).missed, count_of(&tally, Source::NompLine).missed), (0, 4));
    }

    #[test]
    fn a_source_that_is_silent_or_late_has_missed_it() {
        let mut tally = Tally::default();
        tally.in_use(Source::Poll, Duration::from_secs(1));
        tally.in_use(Source::Zmq, Duration::ZERO);
        for byte in 1..=12u8 {
            let now = at(u64::from(byte) * 10_000);
            tally.told(Source::Poll, [byte; 32], now);
            tally.confirmed([byte; 32], now);
            if byte == 12 {
                tally.told(Source::Zmq, [byte; 32], now + at(1999));
            } else {
                tally.told(Source::Zmq, [byte; 32], now + at(2000));
            }
        }
        assert_eq!((count_of(&tally, Source::Zmq).missed, count_of(&tally, Source::Poll).missed), (11, 0));
        tally.confirmed([13; 32], at(200_000));
        assert_eq!(count_of(&tally, Source::Zmq).missed, 0);
    }
}
