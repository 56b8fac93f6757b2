use proptest::prelude::*;

use super::*;
use crate::bytes::hex;

fn prefixes(list: &[&str]) -> Vec<String> {
    list.iter().map(|prefix| (*prefix).to_owned()).collect()
}

/// Main network and test networks together.
fn bitcoin<T>(run: impl FnOnce(&AddressForms) -> T) -> T {
    let segwit = prefixes(&["bc", "tb", "bcrt"]);
    run(&AddressForms { pubkey_hash: vec![0, 111], script_hash: vec![5, 196], segwit, cash: Vec::new() })
}

fn litecoin<T>(run: impl FnOnce(&AddressForms) -> T) -> T {
    let segwit = prefixes(&["ltc", "tltc", "rltc"]);
    run(&AddressForms { pubkey_hash: vec![48, 111], script_hash: vec![5, 50, 196, 58], segwit, cash: Vec::new() })
}

fn script_of(text: &str, forms: &AddressForms) -> Result<String, AddressError> {
    decode(text, forms).map(|script| hex::encode(&script))
}

#[test]
fn base58_addresses_of_bitcoin_and_litecoin() {
    bitcoin(|forms| {
        for (text, script) in [
            // The genesis block's key, main network.
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"),
            // A hash of zeros: all leading ones.
            ("1111111111111111111114oLvT2", "76a914000000000000000000000000000000000000000088ac"),
            ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"),
            ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac"),
            ("2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", "a9144e9f39ca4688ff102128ea4ccda34105324305b087"),
        ] {
            assert_eq!(script_of(text, forms).as_deref(), Ok(script), "{text}");
        }
    });
    litecoin(|forms| {
        let zeros = "00".repeat(20);
        for (text, script) in [
            ("LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1".to_owned(), format!("76a914{}88ac", LITECOIN_KEY)),
            (with_checksum(48, &[0; 20]), format!("76a914{zeros}88ac")),
            (with_checksum(50, &[0; 20]), format!("a914{zeros}87")),
            (
                "3P14159f73E4gFr7JterCCQh9QjiTjiZrG".to_owned(),
                "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87".to_owned(),
            ),
        ] {
            assert_eq!(script_of(&text, forms), Ok(script), "{text}");
        }
        assert!(with_checksum(48, &[0; 20]).starts_with('L'));
        assert!(with_checksum(50, &[0; 20]).starts_with('M'));
    });
}

const LITECOIN_KEY: &str = "13c60d8e68d7349f5b4ca362c3954b15045061b1";

fn with_checksum(version: u8, hash: &[u8]) -> String {
    let mut bytes = vec![version];
    bytes.extend_from_slice(hash);
    let checksum = sha256d(&bytes);
    bytes.extend_from_slice(&checksum[..4]);
    bs58::encode(bytes).into_string()
}

#[test]
fn the_valid_addresses_of_bip173_and_bip350() {
    bitcoin(|forms| {
        for (text, script) in [
            ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
            (
                "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
                "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
            ),
            (
                "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
                "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
            ),
            ("BC1SW50QGDZ25J", "6002751e"),
            ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"),
            (
                "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
                "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
            ),
            (
                "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
                "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
            ),
            (
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
                "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            ),
        ] {
            assert_eq!(script_of(text, forms).as_deref(), Ok(script), "{text}");
        }
    });
    litecoin(|forms| {
        assert_eq!(
            script_of("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", forms).as_deref(),
            Ok("0014751e76e8199196d454941c45d1b3a323f1433bd6")
        );
    });
}

#[test]
fn the_invalid_addresses_of_bip173_and_bip350() {
    bitcoin(|forms| {
        for (text, says) in [
            // Checksums of the other variant.
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", "bech32m (BIP350)"),
            ("tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf", "bech32m (BIP350)"),
            ("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", "bech32m (BIP350)"),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "bech32 (BIP173)"),
            ("tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47", "bech32 (BIP173)"),
            // A wrong character in the checksum.
            ("bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "invalid character"),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "typing error"),
            // Witness version, length, padding, case, nothing there.
            ("BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", "witness version"),
            ("bc1pw5dgrnzv", "witness length"),
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav", "witness length"),
            ("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "witness length"),
            ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq", "mixed-case"),
            ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf", "padding"),
            ("tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j", "padding"),
            ("bc1gmk9yu", "checksum"),
        ] {
            match decode(text, forms) {
                Err(AddressError::Segwit(reason)) => assert!(reason.contains(says), "{text}: {reason}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    });
}

#[test]
fn addresses_of_other_coins_are_named_as_such() {
    bitcoin(|forms| {
        let error = decode("ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", forms).unwrap_err();
        assert!(matches!(&error, AddressError::Prefix { found, .. } if found == "ltc"), "{error:?}");
        assert!(error.to_string().contains("\"ltc\" belongs to another coin"), "{error}");
        // The human-readable part that BIP350 calls invalid is good, but nobody's.
        let error = decode("tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut", forms).unwrap_err();
        assert!(matches!(&error, AddressError::Prefix { found, .. } if found == "tc"), "{error:?}");
        let error = decode(&with_checksum(48, &[7; 20]), forms).unwrap_err();
        assert!(matches!(error, AddressError::Version { found: 48, .. }), "{error:?}");
        assert!(error.to_string().contains("version byte 48"), "{error}");
    });
    // A coin without segwit takes no segwit address.
    let old = AddressForms { pubkey_hash: vec![30], script_hash: vec![22], ..AddressForms::default() };
    assert!(matches!(decode("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", &old), Err(AddressError::Prefix { .. })));
}

#[test]
fn a_base58_address_that_begins_like_a_segwit_one_is_read() {
    let peercoin = AddressForms { pubkey_hash: vec![55], segwit: prefixes(&["pc"]), ..AddressForms::default() };
    let hash: [u8; 20] = std::array::from_fn(|at| [0x25, 0x93].get(at).copied().unwrap_or(0x8f));
    let address = "PC1rvmqcFPk5cVaNdZmJLe6qvvskwofse9";
    assert_eq!(address, with_checksum(55, &hash));
    assert_eq!(decode(address, &peercoin), Ok(script::pay_to_pubkey_hash(&hash)));
    assert!(matches!(decode("PC1rvmqcFPk5cVaNdZmJLe6qvvskwofse8", &peercoin), Err(AddressError::Segwit(_))));
}

#[test]
fn a_hash_is_found_in_addresses_of_any_version_and_checksum() {
    let address = "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH";
    let hash = |text: &str| hex::decode_array::<20>(text.as_bytes()).unwrap();
    let own = hash("751e76e8199196d454941c45d1b3a323f1433bd6");
    assert!(holds(address, &own) && holds(&with_checksum(8, &own), &own));
    assert!(!holds("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", &own));
    assert!(!holds("", &own) && !holds(&"1".repeat(1000), &[0; 20]));
}

#[test]
fn coins_with_cashaddr_read_it_beside_base58() {
    let cash = AddressForms {
        pubkey_hash: vec![0],
        script_hash: vec![5],
        cash: vec!["bitcoincash".into()],
        ..AddressForms::default()
    };
    let base58 = decode("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu", &cash).unwrap();
    assert_eq!(decode("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", &cash), Ok(base58));
    let mistyped = decode("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q", &cash);
    assert!(matches!(mistyped, Err(AddressError::Cash(why)) if why.contains("checksum")), "{mistyped:?}");
}

#[test]
fn what_is_no_address_says_why() {
    bitcoin(|forms| {
        let error = |text: &str| decode(text, forms).unwrap_err();
        assert_eq!(error(""), AddressError::Empty);
        assert_eq!(error(&"1".repeat(91)), AddressError::TooLong { chars: 91 });
        assert_eq!(error("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), AddressError::Checksum);
        assert_eq!(
            error("1A1zP1eP5QGefi2DMPTfTL5SLmv7Div0Na"),
            AddressError::Character { character: '0', position: 31 }
        );
        assert_eq!(error(" 1A1z"), AddressError::Character { character: ' ', position: 0 });
        assert_eq!(error("1Aé"), AddressError::Character { character: 'é', position: 2 });
        assert_eq!(error("2g"), AddressError::Length { found: 0 });
        assert_eq!(error(&with_checksum(0, &[1; 19])), AddressError::Length { found: 20 });
        assert_eq!(error(&with_checksum(0, &[1; 21])), AddressError::Length { found: 22 });
        // A private key pasted by mistake is never shown.
        let key = with_checksum(128, &[9; 33]);
        assert!(!error(&key).to_string().contains(&key));
    });
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,100}") {
        bitcoin(|forms| decode(&text, forms)).ok();
    }

    #[test]
    fn one_wrong_character_is_noticed(hash in any::<[u8; 20]>(), at in 0usize..25, to in 0usize..58) {
        const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let good = with_checksum(0, &hash);
        prop_assert_eq!(
            bitcoin(|forms| decode(&good, forms)).unwrap(),
            script::pay_to_pubkey_hash(&hash)
        );
        let mut bad = good.clone().into_bytes();
        if bad[at] != ALPHABET[to] {
            bad[at] = ALPHABET[to];
            let bad = String::from_utf8(bad).unwrap();
            prop_assert!(bitcoin(|forms| decode(&bad, forms)).is_err(), "{} for {}", bad, good);
        }
    }

    #[test]
    fn segwit_addresses_round_trip(version in 0u8..=16, program in prop::collection::vec(any::<u8>(), 0..42)) {
        let hrp = bech32::Hrp::parse("bcrt").unwrap();
        let encoded = bech32::segwit::encode(hrp, bech32::Fe32::try_from(version).unwrap(), &program);
        let expected = script::pay_to_witness_program(version, &program);
        prop_assert_eq!(encoded.is_ok(), expected.is_some());
        if let Ok(text) = encoded {
            let [lower, upper] = [&text, &text.to_ascii_uppercase()].map(|text| bitcoin(|forms| decode(text, forms)));
            prop_assert_eq!(&lower, &upper);
            prop_assert_eq!(lower.ok(), expected);
        }
    }
}
