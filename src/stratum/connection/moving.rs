//! The way of a connection from among the strangers to the miners.

use std::net::SocketAddr;

use tracing::debug;

use super::{CARRY_THROUGH_TIMEOUT, Connection, converse};
use crate::stratum::wire::stream::Stream;

impl Connection {
    /// Goes on with the connection on the miners' runtime. What was read and not handled, what is to be answered and
    /// sent goes with it; the system keeps what comes meanwhile.
    pub(super) fn move_over(mut self, stream: Stream, remote: SocketAddr) {
        debug!(coin = %self.context.coin, %remote, worker = ?self.session.last_worker(), "among the miners from now on");
        let detached = stream.detach();
        self.context.lanes.miners.clone().spawn(async move {
            match detached.and_then(|detached| detached.attach()) {
                Ok(stream) => converse(stream, self, remote).await,
                Err(error) => {
                    debug!(coin = %self.context.coin, %remote, %error, "a connection is lost among the strangers");
                    self.carry_through(CARRY_THROUGH_TIMEOUT).await;
                    self.session.on_end(self.now());
                }
            }
        });
    }
}
