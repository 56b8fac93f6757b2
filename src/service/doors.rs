//! Opens what operators and their tools knock at. A door that cannot be opened is no reason not to serve miners.

use std::future::ready;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::control::{self, Control, socket};
use super::local::socket::{self as local_socket, Listener};
use super::local::{Notify, SOCKET_NAME};
use super::metrics::http;
use super::scene::Scene;
use crate::clock::Clock;
use crate::config::Daemon;

/// Opens the doors for programs on this machine. One that cannot be opened is a pity and no reason not to
/// serve miners: the nodes are asked for their tips all the same.
pub async fn local_doors(daemon: &Daemon, notify: &Notify, clock: &Arc<dyn Clock>) -> JoinSet<()> {
    let mut doors = JoinSet::new();
    let path = daemon.runtime_dir.join(SOCKET_NAME);
    match Listener::unix(&path).await {
        Ok(listener) => {
            let notify = notify.clone();
            doors.spawn(local_socket::serve(listener, Arc::clone(clock), move |line| ready(notify.answer(&line))));
        }
        Err(problem) => {
            warn!(socket = %path.display(), %problem, "`mpos-stratum notify` finds no socket: set runtime_dir")
        }
    }
    let Some(address) = daemon.nomp_listen else { return doors };
    match Listener::tcp(address).await {
        Ok(listener) => {
            let notify = notify.clone();
            info!(listen = listener.address().map(display), "lines of NOMP's blocknotify are taken");
            let answer = move |line: Vec<u8>| {
                let notify = notify.clone();
                async move { notify.answer_nomp(&line).await }
            };
            doors.spawn(local_socket::serve(listener, Arc::clone(clock), answer));
        }
        Err(problem) => warn!(%address, %problem, "cannot listen for NOMP's blocknotify: is NOMP still running?"),
    }
    doors
}

/// Opens those of operators, beside the others.
pub async fn operators_doors(
    doors: &mut JoinSet<()>,
    daemon: &Daemon,
    clock: &Arc<dyn Clock>,
    scene: &watch::Receiver<Arc<Scene>>,
) {
    let path = daemon.runtime_dir.join(control::SOCKET_NAME);
    match socket::bind(&path).await {
        Ok(listener) => {
            doors.spawn(socket::serve(listener, Arc::clone(clock), Control::new(scene.clone())));
        }
        Err(problem) => {
            warn!(socket = %path.display(), %problem, "`mpos-stratum status` and other commands find no socket: set runtime_dir");
        }
    }
    let Some(address) = daemon.metrics else { return };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            info!(listen = listener.local_addr().ok().map(display), "metrics are served");
            doors.spawn(http::serve(listener, scene.clone()));
        }
        Err(problem) => warn!(%address, %problem, "metrics cannot be told there: is something else listening?"),
    }
}
