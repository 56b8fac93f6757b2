//! The judgement of a share: one pure function whose [`Outcome`] feeds the miner's answer, the row,
//! the counters and the difficulty adjustment alike, so that they cannot disagree.

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
    /// It builds on a block that is no longer the tip.
    Stale,
    /// No node has confirmed the tip for too long: the work may be worthless.
    Paused,
}

/// What is known about a share once it is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The proof-of-work hash.
    pub pow: Hash,
    /// Whether the job was still worth working on when the line was read.
    pub freshness: Freshness,
    /// The submitted name is authorised on this connection.
    pub authorised: bool,
    /// The header's time lies within its window.
    pub time_in_range: bool,
    /// It is remembered, so that a repeat of it would be noticed.
    pub remembered: bool,
    /// The difficulty that was in force when the job was sent to this connection.
    pub assigned: Difficulty,
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
    /// The difficulty that is credited: always the assigned one, never the hash's own.
    pub credited: Difficulty,
    /// The difficulty the hash happens to have; for the audit log.
    pub share_difficulty: f64,
}

/// Judges a share.
pub fn judge(facts: &Facts, stratum_bits: u8) -> Outcome {
    let candidate = facts.network.is_met_by(&facts.pow);
    let verdict = if !facts.authorised {
        Err(Reject::Unauthorized)
    } else if !facts.time_in_range {
        Err(Reject::TimeRange)
    } else if facts.freshness == Freshness::Stale {
        Err(Reject::Stale)
    } else if facts.freshness == Freshness::Paused {
        Err(Reject::NoWork)
    } else if !candidate && !Target::for_share(facts.assigned, stratum_bits).is_met_by(&facts.pow) {
        // A block is work enough even where the chain is easier than the share target.
        Err(Reject::LowDifficulty)
    } else if !candidate && !facts.remembered {
        Err(Reject::Duplicate)
    } else {
        Ok(())
    };
    Outcome {
        verdict,
        candidate,
        credited: facts.assigned,
        share_difficulty: difficulty_of_hash(&facts.pow, stratum_bits),
    }
}

/// True if a header's time is acceptable: not before the template's least time, and not further
/// ahead of our clock than other nodes would take.
pub fn time_in_range(time: u32, mintime: u32, now: u64) -> bool {
    time >= mintime && u64::from(time) <= now.saturating_add(u64::from(TIME_AHEAD_SECS_MAX))
}

/// The header version of a submit (BIP310, BIP320): the job's version with the miner's bits inside
/// the negotiated mask. Absent bits mean the job's own. Bits outside the mask are refused, except
/// where the field just repeats the job's version or is zero without a negotiation.
pub fn rolled_version(job: u32, mask: u32, bits: Option<u32>) -> Result<u32, Reject> {
    match bits {
        None => Ok(job),
        Some(bits) if bits & !mask == 0 => Ok(job & !mask | bits),
        Some(bits) if bits == job => Ok(job),
        Some(_) => Err(Reject::VersionBits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::u256::U256;

    fn facts(pow: U256) -> Facts {
        Facts {
            pow: pow.to_le_bytes(),
            freshness: Freshness::Live,
            authorised: true,
            time_in_range: true,
            remembered: true,
            assigned: Difficulty::new(1.0).unwrap(),
            network: Target(U256::from_u64(1).shift_left(100)),
        }
    }

    fn share_target() -> U256 {
        Target::for_share(Difficulty::new(1.0).unwrap(), 32).0
    }

    #[test]
    fn the_targets_decide_exactly() {
        let above = U256([share_target().0[0] + 1, share_target().0[1], share_target().0[2], share_target().0[3]]);
        assert_eq!(judge(&facts(share_target()), 32).verdict, Ok(()));
        assert_eq!(judge(&facts(above), 32).verdict, Err(Reject::LowDifficulty));

        let network = U256::from_u64(1).shift_left(100);
        assert!(judge(&facts(network), 32).candidate);
        let beyond = U256([1, network.0[1], 0, 0]);
        assert!(!judge(&facts(beyond), 32).candidate);
        assert_eq!(judge(&facts(beyond), 32).verdict, Ok(()));
    }

    #[test]
    fn a_block_is_a_candidate_whatever_else_is_wrong_with_it() {
        let block = facts(U256::from_u64(1));
        for (bad, reject) in [
            (Facts { freshness: Freshness::Stale, ..block }, Reject::Stale),
            (Facts { freshness: Freshness::Paused, ..block }, Reject::NoWork),
            (Facts { authorised: false, ..block }, Reject::Unauthorized),
            (Facts { time_in_range: false, ..block }, Reject::TimeRange),
        ] {
            let outcome = judge(&bad, 32);
            assert_eq!((outcome.verdict, outcome.candidate), (Err(reject), true));
        }
        // On a chain that is easier than the share target a block is good work.
        let easy = Facts { network: Target(U256::MAX), ..facts(U256::MAX) };
        assert_eq!(judge(&easy, 32).verdict, Ok(()));
        // A block found when nothing further can be remembered is a block; a share is not counted.
        assert_eq!(judge(&Facts { remembered: false, ..block }, 32).verdict, Ok(()));
        let share = Facts { remembered: false, ..facts(share_target()) };
        assert_eq!(judge(&share, 32).verdict, Err(Reject::Duplicate));
    }

    #[test]
    fn the_assigned_difficulty_is_credited_not_the_hash_s_own() {
        let outcome = judge(&facts(U256::from_u64(1)), 32);
        assert_eq!(outcome.credited.get(), 1.0);
        assert!(outcome.share_difficulty > 1e60);
    }

    #[test]
    fn rolled_versions_stay_inside_the_mask() {
        let (job, mask) = (0x2000_0000, 0x1fff_e000);
        assert_eq!(rolled_version(job, mask, None), Ok(job));
        assert_eq!(rolled_version(job, mask, Some(0x0000_2000)), Ok(0x2000_2000));
        assert_eq!(rolled_version(0x2000_4000, mask, Some(0)), Ok(0x2000_0000));
        assert_eq!(rolled_version(job, mask, Some(1)), Err(Reject::VersionBits));
        assert_eq!(rolled_version(job, mask, Some(job)), Ok(job));
        assert_eq!(rolled_version(job, 0, Some(0)), Ok(job));
        assert_eq!(rolled_version(job, 0, Some(0x2000)), Err(Reject::VersionBits));
    }

    #[test]
    fn the_time_window_has_exact_ends() {
        assert!(time_in_range(100, 100, 50));
        assert!(!time_in_range(99, 100, 50));
        assert!(time_in_range(7250, 100, 50));
        assert!(!time_in_range(7251, 100, 50));
    }
}
