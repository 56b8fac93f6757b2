//! Opens a spool: makes it, or finds out what the last run left.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tokio::sync::watch;

use super::appender::{Appender, Next, Place};
use super::confirmed::Confirmed;
use super::drainer;
use super::envelope::{ENVELOPE_BYTES, Salt};
use super::error::OpenError;
use super::handle::Ledger;
use super::held::HeldEvents;
use super::identity::{self, sync_dir};
use super::quarantine;
use super::recovery::{self, LossKind, Tail, judge, scan_tail};
use super::scan::{Found, Scan};
use super::segment::{self, HEADER_BYTES, NEXT_FILE, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SegmentHeader};
use super::segments::{Segment, Segments};
use super::shared::{Counters, Requests, Shared};
use super::sink::SpoolId;
use super::status::{DrainState, Recovered};
use super::sync;
use crate::clock::Clock;
use crate::config;
use crate::pulse::Pulse;

/// Segments are whole pages.
const PAGE_BYTES: u64 = 4096;

/// A ledger and what was found when it was opened.
pub struct Opened {
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// What was found.
    pub recovered: Recovered,
}

impl Ledger {
    /// Opens the spool in `dir`, making it if there is none, and starts its sync thread. Reads the
    /// newest segments only. Damage of what had reached the disk does not keep it from opening: it
    /// is in [`Recovered::damage`], appends go on behind it, and the drain stops when it gets there.
    pub fn open(dir: &Path, config: &config::Ledger, clock: Arc<dyn Clock>) -> Result<Opened, OpenError> {
        let segment_bytes = check_sizes(config)?;
        std::fs::create_dir_all(dir).map_err(OpenError::io("create", dir))?;
        let lock = identity::lock(dir)?;
        segment::remove_temporary(dir).map_err(OpenError::io("clear", dir))?;
        let empty = Segments::list(dir).map_err(OpenError::io("list", dir))?.all().is_empty();
        let (spool, created) = identity::identity(dir, empty)?;
        let salt = Salt::of(spool);
        let (mut confirmed, readable) =
            Confirmed::open(dir, salt).map_err(OpenError::io("read the position in", dir))?;
        if !readable {
            tracing::warn!(%spool, dir = %dir.display(), "the confirmed position beside the spool is damaged: only the database knows it");
        }
        let ready = settle_next(dir, spool, segment_bytes)?;
        let segments = Arc::new(Segments::list(dir).map_err(OpenError::io("list", dir))?);
        let tail = scan_tail(&segments, spool, confirmed.seq())?;
        let start = Start { dir, spool, salt, segment_bytes, now: clock.unix_secs(), confirmed: confirmed.seq() };
        let found = start.resume(&segments, tail, ready)?;
        report(&found.recovered, created, dir);

        let recovered = Recovered { created, ..found.recovered };
        // Before anything is appended that nobody sends: it must not explain the database's position later.
        let end = recovered.highest_seq.max(recovered.confirmed);
        let explained_max = confirmed.explained_max().map_or(end, |max| max.min(end));
        confirmed.explain(Some(explained_max)).map_err(OpenError::io("write the position in", dir))?;
        let appender = found.appender;
        let drained_position = drained_position(&segments, &appender, confirmed.seq());
        let quarantined = quarantine::count(dir).map_err(OpenError::io("read the quarantine of", dir))?;
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            spool,
            salt,
            config: config.clone(),
            segment_bytes,
            clock,
            segments,
            written: appender.last_seq().into(),
            synced: watch::Sender::new(appender.last_seq()),
            drained: watch::Sender::new(confirmed.seq()),
            drained_position: drained_position.into(),
            appender: Mutex::new(appender),
            requests: Mutex::new(Requests::default()),
            wake: Condvar::new(),
            confirmed: Mutex::new(confirmed),
            candidates: Mutex::new(VecDeque::new()),
            drain: Mutex::new(DrainState::Off),
            counters: Counters { quarantined: quarantined.into(), ..Counters::default() },
            sync_pulse: Arc::new(Pulse::new("the spool's sync thread", sync::TURN_MAX)),
            drain_pulse: Arc::new(Pulse::new("the drain into the database", drainer::TURN_MAX)),
        });
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("spool-sync".to_owned())
            .spawn(move || sync::run(&worker))
            .map_err(OpenError::io("start the sync thread for", dir))?;
        let ledger = Ledger { shared, unsettled: found.unsettled, thread: Mutex::new(Some(thread)), _lock: lock };
        Ok(Opened { ledger: Arc::new(ledger), recovered })
    }
}

/// What opening works with.
struct Start<'a> {
    dir: &'a Path,
    spool: SpoolId,
    salt: Salt,
    segment_bytes: u64,
    now: u64,
    confirmed: u64,
}

/// Where appending goes on.
struct Resumed {
    appender: Appender,
    recovered: Recovered,
    unsettled: Vec<super::record::Entry>,
}

impl Start<'_> {
    /// Repairs what may be repaired and places the appender behind everything that may ever have
    /// been acknowledged.
    fn resume(&self, segments: &Arc<Segments>, tail: Tail, ready: Option<File>) -> Result<Resumed, OpenError> {
        let mut recovered = Recovered {
            spool: self.spool,
            created: false,
            highest_seq: tail.highest_seq,
            next_seq: 0,
            confirmed: self.confirmed,
            segments_scanned: tail.scanned,
            torn_bytes: 0,
            gaps: Vec::new(),
            drained_losses: Vec::new(),
            damage: Vec::new(),
        };
        let newest_is_damaged = self.settle_losses(&tail, &mut recovered)?;
        let end_is_missing = tail.cut || tail.highest_seq < self.confirmed;
        let next = match ready {
            Some(file) => Some(file),
            None => segment::allocate_next(self.dir, self.segment_bytes)
                .inspect_err(|error| tracing::error!(spool = %self.spool, %error, "no segment can be allocated"))
                .ok(),
        };
        let mut next = next.map_or(Next::Missing, |file| Next::Ready(file, self.segment_bytes));
        let last_time;
        let place = match tail.newest {
            Some((segment, file, header)) if !newest_is_damaged && !end_is_missing => {
                recovered.next_seq = tail.highest_seq + 1;
                last_time = if tail.last_time > 0 { tail.last_time } else { header.map_or(0, |header| header.created) };
                let (end_at, dirty_to) = (tail.end_at, tail.dirty_to);
                recovered.torn_bytes = dirty_to - end_at;
                self.continue_segment(segments, (segment, file, header), end_at, dirty_to)?
            }
            _ => {
                let known = tail.highest_seq.max(self.confirmed);
                // How many numbers were given away behind the end is not known where a file was cut
                // or is missing: none of them may come again.
                let skip = if end_is_missing { segment_records_max(self.segment_bytes) } else { 0 };
                recovered.next_seq = known + skip + 1;
                last_time = tail.last_time.max(self.now);
                self.new_segment(segments, &mut next, recovered.next_seq, last_time)?
            }
        };
        for file in &tail.files {
            file.sync_data().map_err(OpenError::io("sync a segment in", self.dir))?;
        }
        if matches!(next, Next::Missing) {
            // The new segment took the one that was ahead; the sync thread tries again if there is no room.
            if let Ok(file) = segment::allocate_next(self.dir, self.segment_bytes) {
                next = Next::Ready(file, self.segment_bytes);
            }
        }
        let mut appender = self.appender(segments, place, next, recovered.next_seq, last_time);
        // After damage this marker also says that the numbers skipped are no gap of a power cut.
        appender.mark(recovered.next_seq - 1);
        appender.place.file.sync_all().map_err(OpenError::io("sync a segment in", self.dir))?;
        sync_dir(self.dir).map_err(OpenError::io("sync", self.dir))?;
        Ok(Resumed { appender, recovered, unsettled: tail.unsettled })
    }

    fn appender(&self, segments: &Arc<Segments>, place: Place, next: Next, next_seq: u64, last_time: u64) -> Appender {
        Appender {
            spool: self.spool,
            salt: self.salt,
            segments: Arc::clone(segments),
            synced_to: place.offset,
            place,
            next,
            next_seq,
            last_time,
            closed: Vec::new(),
            new_name: false,
            told: false,
            torn_to: 0,
            sync_failed: None,
            write_failing: false,
            held: HeldEvents::default(),
            closed_for_good: false,
            buffer: Vec::new(),
        }
    }

    /// Fills gaps and lists damage. True if the newest segment holds damage: it is left as it is.
    fn settle_losses(&self, tail: &Tail, recovered: &mut Recovered) -> Result<bool, OpenError> {
        let newest = tail.newest.as_ref().map(|(segment, ..)| segment.path.clone());
        let mut newest_is_damaged = false;
        for loss in &tail.losses {
            match judge(loss, tail.marker, self.confirmed) {
                LossKind::Drained => recovered.drained_losses.push(loss.clone()),
                LossKind::NeverSynced => {
                    recovery::fill(loss, self.salt, tail.last_time)?;
                    recovered.gaps.push(loss.clone());
                }
                LossKind::Damage => {
                    newest_is_damaged |= newest.as_ref() == Some(&loss.path);
                    recovered.damage.push(format!(
                        "{} at byte {}: events {} to {} had reached the disk and cannot be read",
                        loss.path.display(),
                        loss.offset,
                        loss.first_seq,
                        loss.last_seq
                    ));
                }
            }
        }
        let name = newest.as_deref().unwrap_or(self.dir).display();
        if tail.cut {
            recovered.damage.push(format!(
                "{name} was cut to {} bytes or less: events after {} may be missing",
                tail.dirty_to.max(tail.end_at),
                tail.highest_seq
            ));
        }
        if tail.highest_seq < self.confirmed {
            recovered.damage.push(format!(
                "{name} ends with event {}, but the database had confirmed event {}: the newest part of the spool is missing",
                tail.highest_seq, self.confirmed
            ));
        }
        Ok(newest_is_damaged)
    }

    /// Makes the newest segment fit to be written to again: whole size, a header, zeros at its end.
    fn continue_segment(
        &self,
        segments: &Segments,
        newest: (Segment, Arc<File>, Option<SegmentHeader>),
        end_at: u64,
        dirty_to: u64,
    ) -> Result<Place, OpenError> {
        use std::os::unix::fs::FileExt;
        let (segment, file, header) = newest;
        let path = &segment.path;
        let file_bytes = header.map_or(segment.file_bytes.max(self.segment_bytes), |header| header.file_bytes);
        let repair = || -> io::Result<()> {
            // Also where it is there: an earlier version of this program may have written it, which could
            // not read what is written from now on.
            let created = header.map_or(self.now, |header| header.created);
            let header = SegmentHeader { spool: self.spool, first_seq: segment.first_seq, created, file_bytes };
            file.write_all_at(&header.encode(), 0)?;
            segment::write_zeros(&file, end_at, dirty_to)?;
            if segment.file_bytes < file_bytes {
                segment::extend(&file, segment.file_bytes, file_bytes)?;
            }
            Ok(())
        };
        repair().map_err(OpenError::io("repair", path))?;
        let base = segments.push(segment.first_seq, file_bytes).base;
        Ok(Place { file, file_bytes, base, offset: end_at })
    }

    fn new_segment(&self, segments: &Segments, next: &mut Next, first_seq: u64, time: u64) -> Result<Place, OpenError> {
        let Next::Ready(file, file_bytes) = std::mem::replace(next, Next::Missing) else {
            return Err(OpenError::Io {
                action: "allocate a segment in",
                path: self.dir.to_owned(),
                source: io::ErrorKind::StorageFull.into(),
            });
        };
        let header = SegmentHeader { spool: self.spool, first_seq, created: time, file_bytes };
        segment::adopt_next(self.dir, &file, &header).map_err(OpenError::io("begin a segment in", self.dir))?;
        let segment = segments.push(first_seq, file_bytes);
        Ok(Place { file: Arc::new(file), file_bytes, base: segment.base, offset: HEADER_BYTES })
    }
}

/// More records than a segment can hold.
fn segment_records_max(segment_bytes: u64) -> u64 {
    segment_bytes / ENVELOPE_BYTES as u64
}

/// Looks at the segment ahead: the last run may have come to use it without its new name reaching
/// the disk. Returns it if it can be used.
fn settle_next(dir: &Path, spool: SpoolId, segment_bytes: u64) -> Result<Option<File>, OpenError> {
    let path = dir.join(NEXT_FILE);
    let file = match segment::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io("open", &path)(error)),
    };
    let failed = || OpenError::io("read", &path);
    let file_bytes = file.metadata().map_err(failed())?.len();
    let header = SegmentHeader::read(&file).map_err(failed())?.ok().filter(|header| header.spool == spool);
    let floor = header.map_or(0, |header| header.first_seq.saturating_sub(1));
    let shared = Arc::new(file);
    let mut scan = Scan::new(Arc::clone(&shared), Salt::of(spool), HEADER_BYTES, file_bytes, floor, u64::MAX);
    let mut clean = true;
    loop {
        match scan.next().map_err(failed())? {
            Found::Event { .. } => break,
            Found::End { at, dirty_to } => {
                drop(scan);
                let usable = clean && at == HEADER_BYTES && dirty_to == at && file_bytes == segment_bytes;
                return Ok(if usable { Arc::into_inner(shared) } else { None });
            }
            Found::Marker(_) | Found::Gap(_) | Found::Hole { .. } => clean = false,
        }
    }
    let Some(header) = header else {
        return Err(OpenError::Unusable {
            path,
            reason: "holds events but its header is damaged: restore it from a backup, or move it away and lose them"
                .to_owned(),
        });
    };
    let name = dir.join(segment::file_name(header.first_seq));
    std::fs::rename(&path, &name).map_err(OpenError::io("rename", &path))?;
    sync_dir(dir).map_err(OpenError::io("sync", dir))?;
    Ok(None)
}

fn check_sizes(config: &config::Ledger) -> Result<u64, OpenError> {
    if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&config.segment_bytes) {
        return Err(OpenError::Sizes(format!(
            "segments of {} bytes: from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} will do",
            config.segment_bytes
        )));
    }
    if config.batch_rows_max == 0 {
        return Err(OpenError::Sizes("batches of 0 rows would never drain it: at least 1 is needed".to_owned()));
    }
    Ok(config.segment_bytes.next_multiple_of(PAGE_BYTES))
}

/// Where the first undrained event begins, at most a segment too low.
fn drained_position(segments: &Segments, appender: &Appender, confirmed: u64) -> u64 {
    if confirmed >= appender.last_seq() {
        return appender.position();
    }
    let segment = segments.holding(confirmed + 1).or_else(|| segments.oldest_two().0);
    segment.map_or(0, |segment| segment.base + HEADER_BYTES)
}

fn report(recovered: &Recovered, created: bool, dir: &Path) {
    let spool = recovered.spool;
    let dir = dir.display();
    if created {
        tracing::info!(%spool, %dir, "made a new spool");
        return;
    }
    tracing::info!(
        %spool, %dir, events = recovered.highest_seq, confirmed = recovered.confirmed,
        segments = recovered.segments_scanned, torn_bytes = recovered.torn_bytes, "opened the spool"
    );
    for gap in &recovered.gaps {
        tracing::warn!(
            %spool, path = %gap.path.display(), offset = gap.offset, first_seq = gap.first_seq, last_seq = gap.last_seq,
            "events never reached the disk before a power cut and are lost"
        );
    }
    for loss in &recovered.drained_losses {
        tracing::warn!(
            %spool, path = %loss.path.display(), offset = loss.offset, first_seq = loss.first_seq, last_seq = loss.last_seq,
            "events are damaged in the spool; the database has them"
        );
    }
    for damage in &recovered.damage {
        tracing::error!(%spool, %damage, "the spool is damaged: the drain will stop there, shares are still recorded behind it");
    }
}
