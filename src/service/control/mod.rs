//! `control.sock`: what an operator asks of the running daemon, in the runtime directory.
//!
//! The socket is the daemon's user's and group's, mode 0660: whoever may open the file may say everything here.
//! Peer credentials are logged where something is changed, and decide nothing: in a user namespace
//! (`PrivateUsers=`) they are not those of the caller.
//!
//! One JSON object a line each way, any number of them on a connection, answered in order. A request is
//! `{"version":1,"command":COMMAND,...}`; an answer has the same `version` and either the members below or
//! `error` with words for people. Unknown commands and members are refused, never guessed at.
//!
//! | command | members | answer |
//! | --- | --- | --- |
//! | `status` | `blocks`: how many found blocks per coin, at most 100, else 5 | `status`: see [`super::status::Status`] |
//! | `miners` | `who`, `after`: a connection's number, else 0; `limit`: at most 500, else 100 | `miners`: a list of [`Miner`], by number; `next`: the `after` of the next page, `null` at the end |
//! | `kick` | `who` (needed), `reason` | `matched` connections, `told`: those that end, `more`: there are others |
//! | `set-difficulty` | `who` (needed), `difficulty` | `matched`, `told`, `more`, `least` and `most`: the difficulties now in force, `adjusted`: how many vardiff will move again |
//! | `bans` | `after`: how many to pass over, `limit` | `bans`: a list of [`Ban`]; `next` |
//! | `ban` | `network`: an address or a network, `secs`, `reason`, `keep`: true leaves open connections alone | `ended`: connections that were closed |
//! | `unban` | `network` | nothing more |
//! | `reload` | | `generation`: how often the configuration was taken over; `applied`, `restart`: changes in words, at most 100 each, that hold now and that need a restart; `warnings`; `counts`: of all three, also what did not fit. `error` if it was refused: then nothing was changed |
//! | `log-level` | `set`: `LEVEL`, `ROOM=LEVEL` or several with commas between; without it nothing changes | `log_level` |
//!
//! `who` chooses connections by every member it has: `worker` (an account, a worker, or a pattern with `*` and
//! `?`; letters of either case are the same), `address` (or network), `id` (a connection's number), `coin`.
//!
//! Bounds: 16 connections at once, a further one is told so and closed; a line of 4 KiB, a longer one is told
//! so and closed; 50 requests a second of all together, faster ones wait; answers of 256 KiB, longer lists come
//! in pages; a minute without a request, or 5 s without taking an answer, closes. A `kick` or `set-difficulty`
//! reaches 1,000 connections at a time (`more` says if there are others) and waits for them 2 s at most.

mod bans;
mod miners;
mod pattern;
mod request;
pub mod socket;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tracing::info;

pub use self::bans::Ban;
pub use self::miners::Miner;
pub use self::request::{Request, VERSION, Who};
use super::reloading::Reloaded;
use super::scene::Scene;
use super::status;

/// The socket's name in the runtime directory.
pub const SOCKET_NAME: &str = "control.sock";
/// Longest answer; lists end before it.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Room that a list leaves for the rest of its answer.
const LIST_BYTES_MAX: usize = ANSWER_BYTES_MAX - 1024;
/// Entries of a page: at most, and unless said otherwise.
const PAGE_MAX: usize = 500;
const PAGE_USUAL: usize = 100;
/// Found blocks per coin in a status: at most, and unless said otherwise.
const BLOCKS_MAX: usize = 100;
const BLOCKS_USUAL: usize = 5;

/// Changes that the answer to a reload has of each kind.
const CHANGES_MAX: usize = 100;

/// Who asks, as far as the system says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker {
    /// User id.
    pub uid: Option<u32>,
    /// Process id.
    pub pid: Option<i32>,
}

/// Answers requests.
pub struct Control {
    scene: watch::Receiver<Arc<Scene>>,
}

impl Control {
    /// Answers about what `scene` shows.
    pub fn new(scene: watch::Receiver<Arc<Scene>>) -> Self {
        Self { scene }
    }

    /// The answer to a line, with its line end.
    pub async fn answer(&self, line: &[u8], asker: Asker) -> String {
        let answered = match Request::parse(line) {
            Ok(request) => self.carry_out(request, asker).await,
            Err(words) => Err(words),
        };
        answered.map_or_else(|words| refusal(&words), worded)
    }

    async fn carry_out(&self, request: Request, asker: Asker) -> Result<Map<String, Value>, String> {
        let scene = Arc::clone(&self.scene.borrow());
        if request.changes_something() {
            info!(?request, uid = asker.uid, pid = asker.pid, "an operator's command");
        }
        let answer = match request {
            Request::Status { blocks } => status_of(&scene, blocks).await?,
            Request::Miners { who, after, limit } => miners::list(&scene, &who, after, page(limit)).await?,
            Request::Kick { who, reason } => miners::kick(&scene, &who, reason).await?,
            Request::SetDifficulty { who, difficulty } => miners::set_difficulty(&scene, &who, difficulty).await?,
            Request::Bans { after, limit } => bans::list(&scene, after, page(limit))?,
            Request::Ban { network, secs, reason, keep } => bans::add(&scene, &network, secs, reason, keep).await?,
            Request::Unban { network } => bans::lift(&scene, &network).await?,
            Request::LogLevel { set } => {
                let levels = match set {
                    Some(text) => scene.log.set(&text)?,
                    None => scene.log.levels(),
                };
                json!({ "log_level": levels.to_string() })
            }
            Request::Reload => reload(&scene).await?,
        };
        match answer {
            Value::Object(members) => Ok(members),
            _ => Err("the daemon has no answer".to_owned()),
        }
    }
}

fn page(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_USUAL).clamp(1, PAGE_MAX)
}

async fn status_of(scene: &Arc<Scene>, blocks: Option<usize>) -> Result<Value, String> {
    let most = blocks.unwrap_or(BLOCKS_USUAL).min(BLOCKS_MAX);
    let seen = Arc::clone(scene);
    // Dossiers are files.
    let looked = tokio::task::spawn_blocking(move || {
        let mut status = status::look(&seen);
        for (view, coin) in seen.coins.iter().zip(&mut status.coins) {
            coin.blocks = status::newest(&view.blocks, &view.coin.name, most);
        }
        status
    });
    let status = looked.await.map_err(|problem| problem.to_string())?;
    Ok(json!({ "status": status }))
}

async fn reload(scene: &Scene) -> Result<Value, String> {
    let Reloaded { generation, applied, restart, warnings } = scene.reload.ring().await?;
    // What does not fit is in the log.
    let counts = [applied.len(), restart.len(), warnings.len()];
    let list = |words: Vec<String>| fitting(words.into_iter().take(CHANGES_MAX)).0;
    Ok(json!({
        "generation": generation,
        "applied": list(applied),
        "restart": list(restart),
        "warnings": list(warnings),
        "counts": counts,
    }))
}

fn worded(mut members: Map<String, Value>) -> String {
    members.insert("version".to_owned(), json!(VERSION));
    let text = format!("{}\n", Value::Object(members));
    match text.len() > ANSWER_BYTES_MAX {
        true => refusal("the answer is too long: ask for less at a time"),
        false => text,
    }
}

/// An answer to somebody for whom there is no room now.
pub fn busy(words: &str) -> String {
    format!("{}\n", json!({ "version": VERSION, "error": words, "busy": true }))
}

/// An answer that says what is wrong.
pub fn refusal(words: &str) -> String {
    format!("{}\n", json!({ "version": VERSION, "error": words }))
}

/// As many of `entries` as fit into an answer, in JSON, and how many that are.
fn fitting<T: serde::Serialize>(entries: impl Iterator<Item = T>) -> (Vec<Value>, usize) {
    let mut bytes = 0;
    let values = entries.map_while(|entry| {
        let value = serde_json::to_value(entry).ok()?;
        bytes += value.to_string().len() + 1;
        (bytes <= LIST_BYTES_MAX).then_some(value)
    });
    let values: Vec<Value> = values.collect();
    let count = values.len();
    (values, count)
}
