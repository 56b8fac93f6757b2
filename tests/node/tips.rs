//! Sources of new tips beside polling and long polling: peers, ZMQ; and HTTPS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mpos_stratum::bytes::{display_hash, hex, sha256::sha256d};
use mpos_stratum::clock::SystemClock;
use mpos_stratum::config::Zmq;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::node::rpc::{Call, Rpc};
use mpos_stratum::node::submitter::Settling;
use mpos_stratum::node::tip::Source;
use mpos_stratum::node::verdict::News;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::following::{hash_at, template_on};
use crate::support::litecoind::Litecoin;
use crate::support::scripted_node::{Reply, ScriptedNode};
use crate::{WAIT_MAX, chain, solved, templates, wait_for_tip};

/// Polls so rare that they cannot bring the news in a test.
const NEVER: Duration = Duration::from_secs(3600);

fn start(nodes: &Nodes) -> Poller {
    Poller::start(nodes, &templates(NEVER, false), &chain(), Arc::new(SystemClock::new()))
}

#[tokio::test]
async fn a_peer_hears_of_new_blocks() {
    let litecoin = Litecoin::start_at(5).await;
    let mut node = litecoin.rpc_config();
    node.ways.peer = Some(litecoin.peer_way());
    let poller = start(&Nodes::new(&[node]));
    let mut work = poller.work();
    wait_for_tip(&mut work, 5).await;
    litecoin.has_peers_of_ours(1).await;
    for height in 6..10 {
        litecoin.generate(1).await;
        assert_eq!(wait_for_tip(&mut work, height).await.0.source, Source::Peer);
    }
    let counts = poller.bell().counts();
    let of_peer = counts.iter().find(|(source, _)| *source == Source::Peer).unwrap().1;
    assert_eq!((of_peer.told, of_peer.first), (4, 4), "{counts:?}");
}

#[tokio::test]
async fn a_block_reaches_a_node_whose_rpc_hangs() {
    let (maker, taker) = tokio::join!(Litecoin::start(), Litecoin::start());
    let hash = maker.generate(1).await.remove(0);
    let block = maker.rpc("getblock", json!([hash, 0])).await;
    let rpc = ScriptedNode::start(|_| Reply::Hang).await;
    let mut node = rpc.rpc_config();
    node.ways.peer = Some(taker.peer_way());
    let nodes = Nodes::new(&[node]);
    let _poller = start(&nodes);
    // The connection stands a moment before the node shows it.
    taker.has_peers_of_ours(1).await;
    let pushed = async {
        loop {
            let mut settling = Settling::start(&nodes, solved(&hash, 1, block.as_str().unwrap()), WAIT_MAX);
            if let Some(News::Pushed { .. }) = settling.next().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, pushed).await.expect("it is never pushed");
    assert_eq!(taker.rpc("waitforblock", json!([hash, 10_000])).await["hash"], json!(hash));
}

#[tokio::test]
async fn a_wrong_magic_is_named_and_harms_nothing() {
    let litecoin = Litecoin::start_at(3).await;
    let mut node = litecoin.rpc_config();
    let mut way = litecoin.peer_way();
    way.magic = [1, 2, 3, 4];
    node.ways.peer = Some(way);
    let poller = start(&Nodes::new(&[node]));
    let mut work = poller.work();
    wait_for_tip(&mut work, 3).await;
    litecoin.generate(1).await;
    poller.kick();
    assert_eq!(wait_for_tip(&mut work, 4).await.0.source, Source::Kick);
}

/// A fake: no daemon that can be installed here publishes. It speaks ZMTP as its specification has it.
struct Publisher {
    stream: TcpStream,
}

impl Publisher {
    async fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 64];
        greeting[..12].copy_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]);
        greeting[12..16].copy_from_slice(b"NULL");
        stream.write_all(&greeting).await.unwrap();
        let mut theirs = [0; 64];
        stream.read_exact(&mut theirs).await.unwrap();
        assert_eq!((theirs[0], theirs[9], theirs[10], &theirs[12..17]), (0xff, 0x7f, 3, &b"NULL\0"[..]));
        let ready = Self::frame(&mut stream).await;
        assert!(ready.0 == 4 && ready.1.ends_with(b"Socket-Type\0\0\0\x03SUB"), "{ready:?}");
        stream.write_all(b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x03PUB\x08Identity\0\0\0\0").await.unwrap();
        for topic in ["hashblock", "rawblock"] {
            assert_eq!(Self::frame(&mut stream).await, (0, [&[1], topic.as_bytes()].concat()));
        }
        Self { stream }
    }

    async fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
        let (flags, length) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
        let mut body = vec![0; length.into()];
        stream.read_exact(&mut body).await.unwrap();
        (flags, body)
    }

    async fn publish(&mut self, topic: &str, body: &[u8], number: u32) {
        let mut message = vec![1, u8::try_from(topic.len()).unwrap()];
        message.extend_from_slice(topic.as_bytes());
        message.push(3);
        message.extend_from_slice(&(body.len() as u64).to_be_bytes());
        message.extend_from_slice(body);
        message.extend_from_slice(&[0, 4]);
        message.extend_from_slice(&number.to_le_bytes());
        self.stream.write_all(&message).await.unwrap();
    }
}

#[tokio::test]
async fn zmq_from_a_fake_publisher_brings_new_tips() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    brought_by_zmq(listener, Zmq::At("127.0.0.1".into(), port)).await;
    // Where the node itself says.
    brought_by_zmq(TcpListener::bind("127.0.0.1:0").await.unwrap(), Zmq::Asked).await;
}

async fn brought_by_zmq(listener: TcpListener, way: Zmq) {
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let raw = [7u8; 300];
    let raw_hash = display_hash(&sha256d(&raw[..80]));
    let tip = Arc::new(AtomicU32::new(5));
    let (seen, named) = (Arc::clone(&tip), raw_hash.clone());
    let scripted = ScriptedNode::start(move |asked| {
        let tip = seen.load(Ordering::SeqCst);
        let name = if tip == 8 { named.clone() } else { hash_at(tip) };
        if asked.method == "getzmqnotifications" {
            return Reply::Result(json!([{ "type": "pubhashblock", "address": address, "hwm": 1000 }]));
        }
        if asked.method == "getbestblockhash" {
            return Reply::Result(json!(name));
        }
        let mut template = template_on(tip);
        template["previousblockhash"] = json!(name);
        Reply::Result(template)
    })
    .await;
    let mut node = scripted.rpc_config();
    node.ways.zmq = way;
    let nodes = Nodes::new(&[node]);
    let poller = start(&nodes);
    let mut work = poller.work();
    wait_for_tip(&mut work, 5).await;
    let mut publisher = Publisher::accept(&listener).await;
    assert_eq!(nodes.all()[0].zmq_place(), Some(("127.0.0.1".to_owned(), listener.local_addr().unwrap().port())));
    for (height, topic, body) in [
        (6, "hashblock", hex::decode(hash_at(6).as_bytes()).unwrap()),
        (7, "hashblock", hex::decode(hash_at(7).as_bytes()).unwrap()),
        (8, "rawblock", raw.to_vec()),
    ] {
        tip.store(height, Ordering::SeqCst);
        // A gap in the numbers harms nothing.
        publisher.publish(topic, &body, height * 2).await;
        assert_eq!(wait_for_tip(&mut work, height.into()).await.0.source, Source::Zmq, "{topic}");
    }
    // A frame of a tebibyte ends the connection, and the subscriber comes again.
    publisher.stream.write_all(&[&[3u8][..], &(1u64 << 40).to_be_bytes()].concat()).await.unwrap();
    let mut publisher = tokio::time::timeout(WAIT_MAX, Publisher::accept(&listener)).await.expect("it does not return");
    tip.store(9, Ordering::SeqCst);
    publisher.publish("hashblock", &hex::decode(hash_at(9).as_bytes()).unwrap(), 0).await;
    assert_eq!(wait_for_tip(&mut work, 9).await.0.source, Source::Zmq);
}

#[tokio::test]
async fn an_announced_tip_is_waited_for_until_the_node_has_it() {
    let (tip, lag) = (Arc::new(AtomicU32::new(5)), Arc::new(AtomicU32::new(0)));
    let (seen, left) = (Arc::clone(&tip), Arc::clone(&lag));
    let node = ScriptedNode::start(move |asked| {
        let tip = seen.load(Ordering::SeqCst);
        match asked.method.as_str() {
            "getbestblockhash" => {
                let lags = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                Reply::Result(json!(hash_at(if lags { tip - 1 } else { tip })))
            }
            _ => Reply::Result(template_on(tip)),
        }
    })
    .await;
    let poller = start(&Nodes::new(&[node.rpc_config()]));
    let mut work = poller.work();
    wait_for_tip(&mut work, 5).await;
    lag.store(3, Ordering::SeqCst);
    tip.store(6, Ordering::SeqCst);
    let named = mpos_stratum::bytes::parse_display_hash(&hash_at(6));
    poller.bell().ring(Source::Peer, named);
    assert_eq!(wait_for_tip(&mut work, 6).await.0.source, Source::Peer);
    assert_eq!(lag.load(Ordering::SeqCst), 0);
    // What is mined on already makes nobody ask.
    let calls = node.calls();
    poller.bell().ring(Source::Zmq, named);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(node.calls(), calls);
}

#[tokio::test]
async fn a_node_behind_https_needs_a_certificate_that_is_vouched_for() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (directory.path().join("ours.pem"), directory.path().join("other.pem"));
    std::fs::write(&ours, made.cert.pem()).unwrap();
    std::fs::write(&other, rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem()).unwrap();
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let server = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let node = ScriptedNode::start(|_| Reply::Result(json!(7))).await;
    let (listener, behind) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), node.rpc_config().port);
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut outside) = acceptor.accept(stream).await else { continue };
            let mut inside = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
            tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await) });
        }
    });
    let ask = |ca: std::path::PathBuf| {
        let mut config = node.rpc_config();
        (config.port, config.ways.tls_ca) = (port, Some(ca));
        async move { Rpc::new(config).call_as::<u32, _>(Call::new("getblockcount"), json!([])).await }
    };
    assert_eq!(ask(ours).await, Ok(7));
    let error = ask(other).await.unwrap_err().to_string();
    assert!(error.contains("TLS") && error.contains("other.pem"), "{error}");
    assert!(ask(directory.path().join("none.pem")).await.unwrap_err().to_string().contains("cannot read"));
}
