//! The ledger alone on a disk that is really full.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::clock::SystemClock;
use mpos_stratum::config::{self, Durability};
use mpos_stratum::ledger::error::AppendError;
use mpos_stratum::ledger::memory_sink::MemorySink;
use mpos_stratum::ledger::record::{CandidateFacts, Event, ShareRecord};
use mpos_stratum::ledger::{Ledger, Opened};
use tokio::sync::watch;

use crate::support::disk::Disk;

/// Room for the disk's own files and six segments.
const DISK_BYTES: u64 = 7 * 64 * 1024;

fn open(dir: &Path) -> Opened {
    let config = config::Ledger {
        durability: Durability::Process,
        sync_interval: Duration::from_millis(2),
        segment_bytes: 64 * 1024,
        spool_bytes_max: 1 << 30,
        keep_drained: Duration::from_secs(1 << 30),
        drained_bytes_max: 1 << 30,
        batch_rows_max: 100,
    };
    Ledger::open(dir, &config, Arc::new(SystemClock::new())).unwrap()
}

fn share(worker: &str, candidate: bool) -> Event {
    let facts = CandidateFacts { hash: [3; 32], header_time: 1_700_000_000, coinbase_txid: [4; 32] };
    Event::Share(ShareRecord {
        worker: worker.into(),
        remote: Ipv4Addr::LOCALHOST.into(),
        accepted: true,
        reason: String::new(),
        row_difficulty: 16.0,
        assigned_difficulty: 16.0,
        share_difficulty: 17.0,
        network_difficulty: 1e9,
        height: 800_000,
        reward: 625_000_000,
        job: "4f".to_owned(),
        header: vec![0xab; 80],
        solution: candidate.then_some([3; 32]),
        candidate: candidate.then_some(facts),
    })
}

/// Appends shares until one is refused because the disk is full for good.
fn append_until_full(ledger: &Ledger, acknowledged: &mut Vec<String>) {
    let mut refused_in_a_row = 0;
    // The next segment is allocated meanwhile, if there is room.
    while refused_in_a_row < 100 {
        let worker = format!("a.{}", acknowledged.len());
        match ledger.append(&[share(&worker, false)]) {
            Ok(_) => {
                acknowledged.push(worker);
                refused_in_a_row = 0;
            }
            Err(error) => {
                assert_eq!(error, AppendError::Full);
                refused_in_a_row += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

async fn rows(ledger: &Arc<Ledger>) -> Vec<String> {
    let sink = MemorySink::new();
    let (_stop, stopped) = watch::channel(false);
    let drain = tokio::spawn(ledger.drainer(sink.clone()).run(stopped));
    ledger.sync_now();
    sink.wait_position(ledger.status().written).await;
    drain.abort();
    let worker = |event: &Event| match event {
        Event::Share(share) => share.worker.to_string(),
        Event::Verdict(_) => unreachable!("there is none"),
    };
    sink.rows().iter().map(|row| worker(&row.event)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_from_the_first_refusal_to_the_last_held_block() {
    let mut disk = Disk::of_bytes(DISK_BYTES);
    let ledger = open(&disk.path().join("spool")).ledger;
    let mut acknowledged = Vec::new();
    append_until_full(&ledger, &mut acknowledged);
    assert!(acknowledged.len() > 600, "{} shares on six segments", acknowledged.len());

    // The reserve takes blocks, and once that is full they wait in memory.
    let mut late = Vec::new();
    while late.len() < 3 {
        let worker = format!("block.{}", acknowledged.len());
        match ledger.append_or_hold(&share(&worker, true)) {
            Ok(_) => assert!(late.is_empty(), "a block overtook another"),
            Err(held) => late.push(held),
        }
        acknowledged.push(worker);
    }
    let blocks = acknowledged.iter().filter(|worker| worker.starts_with("block")).count();
    assert!(blocks > 40, "the reserve took {blocks}");
    assert!(matches!(ledger.append(&[share("a.b", false)]), Err(AppendError::Behind { held: 3 })));

    disk.resize(2 * DISK_BYTES);
    for held in late {
        held.written().await.unwrap();
    }
    ledger.append(&[share("a.last", false)]).unwrap();
    acknowledged.push("a.last".to_owned());
    assert_eq!(rows(&ledger).await, acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_opens_on_a_full_disk_and_takes_blocks() {
    let disk = Disk::of_bytes(DISK_BYTES);
    let dir = disk.path().join("spool");
    let mut acknowledged = Vec::new();
    append_until_full(&open(&dir).ledger, &mut acknowledged);
    disk.fill();
    let Opened { ledger, recovered } = open(&dir);
    assert_eq!((recovered.highest_seq, recovered.damage.len()), (acknowledged.len() as u64, 0));
    append_until_full(&ledger, &mut acknowledged);
    ledger.append(&[share("block.1", true)]).unwrap();
    acknowledged.push("block.1".to_owned());
    assert_eq!(rows(&ledger).await, acknowledged);
}
