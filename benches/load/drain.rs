//! A backlog on its way into the database, beside what the database takes at best.
//!
//! No daemon here: a ledger with its drainer and the real sink in this process, and bare multi-row
//! INSERTs of the same rows into the same server. Only their ratio counts.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpos_stratum::clock::{Clock, SystemClock};
use mpos_stratum::config::{Durability, Ledger as Settings};
use mpos_stratum::ledger::handle::Ledger;
use mpos_stratum::ledger::record::{Event, ShareRecord};
use mpos_stratum::mpos::share_sink::ShareSink;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::report::{Bare, Drain, Form};
use crate::support::daemon::cpu_time;
use crate::support::mariadb::MariaDb;

/// Rows per statement that are tried.
const SIZES: [usize; 4] = [100, 500, 1000, 5000];
/// Different rows; they repeat. A multiple of every size.
const DIFFERENT_ROWS: usize = 5000;
/// Workers that the rows belong to.
const WORKERS: usize = 1000;
/// How often everything is measured; the best of each counts, for others use the machine too.
const ROUNDS: usize = 2;

/// Measures with `rows` rows in each table.
pub fn drain(rows: usize) -> io::Result<Drain> {
    let runtime = Runtime::new()?;
    let db = MariaDb::start_with(&["--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M"]);
    let shares: Vec<ShareRecord> = (0..DIFFERENT_ROWS).map(share).collect();
    let mut bare: Vec<Bare> = Vec::new();
    let mut best: Option<Drain> = None;
    for round in 0..ROUNDS {
        let drained = runtime.block_on(drained(&db, &format!("drain{round}"), &shares, rows))?;
        println!("  round {round}: drained {:.0} rows/s", drained.rows_per_sec);
        if best.as_ref().is_none_or(|best| best.rows_per_sec < drained.rows_per_sec) {
            best = Some(drained);
        }
        for (size, form) in SIZES.into_iter().flat_map(|size| [(size, Form::Text), (size, Form::Prepared)]) {
            let database = format!("bare{round}x{size}{form:?}");
            let measured = runtime.block_on(inserted(&db, &database, &shares, rows, (size, form)))?;
            println!("  round {round}: {size} rows a statement, {form:?}: {:.0} rows/s", measured.rows_per_sec);
            match bare.iter_mut().find(|bare| (bare.statement_rows, bare.form) == (size, form)) {
                Some(earlier) if earlier.rows_per_sec < measured.rows_per_sec => *earlier = measured,
                Some(_) => {}
                None => bare.push(measured),
            }
        }
    }
    let mut drain = best.ok_or_else(|| io::Error::other("nothing was measured"))?;
    let fastest = bare.iter().map(|bare| bare.rows_per_sec).fold(0.0, f64::max);
    drain.ratio = drain.rows_per_sec / fastest;
    drain.bare = bare;
    Ok(drain)
}

/// Appends `rows` shares one by one and drains them.
async fn drained(db: &MariaDb, database: &str, shares: &[ShareRecord], rows: usize) -> io::Result<Drain> {
    db.create_database(database).await;
    let dir = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opened = Ledger::open(dir.path(), &settings(), Arc::clone(&clock)).map_err(io::Error::other)?;
    let ledger = opened.ledger;
    let events: Vec<Event> = shares.iter().cloned().map(Event::Share).collect();
    let cpu = own_cpu()?;
    for event in events.iter().cycle().take(rows) {
        // A full segment waits for the next one to be allocated, as a daemon's miners would.
        while ledger.append(std::slice::from_ref(event)).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let last = ledger.status().written;
    ledger.sync_now();
    ledger.wait_synced(last).await;
    let append_cpu = own_cpu()?.saturating_sub(cpu);

    let (stop, stopped) = watch::channel(false);
    let (cpu, database_cpu, start) = (own_cpu()?, cpu_time(db.pid())?, Instant::now());
    let drainer = tokio::spawn(ledger.drainer(ShareSink::new(&db.mpos(database), clock, "bench")).run(stopped));
    let mut drained = ledger.drained();
    drained.wait_for(|drained| *drained >= last).await.map_err(io::Error::other)?;
    let time = start.elapsed();
    let (drain_cpu, database_cpu) = (own_cpu()?.saturating_sub(cpu), cpu_time(db.pid())?.saturating_sub(database_cpu));
    stop.send_replace(true);
    drop(drainer.await);
    let landed = count(db, database).await;
    if landed != last {
        return Err(io::Error::other(format!("{last} shares were appended, {landed} rows landed")));
    }
    Ok(Drain {
        rows,
        rows_per_sec: per_sec(rows, time),
        ratio: 0.0,
        append_cpu_us: micros_each(append_cpu, rows),
        drain_cpu_us: micros_each(drain_cpu, rows),
        database_cpu_us: micros_each(database_cpu, rows),
        bare: Vec::new(),
    })
}

/// Inserts the same rows with `size` rows a statement and nothing else.
async fn inserted(
    db: &MariaDb,
    database: &str,
    shares: &[ShareRecord],
    rows: usize,
    (size, form): (usize, Form),
) -> io::Result<Bare> {
    db.create_database(database).await;
    let statements: Vec<(String, Vec<Value>)> = shares.chunks(size).map(|shares| statement(shares, form)).collect();
    let mut conn = db.conn(Some(database)).await;
    conn.query_drop("SET SESSION time_zone = '+00:00'").await.map_err(io::Error::other)?;
    let (database_cpu, start) = (cpu_time(db.pid())?, Instant::now());
    for (statement, values) in statements.iter().cycle().take(rows / size) {
        match form {
            Form::Text => conn.query_drop(statement).await,
            Form::Prepared => conn.exec_drop(statement, Params::Positional(values.clone())).await,
        }
        .map_err(io::Error::other)?;
    }
    let time = start.elapsed();
    let database_cpu = cpu_time(db.pid())?.saturating_sub(database_cpu);
    conn.disconnect().await.map_err(io::Error::other)?;
    let rows = rows / size * size;
    Ok(Bare {
        statement_rows: size,
        form,
        rows_per_sec: per_sec(rows, time),
        database_cpu_us: micros_each(database_cpu, rows),
    })
}

/// What the sink writes of rows, as one statement and its values.
fn statement(shares: &[ShareRecord], form: Form) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let rows: Vec<String> = shares
        .iter()
        .map(|share| {
            let (host, worker, difficulty) = (share.remote.to_string(), &*share.worker, share.row_difficulty);
            if form == Form::Text {
                return format!("(FROM_UNIXTIME(1700000000),'{host}','{worker}','Y','N','','',{difficulty})");
            }
            let [yes, empty] = ["Y", ""].map(Value::from);
            values.extend([1_700_000_000.into(), host.into(), worker.into(), yes, empty.clone(), empty]);
            values.push(difficulty.into());
            "(FROM_UNIXTIME(?),?,?,?,'N',?,?,?)".to_owned()
        })
        .collect();
    let columns = "time, rem_host, username, our_result, upstream_result, reason, solution, difficulty";
    (format!("INSERT INTO shares ({columns}) VALUES {}", rows.join(",")), values)
}

fn share(nth: usize) -> ShareRecord {
    let worker = nth * 7919 % WORKERS;
    let [.., third, fourth] = u32::try_from(worker).unwrap_or(0).to_be_bytes();
    ShareRecord {
        worker: format!("account{}.rig{}", worker / 100, worker % 100).into(),
        remote: IpAddr::V4(Ipv4Addr::new(203, 0, third, fourth)),
        accepted: true,
        reason: String::new(),
        row_difficulty: 1024.0,
        assigned_difficulty: 1024.0,
        share_difficulty: 1500.0,
        network_difficulty: 1e12,
        height: 800_000,
        reward: 312_500_000,
        job: "0000001a00".to_owned(),
        header: vec![0x5a; 80],
        solution: None,
        candidate: None,
    }
}

/// The defaults, with room for the whole backlog.
fn settings() -> Settings {
    Settings {
        durability: Durability::Process,
        sync_interval: Duration::from_millis(50),
        segment_bytes: 16 << 20,
        spool_bytes_max: 1 << 40,
        keep_drained: Duration::from_secs(3600),
        drained_bytes_max: 1 << 40,
        batch_rows_max: 2000,
    }
}

async fn count(db: &MariaDb, database: &str) -> u64 {
    db.query::<u64>(database, "SELECT COUNT(*) FROM shares").await.first().copied().unwrap_or(0)
}

fn own_cpu() -> io::Result<Duration> {
    cpu_time(std::process::id())
}

#[allow(clippy::cast_precision_loss, reason = "rows of a bench are far below 2^53")]
fn per_sec(rows: usize, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64().max(1e-9)
}

#[allow(clippy::cast_precision_loss, reason = "rows of a bench are far below 2^53")]
fn micros_each(time: Duration, rows: usize) -> f64 {
    time.as_secs_f64() * 1e6 / (rows as f64).max(1.0)
}
