//! The judgement of a share: one pure function whose [`Outcome`] feeds the miner's answer, the row,
//! the counters and the difficulty adjustment alike, so that they cannot disagree.

use super::bar::{Bar, Met};
use super::reject::Reject;
use crate::bytes::Hash;
use crate::difficulty::{Difficulty, Target, difficulty_of_hash};

/// How far ahead of our clock a header's time may be, seconds: the consensus limit of the family.
pub const TIME_AHEAD_SECS_MAX: u32 = 7200;

/// Whether a job is worth working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It builds on the tip.
    Live,
    /// It builds on the block before the tip, but so shortly after the tip moved that the miner could
    /// not know; it counts. Only where the operator allows it.
    Late,
    /// It builds on a block that is no longer the tip.
    Stale,
    /// No node has confirmed the tip for too long: the work may be worthless.
    Paused,
}

/// What is known about a share once it is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The proof-of-work hash.
    pub pow: Hash,
    /// Whether the job was still worth working on when the line was read.
    pub freshness: Freshness,
    /// The submitted name is authorised on this connection.
    pub authorised: bool,
    /// The header's time lies within its window.
    pub time_in_range: bool,
    /// The header's version leaves everything outside the negotiated mask alone.
    pub version_in_mask: bool,
    /// It is remembered, so that a repeat of it would be noticed.
    pub remembered: bool,
    /// The difficulty that was in force when the job was sent to this connection.
    pub assigned: &'a Bar,
    /// The difficulty in force now, if it was set a short time ago: some miners work by a new
    /// difficulty at once, although it belongs to the next job only.
    pub newest: Option<&'a Bar>,
    /// The job's network target.
    pub network: Target,
}

/// What a share is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// What the miner is told; `Ok` becomes a `Y` row.
    pub verdict: Result<(), Reject>,
    /// The hash meets the network target: it goes to the nodes, whatever else is wrong with it.
    pub candidate: bool,
    /// The difficulty that is credited: the assigned one, or the newest where that is lower; never the
    /// hash's own, and never more than what was asked of it. A block that misses what was asked is worth what the
    /// network asked: else whoever has a difficulty above the network's would be paid for work he never did.
    pub credited: Difficulty,
    /// It counts only because of the tolerance.
    pub tolerated: bool,
    /// The difficulty the hash happens to have; for the audit log.
    pub share_difficulty: f64,
}

/// Judges a share.
pub fn judge(facts: &Facts<'_>, stratum_bits: u8) -> Outcome {
    let candidate = facts.network.is_met_by(&facts.pow);
    let lowered = facts.newest.filter(|newest| newest.difficulty() < facts.assigned.difficulty());
    let bar = lowered.unwrap_or(facts.assigned);
    // A block is work enough even where the chain is easier than the share target.
    let (met, credited) = match bar.check(&facts.pow) {
        Met::Missed if candidate => {
            let network = Difficulty::nearest(facts.network.difficulty(stratum_bits));
            (Met::Exactly, bar.difficulty().min(network))
        }
        _ if candidate => (Met::Exactly, bar.difficulty()),
        met => (met, bar.difficulty()),
    };
    let verdict = if !facts.authorised {
        Err(Reject::Unauthorized)
    } else if !facts.version_in_mask {
        Err(Reject::VersionBits)
    } else if !facts.time_in_range {
        Err(Reject::TimeRange)
    } else if facts.freshness == Freshness::Stale {
        Err(Reject::Stale)
    } else if facts.freshness == Freshness::Paused {
        Err(Reject::NoWork)
    } else if met == Met::Missed {
        Err(Reject::LowDifficulty)
    } else if !candidate && !facts.remembered {
        Err(Reject::TooMany)
    } else {
        Ok(())
    };
    Outcome {
        verdict,
        candidate,
        credited,
        tolerated: met == Met::Tolerated && verdict.is_ok(),
        share_difficulty: difficulty_of_hash(&facts.pow, stratum_bits),
    }
}

/// True if a header's time is acceptable: not before the template's least time, and not further
/// ahead of the clock than other nodes would take. The node's own clock, as the template shows it,
/// counts where ours is behind it.
pub fn time_in_range(time: u32, mintime: u32, curtime: u32, now: u64) -> bool {
    let now = now.max(u64::from(curtime));
    time >= mintime && u64::from(time) <= now.saturating_add(u64::from(TIME_AHEAD_SECS_MAX))
}

/// A header's version and whether the miner was allowed to choose it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// What is hashed.
    pub number: u32,
    /// Whether it differs from the job's inside the negotiated mask only.
    pub in_mask: bool,
}

/// The header version of a submit (BIP310, BIP320): the job's version with the miner's bits inside
/// the negotiated mask. Absent bits mean the job's own, and so does a field that just repeats the job's
/// version. Bits outside the mask are put in as well, for the hash may be a block even so, but they are
/// not allowed.
pub fn rolled_version(job: u32, mask: u32, bits: Option<u32>) -> Version {
    match bits {
        Some(bits) if bits != job => Version { number: job & !mask | bits, in_mask: bits & !mask == 0 },
        _ => Version { number: job, in_mask: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::u256::U256;

    fn bar(difficulty: f64) -> Bar {
        Bar::new(Difficulty::new(difficulty).unwrap(), 32, 0)
    }

    fn facts(pow: U256, assigned: &Bar) -> Facts<'_> {
        Facts {
            pow: pow.to_le_bytes(),
            freshness: Freshness::Live,
            authorised: true,
            time_in_range: true,
            version_in_mask: true,
            remembered: true,
            assigned,
            newest: None,
            network: Target(U256::from_u64(1).shift_left(100)),
        }
    }

    fn share_target(difficulty: f64) -> U256 {
        Target::for_share(Difficulty::new(difficulty).unwrap(), 32).0
    }

    fn above(target: U256) -> U256 {
        target.add_u64(1).unwrap()
    }

    #[test]
    fn w09_the_targets_decide_exactly() {
        let one = bar(1.0);
        let target = share_target(1.0);
        assert_eq!(judge(&facts(target, &one), 32).verdict, Ok(()));
        assert_eq!(judge(&facts(above(target), &one), 32).verdict, Err(Reject::LowDifficulty));
        let lenient = Bar::new(one.difficulty(), 32, 5000);
        let outcome = judge(&facts(above(target), &lenient), 32);
        assert_eq!((outcome.verdict, outcome.tolerated, outcome.credited.get()), (Ok(()), true, 1.0));
        assert!(!judge(&facts(target, &lenient), 32).tolerated);
        let end = lenient_end(target);
        assert_eq!(judge(&facts(end, &lenient), 32).verdict, Ok(()));
        assert_eq!(judge(&facts(above(end), &lenient), 32).verdict, Err(Reject::LowDifficulty));

        let network = U256::from_u64(1).shift_left(100);
        assert!(judge(&facts(network, &one), 32).candidate);
        let beyond = U256([1, network.0[1], 0, 0]);
        assert!(!judge(&facts(beyond, &one), 32).candidate);
        assert_eq!(judge(&facts(beyond, &one), 32).verdict, Ok(()));
    }

    /// The last hash within half a per cent.
    fn lenient_end(target: U256) -> U256 {
        let (part, _) = target.div_rem_u64(200).unwrap();
        target.checked_add(part).unwrap()
    }

    #[test]
    fn a_block_is_a_candidate_whatever_else_is_wrong_with_it() {
        let one = bar(1.0);
        let block = facts(U256::from_u64(1), &one);
        for (bad, reject) in [
            (Facts { freshness: Freshness::Stale, ..block }, Reject::Stale),
            (Facts { freshness: Freshness::Paused, ..block }, Reject::NoWork),
            (Facts { authorised: false, ..block }, Reject::Unauthorized),
            (Facts { time_in_range: false, ..block }, Reject::TimeRange),
            (Facts { version_in_mask: false, ..block }, Reject::VersionBits),
        ] {
            let outcome = judge(&bad, 32);
            assert_eq!((outcome.verdict, outcome.candidate), (Err(reject), true));
        }
        // On a chain that is easier than the share target a block is good work.
        let easy = Facts { network: Target(U256::MAX), ..facts(U256::MAX, &one) };
        assert_eq!(judge(&easy, 32).verdict, Ok(()));
        // A block found when nothing further can be remembered is a block; a share is not counted.
        assert_eq!(judge(&Facts { remembered: false, ..block }, 32).verdict, Ok(()));
        let share = Facts { remembered: false, ..facts(share_target(1.0), &one) };
        assert_eq!(judge(&share, 32).verdict, Err(Reject::TooMany));
    }

    #[test]
    fn the_assigned_difficulty_is_credited_not_the_hash_s_own() {
        let one = bar(1.0);
        let outcome = judge(&facts(U256::from_u64(1), &one), 32);
        assert_eq!(outcome.credited.get(), 1.0);
        assert!(outcome.share_difficulty > 1e60);
        let late = Facts { freshness: Freshness::Late, ..facts(share_target(1.0), &one) };
        assert_eq!(judge(&late, 32).verdict, Ok(()));
    }

    #[test]
    fn w10_a_block_is_credited_no_more_than_the_network_asked_where_it_misses_the_share_target() {
        let network = Target(share_target(0.25));
        for asked in [1.0, 1e12, 1e30] {
            let asked = bar(asked);
            let outcome = judge(&Facts { network, ..facts(network.0, &asked) }, 32);
            assert_eq!((outcome.verdict, outcome.candidate), (Ok(()), true));
            assert!((outcome.credited.get() / 0.25 - 1.0).abs() < 1e-9, "{outcome:?}");
        }
        // One that meets what was asked is credited that, be it more or less than the network's.
        for asked in [0.125, 0.25, 4.0] {
            let (pow, asked) = (share_target(asked).min(network.0), bar(asked));
            let outcome = judge(&Facts { network, ..facts(pow, &asked) }, 32);
            assert_eq!((outcome.candidate, outcome.credited), (true, asked.difficulty()));
        }
        // A chain so easy that no difficulty is low enough for it.
        let one = bar(1.0);
        let outcome = judge(&Facts { network: Target(U256::MAX), ..facts(U256::MAX, &one) }, 0);
        assert!(outcome.credited.get() < 1.0, "{outcome:?}");
    }

    #[test]
    fn w08_a_difficulty_lowered_a_moment_ago_is_enough_and_is_what_is_credited() {
        let (four, one) = (bar(4.0), bar(1.0));
        let weak = share_target(1.0);
        assert_eq!(judge(&facts(weak, &four), 32).verdict, Err(Reject::LowDifficulty));
        for pow in [weak, share_target(4.0)] {
            let outcome = judge(&Facts { newest: Some(&one), ..facts(pow, &four) }, 32);
            assert_eq!((outcome.verdict, outcome.credited.get()), (Ok(()), 1.0));
        }
        let weaker = Facts { newest: Some(&one), ..facts(above(weak), &four) };
        assert_eq!(judge(&weaker, 32).verdict, Err(Reject::LowDifficulty));
        // A raised one leaves the job's own alone.
        let outcome = judge(&Facts { newest: Some(&four), ..facts(weak, &one) }, 32);
        assert_eq!((outcome.verdict, outcome.credited.get()), (Ok(()), 1.0));
    }

    #[test]
    fn rolled_versions_stay_inside_the_mask() {
        let (job, mask) = (0x2000_0000, 0x1fff_e000);
        let rolled = |job, mask, bits| {
            let version = rolled_version(job, mask, bits);
            (version.number, version.in_mask)
        };
        assert_eq!(rolled(job, mask, None), (job, true));
        assert_eq!(rolled(job, mask, Some(0x0000_2000)), (0x2000_2000, true));
        assert_eq!(rolled(0x2000_4000, mask, Some(0)), (0x2000_0000, true));
        assert_eq!(rolled(job, mask, Some(1)), (0x2000_0001, false));
        assert_eq!(rolled(job, mask, Some(job)), (job, true));
        assert_eq!(rolled(job, 0, Some(0)), (job, true));
        assert_eq!(rolled(job, 0, Some(0x2000)), (0x2000_2000, false));
    }

    #[test]
    fn w26_the_time_window_has_exact_ends() {
        assert!(time_in_range(100, 100, 0, 50));
        assert!(!time_in_range(99, 100, 0, 50));
        assert!(time_in_range(7250, 100, 0, 50));
        assert!(!time_in_range(7251, 100, 0, 50));
        // Our clock is an hour behind the node's, or ahead of it.
        assert!(time_in_range(10_800, 100, 3650, 50));
        assert!(!time_in_range(10_851, 100, 3650, 50));
        assert!(time_in_range(10_850, 100, 50, 3650));
    }
}
