use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::bytes::{display_hash, hex, parse_display_hash};
use crate::chain::form::{AddressForms, AlgorithmBits};
use crate::chain::header::HeaderForm;

/// The id of the first transaction ever paid, in block 170 of Bitcoin, and its bytes.
const PAYMENT: &str = "0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304402204e45e16932b8af514961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de4860a4acdd12909d831cc56cbbac4622082221a8768d1d0901ffffffff0200ca9a3b00000000434104ae1a62fe09c5f51b13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397f554a7df5f142c21c1b7303b8a0626f1baded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53bc1eb68a382e97b1482ecad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac00000000";
const PAYMENT_ID: &str = "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16";

/// What litecoind 0.21.2.1 answered on regtest at the first height after MWEB's activation.
fn litecoin_mweb() -> Value {
    json!({
        "capabilities": ["proposal"], "version": 536_870_912,
        "rules": ["csv", "!segwit", "testdummy", "taproot", "mweb"], "vbavailable": {}, "vbrequired": 0,
        "previousblockhash": "7a17637dc155347bc91a7477be317cfccb2bcbc274ef43451b79e0ba41fbfcb9",
        "transactions": [{
            "data": "02000000000801f231c8090844cf6916f63472690b15c0bdfd8b9fe92e3189c04beda246b7bf340000000000ffffffff01982d814a00000000225820e32f61ec395e4d9d789c53eab8fd3defbce84fbeb56db7e2efdcebf8dd3af1c00000000000",
            "txid": "75a8916d71335871d9d7c8aaa0d525b846eb456b9cc3525620df5852d30ecb50",
            "hash": "75a8916d71335871d9d7c8aaa0d525b846eb456b9cc3525620df5852d30ecb50",
            "depends": [], "fee": 0, "sigops": 0, "weight": 376
        }],
        "coinbaseaux": {}, "coinbasevalue": 1_250_000_000,
        "longpollid": "7a17637dc155347bc91a7477be317cfccb2bcbc274ef43451b79e0ba41fbfcb9437",
        "target": "7fffff0000000000000000000000000000000000000000000000000000000000",
        "mintime": 1_795_226_909, "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff", "sigoplimit": 80000, "sizelimit": 4_000_000, "weightlimit": 4_000_000,
        "curtime": 1_795_226_909, "bits": "207fffff", "height": 433,
        "default_witness_commitment": "6a24aa21a9ed77fdebfd2b3cfe60101589b40d709d01932a579ddf758e0ed522970cbb69e89e",
        "mweb": "8231540a61d11295c3afc90fdb3ed4ffb7cc"
    })
}

/// A template as bitcoind before segwit wrote it: `hash` alone, flags in `coinbaseaux`.
fn before_segwit() -> Value {
    json!({
        "version": 4,
        "previousblockhash": "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee",
        "transactions": [{ "data": PAYMENT, "hash": PAYMENT_ID, "depends": [], "fee": 0, "sigops": 2 }],
        "coinbaseaux": { "flags": "062f503253482f", "a": "01" },
        "coinbasevalue": 5_000_000_000_u64,
        "target": "00000000ffff0000000000000000000000000000000000000000000000000000",
        "mintime": 1_231_731_025, "curtime": 1_231_731_100,
        "bits": "1d00ffff", "height": 171
    })
}

fn rules() -> ChainForm {
    ChainForm { template_rules: vec!["segwit".into(), "mweb".into()], ..ChainForm::default() }
}

fn read(value: &Value) -> Result<Template, TemplateError> {
    Template::from_json(&value.to_string(), &rules())
}

/// The error of a template in which `member` is set to `value`, or removed for `null`.
fn refusal(mut template: Value, member: &str, value: Value) -> String {
    if value.is_null() {
        template.as_object_mut().unwrap().remove(member);
    } else {
        template[member] = value;
    }
    read(&template).unwrap_err().to_string()
}

#[test]
fn a_litecoin_template_with_an_extension_block() {
    let template = read(&litecoin_mweb()).unwrap();
    assert_eq!((template.height, template.version, template.bits), (433, 0x2000_0000, 0x207f_ffff));
    assert_eq!(display_hash(&template.previous), "7a17637dc155347bc91a7477be317cfccb2bcbc274ef43451b79e0ba41fbfcb9");
    assert_eq!(template.coinbase_value, 1_250_000_000);
    assert_eq!(template.coinbase_aux, b"");
    assert_eq!(template.mweb.as_deref(), hex::decode(b"8231540a61d11295c3afc90fdb3ed4ffb7cc").as_deref());
    // The commitment is the node's own: so the recomputation here is Litecoin's as well.
    assert_eq!(template.witness_commitment.as_ref().map(Vec::len), Some(38));
    assert_eq!(template.transactions.len(), 1);
    assert_eq!(
        template.transactions[0].txid,
        parse_display_hash("75a8916d71335871d9d7c8aaa0d525b846eb456b9cc3525620df5852d30ecb50").unwrap()
    );
    assert!(template.longpoll_id.is_some() && template.work_id.is_none());
}

#[test]
fn a_template_from_before_segwit() {
    let template = read(&before_segwit()).unwrap();
    assert_eq!(template.transactions[0].txid, parse_display_hash(PAYMENT_ID).unwrap());
    assert_eq!(template.transactions[0].wtxid, template.transactions[0].txid);
    assert_eq!(hex::encode(&template.coinbase_aux), "01062f503253482f");
    assert_eq!((template.mintime, template.curtime), (1_231_731_025, 1_231_731_100));
    assert_eq!((template.witness_commitment, template.mweb, template.longpoll_id), (None, None, None));
}

#[test]
fn a_transaction_without_any_hash_is_hashed_here() {
    let mut value = before_segwit();
    value["transactions"][0].as_object_mut().unwrap().remove("hash");
    assert_eq!(read(&value).unwrap().transactions[0].txid, parse_display_hash(PAYMENT_ID).unwrap());
}

#[test]
fn a_witness_transaction_must_name_its_id() {
    let mut value = litecoin_mweb();
    value["transactions"][0].as_object_mut().unwrap().remove("txid");
    let error = read(&value).unwrap_err().to_string();
    assert!(error.contains("transactions[0].txid"), "{error}");
}

#[test]
fn a_time_in_a_transaction_is_no_sign_of_a_witness() {
    // Novacoin's nodes name `hash` alone, and one time in 256 ends with a zero.
    let mut value = before_segwit();
    let timed = format!("{}00ee5565{}", &PAYMENT[..8], &PAYMENT[8..]);
    value["transactions"][0]["data"] = json!(timed);
    let form = ChainForm { transaction_time: true, ..rules() };
    let template = Template::from_json(&value.to_string(), &form).unwrap();
    assert_eq!(template.transactions[0].txid, parse_display_hash(PAYMENT_ID).unwrap());
    assert!(read(&value).unwrap_err().to_string().contains("transactions[0].txid"), "without that time it is one");
}

#[test]
fn an_unknown_mandatory_rule_stops_the_coin() {
    let mut value = litecoin_mweb();
    value["rules"] = json!(["csv", "!segwit", "!new-thing"]);
    assert_eq!(read(&value), Err(TemplateError::UnknownRule("new-thing".into())));
    assert_eq!(
        Template::from_json(&value.to_string(), &ChainForm::default()),
        Err(TemplateError::UnknownRule("segwit".into()))
    );
}

#[test]
fn a_commitment_before_activation_is_left_out() {
    // bcoin names it from the first block on; a block that carries a witness then is invalid.
    let mut value = before_segwit();
    value["default_witness_commitment"] = json!("6a24aa21a9ed".to_owned() + &"00".repeat(32));
    assert_eq!(read(&value).unwrap().witness_commitment, None);
    value["rules"] = json!(["!segwit"]);
    assert!(read(&value).unwrap_err().to_string().contains("does not commit"));
}

#[test]
fn a_commitment_that_is_missing_is_noticed() {
    let mut value = litecoin_mweb();
    value["transactions"][0]["hash"] = json!("11".repeat(32));
    assert!(read(&value).unwrap_err().to_string().contains("does not commit"));
    value.as_object_mut().unwrap().remove("default_witness_commitment");
    assert!(read(&value).unwrap_err().to_string().contains("is missing"));
}

#[test]
fn an_empty_block_commits_to_itself() {
    // Block template without transactions: sha256d of 64 zero bytes, known from every empty block.
    let mut value = litecoin_mweb();
    value["transactions"] = json!([]);
    let commitment = "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9";
    value["default_witness_commitment"] = json!(commitment);
    assert_eq!(read(&value).unwrap().witness_commitment, hex::decode(commitment.as_bytes()));
}

#[test]
fn errors_name_the_member() {
    let cases: &[(&str, Value)] = &[
        ("bits", json!("1d00fff")),
        ("bits", json!("1d80ffff")),
        ("bits", Value::Null),
        ("target", json!("00000000ffff0000000000000000000000000000000000000000000000000001")),
        ("target", json!("ffff")),
        ("previousblockhash", json!("00")),
        ("previousblockhash", json!(7)),
        ("height", json!(-1)),
        ("height", json!(4_294_967_296_u64)),
        ("curtime", json!("now")),
        ("mintime", json!(-5)),
        ("version", json!(4_294_967_296_u64)),
        ("coinbasevalue", json!(-1)),
        ("coinbasevalue", Value::Null),
        ("coinbaseaux", json!({ "flags": "0" })),
        ("coinbaseaux", json!({ "flags": "00".repeat(COINBASE_AUX_BYTES_MAX + 1) })),
        ("transactions", Value::Null),
        ("transactions", json!({})),
        ("transactions[0]", json!(null)),
        ("mweb", json!("0x00")),
        ("longpollid", json!("x".repeat(HANDLE_BYTES_MAX + 1))),
        ("workid", json!(1)),
        ("rules", json!("segwit")),
        ("default_witness_commitment", json!("zz")),
    ];
    for (member, value) in cases {
        let error = match member.strip_suffix("[0]") {
            Some(list) => refusal(before_segwit(), list, json!([{ "data": "00" }])),
            None => refusal(before_segwit(), member, value.clone()),
        };
        assert!(error.contains(&format!("`{member}")), "{member} {value}: {error}");
    }
}

#[test]
fn the_version_keeps_its_bits() {
    let mut value = before_segwit();
    for (written, bits) in
        [(json!(-1), u32::MAX), (json!(0x2000_0000), 0x2000_0000), (json!(4_026_531_840_u32), 0xf000_0000)]
    {
        value["version"] = written;
        assert_eq!(read(&value).unwrap().version, bits);
    }
}

#[test]
fn a_node_without_mintime_gets_none_below_its_present() {
    let mut value = before_segwit();
    value.as_object_mut().unwrap().remove("mintime");
    assert_eq!(read(&value).unwrap().mintime, 1_231_731_100);
    value["mintime"] = json!(1_231_731_200);
    let template = read(&value).unwrap();
    assert_eq!((template.mintime, template.curtime), (1_231_731_200, 1_231_731_200));
}

#[test]
fn too_many_transactions_are_refused() {
    let mut value = before_segwit();
    value["transactions"] = json!(vec![0; TRANSACTIONS_MAX + 1]);
    assert!(read(&value).unwrap_err().to_string().contains("more than 200000"));
}

#[test]
fn time_and_handles_do_not_make_another_block() {
    let one = read(&before_segwit()).unwrap();
    let mut value = before_segwit();
    value["curtime"] = json!(1_231_731_160);
    value["longpollid"] = json!("x");
    let later = read(&value).unwrap();
    assert!(one.same_block(&later) && one != later);
    value["coinbasevalue"] = json!(5_000_000_001_u64);
    let richer = read(&value).unwrap();
    assert!(!one.same_block(&richer) && one.same_header(&richer));
}

#[test]
fn what_longer_headers_hold_must_be_in_the_template() {
    let with = |form: HeaderForm, more: Value| {
        let mut value = before_segwit();
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let form = ChainForm { header: form, ..rules() };
        Template::from_json(&value.to_string(), &form).map_err(|error| error.to_string())
    };
    let lbry = with(HeaderForm::Lbry, json!({ "claimtrie": PAYMENT_ID })).unwrap();
    assert_eq!(lbry.particulars.extra, Extra::Claims(parse_display_hash(PAYMENT_ID).unwrap()));
    let heavycoin = with(HeaderForm::Heavycoin, json!({ "reward": 65535 })).unwrap();
    assert_eq!(heavycoin.particulars.extra, Extra::Vote { vote: 0, reward: 65535 });
    // Another claim is another header, on the same tip.
    let later = with(HeaderForm::Lbry, json!({ "claimtrie": "0".repeat(64) })).unwrap();
    assert!(!lbry.same_header(&later) && !lbry.same_block(&later));
    for (form, more, told) in [
        (HeaderForm::Lbry, json!({}), "`claimtrie` is missing"),
        (HeaderForm::Lbry, json!({ "claimtrie": "00" }), "`claimtrie` is not 64 hexadecimal digits"),
        (HeaderForm::Heavycoin, json!({}), "`reward` is missing"),
        (HeaderForm::Heavycoin, json!({ "reward": 65536 }), "`reward` cannot be read"),
        (HeaderForm::Heavycoin, json!({ "reward": -1 }), "`reward` cannot be read"),
    ] {
        let problem = with(form, more).unwrap_err();
        assert!(problem.contains(told), "{problem}");
    }
    assert_eq!(
        with(HeaderForm::Bitcoin, json!({ "claimtrie": 1, "reward": "x" })).unwrap().particulars.extra,
        Extra::None
    );
}

proptest! {
    #[test]
    fn garbage_is_an_error_never_a_panic(text in ".{0,200}") {
        prop_assert!(Template::from_json(&text, &ChainForm::default()).is_err());
    }

    #[test]
    fn a_damaged_template_never_panics(at in 0usize..1400, byte in any::<u8>()) {
        let mut text = litecoin_mweb().to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        if let Ok(text) = String::from_utf8(text) {
            let _judged = Template::from_json(&text, &rules());
        }
    }

    #[test]
    fn a_cut_template_is_an_error(share in 0.0f64..1.0) {
        let text = litecoin_mweb().to_string();
        let end = (text.len() as f64 * share) as usize;
        prop_assert!(Template::from_json(&text[..end], &rules()).is_err());
    }
}

#[test]
fn a_template_for_another_algorithm_is_refused() {
    let bits = |mask, value| ChainForm { algorithm_bits: AlgorithmBits { mask, value }, ..rules() };
    let mut value = before_segwit();
    value["version"] = json!(0x2000_0602);
    let read = |form: &ChainForm| Template::from_json(&value.to_string(), form).map(|template| template.version);
    assert_eq!(read(&bits(0xf00, 0x600)), Ok(0x2000_0602));
    let refused = read(&bits(0xf00, 0x200)).unwrap_err().to_string();
    assert!(refused.contains("`version` is 20000602") && refused.contains("template_algorithm"), "{refused}");
    assert_eq!(read(&bits(0, 0)), Ok(0x2000_0602));
}

#[test]
fn a_template_of_a_chain_that_takes_no_block_of_the_algorithm_is_refused() {
    let mut value = before_segwit();
    value["mining_disabled"] = json!(false);
    assert!(read(&value).is_ok());
    let refused = refusal(value, "mining_disabled", json!(true));
    assert!(
        refused.contains("`mining_disabled` is true") && refused.contains("no block of this algorithm"),
        "{refused}"
    );
}

#[test]
fn an_unnamed_transaction_of_a_coin_with_names_of_its_own_is_refused() {
    let mut value = before_segwit();
    value["transactions"][0].as_object_mut().unwrap().remove("hash");
    assert_eq!(read(&value).unwrap().transactions[0].txid, parse_display_hash(PAYMENT_ID).unwrap());
    let form = ChainForm { own_transaction_hash: true, ..rules() };
    let refused = Template::from_json(&value.to_string(), &form).unwrap_err().to_string();
    assert!(refused.contains("`transactions[0].hash` is missing"), "{refused}");
    assert!(Template::from_json(&before_segwit().to_string(), &form).is_ok());
    // The id alone is enough: there is no witness.
    let own = "11".repeat(32);
    value["transactions"][0]["txid"] = json!(own);
    let read = Template::from_json(&value.to_string(), &form).unwrap();
    assert_eq!((read.transactions[0].txid, read.transactions[0].wtxid), ([0x11; 32], [0x11; 32]));
}

#[test]
fn what_is_left_for_the_miner_and_a_payee_beside_it_are_the_whole() {
    let mut value = before_segwit();
    value["CommunityAutonomousAddress"] = json!("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    value["CommunityAutonomousValue"] = json!(7);
    let addresses = AddressForms { pubkey_hash: vec![0], ..AddressForms::default() };
    let template = Template::from_json(&value.to_string(), &ChainForm { addresses, ..rules() }).unwrap();
    assert_eq!((template.coinbase_value, template.particulars.payees[0].value), (5_000_000_007, 7));
}

#[test]
fn what_a_node_may_say_at_length_is_bounded() {
    let refused = |change: &dyn Fn(&mut Value), word: &str| {
        let mut value = litecoin_mweb();
        change(&mut value);
        let error = read(&value).unwrap_err().to_string();
        assert!(error.contains(word) && error.len() < 300, "{error}");
    };
    refused(&|value| value["rules"] = json!(vec!["a"; 65]), "rules");
    refused(&|value| value["rules"] = json!(["a".repeat(101)]), "rules");
    refused(&|value| value["votes"] = json!(["51".repeat(1 << 18)]), "votes");
    refused(&|value| value["default_witness_commitment"] = json!("51".repeat(10_001)), "default_witness_commitment");
    refused(&|value| value["x".repeat(1000)] = json!({ "script": "51", "amount": 1 }), "payee_members");
}
