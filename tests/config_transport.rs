//! What a configuration says about sockets: TLS, proxies, limits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::path::Path;

use mpos_stratum::config::{self, Config, ConfigError, Proxy, Rate, TlsFiles, Transport};

/// A configuration with these keys of its only port, and others at the top.
fn read(folder: &Path, top: &str, port: &str) -> Result<Config, ConfigError> {
    config::parse(&folder.join("pool.toml"), text(top, port))
}

fn text(top: &str, port: &str) -> String {
    format!(
        "{top}\n[[coin]]\nname = \"litecoin\"\npreset = \"litecoin\"\npayout_address = \"Lpool\"\n\
         fallback_worker = \"pool.fallback\"\n[[coin.node]]\nurl = \"http://127.0.0.1:9332\"\nuser = \"rpc\"\n\
         password = \"x\"\n[[coin.port]]\nlisten = \"[::]:3333\"\ndifficulty = 16\n{port}\n[coin.mpos]\nuser = \"mpos\"\n\
         password = \"x\"\ndatabase = \"mpos\"\n"
    )
}

fn transport(folder: &Path, top: &str, port: &str) -> Transport {
    let config = read(folder, top, port).unwrap_or_else(|error| panic!("{error}"));
    config.coins[0].ports[0].transport.clone()
}

/// There is exactly one mistake, and its message holds all of `parts`.
#[track_caller]
fn one_mistake(folder: &Path, top: &str, port: &str, parts: &[&str]) {
    let Err(ConfigError { problems }) = read(folder, top, port) else { panic!("there is no mistake in {top} {port}") };
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let message = problem.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// Certificate and key in `folder`, named `name.pem` and `name.key`.
fn make(folder: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
}

#[test]
fn the_defaults_are_those_of_the_types() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(transport(folder.path(), "", ""), Transport::default());
    let config = read(folder.path(), "", "").unwrap();
    assert_eq!((config.daemon.connections_max, config.daemon.handshakes.most), (20_000, 256));
}

#[test]
fn limits_are_inherited_and_overridden_by_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let top =
        "[defaults.port]\nconnections_per_sec = 7\nconnections_burst = 9\nban_secs = 60\nexempt = [\"10.0.0.0/8\"]";
    let limits = transport(folder.path(), top, "connections_burst = 11").limits;
    assert_eq!(limits.connections, Rate { per_sec: 7, burst: 11 });
    assert_eq!(limits.ban.as_secs(), 60);
    let exempt = |address: &str| limits.exempt.iter().any(|network| network.contains(address.parse().unwrap()));
    assert!(exempt("10.1.2.3") && !exempt("127.0.0.1"));
    for wrong in ["exempt = [\"10.0.0.1/8\"]", "exempt = [\"ten\"]", "trusted_proxies = [\"10.0.0.0/40\"]"] {
        one_mistake(folder.path(), "", wrong, &["not a network"]);
    }
    one_mistake(folder.path(), "", "messages_per_sec = 0", &["messages_per_sec", "1 to"]);
}

#[test]
fn a_proxy_is_trusted_by_its_address_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    for mode in ["required", "optional_from_trusted"] {
        let keys = format!("proxy_protocol = \"{mode}\"");
        one_mistake(folder.path(), "", &keys, &["trusted_proxies", "anybody could claim"]);
        one_mistake(folder.path(), "", &format!("{keys}\ntrusted_proxies = []"), &["trusted_proxies"]);
        let read = transport(folder.path(), "", &format!("{keys}\ntrusted_proxies = [\"192.0.2.0/24\"]"));
        let Some(Proxy { required, trusted, .. }) = read.proxy else { panic!("no proxy") };
        assert_eq!((required, trusted[0].to_string().as_str()), (mode == "required", "192.0.2.0/24"));
    }
    one_mistake(folder.path(), "", "proxy_protocol = \"on\"", &["optional_from_trusted"]);
}

#[test]
fn certificates_are_read_and_matched_with_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder, "one");
    make(folder, "two");
    let shared = "[tls]\ncertificate_file = \"one.pem\"\nkey_file = \"one.key\"";
    let files = |name: &str| TlsFiles {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    let tls = transport(folder, shared, "tls = \"required\"").tls.unwrap();
    assert!(tls.required && tls.files == files("one"));
    let own = "tls_certificate_file = \"two.pem\"\ntls_key_file = \"two.key\"";
    let tls = transport(folder, shared, &format!("tls = \"detect\"\n{own}")).tls.unwrap();
    assert!(!tls.required && tls.files == files("two"));
    assert_eq!(transport(folder, shared, own).tls, None, "off is the default");

    one_mistake(folder, "", "tls = \"required\"", &["no certificate and key", "[tls]"]);
    let half = "tls = \"required\"\ntls_key_file = \"two.key\"";
    one_mistake(folder, shared, half, &["no certificate and key"]);
    let port = |certificate: &str, key: &str| {
        format!("tls = \"required\"\ntls_certificate_file = \"{certificate}\"\ntls_key_file = \"{key}\"")
    };
    one_mistake(
        folder,
        "",
        &port("one.pem", "two.key"),
        &["two.key is not the key of", "one.pem", "both files change"],
    );
    one_mistake(
        folder,
        "",
        &port("none.pem", "one.key"),
        &["tls_certificate_file", "none.pem cannot be read", "right file"],
    );
    one_mistake(folder, "", &port("one.pem", "none.key"), &["tls_key_file", "none.key cannot be read"]);
    one_mistake(folder, "", &port("one.key", "one.key"), &["one.key holds no certificate"]);
    one_mistake(folder, "", &port("one.pem", "one.pem"), &["one.pem holds no private key"]);
    std::fs::write(folder.join("bad.pem"), "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n").unwrap();
    one_mistake(folder, "", &port("bad.pem", "one.key"), &["bad.pem is not PEM"]);
}

#[test]
fn a_key_may_be_a_credential_of_the_service_manager() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "a");
    let files = "certificate_file = \"a.pem\"\nkey_file = \"$CREDENTIALS_DIRECTORY/tls-key\"";
    let (top, port) = (format!("[tls]\n{files}"), "tls = \"required\"");
    // Who serves needs it; who only looks is told.
    one_mistake(folder.path(), &top, port, &["tls-key cannot be read", "LoadCredential="]);
    let text = text(&top, port);
    let path = folder.path().join("pool.toml");
    std::fs::write(&path, text).unwrap();
    let config = config::load_without_credentials(&path).unwrap();
    assert!(config.coins[0].ports[0].transport.tls.is_some());
    assert!(config.warnings.iter().any(|warning| warning.to_string().contains("LoadCredential=")));
}
