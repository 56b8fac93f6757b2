//! The ways to a node, and who may say that there is a new block.

use mpos_stratum::config::{NodeWays, Zmq};

use super::{LEAST, least, one_mistake, read};

#[test]
fn the_ways_to_a_node() {
    let ways = |lines: &str| {
        let text = least("user = \"rpc\"", &format!("user = \"rpc\"\n{lines}"));
        text.replace("payout_address", "p2p_magic = \"fbc0b6db\"\npayout_address")
    };
    let node = |text: &str| read(text).coins[0].nodes[0].clone();
    assert_eq!(node(&ways("")).ways, NodeWays::default());
    let way = node(&ways("p2p = \"[::1]:9333\"\np2p_push_blocks = false")).ways.peer.unwrap();
    assert_eq!(
        (way.host.as_str(), way.port, way.magic, way.push_blocks),
        ("::1", 9333, [0xfb, 0xc0, 0xb6, 0xdb], false)
    );
    assert_eq!(node(&ways("zmq = \"tcp://10.0.0.1:28332\"")).ways.zmq, Zmq::At("10.0.0.1".to_owned(), 28332));
    assert_eq!(node(&ways("zmq = \"off\"")).ways.zmq, Zmq::Off);
    let https = ways("ca_file = \"ca.pem\"").replace("http://127", "https://127");
    assert_eq!(node(&https).ways.tls_ca, Some("/etc/ca.pem".into()));
    assert_eq!(node(&https.replace("ca_file", "#")).ways.tls_ca, Some("/etc/ssl/certs/ca-certificates.crt".into()));
    // Magic and port of the main network stand in the presets of coins where they are known.
    let known = node(&least("user = \"rpc\"", "user = \"rpc\"\np2p = \"127.0.0.1\"")).ways.peer.unwrap();
    assert_eq!((known.port, known.magic), (9333, [0xfb, 0xc0, 0xb6, 0xdb]));
    let dogecoin = |text: &str| text.replace("preset = \"litecoin\"", "preset = \"dogecoin\"");
    let known = node(&dogecoin(&least("user = \"rpc\"", "user = \"rpc\"\np2p = \"[::1]\""))).ways.peer.unwrap();
    assert_eq!((known.host.as_str(), known.port, known.magic), ("::1", 22_556, [0xc0; 4]));
    let fuguecoin = |text: &str| text.replace("preset = \"litecoin\"", "preset = \"fuguecoin\"\nmpos_bits = 24");
    one_mistake(&fuguecoin(&ways("p2p = \"127.0.0.1\"")), &["node[0].p2p", "host and port"]);
    one_mistake(&ways("zmq = \"ipc:///x\""), &["node[0].zmq", "tcp://host:port"]);
    let without = fuguecoin(&ways("p2p = \"127.0.0.1:9333\"").replace("p2p_magic", "#"));
    one_mistake(&without, &["node[0].p2p", "p2p_magic"]);
}

#[test]
fn who_may_say_that_there_is_a_block() {
    let table = |lines: &str| least("[[coin.port]]", &format!("[coin.update_block]\n{lines}\n[[coin.port]]"));
    let rules = |text: &str| read(text).coins[0].update_block.clone();
    assert_eq!(rules(LEAST), None);
    // The SHA-256 of "password", which is how stratum-mining keeps it.
    let digest = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    let by_word = rules(&table("password = \"password\"")).unwrap();
    let by_digest = rules(&table(&format!("password_sha256 = \"{digest}\""))).unwrap();
    assert_eq!(by_word, by_digest);
    assert!(
        by_word
            .from
            .iter()
            .all(|network| network.contains("127.0.0.1".parse().unwrap()) || network.contains("::1".parse().unwrap()))
    );
    one_mistake(&table("from = [\"::1\"]"), &["update_block.password"]);
    one_mistake(&table("password_sha256 = \"hunter2\""), &["password_sha256", "64 hexadecimal digits"]);
    let nomp = |address: &str| format!("[daemon]\nnomp_listen = \"{address}\"\n{LEAST}");
    assert!(read(&nomp("127.0.0.1:17117")).daemon.nomp_listen.is_some());
    one_mistake(&nomp("0.0.0.0:17117"), &["nomp_listen", "reached from outside"]);
}
