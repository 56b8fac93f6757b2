//! The make-believe chain of the fake node, and the block templates on top of it.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::miner::hash::{Algorithm, display, sha256d};
use super::super::miner::layout::{self, Extra, Layout};
use super::super::miner::{hex, target};
use super::staking::{self, Staking};
use super::wallet::Wallet;

/// What the coinbase may pay, before fees.
const SUBSIDY: u64 = 5_000_000_000;
/// Compact target of the blocks that strangers find: regtest's.
const EASY_BITS: u32 = 0x207f_ffff;
/// Version of the blocks that strangers find.
const VERSION: u32 = 0x2000_0000;
/// Time of the first block: nodes of one coin begin with the same, whenever they were started and begun anew.
const FIRST_SECS: u64 = 1_600_000_000;
/// Root of the claims in LBRY's templates and blocks: any hash.
pub const CLAIMS: [u8; 32] = {
    let mut root = [0xc0; 32];
    let mut at = 1;
    while at < 32 {
        root[at] = root[at - 1] + 1;
        at += 1;
    }
    root
};
/// What a block of Heavycoin's earns, in whole coins.
pub const REWARD: u16 = 50;
/// Blocks of a chain with staked ones: more than a proof looks at.
const STAKED_BLOCKS: usize = 20;
/// Fee of every dummy transaction.
const FEE: u64 = 1_000;

/// Block hashes by height, and those that fell out of the best chain.
#[derive(Debug)]
pub struct Chain {
    algorithm: Algorithm,
    /// Compact network target of the templates.
    pub bits: u32,
    /// How many dummy transactions a template carries.
    pub transactions: usize,
    /// Further members of the templates.
    pub more: serde_json::Map<String, Value>,
    /// What it says of addresses.
    pub wallet: Wallet,
    /// While it catches up: its block, and how many there are. It has no templates then.
    pub catching_up: Option<(usize, usize)>,
    /// Whether blocks that are handed in are named by their proof of work.
    by_proof_of_work: bool,
    /// Every other block is staked.
    staking: Option<Staking>,
    best: Vec<[u8; 32]>,
    /// Headers by the names of their blocks.
    headers: HashMap<String, Vec<u8>>,
    orphans: Vec<[u8; 32]>,
    made: u64,
}

impl Chain {
    /// A chain of a hundred blocks whose target is so hard that no share of a test is a block.
    pub fn new(algorithm: Algorithm) -> Self {
        let bits = match algorithm {
            Algorithm::Sha256d | Algorithm::Other(_) => 0x1d00_ffff,
            Algorithm::Scrypt => 0x1a00_ffff,
        };
        let mut chain = Self {
            algorithm,
            bits,
            transactions: 0,
            more: serde_json::Map::new(),
            wallet: Wallet::default(),
            catching_up: None,
            by_proof_of_work: false,
            staking: None,
            best: Vec::new(),
            headers: HashMap::new(),
            orphans: Vec::new(),
            made: 0,
        };
        for _ in 0..=100 {
            chain.extend_by_stranger();
        }
        chain
    }

    /// Begins anew with blocks that are named by their proof of work.
    pub fn begin_by_proof_of_work(&mut self) {
        self.by_proof_of_work = true;
        self.headers.clear();
        for _ in 0..self.best.split_off(0).len() {
            self.extend_by_stranger();
        }
    }

    /// Begins anew as a chain of some algorithm that has one block after the first. Its name is its proof of work, which
    /// shows the algorithm as well as a hundred blocks would, for which some algorithms need minutes.
    pub fn begin_short(&mut self, algorithm: Algorithm) {
        self.algorithm = algorithm;
        self.by_proof_of_work = true;
        (self.best, self.headers) = (Vec::new(), HashMap::new());
        for _ in 0..2 {
            self.extend_by_stranger();
        }
    }

    /// Begins anew as a chain of Peercoin's kind, every other block of which is staked.
    pub fn begin_staked(&mut self, staking: Staking) {
        self.staking = Some(staking);
        (self.best, self.headers) = (Vec::new(), HashMap::new());
        for _ in 0..STAKED_BLOCKS {
            self.extend_by_stranger();
        }
    }

    /// How its nodes speak, if blocks are staked.
    pub fn staking(&self) -> Option<Staking> {
        self.staking
    }

    /// Somebody else finds a block: an easy one, but with a name and a proof of work that are true.
    pub fn extend_by_stranger(&mut self) {
        self.made += 1;
        let mut start = VERSION.to_le_bytes().to_vec();
        start.extend(self.best.last().unwrap_or(&[0; 32]));
        let number = if self.best.is_empty() { 0 } else { self.made };
        start.extend(sha256d(&number.to_le_bytes()));
        let extra = match self.layout() {
            Layout::Bitcoin => Extra::None,
            Layout::Lbry => Extra::Claims(CLAIMS),
            Layout::Heavycoin => Extra::Vote { reward: REWARD, vote_max: 0 },
        };
        let time = if self.best.is_empty() { FIRST_SECS } else { now_secs() };
        let numbers = [u32::try_from(time).unwrap_or(u32::MAX), EASY_BITS, 0];
        let mut header = layout::header(&start, extra, numbers, 7);
        // The target's topmost byte; the bytes of a hash stand in reverse. A chain's first block is given, not mined.
        while !self.best.is_empty() && !self.is_good(&header) {
            header[self.layout().nonce_at()] += 1;
        }
        self.extend(&header);
    }

    /// Whether a header meets the strangers' target, or as a staked block does not.
    fn is_good(&self, header: &[u8]) -> bool {
        let topmost = self.algorithm.proof_of_work(header)[31];
        match self.staking {
            None => topmost <= 0x7e,
            Some(_) if staking::is_staked(self.best.len()) => topmost > 0x7f,
            // No block by another algorithm: who takes it for that must not be lucky.
            Some(_) => topmost <= 0x7e && Algorithm::Scrypt.proof_of_work(header)[31] > 0x7f,
        }
    }

    /// How its headers are laid out.
    pub fn layout(&self) -> Layout {
        Layout::of(self.algorithm)
    }

    /// A submitted block becomes the tip; false if it is known already.
    pub fn extend(&mut self, block: &[u8]) -> bool {
        let header = block.get(..self.layout().bytes()).unwrap_or_default();
        let hash = if self.by_proof_of_work { self.algorithm.proof_of_work(header) } else { sha256d(header) };
        let is_new = self.headers.insert(display(&hash), header.to_vec()).is_none();
        if is_new {
            self.best.push(hash);
        }
        is_new
    }

    /// The newest `depth` blocks lose against a branch that is one block longer.
    pub fn reorganise(&mut self, depth: usize) {
        let keep = self.best.len().saturating_sub(depth).max(1);
        self.orphans.extend(self.best.split_off(keep));
        for _ in 0..=depth {
            self.extend_by_stranger();
        }
    }

    /// Height of the tip.
    pub fn height(&self) -> usize {
        self.best.len().saturating_sub(1)
    }

    /// Hash of the tip as RPC writes it.
    pub fn tip(&self) -> String {
        self.best.last().map(display).unwrap_or_default()
    }

    /// Hash of the block at a height.
    pub fn hash_at(&self, height: usize) -> Option<String> {
        self.best.get(height).map(display)
    }

    /// What `getblockheader` says; `None` for a block that was never heard of.
    pub fn header(&self, hash: &str) -> Option<Value> {
        let position = |chain: &[[u8; 32]]| chain.iter().position(|block| display(block) == hash);
        let (height, confirmations) = match position(&self.best) {
            Some(height) => (height, json!(self.best.len() - height)),
            None => (position(&self.orphans).map(|_| self.height())?, json!(-1)),
        };
        let header = self.headers.get(hash)?;
        let root: [u8; 32] = header.get(36..68)?.try_into().ok()?;
        if let Some(staking) = self.staking {
            let below = height.checked_sub(1).and_then(|below| self.hash_at(below));
            return staking.block(hash, header, (height, self.best.len() - height), below.as_deref());
        }
        if self.layout() == Layout::Heavycoin {
            return self.block_of_heavycoin(hash, header, height);
        }
        Some(json!({
            "hash": hash, "merkleroot": display(&root), "confirmations": confirmations, "height": height, "version": 0x2000_0000,
            "time": now_secs(), "mediantime": now_secs(), "bits": format!("{:08x}", self.bits),
            "previousblockhash": height.checked_sub(1).and_then(|below| self.hash_at(below)),
        }))
    }

    /// What Heavycoin's `getblock` says: its nodes know no `getblockheader`.
    fn block_of_heavycoin(&self, hash: &str, header: &[u8], height: usize) -> Option<Value> {
        let number = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let short = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
        let hash_at = |at: usize| Some(display(header.get(at..at + 32)?.try_into().ok()?));
        Some(json!({
            "hash": hash, "confirmations": self.best.len() - height, "height": height, "version": number(0)?,
            "merkleroot": hash_at(36)?, "time": number(68)?, "nonce": number(76)?,
            "bits": format!("{:08x}", number(72)?), "vote": short(80)?, "reward": short(82)?,
            "previousblockhash": hash_at(4)?,
        }))
    }

    /// The bytes of a header in hexadecimal.
    pub fn raw_header(&self, hash: &str) -> Option<Value> {
        self.headers.get(hash).map(|header| json!(hex::encode(header)))
    }

    /// What `getblockchaininfo` says.
    pub fn info(&self) -> Value {
        let (blocks, headers) = self.catching_up.unwrap_or((self.height(), self.height()));
        json!({
            "chain": "main", "blocks": blocks, "headers": headers, "bestblockhash": self.tip(), "difficulty": 1.0,
            "initialblockdownload": self.catching_up.is_some(), "warnings": "",
            "verificationprogress": (blocks * 10_000 / headers) as f64 / 10_000.0,
        })
    }

    /// The rules a `getblocktemplate` must name, as the real daemons insist.
    pub fn rules_needed(&self) -> &'static [&'static str] {
        match self.algorithm {
            Algorithm::Other(_) if self.layout() == Layout::Heavycoin => &[],
            Algorithm::Sha256d | Algorithm::Other(_) => &["segwit"],
            Algorithm::Scrypt => &["segwit", "mweb"],
        }
    }

    /// Changes whenever the tip does.
    pub fn longpoll_id(&self) -> String {
        format!("{}{}", self.tip(), self.made)
    }

    /// The template for the block after the tip.
    pub fn template(&self) -> Value {
        let height = self.best.len();
        let (transactions, txids): (Vec<Value>, Vec<[u8; 32]>) =
            (0..self.transactions).map(|index| dummy_transaction(self.algorithm, height, index)).unzip();
        let fees = FEE.saturating_mul(u64::try_from(transactions.len()).unwrap_or(u64::MAX));
        let now = now_secs();
        let mut template = json!({
            "capabilities": ["proposal"], "version": 0x2000_0000, "rules": ["csv", "!segwit", "taproot"],
            "vbavailable": {}, "vbrequired": 0, "previousblockhash": self.tip(), "transactions": transactions,
            "coinbaseaux": {}, "coinbasevalue": SUBSIDY + fees, "longpollid": self.longpoll_id(),
            "target": target::of_bits(self.bits).map(|target| hex::encode(&target)),
            "mintime": now.saturating_sub(3600), "mutable": ["time", "transactions", "prevblock"],
            "noncerange": "00000000ffffffff", "sigoplimit": 80_000, "sizelimit": 4_000_000, "weightlimit": 4_000_000,
            "curtime": now, "bits": format!("{:08x}", self.bits), "height": height,
            "default_witness_commitment": witness_commitment(&txids),
        });
        template.as_object_mut().into_iter().for_each(|members| members.extend(self.more.clone()));
        match (self.layout(), template.as_object_mut()) {
            (Layout::Lbry, Some(members)) => {
                members.insert("claimtrie".to_owned(), json!(display(&CLAIMS)));
            }
            (Layout::Heavycoin, Some(members)) => {
                members.insert("reward".to_owned(), json!(REWARD));
                // A node of 2014 knows nothing of these.
                for member in ["capabilities", "rules", "default_witness_commitment", "weightlimit", "longpollid"] {
                    members.remove(member);
                }
            }
            _ => {}
        }
        template
    }
}

/// A well-formed transaction that nobody could ever spend, and its id.
fn dummy_transaction(algorithm: Algorithm, height: usize, index: usize) -> (Value, [u8; 32]) {
    let previous = sha256d(format!("{height}/{index}").as_bytes());
    let mut data = vec![1, 0, 0, 0, 1];
    data.extend(previous);
    data.extend([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1]);
    // One output of 1,000 units to OP_TRUE, no lock time.
    data.extend([0xe8, 3, 0, 0, 0, 0, 0, 0, 1, 0x51, 0, 0, 0, 0]);
    // A coin that hashes with SHA-256 once has none of these in its tests.
    let txid = algorithm.transaction_hash(&data);
    let value = json!({
        "data": hex::encode(&data), "txid": display(&txid), "hash": display(&txid), "depends": [],
        "fee": FEE, "sigops": 0, "weight": data.len() * 4,
    });
    (value, txid)
}

/// BIP141's commitment output for transactions without witnesses (id and witness id are the same).
fn witness_commitment(txids: &[[u8; 32]]) -> String {
    let mut level: Vec<[u8; 32]> = [&[[0; 32]], txids].concat();
    while level.len() > 1 {
        let pairs = level.chunks(2);
        level = pairs.map(|pair| sha256d(&[pair[0], *pair.last().unwrap_or(&pair[0])].concat())).collect();
    }
    let root = level.first().copied().unwrap_or_default();
    format!("6a24aa21a9ed{}", hex::encode(&sha256d(&[root, [0; 32]].concat())))
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
