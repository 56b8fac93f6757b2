//! What goes over of one coin, and what becomes of it in the next life.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::CoinPast;
use super::mined_by::mined_by;
use super::state::{CoinState, ConnectionState};
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::config::Coin;
use crate::node::tip::{Past, Work};
use crate::service::jobs::PastJobs;
use crate::stratum::leaving::{Leaving, Returned, Returning};
use crate::stratum::session::carried::Jobs;
use crate::stratum::session::effects::Terms;
use crate::stratum::session::parked::Parked;
use crate::work::board::JobBoard;
use crate::work::extranonce::Extranonces;
use crate::work::job::Job;
use crate::work::job::carried::Transactions;

/// Most jobs of a coin: those that parked sessions have kept are among them.
const JOBS_MAX: usize = 65_536;

/// What a coin leaves.
#[derive(Debug)]
pub struct Left {
    /// As it is written down.
    pub state: CoinState,
    /// The sockets of its connections.
    pub sockets: Vec<OwnedFd>,
}

impl Left {
    /// Puts together what the coin leaves.
    pub fn new(
        coin: &Coin,
        board: &JobBoard,
        work: &Work,
        extranonces: &Extranonces,
        parked: &Parked,
        connections: Vec<Leaving>,
    ) -> Self {
        let mut lot = Writer::default();
        let mut jobs: BTreeMap<u32, Arc<Job>> = BTreeMap::new();
        let parked_jobs = parked.carry(&mut lot);
        let of_connections = connections.iter().flat_map(|connection| connection.jobs.iter().cloned());
        for job in of_connections.chain(parked_jobs).chain(board.job.clone()) {
            jobs.insert(job.serial, job);
        }
        let newest = jobs.values().max_by_key(|job| (job.made_at, job.serial.wrapping_sub(first_serial(&jobs))));
        let transactions = Transactions::of(jobs.values());
        let mut writer = Writer::default();
        writer.u32(extranonces.next());
        writer.u64(work.tip_seq);
        writer.time(work.fetched_at);
        transactions.carry(&mut writer);
        writer.list(jobs.values(), |writer, job| job.carry(&transactions, writer));
        writer.option(board.job.as_ref().map(|job| job.serial), Writer::u32);
        writer.option(newest.map(|job| job.serial), Writer::u32);
        writer.bytes(&lot.into_bytes());
        let mut states = Vec::with_capacity(connections.len());
        let mut sockets = Vec::with_capacity(connections.len());
        for Leaving { socket, port, remote, state, .. } in connections {
            sockets.push(socket);
            states.push(ConnectionState { port, remote, state });
        }
        let work = writer.into_bytes();
        let state = CoinState { name: coin.name.clone(), mined_by: mined_by(&coin.profile), work, connections: states };
        Self { state, sockets }
    }
}

/// What a coin goes on with.
#[derive(Debug, Default)]
pub struct Restored {
    /// Where extranonces go on.
    pub next_extranonce: Option<u32>,
    /// What the nodes are asked for news of.
    pub past: Past,
    /// What miners work on.
    pub work: PastJobs,
    jobs: Jobs,
    parked: Vec<u8>,
    connections: Vec<(ConnectionState, OwnedFd)>,
}

impl Restored {
    /// Reads what was left of the coin; nothing of it is used if anything is wrong.
    pub fn new(coin: &Coin, past: Option<CoinPast>) -> Self {
        let Some(CoinPast { state, connections }) = past else { return Self::default() };
        let count = connections.len();
        if state.mined_by != mined_by(&coin.profile) {
            warn!(coin = coin.name, connections = count, "the coin is mined otherwise now: its miners connect again");
            return Self::default();
        }
        match Self::read(coin, &state.work) {
            Ok(restored) => Self { connections, ..restored },
            Err(problem) => {
                error!(coin = coin.name, %problem, connections = count, "what the last run left cannot be used: its miners connect again");
                Self::default()
            }
        }
    }

    fn read(coin: &Coin, bytes: &[u8]) -> Result<Self, Damaged> {
        let profile = &coin.profile;
        let mut reader = Reader::new(bytes);
        let next_extranonce = Some(reader.u32()?);
        let (tip_seq, fetched_at) = (reader.u64()?, reader.time()?);
        let transactions = Transactions::carried(&mut reader)?;
        let jobs: Vec<Job> = reader
            .list(JOBS_MAX, |reader| Job::carried(reader, &transactions, &profile.form, profile.transaction_hash))?;
        let jobs: Jobs = jobs.into_iter().map(|job| (job.serial, Arc::new(job))).collect();
        let job = reader.option(Reader::u32)?.and_then(|serial| jobs.get(&serial)).cloned();
        let serial = reader.option(Reader::u32)?;
        let parked = reader.bytes(bytes.len())?.to_vec();
        reader.end()?;
        let of_tip = serial.and_then(|serial| jobs.get(&serial)).filter(|job| job.tip_seq == tip_seq);
        let template = of_tip.map(|job| Arc::clone(&job.template));
        Ok(Self {
            next_extranonce,
            past: Past { template, tip_seq, fetched_at },
            work: PastJobs { board: Arc::new(JobBoard { tip_seq, job }), serial },
            jobs,
            parked,
            connections: Vec::new(),
        })
    }

    /// The connections of a port.
    pub fn connections(
        &mut self,
        listen: SocketAddr,
        terms: &Arc<Terms>,
        extranonces: &Arc<Extranonces>,
    ) -> Vec<Returning> {
        let (own, others) = std::mem::take(&mut self.connections).into_iter().partition(|(one, _)| one.port == listen);
        self.connections = others;
        let own: Vec<(ConnectionState, OwnedFd)> = own;
        let returning = own.into_iter().filter_map(|(connection, socket)| {
            match Returned::read(&connection.state, terms, extranonces, &self.jobs) {
                Ok(state) => Some(Returning { socket, remote: connection.remote, state }),
                Err(problem) => {
                    warn!(remote = %connection.remote, %problem, "a session of the last run does not fit any more: closed");
                    None
                }
            }
        });
        returning.collect()
    }

    /// The sessions that wait to be taken up again.
    pub fn park(&mut self, parked: &Parked, ports: &[Arc<Terms>], extranonces: &Arc<Extranonces>) {
        let Some(any) = ports.first().filter(|_| !self.parked.is_empty()) else { return };
        let of_size = |size| ports.iter().find(|terms| terms.port.extranonce2_bytes == size).unwrap_or(any);
        let bytes = std::mem::take(&mut self.parked);
        if let Err(problem) = parked.carried(&mut Reader::new(&bytes), of_size, extranonces, &self.jobs) {
            warn!(%problem, "not all sessions of the last run can be taken up again");
        }
    }

    /// Closes what no port has taken, and says what has become of the rest.
    pub fn finish(self, coin: &Coin, resumed: usize) {
        if self.next_extranonce.is_some() {
            info!(coin = coin.name, connections = resumed, jobs = self.jobs.len(), "going on where the last run ended");
        }
        if !self.connections.is_empty() {
            let closed = self.connections.len();
            warn!(coin = coin.name, closed, "connections of ports that are no longer configured: closed");
        }
    }
}

/// The serial from which the others are counted: they may wrap around.
fn first_serial(jobs: &Jobs) -> u32 {
    jobs.values().min_by_key(|job| job.made_at).map_or(0, |job| job.serial)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::service::coin::terms;
    use crate::service::handover::state;
    use crate::stratum::session::effects::CoinMemory;

    /// What a daemon of version 1 left: two miners, one of them in the middle of a line, and a session that waits to
    /// be taken up.
    const SAMPLE: &[u8] = include_bytes!("version-1.sample");
    const PORT: &str = "127.0.0.1:34649";

    fn coin() -> Arc<Coin> {
        let text = format!(
            r#"
[daemon]
state_dir = "state"
[[coin]]
name = "bitcoin"
preset = "bitcoin"
payout_address = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
fallback_worker = "pool.fallback"
[[coin.node]]
url = "http://127.0.0.1:8332"
user = "u"
password = "p"
[[coin.port]]
listen = "{PORT}"
difficulty = 0.0000000037252903
[coin.mpos]
database = "mpos"
user = "u"
password = "p"
"#
        );
        let config = crate::config::parse(Path::new("test.toml"), text).unwrap();
        Arc::clone(&config.coins[0])
    }

    #[test]
    fn what_version_1_left_is_still_understood() {
        let coin = coin();
        let mut states = state::decode(SAMPLE).unwrap();
        let mut state = states.pop().unwrap();
        assert!(states.is_empty() && state.name == "bitcoin");
        let connections = std::mem::take(&mut state.connections);
        assert_eq!(connections.len(), 2);
        let mut restored = Restored::new(&coin, Some(CoinPast { state, connections: Vec::new() }));
        assert!(restored.next_extranonce.is_some());
        let job = restored.work.board.job.clone().expect("there was work");
        assert_eq!(Some(job.serial), restored.work.serial);
        assert_eq!((restored.past.tip_seq, job.template.height), (1, 101));
        assert!(Arc::ptr_eq(&job.template, restored.past.template.as_ref().unwrap()));

        let memory = CoinMemory::default();
        let terms = Arc::new(terms(&coin, Arc::clone(&coin.ports[0]), &memory));
        let extranonces = Arc::new(Extranonces::starting_at(restored.next_extranonce.unwrap()));
        let (mut unread, mut sessions) = (Vec::new(), Vec::new());
        for connection in &connections {
            assert_eq!(connection.port, PORT.parse().unwrap());
            let read = Returned::read(&connection.state, &terms, &extranonces, &restored.jobs).unwrap();
            let Returned::Session(running) = read else { panic!("a session") };
            assert_eq!(running.session.last_worker(), Some("alice.rig1"));
            assert!(running.session.has_worked() && running.session.jobs().count() > 0);
            unread.extend(running.unread);
            sessions.push(running.session);
            // The next life has the same extranonces in use.
            assert!(Returned::read(&connection.state, &terms, &extranonces, &restored.jobs).is_err());
        }
        assert_eq!(unread, b"{\"id\":1,\"meth");
        assert!(memory.keys.get() > 0, "what was submitted is remembered");
        restored.park(&memory.parked, &[Arc::clone(&terms)], &extranonces);
        let mut lot = Writer::default();
        memory.parked.carry(&mut lot);
        assert_eq!(Reader::new(&lot.into_bytes()).count(9).unwrap(), 1);
    }

    #[test]
    fn a_coin_that_is_mined_otherwise_now_starts_anew() {
        let coin = coin();
        let mut state = state::decode(SAMPLE).unwrap().pop().unwrap();
        state.connections.clear();
        state.mined_by.push('x');
        let restored = Restored::new(&coin, Some(CoinPast { state, connections: Vec::new() }));
        assert!(restored.next_extranonce.is_none() && restored.work.board.job.is_none());
    }
}
