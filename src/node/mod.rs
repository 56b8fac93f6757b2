//! The coin's nodes: JSON-RPC to the coin daemons, the tip and its template, solved blocks.
//!
//! Every node is watched by a task of its own (`poller`, with a long poll of `longpoll` beside it);
//! what they learn meets in one `publisher`, which decides whose template the miners get. The first
//! node in the order of the configuration that is ready is believed: another node's longer chain is
//! no reason to leave it, because a node that does not know a rule of the coin would follow exactly
//! such a chain. Solved blocks (`submitter`) go to all nodes at once on connections of their own; where
//! they stand later is asked by `standing`.

mod connection;
pub mod error;
mod longpoll;
pub mod lookup;
pub mod nodes;
pub mod payout;
pub mod poller;
pub mod proposal;
mod publisher;
mod pursuit;
mod queries;
pub mod recent;
pub mod rpc;
pub mod standing;
pub mod submitter;
pub mod tip;
pub mod verdict;
mod watched;
