//! Why a submit is refused: one value for the miner's error, the row's reason and the counters.

/// Longest `reason` of a row, in bytes: the width of MPOS's column.
pub const REASON_BYTES_MAX: usize = 50;

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reject {
    /// The job is not known (any more), or was never sent to this connection.
    UnknownJob,
    /// The job builds on a block that was no longer the tip when the line was read.
    Stale,
    /// The same work was submitted before.
    Duplicate,
    /// The hash misses the difficulty that was assigned with the job.
    LowDifficulty,
    /// The worker is not authorised on this connection.
    Unauthorized,
    /// No `mining.subscribe` on this connection yet.
    NotSubscribed,
    /// `extranonce2` is not hexadecimal of the announced size.
    ExtranonceSize,
    /// `ntime` is not eight hexadecimal digits.
    TimeForm,
    /// `nonce` is not eight hexadecimal digits.
    NonceForm,
    /// `ntime` is before the template's least time or over two hours ahead.
    TimeRange,
    /// The version bits leave the negotiated mask.
    VersionBits,
    /// The parameters are not what the method takes.
    Parameters,
    /// The share could not be written down, so it does not count.
    NotRecorded,
    /// There is no current work: the coin's node gives none.
    NoWork,
    /// So many shares were sent on one tip that no further one can be told from a repeat.
    TooMany,
    /// The job's id is none that this daemon ever gives.
    MadeUpJob,
}

/// Kinds of refusals.
pub const REJECTS: usize = 16;

/// All of them with their names in counters and metrics, in the order of their numbers.
const NAMED: [(Reject, &str); REJECTS] = [
    (Reject::UnknownJob, "unknown_job"),
    (Reject::Stale, "stale"),
    (Reject::Duplicate, "duplicate"),
    (Reject::LowDifficulty, "low_difficulty"),
    (Reject::Unauthorized, "unauthorized"),
    (Reject::NotSubscribed, "not_subscribed"),
    (Reject::ExtranonceSize, "extranonce_size"),
    (Reject::TimeForm, "time_form"),
    (Reject::NonceForm, "nonce_form"),
    (Reject::TimeRange, "time_range"),
    (Reject::VersionBits, "version_bits"),
    (Reject::Parameters, "parameters"),
    (Reject::NotRecorded, "not_recorded"),
    (Reject::NoWork, "no_work"),
    (Reject::TooMany, "too_many"),
    (Reject::MadeUpJob, "made_up_job"),
];

impl Reject {
    /// The refusal of this number, counted from 0.
    pub fn from_index(index: usize) -> Option<Self> {
        NAMED.get(index).map(|(reject, _)| *reject)
    }

    /// Its name in counters and metrics.
    pub fn name(self) -> &'static str {
        NAMED.get(self as usize).map_or("other", |(_, name)| name)
    }

    /// Stratum error code: 20 other, 21 stale, 22 duplicate, 23 low difficulty, 24 unauthorised,
    /// 25 not subscribed.
    pub fn code(self) -> i32 {
        match self {
            Reject::UnknownJob | Reject::MadeUpJob | Reject::Stale => 21,
            Reject::Duplicate => 22,
            Reject::LowDifficulty => 23,
            Reject::Unauthorized => 24,
            Reject::NotSubscribed => 25,
            _ => 20,
        }
    }

    /// The text a miner sees. Some miners recognise stale work by the word "job".
    pub fn text(self) -> &'static str {
        match self {
            Reject::UnknownJob | Reject::MadeUpJob => "Job not found",
            Reject::Stale => "Job not found (stale)",
            Reject::Duplicate => "Duplicate share",
            Reject::LowDifficulty => "Low difficulty share",
            Reject::Unauthorized => "Unauthorized worker",
            Reject::NotSubscribed => "Not subscribed",
            Reject::ExtranonceSize => "Incorrect size of extranonce2",
            Reject::TimeForm => "Incorrect size of ntime",
            Reject::NonceForm => "Incorrect size of nonce",
            Reject::TimeRange => "ntime out of range",
            Reject::VersionBits => "Version bits outside the negotiated mask",
            Reject::Parameters => {
                "Invalid parameters: expected worker, job id, extranonce2, ntime, nonce and optionally version bits, \
                 or a vote within bounds"
            }
            Reject::NotRecorded => "Share not recorded, the pool's disk is full or failing: try again",
            Reject::NoWork => "No work available: the pool waits for its coin node, try again",
            Reject::TooMany => "Too many shares on one block: use a higher difficulty",
        }
    }

    /// Whether it speaks against the miner. Late work, and work the daemon could not take, do not.
    pub fn is_fault(self) -> bool {
        !matches!(self, Reject::Stale | Reject::UnknownJob | Reject::NotRecorded | Reject::NoWork | Reject::TooMany)
    }

    /// `reason` of the row, in the words of the predecessors where they had some; `None`: such a
    /// submit never becomes a row, for it has no proven worker or no work behind it.
    pub fn row_reason(self) -> Option<&'static str> {
        match self {
            Reject::UnknownJob | Reject::MadeUpJob => Some("job not found"),
            Reject::Stale => Some("job not found (stale)"),
            Reject::Duplicate => Some("duplicate share"),
            Reject::LowDifficulty => Some("low difficulty share"),
            Reject::ExtranonceSize => Some("incorrect size of extranonce2"),
            Reject::TimeForm => Some("incorrect size of ntime"),
            Reject::NonceForm => Some("incorrect size of nonce"),
            Reject::TimeRange => Some("ntime out of range"),
            Reject::VersionBits => Some("version bits out of mask"),
            Reject::TooMany => Some("too many shares on one block"),
            Reject::Unauthorized
            | Reject::NotSubscribed
            | Reject::Parameters
            | Reject::NotRecorded
            | Reject::NoWork => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_number_and_its_name() {
        for (nth, (reject, name)) in NAMED.into_iter().enumerate() {
            assert_eq!((reject as usize, Reject::from_index(nth), reject.name()), (nth, Some(reject), name));
        }
    }

    #[test]
    fn reasons_fit_their_column_and_texts_need_no_escaping() {
        for (reject, _) in NAMED {
            assert!(reject.row_reason().unwrap_or("").len() <= REASON_BYTES_MAX, "{reject:?}");
            assert!(reject.text().bytes().all(|c| (0x20..0x7f).contains(&c) && c != b'"' && c != b'\\'));
            assert!((20..=25).contains(&reject.code()));
        }
    }

    #[test]
    fn miners_that_look_for_the_word_job_find_it() {
        for reject in [Reject::Stale, Reject::UnknownJob] {
            assert!(reject.text().to_lowercase().contains("job"));
        }
    }
}
