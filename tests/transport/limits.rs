//! How many connections, how fast, how many guesses. Other addresses are played through a trusted proxy.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::proxy::line;
use crate::site::{SUBSCRIBE, Site, served, served_in_the_end, turned_away};
use crate::support::miner::{Algorithm, Miner};

const PROXIED: &str = "proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.1\"]";

#[tokio::test]
async fn an_address_has_a_bounded_number_of_connections() {
    let keys = format!("{PROXIED}\nconnections_per_address_max = 2");
    let site = Site::start("per_address", &[&keys, "connections_per_address_max = 2\nexempt = []"]).await;
    let begin = |address: &str| {
        let family = if address.contains(':') { "TCP6" } else { "TCP4" };
        [&line(family, address)[..], SUBSCRIBE].concat()
    };
    let mut open = Vec::new();
    for address in ["2001:db8::1", "2001:db8::2", "203.0.113.1", "203.0.113.1", "203.0.113.2", "2001:db8:0:1::1"] {
        let mut socket = site.say(0, &begin(address)).await;
        served(&mut socket).await;
        open.push(socket);
    }
    turned_away(site.say(0, &begin("2001:db8::ffff:3")).await).await;
    turned_away(site.say(0, &begin("203.0.113.1")).await).await;
    // A place that is given up can be taken; how soon is the kernel's affair.
    drop(open.remove(0));
    site.daemon.wait_for_log("connection closed").await.unwrap();
    served_in_the_end(&site, 0, &begin("2001:db8::4")).await;

    // Without a proxy, at the accept.
    let mut direct = [site.say(1, SUBSCRIBE).await, site.say(1, SUBSCRIBE).await];
    for socket in &mut direct {
        served(socket).await;
    }
    turned_away(tokio::net::TcpStream::connect(site.port(1)).await.unwrap()).await;
    site.daemon.wait_for_log("connections_per_address_max").await.unwrap();
}

#[tokio::test]
async fn the_daemon_has_a_bounded_number_of_connections() {
    let site = Site::start_in(tempfile::tempdir().unwrap(), "in_all", "connections_max = 3", &["", ""]).await;
    let mut open = [site.say(0, SUBSCRIBE).await, site.say(1, SUBSCRIBE).await, site.say(1, SUBSCRIBE).await];
    for socket in &mut open {
        served(socket).await;
    }
    for port in [0, 1] {
        turned_away(tokio::net::TcpStream::connect(site.port(port)).await.unwrap()).await;
    }
    let [_, first, _] = open;
    drop(first);
    site.daemon.wait_for_log("connection closed").await.unwrap();
    served_in_the_end(&site, 0, SUBSCRIBE).await;
}

#[tokio::test]
async fn reconnecting_fast_is_waited_for_and_not_punished() {
    let keys = format!("{PROXIED}\nconnections_per_sec = 1\nconnections_burst = 2");
    let site = Site::start("storm", &[&keys]).await;
    let begin = [&line("TCP4", "203.0.113.1")[..], SUBSCRIBE].concat();
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(site.say(0, &begin).await);
    }
    for socket in &mut open {
        served(socket).await;
    }
    let counted = Counted::at_the_end_of(&site).await;
    assert!(counted.of("delayed") > 0 && counted.of("too_fast") == 0, "{}", counted.0);
}

/// What the daemon says at its end that it counted on its ports.
struct Counted(String);

impl Counted {
    async fn at_the_end_of(site: &Site) -> Self {
        site.daemon.signal(rustix::process::Signal::TERM).unwrap();
        Self(site.daemon.wait_for_log("counted=").await.unwrap())
    }

    fn of(&self, name: &str) -> usize {
        let behind = self.0.split(&format!("{name} ")).nth(1).unwrap_or("0");
        behind.split(|digit: char| !digit.is_ascii_digit()).next().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn guesses_of_names_have_to_wait_and_others_do_not() {
    let keys = format!("{PROXIED}\nfailed_authorizations_per_min = 3\nauthorization_delay_secs = 600");
    let site = Site::start("guesses", &[&keys]).await;
    let connect = async |address: &str| {
        let mut miner = Miner::connect(site.port(0), Algorithm::Sha256d).await.unwrap();
        miner.send_raw(&line("TCP4", address)).await.unwrap();
        miner
    };
    let mut guesser = connect("203.0.113.1").await;
    for guess in ["alice", "admin", "root"] {
        let reply = guesser.authorize("alice.rig1", guess).await.unwrap();
        assert_eq!(reply.code(), Some(24), "{}", reply.line);
    }
    // This connection has to pause, and on others the next guess waits: whoever comes after it has long been served.
    let reply = guesser.authorize("alice.rig1", "x").await.unwrap();
    assert!(reply.text().contains("Too many failed logins"), "{}", reply.line);
    let mut again = connect("203.0.113.1").await;
    again.send("mining.authorize", &json!(["alice.rig1", "x"])).await.unwrap();
    let mut guesser = connect("203.0.113.1").await;
    guesser.send("mining.authorize", &json!(["alice.rig1", "y"])).await.unwrap();
    for address in ["203.0.113.2", "203.0.113.3"] {
        site.behind(0, &line("TCP4", address)).await.unwrap();
    }
    let silence = std::time::Duration::from_millis(200);
    for miner in [&mut again, &mut guesser] {
        let heard = tokio::time::timeout(silence, miner.next_reply()).await;
        assert!(heard.is_err(), "a guess was answered: {heard:?}");
    }
}

#[tokio::test]
async fn a_flood_of_lines_is_slowed_down_and_answered() {
    let site = Site::start("flood", &["messages_per_sec = 500\nmessages_burst = 8"]).await;
    let mut miner = Miner::connect(site.port(0), Algorithm::Sha256d).await.unwrap();
    let lines: String =
        (0..60).map(|id| format!("{{\"id\":{id},\"method\":\"mining.ping\",\"params\":[]}}\n")).collect();
    miner.send_raw(lines.as_bytes()).await.unwrap();
    for id in 0..60 {
        assert_eq!(miner.next_reply().await.unwrap().id, json!(id));
    }
    // Nobody else has to wait for his turn, and nobody is closed for it.
    site.behind(0, b"").await.unwrap();
    assert!(miner.request("mining.ping", json!([])).await.unwrap().error.is_none());
}

/// Sets the daemon's own limit of open files.
fn limit_files(site: &Site, files: u64) -> Rlimit {
    let pid = Pid::from_raw(i32::try_from(site.daemon.pid()).unwrap());
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(files), maximum }).unwrap()
}

#[tokio::test]
async fn w20_running_out_of_descriptors_ends_no_port() {
    let site = Site::start("descriptors", &["", ""]).await;
    let (mut early, _) = site.behind(0, b"").await.unwrap();
    let used = std::fs::read_dir(format!("/proc/{}/fd", site.daemon.pid())).unwrap().count() as u64;
    let before = limit_files(&site, used);
    // The kernel takes the connection; the daemon cannot.
    let mut waiting = [site.say(0, SUBSCRIBE).await, site.say(1, SUBSCRIBE).await];
    site.daemon.wait_for_log("cannot accept connections").await.unwrap();
    assert!(early.request("mining.ping", json!([])).await.unwrap().error.is_none());
    limit_files(&site, before.current.unwrap_or(1024));
    for socket in &mut waiting {
        served(socket).await;
    }
}

#[tokio::test]
async fn w20_a_storm_of_connections_is_counted_and_keeps_no_neighbour_out() {
    const STORM: usize = 300;
    let keys = "exempt = []\nconnections_per_sec = 1\nconnections_burst = 5";
    let site = Site::start("storm_counted", &[keys]).await;
    let mut storm = Vec::new();
    for _ in 0..STORM {
        let mut socket = tokio::net::TcpStream::connect(site.port(0)).await.unwrap();
        // Who is refused may notice it here.
        let _sent = socket.write_all(SUBSCRIBE).await;
        storm.push(socket);
    }
    let neighbour = std::net::Ipv4Addr::new(127, 0, 0, 2);
    let mut miner = Miner::connect_from(neighbour, site.port(0), Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    assert!(miner.authorize("alice.rig1", crate::stage::PASSWORD).await.unwrap().is_true());
    let counted = Counted::at_the_end_of(&site).await;
    let (refused, waited) = (counted.of("too_fast"), counted.of("delayed"));
    assert!(refused + waited + 5 <= STORM, "{}", counted.0);
    // Five at once, ten that wait their turn, and one more for each second that the storm took.
    assert!((5..60).contains(&waited) && refused > STORM - 100, "{}", counted.0);
}

#[tokio::test]
async fn idle_connections_are_looked_after_by_the_kernel() {
    let site = Site::start("keepalive", &[""]).await;
    let (mut miner, _) = site.behind(0, b"").await.unwrap();
    assert!(miner.request("mining.ping", json!([])).await.unwrap().error.is_none());
    let local = format!("0100007F:{:04X}", site.port(0).port());
    // Local address, remote address, state (1: open), queues, timer (2: keep-alive) and when it rings.
    let timer = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let ours = table.lines().map(fields).find(|fields| fields[1] == local && fields[3] == "01").unwrap();
        let (kind, hundredths) = ours[5].split_once(':').unwrap();
        (kind.to_owned(), u64::from_str_radix(hundredths, 16).unwrap())
    };
    let armed = async {
        loop {
            match timer() {
                (kind, hundredths) if kind == "02" => return hundredths,
                // What was sent is not acknowledged yet.
                _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    };
    let hundredths = tokio::time::timeout(crate::support::miner::PATIENCE, armed).await.unwrap();
    assert!(hundredths <= 3_000, "{hundredths}");
}

#[tokio::test]
async fn b05_b06_who_is_sent_away_twice_is_banned_and_his_neighbours_are_not() {
    let keys = format!("{PROXIED}\ninvalid_window_shares = 20\nban_closes = 2");
    let site = Site::start("banned", &[&keys]).await;
    let villain = line("TCP4", "203.0.113.66");
    for visit in 0..2 {
        let (mut miner, _) = site.behind(0, &villain).await.unwrap();
        for _ in 0..20 {
            // The last of them may find the connection closed.
            let nobody = json!(["nobody.rig", "0", "00", "00"]);
            let _answer = miner.send("mining.submit", &nobody).await;
        }
        miner.wait_for_close().await.unwrap();
        assert!(visit == 0 || site.daemon.wait_for_log("banned").await.is_ok());
    }
    turned_away(site.say(0, &[&villain[..], SUBSCRIBE].concat()).await).await;
    site.behind(0, &line("TCP4", "203.0.113.67")).await.unwrap();
}
