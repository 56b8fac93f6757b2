//! The lines of Stratum v1: taking them off the socket, telling replies from notifications.

use std::io;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::Problem;

/// Longest line a miner would put up with; a longer one is a mistake of the pool.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The reading half of a connection. Dropping a pending [`Lines::next`] loses nothing.
#[derive(Debug)]
pub struct Lines {
    socket: OwnedReadHalf,
    arrived: Vec<u8>,
}

impl Lines {
    /// Lines of `socket`.
    pub fn new(socket: OwnedReadHalf) -> Self {
        Self { socket, arrived: Vec::new() }
    }

    /// The next whole line, without its newline.
    pub async fn next(&mut self) -> Result<String, Problem> {
        loop {
            if let Some(end) = self.arrived.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.arrived.drain(..=end).take(end).collect();
                return String::from_utf8(line).map_err(|error| Problem::protocol(format!("not UTF-8: {error}")));
            }
            if self.arrived.len() > LINE_BYTES_MAX {
                return Err(Problem::protocol(format!("a line of more than {LINE_BYTES_MAX} bytes")));
            }
            match self.socket.read_buf(&mut self.arrived).await {
                Ok(0) => return Err(Problem::Closed),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Problem::Closed),
                Err(error) => return Err(Problem::Io(error)),
                Ok(_) => {}
            }
        }
    }
}

/// An answer to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The request's id, as echoed.
    pub id: Value,
    /// `result`
    pub result: Value,
    /// `error`, if it was not null.
    pub error: Option<Refusal>,
    /// The whole line.
    pub line: String,
}

/// The error array of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// First element.
    pub code: i64,
    /// Second element.
    pub text: String,
}

impl Reply {
    /// Whether the pool said plain `true`.
    pub fn is_true(&self) -> bool {
        self.result == Value::Bool(true) && self.error.is_none()
    }

    /// The code of the error, if there is one.
    pub fn code(&self) -> Option<i64> {
        self.error.as_ref().map(|error| error.code)
    }

    /// The text of the error; empty if there is none.
    pub fn text(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.text)
    }
}

/// A message of the pool.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// It answers one of our requests.
    Reply(Reply),
    /// It tells or asks something: method, parameters, id.
    Call {
        /// `method`
        method: String,
        /// `params`
        params: Value,
        /// `id`: null for a notification.
        id: Value,
    },
}

impl Message {
    /// Reads one line, refusing what real miners stumble over.
    pub fn read(line: &str) -> Result<Message, Problem> {
        let wrong = |what: &str| Problem::protocol(format!("{what}: {line}"));
        let value: Value = serde_json::from_str(line).map_err(|error| wrong(&format!("no JSON ({error})")))?;
        let member = |name: &str| value.get(name).cloned();
        if let Some(method) = member("method") {
            return Ok(Message::Call {
                method: method.as_str().ok_or_else(|| wrong("method is no string"))?.to_owned(),
                params: member("params").ok_or_else(|| wrong("a call without params"))?,
                id: member("id").unwrap_or(Value::Null),
            });
        }
        // NiceHash and old Bitaxe firmware want all three members always; an error object instead
        // of an array made Antminers hang up.
        let error = match member("error").ok_or_else(|| wrong("a reply without error"))? {
            Value::Null => None,
            Value::Array(parts) => match &parts[..] {
                [code, text, Value::Null] => Some(Refusal {
                    code: code.as_i64().ok_or_else(|| wrong("error code is no integer"))?,
                    text: text.as_str().ok_or_else(|| wrong("error text is no string"))?.to_owned(),
                }),
                _ => return Err(wrong("error is not [code, text, null]")),
            },
            _ => return Err(wrong("error is neither null nor an array")),
        };
        Ok(Message::Reply(Reply {
            id: member("id").ok_or_else(|| wrong("a reply without id"))?,
            result: member("result").ok_or_else(|| wrong("a reply without result"))?,
            error,
            line: line.to_owned(),
        }))
    }
}
