//! Jobs on their way from one life of the daemon to the next: with the very bytes that miners were told, so that a
//! share for one of them is held against exactly that job.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};

use super::{Announcement, Job, JobRecipe};
use crate::bytes::Hash;
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::chain::coinbase::Output;
use crate::chain::form::ChainForm;
use crate::chain::header::Extra;
use crate::difficulty::Target;
use crate::pow::ids::TransactionHash;
use crate::work::template::{PAYEES_MAX, Particulars, TRANSACTIONS_MAX, Template, TemplateTransaction};

/// Longest script, text or serialised thing of a job but for transactions.
const PART_BYTES_MAX: usize = 1 << 20;
/// Longest transaction or extension block.
const TRANSACTION_BYTES_MAX: usize = 1 << 26;
/// Most rules and outputs of a template.
const PARTS_MAX: usize = PAYEES_MAX + 1024;
/// Most branches of a merkle tree.
const BRANCH_MAX: usize = 64;
/// Most announcements of a job: 256 variants for each size of extranonce2.
const ANNOUNCEMENTS_MAX: usize = 256 * 16;

/// The transactions of several jobs, each once: templates that follow each other are nearly the same.
#[derive(Debug, Default)]
pub struct Transactions {
    all: Vec<TemplateTransaction>,
    places: HashMap<(Hash, Hash, usize), u32>,
}

impl Transactions {
    /// Those of `jobs`.
    pub fn of<'a>(jobs: impl Iterator<Item = &'a Arc<Job>>) -> Self {
        let mut own = Self::default();
        for transaction in jobs.flat_map(|job| &job.template.transactions) {
            let place = u32::try_from(own.all.len()).unwrap_or(u32::MAX);
            own.places.entry(key(transaction)).or_insert_with(|| {
                own.all.push(transaction.clone());
                place
            });
        }
        own
    }

    /// Writes them.
    pub fn carry(&self, writer: &mut Writer) {
        writer.list(self.all.iter(), |writer, transaction| {
            writer.bytes(&transaction.data);
            writer.raw(&transaction.txid);
            writer.raw(&transaction.wtxid);
        });
    }

    /// Reads them.
    ///
    /// # Errors
    /// They are damaged.
    pub fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let all = reader.list(usize::MAX, |reader| {
            let data = reader.bytes(TRANSACTION_BYTES_MAX)?.to_vec();
            // What it pays and weighs has done its part when the job was made.
            Ok(TemplateTransaction { data, txid: reader.array()?, wtxid: reader.array()?, fee: None, weight: None })
        })?;
        Ok(Self { all, places: HashMap::new() })
    }
}

fn key(transaction: &TemplateTransaction) -> (Hash, Hash, usize) {
    (transaction.txid, transaction.wtxid, transaction.data.len())
}

impl Job {
    /// Writes the job, whose transactions are among `transactions`.
    pub fn carry(&self, transactions: &Transactions, writer: &mut Writer) {
        writer.u32(self.serial);
        writer.u64(self.tip_seq);
        writer.time(self.made_at);
        carry_template(&self.template, transactions, writer);
        writer.text(&self.recipe.text);
        writer.raw(&self.recipe.entropy);
        writer.list(self.outputs.iter(), carry_output);
        writer.list(self.branch.iter(), |writer, hash| writer.raw(hash));
        let announcements = self.announcements.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = announcements.iter().collect();
        sorted.sort_by_key(|(key, _)| **key);
        writer.list(sorted.into_iter(), |writer, ((size, _), announcement)| {
            writer.u8(*size);
            writer.u8(announcement.variant);
            writer.bytes(&announcement.head);
            writer.bytes(&announcement.tail);
            writer.bytes(&announcement.notify);
            writer.bytes(&announcement.notify_clean);
        });
    }

    /// Reads a job. The coin's form and the hash of its transactions are the reader's to know.
    ///
    /// # Errors
    /// It is damaged.
    pub fn carried(
        reader: &mut Reader<'_>,
        transactions: &Transactions,
        form: &Arc<ChainForm>,
        transaction_hash: TransactionHash,
    ) -> Result<Self, Damaged> {
        let (serial, tip_seq, made_at) = (reader.u32()?, reader.u64()?, reader.time()?);
        let template = Arc::new(carried_template(reader, transactions)?);
        let recipe = JobRecipe {
            // They have become outputs.
            payout_script: Vec::new(),
            fixed: Vec::new(),
            recipients: Vec::new(),
            form: Arc::clone(form),
            text: reader.text(PART_BYTES_MAX)?.to_owned(),
            entropy: reader.array()?,
            transaction_hash,
        };
        let outputs = reader.list(PARTS_MAX, carried_output)?;
        let branch = reader.list(BRANCH_MAX, Reader::array)?;
        let announcements = reader.list(ANNOUNCEMENTS_MAX, |reader| {
            let (size, variant) = (reader.u8()?, reader.u8()?);
            let head = reader.bytes(PART_BYTES_MAX)?.to_vec();
            let tail = reader.bytes(PART_BYTES_MAX)?.to_vec();
            let announcement = Announcement {
                variant,
                notify: reader.bytes(PART_BYTES_MAX)?.into(),
                notify_clean: reader.bytes(PART_BYTES_MAX)?.into(),
                head_state: Sha256::new().chain_update(&head),
                head,
                tail,
            };
            Ok(((size, variant), Arc::new(announcement)))
        })?;
        let announcements = RwLock::new(announcements);
        Ok(Self { serial, tip_seq, template, made_at, recipe: Arc::new(recipe), outputs, branch, announcements })
    }

    /// The announcement of a variant, if miners were told it.
    pub fn told(&self, extranonce2_bytes: u8, variant: u8) -> Option<Arc<Announcement>> {
        let announcements = self.announcements.read().unwrap_or_else(PoisonError::into_inner);
        announcements.get(&(extranonce2_bytes, variant)).cloned()
    }
}

fn carry_output(writer: &mut Writer, output: &Output) {
    writer.u64(output.value);
    writer.bytes(&output.script);
}

fn carried_output(reader: &mut Reader<'_>) -> Result<Output, Damaged> {
    Ok(Output { value: reader.u64()?, script: reader.bytes(PART_BYTES_MAX)?.to_vec() })
}

fn carry_template(template: &Template, transactions: &Transactions, writer: &mut Writer) {
    for number in [template.height, template.version, template.bits, template.curtime, template.mintime] {
        writer.u32(number);
    }
    writer.raw(&template.previous);
    writer.raw(&template.target.0.to_le_bytes());
    writer.u64(template.coinbase_value);
    writer.option(template.fees, Writer::u64);
    writer.bytes(&template.coinbase_aux);
    writer.option(template.witness_commitment.as_deref(), Writer::bytes);
    writer.list(template.transactions.iter(), |writer, transaction| {
        writer.u32(transactions.places.get(&key(transaction)).copied().unwrap_or(u32::MAX));
    });
    writer.option(template.mweb.as_deref(), Writer::bytes);
    writer.option(template.longpoll_id.as_deref(), Writer::text);
    writer.option(template.work_id.as_deref(), Writer::text);
    let particulars = &template.particulars;
    writer.list(particulars.payees.iter(), carry_output);
    writer.bytes(&particulars.coinbase_payload);
    writer.bytes(&particulars.block_end);
    writer.list(particulars.rules.iter(), |writer, rule| writer.text(rule));
    writer.bool(particulars.takes_proposals);
    carry_kind(particulars, writer);
}

/// What kind of template it is, in one byte: of the usual ones, a node's or a provisional one; or a node's of a coin with
/// longer headers, and what those hold.
fn carry_kind(particulars: &Particulars, writer: &mut Writer) {
    match &particulars.extra {
        Extra::None => writer.bool(particulars.is_provisional),
        Extra::Claims(root) => {
            writer.u8(2);
            writer.raw(root);
        }
        // The vote is the miner's own; a template's is 0.
        Extra::Vote { reward, .. } => {
            writer.u8(3);
            writer.raw(&reward.to_le_bytes());
        }
    }
}

/// Whether it is provisional, and what its headers hold.
fn carried_kind(reader: &mut Reader<'_>) -> Result<(bool, Extra), Damaged> {
    match reader.u8()? {
        kind @ 0..=1 => Ok((kind == 1, Extra::None)),
        2 => Ok((false, Extra::Claims(reader.array()?))),
        3 => Ok((false, Extra::Vote { vote: 0, reward: u16::from_le_bytes(reader.array()?) })),
        _ => Err(reader.damaged("a kind of template")),
    }
}

fn carried_template(reader: &mut Reader<'_>, transactions: &Transactions) -> Result<Template, Damaged> {
    let bytes = |reader: &mut Reader<'_>| reader.bytes(PART_BYTES_MAX).map(<[u8]>::to_vec);
    let text = |reader: &mut Reader<'_>| reader.text(PART_BYTES_MAX).map(str::to_owned);
    let (height, version, bits) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let mut template = Template {
        height,
        version,
        bits,
        curtime: reader.u32()?,
        mintime: reader.u32()?,
        previous: reader.array()?,
        target: Target(crate::bytes::u256::U256::from_le_bytes(&reader.array()?)),
        coinbase_value: reader.u64()?,
        fees: reader.option(Reader::u64)?,
        coinbase_aux: bytes(reader)?,
        witness_commitment: reader.option(bytes)?,
        transactions: reader.list(TRANSACTIONS_MAX, |reader| {
            let place = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
            transactions.all.get(place).cloned().ok_or_else(|| reader.damaged("a transaction of the list"))
        })?,
        mweb: reader.option(|reader| reader.bytes(TRANSACTION_BYTES_MAX).map(<[u8]>::to_vec))?,
        longpoll_id: reader.option(text)?,
        work_id: reader.option(text)?,
        particulars: Particulars {
            payees: reader.list(PARTS_MAX, carried_output)?,
            coinbase_payload: bytes(reader)?,
            block_end: reader.bytes(TRANSACTION_BYTES_MAX)?.to_vec(),
            rules: reader.list(PARTS_MAX, text)?,
            takes_proposals: reader.bool()?,
            ..Particulars::default()
        },
    };
    (template.particulars.is_provisional, template.particulars.extra) = carried_kind(reader)?;
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::extranonce::Extranonce2;
    use crate::work::job::Choice;
    use crate::work::job::tests::{job, recipe};

    const CHOICE: Choice = Choice { version: 2, time: 3, nonce: 4, vote: 5 };

    #[test]
    fn what_longer_headers_hold_is_carried() {
        for (is_provisional, extra) in [
            (false, Extra::None),
            (true, Extra::None),
            (false, Extra::Claims([7; 32])),
            (false, Extra::Vote { vote: 0, reward: 0x0102 }),
        ] {
            let mut writer = Writer::default();
            carry_kind(&Particulars { is_provisional, extra, ..Particulars::default() }, &mut writer);
            let bytes = writer.into_bytes();
            assert_eq!(carried_kind(&mut Reader::new(&bytes)).ok(), Some((is_provisional, extra)));
        }
        assert!(carried_kind(&mut Reader::new(&[4])).is_err());
    }

    #[test]
    fn a_carried_job_is_that_job_byte_for_byte() {
        let (one, two) = (job(7, 3, 0x207f_ffff), job(8, 3, 0x207f_ffff));
        one.announcement(8, 200).unwrap();
        let transactions = Transactions::of([&one, &two].into_iter());
        assert_eq!(transactions.all.len(), 3, "each transaction once");
        let mut writer = Writer::default();
        transactions.carry(&mut writer);
        one.carry(&transactions, &mut writer);
        let bytes = writer.into_bytes();
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let transactions = Transactions::carried(&mut reader)?;
            let job = Job::carried(&mut reader, &transactions, &recipe().form, TransactionHash::default())?;
            reader.end().map(|()| job)
        };
        let carried = read(&bytes).unwrap();
        assert_eq!((carried.serial, carried.tip_seq, &*carried.template), (7, 3, &*one.template));
        for (size, variant) in [(4, 0), (8, 200)] {
            let (told, was) = (carried.told(size, variant).unwrap(), one.announcement(size, variant).unwrap());
            assert_eq!((&told.notify, &told.notify_clean), (&was.notify, &was.notify_clean));
            let extranonce2 = Extranonce2::zero(size);
            let share = |job: &Job, announcement| job.assemble(announcement, [1; 4], &extranonce2, CHOICE);
            assert_eq!(share(&carried, &told), share(&one, &was));
            let coinbase = told.coinbase([1; 4], &extranonce2);
            assert_eq!(carried.block(&[9; 80], &coinbase), one.block(&[9; 80], &coinbase));
        }
        assert!(carried.told(4, 1).is_none());
        // A variant that nobody was told yet is built as before.
        assert_eq!(carried.announcement(4, 1).unwrap().notify, one.announcement(4, 1).unwrap().notify);
        assert!((0..bytes.len()).all(|end| read(&bytes[..end]).is_err()));
    }
}
