//! A submit on its way to its judgement.

use std::sync::Arc;

use crate::difficulty::Difficulty;
use crate::stratum::request::Id;
use crate::work::bar::Bar;
use crate::work::duplicates::ShareKey;
use crate::work::extranonce::{Extranonce2, Lease};
use crate::work::job::{Announcement, Assembled, Job};
use crate::work::share::Freshness;

/// A job as it was sent to this connection.
#[derive(Debug, Clone)]
pub struct SentJob {
    /// The job.
    pub job: Arc<Job>,
    /// The variant that was sent.
    pub announcement: Arc<Announcement>,
    /// The connection's part of the extranonce when it was sent.
    pub extranonce1: Arc<Lease>,
    /// The difficulty in force when it was sent: its shares are judged and credited by it.
    pub bar: Arc<Bar>,
}

impl SentJob {
    /// The difficulty it was sent with.
    pub fn difficulty(&self) -> Difficulty {
        self.bar.difficulty()
    }

    /// What the job's id stands for.
    pub fn key(&self) -> (u32, u8) {
        (self.job.serial, self.announcement.variant)
    }
}

/// A submit whose fields are valid and whose header is put together.
#[derive(Debug)]
pub struct PendingShare {
    /// The request's id; `None`: it is not answered, but it counts.
    pub id: Option<Id>,
    /// The submitted worker name.
    pub name: Box<str>,
    /// The job and its difficulty.
    pub sent: SentJob,
    /// Its key among the duplicates.
    pub key: ShareKey,
    /// What the miner rolled.
    pub extranonce2: Extranonce2,
    /// The header and the coinbase behind it.
    pub assembled: Assembled,
    /// Whether the job was worth working on when the line was read.
    pub freshness: Freshness,
    /// Whether the header's time is acceptable.
    pub time_in_range: bool,
    /// Whether the header's version is acceptable.
    pub version_in_mask: bool,
    /// The difficulty in force when the line was read, if it is lower than the job's and was set a
    /// short time before.
    pub newest: Option<Arc<Bar>>,
    /// Whether its key could be remembered.
    pub remembered: bool,
}
