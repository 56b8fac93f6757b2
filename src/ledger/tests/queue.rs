//! The queue in front of the drainer: what is read ahead is neither lost nor there twice.

use super::super::queue::Queue;
use super::super::reader::Reader;
use super::*;

/// The queue over a spool with `count` events, all on the disk.
async fn queue(dir: &Path, count: u64) -> (Arc<Ledger>, Queue) {
    let ledger = open(dir, &config());
    append_shares(&ledger, count);
    ledger.sync_now();
    ledger.wait_synced(count).await;
    let shared = &ledger.shared;
    let reader = Reader::new(Arc::clone(&shared.segments), shared.salt, 1);
    (Arc::clone(&ledger), Queue::new(reader))
}

fn take(queue: &mut Queue, count: usize, seqs: &mut Vec<u64>) {
    seqs.extend(queue.front(count).iter().map(|entry| entry.seq));
    let Some(last) = seqs.last() else { return };
    queue.advance(*last);
}

#[tokio::test]
async fn whoever_stops_waiting_loses_nothing_and_gets_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, mut queue) = queue(dir.path(), 700).await;
    let mut seqs = Vec::new();
    for round in 0.. {
        // Every other wait is dropped after one poll, while the reader is on its way.
        if round % 2 == 0 {
            tokio::select! {
                biased;
                filled = queue.fill(700, 60) => filled.unwrap(),
                () = std::future::ready(()) => continue,
            }
        }
        queue.fill(700, 60).await.unwrap();
        take(&mut queue, 35, &mut seqs);
        if seqs.last() == Some(&700) {
            break;
        }
    }
    assert_eq!(seqs, (1..=700).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_written_while_it_reads_ahead_is_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, mut queue) = queue(dir.path(), 30).await;
    let mut seqs = Vec::new();
    // What is read ahead here ends with 30.
    queue.fill(30, 20).await.unwrap();
    take(&mut queue, 20, &mut seqs);
    append_shares(&ledger, 30);
    queue.fill(60, 40).await.unwrap();
    assert_eq!((queue.len(), queue.through(60)), (40, 40));
    take(&mut queue, 40, &mut seqs);
    assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
}

#[test]
fn a_runtime_that_ends_is_an_error_and_no_endless_wait() {
    let dir = tempfile::tempdir().unwrap();
    let first = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_ledger, mut queue) = first.block_on(queue(dir.path(), 700));
    let handle = first.handle().clone();
    drop(first);
    // Threads of a runtime that has ended read nothing.
    let _context = handle.enter();
    let mut waiting = std::pin::pin!(queue.fill(700, 60));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = waiting.as_mut().poll(&mut context) else { panic!("it waits for nobody") };
    result.unwrap_err();
}
