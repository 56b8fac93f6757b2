//! Who is paid by a coinbase, and how much: the pool, whom the template orders to be paid, whom the coin's
//! rules demand beside them, and the recipients of the configuration.

use std::ops::RangeInclusive;

use super::template::{NoRoom, Template};
use crate::chain::coinbase::{CoinbaseError, Output};
use crate::chain::destination::WHOLE_PPM;
use crate::chain::due::Due;

/// Somebody with a share of every reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Output script.
    pub script: Vec<u8>,
    /// Its share of what is left when the mandatory payees have theirs, in millionths; rounded down to the
    /// coin's smallest unit.
    pub share_ppm: u32,
}

/// Somebody whom the coin's rules demand to be paid, and whom its nodes do not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedOutput {
    /// Output scripts, one a block in turn: that of the height modulo their number.
    pub scripts: Vec<Vec<u8>>,
    /// How much.
    pub due: Due,
    /// In which blocks.
    pub heights: RangeInclusive<u32>,
    /// The members of a template, in lower case, by which newer nodes name the same payee themselves.
    pub members: Vec<String>,
}

impl FixedOutput {
    /// What a block of this template must pay for it, if anything. What the node says itself comes first: it knows the
    /// rules of its chain, and to pay somebody twice is as good as a gift.
    fn of(&self, template: &Template) -> Option<Output> {
        let turn = usize::try_from(template.height).ok()?.checked_rem(self.scripts.len())?;
        let script = self.scripts.get(turn)?;
        let particulars = &template.particulars;
        let is_named = particulars.payees.iter().any(|payee| payee.script == *script)
            || self.members.iter().any(|member| particulars.payee_members.contains(member));
        let value = self.due.of(template.coinbase_value);
        let is_due = self.heights.contains(&template.height) && !is_named && value > 0;
        is_due.then(|| Output { value, script: script.clone() })
    }
}

/// Why no job can be made of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The coinbase does not come about.
    #[error(transparent)]
    Coinbase(#[from] CoinbaseError),
    /// A block has no room for the coinbase.
    #[error(transparent)]
    Room(#[from] NoRoom),
    /// The template and the fixed outputs order more to be paid than there is.
    #[error(
        "the template orders {payees} units to be paid to others, fixed outputs included, but the coinbase has {value}"
    )]
    PayeesExceedValue {
        /// What the payees would get; the greatest number if it does not even fit one.
        payees: u64,
        /// What there is.
        value: u64,
    },
    /// The recipients' shares are the whole or more.
    #[error("the reward's recipients have {share_ppm} millionths of it; the pool's own address must keep some")]
    SharesExceedWhole {
        /// Their shares together.
        share_ppm: u64,
    },
    /// A mistake of this program: the outputs do not add up to what the template says.
    #[error("the outputs pay {paid} units where the template says {value}; nothing is mined with such a coinbase")]
    Sum {
        /// What they pay.
        paid: u128,
        /// What the template says.
        value: u64,
    },
}

/// The outputs of a coinbase, but for the witness commitment: first the pool's, which miners' displays
/// look for, then the mandatory ones in the template's order, then the fixed ones, then the recipients'. They pay
/// exactly what the template says.
///
/// # Errors
/// There is not enough for everybody.
pub fn divide(
    template: &Template,
    payout_script: &[u8],
    fixed: &[FixedOutput],
    recipients: &[Recipient],
) -> Result<Vec<Output>, JobError> {
    let value = template.coinbase_value;
    let mut payees = template.particulars.payees.clone();
    payees.extend(fixed.iter().filter_map(|fixed| fixed.of(template)));
    let ordered = payees.iter().try_fold(0u64, |sum, payee| sum.checked_add(payee.value)).unwrap_or(u64::MAX);
    let left = value.checked_sub(ordered).ok_or(JobError::PayeesExceedValue { payees: ordered, value })?;
    let share_ppm: u64 = recipients.iter().map(|recipient| u64::from(recipient.share_ppm)).sum();
    if share_ppm >= u64::from(WHOLE_PPM) {
        return Err(JobError::SharesExceedWhole { share_ppm });
    }
    let mut own = left;
    let mut shares = Vec::new();
    for Recipient { script, share_ppm } in recipients {
        // Below `left`, as the share is below the whole.
        let share = u128::from(left) * u128::from(*share_ppm) / u128::from(WHOLE_PPM);
        let value = u64::try_from(share).unwrap_or(0);
        own = own.saturating_sub(value);
        // An output of nothing would only cost bytes.
        if value > 0 {
            shares.push(Output { value, script: script.clone() });
        }
    }
    let mut outputs = vec![Output { value: own, script: payout_script.to_vec() }];
    outputs.extend(payees);
    outputs.extend(shares);
    if own == 0 && outputs.len() > 1 {
        // An output of nothing in the wallet would stop MPOS's findblock.
        outputs.remove(0);
    }
    let paid: u128 = outputs.iter().map(|output| u128::from(output.value)).sum();
    if paid != u128::from(value) {
        return Err(JobError::Sum { paid, value });
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::work::job::tests::template;

    fn divided(value: u64, payees: &[u64], shares: &[u32]) -> Result<Vec<u64>, JobError> {
        let mut template = template(0, 0x207f_ffff);
        template.coinbase_value = value;
        let output = |value: &u64| Output { value: *value, script: vec![0xbb] };
        template.particulars.payees = payees.iter().map(output).collect();
        let recipients: Vec<Recipient> =
            shares.iter().map(|share_ppm| Recipient { script: vec![0xcc], share_ppm: *share_ppm }).collect();
        let mut outputs = divide(&template, &[0xaa], &[], &recipients)?;
        if outputs[0].script != [0xaa] {
            assert!(!payees.is_empty(), "nobody else is there");
            outputs.insert(0, Output { value: 0, script: vec![0xaa] });
        }
        assert!(outputs[0].value > 0 || outputs.len() > 1 || value == 0);
        assert_eq!(outputs[0].script, [0xaa]);
        assert!(outputs[1..=payees.len()].iter().all(|output| output.script == [0xbb]));
        assert!(outputs[1 + payees.len()..].iter().all(|output| output.script == [0xcc]));
        Ok(outputs.iter().map(|output| output.value).collect())
    }

    #[test]
    fn shares_are_of_what_the_payees_leave_and_are_rounded_down() {
        assert_eq!(divided(100, &[], &[]), Ok(vec![100]));
        assert_eq!(divided(1_000_003, &[3], &[10_000, 5_000]), Ok(vec![985_000, 3, 10_000, 5_000]));
        assert_eq!(divided(999, &[], &[1_000]), Ok(vec![999]), "a share of nothing has no output");
        assert_eq!(divided(1_999, &[], &[1_000]), Ok(vec![1_998, 1]));
        assert_eq!(divided(7, &[7], &[500_000]), Ok(vec![0, 7]));
    }

    #[test]
    fn nobody_is_paid_from_what_is_not_there() {
        assert_eq!(divided(7, &[5, 3], &[]), Err(JobError::PayeesExceedValue { payees: 8, value: 7 }));
        let all = JobError::PayeesExceedValue { payees: u64::MAX, value: u64::MAX - 1 };
        assert_eq!(divided(u64::MAX - 1, &[u64::MAX, 5], &[]), Err(all));
        assert_eq!(divided(7, &[], &[600_000, 400_000]), Err(JobError::SharesExceedWhole { share_ppm: 1_000_000 }));
    }

    /// What blocks at these heights pay beside the pool's output, by value and the script's only byte.
    fn fixed_at(heights: &[u32], fixed: &[FixedOutput], spoil: impl Fn(&mut Template)) -> Vec<Vec<(u64, u8)>> {
        let at = |height: &u32| {
            let mut template = template(0, 0x207f_ffff);
            (template.height, template.coinbase_value) = (*height, 1_000);
            spoil(&mut template);
            let recipient = Recipient { script: vec![0xcc], share_ppm: 100_000 };
            let outputs = divide(&template, &[0xaa], fixed, &[recipient]).unwrap();
            assert_eq!(outputs.iter().map(|output| output.value).sum::<u64>(), 1_000);
            outputs[1..].iter().map(|output| (output.value, output.script[0])).collect()
        };
        heights.iter().map(at).collect()
    }

    fn fixed(scripts: &[u8], due: Due, heights: RangeInclusive<u32>, members: &[&str]) -> FixedOutput {
        let scripts = scripts.iter().map(|byte| vec![*byte]).collect();
        FixedOutput { scripts, due, heights, members: members.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn fixed_outputs_take_turns_by_height_and_come_before_the_recipients_shares() {
        let four = fixed(&[1, 2, 3, 4], Due::SharePpm(50_000), 0..=u32::MAX, &[]);
        let turns = fixed_at(&[1000, 1001, 1002, 1003, 1004], &[four], |_| {});
        // 5 % of 1000, then a tenth of the 950 that are left.
        assert_eq!(turns, [1, 2, 3, 4, 1].map(|script| vec![(50, script), (95, 0xcc)]));
        let two = [fixed(&[5], Due::Amount(100), 10..=20, &[]), fixed(&[6], Due::SharePpm(1_999), 0..=11, &[])];
        let some = fixed_at(&[9, 10, 11, 12, 20, 21], &two, |_| {});
        let (both, one) = (vec![(100, 5), (1, 6), (89, 0xcc)], vec![(100, 5), (90, 0xcc)]);
        assert_eq!(some, [vec![(1, 6), (99, 0xcc)], both.clone(), both, one.clone(), one, vec![(100, 0xcc)]]);
        let nothing = fixed(&[7], Due::SharePpm(999), 0..=u32::MAX, &[]);
        assert_eq!(fixed_at(&[1], &[nothing], |_| {}), [[(100, 0xcc)]], "a share of nothing has no output");
    }

    #[test]
    fn whom_the_template_names_is_not_paid_twice() {
        let output = fixed(&[1], Due::Amount(100), 0..=u32::MAX, &["treasury"]);
        let named = |script: u8, member: &'static str| {
            fixed_at(&[1], std::slice::from_ref(&output), move |template| {
                template.particulars.payees = vec![Output { value: 10, script: vec![script] }];
                template.particulars.payee_members = vec![member.to_owned()];
            })
        };
        assert_eq!(named(1, "founder"), [[(10, 1), (99, 0xcc)]], "by the same script, whatever the amount");
        assert_eq!(named(2, "treasury"), [[(10, 2), (99, 0xcc)]], "by the member that stands for it");
        assert_eq!(named(2, "founder"), [[(10, 2), (100, 1), (89, 0xcc)]], "somebody else is somebody else");
    }

    #[test]
    fn fixed_outputs_cannot_take_what_is_not_there() {
        let mut template = template(0, 0x207f_ffff);
        template.coinbase_value = 1_000;
        template.particulars.payees = vec![Output { value: 1, script: vec![0xbb] }];
        let divided = |amount| divide(&template, &[0xaa], &[fixed(&[1], Due::Amount(amount), 0..=2_000, &[])], &[]);
        assert_eq!(divided(1_000), Err(JobError::PayeesExceedValue { payees: 1_001, value: 1_000 }));
        assert_eq!(divided(u64::MAX), Err(JobError::PayeesExceedValue { payees: u64::MAX, value: 1_000 }));
        assert_eq!(divided(998).map(|outputs| outputs[0].value), Ok(1));
    }

    proptest! {
        #[test]
        fn the_outputs_add_up_to_the_template_s_value(
            value in any::<u64>(),
            payees in prop::collection::vec(0u64..1_000_000_000, 0..20),
            shares in prop::collection::vec(1u32..60_000, 0..16),
        ) {
            match divided(value, &payees, &shares) {
                Ok(values) => prop_assert_eq!(values.iter().map(|value| u128::from(*value)).sum::<u128>(), u128::from(value)),
                Err(JobError::PayeesExceedValue { .. }) => prop_assert!(payees.iter().sum::<u64>() > value),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
