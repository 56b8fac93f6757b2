//! What a coin is, and who its blocks pay.

use mpos_stratum::chain::destination::Destination;
use mpos_stratum::chain::due::Due;

use crate::{least, one_mistake, read};

#[test]
fn recipients_and_where_they_are_paid() {
    let with = |more: &str| least("[[coin.port]]", &format!("{more}\n[[coin.port]]"));
    let recipient =
        |address: &str, percent: &str| format!("[[coin.recipient]]\naddress = \"{address}\"\npercent = {percent}\n");
    let hash = "11".repeat(20);
    let both = recipient("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1", "0.25") + &recipient(&hash, "1");
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
    let rolled = "algorithm_bits_mask = \"00007800\"\nalgorithm_bits = \"00001000\"\nversion_mask = \"1fffe000\"";
    one_mistake(&litecoin(rolled), &["version_mask", "1fffe000", "00007800", "write \"1fff8000\""]);
    let flo = read(&least("preset = \"litecoin\"", "preset = \"florincoin\"\ntransaction_message = \"hello\""));
    assert_eq!(flo.coins[0].profile.form.message.as_deref(), Some("hello"));
    let dogecoin = read(&least("preset = \"litecoin\"", "preset = \"dogecoin\""));
    assert_eq!((dogecoin.coins[0].confirmations, &dogecoin.coins[0].profile.form.message), (240, &None));
}

#[test]
fn fixed_outputs_and_what_cannot_be_paid() {
    let with = |more: &str| least("[[coin.port]]", &format!("{more}\n[[coin.port]]"));
    let fixed = |addresses: &str, more: &str| format!("[[coin.fixed_output]]\naddresses = {addresses}\n{more}\n");
    let (one, two) = (format!("[\"{}\"]", "11".repeat(20)), "[\"script:51\", \"script:52\"]");
    let text = fixed(two, "percent = 2.5\nfrom_height = 10\nto_height = 20\nunless_members = [\"Treasury\"]")
        + &fixed(&one, "amount = 250000000");
    let outputs = read(&with(&text)).coins[0].fixed_outputs.clone();
    assert_eq!((outputs[0].due, outputs[0].heights.clone()), (Due::SharePpm(25_000), 10..=20));
    assert_eq!(outputs[0].to[1], ("script:52".to_owned(), Destination::Script(vec![0x52])));
    assert_eq!((outputs[0].members.as_slice(), outputs[0].to.len()), (&["treasury".to_owned()][..], 2));
    assert_eq!((outputs[1].due, outputs[1].heights.clone()), (Due::Amount(250_000_000), 0..=u32::MAX));
    let mistake = |text: &str, parts: &[&str]| one_mistake(&with(text), parts);
    mistake(&fixed(&one, ""), &["fixed_output[0].percent", "amount = "]);
    mistake(&fixed(&one, "percent = 5\namount = 5"), &["fixed_output[0].amount", "cannot stand beside `percent`"]);
    mistake(&fixed(&one, "amount = 0"), &["fixed_output[0].amount", "0"]);
    mistake(&fixed(&one, "percent = 100"), &["fixed_output[0].percent", "100"]);
    mistake(&fixed("[]", "percent = 5"), &["fixed_output[0].addresses", "names nobody"]);
    mistake(&fixed("[\"script:x\"]", "percent = 5"), &["fixed_output[0].addresses", "hexadecimal"]);
    mistake(&fixed(&one, "amount = 5\nfrom_height = 2\nto_height = 1"), &["to_height = 1", "from_height"]);
    mistake(&fixed("[\"Lpool\"]", "percent = 5"), &["fixed_output[0].addresses", "findblock"]);
    let recipient = format!("[[coin.recipient]]\naddress = \"{}\"\npercent = 1\n", "11".repeat(20));
    mistake(&(recipient + &fixed(&one, "percent = 5")), &["fixed_output[0].addresses", "[[coin.recipient]]"]);
    // Shares count together where their heights meet, and only there.
    let halves = |from: u32| {
        fixed(two, "percent = 50\nto_height = 99") + &fixed(&one, &format!("percent = 50\nfrom_height = {from}"))
    };
    mistake(&halves(99), &["fixed_output[1].percent", "100 % or more"]);
    assert_eq!(read(&with(&halves(100))).coins[0].fixed_outputs.len(), 2);
    let crowd: String = (0..17).map(|_| fixed(&one, "percent = 1")).collect();
    mistake(&crowd, &["too many fixed outputs", "16"]);
    let many = format!("[{}]", "\"script:51\",".repeat(65));
    mistake(&fixed(&many, "percent = 1"), &["fixed_output[0].addresses", "64"]);
    let named = format!("percent = 1\nunless_members = [{}]", "\"x\",".repeat(17));
    mistake(&fixed(&one, &named), &["fixed_output[0].unless_members", "16"]);
}

/// One warning of the text, which has no mistake.
fn warning(text: &str) -> String {
    let warnings = read(text).warnings;
    let [warning] = warnings.as_slice() else { panic!("{warnings:#?}") };
    warning.to_string()
}

#[test]
fn a_payout_address_is_read_by_a_check() {
    const GOOD: &str = "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1";
    let paying = |address: &str| least("Lpool", address);
    assert_eq!(read(&paying(GOOD)).warnings, []);
    assert_eq!(read(&paying(&"11".repeat(20))).warnings, []);
    // What is mistyped beyond doubt.
    for (mistyped, part) in [
        ("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc2", "the checksum is wrong"),
        ("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc", "the checksum is wrong"),
        ("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n8", "the checksum is wrong"),
    ] {
        let parts = ["coin[litecoin].payout_address = ", mistyped, part, "copy the address anew"];
        one_mistake(&paying(mistyped), &parts);
    }
    let cash = paying("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q")
        .replace("preset = \"litecoin\"", "preset = \"bitcoin-cash\"");
    one_mistake(&cash, &["payout_address", "checksum"]);
    // What may be right where the coin's forms are incomplete, and what is left of the example.
    for (foreign, part) in [
        ("DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L", "version byte 30"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "prefix \"bc\""),
        ("the address of your pool", "character ' '"),
    ] {
        let said = warning(&paying(foreign));
        for part in ["coin[litecoin].payout_address", foreign, part, "is no address", "check --online"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    // Groestlcoin's old addresses have a checksum of its own.
    let groestl = paying(GOOD).replace("preset = \"litecoin\"", "preset = \"groestlcoin\"\nmpos_bits = 24");
    assert!(warning(&groestl.replace("eXpGc1", "eXpGc2")).contains("checksum"));
    // What anybody could spend.
    let open = paying("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs").replace("preset = \"litecoin\"", "preset = \"bitcoin\"");
    one_mistake(&open, &["payout_address", "witness version 2", "anybody could spend"]);
}

#[test]
fn whoever_else_is_paid_is_read_by_a_check() {
    let with = |more: &str| least("Lpool", "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1").replace("[[coin.port]]", more);
    let recipient =
        |address: &str| with(&format!("[[coin.recipient]]\naddress = \"{address}\"\npercent = 1\n[[coin.port]]"));
    let mistyped = "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc2";
    one_mistake(&recipient(mistyped), &["recipient[0].address = ", mistyped, "checksum"]);
    let said = warning(&recipient("DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L"));
    assert!(said.contains("recipient[0].address") && said.contains("version byte 30"), "{said}");
    let fixed = |address: &str| {
        with(&format!("[[coin.fixed_output]]\naddresses = [\"script:51\", \"{address}\"]\npercent = 1\n[[coin.port]]"))
    };
    one_mistake(&fixed(mistyped), &["fixed_output[0].addresses", mistyped, "checksum"]);
    assert!(warning(&fixed("nobody")).contains("\"nobody\""));
}

#[test]
fn a_misspelt_preset_is_all_that_is_said() {
    let named = |preset: &str| {
        let text = least("preset = \"litecoin\"", &format!("preset = \"{preset}\"\nfixed_outputs = 1"));
        text.replace("payout_address = \"Lpool\"\n", "")
    };
    one_mistake(&named("litecon"), &["preset = \"litecon\"", "is not a known preset", "did you mean \"litecoin\"?"]);
    one_mistake(&named("digibyte"), &["is not a known preset", "choose one of digibyte-odocrypt, digibyte-qubit"]);
    one_mistake(&named("nosuchthing"), &["is not a known preset", "auroracoin-qubit", "algorithm = "]);
}

#[test]
fn blocks_that_the_node_signs_go_to_no_peer() {
    let with = |preset: &str| {
        let text = least("user = \"rpc\"", "user = \"rpc\"\np2p = \"127.0.0.1\"\np2p_push_blocks = true");
        let coin = read(&text.replace("preset = \"litecoin\"", &format!("preset = \"{preset}\""))).coins[0].clone();
        coin.nodes[0].ways.peer.clone().unwrap().push_blocks
    };
    assert!(with("peercoin") && with("litecoin"));
    assert!(!with("verge-scrypt"));
}
