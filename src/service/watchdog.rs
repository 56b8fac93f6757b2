//! The service manager is told that the daemon is alive as long as it is: from a task of the runtime, and only while
//! every loop that must turn has turned. Silence makes the service manager end the process and start it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::scene::Scene;
use super::supervisor;
use crate::clock::Clock;
use crate::pulse::Pulse;

/// So many looks in the time after which the service manager acts.
const LOOKS: u32 = 4;

/// Tells it until the daemon ends. Returns at once if nobody wants to be told.
pub async fn run(scene: watch::Receiver<Arc<Scene>>, clock: Arc<dyn Clock>) {
    let Some(limit) = supervisor::watchdog() else { return };
    info!(limit_secs = limit.as_secs_f64(), "the service manager watches over the daemon");
    let mut watch = Watch::default();
    let mut looks = interval(limit / LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        watch.follow(&scene.borrow().pulses);
        match watch.hung(clock.monotonic()) {
            None => supervisor::alive(),
            Some(name) => {
                error!(name, "a part of the daemon has stopped turning: the service manager is to start it again")
            }
        }
    }
}

/// What was seen of the loops.
#[derive(Default)]
struct Watch {
    loops: Vec<Seen>,
}

struct Seen {
    pulse: Arc<Pulse>,
    beats: Option<u64>,
    /// When it was last seen to be alive.
    at: Duration,
}

impl Watch {
    /// From now on these are the loops; what was seen of those that stay is kept.
    fn follow(&mut self, pulses: &[Arc<Pulse>]) {
        self.loops.retain(|seen| pulses.iter().any(|pulse| Arc::ptr_eq(pulse, &seen.pulse)));
        for pulse in pulses {
            if !self.loops.iter().any(|seen| Arc::ptr_eq(pulse, &seen.pulse)) {
                self.loops.push(Seen { pulse: Arc::clone(pulse), beats: None, at: Duration::ZERO });
            }
        }
    }

    /// The name of a loop that has not turned for longer than it may take.
    fn hung(&mut self, now: Duration) -> Option<&'static str> {
        for seen in &mut self.loops {
            let beats = seen.pulse.beats();
            if beats.is_none() || beats != seen.beats {
                (seen.beats, seen.at) = (beats, now);
            }
        }
        let hung = self.loops.iter().find(|seen| now.saturating_sub(seen.at) > seen.pulse.patience());
        hung.map(|seen| seen.pulse.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loop_that_has_begun_and_stands_still_is_hung() {
        let secs = Duration::from_secs;
        let (one, other) = (Arc::new(Pulse::new("one", secs(10))), Arc::new(Pulse::new("other", secs(60))));
        let mut watch = Watch::default();
        watch.follow(&[Arc::clone(&one), Arc::clone(&other)]);
        assert_eq!(watch.hung(secs(1000)), None, "not begun");
        one.beat();
        assert_eq!(watch.hung(secs(1001)), None);
        assert_eq!(watch.hung(secs(1011)), None);
        assert_eq!(watch.hung(secs(1012)), Some("one"));
        other.beat();
        one.beat();
        assert_eq!(watch.hung(secs(1013)), None, "it turns again");
        one.rest(|| assert_eq!(watch.hung(secs(1050)), None, "the disk is slow"));
        assert_eq!(watch.hung(secs(1060)), None, "and was a moment ago");
        one.beat();
        assert_eq!(watch.hung(secs(1070)), None);
        one.beat();
        assert_eq!(watch.hung(secs(1074)), Some("other"));
    }
}
