//! Whether a block has room for our coinbase.
//!
//! Nodes fill a template up to the limits of a block, less what they set aside for a coinbase: Bitcoin Core 4000 units of
//! weight. A coinbase that pays many is larger, and a block beyond a limit is refused by everybody. So a template that has
//! become too full goes without its last transactions: they stand in the order of their dependence (BIP22), so no
//! other needs the last one.

use super::Template;
use crate::bytes::varint;
use crate::chain::header::{Extra, HeaderForm};
use crate::chain::merkle;

/// What a byte that is no witness weighs, and one that is (BIP141).
const BYTE_WEIGHT: u64 = 4;
/// Bytes that the witness form adds to a coinbase: marker, flag, count and length of its only item, and that (BIP141,
/// BIP144).
const WITNESS_BYTES: u64 = 2 + 1 + 1 + 32;

/// So many transactions are not in the order of their names by chance.
const SORTED_MIN: usize = 12;

/// The most that a block may be, as the node says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// In units of weight.
    pub weight: Option<u64>,
    /// In bytes.
    pub bytes: Option<u64>,
}

/// A block of the template would be refused for its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "with our coinbase of {coinbase_bytes} bytes a block would be larger than the node's limit, and no transaction can be \
     left out: {why}; pay fewer outputs, or have the node leave more room (its `blockmaxweight` or `blockmaxsize`)"
)]
pub struct NoRoom {
    /// Our coinbase without its witness.
    pub coinbase_bytes: u64,
    /// Why nothing can be left out.
    pub why: &'static str,
}

/// Bytes and weight of something; the weight may not be known.
#[derive(Debug, Clone, Copy)]
struct Measure {
    bytes: u64,
    weight: Option<u64>,
}

impl Measure {
    /// So many bytes, none of them a witness.
    fn plain(bytes: u64) -> Self {
        Self { bytes, weight: Some(BYTE_WEIGHT.saturating_mul(bytes)) }
    }

    fn and(self, other: Self) -> Self {
        let weight = self.weight.zip(other.weight).map(|(one, two)| one.saturating_add(two));
        Self { bytes: self.bytes.saturating_add(other.bytes), weight }
    }
}

impl Template {
    /// The template with room for a coinbase of so many bytes, its witness not counted; `None`: it has room as it is.
    ///
    /// # Errors
    /// It has none, and what else a block needs follows from its transactions in ways that only the node knows.
    pub fn with_room_for(&self, coinbase_bytes: usize, header: HeaderForm) -> Result<Option<Self>, NoRoom> {
        let coinbase_bytes = coinbase_bytes as u64;
        let refused = |why| NoRoom { coinbase_bytes, why };
        let (mut over_bytes, mut over_weight) = self.excess(coinbase_bytes, header);
        if (over_bytes, over_weight) == (0, 0) {
            return Ok(None);
        }
        if let Some(why) = self.why_fixed() {
            return Err(refused(why));
        }
        let mut smaller = self.clone();
        let mut lost_fees = 0u64;
        while over_bytes > 0 || over_weight > 0 {
            let last = smaller.transactions.pop().ok_or_else(|| refused("there is none"))?;
            let fee = last.fee.ok_or_else(|| refused("the node does not say what each of them pays"))?;
            lost_fees = lost_fees.saturating_add(fee);
            over_bytes = over_bytes.saturating_sub(last.data.len() as u64);
            over_weight = over_weight.saturating_sub(last.weight.unwrap_or(0));
        }
        let value = self.coinbase_value.checked_sub(lost_fees);
        smaller.coinbase_value = value.ok_or_else(|| refused("they pay more than the coinbase has"))?;
        smaller.fees = self.fees.and_then(|fees| fees.checked_sub(lost_fees));
        if let Some(script) = &mut smaller.witness_commitment {
            let wtxids: Vec<_> = smaller.transactions.iter().map(|transaction| transaction.wtxid).collect();
            let commitment = merkle::witness_commitment(&wtxids);
            // Further commitments may follow it.
            let rest = script.get(commitment.len()..).unwrap_or_default();
            *script = [&commitment[..], rest].concat();
        }
        Ok(Some(smaller))
    }

    /// By how much a block with this coinbase would be too large, in bytes and in weight. A limit that the transactions
    /// alone exceed is not meant so: the node has made them a block all the same.
    fn excess(&self, coinbase_bytes: u64, header: HeaderForm) -> (u64, u64) {
        let mut count = Vec::new();
        varint::write(self.transactions.len() as u64 + 1, &mut count);
        let frame = header.bytes() + count.len() + self.particulars.block_end.len();
        let others = self.transactions.iter().fold(Measure::plain(frame as u64), |sum, transaction| {
            sum.and(Measure { bytes: transaction.data.len() as u64, weight: transaction.weight })
        });
        let witness_bytes = if self.witness_commitment.is_some() { WITNESS_BYTES } else { 0 };
        let witness = Measure { bytes: witness_bytes, weight: Some(witness_bytes) };
        let all = others.and(Measure::plain(coinbase_bytes)).and(witness);
        let over = |limit: Option<u64>, others: Option<u64>, all: Option<u64>| match (limit, others, all) {
            (Some(limit), Some(others), Some(all)) if others <= limit => all.saturating_sub(limit),
            _ => 0,
        };
        let Limits { bytes, weight } = self.particulars.limits;
        (over(bytes, Some(others.bytes), Some(all.bytes)), over(weight, others.weight, all.weight))
    }

    /// Why every transaction must stay, if so.
    fn why_fixed(&self) -> Option<&'static str> {
        // Bitcoin Cash's order since 2018: the last may be what another one spends.
        let names = || self.transactions.iter().map(|transaction| transaction.txid.iter().rev());
        if self.transactions.len() >= SORTED_MIN && names().zip(names().skip(1)).all(|(one, next)| one.lt(next)) {
            return Some("they stand in the order of their names, not of what spends what");
        }
        let particulars = &self.particulars;
        if !particulars.payees.is_empty() || !particulars.coinbase_payload.is_empty() {
            return Some("who must be paid, and how much, may follow from them");
        }
        if self.mweb.is_some() || particulars.extra != Extra::None {
            return Some("other parts of the block follow from them");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::sha256::sha256d;
    use crate::chain::coinbase::Output;
    use crate::work::job::tests::template;
    use crate::work::template::TemplateTransaction;

    /// Three transactions of 100, 200 and 300 bytes, the last with 108 bytes of witness, that pay 10, 20 and 30; with a
    /// witness commitment.
    fn full(limits: Limits) -> Template {
        let mut template = template(3, 0x207f_ffff);
        let sizes = [(100, 400, 10), (200, 800, 20), (300, 876, 30)];
        for (transaction, (bytes, weight, fee)) in template.transactions.iter_mut().zip(sizes) {
            (transaction.data, transaction.weight, transaction.fee) = (vec![7; bytes], Some(weight), Some(fee));
        }
        let wtxids: Vec<_> = template.transactions.iter().map(|transaction| transaction.wtxid).collect();
        let commitment = merkle::witness_commitment(&wtxids);
        template.witness_commitment = Some([&commitment[..], b"more"].concat());
        (template.coinbase_value, template.fees, template.particulars.limits) = (1_060, Some(60), limits);
        template
    }

    fn weight(limit: u64) -> Limits {
        Limits { weight: Some(limit), bytes: None }
    }

    /// How many transactions stay beside a coinbase of 150 bytes; 4: the template was not touched.
    fn kept(template: &Template) -> Result<usize, NoRoom> {
        let smaller = template.with_room_for(150, HeaderForm::Bitcoin)?;
        Ok(smaller.map_or(4, |smaller| smaller.transactions.len()))
    }

    #[test]
    fn the_last_transactions_go_when_weight_or_bytes_are_too_many() {
        // 4 x (80 header + 1 count + 150 coinbase) + 36 witness + 400 + 800 + 876 = 3036.
        for (limit, left) in [(3_036, 4), (3_035, 2), (2_160, 2), (2_159, 1), (1_360, 1), (1_359, 0)] {
            let result = kept(&full(weight(limit)));
            // Where the transactions alone are too many, the limit means something else.
            let expected = if limit >= 2_400 { left } else { 4 };
            assert_eq!(result, Ok(expected), "{limit}");
        }
        // 81 + 600 of others; 150 + 36 of ours.
        for (limit, left) in [(867, 4), (866, 2), (681, 2), (680, 4)] {
            assert_eq!(kept(&full(Limits { weight: None, bytes: Some(limit) })), Ok(left), "{limit}");
        }
        assert_eq!(kept(&full(Limits::default())), Ok(4));
        // A larger coinbase costs more of them.
        let smaller = full(weight(2_400)).with_room_for(450, HeaderForm::Bitcoin).unwrap().unwrap();
        assert_eq!(smaller.transactions.len(), 0, "4 x (81 + 450) + 36 + 400 is 2560");
    }

    #[test]
    fn what_is_left_out_is_neither_paid_nor_committed_to() {
        let before = full(weight(3_000));
        let after = before.with_room_for(150, HeaderForm::Bitcoin).unwrap().unwrap();
        assert_eq!((after.coinbase_value, after.fees), (1_030, Some(30)));
        assert_eq!(after.transactions, before.transactions[..2]);
        // BIP141 by hand: the tree over nothing for the coinbase and two hashes, with the reserved value behind it.
        let pair = |left: [u8; 32], right: [u8; 32]| sha256d(&[left, right].concat());
        let root = pair(pair([0; 32], [0; 32]), pair([1; 32], [1; 32]));
        let commitment = pair(root, [0; 32]);
        let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &commitment, b"more"].concat();
        assert_eq!(after.witness_commitment, Some(script));
        assert_eq!(after.with_room_for(150, HeaderForm::Bitcoin), Ok(None));
    }

    #[test]
    fn where_more_than_the_fees_would_change_the_template_is_refused() {
        let refused = |change: &dyn Fn(&mut Template)| {
            let mut template = full(weight(3_000));
            change(&mut template);
            kept(&template).unwrap_err().to_string()
        };
        let payee = Output { value: 1, script: vec![1] };
        assert!(refused(&|template| template.particulars.payees.push(payee.clone())).contains("be paid"));
        assert!(refused(&|template| template.particulars.coinbase_payload.push(1)).contains("be paid"));
        assert!(refused(&|template| template.mweb = Some(vec![1])).contains("other parts"));
        assert!(refused(&|template| template.transactions[2].fee = None).contains("what each of them pays"));
        assert!(refused(&|template| template.coinbase_value = 29).contains("more than the coinbase has"));
        // Sixteen in the order of their names, as they are displayed; the first two the other way round are in no order.
        let many = |template: &mut Template, first: [u8; 2]| {
            let one = template.transactions[0].clone();
            let names = first.into_iter().chain(3..=16);
            template.transactions = names.map(|name| TemplateTransaction { txid: [name; 32], ..one.clone() }).collect();
            template.particulars.limits = weight(16 * 400 + 500);
        };
        assert!(refused(&|template| many(template, [1, 2])).contains("order of their names"));
        let mut unsorted = full(weight(0));
        many(&mut unsorted, [2, 1]);
        assert!(kept(&unsorted).unwrap() < 16);
        let mut unknown = full(weight(3_000));
        unknown.transactions[0].weight = None;
        assert_eq!(kept(&unknown), Ok(4), "what nobody weighed is not too heavy");
    }
}
