//! Difficulty adjustment of one connection: an estimate of its hash rate from the shares it sent
//! over the difficulty it worked at, and a statistical test of whether the rate is off its aim.
//!
//! The evidence is a count n of accepted shares over an exposure X, the time integral of
//! 1 / difficulty: n / X estimates the hash rate whatever the difficulty was meanwhile, so nothing
//! is reset at a change and silence is evidence too. At the present difficulty the exposure stands
//! for m shares that should have come. The test is that of a change point: for the last few shares,
//! more of them, and so on, n·ln(n/m) - (n - m) says by how much likelier the rate is n/m of the aim
//! than the aim itself. The stretch that says it loudest gives the estimate, once it is loud enough;
//! what lies before it is forgotten. Shares that come in bunches (a proxy, a lossy line) say less than
//! their number, so the verdict is divided by how much more their gaps vary than chance allows.

mod carried;

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::{Grid, Vardiff};
use crate::difficulty::Difficulty;

/// Stretches that are tested, in shares up to now, and how loud they have to be. 0 is the silence
/// since the last share.
const STRETCHES: [(usize, f64); 13] = [
    (0, 7.5),
    (1, 8.5),
    (2, 8.5),
    (3, 8.5),
    (4, 8.5),
    (6, 8.5),
    (8, 8.5),
    (11, 7.5),
    (16, 7.0),
    (22, 6.5),
    (32, 6.0),
    (45, 5.5),
    (64, 5.0),
];
/// Parts of shares that come to so much are a share: they are sums of quotients.
const WHOLE: f64 = 1.0 - 1e-9;
/// Shares whose exposure is remembered one by one.
const SHARES_KEPT_MAX: usize = 64;
/// From so many shares since the last change on, they are tested as a whole as well, and what is
/// found then may be finer than the dead band.
const LONG_SHARES_MIN: u64 = 96;
const LONG_LOUDNESS: f64 = 4.5;
const LONG_BAND: f64 = 1.15;
/// Least time between two changes, and between two that raise the difficulty of a flood.
const CHANGE_GAP: Duration = Duration::from_secs(5);
const FLOOD_GAP: Duration = Duration::from_secs(1);
/// A rate so many times the aim is a flood.
const FLOOD_RATIO: f64 = 16.0;
/// An estimate is moved towards the aim by so many of its standard deviations: what was loud enough to
/// be heard is probably exaggerated.
const CAUTION: f64 = 0.4;
/// Silence, or next to nothing, halves the difficulty twice and no more: now and then chance is silent.
const FEW_SHARES: usize = 4;
const FEW_SHARES_STEP: f64 = 0.25;
/// Silence alone lowers the difficulty so far, then only once every `SLOW_GAP`: a miner that is
/// switched off must not find next to nothing when it comes back.
const SILENT_FALL_MAX: f64 = 1.0 / 256.0;
/// From this fall on the next share is that of a miner who was away.
const RETURN_FALL: f64 = 1.0 / 16.0;
const SLOW_GAP: Duration = Duration::from_secs(600);
/// Largest change in one step, down and up.
const STEP_RANGE: (f64, f64) = (1.0 / 32.0, 512.0);
/// Shares that arrive together may have been held up for so long on the way: more of them prove no
/// higher rate.
const STALL_SECS: f64 = 20.0;
/// The mean square of the gaps between shares over the square of their mean: 2 for a lone steady
/// miner. What lies this far above 1 is taken for bunching.
const SPREAD_USUAL: f64 = 1.3;
/// Bunching beyond this is no chance any more: a bunch may then be longer than a stall.
const BUNCHING_CERTAIN: f64 = 1.4;
/// Over how many shares that mean square is taken, and over how many the mean.
const SPREAD_SHARES: f64 = 96.0;
const SPREAD_PRIOR_SHARES: f64 = 6.0;
const SPREAD_MEAN_SHARES: f64 = 16.0;
/// Most that one gap, such as a long silence, may add.
const SPREAD_GAP_MAX: f64 = 100.0;

/// The estimator of one connection.
#[derive(Debug)]
pub struct Estimator {
    difficulty: Difficulty,
    /// Exposure up to `since`, in seconds per unit of difficulty.
    exposure: f64,
    since: Duration,
    /// The connection has no work: time is no exposure.
    paused: bool,
    /// Exposure at each of the last shares, oldest first; starts with the exposure at which the
    /// evidence begins.
    shares: VecDeque<f64>,
    /// The running mean of the gaps, as exposure, and that of their squares over the square of the mean.
    gap: Option<f64>,
    gaps: f64,
    spread: f64,
    /// What shares of easier work come to so far, less than one.
    part: f64,
    /// Shares and the exposure at the start of what the present difficulty rests on.
    long: (u64, f64),
    /// By how much the difficulty fell since the last share.
    fallen: f64,
    changed: Duration,
    lowered: Duration,
}

/// What the evidence says.
#[derive(Debug, Clone, Copy)]
struct Finding {
    /// The rate over the aim.
    ratio: f64,
    /// How many of the last shares say so.
    shares: usize,
    /// By how much it exceeds what is needed, as a factor.
    loudness: f64,
}

impl Estimator {
    /// Starts the exposure: the first job was sent at `now` with `difficulty`.
    pub fn new(difficulty: Difficulty, now: Duration) -> Self {
        Self {
            difficulty,
            exposure: 0.0,
            since: now,
            paused: false,
            shares: VecDeque::from([0.0]),
            gap: None,
            gaps: 0.0,
            spread: 2.0,
            part: 0.0,
            long: (0, 0.0),
            fallen: 1.0,
            changed: now,
            lowered: now,
        }
    }

    fn advance(&mut self, now: Duration) {
        if !self.paused {
            self.exposure += now.saturating_sub(self.since).as_secs_f64() / self.difficulty.get();
        }
        self.since = self.since.max(now);
    }

    /// The connection has no work any more: its silence says nothing.
    pub fn pause(&mut self, now: Duration) {
        self.advance(now);
        self.paused = true;
    }

    /// The connection has work again.
    pub fn resume(&mut self, now: Duration) {
        self.advance(now);
        self.paused = false;
    }

    /// Counts an accepted share that was credited with a difficulty. One of work that was begun before a raise is only
    /// as much of one as it is worth: many of them may still wait to be read, and none says that the miner is fast
    /// enough for more.
    pub fn on_share(&mut self, now: Duration, credited: Difficulty) {
        self.advance(now);
        self.part += (credited.get() / self.difficulty.get()).min(1.0);
        if self.part < WHOLE {
            return;
        }
        self.part = (self.part - 1.0).max(0.0);
        if self.fallen < RETURN_FALL {
            // It was away. The difficulty has fallen for that; to count its silence once more would lower
            // it further just when the miner is back.
            self.shares.clear();
            self.long = (0, self.exposure);
        } else {
            self.long.0 += 1;
            self.take_in_gap();
        }
        self.fallen = 1.0;
        self.shares.push_back(self.exposure);
        if self.shares.len() > SHARES_KEPT_MAX + 1 {
            self.shares.pop_front();
        }
    }

    /// Whether any share was counted yet.
    pub fn has_evidence(&self) -> bool {
        self.shares.len() > 1
    }

    /// The expected time between two shares at the present difficulty; `None` without a share.
    pub fn expected_gap(&self) -> Option<Duration> {
        let counted = self.shares.len().checked_sub(1).filter(|counted| *counted > 0)?;
        let exposure = self.exposure - self.shares.front()?;
        Duration::try_from_secs_f64(exposure * self.difficulty.get() / counted as f64).ok()
    }

    /// The difficulty the connection should work at from now on, if it is not the present one.
    /// `cap` bounds it from above beside the configured maximum: the network's own difficulty.
    pub fn retarget(&mut self, now: Duration, bounds: &Vardiff, cap: Option<Difficulty>) -> Option<Difficulty> {
        self.advance(now);
        if self.paused || now.saturating_sub(self.changed) < FLOOD_GAP {
            return None;
        }
        let max = cap.map_or(bounds.max, |cap| cap.min(bounds.max)).max(bounds.min);
        if self.difficulty > max {
            // The network's has fallen below it: shares must not be harder than blocks.
            (self.changed, self.difficulty) = (now, max);
            return Some(max);
        }
        let finding = self.finding(bounds)?;
        if finding.ratio < FLOOD_RATIO && now.saturating_sub(self.changed) < CHANGE_GAP {
            return None;
        }
        if finding.ratio < 1.0 && now.saturating_sub(self.lowered) < bounds.retarget && self.has_evidence() {
            return None;
        }
        let is_slow = self.fallen <= SILENT_FALL_MAX;
        if finding.ratio < 1.0 && is_slow && now.saturating_sub(self.lowered) < SLOW_GAP {
            return None;
        }
        let ratio = if self.gap.is_none() { finding.ratio } else { cautious(finding) };
        let wanted = on_grid(self.difficulty.get() * factor(ratio, bounds), bounds.grid);
        let next = Difficulty::new(wanted)?.min(max).max(bounds.min);
        if next == self.difficulty {
            return None;
        }
        self.forget_before(finding);
        self.changed = now;
        if next < self.difficulty {
            self.lowered = now;
            self.fallen *= next.get() / self.difficulty.get();
        }
        self.difficulty = next;
        Some(next)
    }

    /// Whether the shares so far call for a change of difficulty.
    pub fn is_due(&self, now: Duration, bounds: &Vardiff) -> bool {
        let gap = now.saturating_sub(self.changed);
        gap >= FLOOD_GAP
            && self.finding(bounds).is_some_and(|finding| finding.ratio >= FLOOD_RATIO || gap >= CHANGE_GAP)
    }

    /// Keeps the shares of a finding and starts to count exposure from there, so that its numbers stay
    /// small. What may have held them up is exposure, too, or the same shares would be heard again at
    /// the new difficulty.
    fn forget_before(&mut self, finding: Finding) {
        let surplus = self.shares.len().saturating_sub(finding.shares + 1);
        self.shares.drain(..surplus);
        let start = self.shares.front().copied().unwrap_or(self.exposure);
        let stall = self.stall_secs() / self.difficulty.get();
        let stall = if finding.ratio > 1.0 { stall } else { 0.0 };
        self.shares.iter_mut().skip(1).for_each(|share| *share += stall - start);
        if let Some(first) = self.shares.front_mut() {
            *first = 0.0;
        }
        self.exposure += stall - start;
        self.long = (self.shares.len().saturating_sub(1) as u64, 0.0);
    }

    /// The stretch that says the loudest that the rate is off.
    fn finding(&self, bounds: &Vardiff) -> Option<Finding> {
        let target = bounds.target.as_secs_f64();
        let known = self.shares.len().saturating_sub(1);
        let band = 1.0 + bounds.variance;
        let mut loudest: Option<Finding> = None;
        for (shares, needed) in STRETCHES {
            let count = shares.min(known);
            let Some(start) = self.shares.get(known - count) else { continue };
            let expected = (self.exposure - start) * self.difficulty.get() / target;
            let Some((ratio, evidence)) = weigh(count as f64, expected, self.stall_secs() / target) else { continue };
            let louder = loudest.is_none_or(|loudest| evidence / needed > loudest.loudness);
            if louder && !(1.0 / band..=band).contains(&ratio) {
                loudest = Some(Finding { ratio, shares: count, loudness: evidence / needed });
            }
            if shares >= known {
                break;
            }
        }
        let needed = self.bunching();
        let is_loud = |finding: &Finding| finding.loudness > needed;
        loudest.filter(is_loud).or_else(|| self.long_finding(target).filter(is_loud))
    }

    /// What all shares since the last change say together.
    fn long_finding(&self, target: f64) -> Option<Finding> {
        let (count, start) = self.long;
        if count < LONG_SHARES_MIN {
            return None;
        }
        let expected = (self.exposure - start) * self.difficulty.get() / target;
        let (ratio, evidence) = weigh(count as f64, expected, 0.0)?;
        let is_off = !(1.0 / LONG_BAND..=LONG_BAND).contains(&ratio);
        is_off.then_some(Finding { ratio, shares: SHARES_KEPT_MAX, loudness: evidence / LONG_LOUDNESS })
    }

    /// By how much more the gaps vary than those of a lone miner, at least 1.
    fn bunching(&self) -> f64 {
        ((self.spread - 1.0) / SPREAD_USUAL).max(1.0)
    }

    /// For how many seconds shares may have been held up on the way.
    fn stall_secs(&self) -> f64 {
        let bunching = self.bunching();
        if bunching > BUNCHING_CERTAIN { bunching * STALL_SECS } else { STALL_SECS }
    }

    /// Takes the gap that the newest share ends into the spread.
    fn take_in_gap(&mut self) {
        let Some(last) = self.shares.back() else { return };
        let gap = self.exposure - last;
        let mean = self.gap.get_or_insert(gap);
        // The first gaps count for more: bunches are to be recognised soon.
        self.gaps += 1.0;
        *mean += (gap - *mean) / self.gaps.min(SPREAD_MEAN_SHARES);
        if *mean > 0.0 {
            let square = (gap / *mean).powi(2).min(SPREAD_GAP_MAX);
            self.spread += (square - self.spread) / (self.gaps + SPREAD_PRIOR_SHARES).min(SPREAD_SHARES);
        }
    }
}

/// The rate that `count` shares show where `expected` should have come, over the aim, and how much
/// likelier it is than the aim, as a logarithm. A rate above the aim has to be so even if all shares
/// were held up for as long as `stall` shares take.
fn weigh(count: f64, expected: f64, stall: f64) -> Option<(f64, f64)> {
    let expected = if count > expected { (expected + stall).min(count) } else { expected };
    if expected <= 0.0 {
        return None;
    }
    if count == 0.0 {
        return Some((0.5 / expected, expected));
    }
    let ratio = count / expected;
    Some((ratio, count * ratio.ln() - (count - expected)))
}

/// The rate a finding is acted on with.
fn cautious(finding: Finding) -> f64 {
    let Finding { ratio, shares, .. } = finding;
    if ratio < 1.0 && shares < FEW_SHARES {
        return ratio.max(FEW_SHARES_STEP);
    }
    let deviation = CAUTION / (shares as f64).sqrt();
    if ratio > 1.0 { (ratio * (-deviation).exp()).max(1.0) } else { (ratio * deviation.exp()).min(1.0) }
}

/// By how much the difficulty is to change for a rate that is `ratio` of the aim.
fn factor(ratio: f64, bounds: &Vardiff) -> f64 {
    if bounds.double_steps {
        return if ratio > 1.0 { 2.0 } else { 0.5 };
    }
    let (down, up) = bounds.max_jump.map_or(STEP_RANGE, |jump| (1.0 / jump, jump));
    ratio.clamp(STEP_RANGE.0.max(down), STEP_RANGE.1.min(up))
}

/// The nearest difficulty that is assigned; with a grid the next one below, so that no miner discards
/// work that would count.
fn on_grid(difficulty: f64, grid: Grid) -> f64 {
    match grid {
        Grid::Off => rounded(difficulty),
        Grid::Integer if difficulty >= 1.0 => difficulty.floor(),
        Grid::Integer => rounded(difficulty),
        Grid::PowerOfTwo => difficulty.log2().floor().exp2(),
    }
}

/// Two significant digits: short on the wire, exact in MPOS's 4-byte column for ordinary sizes, and
/// never so coarse that the aim is missed by more than a few per cent.
fn rounded(difficulty: f64) -> f64 {
    let scale = 10f64.powf(difficulty.log10().floor() - 1.0);
    let value = (difficulty / scale).round() * scale;
    // Going through text removes the binary noise that the multiplication left behind.
    format!("{value:.12}").parse::<f64>().ok().filter(|parsed| *parsed > 0.0).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Grid;

    fn bounds() -> Vardiff {
        Vardiff {
            min: Difficulty::new(0.001).unwrap(),
            max: Difficulty::new(1e9).unwrap(),
            target: Duration::from_secs(15),
            retarget: Duration::from_secs(90),
            variance: 0.3,
            max_jump: None,
            double_steps: false,
            grid: Grid::Off,
        }
    }

    #[test]
    fn b09_a_silent_miner_is_lowered_to_the_minimum_and_a_fast_one_is_capped() {
        let (mut estimator, mut last) = (Estimator::new(Difficulty::new(1024.0).unwrap(), Duration::ZERO), 1024.0);
        for secs in (0..7200).step_by(5) {
            if let Some(next) = estimator.retarget(Duration::from_secs(secs), &bounds(), None) {
                assert!(next.get() < last);
                last = next.get();
            }
        }
        assert!(last <= 1.0, "{last}");

        let cap = Difficulty::new(50.0);
        let mut estimator = Estimator::new(Difficulty::new(1.0).unwrap(), Duration::ZERO);
        for ms in (0..60_000).step_by(10) {
            let present = estimator.difficulty;
            estimator.on_share(Duration::from_millis(ms), present);
            if let Some(next) = estimator.retarget(Duration::from_millis(ms), &bounds(), cap) {
                assert!(next.get() <= 50.0);
                last = next.get();
            }
        }
        assert_eq!(last, 50.0);
    }

    #[test]
    fn a_network_that_has_become_easier_takes_the_difficulty_with_it() {
        let mut estimator = Estimator::new(Difficulty::new(1024.0).unwrap(), Duration::ZERO);
        let mut at = |secs, cap| estimator.retarget(Duration::from_secs(secs), &bounds(), Difficulty::new(cap));
        assert_eq!(at(5, 2000.0), None);
        assert_eq!(at(10, 300.0), Difficulty::new(300.0), "without any evidence about the miner");
        assert_eq!(at(15, 300.0), None);
        // The port's least stands above it.
        assert_eq!(at(20, 1e-9), Difficulty::new(0.001));
        assert_eq!(at(25, 1e-9), None);
    }

    #[test]
    fn rounded_difficulties_are_short() {
        for (value, text) in [(123.456, "120"), (0.012_345, "0.012"), (98_765.0, "99000"), (1.0, "1"), (1.96, "2")] {
            assert_eq!(Difficulty::new(rounded(value)).unwrap().to_string(), text);
        }
    }

    #[test]
    fn time_without_work_is_no_silence() {
        let mut estimator = Estimator::new(Difficulty::new(1024.0).unwrap(), Duration::ZERO);
        estimator.pause(Duration::from_secs(10));
        for secs in (10..7200).step_by(5) {
            assert_eq!(estimator.retarget(Duration::from_secs(secs), &bounds(), None), None);
        }
        estimator.resume(Duration::from_secs(7200));
        assert_eq!(estimator.retarget(Duration::from_secs(7260), &bounds(), None), None);
        let lowered = estimator.retarget(Duration::from_secs(7310), &bounds(), None);
        assert!(lowered.is_some_and(|lowered| lowered.get() < 200.0));
    }

    #[test]
    fn the_expected_gap_is_that_of_the_present_difficulty() {
        let mut estimator = Estimator::new(Difficulty::new(8.0).unwrap(), Duration::ZERO);
        assert_eq!(estimator.expected_gap(), None);
        for secs in [10, 20, 30] {
            estimator.on_share(Duration::from_secs(secs), Difficulty::new(8.0).unwrap());
        }
        assert_eq!(estimator.expected_gap(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn steps_follow_the_predecessors_settings() {
        let with = |max_jump, double_steps| Vardiff { max_jump, double_steps, ..bounds() };
        assert_eq!(factor(20.0, &with(None, false)), 20.0);
        assert_eq!(factor(5000.0, &with(None, false)), 512.0);
        assert_eq!(factor(20.0, &with(Some(2.0), false)), 2.0);
        assert_eq!(factor(0.01, &with(Some(4.0), false)), 0.25);
        assert_eq!((factor(20.0, &with(None, true)), factor(0.1, &with(None, true))), (2.0, 0.5));
        for (grid, value, assigned) in [
            (Grid::Off, 123.456, 120.0),
            (Grid::Integer, 7.9, 7.0),
            (Grid::Integer, 0.123_4, 0.12),
            (Grid::PowerOfTwo, 7.9, 4.0),
            (Grid::PowerOfTwo, 0.3, 0.25),
        ] {
            assert_eq!(on_grid(value, grid), assigned);
        }
    }
}
