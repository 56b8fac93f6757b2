//! A session that went over to the next life of the daemon behaves as the one that stayed.

use proptest::prelude::*;

use super::*;
use crate::bytes::fields::{Reader, Writer};
use crate::stratum::session::carried::Jobs;
use crate::work::extranonce::Extranonces;
use crate::work::job::carried::Transactions;
use crate::work::job::tests::recipe;

/// Something that happens to a session.
#[derive(Debug, Clone)]
enum Event {
    Line(String),
    Grant(usize),
    Deny(usize),
    Submit { nonce: u8, job: usize, name: bool },
    NewJob { tip: bool },
    Later(u64),
    Half(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let line = prop::sample::select(vec![
        r#"{"id":1,"method":"mining.subscribe","params":["cgminer/4"]}"#,
        r#"{"id":2,"method":"mining.authorize","params":["a.b","x,d=2"]}"#,
        r#"{"id":3,"method":"mining.authorize","params":["c.d","secret"]}"#,
        r#"{"id":4,"method":"mining.configure","params":[["version-rolling","minimum-difficulty"],{"version-rolling.mask":"00ffe000","minimum-difficulty.value":1}]}"#,
        r#"{"id":5,"method":"mining.suggest_difficulty","params":[8]}"#,
        r#"{"id":6,"method":"nonsense"}"#,
        "junk",
    ]);
    prop_oneof![
        3 => line.prop_map(|line| Event::Line(line.to_owned())),
        2 => (0..4usize).prop_map(Event::Grant),
        1 => (0..4usize).prop_map(Event::Deny),
        8 => (any::<u8>(), 0..6usize, prop::bool::weighted(0.9))
            .prop_map(|(nonce, job, name)| Event::Submit { nonce: nonce % 24, job, name }),
        3 => any::<bool>().prop_map(|tip| Event::NewJob { tip }),
        2 => (1..90u64).prop_map(Event::Later),
        1 => any::<bool>().prop_map(Event::Half),
    ]
}

/// A miner and what it has been told.
struct Played {
    miner: Miner,
    serial: u32,
    jobs: Vec<String>,
}

impl Played {
    fn play(&mut self, event: &Event) -> Vec<Value> {
        let miner = &mut self.miner;
        let told = match event {
            Event::Line(line) => miner.say(line),
            Event::Grant(_) | Event::Deny(_) if miner.authorisations.is_empty() => Vec::new(),
            Event::Grant(index) => {
                let index = index % miner.authorisations.len();
                let name = miner.authorisations[index].1.clone();
                miner.grant(index, &name)
            }
            Event::Deny(index) => {
                let index = index % miner.authorisations.len();
                miner.answer(index, Answer::Denied(Denial::UnknownWorker))
            }
            Event::Submit { nonce, job, name } => {
                let job = self.jobs.iter().rev().nth(*job).cloned().unwrap_or("ffffffff00".to_owned());
                let name = if *name { "a.b" } else { "c.d" };
                miner.submit(9, name, &job, &format!("{nonce:08x}"))
            }
            Event::NewJob { tip } => {
                self.serial += 1;
                let tip_seq = miner.board.tip_seq + u64::from(*tip);
                miner.board(job(self.serial, tip_seq, EASY))
            }
            Event::Later(secs) => {
                let at = miner.now.as_secs() + secs;
                miner.tick_at(at)
            }
            Event::Half(work) => {
                if *work {
                    miner.board.job = None;
                } else if miner.board.job.is_none() {
                    // No two jobs have one number.
                    self.serial += 1;
                    miner.board.job = Some(job(self.serial, miner.board.tip_seq, EASY));
                }
                Vec::new()
            }
        };
        let notified = told.iter().filter(|line| line["method"] == "mining.notify");
        self.jobs.extend(notified.map(|line| line["params"][0].as_str().unwrap().to_owned()));
        told
    }

    /// The miner of the next life, if its session can go there.
    fn carried(&mut self) -> Option<Self> {
        // Whoever is being looked up is found before; look-ups that nobody waits for would be made again.
        for index in 0..self.miner.authorisations.len() {
            let name = self.miner.authorisations[index].1.clone();
            self.miner.grant(index, &name);
        }
        let session = &mut self.miner.session;
        if !session.can_be_carried() {
            return None;
        }
        let all: Vec<_> = session.jobs().cloned().collect();
        let transactions = Transactions::of(all.iter());
        let mut writer = Writer::default();
        transactions.carry(&mut writer);
        writer.list(all.iter(), |writer, job| job.carry(&transactions, writer));
        session.carry(b"", &mut writer);
        let bytes = writer.into_bytes();
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let transactions = Transactions::carried(&mut reader)?;
            let read_job = |reader: &mut Reader<'_>| {
                crate::work::job::Job::carried(reader, &transactions, &recipe().form, recipe().transaction_hash)
            };
            let jobs: Vec<_> = reader.list(16, read_job)?;
            let jobs: Jobs = jobs.into_iter().map(|job| (job.serial, Arc::new(job))).collect();
            // The counters of another life.
            let mut terms = (*session.terms).clone();
            terms.memory = CoinMemory::default();
            let extranonces = Arc::new(Extranonces::starting_at(0));
            let session = Session::carried(&mut reader, Arc::new(terms), session.peer, &extranonces, &jobs)?;
            reader.end().map(|()| session)
        };
        // Whatever is cut off is noticed.
        assert!(read(&bytes[..bytes.len() - 1]).is_err() && read(&bytes[..bytes.len() / 2]).is_err());
        let session = read(&bytes).unwrap();
        let miner = Miner {
            session,
            board: self.miner.board.clone(),
            now: self.miner.now,
            seq: self.miner.seq,
            rows: Vec::new(),
            authorisations: Vec::new(),
            hashes: Vec::new(),
            closed: None,
        };
        Some(Self { miner, serial: self.serial, jobs: self.jobs.clone() })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nobody_can_tell_a_carried_session_from_the_one_that_stayed(
        before in prop::collection::vec(event(), 0..60),
        after in prop::collection::vec(event(), 1..60),
    ) {
        let port = Port { vardiff: Some(vardiff(1e6)), ..port() };
        let mut stays = Played { miner: Miner::on(port, EASY, Algorithm::Sha256d), serial: 1, jobs: Vec::new() };
        for event in &before {
            stays.play(event);
        }
        let Some(mut goes) = stays.carried() else { return Ok(()) };
        // What was asked for in the last life was answered there.
        stays.miner.authorisations.clear();
        stays.miner.rows.clear();
        for event in &after {
            prop_assert_eq!(stays.play(event), goes.play(event), "{:?}", event);
        }
        let row = |row: &JudgedShare| {
            let header = row.work.as_ref().map(|work| work.header.to_vec());
            (row.verdict, row.worker.clone(), row.assigned.get(), row.job, header, row.is_candidate())
        };
        let rows = |played: &Played| played.miner.rows.iter().map(row).collect::<Vec<_>>();
        prop_assert_eq!(rows(&stays), rows(&goes));
        prop_assert_eq!(stays.miner.closed, goes.miner.closed);
        prop_assert_eq!(stays.miner.session.deadline(), goes.miner.session.deadline());
    }
}
