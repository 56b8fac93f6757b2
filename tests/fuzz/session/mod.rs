//! Lives of sessions: miners, directory, hashers, desk, disk, node and clock as the bytes say, and promises that
//! hold after every step.

mod books;
mod events;
mod life;
mod lines;
mod link;
mod terms;

use self::life::Life;
use super::tape::Tape;

/// Steps of one life.
const STEPS_MAX: usize = 400;

/// Lives a life.
pub fn check(data: &[u8]) {
    let mut life = Life::new(Tape::new(data));
    for _ in 0..STEPS_MAX {
        if life.tape.is_empty() {
            break;
        }
        life.step();
    }
    life.finish();
}
