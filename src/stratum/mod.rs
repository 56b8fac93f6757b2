//! Stratum v1: lines and JSON on one side, judged shares on the other.
//!
//! [`session`] decides and does no I/O: lines, time and answers go in, bytes and effects come out.
//! [`connection`] puts a socket around it, [`listener`] accepts the sockets. What becomes of a
//! judged share is behind the [`desk`].

pub mod codec;
pub mod connection;
pub mod counters;
pub mod desk;
pub mod listener;
pub mod outgoing;
pub mod password;
pub mod reply;
pub mod request;
pub mod session;
