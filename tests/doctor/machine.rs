//! Faults of files, disks, ports and limits, without a daemon.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mpos_stratum::config::Endpoint;
use mpos_stratum::service::spool_dir;

use crate::coin_node::Says;
use crate::pool::{Found, POOL_ADDRESS, apart};
use crate::ward::Ward;

/// Faults of the configuration and of the spool's files.
pub async fn of_files(ward: &mut Ward) {
    ward.pool.chmod(0o644);
    ward.expect("a public configuration", "config.warnings", "warning").await;
    ward.pool.chmod(0o600);
    let spool = ward.pool.spool();
    let mode = |mode: u32| std::fs::set_permissions(&spool, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    ward.expect("everybody may write", "spool.modes", "fault").await;
    mode(0o750);
    std::fs::write(spool.join("quarantine.jsonl"), "{}\n").unwrap();
    ward.expect("a row in quarantine", "spool.quarantine", "warning").await;
    std::fs::remove_file(spool.join("quarantine.jsonl")).unwrap();
    let tiny = [("mpos.low_difficulty", "warning"), ("config.warnings", "warning")];
    edited(ward, "difficulty = 1024", "difficulty = 0.00001", "tiny difficulties", &tiny).await;
    // Larger than any disk.
    edited(ward, "spool_mib_max = 4", "spool_mib_max = 16777216", "too little room", &[("spool.room", "warning")])
        .await;

    let kept = Kept::of(&spool);
    ward.pool.shares(&["alice.rig"], 90);
    ward.expect("a share that waits", "spool.undrained", "warning").await;
    ward.pool.damage(b"alice.rig");
    ward.expect("a share that waits and is damaged", "spool.damage", "fault").await;
    kept.put_back(&spool);
    for (percent, severity) in [(60, "warning"), (95, "fault")] {
        ward.pool.fill("alice.rig", percent).await;
        ward.expect(&format!("{percent} % of the bound"), "spool.bound", severity).await;
        kept.put_back(&spool);
    }
    // An hour ahead, as if the clock had been right then and put back since.
    ward.pool.shares_at(&["alice.rig"], 3600);
    ward.expect("a clock that was put back", "machine.clock", "warning").await;
    kept.put_back(&spool);
    std::fs::write(spool.join("spool.id"), "torn").unwrap();
    ward.expect_among("a spool without its name", "spool.files", "fault", &[]).await;
    kept.put_back(&spool);

    strays(ward).await;
    ward.expect_health("of the spool's files").await;
}

/// A spool of a server that the configuration names no more, and one of a server that it names again.
async fn strays(ward: &mut Ward) {
    let config = ward.pool.config();
    let mut other = config.coins[0].mpos.clone();
    other.endpoint = Endpoint::Tcp("127.0.0.1".into(), 1);
    let stray = spool_dir(&config.daemon.state_dir, &other);
    assert_ne!(stray, ward.pool.spool());
    ward.pool.shares_in(&stray, &["alice.rig"]);
    ward.expect("a spool that nobody drains", "spool.stray", "warning").await;
    ward.pool.shares(&["alice.rig"], 0);
    let both = [("spool.stray", "fault"), ("db.reachable", "warning")];
    let named = "failover = [\"127.0.0.1:1\"]\n[coin.ledger]";
    edited(ward, "[coin.ledger]", named, "two spools of one database", &both).await;
    std::fs::remove_dir_all(&stray).unwrap();
    ward.pool.drain().await;
}

/// A fault of the configuration itself: something else stands in it.
async fn edited(ward: &mut Ward, from: &str, to: &str, what: &str, said: &[(&str, &str)]) {
    let text = std::fs::read_to_string(ward.pool.config_path()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(ward.pool.config_path(), text.replace(from, to)).unwrap();
    ward.expect_in(&[], what, said[0].0, said[0].1, &said[1..]).await;
    ward.pool.write_config();
}

/// Faults of disks and limits, and whoever has our port.
pub async fn of_the_machine(ward: &mut Ward) {
    let taken = TcpListener::bind(("127.0.0.1", ward.pool.port)).unwrap();
    ward.expect("a taken port", "machine.ports", "fault").await;
    drop(taken);
    let few = ["sh", "-c", "ulimit -n 300; exec \"$@\"", "sh"];
    ward.expect_in(&few, "few files", "machine.open_files", "note", &[]).await;
    let (dir, state) = (ward.pool.dir.path().to_owned(), ward.pool.config().daemon.state_dir);
    let (dir, state) = (dir.display(), state.display());
    // What is mounted is seen by the doctor alone. The copy of the spool is at another place, as it truly is.
    for (inodes, severity) in [(1000, "warning"), (40, "fault")] {
        let script = format!(
            "set -e; d={dir}/was; mkdir -p $d; mount --bind {state} $d; \
             mount -t tmpfs -o mode=700,size=64m,nr_inodes={inodes} tmpfs {state}; cp -a $d/. {state}; exec \"$@\""
        );
        let what = format!("{inodes} inodes");
        ward.expect_in(&apart(&script), &what, "spool.inodes", severity, &[]).await;
    }
    // No other machine lends its disk to a test: the doctor is shown a list of mounts with one of it.
    let script = format!(
        "set -e; f={dir}/mounts; cat /proc/$$/mountinfo > $f; \
         echo '9999 1 0:99 / {state} rw - nfs4 192.0.2.5:/pool rw' >> $f; \
         mount --bind $f /proc/$$/mountinfo; exec \"$@\""
    );
    ward.expect_in(&apart(&script), "a disk of another machine", "spool.place", "fault", &[]).await;
}

/// What is away keeps nothing else from being looked at.
pub async fn away(ward: &mut Ward) {
    let fine = |value: &serde_json::Value, id: &str| {
        value["findings"].as_array().unwrap().iter().any(|one| one["id"] == id && one["severity"] == "fine")
    };
    let has = |found: &Found, id: &str, severity: &str| found.contains(&(id.to_owned(), severity.to_owned()));
    ward.pool.node.says.lock().unwrap().owns = vec![POOL_ADDRESS.to_owned()];
    ward.pool.wallet.says.lock().unwrap().answers = false;
    ward.expect_among("MPOS's wallet is away", "wallet.reachable", "fault", &[]).await;
    *ward.pool.wallet.says.lock().unwrap() = Says { owns: vec![POOL_ADDRESS.to_owned()], ..Says::default() };
    std::fs::rename(ward.pool.php_path(), ward.pool.dir.path().join("elsewhere.php")).unwrap();
    ward.expect("no MPOS at its place", "mpos.file", "could-not-look").await;
    ward.pool.write_php("");
    ward.pool.names_mpos = false;
    ward.expect("MPOS's file is not named", "mpos.file", "note").await;
    ward.pool.names_mpos = true;
    *ward.pool.node.says.lock().unwrap() = Says::default();

    ward.pool.sql("REVOKE SELECT ON blocks FROM mpos_stratum@localhost").await;
    let (code, found, value) = ward.pool.found().await;
    assert!(
        code == 1 && has(&found, "db.grants", "fault") && has(&found, "mpos.unmatched_blocks", "could-not-look"),
        "{found:?}"
    );
    assert!(fine(&value, "mpos.version") && fine(&value, "workers.odd_names") && fine(&value, "node.profile"));
    ward.pool.db.stop();
    let (code, found, value) = ward.pool.found().await;
    assert!(
        code == 1 && has(&found, "db.reachable", "fault") && has(&found, "db.sql_mode", "could-not-look"),
        "{found:?}"
    );
    ward.heed("no database", "db.reachable", "fault", &value);
    assert!(fine(&value, "node.profile") && fine(&value, "spool.room") && fine(&value, "wallet.payout_owned"));
    std::fs::write(ward.pool.config_path(), "[daemon]\nstate_dirr = 1\n").unwrap();
    let (code, found, value) = ward.pool.found().await;
    assert!(code == 78 && has(&found, "config.loads", "fault"), "{code} {found:?}");
    ward.heed("a mistyped key", "config.loads", "fault", &value);
}

/// The files of a spool as they were; its directory, by which a daemon knows its place, stays.
struct Kept(tempfile::TempDir);

impl Kept {
    fn of(spool: &Path) -> Self {
        let kept = Self(tempfile::tempdir().unwrap());
        copy(spool, kept.0.path());
        kept
    }

    fn put_back(&self, spool: &Path) {
        for entry in spool.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        }
        copy(self.0.path(), spool);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
