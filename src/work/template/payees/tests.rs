use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chain::form::AddressForms;

/// The address of Bitcoin's first block, and its script.
const ADDRESS: &str = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
const SCRIPT: &str = "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac";

fn form() -> ChainForm {
    let addresses = AddressForms { pubkey_hash: vec![0], script_hash: vec![5], ..AddressForms::default() };
    ChainForm { addresses, ..ChainForm::default() }
}

/// Values and scripts of the payees of a template with these members.
fn payees_in(form: &ChainForm, template: &Value) -> Result<Vec<(u64, String)>, String> {
    let text = template.to_string();
    let members: Members<'_> = serde_json::from_str(&text).unwrap();
    let payees = read(&members, 1000, form).map_err(|error| error.to_string())?;
    Ok(payees.outputs.into_iter().map(|output| (output.value, hex::encode(&output.script))).collect())
}

fn payees(template: &Value) -> Result<Vec<(u64, String)>, String> {
    payees_in(&form(), template)
}

fn one(value: u64, script: &str) -> Result<Vec<(u64, String)>, String> {
    Ok(vec![(value, script.to_owned())])
}

#[test]
fn dash_before_0_12_1() {
    let old = json!({ "payee": ADDRESS, "payee_amount": 250, "votes": [], "masternode_payments": true });
    assert_eq!(payees(&old), one(250, SCRIPT));
    assert_eq!(payees(&json!({ "payee": ADDRESS })), one(200, SCRIPT), "a fifth where no amount is named");
    assert_eq!(payees(&json!({ "payee": "", "payee_amount": 0 })), Ok(vec![]));
}

#[test]
fn dash_with_a_masternode_and_superblocks_pays_both() {
    let template = json!({
        "masternode": { "payee": ADDRESS, "script": "51", "amount": 300 },
        "masternode_payments_started": true, "masternode_payments_enforced": true,
        "superblock": [{ "payee": "x", "script": "52", "amount": 7 }, { "payee": "y", "script": "53", "amount": 8 }],
        "payee": ADDRESS, "payee_amount": 300,
    });
    let all = [(300, "51"), (7, "52"), (8, "53")].map(|(value, script)| (value, script.to_owned()));
    assert_eq!(payees(&template), Ok(all.to_vec()), "and the masternode once");
}

#[test]
fn a_flat_masternode_beside_other_payees_is_paid_too() {
    let template = json!({ "payee": ADDRESS, "payee_amount": 100, "founderreward": { "script": "51", "amount": 7 } });
    assert_eq!(
        payees(&template),
        Ok([(7, "51"), (100, SCRIPT)].map(|(value, script)| (value, script.to_owned())).to_vec())
    );
    // Named both ways, by the same script and amount.
    let twice = json!({ "payee": ADDRESS, "payee_amount": 7, "devfee": { "script": SCRIPT, "amount": 7 } });
    assert_eq!(payees(&twice), one(7, SCRIPT));
}

#[test]
fn flat_pairs_of_payee_and_amount_are_paid_and_half_of_one_is_refused() {
    assert_eq!(payees(&json!({ "donation_payee": ADDRESS, "donation_amount": 5 })), one(5, SCRIPT));
    assert_eq!(payees(&json!({ "donation_payee": "", "donation_amount": 0 })), Ok(vec![]));
    assert_eq!(payees(&json!({ "fund_payee": ADDRESS, "fund_payments_started": false })), Ok(vec![]));
    let refused = payees(&json!({ "donation_payee": ADDRESS })).unwrap_err();
    assert!(refused.contains("donation_payee.amount") && refused.contains("missing"), "{refused}");
    let ignoring = ChainForm { ignored_members: vec!["donation_payee".into()], ..form() };
    assert_eq!(payees_in(&ignoring, &json!({ "donation_payee": ADDRESS, "donation_amount": 5 })), Ok(vec![]));
}

#[test]
fn two_plain_members_of_other_names_are_paid_or_refused() {
    // Crown has two kinds of nodes.
    let crown = json!({ "payee": ADDRESS, "payee_amount": 7, "payeeSN": ADDRESS, "payeeSN_amount": 5 });
    let both = [(7, SCRIPT), (5, SCRIPT)].map(|(value, script)| (value, script.to_owned()));
    assert_eq!(payees(&crown), Ok(both.to_vec()));
    assert_eq!(payees(&json!({ "payeeSN": "", "payeeSN_amount": 0 })), Ok(vec![]));
    let ravens = json!({ "CommunityAutonomousAddress": ADDRESS, "CommunityAutonomousValue": 5 });
    assert_eq!(payees(&ravens), one(5, SCRIPT));
    let all = read(&serde_json::from_str(&ravens.to_string()).unwrap(), 1000, &form()).unwrap();
    assert_eq!(all.beside_value, 5, "coinbasevalue is what is left for the miner");
    // Only theirs: what others get is in it.
    let mixed = json!({ "coinbasedevreward": { "scriptpubkey": "51", "value": 25 }, "devfee": { "script": "52", "amount": 4 } });
    let mixed = read(&serde_json::from_str(&mixed.to_string()).unwrap(), 1000, &form()).unwrap();
    assert_eq!((mixed.outputs.len(), mixed.beside_value), (2, 25));
    for (pair, name) in [
        (json!({ "guild": ADDRESS, "guild_amount": 5 }), "guild"),
        (json!({ "guildWallet": ADDRESS, "guildWalletAmount": 5 }), "guildwallet"),
        (json!({ "GuildAddress": ADDRESS, "GuildValue": 5 }), "guildaddress"),
        (json!({ "guild_address": ADDRESS, "guild_amount": 5 }), "guild_address"),
        (json!({ "guildaddress": [ADDRESS], "guild": 5 }), "guildaddress"),
        (json!({ "coinbasetxn": { "guildaddress": [ADDRESS], "guild": 5 } }), "guildaddress"),
    ] {
        let error = payees(&pair).unwrap_err();
        assert!(error.contains(&format!("`{name}`")) && error.contains("`payee_members`"), "{error}");
        let known = ChainForm { payee_members: vec![name.into()], ..form() };
        assert_eq!(payees_in(&known, &pair), one(5, SCRIPT), "{pair}");
        let ignored = ChainForm { ignored_members: vec![name.into()], ..form() };
        assert_eq!(payees_in(&ignored, &pair), Ok(vec![]), "{pair}");
    }
    // Nothing is due yet, and what is no text names nobody.
    assert_eq!(payees(&json!({ "guild": ADDRESS, "guild_amount": 0 })), Ok(vec![]));
    assert_eq!(payees(&json!({ "size": 7, "size_amount": 5, "note": "x", "noted": 5 })), Ok(vec![]));
}

#[test]
fn dash_of_today_has_several_and_burns_by_script() {
    let template = json!({
        "masternode": [
            { "payee": ADDRESS, "script": SCRIPT, "amount": 300 },
            { "payee": "", "script": "6a", "amount": 100 },
        ],
        "superblock": [], "superblocks_started": true, "superblocks_enabled": true, "coinbase_payload": "02",
    });
    assert_eq!(payees(&template), Ok(vec![(300, SCRIPT.to_owned()), (100, "6a".to_owned())]));
}

#[test]
fn chains_that_have_not_begun_to_pay() {
    for empty in [json!({}), json!([]), json!(""), json!([{}]), json!({ "payee": "", "script": "", "amount": 0 })] {
        assert_eq!(payees(&json!({ "masternode": empty, "superblock": [] })), Ok(vec![]), "{empty}");
    }
    let named = json!({ "founder": { "payee": ADDRESS }, "founder_payments_started": false });
    assert_eq!(payees(&named), Ok(vec![]));
    // The flag alone lets nobody go unpaid whose amount is named.
    let due = json!({ "founder": { "payee": ADDRESS, "amount": 5 }, "founder_payments_started": false });
    assert_eq!(payees(&due), one(5, SCRIPT));
}

#[test]
fn lists_of_texts_without_an_amount_are_nobody_s_and_several_addresses_for_one_amount_are_refused() {
    let plain = json!({ "coinbaseaddress": "x", "coinbasevalue": 7, "rules": ["csv"], "features": ["a", "b"] });
    assert_eq!(payees(&plain), Ok(vec![]));
    let two = json!({ "guildaddress": [ADDRESS, ADDRESS], "guild": 5 });
    assert!(payees(&two).unwrap_err().contains("`payee_members`"));
    let known = ChainForm { payee_members: vec!["guildaddress".into()], ..form() };
    assert!(payees_in(&known, &two).unwrap_err().contains("is no text"));
}

#[test]
fn founders_treasuries_and_funds_of_many_names() {
    for (name, payee) in [
        ("founder", json!({ "payee": ADDRESS, "script": SCRIPT, "amount": 9 })),
        ("znode", json!({ "payee": ADDRESS, "amount": 9 })),
        ("smartnode", json!([{ "payee": ADDRESS, "script": SCRIPT, "amount": 9 }])),
        ("founderreward", json!({ "founderpayee": ADDRESS, "amount": 9 })),
        ("coinbasedevreward", json!({ "scriptpubkey": SCRIPT, "value": 9 })),
        ("CoinbaseDevReward", json!({ "scriptPubKey": SCRIPT, "Value": 9 })),
        ("treasury", json!({ "address": ADDRESS, "amount": 9 })),
        ("devfee", json!({ "payee": ADDRESS, "amount": 9 })),
    ] {
        assert_eq!(payees(&json!({ name: payee })), one(9, SCRIPT), "{name}");
    }
    let ecash = json!({ "coinbasetxn": {
        "minerfund": { "addresses": [ADDRESS, "another"], "minimumvalue": 320 },
        "stakingrewards": { "payoutscript": { "asm": "OP_TRUE", "hex": "51" }, "minimumvalue": 100 },
    }});
    assert_eq!(payees(&ecash), Ok(vec![(320, SCRIPT.to_owned()), (100, "51".to_owned())]));
}

#[test]
fn the_members_that_name_somebody_are_known_and_no_others() {
    let text = json!({
        "Treasury": [{ "script": "51", "amount": 9 }, { "script": "52", "amount": 9 }], "founder": {}, "charity": [],
        "donation_payee": ADDRESS, "donation_amount": 5, "payee": ADDRESS, "payee_amount": 5,
    })
    .to_string();
    let Payees { outputs, members, beside_value } = read(&serde_json::from_str(&text).unwrap(), 1000, &form()).unwrap();
    assert_eq!(beside_value, 0);
    assert_eq!(
        (outputs.len(), members.as_slice()),
        (3, &["treasury", "payee", "donation_payee"].map(str::to_owned)[..])
    );
}

#[test]
fn an_unknown_payee_is_never_passed_over() {
    let template = json!({ "moonnode": [{ "payee": ADDRESS, "amount": 9 }] });
    let error = payees(&template).unwrap_err();
    assert!(error.contains("`moonnode[0]`") && error.contains("payee_members"), "{error}");
    let known = ChainForm { payee_members: vec!["MoonNode".into()], ..form() };
    assert_eq!(payees_in(&known, &template), one(9, SCRIPT));
    let ignored = ChainForm { ignored_members: vec!["moonnode".into()], ..form() };
    assert_eq!(payees_in(&ignored, &template), Ok(vec![]));
    // What has not the shape is none of our business.
    let other = json!({ "moonnode": { "count": 3 }, "vbavailable": { "amount": 4 }, "sizes": [1, 2] });
    assert_eq!(payees(&other), Ok(vec![]));
}

#[test]
fn who_cannot_be_paid_stops_the_template() {
    for (payee, place) in [
        (json!({ "payee": "not an address", "amount": 9 }), "masternode.payee"),
        (json!({ "payee": 7, "amount": 9 }), "masternode.payee"),
        (json!({ "script": "xyz", "amount": 9 }), "masternode.script"),
        (json!({ "payee": ADDRESS, "amount": -9 }), "masternode.amount"),
        (json!({ "payee": ADDRESS, "amount": 0.5 }), "masternode.amount"),
        (json!({ "payee": ADDRESS }), "masternode.amount"),
        (json!({ "amount": 9 }), "masternode"),
    ] {
        let error = payees(&json!({ "masternode": payee })).unwrap_err();
        assert!(error.contains(&format!("`{place}`")), "{payee}: {error}");
    }
    let many = vec![json!({ "script": "51", "amount": 1 }); PAYEES_MAX + 1];
    assert!(payees(&json!({ "superblock": many })).unwrap_err().contains("more than 1000"));
}

proptest! {
    #[test]
    fn strange_members_never_panic(name in "[a-z_]{1,12}", text in "\\PC{0,30}", amount in any::<i64>()) {
        for value in [json!({ "payee": text, "amount": amount }), json!([text, null, [], { "value": amount }])] {
            let _judged = payees(&json!({ &name: &value, "masternode": value }));
        }
    }
}

#[test]
fn a_known_name_with_an_unknown_content_is_not_passed_over() {
    let error = payees(&json!({ "masternode": [ADDRESS] })).unwrap_err();
    assert!(error.contains("masternode[0]") && error.contains("nobody knows"), "{error}");
    assert_eq!(payees(&json!({ "masternode": [null, {}], "other": [ADDRESS] })), Ok(vec![]));
    // Numbers beyond any type, and brackets without end.
    for content in [r#"{"script":"51","amount":1e999}"#.to_owned(), format!("{}{}", "[".repeat(500), "]".repeat(500))] {
        let members = BTreeMap::from([("founder", content.as_str()), ("other", content.as_str())]);
        let raw: BTreeMap<&str, Box<RawValue>> =
            members.into_iter().map(|(name, text)| (name, RawValue::from_string(text.to_owned()).unwrap())).collect();
        let of = |name: &'static str| -> Members<'_> { BTreeMap::from([(name, &*raw[name])]) };
        let error = read(&of("founder"), 1000, &form()).unwrap_err().to_string();
        assert!(error.contains("founder") && error.contains("cannot be read"), "{error}");
        assert_eq!(read(&of("other"), 1000, &form()), Ok(Payees::default()));
    }
}

#[test]
fn scripts_of_payees_are_bounded() {
    let with = |bytes: usize| {
        let entry = |amount: u64| json!({ "script": "51".repeat(bytes / 2), "amount": amount });
        payees(&json!({ "masternode": [entry(1), entry(2)] }))
    };
    assert_eq!(with(100_000).unwrap().len(), 2);
    let error = with(100_002).unwrap_err();
    assert!(error.contains("100000 bytes"), "{error}");
}
