//! The metrics, read by a parser of our own, and what is built on them.
#![allow(clippy::float_cmp, reason = "counts are whole numbers, which every float holds exactly")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::office::Office;
use crate::stage::{self, Coin};
use crate::support::daemon::Daemon;
use crate::support::fake_node::{FakeNode, Fault};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, PATIENCE, Wanted};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// Samples by name and labels, and the families with their types.
#[derive(Default)]
struct Scraped {
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
    types: BTreeMap<String, String>,
}

impl Scraped {
    /// Reads the text format as Prometheus' documentation describes it, and nothing that is not in it.
    fn read(text: &str) -> Self {
        let mut scraped = Self::default();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(helped.insert(name.to_owned()) && !words.is_empty(), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(matches!(kind, "counter" | "gauge" | "histogram") && helped.contains(name), "{line}");
                assert!(scraped.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line} twice");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) =
                    series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest.strip_suffix('}').unwrap()));
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let is_histogram =
                    family.is_some_and(|family| scraped.types.get(family).is_some_and(|kind| kind == "histogram"));
                assert!(is_histogram || scraped.types.contains_key(name), "{line} before its type");
                let known = scraped.samples.insert((name.to_owned(), labels_of(labels)), value.parse().unwrap());
                assert!(known.is_none(), "{line} twice");
            }
        }
        scraped
    }

    fn of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let holds = |all: &BTreeMap<String, String>| {
            labels.iter().all(|(key, value)| all.get(*key).is_some_and(|own| own == value))
        };
        let found: Vec<f64> =
            self.samples.iter().filter(|((own, all), _)| own == name && holds(all)).map(|(_, value)| *value).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}");
        found[0]
    }
}

/// `name="value",...` with the escapes of the format.
fn labels_of(text: &str) -> BTreeMap<String, String> {
    let (mut labels, mut rest) = (BTreeMap::new(), text);
    while let Some((name, behind)) = rest.split_once("=\"") {
        let (mut value, mut end, mut chars) = (String::new(), 0, behind.char_indices());
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    other => other,
                }),
                c => value.push(c),
            }
        }
        assert!(labels.insert(name.to_owned(), value).is_none());
        rest = behind[end..].trim_start_matches(',');
    }
    assert!(rest.is_empty(), "{text}");
    labels
}

async fn http(address: SocketAddr, request: &[u8]) -> (String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert!(head.starts_with("HTTP/1.1 ") && (body.is_empty() || body.len() == length.parse::<usize>().unwrap()));
    (head.to_owned(), body.to_owned())
}

async fn address(daemon: &Daemon) -> SocketAddr {
    let line = daemon.wait_for_log("metrics are served").await.unwrap();
    line.split("listen=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

async fn scrape(daemon: &Daemon) -> Scraped {
    let (head, body) = http(address(daemon).await, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    Scraped::read(&body)
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_agree_with_the_rows_and_everything_that_is_built_on_them_exists() {
    let office = Office::open("control_metrics", METRICS, "").await;
    let (mut alice, job) = office.miner_from(1, "alice.rig1").await;
    for _ in 0..3 {
        Office::share(&mut alice, &job, "alice.rig1").await;
    }
    let weak = alice.mine(&job, Wanted::BelowShare).unwrap();
    assert!(!alice.submit("alice.rig1", &weak).await.unwrap().is_true());
    let rows = stage::rows_of(&office.db, office.database, 4).await;
    office.status_when("the drain", |status| status["spools"][0]["lag"] == 0).await;
    let scraped = scrape(&office.daemon).await;
    assert!(scraped.of("mpos_stratum_template_age_seconds", &[]) < PATIENCE.as_secs_f64());
    assert_eq!(scraped.of("mpos_stratum_template_refresh_seconds", &[("coin", "bitcoin")]), 30.0);

    let good = rows.iter().filter(|row| row.our_result == "Y").count();
    assert_eq!(scraped.of("mpos_stratum_shares_accepted_total", &[("coin", "bitcoin")]), good as f64);
    assert_eq!(scraped.of("mpos_stratum_shares_refused_total", &[("reason", "low_difficulty")]), 1.0);
    assert_eq!(scraped.of("mpos_stratum_logins_total", &[("result", "granted")]), 1.0);
    assert_eq!(scraped.of("mpos_stratum_logins_total", &[("result", "denied")]), 0.0);
    assert_eq!(scraped.of("mpos_stratum_hashes_waiting", &[]), 0.0);
    assert_eq!(scraped.of("mpos_stratum_retargets_total", &[("direction", "up")]), 0.0);
    let hashes: f64 = rows.iter().filter(|row| row.our_result == "Y").map(|row| row.difficulty * 2f64.powi(32)).sum();
    assert!((scraped.of("mpos_stratum_credited_hashes_total", &[]) / hashes - 1.0).abs() < 1e-6);
    assert!((scraped.of("mpos_stratum_mpos_hashrate_hashes_per_second", &[]) * 180.0 / hashes - 1.0).abs() < 1e-6);
    assert_eq!(scraped.of("mpos_stratum_spool_drained_events_total", &[]), 4.0);
    assert_eq!(scraped.of("mpos_stratum_connections", &[("coin", "bitcoin")]), 1.0);
    assert_eq!(scraped.of("mpos_stratum_workers", &[]), 1.0);
    assert_eq!(scraped.of("mpos_stratum_drain_state", &[("state", "running")]), 1.0);
    assert_eq!((scraped.of("mpos_stratum_mining", &[]), scraped.of("mpos_stratum_node_ready", &[])), (1.0, 1.0));
    let (transactions, answers) = ("mpos_stratum_drain_transaction_seconds", "mpos_stratum_node_answer_seconds");
    for name in [transactions, answers] {
        let count = scraped.of(&format!("{name}_count"), &[]);
        assert!(count >= 1.0 && scraped.of(&format!("{name}_bucket"), &[("le", "+Inf")]) == count, "{name}");
        assert!(
            scraped.of(&format!("{name}_bucket"), &[("le", "0.001")]) <= count
                && scraped.of(&format!("{name}_sum"), &[]) > 0.0
        );
    }
    assert!(scraped.of("process_resident_memory_bytes", &[]) > 1e6);
    for state in ["accepted", "rejected", "orphaned", "confirmed"] {
        let labels = [("coin", "bitcoin"), ("state", state)];
        assert_eq!(scraped.of("mpos_stratum_blocks_total", &labels), 0.0, "an alert counts from 0 on");
    }

    for (name, kind) in &scraped.types {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    }
    let labels: BTreeSet<&str> =
        scraped.samples.keys().flat_map(|(_, labels)| labels.keys().map(String::as_str)).collect();
    let known = [
        "by",
        "coin",
        "direction",
        "event",
        "le",
        "node",
        "port",
        "reason",
        "result",
        "source",
        "spool",
        "state",
        "version",
        "window",
    ];
    assert!(labels.iter().all(|label| known.contains(label)), "a label that a miner may choose? {labels:?}");
    let text = format!("{:?}", scraped.samples.keys());
    assert!(!text.contains("alice") && !text.contains("mpos-stratum-test"), "no miner's words");

    for file in ["packaging/prometheus/mpos-stratum.rules.yml", "packaging/grafana/mpos-stratum.json"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let named = names_in(&text);
        assert!(named.len() > 10, "{file}: {named:?}");
        for name in named {
            let family = name.strip_suffix("_bucket").unwrap_or(&name);
            assert!(scraped.types.contains_key(family), "{file} names {name}, which does not exist");
        }
    }
}

/// Every metric that a text names.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("mpos_stratum_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn the_job_that_rules_and_dashboard_rely_on_is_named_to_who_sets_prometheus_up() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let rules = read("packaging/prometheus/mpos-stratum.rules.yml");
    for text in [&rules, &read("packaging/grafana/mpos-stratum.json").replace("\\\"", "\"")] {
        let jobs: BTreeSet<&str> = text.split("job=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(jobs, BTreeSet::from(["mpos-stratum"]));
    }
    for text in [&rules, &read("packaging/debian/README.Debian")] {
        let scrape = text.split("scrape_configs:").nth(1).unwrap();
        assert!(scrape.contains("job_name: mpos-stratum\n") && scrape.contains("targets: [\"127.0.0.1:9771\"]"));
    }
}

#[test]
fn the_dashboard_is_json() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/grafana/mpos-stratum.json");
    let board: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(board["panels"].as_array().unwrap().len() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_has_not_come_yet_has_no_age() {
    let (db, node) = (MariaDb::shared(), FakeNode::start(Algorithm::Sha256d).unwrap());
    node.set_fault(Fault::Refuse);
    stage::create_database(&db, "control_no_work").await;
    let config = stage::configuration(&[&Coin::fake(&node, &db, "control_no_work")]);
    let daemon = Daemon::start(&config.replacen("[[coin]]", &format!("{METRICS}[[coin]]"), 1)).unwrap();
    let scraped = scrape(&daemon).await;
    assert_eq!(scraped.of("mpos_stratum_mining", &[]), 0.0);
    assert!(scraped.types.contains_key("mpos_stratum_template_age_seconds"));
    let ages = scraped.samples.keys().filter(|(name, _)| name == "mpos_stratum_template_age_seconds");
    assert_eq!(ages.count(), 0, "an alert would take the machine's uptime for the age of work");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_metrics_and_health_is_answered_and_a_silent_visitor_hurts_nobody() {
    let office = Office::open("control_http", METRICS, "").await;
    let address = address(&office.daemon).await;
    let mut silent = Vec::new();
    for _ in 0..7 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"rubbish\r\n\r\n", "400"),
        (&[b'a'; 4096], "431"),
        (b"GET /metrics HTTP/1.0\r\n\r\n", "200"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", "200"),
    ] {
        let (head, _) = http(address, request).await;
        assert_eq!(head.split(' ').nth(1), Some(status), "{head}");
    }
    assert!(scrape(&office.daemon).await.types.len() > 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_whether_miners_are_served() {
    let stale = "[defaults.templates]\nrefresh_secs = 1\nstale_after_secs = 2\n";
    let office = Office::open("control_health", &format!("{METRICS}{stale}"), "").await;
    let address = address(&office.daemon).await;
    let health = || http(address, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let _miner = office.miner_from(1, "alice.rig1").await;
    let (head, body) = health().await;
    assert_eq!((head.split(' ').nth(1), body.as_str()), (Some("200"), "serving\n"));
    office.node.set_fault(Fault::Refuse);
    office.status_when("the end of work", |status| status["coins"][0]["mining"] == false).await;
    let (head, body) = health().await;
    assert_eq!(head.split(' ').nth(1), Some("503"), "{head}");
    assert!(body.starts_with("not serving\n") && body.contains("bitcoin: there is no work for miners"), "{body}");
}
