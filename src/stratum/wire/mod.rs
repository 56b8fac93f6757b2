//! From a socket to a stream of bytes that a session can be put on: the header of a proxy, TLS, and
//! visitors that do not speak Stratum at all.

pub mod certificates;
pub mod handshakes;
pub mod probe;
pub mod proxy;
pub mod sniff;
pub mod stream;
pub mod tls;
