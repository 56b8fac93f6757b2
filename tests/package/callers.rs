//! Somebody who connects, and connects again: nobody may ever be refused.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two connections: what comes while nobody accepts has to fit into the kernel's queue.
const PACE: Duration = Duration::from_millis(10);
/// The kernel tries again for as long as this.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// The loop.
pub struct Callers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Duration)>,
}

impl Callers {
    /// Begins to connect.
    pub fn start(port: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut connections, mut slowest) = (0, Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                TcpStream::connect_timeout(&port, CONNECT_MAX).expect("refused");
                slowest = slowest.max(began.elapsed());
                connections += 1;
                std::thread::sleep(PACE);
            }
            (connections, slowest)
        });
        Self { stop, thread }
    }

    /// Ends it: how many connected, and how long the slowest took. Nobody was refused.
    pub fn end(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a connection was refused")
    }
}
