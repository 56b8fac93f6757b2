//! Free ports for the servers of the tests.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Mutex;

/// Below the ports that the system gives to outgoing connections and to whoever asks for any: a server that stops finds
/// its own still free when it comes back.
const RANGE: Range<u16> = 10_000..32_000;

static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A loopback port that is free now and is given out only once in this process. For servers that
/// cannot bind port 0 and say what they got; another process may still take it first.
pub fn free_port() -> u16 {
    let mut given = GIVEN.lock().unwrap();
    let given = given.get_or_insert_with(HashSet::new);
    loop {
        let random = RandomState::new().hash_one(given.len()) % u64::from(RANGE.end - RANGE.start);
        let port = RANGE.start + u16::try_from(random).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}
