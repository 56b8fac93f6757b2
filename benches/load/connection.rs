//! One miner's connection: logs in, makes up shares without hashing, reads verdicts cheaply.
//!
//! Whatever a connection costs here is taken from the daemon, which has the same two cores. So a
//! reply is only looked at for `"result":true`, and a share is some formatted digits.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Deserialize;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::stamps;
use crate::tally::{Notified, Tally};

/// The password of every worker.
pub const PASSWORD: &str = "x";

/// A logged-in connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    worker: String,
    work: Mutex<Work>,
}

/// What the next share is made of.
#[derive(Debug, Default)]
struct Work {
    job: String,
    time: String,
    extranonce2_digits: usize,
    shares: u64,
    in_flight: VecDeque<Instant>,
    /// A job that came and was not looked at yet.
    unread: Option<Vec<u8>>,
    line: Vec<u8>,
}

/// A line of the pool while logging in, and a job at any time.
#[derive(Deserialize)]
struct Line<'a> {
    method: Option<&'a str>,
    params: Option<Vec<serde_json::Value>>,
    id: Option<u64>,
    result: Option<serde_json::Value>,
}

impl Connection {
    /// Connects, subscribes, authorises and waits for the first job, reading until then.
    pub async fn log_in(address: SocketAddr, worker: String) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stamps::turn_on(&stream)?;
        let connection = Self { stream, worker, work: Mutex::default() };
        let hello = format!(
            "{{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"load/1.0\"]}}\n\
             {{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"{}\",\"{PASSWORD}\"]}}\n",
            connection.worker
        );
        connection.write(hello.as_bytes())?;
        let (mut arrived, mut authorised) = (Vec::new(), false);
        while !(authorised && connection.work().extranonce2_digits > 0 && !connection.work().job.is_empty()) {
            connection.stream.readable().await?;
            match connection.stream.try_read_buf(&mut arrived) {
                Ok(0) => return Err(io::Error::other("closed while logging in")),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            while let Some(end) = arrived.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = arrived.drain(..=end).collect();
                authorised |= connection.take_login_line(&line)?;
            }
        }
        if arrived.is_empty() { Ok(connection) } else { Err(io::Error::other("half a line after the first job")) }
    }

    /// True for the answer that authorises.
    fn take_login_line(&self, line: &[u8]) -> io::Result<bool> {
        let text = String::from_utf8_lossy(line);
        let parsed: Line = serde_json::from_slice(line)?;
        match (parsed.method, parsed.id) {
            (Some("mining.notify"), _) => self.take_job(line)?,
            (None, Some(1)) => {
                let size = parsed.result.as_ref().and_then(|result| result.get(2)?.as_u64());
                let size = size.and_then(|size| usize::try_from(size).ok());
                self.work().extranonce2_digits =
                    2 * size.ok_or_else(|| io::Error::other(format!("subscription refused: {text}")))?;
            }
            (None, Some(2)) if parsed.result == Some(true.into()) => return Ok(true),
            (None, _) => return Err(io::Error::other(format!("not authorised: {text}"))),
            _ => {}
        }
        Ok(false)
    }

    fn take_job(&self, line: &[u8]) -> io::Result<()> {
        let parsed: Line = serde_json::from_slice(line)?;
        let params = parsed.params.unwrap_or_default();
        let text = |at: usize| params.get(at).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let mut work = self.work();
        (work.job, work.time) = (text(0), text(7));
        Ok(())
    }

    /// Reads for ever: counts verdicts, follows jobs, and keeps one share in flight if asked to.
    pub async fn read(self: Arc<Self>, tally: Arc<Tally>) {
        if let Err(error) = self.read_until_closed(&tally).await {
            tally.broken(&self.worker, &error);
        }
    }

    async fn read_until_closed(&self, tally: &Tally) -> io::Result<()> {
        let (mut rest, mut chunk) = (Vec::new(), [0u8; 4096]);
        loop {
            self.stream.readable().await?;
            // The chunk lives in this task; at rest a connection holds no more than half a line.
            let (read, at) = match self.stream.try_io(Interest::READABLE, || stamps::read(&self.stream, &mut chunk)) {
                Ok((0, _)) => return Err(io::Error::other("closed by the daemon")),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let mut lines = chunk.get(..read).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
            for piece in &mut lines {
                if !rest.is_empty() || !piece.ends_with(b"\n") {
                    rest.extend_from_slice(piece);
                    if rest.ends_with(b"\n") {
                        let line = std::mem::take(&mut rest);
                        self.take_line(&line, at, tally)?;
                    }
                } else {
                    self.take_line(piece, at, tally)?;
                }
            }
        }
    }

    fn take_line(&self, line: &[u8], at: Instant, tally: &Tally) -> io::Result<()> {
        if contains(line, b"\"method\"") {
            if !contains(line, b"\"mining.notify\"") {
                return Ok(());
            }
            if tally.watches_tips() {
                // Only taken down: parsing ten thousand jobs would delay the reading of the last.
                tally.notified(Notified { at, previous: previous_hash(line) });
                self.work().unread = tally.follows_jobs().then(|| line.to_vec());
                return Ok(());
            }
            return self.take_job(line);
        }
        let Some(sent) = self.work().in_flight.pop_front() else {
            return Err(io::Error::other("a reply too many"));
        };
        tally.verdict(contains(line, b"\"result\":true"), at.saturating_duration_since(sent), line);
        if tally.keeps_sending() {
            self.submit(tally)?;
        }
        Ok(())
    }

    /// Submits the next share: an extranonce2 and a nonce not used before on this connection.
    pub fn submit(&self, tally: &Tally) -> io::Result<()> {
        let unread = self.work().unread.take();
        if let Some(line) = unread {
            self.take_job(&line)?;
        }
        let mut work = self.work();
        let Work { job, time, extranonce2_digits: digits, shares, line, .. } = &mut *work;
        *shares += 1;
        let nonce = shares.wrapping_mul(0x9e37_79b1) & 0xffff_ffff;
        line.clear();
        writeln!(
            line,
            "{{\"id\":{shares},\"method\":\"mining.submit\",\"params\":[\"{}\",\"{job}\",\"{shares:0digits$x}\",\
             \"{time}\",\"{nonce:08x}\"]}}",
            self.worker
        )?;
        tally.sent();
        work.in_flight.push_back(Instant::now());
        self.write(&work.line)
    }

    /// Writes a line at once; a daemon that does not read even this much is a failure.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.try_write(bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(_) => Err(io::Error::other("the socket took half a line")),
            Err(error) => Err(error),
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The second parameter of a `mining.notify`, unparsed: 64 digits after the job id.
fn previous_hash(line: &[u8]) -> [u8; 64] {
    let after_id = line
        .windows(64 + 4)
        .find(|window| window.starts_with(b"\",\"") && window[3..67].iter().all(u8::is_ascii_hexdigit));
    after_id.and_then(|window| window.get(3..67)?.try_into().ok()).unwrap_or([0; 64])
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|window| window == text)
}
