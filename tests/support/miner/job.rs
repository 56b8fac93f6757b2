//! A job as it came over the wire, and what a miner makes of it: coinbase, merkle root, header, share.

use serde_json::{Value, json};

use super::hash::{self, Algorithm};
use super::layout::{self, Extra, Layout};
use super::target::{self, Target};
use super::{Problem, hex};

/// One `mining.notify`, with what was in force when it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The pool's name for it.
    pub id: String,
    /// Hash of the block to build on, internal byte order (the wire's word swap undone).
    pub previous: [u8; 32],
    /// Coinbase before the extranonces.
    pub coinbase_start: Vec<u8>,
    /// Coinbase after the extranonces.
    pub coinbase_end: Vec<u8>,
    /// Merkle branch from the coinbase upwards.
    pub branch: Vec<[u8; 32]>,
    /// Header version.
    pub version: u32,
    /// Compact network target.
    pub bits: u32,
    /// Header time, Unix seconds.
    pub time: u32,
    /// Whether older jobs are worthless.
    pub clean: bool,
    /// The last `mining.set_difficulty` before it.
    pub difficulty: f64,
    /// The connection's part of the extranonce.
    pub extranonce1: Vec<u8>,
    /// How long the miner's part must be.
    pub extranonce2_bytes: usize,
    /// Version bits the miner may choose.
    pub version_mask: u32,
    /// What is being mined.
    pub algorithm: Algorithm,
    /// What the coin's headers have beside the usual fields.
    pub extra: Extra,
}

/// What a miner chooses for one hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The miner's part of the extranonce.
    pub extranonce2: Vec<u8>,
    /// Header time.
    pub time: u32,
    /// Header nonce.
    pub nonce: u32,
    /// Bits for the version mask; `None` leaves the sixth parameter of the submit away.
    pub version_bits: Option<u32>,
    /// The vote, where headers have one; `None` votes for nothing and leaves the sixth parameter away.
    pub vote: Option<u16>,
}

/// One hash and everything that led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The job's id.
    pub job: String,
    /// What the miner chose.
    pub choice: Choice,
    /// The bytes that were hashed.
    pub header: Vec<u8>,
    /// The transaction id of the coinbase, internal byte order.
    pub coinbase_txid: [u8; 32],
    /// The proof-of-work hash, internal byte order.
    pub hash: [u8; 32],
    /// Whether the hash meets the share target of the job's difficulty.
    pub meets_share_target: bool,
    /// Whether it misses that by more than a pool's tolerance, which is half a percent.
    pub misses_share_target: bool,
    /// Whether the hash meets the network target.
    pub meets_network_target: bool,
}

impl Job {
    /// Reads the nine parameters of a `mining.notify` as strictly as old miners do: lower-case
    /// hexadecimal of exact lengths, the last a boolean. LBRY's miners want the claims after the previous hash,
    /// Heavycoin's the reward and the highest vote at the end.
    pub fn read(params: &Value, in_force: &InForce) -> Result<Job, Problem> {
        let wrong = |what: &str| Problem::protocol(format!("mining.notify {what}: {params}"));
        let mut all = params.as_array().cloned().unwrap_or_default();
        let extra: Vec<Value> = match Layout::of(in_force.algorithm) {
            Layout::Lbry if all.len() == 10 => all.drain(2..3).collect(),
            Layout::Heavycoin if all.len() == 11 => all.drain(9..).collect(),
            _ => Vec::new(),
        };
        let [id, previous, start, end, branch, version, bits, time, clean] = all.as_slice() else {
            return Err(wrong("has not the right number of parameters"));
        };
        let bytes = |value: &Value, what: &str| {
            let text = value.as_str().filter(|text| !text.bytes().any(|b| b.is_ascii_uppercase()));
            text.and_then(hex::decode).ok_or_else(|| wrong(what))
        };
        let number = |value: &Value, what: &str| {
            let four: [u8; 4] = bytes(value, what)?.try_into().map_err(|_| wrong(what))?;
            Ok::<u32, Problem>(u32::from_be_bytes(four))
        };
        let hash = |value: &Value, what: &str| <[u8; 32]>::try_from(bytes(value, what)?).map_err(|_| wrong(what));
        let short = |value: &Value| {
            let two: [u8; 2] = bytes(value, "reward or vote")?.try_into().map_err(|_| wrong("reward or vote"))?;
            Ok::<u16, Problem>(u16::from_be_bytes(two))
        };
        let extra = match (Layout::of(in_force.algorithm), extra.as_slice()) {
            (Layout::Lbry, [root]) => Extra::Claims(swap_words(hash(root, "claims")?)),
            (Layout::Heavycoin, [reward, most]) => Extra::Vote { reward: short(reward)?, vote_max: short(most)? },
            (Layout::Bitcoin, []) => Extra::None,
            _ => return Err(wrong("has not the right number of parameters")),
        };
        let branch = branch.as_array().ok_or_else(|| wrong("branch is no array"))?;
        Ok(Job {
            id: id.as_str().ok_or_else(|| wrong("job id is no string"))?.to_owned(),
            previous: swap_words(hash(previous, "previous hash")?),
            coinbase_start: bytes(start, "coinb1")?,
            coinbase_end: bytes(end, "coinb2")?,
            branch: branch.iter().map(|step| hash(step, "branch")).collect::<Result<_, _>>()?,
            version: number(version, "version")?,
            bits: number(bits, "nbits")?,
            time: number(time, "ntime")?,
            clean: clean.as_bool().ok_or_else(|| wrong("clean_jobs is no boolean"))?,
            difficulty: in_force.difficulty.ok_or_else(|| wrong("came before any mining.set_difficulty"))?,
            extranonce1: in_force.extranonce1.clone(),
            extranonce2_bytes: in_force.extranonce2_bytes,
            version_mask: in_force.version_mask,
            algorithm: in_force.algorithm,
            extra,
        })
    }

    /// The coinbase without witness, extranonces filled in.
    pub fn coinbase(&self, extranonce2: &[u8]) -> Vec<u8> {
        [&self.coinbase_start[..], &self.extranonce1, extranonce2, &self.coinbase_end].concat()
    }

    /// The merkle root over a coinbase's transaction id.
    pub fn merkle_root(&self, coinbase_txid: [u8; 32]) -> [u8; 32] {
        self.branch.iter().fold(coinbase_txid, |node, step| self.algorithm.merkle_node(&[node, *step].concat()))
    }

    /// The version with the miner's bits put in where the mask allows.
    pub fn rolled_version(&self, version_bits: Option<u32>) -> u32 {
        version_bits.map_or(self.version, |bits| self.version & !self.version_mask | bits & self.version_mask)
    }

    /// The share target of the job's difficulty.
    pub fn share_target(&self) -> Target {
        self.target_at(1.0)
    }

    /// The target of a part of the job's difficulty.
    fn target_at(&self, part: f64) -> Target {
        // A difficulty that has no target would have been refused when it came.
        target::of_difficulty(self.difficulty * part, self.algorithm.difficulty_one_bits()).unwrap_or([0; 32])
    }

    /// Hashes one choice.
    pub fn share(&self, choice: Choice) -> Share {
        let coinbase_txid = self.algorithm.transaction_hash(&self.coinbase(&choice.extranonce2));
        let root = self.merkle_root(coinbase_txid);
        self.share_of_root(choice, coinbase_txid, root)
    }

    /// Tries nonces upwards from the choice's own until `wanted` likes a share.
    pub fn search(&self, mut choice: Choice, wanted: impl Fn(&Share) -> bool, tries_max: u32) -> Option<Share> {
        let coinbase_txid = self.algorithm.transaction_hash(&self.coinbase(&choice.extranonce2));
        let root = self.merkle_root(coinbase_txid);
        for _ in 0..tries_max {
            let share = self.share_of_root(choice.clone(), coinbase_txid, root);
            if wanted(&share) {
                return Some(share);
            }
            choice.nonce = choice.nonce.wrapping_add(1);
        }
        None
    }

    fn share_of_root(&self, choice: Choice, coinbase_txid: [u8; 32], root: [u8; 32]) -> Share {
        let version = self.rolled_version(choice.version_bits).to_le_bytes();
        let start = [&version[..], &self.previous, &root].concat();
        let numbers = [choice.time, self.bits, choice.nonce];
        let header = layout::header(&start, self.extra, numbers, choice.vote.unwrap_or_default());
        let hash = self.algorithm.proof_of_work(&header);
        Share {
            job: self.id.clone(),
            choice,
            header,
            coinbase_txid,
            hash,
            meets_share_target: target::is_met(&self.share_target(), &hash),
            misses_share_target: !target::is_met(&self.target_at(0.99), &hash),
            meets_network_target: target::of_bits(self.bits).is_some_and(|network| target::is_met(&network, &hash)),
        }
    }
}

impl Share {
    /// The double SHA-256 of the header, which names the block on most coins, as RPC and MPOS's `shares.solution`
    /// write it.
    pub fn block_hash(&self) -> String {
        hash::display(&hash::sha256d(&self.header))
    }

    /// The proof-of-work hash as people write it.
    pub fn work_hash(&self) -> String {
        hash::display(&self.hash)
    }

    /// The parameters of the `mining.submit` that hands it in.
    pub fn submit_params(&self, worker: &str) -> Value {
        let Choice { extranonce2, time, nonce, version_bits, vote } = &self.choice;
        let mut params = vec![
            json!(worker),
            json!(self.job),
            json!(hex::encode(extranonce2)),
            json!(format!("{time:08x}")),
            json!(format!("{nonce:08x}")),
        ];
        params.extend(version_bits.map(|bits| json!(format!("{bits:08x}"))));
        params.extend(vote.map(|vote| json!(format!("{vote:04x}"))));
        Value::Array(params)
    }
}

/// What a connection has been told so far and the next job is to be read with.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Of the subscription, or of `mining.set_extranonce`.
    pub extranonce1: Vec<u8>,
    /// Likewise.
    pub extranonce2_bytes: usize,
    /// Of `mining.set_difficulty`.
    pub difficulty: Option<f64>,
    /// Of `mining.configure` or `mining.set_version_mask`.
    pub version_mask: u32,
    /// What is being mined.
    pub algorithm: Algorithm,
}

/// Turns each four-byte word of the wire's previous hash around, to or from internal byte order.
pub fn swap_words(mut hash: [u8; 32]) -> [u8; 32] {
    for word in hash.chunks_exact_mut(4) {
        word.reverse();
    }
    hash
}
