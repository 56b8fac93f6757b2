//! A job: one template made ready to be mined, with the very bytes that announce it.
//!
//! The coinbase is built once per job, size of extranonce2 and *variant*, as two halves around the
//! extranonce; every connection gets the same notify line. A re-send to one connection (a changed
//! difficulty, a keep-alive) must not repeat a job id, and must not repeat work, so it uses the
//! job's next variant: its own id and one other byte in the coinbase, built once for all.
//!
//! Job ids are ten hexadecimal digits: the serial (counter from a random start, so that ids of a
//! previous process are unknown rather than wrong) and the variant.

pub mod carried;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::extranonce::{EXTRANONCE1_BYTES, Extranonce1, Extranonce2};
use super::outputs::{self, FixedOutput, JobError, Recipient};
use super::template::Template;
use crate::bytes::{Hash, hex};
use crate::chain::coinbase::{self, CoinbaseError, CoinbasePlan, Output};
use crate::chain::form::ChainForm;
use crate::chain::header::{Extra, Header, HeaderBytes, swap_words};
use crate::chain::{block, merkle};
use crate::pow::ids::TransactionHash;

/// Digits of a job id.
pub const JOB_ID_DIGITS: usize = 10;

/// What a coin's jobs have in common.
#[derive(Debug, Clone)]
pub struct JobRecipe {
    /// Output script that earns the reward.
    pub payout_script: Vec<u8>,
    /// Whom the coin's rules demand to be paid beside those that the template names.
    pub fixed: Vec<FixedOutput>,
    /// Who has a share of what is left.
    pub recipients: Vec<Recipient>,
    /// Where the coin differs from Bitcoin.
    pub form: Arc<ChainForm>,
    /// Text in the coinbase.
    pub text: String,
    /// Instance number and a random part per start: two daemons, or two lives of one, never hand
    /// out the same coinbase although their extranonces may coincide.
    pub entropy: [u8; 6],
    /// Which hash names the coinbase.
    pub transaction_hash: TransactionHash,
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// Number of the job.
    pub serial: u32,
    /// Counts tips: two jobs with the same number build on the same block.
    pub tip_seq: u64,
    /// What is being mined.
    pub template: Arc<Template>,
    /// When it was made, monotonic.
    pub made_at: Duration,
    recipe: Arc<JobRecipe>,
    outputs: Vec<Output>,
    branch: Vec<Hash>,
    announcements: RwLock<HashMap<(u8, u8), Arc<Announcement>>>,
}

/// One variant of a job for one size of extranonce2: what a miner is told.
#[derive(Debug)]
pub struct Announcement {
    /// The variant.
    pub variant: u8,
    /// The notify line with `clean_jobs` false, newline included.
    pub notify: Arc<[u8]>,
    /// The notify line with `clean_jobs` true, newline included.
    pub notify_clean: Arc<[u8]>,
    head: Vec<u8>,
    /// SHA-256 with the head already in it: the same for every share of the announcement.
    head_state: Sha256,
    tail: Vec<u8>,
}

/// What a miner chose of a header, beside the extranonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The version, with rolled bits.
    pub version: u32,
    /// Unix seconds.
    pub time: u32,
    /// The nonce.
    pub nonce: u32,
    /// The vote, on coins whose headers have one.
    pub vote: u16,
}

/// What a share makes of a job: the header that is hashed and the coinbase behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assembled {
    /// The header's bytes.
    pub header: HeaderBytes,
    /// The coinbase's transaction id.
    pub coinbase_txid: Hash,
}

impl Job {
    /// Makes a job; its first announcement is built at once, so that a template that cannot be
    /// mined (a coinbase script over its limit) is noticed here. If the template is too full for the coinbase, the job's
    /// goes without its last transactions.
    ///
    /// # Errors
    /// The reward cannot be divided as the template and the recipe want it, the coinbase cannot be built (text
    /// and auxiliary data exceed 100 bytes), or a block has no room for it.
    pub fn new(
        serial: u32,
        tip_seq: u64,
        template: Arc<Template>,
        recipe: Arc<JobRecipe>,
        made_at: Duration,
        extranonce2_bytes: u8,
    ) -> Result<Self, JobError> {
        let outputs = outputs::divide(&template, &recipe.payout_script, &recipe.fixed, &recipe.recipients)?;
        let txids: Vec<Hash> = template.transactions.iter().map(|tx| tx.txid).collect();
        let branch = merkle::branch_of(&txids, recipe.transaction_hash.node());
        let job =
            Self { serial, tip_seq, template, made_at, recipe, outputs, branch, announcements: RwLock::default() };
        let first = job.build(extranonce2_bytes, 0)?;
        let coinbase_bytes = first.coinbase([0; EXTRANONCE1_BYTES], &Extranonce2::zero(extranonce2_bytes)).len();
        if let Some(smaller) = job.template.with_room_for(coinbase_bytes, job.recipe.form.header)? {
            return Self::new(serial, tip_seq, Arc::new(smaller), job.recipe, made_at, extranonce2_bytes);
        }
        job.announcements
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((extranonce2_bytes, 0), Arc::new(first));
        Ok(job)
    }

    /// The announcement of a variant, built by whoever asks first.
    ///
    /// # Errors
    /// The coinbase with this size of extranonce2 exceeds its limit.
    pub fn announcement(&self, extranonce2_bytes: u8, variant: u8) -> Result<Arc<Announcement>, CoinbaseError> {
        let key = (extranonce2_bytes, variant);
        if let Some(known) = self.announcements.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let built = Arc::new(self.build(extranonce2_bytes, variant)?);
        let mut announcements = self.announcements.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(announcements.entry(key).or_insert(built)))
    }

    fn build(&self, extranonce2_bytes: u8, variant: u8) -> Result<Announcement, CoinbaseError> {
        let template = &self.template;
        let mut tag = self.recipe.entropy.to_vec();
        tag.extend_from_slice(&self.serial.to_be_bytes());
        tag.push(variant);
        let coinbase = CoinbasePlan {
            height: template.height,
            aux: &template.coinbase_aux,
            tag: &tag,
            extranonce_bytes: EXTRANONCE1_BYTES + usize::from(extranonce2_bytes),
            text: self.recipe.text.as_bytes(),
            outputs: &self.outputs,
            witness_commitment: template.witness_commitment.as_deref(),
            form: &self.recipe.form,
            time: template.curtime,
            payload: &template.particulars.coinbase_payload,
        }
        .build()?;
        let line = |clean| self.notify_line(variant, &coinbase.head, &coinbase.tail, clean);
        Ok(Announcement {
            variant,
            notify: line(false),
            notify_clean: line(true),
            head_state: Sha256::new().chain_update(&coinbase.head),
            head: coinbase.head,
            tail: coinbase.tail,
        })
    }

    fn notify_line(&self, variant: u8, head: &[u8], tail: &[u8], clean: bool) -> Arc<[u8]> {
        let template = &self.template;
        let mut line = Vec::with_capacity(256 + 2 * (head.len() + tail.len()) + 67 * self.branch.len());
        line.extend_from_slice(br#"{"id":null,"method":"mining.notify","params":[""#);
        line.extend_from_slice(job_id(self.serial, variant).as_bytes());
        line.extend_from_slice(br#"",""#);
        hex::encode_into(&swap_words(&template.previous), &mut line);
        line.extend_from_slice(br#"",""#);
        // LBRY's miners expect it here, in the form of the previous hash (ccminer, cpuminer-opt, yiimp).
        if let Extra::Claims(root) = &template.particulars.extra {
            hex::encode_into(&swap_words(root), &mut line);
            line.extend_from_slice(br#"",""#);
        }
        hex::encode_into(head, &mut line);
        line.extend_from_slice(br#"",""#);
        hex::encode_into(tail, &mut line);
        line.extend_from_slice(br#"",["#);
        for (index, hash) in self.branch.iter().enumerate() {
            line.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
            hex::encode_into(hash, &mut line);
            line.push(b'"');
        }
        line.extend_from_slice(br#"],""#);
        hex::encode_into(&template.version.to_be_bytes(), &mut line);
        line.extend_from_slice(br#"",""#);
        hex::encode_into(&template.bits.to_be_bytes(), &mut line);
        line.extend_from_slice(br#"",""#);
        hex::encode_into(&template.curtime.to_be_bytes(), &mut line);
        line.extend_from_slice(if clean { b"\",true" } else { b"\",false" });
        // Heavycoin's miners expect the block's reward and the highest vote behind all others (cpuminer-heavycoin).
        if let Extra::Vote { reward, .. } = template.particulars.extra {
            for number in [reward, self.recipe.form.vote_max] {
                line.extend_from_slice(b",\"");
                hex::encode_into(&number.to_be_bytes(), &mut line);
                line.push(b'"');
            }
        }
        line.extend_from_slice(b"]}\n");
        line.into()
    }

    /// The most that a miner may vote for, where headers have a vote.
    pub fn vote_max(&self) -> u16 {
        self.recipe.form.vote_max
    }

    /// Puts a share's header together.
    pub fn assemble(
        &self,
        announcement: &Announcement,
        extranonce1: Extranonce1,
        extranonce2: &Extranonce2,
        choice: Choice,
    ) -> Assembled {
        let hash = self.recipe.transaction_hash;
        let rest = [&extranonce1[..], extranonce2.as_bytes(), &announcement.tail];
        let coinbase_txid = hash.of(&announcement.head_state, &announcement.head, rest);
        let Choice { version, time, nonce, vote } = choice;
        let header = Header {
            version,
            previous: self.template.previous,
            merkle_root: merkle::fold_of(coinbase_txid, &self.branch, hash.node()),
            time,
            bits: self.template.bits,
            nonce,
            extra: match self.template.particulars.extra {
                Extra::Vote { reward, .. } => Extra::Vote { vote, reward },
                other => other,
            },
        };
        Assembled { header: header.to_bytes(), coinbase_txid }
    }

    /// The bytes of the block with this header and this coinbase, which is without witness.
    pub fn block(&self, header: &[u8], coinbase: &[u8]) -> Vec<u8> {
        let template = &self.template;
        let particulars = &template.particulars;
        // A block that commits to witnesses carries its coinbase's witness too.
        let full = match template.witness_commitment {
            Some(_) => coinbase::with_witness(coinbase, &self.recipe.form, &particulars.coinbase_payload),
            None => None,
        };
        let coinbase = full.as_deref().unwrap_or(coinbase);
        let transactions = template.transactions.iter().map(|transaction| transaction.data.as_slice());
        block::serialise(header, coinbase, transactions, template.mweb.as_deref(), &particulars.block_end)
    }

    /// A block of this job that lacks nothing but proof of work (BIP23).
    ///
    /// # Errors
    /// The coinbase with this size of extranonce2 exceeds its limit.
    pub fn proposal(&self, extranonce2_bytes: u8) -> Result<Vec<u8>, CoinbaseError> {
        let announcement = self.announcement(extranonce2_bytes, 0)?;
        let (extranonce1, extranonce2) = ([0; EXTRANONCE1_BYTES], Extranonce2::zero(extranonce2_bytes));
        let Template { version, curtime, .. } = *self.template;
        let choice = Choice { version, time: curtime, nonce: 0, vote: 0 };
        let made = self.assemble(&announcement, extranonce1, &extranonce2, choice);
        Ok(self.block(&made.header, &announcement.coinbase(extranonce1, &extranonce2)))
    }
}

impl Announcement {
    /// The whole coinbase transaction, without witness.
    pub fn coinbase(&self, extranonce1: Extranonce1, extranonce2: &Extranonce2) -> Vec<u8> {
        [self.head.as_slice(), &extranonce1, extranonce2.as_bytes(), &self.tail].concat()
    }
}

/// The id of a variant of a job, as miners see it.
pub fn job_id(serial: u32, variant: u8) -> String {
    format!("{serial:08x}{variant:02x}")
}

/// Reads a job id.
pub fn parse_job_id(text: &[u8]) -> Option<(u32, u8)> {
    let bytes: [u8; JOB_ID_DIGITS / 2] = hex::decode_array(text)?;
    let [a, b, c, d, variant] = bytes;
    Some((u32::from_be_bytes([a, b, c, d]), variant))
}

/// Jobs and templates for tests.
#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::difficulty::Target;
    use crate::work::template::{Particulars, TemplateTransaction};

    /// A template for the tests of this floor and the one above.
    pub fn template(transactions: u8, bits: u32) -> Template {
        Template {
            height: 1000,
            version: 0x2000_0000,
            previous: std::array::from_fn(|index| index as u8),
            bits,
            target: Target::from_compact(bits).unwrap(),
            curtime: 1_700_000_000,
            mintime: 1_699_999_000,
            coinbase_value: 50_0000_0000,
            fees: None,
            coinbase_aux: Vec::new(),
            witness_commitment: None,
            transactions: (0..transactions)
                .map(|index| {
                    let hash = [index; 32];
                    TemplateTransaction { data: vec![index], txid: hash, wtxid: hash, fee: None, weight: None }
                })
                .collect(),
            mweb: None,
            longpoll_id: None,
            work_id: None,
            particulars: Particulars::default(),
        }
    }

    /// A recipe of Bitcoin's form.
    pub fn recipe() -> JobRecipe {
        JobRecipe {
            payout_script: vec![0x51],
            fixed: Vec::new(),
            recipients: Vec::new(),
            form: Arc::default(),
            text: "/test/".to_owned(),
            entropy: [1, 2, 3, 4, 5, 6],
            transaction_hash: TransactionHash::default(),
        }
    }

    /// A job for the tests of this floor and the one above.
    pub fn job(serial: u32, tip_seq: u64, bits: u32) -> Arc<Job> {
        job_with(TransactionHash::Sha256d, serial, tip_seq, bits)
    }

    fn job_with(transaction_hash: TransactionHash, serial: u32, tip_seq: u64, bits: u32) -> Arc<Job> {
        let recipe = JobRecipe { transaction_hash, ..recipe() };
        let made = Job::new(serial, tip_seq, Arc::new(template(3, bits)), Arc::new(recipe), Duration::ZERO, 4).unwrap();
        Arc::new(made)
    }

    fn params(line: &[u8]) -> Vec<serde_json::Value> {
        assert_eq!(line.last(), Some(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["method"], "mining.notify");
        assert!(value["id"].is_null());
        value["params"].as_array().unwrap().clone()
    }

    #[test]
    fn the_notify_line_has_nine_fields_of_the_right_width() {
        let job = job(0xdead_beef, 1, 0x207f_ffff);
        let params = params(&job.announcement(4, 0).unwrap().notify_clean);
        assert_eq!(params.len(), 9);
        assert_eq!(params[0], "deadbeef00");
        assert_eq!(
            params[1],
            "0302010007060504".to_owned() + "0b0a09080f0e0d0c" + "131211101716151" + "41b1a19181f1e1d1c"
        );
        assert_eq!(params[4].as_array().unwrap().len(), 2);
        assert_eq!((&params[5], &params[6]), (&"20000000".into(), &"207fffff".into()));
        assert_eq!((&params[7], &params[8]), (&"6553f100".into(), &true.into()));
    }

    #[test]
    fn variants_differ_in_id_and_coinbase_and_are_built_once() {
        let job = job(7, 1, 0x207f_ffff);
        let (first, second) = (job.announcement(4, 0).unwrap(), job.announcement(4, 1).unwrap());
        assert!(Arc::ptr_eq(&second, &job.announcement(4, 1).unwrap()));
        let (a, b) = (params(&first.notify), params(&second.notify));
        assert_eq!(a[8], false);
        assert_ne!(a[0], b[0]);
        assert_ne!(a[2], b[2]);
        assert_eq!(a[3..8], b[3..8]);
        let eight = params(&job.announcement(8, 0).unwrap().notify);
        assert_ne!(eight[2], a[2], "the script length counts the extranonce");
    }

    #[test]
    fn the_header_commits_to_the_coinbase_that_was_announced() {
        let job = job(7, 1, 0x207f_ffff);
        let announcement = job.announcement(4, 0).unwrap();
        let extranonce2 = Extranonce2::from_hex(b"0a0b0c0d", 4).unwrap();
        let choice = Choice { version: 0x2000_0000, time: 5, nonce: 6, vote: 0 };
        let made = job.assemble(&announcement, [1, 2, 3, 4], &extranonce2, choice);

        let coinbase = announcement.coinbase([1, 2, 3, 4], &extranonce2);
        let txid: Hash = Sha256::digest(Sha256::digest(&coinbase)).into();
        assert_eq!(made.coinbase_txid, txid);
        let all: Vec<Hash> = std::iter::once(txid).chain(job.template.transactions.iter().map(|tx| tx.txid)).collect();
        assert_eq!(made.header[36..68], merkle::root(&all));
        assert_eq!(made.header[4..36], job.template.previous);
    }

    #[test]
    fn where_one_sha256_names_transactions_the_inner_nodes_stay_double() {
        let job = job_with(TransactionHash::Sha256, 7, 1, 0x207f_ffff);
        let announcement = job.announcement(4, 0).unwrap();
        let extranonce2 = Extranonce2::from_hex(b"0a0b0c0d", 4).unwrap();
        let choice = Choice { version: 0x2000_0000, time: 5, nonce: 6, vote: 0 };
        let made = job.assemble(&announcement, [1, 2, 3, 4], &extranonce2, choice);
        let txid: Hash = Sha256::digest(announcement.coinbase([1, 2, 3, 4], &extranonce2)).into();
        assert_eq!(made.coinbase_txid, txid);
        let all: Vec<Hash> = std::iter::once(txid).chain(job.template.transactions.iter().map(|tx| tx.txid)).collect();
        assert_eq!(made.header[36..68], merkle::root(&all));
    }

    #[test]
    fn job_ids_round_trip_and_nothing_else_is_one() {
        assert_eq!(parse_job_id(job_id(0x0102_0304, 5).as_bytes()), Some((0x0102_0304, 5)));
        assert_eq!(parse_job_id(b"0102030405"), Some((0x0102_0304, 5)));
        for bad in [&b""[..], b"010203040", b"01020304055", b"010203040g", b"' or 1=1--"] {
            assert_eq!(parse_job_id(bad), None);
        }
    }
}
