//! What a coin is, and who its blocks pay.

use mpos_stratum::chain::destination::Destination;

use crate::{least, one_mistake, read};

#[test]
fn recipients_and_where_they_are_paid() {
    let with = |more: &str| least("[[coin.port]]", &format!("{more}\n[[coin.port]]"));
    let recipient =
        |address: &str, percent: &str| format!("[[coin.recipient]]\naddress = \"{address}\"\npercent = {percent}\n");
    let hash = "11".repeat(20);
    let both = recipient("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH8", "0.25") + &recipient(&hash, "1");
    let coin = read(&with(&both)).coins[0].clone();
    let shares: Vec<u32> = coin.recipients.iter().map(|recipient| recipient.share_ppm).collect();
    assert_eq!(shares, [2_500, 10_000]);
    assert_eq!(coin.recipients[1].to, Destination::KeyHash([0x11; 20]));
    for bad in ["0", "-1", "100", "nan", "1.00001", "\"1\""] {
        one_mistake(&with(&recipient(&hash, bad)), &["recipient[0].percent"]);
    }
    let whole = recipient(&hash, "60") + &recipient(&"22".repeat(20), "40");
    one_mistake(&with(&whole), &["recipient[1].percent", "100 % or more"]);
    let twice = recipient(&hash, "1") + &recipient(&hash, "2");
    one_mistake(&with(&twice), &["recipient[1].address", "findblock"]);
    one_mistake(&with(&recipient("script:xyz", "1")), &["recipient[0].address", "hexadecimal"]);
    let crowd: String = (10..27).map(|n| recipient(&format!("{n}").repeat(20), "1")).collect();
    one_mistake(&with(&crowd), &["too many recipients"]);
}

#[test]
fn forms_that_contradict_themselves() {
    let litecoin = |more: &str| least("preset = \"litecoin\"", &format!("preset = \"litecoin\"\n{more}"));
    one_mistake(&litecoin("transaction_message = \"hello\""), &["transaction_message", "transaction_messages = true"]);
    let long = format!("transaction_messages = true\ntransaction_message = \"{}\"", "x".repeat(141));
    one_mistake(&litecoin(&long), &["transaction_message", "140 bytes"]);
    let both = "bare_template_requests = true\ntemplate_algorithm = \"scrypt\"";
    one_mistake(&litecoin(both), &["template_algorithm", "bare_template_requests"]);
    let outside = "algorithm_bits_mask = \"00000f00\"\nalgorithm_bits = \"00001200\"";
    one_mistake(&litecoin(outside), &["algorithm_bits", "00001200", "00000f00"]);
    let flo = read(&least("preset = \"litecoin\"", "preset = \"florincoin\"\ntransaction_message = \"hello\""));
    assert_eq!(flo.coins[0].profile.form.message.as_deref(), Some("hello"));
    let dogecoin = read(&least("preset = \"litecoin\"", "preset = \"dogecoin\""));
    assert_eq!((dogecoin.coins[0].confirmations, &dogecoin.coins[0].profile.form.message), (240, &None));
}
