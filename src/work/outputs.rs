//! Who is paid by a coinbase, and how much: the pool, whom the template orders to be paid, and the
//! recipients of the configuration.

use super::template::Template;
use crate::chain::coinbase::{CoinbaseError, Output};
use crate::chain::destination::WHOLE_PPM;

/// Somebody with a share of every reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Output script.
    pub script: Vec<u8>,
    /// Its share of what is left when the mandatory payees have theirs, in millionths; rounded down to the
    /// coin's smallest unit.
    pub share_ppm: u32,
}

/// Why no job can be made of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The coinbase does not come about.
    #[error(transparent)]
    Coinbase(#[from] CoinbaseError),
    /// The template orders more to be paid than there is.
    #[error("the template orders {payees} units to be paid to others, but the coinbase has {value}")]
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
/// look for, then the mandatory ones in the template's order, then the recipients'. They pay exactly what
/// the template says.
///
/// # Errors
/// There is not enough for everybody.
pub fn divide(template: &Template, payout_script: &[u8], recipients: &[Recipient]) -> Result<Vec<Output>, JobError> {
    let value = template.coinbase_value;
    let payees = &template.particulars.payees;
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
    outputs.extend(payees.iter().cloned());
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
        let mut outputs = divide(&template, &[0xaa], &recipients)?;
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
