//! The daemon under test: started from its binary, watched through its log and `/proc`, stopped.
#![allow(dead_code, reason = "every test crate uses its own part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::sync::watch;

use super::miner::PATIENCE;

/// The running daemon. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Number of log lines; closed when the daemon has closed its log, that is, ended.
    lines: watch::Receiver<usize>,
    config: PathBuf,
    /// Whether the log is being read.
    reading: Arc<(Mutex<bool>, Condvar)>,
    /// Holds the configuration unless the caller gave a directory.
    _private: Option<tempfile::TempDir>,
}

impl Daemon {
    /// Starts the daemon with a configuration in a private directory.
    pub fn start(config: &str) -> io::Result<Daemon> {
        let private = tempfile::tempdir()?;
        let mut daemon = Self::start_in(private.path(), config)?;
        daemon._private = Some(private);
        Ok(daemon)
    }

    /// Starts the daemon with `DIRECTORY/mpos-stratum.toml`, which is (over)written.
    pub fn start_in(directory: &Path, config: &str) -> io::Result<Daemon> {
        Self::start_with(directory, config, &[])
    }

    /// The same with something in its environment.
    pub fn start_with(directory: &Path, config: &str, environment: &[(&str, &OsStr)]) -> io::Result<Daemon> {
        Self::start_by(Command::new(binary()?), directory, config, environment)
    }

    /// The same, but a refused write of [`Daemon::refuse_writes`] is an error and no signal that ends it.
    pub fn start_fragile(directory: &Path, config: &str) -> io::Result<Daemon> {
        let mut command = Command::new("sh");
        // What is ignored stays ignored in the program that takes the shell's place.
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(binary()?);
        Self::start_by(command, directory, config, &[])
    }

    /// The same by a prepared command, which is continued with what the daemon is to do.
    pub fn start_by(
        mut command: Command,
        directory: &Path,
        config: &str,
        environment: &[(&str, &OsStr)],
    ) -> io::Result<Daemon> {
        let path = directory.join("mpos-stratum.toml");
        fs::write(&path, config)?;
        let mut child = command
            .args(["run", "--config"])
            .arg(&path)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no pipe from the daemon"))?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let (count, lines) = watch::channel(0);
        let kept = Arc::clone(&log);
        let reading = Arc::new((Mutex::new(true), Condvar::new()));
        let may_read = Arc::clone(&reading);
        thread::spawn(move || keep_log(stderr, &kept, &count, &may_read));
        Ok(Daemon { child, log, lines, config: path, reading, _private: None })
    }

    /// Replaces the configuration file; the daemon reads it at SIGHUP.
    pub fn write_config(&self, config: &str) -> io::Result<()> {
        fs::write(&self.config, config)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log so far, line by line.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `text` stands in a log line and returns the first such line.
    pub async fn wait_for_log(&self, text: &str) -> io::Result<String> {
        self.wait_in_log(text, |log| log.iter().find(|line| line.contains(text)).cloned()).await
    }

    /// Waits until `text` stands in so many lines of the log.
    pub async fn wait_for_logs(&self, text: &str, count: usize) -> io::Result<()> {
        let found = |log: &[String]| (log.iter().filter(|line| line.contains(text)).count() >= count).then_some(());
        self.wait_in_log(&format!("{text:?}, {count} times"), found).await
    }

    /// The address of a coin's first stratum port; waits until it is open.
    pub async fn port(&self, coin: &str) -> io::Result<SocketAddr> {
        self.nth_port(coin, 0).await
    }

    /// The address of a coin's stratum port, counted from 0 in the order of opening.
    pub async fn nth_port(&self, coin: &str, nth: usize) -> io::Result<SocketAddr> {
        let what = format!("port {nth} of {coin}");
        self.wait_in_log(&what, |log| log.iter().filter_map(|line| opened_port(line, coin)).nth(nth)).await
    }

    /// The address of a coin's stratum port that starts its miners at `difficulty`.
    pub async fn port_with(&self, coin: &str, difficulty: f64) -> io::Result<SocketAddr> {
        let field = format!(" difficulty={difficulty}");
        let opened = |line: &String| line.ends_with(&field).then(|| opened_port(line, coin)).flatten();
        let what = format!("port of {coin} with difficulty {difficulty}");
        self.wait_in_log(&what, |log| log.iter().find_map(opened)).await
    }

    /// Reads the log no more, or again. What nobody reads holds whoever writes it up, once the pipe is full.
    pub fn read_log(&self, read: bool) {
        *self.reading.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
        self.reading.1.notify_all();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.process()?, signal)?)
    }

    /// Makes the system refuse every write of the daemon to every file, or no more: a limit on the size
    /// of files stands in for a disk that fails. Sockets and the log, a pipe, are not files.
    pub fn refuse_writes(&self, refuse: bool) -> io::Result<()> {
        let limit = Rlimit { current: refuse.then_some(0), maximum: None };
        prlimit(Some(self.process()?), Resource::Fsize, limit)?;
        Ok(())
    }

    fn process(&self) -> io::Result<Pid> {
        // The child is not waited for elsewhere, so its number cannot belong to another process.
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))
    }

    /// SIGTERM, and how it ended; an error with its last log lines if it does not end.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_for_end().await
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Waits until the daemon has ended by itself.
    pub async fn wait_for_end(&mut self) -> io::Result<ExitStatus> {
        let mut lines = self.lines.clone();
        let ended = async { while lines.changed().await.is_ok() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            return Err(self.late("its end"));
        }
        // Its log is closed: only the last steps of the process remain.
        self.child.wait()
    }

    /// User and system time the process has used so far.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        cpu_time(self.child.id())
    }

    /// Resident memory of the process, in bytes.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most there has been of it.
    pub fn most_resident_bytes(&self) -> io::Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other(format!("no {field} in /proc")))
    }

    async fn wait_in_log<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> io::Result<T> {
        let mut lines = self.lines.clone();
        let search = async {
            loop {
                lines.mark_unchanged();
                if let Some(found) = find(&self.log()) {
                    return Some(found);
                }
                if lines.changed().await.is_err() {
                    return find(&self.log());
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.ok().flatten().ok_or_else(|| self.late(what))
    }

    fn late(&self, what: &str) -> io::Error {
        let log = self.log();
        let last = log.get(log.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("waited in vain for {what} of the daemon; its log ends:\n{last}"),
        )
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.read_log(true);
        // Fails only for a process that has ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn keep_log(
    stderr: ChildStderr,
    log: &Mutex<Vec<String>>,
    count: &watch::Sender<usize>,
    reading: &(Mutex<bool>, Condvar),
) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        let may = reading.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(reading.1.wait_while(may, |may| !*may));
        log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        count.send_modify(|lines| *lines += 1);
    }
}

/// The address in a line that reports an open port of `coin`.
pub fn opened_port(line: &str, coin: &str) -> Option<SocketAddr> {
    let fields = line.split_once("stratum port open")?.1;
    let field = |name: &str| {
        let value = fields.split_whitespace().find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"'))
    };
    (field("coin")? == coin).then(|| field("listen")?.parse().ok())?
}

/// User and system time a process has used so far, from `/proc/PID/stat`.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the name in brackets, may hold spaces; the 14th and 15th are the times.
    let ticks = stat.rsplit_once(") ").and_then(|(_, rest)| {
        let mut fields = rest.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
        fields.next()??.checked_add(fields.next()??)
    });
    let ticks = ticks.ok_or_else(|| io::Error::other("unexpected /proc/PID/stat"))?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)))
}

/// Cargo's word for it in tests and benches; beside the running executable for the demo.
pub fn binary() -> io::Result<PathBuf> {
    if let Some(path) = option_env!("CARGO_BIN_EXE_mpos-stratum") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let candidates = own.ancestors().skip(1).take(2).map(|directory| directory.join("mpos-stratum"));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "mpos-stratum is not built: run cargo build with the same profile first",
        )
    })
}
