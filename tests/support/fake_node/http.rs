//! As much of HTTP/1.1 as a coin daemon's RPC port speaks: POST with a length, keep-alive.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Largest body taken: a block in hexadecimal fits.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A request, as far as it matters.
#[derive(Debug)]
pub struct Request {
    /// The `Authorization` header.
    pub authorization: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The next request of a connection; `None` when the client is done.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let (mut length, mut authorization) = (0usize, String::new());
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            "authorization" => value.trim().clone_into(&mut authorization),
            "transfer-encoding" => return Err(io::Error::other("the fake node wants a Content-Length")),
            _ => {}
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(io::Error::other("request too large"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { authorization, body }))
}

/// Answers a request and keeps the connection open.
pub fn write_response(stream: &mut TcpStream, status: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())
}
