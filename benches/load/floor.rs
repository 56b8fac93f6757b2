//! The floor: what a server that does nothing shows on this machine at this moment.
//!
//! Attackers, honest miners and daemon share the processors here, and the system's own work for the attackers'
//! packets is done before that of any process. What a bare echo suffers of an attack is no server's fault.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::come_first;
use crate::stamps;

/// Time between two lines.
const STEP: Duration = Duration::from_millis(4);
/// As long as a submit.
const LINE: [u8; 120] = [b'x'; 120];

/// Microseconds from each line to its echo, for so long.
pub fn measure(length: Duration) -> io::Result<Vec<u64>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || echo(&listener));
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stamps::turn_on(&stream)?;
    come_first();
    let (start, mut due, mut micros) = (Instant::now(), Duration::ZERO, Vec::new());
    while due < length {
        thread::sleep(due.saturating_sub(start.elapsed()));
        let sent = Instant::now();
        stream.write_all(&LINE)?;
        let (mut missing, mut arrived) = (LINE.len(), sent);
        while missing > 0 {
            let (read, at) = stamps::read(&stream, &mut [0; LINE.len()])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (missing, arrived) = (missing.saturating_sub(read), at);
        }
        micros.push(u64::try_from(arrived.saturating_duration_since(sent).as_micros()).unwrap_or(u64::MAX));
        due += STEP;
    }
    drop(stream);
    server.join().map_err(|_| io::Error::other("the echo broke off"))??;
    Ok(micros)
}

fn echo(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut bytes = [0; LINE.len()];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(bytes.get(..count).unwrap_or_default())?;
    }
}
