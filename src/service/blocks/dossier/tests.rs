//! The file and what steps do to it.

use std::net::Ipv4Addr;

use super::*;

/// A candidate: its hash is 32 bytes of 0x11.
pub fn candidate() -> ShareRecord {
    let facts = CandidateFacts { hash: [0x11; 32], header_time: 1_700_000_000, coinbase_txid: [0x44; 32] };
    ShareRecord {
        worker: "Alice.rig1".into(),
        remote: Ipv4Addr::new(192, 0, 2, 7).into(),
        accepted: true,
        reason: String::new(),
        row_difficulty: 8192.0,
        assigned_difficulty: 512.5,
        share_difficulty: 1e9 / 3.0,
        network_difficulty: 1e6 / 7.0,
        height: 840_000,
        reward: 312_500_000,
        job: "deadbeef01".into(),
        header: (0..80).collect(),
        solution: Some(facts.hash),
        candidate: Some(facts),
    }
}

/// Its dossier, with the first step.
pub fn dossier() -> Dossier {
    let mut dossier = Dossier::of("litecoin", "ab".repeat(16), &candidate()).unwrap();
    dossier.add(Step { at_ms: 1_700_000_000_123, what: What::Found });
    dossier
}

fn marked(seq: u64, accepted: bool, node_hash: Option<&str>) -> What {
    What::Marked { seq, accepted, reason: String::new(), node_hash: node_hash.map(str::to_owned) }
}

#[test]
fn a_dossier_is_read_as_it_was_written() {
    let mut dossier = Dossier { work_id: Some("work 7".into()), ..dossier() };
    let node = || "127.0.0.1:9332".to_owned();
    for what in [
        What::Recorded { seq: 17 },
        What::Synced,
        What::BytesKept,
        What::Submitted { node: node() },
        What::Pushed { node: node() },
        What::Answered { node: node(), words: "high-hash \"é\"".into() },
        What::Decided { accepted: false, reason: "high-hash".into() },
        What::Undecided { words: "silent".into() },
        marked(18, true, Some("b")),
        What::Stored { seq: 17 },
        What::Resumed,
        What::InChain { node: node(), confirmations: 3 },
        What::Replaced { node: node(), by: "c".into(), confirmations: 2 },
        What::Unclear { words: "away".into() },
        What::Closed { because: "buried".into() },
    ] {
        dossier.add(Step { at_ms: u64::MAX, what });
    }
    let text = dossier.text().unwrap();
    assert_eq!(Dossier::parse(&text).unwrap(), dossier);
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&json["format"], &json["state"], &json["closed"]), (&1.into(), &"accepted".into(), &true.into()));
    assert_eq!((&json["hash"], &json["steps"][0]["at_ms"]), (&"11".repeat(32).into(), &1_700_000_000_123_u64.into()));
    assert_eq!((&json["steps"][1]["step"], &json["steps"][1]["seq"]), (&"recorded".into(), &17.into()));
    assert!(json["share_id_query"].as_str().unwrap().ends_with("AND seq = 17"), "{json}");
}

#[test]
fn the_record_can_be_written_again_from_it() {
    let dossier = Dossier::parse(&dossier().text().unwrap()).unwrap();
    assert_eq!(dossier.record(), Some(candidate()));
    let sought = dossier.sought().unwrap();
    assert_eq!((sought.hash, sought.height), ([0x11; 32], 840_000));
    assert_eq!(sought.merkle_root, std::array::from_fn(|index| index as u8 + 36));
}

#[test]
fn what_is_no_dossier_is_said_to_be_none() {
    assert!(matches!(Dossier::parse(b"{"), Err(DossierError::Json(_))));
    assert!(matches!(Dossier::parse(b"{\"format\": 1}"), Err(DossierError::Json(_))));
    let newer = String::from_utf8(dossier().text().unwrap()).unwrap().replace("\"format\": 1", "\"format\": 2");
    let error = Dossier::parse(newer.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("its format is 2"), "{error}");
    assert!(matches!(Dossier::read(Path::new("/nonexistent")), Err(DossierError::Io(_))));
}

#[test]
fn verdicts_make_the_state() {
    let mut dossier = dossier();
    let mut states = Vec::new();
    for (seq, accepted) in (1..).zip([false, true, false, false, true]) {
        dossier.add(Step { at_ms: seq, what: marked(seq, accepted, None) });
        states.push(dossier.state);
    }
    use State::{Accepted, Orphaned, Rejected};
    assert_eq!(states, [Rejected, Accepted, Orphaned, Orphaned, Accepted]);
    // A refusal does not take the node's name away: a later acceptance may have none to tell.
    dossier.add(Step { at_ms: 6, what: marked(6, true, Some("n")) });
    dossier.add(Step { at_ms: 7, what: marked(7, false, None) });
    assert_eq!(dossier.node_hash.as_deref(), Some("n"));
    assert_eq!(dossier.changed_ms(), 7);
}

#[test]
fn what_the_database_has_is_not_waited_for() {
    let mut dossier = dossier();
    dossier.add(Step { at_ms: 2, what: What::Recorded { seq: 17 } });
    dossier.add(Step { at_ms: 2, what: marked(20, true, None) });
    assert_eq!(dossier.not_stored(), [17, 20]);
    dossier.add(Step { at_ms: 2, what: What::Stored { seq: 17 } });
    assert_eq!(dossier.not_stored(), [20]);
}

#[test]
fn a_long_watch_does_not_make_a_long_file() {
    let mut dossier = dossier();
    for at_ms in 0..1000 {
        let confirmations = u32::try_from(at_ms).unwrap();
        dossier.add(Step { at_ms, what: What::InChain { node: "n".into(), confirmations } });
    }
    dossier.add(Step { at_ms: 1000, what: marked(9, false, None) });
    assert_eq!(dossier.steps.len(), STEPS_MAX);
    assert_eq!((&dossier.steps[0].what, dossier.confirmations), (&What::Found, 999));
    assert!(matches!(dossier.steps.last().unwrap().what, What::Marked { .. }));
}
