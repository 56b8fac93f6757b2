//! The sync thread: fdatasync, markers, the segment ahead, removal of old segments, and what the
//! disk refused, once more.
//!
//! All of this may block for as long as a disk likes to, so that it has a thread of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use super::appender::{Next, Unsynced};
use super::envelope::Salt;
use super::identity::sync_dir;
use super::late::write_held;
use super::scan::{Found, Scan};
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::segments::{is_drained, lock};
use super::shared::{End, Requests, Shared};
use super::status::DrainState;

/// After a failed sync or allocation it is tried again after so long.
const RETRY: Duration = Duration::from_secs(1);
/// Old segments are looked for at least so often.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// The thread looks up so often even if it has nothing to do.
const IDLE: Duration = Duration::from_secs(5);
/// Longest that one turn may take beside what the disk takes.
pub(super) const TURN_MAX: Duration = Duration::from_secs(20);

/// Works until it is asked to end.
pub(super) fn run(shared: &Shared) {
    let mut tidied = shared.clock.monotonic();
    let mut attempted = tidied;
    let mut trouble = false;
    loop {
        shared.sync_pulse.beat();
        let requests = wait(shared, if trouble { RETRY } else { IDLE });
        match requests.end {
            Some(End::Abandon) => return,
            Some(End::Flush) => {
                flush(shared);
                return;
            }
            None => {}
        }
        let now = shared.clock.monotonic();
        let had_next = shared.next_allocated();
        let mut has_next = had_next;
        // A full disk answers slowly: syncs are not made to wait for it every time.
        let idle = !requests.dirty && !requests.urgent;
        if !had_next && (requests.allocate || idle || now.saturating_sub(attempted) >= RETRY) {
            attempted = now;
            has_next = shared.sync_pulse.rest(|| allocate_ahead(shared, !trouble));
        }
        let free = write_held(shared, &mut lock(&shared.appender));
        let synced = shared.sync_pulse.rest(|| sync_once(shared));
        trouble = !has_next || !synced || !free;
        if has_next && !had_next || now.saturating_sub(tidied) >= TIDY_EVERY {
            tidied = now;
            shared.sync_pulse.rest(|| tidy(shared));
        }
    }
}

/// Waits for something to do, at most for `idle`, and takes the requests.
fn wait(shared: &Shared, idle: Duration) -> Requests {
    let requests = lock(&shared.requests);
    let waiting =
        |requests: &mut Requests| !requests.dirty && !requests.urgent && !requests.allocate && requests.end.is_none();
    let (mut requests, _) =
        shared.wake.wait_timeout_while(requests, idle, waiting).unwrap_or_else(std::sync::PoisonError::into_inner);
    if requests.dirty {
        // Everything that arrives within the interval shares the sync.
        let collecting = |requests: &mut Requests| !requests.urgent && requests.end.is_none();
        (requests, _) = shared
            .wake
            .wait_timeout_while(requests, shared.config.sync_interval, collecting)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    std::mem::take(&mut *requests)
}

/// Brings everything written to the disk, publishes it and leaves a marker. False if the disk refuses.
pub(super) fn sync_once(shared: &Shared) -> bool {
    let mut appender = lock(&shared.appender);
    appender.told = false;
    let through = appender.last_seq();
    let retrying = appender.sync_failed.is_some();
    if through == shared.synced_seq() && !retrying {
        return true;
    }
    let mut regions = std::mem::take(&mut appender.closed);
    let place = &appender.place;
    regions.push(Unsynced { file: Arc::clone(&place.file), from: appender.synced_to, to: place.offset });
    appender.synced_to = appender.place.offset;
    let new_name = std::mem::take(&mut appender.new_name);
    drop(appender);

    let result = sync_regions(&regions, shared.salt, retrying)
        .and_then(|()| if new_name { sync_dir(&shared.dir) } else { Ok(()) });
    let mut appender = lock(&shared.appender);
    match result {
        Ok(()) => {
            if appender.sync_failed.take().is_some() {
                tracing::info!(spool = %shared.spool, "the spool's disk takes data again");
            }
            shared.synced.send_replace(through);
            appender.mark(through);
            true
        }
        Err(error) => {
            if !retrying {
                tracing::error!(
                    spool = %shared.spool, %error, dir = %shared.dir.display(),
                    "the spool cannot be synced to its disk: shares are refused until it can"
                );
            }
            regions.append(&mut appender.closed);
            appender.closed = regions;
            appender.new_name |= new_name;
            appender.sync_failed = Some(error.to_string());
            false
        }
    }
}

/// The last sync: the marker too reaches the disk.
fn flush(shared: &Shared) {
    if sync_once(shared) {
        let file = Arc::clone(&lock(&shared.appender).place.file);
        if let Err(error) = file.sync_data() {
            tracing::error!(spool = %shared.spool, %error, "the spool's last marker did not reach the disk");
        }
    }
}

/// fdatasync of every file. After a failed one the system may take pages for clean that never
/// reached the disk, so that a retry writes the same bytes again first.
fn sync_regions(regions: &[Unsynced], salt: Salt, rewrite: bool) -> io::Result<()> {
    for (at, region) in regions.iter().enumerate() {
        if rewrite {
            rewrite_region(region, salt)?;
        }
        let again = regions.get(at + 1).is_some_and(|next| Arc::ptr_eq(&next.file, &region.file));
        if !again {
            region.file.sync_data()?;
        }
    }
    Ok(())
}

fn rewrite_region(region: &Unsynced, salt: Salt) -> io::Result<()> {
    let from = region.from.max(HEADER_BYTES);
    let mut scan = Scan::new(Arc::clone(&region.file), salt, from, region.to, 0, u64::MAX);
    while scan.at() < region.to {
        if matches!(scan.next()?, Found::Hole { .. } | Found::End { .. }) {
            return Err(io::Error::other("records that were written cannot be read back"));
        }
    }
    let mut chunk = vec![0; 64 * 1024];
    let mut at = region.from;
    while at < region.to {
        let size = usize::try_from(region.to - at).unwrap_or(usize::MAX).min(chunk.len());
        let bytes = &mut chunk[..size];
        region.file.read_exact_at(bytes, at)?;
        region.file.write_all_at(bytes, at)?;
        at += size as u64;
    }
    Ok(())
}

/// Allocates the segment ahead; drained segments make room for it, oldest first. False if there is no room.
fn allocate_ahead(shared: &Shared, tell: bool) -> bool {
    loop {
        let error = match segment::allocate_next(&shared.dir, shared.segment_bytes) {
            Ok(file) => {
                lock(&shared.appender).next = Next::Ready(file, shared.segment_bytes);
                return true;
            }
            Err(error) => error,
        };
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if full && remove_oldest(shared, "the disk is full") {
            continue;
        }
        if tell {
            tracing::error!(
                spool = %shared.spool, %error, dir = %shared.dir.display(),
                "no segment can be allocated: shares are refused when the open one is full; free some space"
            );
        }
        return false;
    }
}

/// Removes drained segments that are too old or too many. While it is not known that the database still
/// has what was drained, as before the first attach or when it lost rows, only those beyond the bound of the
/// spool: to send their events again may be the only way to get the rows back.
pub(super) fn tidy(shared: &Shared) {
    let keep_secs = shared.config.keep_drained.as_secs();
    loop {
        let in_doubt =
            lock(&shared.confirmed).explained_max().is_some() || matches!(*lock(&shared.drain), DrainState::Stopped(_));
        let drained = shared.drained_seq();
        let config = &shared.config;
        let bound =
            if in_doubt { config.spool_bytes_max.max(config.drained_bytes_max) } else { config.drained_bytes_max };
        let reason = if shared.segments.drained_bytes(drained) > bound {
            "drained segments reached their bound"
        } else if in_doubt {
            return;
        } else if oldest_ended(shared).is_some_and(|at| at.saturating_add(keep_secs) <= shared.clock.unix_secs()) {
            "its time is over"
        } else {
            return;
        };
        if !remove_oldest(shared, reason) {
            return;
        }
    }
}

/// When the oldest segment was full: the second when the one behind it came into use.
fn oldest_ended(shared: &Shared) -> Option<u64> {
    let (_, second) = shared.segments.oldest_two();
    let file = File::open(second?.path).ok()?;
    SegmentHeader::read(&file).ok()?.ok().map(|header| header.created)
}

/// Removes the oldest segment if it is drained.
fn remove_oldest(shared: &Shared, reason: &str) -> bool {
    let drained = shared.drained_seq();
    let (Some(oldest), _) = shared.segments.oldest_two() else { return false };
    if !is_drained(&oldest, drained) {
        return false;
    }
    match shared.segments.remove_oldest(oldest.first_seq) {
        Ok(()) => {
            tracing::info!(spool = %shared.spool, segment = %oldest.path.display(), reason, "removed a drained segment");
            true
        }
        Err(error) => {
            tracing::warn!(spool = %shared.spool, segment = %oldest.path.display(), %error, "cannot remove a drained segment");
            false
        }
    }
}
