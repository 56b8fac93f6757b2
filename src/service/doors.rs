//! Opens what operators and their tools knock at. A door that cannot be opened is no reason not to serve miners.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::control::{self, Control, socket};
use super::metrics::http;
use super::scene::Scene;
use crate::clock::Clock;
use crate::config::Daemon;

/// Opens them; they close when what is returned is dropped.
pub async fn operators_doors(
    daemon: &Daemon,
    clock: &Arc<dyn Clock>,
    scene: &watch::Receiver<Arc<Scene>>,
) -> JoinSet<()> {
    let mut doors = JoinSet::new();
    let path = daemon.runtime_dir.join(control::SOCKET_NAME);
    match socket::bind(&path).await {
        Ok(listener) => {
            doors.spawn(socket::serve(listener, Arc::clone(clock), Control::new(scene.clone())));
        }
        Err(problem) => {
            warn!(socket = %path.display(), %problem, "`mpos-stratum status` and other commands find no socket: set runtime_dir");
        }
    }
    let Some(address) = daemon.metrics else { return doors };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            info!(listen = ?listener.local_addr().ok(), "metrics are told");
            doors.spawn(http::serve(listener, scene.clone()));
        }
        Err(problem) => warn!(%address, %problem, "metrics cannot be told there: is something else listening?"),
    }
    doors
}
