//! The port of a made-up life, and the work on it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::coin::profile::BlockHash;
use mpos_stratum::config::{AgentDifficulty, Grid, Port, Rules, Transport, Vardiff};
use mpos_stratum::difficulty::{Difficulty, Target};
use mpos_stratum::pow::Algorithm;
use mpos_stratum::stratum::session::effects::{CoinMemory, Terms};
use mpos_stratum::work::template::{Particulars, Template};

use super::super::tape::Tape;

/// Every fourth hash meets it, in units of 2^32 hashes.
pub const SOME: f64 = 1.0 / (1u64 << 30) as f64;
/// log2 of the hashes behind difficulty 1.
pub const STRATUM_BITS: u32 = 32;
/// When lives begin.
pub const UNIX_SECS: u64 = 1_700_000_000;

fn difficulty(value: f64) -> Difficulty {
    Difficulty::new(value).unwrap()
}

fn rules(tape: &mut Tape<'_>) -> Rules {
    let agent = AgentDifficulty { agent: "nicehash".to_owned(), difficulty: difficulty(SOME * 8.0), least: true };
    Rules {
        share_tolerance_ppm: *tape.pick(&[0, 5000]),
        stale_grace: Duration::from_secs(*tape.pick(&[0, 10])),
        race_window: Duration::from_secs(*tape.pick(&[30, 0])),
        agent_difficulties: vec![agent],
        apply_at_next_job: tape.one_in(3),
        jobs_before_auth: !tape.one_in(3),
        invalid_window_shares: *tape.pick(&[500, 30]),
        invalid_ratio_max: *tape.pick(&[1.0, 0.5]),
        reconnect_on_stop: tape.one_in(2),
        message: tape.one_in(2).then(|| "welcome".to_owned()),
        ask_version: tape.one_in(2),
        ..Rules::default()
    }
}

/// What a port and its coin are like.
pub fn terms(tape: &mut Tape<'_>) -> Terms {
    let vardiff = tape.one_in(2).then(|| Vardiff {
        min: difficulty(SOME / 4.0),
        max: difficulty(SOME * 16.0),
        target: Duration::from_secs(2),
        retarget: Duration::from_secs(10),
        variance: 0.3,
        max_jump: None,
        double_steps: tape.one_in(2),
        grid: Grid::Off,
    });
    let port = Port {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        difficulty: difficulty(SOME * *tape.pick(&[1.0, 0.5, 4.0])),
        vardiff,
        extranonce2_bytes: *tape.pick(&[4, 2, 8]),
        connections_max: 10,
        line_bytes_max: 8192,
        subscribe_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(*tape.pick(&[3600, 300])),
        write_timeout: Duration::from_secs(30),
        keepalive: Duration::from_secs(50),
        transport: Transport::default(),
        rules: rules(tape),
    };
    Terms {
        port: Arc::new(port),
        // The hash of offloaded work is whatever the driver says it is.
        algorithm: *tape.pick(&[Algorithm::Sha256d, Algorithm::Scrypt { log_n: 10, r: 1 }]),
        block_hash: BlockHash::Sha256d,
        stratum_bits: STRATUM_BITS as u8,
        version_mask: 0x1fff_e000,
        answers_wait_for_sync: tape.one_in(3),
        emit_invalid_block_hashes: tape.one_in(4),
        time_rolling: !tape.one_in(4),
        recheck: Duration::from_secs(600),
        memory: CoinMemory::default(),
    }
}

/// What the next block is to be made of; `bits` say how many hashes are one.
pub fn template(tip_seq: u64, bits: u32, unix_secs: u64) -> Template {
    let mut previous = [0; 32];
    previous[..8].copy_from_slice(&tip_seq.to_le_bytes());
    let now = u32::try_from(unix_secs).unwrap();
    Template {
        height: 1000 + u32::try_from(tip_seq).unwrap(),
        version: 0x2000_0000,
        previous,
        bits,
        target: Target::from_compact(bits).unwrap(),
        curtime: now,
        mintime: now - 600,
        coinbase_value: 50,
        fees: None,
        coinbase_aux: Vec::new(),
        witness_commitment: None,
        transactions: Vec::new(),
        mweb: None,
        longpoll_id: None,
        work_id: None,
        particulars: Particulars::default(),
    }
}
