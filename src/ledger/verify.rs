//! Reads a whole spool and says what is in it and what is wrong with it.

use std::io;

use super::inspect::{SpoolFiles, Step};
use super::record::Event;
use super::recovery::{Loss, LossKind, judge};

/// Most damaged places that are kept with their details; further ones are only counted.
pub const FINDINGS_MAX: usize = 1000;

/// What a damaged place means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The header of a segment is wrong in the way that the text says.
    Header(String),
    /// Bytes that are no record, but no event is missing: an unfinished write or a damaged marker.
    NoEvent,
    /// The database has the events: only the audit log lost them.
    Drained,
    /// They had not reached the disk when the power failed.
    NeverSynced,
    /// They had reached the disk and are not drained.
    Damage,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, and which events.
    pub place: Loss,
    /// What it means.
    pub meaning: Meaning,
}

/// What a spool holds, from one event on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Segments read.
    pub segments: u64,
    /// Bytes of their files.
    pub file_bytes: u64,
    /// First event met; 0 if none.
    pub first_seq: u64,
    /// Highest event that is spoken of; 0 if none.
    pub last_seq: u64,
    /// When the last one was accepted, Unix seconds.
    pub last_time: u64,
    /// Everything up to here is known to have reached the disk.
    pub synced: u64,
    /// Events.
    pub events: u64,
    /// Of them accepted shares.
    pub accepted: u64,
    /// Of them refused shares.
    pub refused: u64,
    /// Of them block candidates (counted above as well).
    pub candidates: u64,
    /// Of them verdicts on candidates.
    pub verdicts: u64,
    /// Bytes of their records.
    pub record_bytes: u64,
    /// Events that power cuts took, as earlier starts noted.
    pub gaps: Vec<Loss>,
    /// Damaged places, in order.
    pub findings: Vec<Finding>,
    /// How many more there are than listed.
    pub unlisted: u64,
}

impl Survey {
    /// The shares among the events: each is a row.
    pub fn rows(&self) -> u64 {
        self.accepted + self.refused
    }

    /// Whether anything is wrong that an operator has to know.
    pub fn is_good(&self) -> bool {
        self.unlisted == 0 && self.findings.iter().all(|finding| finding.meaning == Meaning::NoEvent)
    }
}

/// Reads the segments from the one that holds `from` on. Only events at or above `from` are counted,
/// and up to `through`. `confirmed`: the last event that the database has.
pub fn survey(files: &SpoolFiles, from: u64, through: u64, confirmed: u64) -> io::Result<Survey> {
    let mut survey = Survey::default();
    let mut walk = files.walk(from)?;
    while let Some(step) = walk.step()? {
        match step {
            Step::Segment(segment, _) if segment.first_seq > through => break,
            Step::Segment(segment, problem) => {
                survey.segments += 1;
                survey.file_bytes += segment.file_bytes;
                if let Some(problem) = problem {
                    let place =
                        Loss { path: segment.path, offset: 0, to: 0, first_seq: segment.first_seq, last_seq: 0 };
                    survey.find(place, Meaning::Header(problem));
                }
            }
            Step::Event(entry, bytes) => {
                survey.last_seq = survey.last_seq.max(entry.seq);
                survey.last_time = survey.last_time.max(entry.time);
                if (from..=through).contains(&entry.seq) {
                    survey.count(entry.seq, &entry.event, bytes);
                }
            }
            Step::Marker(seq) => {
                survey.synced = survey.synced.max(seq);
                survey.last_seq = survey.last_seq.max(seq);
            }
            Step::Gap(loss) => {
                survey.last_seq = survey.last_seq.max(loss.last_seq);
                if survey.gaps.len() < FINDINGS_MAX {
                    survey.gaps.push(loss);
                }
            }
            // What it means can be told when the last marker is known.
            Step::Hole(place) => survey.find(place, Meaning::NoEvent),
        }
    }
    let synced = survey.synced;
    for finding in &mut survey.findings {
        let is_hole = finding.meaning == Meaning::NoEvent;
        if is_hole && finding.place.last_seq >= finding.place.first_seq {
            finding.meaning = match judge(&finding.place, synced, confirmed) {
                LossKind::Drained => Meaning::Drained,
                LossKind::NeverSynced => Meaning::NeverSynced,
                LossKind::Damage => Meaning::Damage,
            };
        }
    }
    Ok(survey)
}

impl Survey {
    fn count(&mut self, seq: u64, event: &Event, bytes: u64) {
        if self.events == 0 {
            self.first_seq = seq;
        }
        self.events += 1;
        self.record_bytes += bytes;
        match event {
            Event::Share(share) => {
                *if share.accepted { &mut self.accepted } else { &mut self.refused } += 1;
                self.candidates += u64::from(share.candidate.is_some());
            }
            Event::Verdict(_) => self.verdicts += 1,
        }
    }

    fn find(&mut self, place: Loss, meaning: Meaning) {
        if place.last_seq >= place.first_seq {
            self.last_seq = self.last_seq.max(place.last_seq);
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place, meaning });
        } else {
            self.unlisted += 1;
        }
    }
}
