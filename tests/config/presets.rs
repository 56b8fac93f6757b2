//! The shipped presets.

use mpos_stratum::bytes::{hex, parse_display_hash};
use mpos_stratum::coin::preset::{self, PRESETS, Preset};
use mpos_stratum::coin::profile::Profile;
use mpos_stratum::coin::proof::{self, Misfit, Sample};
use mpos_stratum::config;
use mpos_stratum::difficulty::mpos_factor;
use mpos_stratum::pow::{Algorithm, names};

use serde_json::Value;

use super::{least, one_mistake, read};

/// Algorithms without a preset, and why.
const WITHOUT: [(&str, &str); 20] = [
    ("argon2d-dyn-v13", "no coin of it is known for sure"),
    ("bcrypt", "no coin of it is known for sure"),
    ("fresh", "its coins are gone, and their facts could not be seen"),
    ("hefty1-nomp", "a variant of pools; no chain is known for sure"),
    ("keccak-normal", "its coins (Copperlark, eCoin) are gone, and their facts could not be seen"),
    ("lyra2re", "Vertcoin has moved on"),
    ("lyra2rev3", "Vertcoin has moved on"),
    ("lyra2z", "Firo has moved on, and so has Gincoin"),
    ("nist5", "its coins are gone, and their facts could not be seen"),
    ("scrypt-jane", "YaCoin's hashes need more memory by now than a share may take"),
    ("scrypt-n", "Vertcoin has moved on"),
    ("scrypt-og", "no coin of it is known for sure"),
    ("sha1coin", "its coin is gone, and its facts could not be seen"),
    ("shavite3", "its coin is gone, and its facts could not be seen"),
    ("x13", "its coins are staked by now"),
    ("x14", "its coins are gone, and their facts could not be seen"),
    ("x15", "its coins are gone, and their facts could not be seen"),
    ("x16r", "Ravencoin has moved on"),
    ("x16rv2", "Ravencoin has moved on"),
    ("yescryptr32", "the facts of LuckyPepe, and of WAVI before it, could not be seen"),
];

/// Coins that mining sites had and that have no preset, and why.
const COINS_WITHOUT: [(&str, &str); 9] = [
    ("arcticcoin", "its facts could not be seen"),
    ("crown", "its blocks are staked by now, those before were mined with another chain's"),
    ("firo", "it has moved on to an algorithm that is none of ours"),
    ("gincoin", "it changed its algorithm more than once, and its genesis block is not of lyra2z"),
    ("pigeoncoin", "its algorithms are none of ours"),
    (
        "smartcash",
        "its template is asked for by a signing address and has a coinbase of its own form, without `coinbasevalue`",
    ),
    ("smileycoin", "its blocks pay a list of its richest addresses, which only its own miner puts together"),
    ("ultracoin", "its facts could not be seen"),
    ("yacoin", "its hashes need more memory by now than a share may take"),
];

/// What an operator adds who has read the preset's comment.
fn with_operator(preset: &Preset) -> String {
    let named = algorithm(preset);
    let mut keys = format!("preset = \"{}\"", preset.name);
    if named.mpos_bits.is_none() {
        keys += "\nmpos_bits = 24";
    }
    if named.is_unproven() {
        keys += "\naccept_unproven = true";
    }
    if preset.toml.contains("fixed_output_required = true") {
        keys += "\nfixed_output = [{ addresses = [\"script:51\"], percent = 5 }]";
    }
    least("preset = \"litecoin\"", &keys)
}

fn algorithm(preset: &Preset) -> &'static names::Named {
    let table: toml::Table = toml::from_str(preset.toml).unwrap();
    names::find(table["algorithm"].as_str().unwrap()).unwrap()
}

fn profile(preset: &Preset) -> Profile {
    read(&with_operator(preset)).coins[0].profile.clone()
}

#[test]
fn the_example_names_every_preset() {
    let example = include_str!("../../config.example.toml");
    let (_, list) = example.split_once("# What the coin is: ").unwrap();
    let (list, _) = list.split_once("\npreset = ").unwrap();
    let named: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(named, PRESETS.each_ref().map(|preset| preset.name));
}

#[test]
fn every_preset_is_complete() {
    for preset in &PRESETS {
        let (named, profile) = (algorithm(preset), profile(preset));
        assert_eq!(config::preset_profile(preset.name).as_ref(), Some(&profile), "{}", preset.name);
        assert_eq!(profile.stratum_bits, named.stratum_bits, "{}", preset.name);
        // What MPOS's class counts, where it has one; else the operator is asked, and the preset says so.
        assert_eq!(profile.mpos_bits, named.mpos_bits.unwrap_or(24), "{}", preset.name);
        assert_eq!(preset.toml.contains("`mpos_bits`"), named.mpos_bits.is_none(), "{}", preset.name);
        assert_eq!(preset.toml.contains("`accept_unproven`"), named.is_unproven(), "{}", preset.name);
        if matches!(profile.algorithm, Algorithm::Sha256d | Algorithm::Scrypt { .. }) {
            assert_eq!(mpos_factor(profile.stratum_bits, profile.mpos_bits), 1.0, "{}", preset.name);
        }
        assert_eq!(profile.transaction_hash, named.transaction_hash, "{}", preset.name);
        // Chain ids of merged mining stand in the version; of rarer coins nobody has shown that it may be rolled.
        let rolls = preset.name.starts_with("bitcoin") || ["digibyte-sha256d", "ecash"].contains(&preset.name);
        assert_eq!(profile.version_mask, if rolls { 0x1fff_e000 } else { 0 }, "{}", preset.name);
        let extranonce2_bytes = if profile.algorithm == Algorithm::Sha256d { 8 } else { 4 };
        assert_eq!(profile.extranonce2_bytes, extranonce2_bytes, "{}", preset.name);
        assert!(!profile.form.addresses.pubkey_hash.is_empty() && !profile.form.addresses.script_hash.is_empty());
        // Magic and port, where they are known, are usable.
        let p2p = with_operator(preset).replace("user = \"rpc\"", "user = \"rpc\"\np2p = \"127.0.0.1\"");
        if preset.toml.contains("p2p_port") {
            assert!(read(&p2p).coins[0].nodes[0].ways.peer.is_some(), "{}", preset.name);
        }
    }
}

#[test]
fn what_presets_say_of_version_bits_real_headers_have() {
    let all: Vec<Value> = serde_json::from_str(include_str!("../data/pow-vectors.json")).unwrap();
    let mut shown = 0;
    for vector in all.iter().filter(|vector| vector["kind"] == "block") {
        let (coin, algorithm) = (vector["coin"].as_str().unwrap_or_default(), vector["algorithm"].as_str().unwrap());
        let name = format!("{}-{algorithm}", coin.split(' ').next().unwrap().to_lowercase());
        let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else { continue };
        let version: [u8; 4] =
            hex::decode(&vector["header_hex"].as_str().unwrap().as_bytes()[..8]).unwrap().try_into().unwrap();
        let bits = profile(preset).form.algorithm_bits;
        assert_eq!(u32::from_le_bytes(version) & bits.mask, bits.value, "{name}");
        shown += usize::from(bits.mask != 0);
    }
    assert!(shown >= 8, "{shown}");
}

#[test]
fn presets_of_one_coin_are_told_apart_by_version_bits() {
    let coin = |preset: &Preset| preset.name.split('-').next();
    let several: Vec<(&Preset, Profile)> = PRESETS.iter().map(|preset| (preset, profile(preset))).collect();
    let several: Vec<_> = several.iter().filter(|(_, profile)| profile.several_algorithms).collect();
    for (preset, of_one) in &several {
        let bits = of_one.form.algorithm_bits;
        assert!(bits.says(), "{}: a template for another algorithm would be mined", preset.name);
        for (other, of_other) in several.iter().filter(|(other, _)| coin(other) == coin(preset)) {
            let others = of_other.form.algorithm_bits;
            assert_eq!((bits.mask, preset.name == other.name), (others.mask, bits.value == others.value));
        }
    }
    // As the sources of the coins have them.
    for (name, mask, value) in [
        ("verge-scrypt", 15 << 11, 1 << 11),
        ("verge-groestl-myriad", 15 << 11, 2 << 11),
        ("verge-x17", 15 << 11, 3 << 11),
        ("verge-blake2s", 15 << 11, 4 << 11),
        ("verge-lyra2rev2", 15 << 11, 10 << 11),
        ("digitalcoin-scrypt", 7 << 9, 0),
        ("digitalcoin-sha256d", 7 << 9, 1 << 9),
        ("digitalcoin-x11", 7 << 9, 2 << 9),
    ] {
        let bits = profile(preset::find(name).unwrap()).form.algorithm_bits;
        assert_eq!((bits.mask, bits.value), (mask, value), "{name}");
    }
}

/// A chain's first block: version, merkle root, time, bits and nonce as the coin's sources have them, and its name.
struct Genesis(&'static str, i32, &'static str, u32, u32, u32, &'static str);

const GENESIS: [Genesis; 8] = [
    Genesis(
        "auroracoin-scrypt",
        1,
        "8957e5e8d2f0e90c42e739ec62fcc5dd21064852da64b6528ebd46567f222169",
        1_390_598_806,
        0x1e0f_ffff,
        538_548,
        "2a8e100939494904af825b488596ddd536b3a96226ad02e0f7ab7ae472b27a8e",
    ),
    Genesis(
        "digitalcoin-scrypt",
        1,
        "ecb2c595fff9f2364152c32027737007c5a4c60ec960cf93754b0211bc2a1501",
        1_367_867_384,
        0x1e0f_fff0,
        672_176,
        "5e039e1ca1dbf128973bf6cff98169e40a1b194c3b91463ab74956f413b2f9c8",
    ),
    Genesis(
        "eternity",
        1,
        "b35b2551a3dc3c69177dd167ca8faae415bca87b1227aded604d254555044c30",
        1_474_140_700,
        0x1e0f_fff0,
        1_590_768,
        "00000b602d00ef2d0466aa9156a905f59c6e5944a088782614a90e58089070c4",
    ),
    Genesis(
        "gobyte",
        1,
        "dc9a719dc1bcda39107ea55424f00cab512170a1cb69efa08531f483f2399f21",
        1_510_848_000,
        0x1e0f_fff0,
        1_631_855,
        "0000033b01055cf8df90b01a14734cae92f7039b9b0e48887b4e33a469d7bc07",
    ),
    Genesis(
        "sparks",
        1,
        "1b3952bab9df804c6f02372bb62df20fa2927030a4e80389ec14c1d86fc921e4",
        1_513_902_562,
        0x1e0f_fff0,
        682_979,
        "00000a5c6ddfaac5097218560d5b92d416931cfeba1abf10c81d1d6a232fc8ea",
    ),
    Genesis(
        "straks",
        1,
        "15343d9e3cfff44854ec63cc588d5a1ed6ea971085c2be97acb0ea22c0e94fc4",
        1_510_790_624,
        0x1e0f_fff0,
        1_034_946,
        "00000df14d859c4b3219d93978bcf02afc123d2344a2ed39033e1208948aa7c0",
    ),
    // Mined with scrypt, long before NeoScrypt: only its name is of the same kind as today.
    Genesis(
        "ufo",
        1,
        "8207df3a28a5bfdcaba0c810e540123aaea8d067b745092849787169f5e77065",
        1_388_681_920,
        0x1e0f_fff0,
        1_671_824,
        "ba1d39b4928ab03d813d952daf65fb7797fcf538a9c1b8274f4edc8557722d13",
    ),
    Genesis(
        "vivo",
        1,
        "35d3553e7bdc0568c8c37074cb7cc4bd930bd57ceff0799ddb0279487d3fd8df",
        1_503_127_892,
        0x1e0f_fff0,
        2_432_118,
        "00000f6be3e151f9082a2b82c2916192a791090015b80979934a45d625460d62",
    ),
];

#[test]
fn the_first_blocks_of_chains_prove_their_presets() {
    for &Genesis(name, version, root, time, bits, nonce, hash) in &GENESIS {
        let header = [
            &version.to_le_bytes()[..],
            &[0; 32],
            &parse_display_hash(root).unwrap(),
            &time.to_le_bytes(),
            &bits.to_le_bytes(),
            &nonce.to_le_bytes(),
        ]
        .concat();
        let profile = profile(preset::find(name).unwrap());
        let hash = parse_display_hash(hash).unwrap();
        let sample = Sample { height: 0, hash, header, parent: None, staked: Some(false) };
        let proven = proof::prove(&profile, std::slice::from_ref(&sample));
        if name == "ufo" {
            assert_eq!(proven.unwrap_err(), Misfit::Work { height: 0 });
            assert_eq!(profile.block_hash.of(&sample.header, [0; 32]), hash);
        } else {
            assert_eq!(proven.map(|proof| (proof.named, proof.mined)), Ok((1, 1)), "{name}");
        }
    }
}

#[test]
fn a_coin_has_a_preset_or_a_reason_for_having_none() {
    for (coin, reason) in COINS_WITHOUT {
        assert!(
            !PRESETS.iter().any(|preset| preset.name.split('-').next() == Some(coin) || preset.is(coin)),
            "{coin}: {reason}"
        );
    }
}

#[test]
fn every_algorithm_with_a_known_coin_has_a_preset() {
    for named in names::all() {
        let has_one = PRESETS.iter().any(|preset| algorithm(preset).name == named.name);
        let is_left_out = WITHOUT.iter().any(|(name, _)| *name == named.name);
        assert_ne!(has_one, is_left_out, "{}", named.name);
    }
}

#[test]
fn a_coin_whose_nodes_leave_somebody_out_is_refused_until_he_is_named() {
    let straks = |more: &str| least("preset = \"litecoin\"", &format!("preset = \"straks\"\nmpos_bits = 24\n{more}"));
    one_mistake(&straks(""), &["coin[litecoin].fixed_output", "fixed_output_required", "[[coin.fixed_output]]"]);
    // Nor with an empty list of them.
    one_mistake(&straks("fixed_output = []"), &["coin[litecoin].fixed_output", "fixed_output_required"]);
    assert_eq!(read(&straks("fixed_output_required = false")).coins[0].fixed_outputs.len(), 0);
    let named = "fixed_output = [{ addresses = [\"script:51\"], percent = 5 }]";
    assert_eq!(read(&straks(named)).coins[0].fixed_outputs.len(), 1);
}

#[test]
fn only_coins_whose_mined_blocks_are_signed_pay_a_public_key() {
    // NovaCoin and Peercoin want the signature of a mined block empty; Verge's nodes sign with the key that it pays.
    for preset in &PRESETS {
        assert_eq!(profile(preset).pays_public_key, preset.name.starts_with("verge-"), "{}", preset.name);
    }
}

#[test]
fn old_names_lead_to_the_coins() {
    for (old, name) in [
        ("darkcoin", "dash"),
        ("quark", "quarkcoin"),
        ("flo", "florincoin"),
        ("bitcoincash", "bitcoin-cash"),
        ("digitalcoin", "digitalcoin-scrypt"),
    ] {
        assert_eq!(preset::find(old).unwrap().name, name);
        assert_eq!(config::preset_profile(old), config::preset_profile(name));
    }
    let spellings: Vec<&str> =
        PRESETS.iter().flat_map(|preset| preset.also.iter().copied().chain([preset.name])).collect();
    for spelling in &spellings {
        assert_eq!(spellings.iter().filter(|other| *other == spelling).count(), 1, "{spelling}");
    }
    assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
}

#[test]
fn work_before_the_nodes_template_needs_a_schedule() {
    let with = |preset: &str| {
        least("preset = \"litecoin\"", &format!("preset = \"{preset}\"\ntemplates.empty_block_after_ms = 200"))
    };
    let bitcoin = read(&with("bitcoin")).coins[0].clone();
    assert_eq!(bitcoin.templates.empty_after.map(|after| after.as_millis()), Some(200));
    assert_eq!(bitcoin.profile.form.schedule.unwrap().subsidy(840_000), 312_500_000);
    // Others of the same rules, each with numbers of its own.
    for (preset, height, subsidy) in [("namecoin", 660_000, 625_000_000), ("bitgesell", 105_000, 5_000_000_000)] {
        let profile = config::preset_profile(preset).unwrap();
        assert_eq!(profile.form.schedule.unwrap().subsidy(height), subsidy, "{preset}");
    }
    // Dash's payees, Litecoin's extension block, Dogecoin's difficulty: only the node knows them.
    for preset in ["dash", "dogecoin", "litecoin"] {
        let text = with(preset);
        one_mistake(&text, &["templates.empty_block_after_ms", "schedule"]);
    }
    let schedule = "schedule = { retarget_blocks = 2016, halving_blocks = 150 }";
    one_mistake(
        &least("preset = \"litecoin\"", &format!("preset = \"litecoin\"\n{schedule}")),
        &["schedule.first_subsidy"],
    );
    assert_eq!(read(&least("preset = \"litecoin\"", "preset = \"bitcoin\"")).coins[0].templates.empty_after, None);
}
