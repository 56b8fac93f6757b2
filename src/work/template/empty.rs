//! Work without transactions on a tip whose template is not there yet.
//!
//! Everything in it is known or computed: the tip as the node itself describes it after it has taken it over, the last
//! template, and the coin's schedule of difficulty and subsidy. Where one of them does not settle what a block needs
//! there is no such work: a wrong block would cost more than the moment that is won.
//!
//! The subsidy is never taken from the last template alone, although that has it as its value less its fees: whether
//! the next block is the first of a lower one, only the coin's own rule says. So most coins stay without: their
//! difficulty changes with every block, their rewards follow no rule of heights, or somebody else must be paid.

use super::{Particulars, Template};
use crate::bytes::Hash;
use crate::chain::form::{ChainForm, Schedule};
use crate::chain::header::Extra;

/// The node's tip, as it describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its hash (internal byte order).
    pub hash: Hash,
    /// The block it builds on.
    pub previous: Hash,
    /// Its height.
    pub height: u32,
    /// Its compact target.
    pub bits: u32,
    /// Median time of it and the ten blocks before: the next block must be later.
    pub median_time: u32,
}

impl Template {
    /// Work without transactions on `tip`, if this template is the one that the tip solved.
    ///
    /// # Errors
    /// Why a block without the node's template could be wrong.
    pub fn empty_on(&self, tip: &Tip, form: &ChainForm) -> Result<Self, &'static str> {
        let schedule = form.schedule.ok_or("the coin's schedule of difficulty and subsidy is not known")?;
        if tip.previous != self.previous || tip.height != self.height {
            return Err("the tip does not follow the one before");
        }
        let height = tip.height.checked_add(1).ok_or("no height is left")?;
        if height.is_multiple_of(schedule.retarget_blocks) {
            return Err("the difficulty changes with the next block");
        }
        if tip.bits != self.bits {
            return Err("the tip has another difficulty than the node demanded");
        }
        self.has_nothing_of_the_tips_own(form)?;
        if self.fees.and_then(|fees| self.coinbase_value.checked_sub(fees)) != Some(schedule.subsidy(self.height)) {
            return Err("the last template's value less its fees is not the subsidy that the coin's schedule has");
        }
        let mintime = tip.median_time.checked_add(1).ok_or("no time is left")?;
        Ok(Self {
            height,
            version: self.version,
            previous: tip.hash,
            bits: self.bits,
            target: self.target,
            curtime: self.curtime.max(mintime),
            mintime,
            coinbase_value: schedule.subsidy(height),
            fees: Some(0),
            coinbase_aux: self.coinbase_aux.clone(),
            // Without a transaction that has a witness none is needed (BIP141).
            witness_commitment: None,
            transactions: Vec::new(),
            mweb: None,
            longpoll_id: None,
            work_id: None,
            particulars: Particulars {
                rules: self.particulars.rules.clone(),
                takes_proposals: self.particulars.takes_proposals,
                is_provisional: true,
                ..Particulars::default()
            },
        })
    }

    /// Whatever a template names anew for every tip cannot be foreseen.
    fn has_nothing_of_the_tips_own(&self, form: &ChainForm) -> Result<(), &'static str> {
        let particulars = &self.particulars;
        if !particulars.payees.is_empty() || !particulars.coinbase_payload.is_empty() {
            return Err("who must be paid changes with every block");
        }
        if particulars.extra != Extra::None {
            return Err("the coin's headers have parts that only the node knows");
        }
        if self.mweb.is_some() || !particulars.block_end.is_empty() || form.transaction_time || form.block_signature {
            return Err("the coin's blocks have parts that only the node makes");
        }
        Ok(())
    }

    /// Whether this template of the node confirms what was computed for the same tip.
    pub fn confirms(&self, provisional: &Self) -> bool {
        self.same_header(provisional)
            && self.mintime <= provisional.curtime
            && self.coinbase_value >= provisional.coinbase_value
    }
}

impl Schedule {
    /// What a block earns beside its fees.
    pub fn subsidy(&self, height: u32) -> u64 {
        self.first_subsidy.checked_shr(height / self.halving_blocks.max(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::template::TemplateTransaction;

    const BITCOIN: Schedule = Schedule { retarget_blocks: 2016, halving_blocks: 210_000, first_subsidy: 5_000_000_000 };

    fn form() -> ChainForm {
        ChainForm { template_rules: vec!["segwit".into()], schedule: Some(BITCOIN), ..ChainForm::default() }
    }

    /// A template with one transaction that pays a fee of 1000.
    fn last(height: u32) -> Template {
        let json = serde_json::json!({
            "version": 0x2000_0000, "previousblockhash": "11".repeat(32), "bits": "1d00ffff", "height": height,
            "curtime": 1_700_000_000, "mintime": 1_699_999_000, "coinbasevalue": BITCOIN.subsidy(height) + 1000,
            "coinbaseaux": {"flags": "2f"}, "longpollid": "x", "workid": "y", "rules": ["csv"],
            "capabilities": ["proposal"],
            "transactions": [{ "data": "01".repeat(60), "hash": "22".repeat(32), "fee": 1000 }],
        });
        Template::from_json(&json.to_string(), &form()).unwrap()
    }

    fn tip(height: u32) -> Tip {
        Tip { hash: [7; 32], previous: [0x11; 32], height, bits: 0x1d00_ffff, median_time: 1_699_999_500 }
    }

    #[test]
    fn subsidies_are_bitcoins() {
        for (height, subsidy) in [
            (0, 5_000_000_000),
            (209_999, 5_000_000_000),
            (210_000, 2_500_000_000),
            (840_000, 312_500_000),
            (u32::MAX, 0),
        ] {
            assert_eq!(BITCOIN.subsidy(height), subsidy, "{height}");
        }
    }

    #[test]
    fn work_without_transactions_is_known_in_every_part() {
        let last = last(840_001);
        let empty = last.empty_on(&tip(840_001), &form()).unwrap();
        assert_eq!((empty.height, empty.previous, empty.bits), (840_002, [7; 32], 0x1d00_ffff));
        assert_eq!((empty.coinbase_value, empty.transactions.len()), (312_500_000, 0));
        assert_eq!((empty.mintime, empty.curtime), (1_699_999_501, 1_700_000_000));
        assert_eq!((empty.coinbase_aux.as_slice(), empty.longpoll_id, empty.work_id), (&b"/"[..], None, None));
        assert!(empty.particulars.is_provisional && empty.particulars.takes_proposals);
        // Two blocks in a row: the second builds on the first one's work.
        let again = last.empty_on(&tip(840_001), &form()).unwrap();
        let next = Tip { hash: [8; 32], previous: [7; 32], height: 840_002, ..tip(0) };
        assert_eq!(again.empty_on(&next, &form()).unwrap().height, 840_003);
    }

    #[test]
    fn a_halving_is_followed() {
        for (height, subsidy) in [(209_999, 2_500_000_000), (839_999, 312_500_000)] {
            let empty = last(height).empty_on(&tip(height), &form()).unwrap();
            assert_eq!((empty.height, empty.coinbase_value), (height + 1, subsidy));
        }
    }

    #[test]
    fn where_it_could_be_wrong_there_is_none() {
        let refused = |last: &Template, tip: Tip, form: &ChainForm| last.empty_on(&tip, form).unwrap_err();
        let (form, good) = (form(), tip(100));
        let unknown = ChainForm { schedule: None, ..form.clone() };
        assert!(refused(&last(100), good, &unknown).contains("schedule"));
        assert!(refused(&last(100), Tip { previous: [9; 32], ..good }, &form).contains("follow"));
        assert!(refused(&last(100), Tip { height: 101, ..good }, &form).contains("follow"));
        assert!(refused(&last(100), Tip { bits: 0x1c00_ffff, ..good }, &form).contains("difficulty"));
        assert!(refused(&last(2015), tip(2015), &form).contains("changes"));
        let changed = |change: &dyn Fn(&mut Template)| {
            let mut template = last(100);
            change(&mut template);
            refused(&template, good, &form)
        };
        assert!(changed(&|template| template.fees = None).contains("subsidy"));
        assert!(changed(&|template| template.coinbase_value += 1).contains("subsidy"));
        assert!(changed(&|template| template.mweb = Some(vec![1])).contains("only the node"));
        assert!(changed(&|template| template.particulars.coinbase_payload = vec![1]).contains("paid"));
        let timed = ChainForm { transaction_time: true, ..form.clone() };
        assert!(refused(&last(100), good, &timed).contains("only the node"));
    }

    #[test]
    fn the_nodes_template_has_the_last_word() {
        let provisional = last(100).empty_on(&tip(100), &form()).unwrap();
        let mut full = provisional.clone();
        full.coinbase_value += 5;
        full.transactions =
            vec![TemplateTransaction { data: vec![1], txid: [1; 32], wtxid: [1; 32], fee: Some(5), weight: Some(4) }];
        assert!(full.confirms(&provisional));
        for change in [
            |full: &mut Template| full.bits -= 1,
            |full: &mut Template| full.coinbase_value -= 6,
            |full: &mut Template| full.mintime = full.curtime + 1,
            |full: &mut Template| full.version += 1,
        ] {
            let mut other = full.clone();
            change(&mut other);
            assert!(!other.confirms(&provisional));
        }
    }
}
