//! A line that breaks: at every packet of a conversation, in every way a line can.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::events::Kind;
use crate::rig::{Rig, Setup, mpos_at, prepare};
use crate::support::fault_proxy::{Fault, FaultProxy, Way};
use crate::support::mariadb::MariaDb;

/// What the writer and the server say to each other from a new connection to the end of a commit.
struct Conversation {
    said: [Vec<u8>; 2],
    /// How much of it, either way, is said before the batch's transaction begins.
    before_batch: [usize; 2],
}

impl Conversation {
    fn of(pieces: &[(Way, Vec<u8>)]) -> Self {
        let (mut said, mut before_batch, mut transactions) = ([Vec::new(), Vec::new()], [0, 0], 0);
        for (way, bytes) in pieces {
            let begins = bytes.windows(17).any(|window| window == b"START TRANSACTION");
            transactions += usize::from(*way == Way::ToServer && begins);
            // The first one takes the cursor.
            if transactions == 2 && before_batch == [0, 0] {
                before_batch = [said[0].len(), said[1].len()];
            }
            said[*way as usize].extend_from_slice(bytes);
        }
        assert_eq!(transactions, 2);
        Self { said, before_batch }
    }

    /// Places within the bytes of one way: behind every packet, and of the batch's packets also inside
    /// the header, behind it, in the middle and before the last byte.
    fn places(&self, way: Way) -> Vec<u64> {
        let (said, batch) = (&self.said[way as usize], self.before_batch[way as usize]);
        let (mut places, mut at) = (BTreeSet::new(), 0);
        while at + 4 <= said.len() {
            let length = usize::from(said[at]) | usize::from(said[at + 1]) << 8 | usize::from(said[at + 2]) << 16;
            places.insert(at + 4 + length / 2);
            if at >= batch {
                places.extend([at, at + 1, at + 4, at + 3 + length]);
            }
            at += 4 + length;
        }
        assert_eq!(at, said.len(), "whole packets");
        places.into_iter().filter(|&place| place < said.len()).map(|place| place as u64).collect()
    }

    /// One place in every packet of the batch.
    fn places_of_batch(&self, way: Way) -> Vec<u64> {
        let batch = self.before_batch[way as usize] as u64;
        let mut places = self.places(way);
        places.retain(|&place| place >= batch);
        places.into_iter().step_by(5).collect()
    }
}

/// A batch with everything in it: shares, a candidate, the verdict on the one before.
fn batch(rig: &Rig) {
    rig.book.append_verdict(&rig.ledger, true);
    rig.append(&[Kind::Accepted, Kind::Refused, Kind::Candidate]);
}

/// A rig behind a line, and the conversation on it.
async fn learn(database: &str, setup: Setup) -> (std::sync::Arc<MariaDb>, FaultProxy, Rig, Conversation) {
    let db = MariaDb::shared();
    prepare(&db, database).await;
    let line = FaultProxy::start(db.port()).await;
    let mut rig = Rig::start_with(&mpos_at(line.port(), database), setup);
    rig.append(&[Kind::Candidate]);
    rig.settle().await;
    line.sever();
    line.record();
    batch(&rig);
    rig.settle().await;
    let conversation = Conversation::of(&line.recorded());
    (db, line, rig, conversation)
}

/// Strikes every conversation once, each at another place.
async fn sweep(line: &FaultProxy, rig: &mut Rig, fault: Fault, places: &[(Way, u64)]) {
    for (way, place) in places {
        line.sever();
        let strikes = line.strikes();
        line.strike_after(*way, *place, fault);
        batch(rig);
        let struck = tokio::time::timeout(Duration::from_secs(20), line.struck(strikes)).await;
        assert!(struck.is_ok(), "no such byte: {way:?} {place}");
        rig.settle().await;
        line.heal();
    }
}

fn both_ways(places: impl Fn(Way) -> Vec<u64>) -> Vec<(Way, u64)> {
    [Way::ToServer, Way::ToClient]
        .into_iter()
        .flat_map(|way| places(way).into_iter().map(move |at| (way, at)))
        .collect()
}

#[tokio::test]
async fn cut_at_every_packet_from_the_first_greeting_to_the_answer_of_the_commit() {
    let (db, line, mut rig, conversation) = learn("cut", Setup::default()).await;
    let places = both_ways(|way| conversation.places(way));
    assert!(places.len() > 200, "{}", places.len());
    sweep(&line, &mut rig, Fault::Cut, &places).await;
    rig.check(&db, "cut").await;
}

#[tokio::test]
async fn half_open_at_every_packet_of_a_batch() {
    let (db, line, mut rig, conversation) = learn("half_open", Setup::default()).await;
    let places = both_ways(|way| conversation.places_of_batch(way));
    assert!(places.len() > 20, "{}", places.len());
    sweep(&line, &mut rig, Fault::HalfOpen, &places).await;
    rig.check(&db, "half_open").await;
}

/// Nothing arrives any more and nobody is told: only our own patience ends it.
#[tokio::test]
async fn swallowed_in_the_middle_of_a_batch() {
    let mut setup = Setup::default();
    setup.limits.statement = Duration::from_millis(300);
    let (db, line, mut rig, conversation) = learn("swallowed", setup).await;
    let places = both_ways(|way| conversation.places_of_batch(way));
    let some: Vec<_> = places.into_iter().rev().step_by(5).collect();
    assert!(some.len() > 4, "{}", some.len());
    sweep(&line, &mut rig, Fault::Swallow, &some).await;
    rig.check(&db, "swallowed").await;
}

/// Every kind of trouble in turn while shares come in.
#[tokio::test]
async fn cut_refused_and_slow_under_load() {
    let db = MariaDb::shared();
    prepare(&db, "weather").await;
    let line = FaultProxy::start(db.port()).await;
    let mut rig = Rig::start(&mpos_at(line.port(), "weather"));
    rig.mine();
    for round in 0..30u64 {
        match round % 5 {
            0 => line.sever(),
            1 => line.strike_after(Way::ToClient, 37 * round, Fault::Cut),
            2 => {
                line.refuse(true);
                line.sever();
                rig.trouble("refused").await;
                rig.mined(20).await;
            }
            3 => line.delay(Duration::from_millis(10)),
            _ => line.strike_after(Way::ToServer, 101 * round, Fault::HalfOpen),
        }
        rig.mined(20).await;
        line.heal();
        rig.drained(20).await;
    }
    rig.check(&db, "weather").await;
}
