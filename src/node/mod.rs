//! The coin's nodes: JSON-RPC to the coin daemons, the tip and its template, solved blocks.
//!
//! Every node is watched by tasks of its own (`poller`, with `longpoll`, `zmq` and `peer` beside it); what
//! they learn, unless there are `doubts`, meets in one `publisher`, which decides whose template the miners get: the best tip wins.
//! Since a node that does not know a rule of the coin would follow exactly a longer chain that others
//! refuse, or one that it made up, `agreement` compares the nodes and sets aside who is not to be believed; `branch` weighs
//! the blocks that one has and another has not. Every source of new
//! tips rings the one `bell`; `tally` counts who was first; where the template is slow, `early` has work
//! without transactions meanwhile. Solved blocks (`submitter`) go to all nodes at once on connections of
//! their own, to each until it has them (`pursuit`) or has refused them (`said`); where they stand later is asked by
//! `standing`.

mod agreement;
mod backoff;
pub mod bell;
mod branch;
pub mod chain;
pub mod checkup;
mod connection;
mod doubts;
mod early;
pub mod error;
mod longpoll;
pub mod lookup;
pub mod nodes;
pub mod overview;
pub mod payout;
mod peer;
pub mod poller;
pub mod proposal;
mod publisher;
mod pursuit;
mod queries;
pub mod recent;
pub mod rpc;
mod said;
pub mod standing;
pub mod submitter;
pub mod tally;
pub mod tip;
mod tls;
pub mod verdict;
mod watched;
mod zmq;
