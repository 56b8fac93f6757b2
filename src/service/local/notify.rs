//! "There is a new block": what the commands that nodes run at every block say.
//!
//! Our own command writes one JSON object, `{"command":"notify","coin":COIN,"hash":HASH}`, and reads
//! `{"ok":true}` or `{"error":WORDS}`. NOMP's `cli.js` and its C program write
//! `{"command":"blocknotify","params":[COIN,HASH],...}`; the first prints the text it reads, the second does
//! not wait for it. With `{"command":"reloadpool","params":[COIN]}` the first asks for a reload.

use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bytes::parse_display_hash;
use crate::node::bell::Bell;
use crate::node::tip::Source;
use crate::service::reloading::ReloadBell;

/// The socket's name in the runtime directory.
pub const SOCKET_NAME: &str = "notify.sock";
/// What NOMP answers; scripts may look for it.
const NOMP_DONE: &str = "Pool workers notified";

/// What our own command says.
#[derive(Debug, Serialize, Deserialize)]
pub struct NotifyRequest {
    /// `notify`
    pub command: String,
    /// The coin's name in the configuration.
    pub coin: String,
    /// The new block's hash as nodes write it.
    pub hash: String,
}

#[derive(Deserialize)]
struct NompRequest {
    command: String,
    #[serde(default)]
    params: Vec<String>,
}

/// A coin's name, and where it is told.
type CoinBell = (Arc<str>, Arc<Bell>);

/// The coins that can be told of a new block.
#[derive(Clone, Default)]
pub struct Notify {
    bells: Arc<RwLock<Vec<CoinBell>>>,
    /// Where a reload is asked for.
    reload: Option<ReloadBell>,
}

impl Notify {
    /// For a daemon that can be reloaded so.
    pub fn reloading(reload: ReloadBell) -> Self {
        Self { reload: Some(reload), ..Self::default() }
    }

    /// From now on these are the coins.
    pub fn set(&self, bells: Vec<CoinBell>) {
        *self.bells.write().unwrap_or_else(PoisonError::into_inner) = bells;
    }

    /// Answers a line of our own command.
    pub fn answer(&self, line: &[u8]) -> String {
        let told = match serde_json::from_slice::<NotifyRequest>(line) {
            Ok(request) if request.command == "notify" => self.tell(Source::Blocknotify, &request.coin, &request.hash),
            Ok(request) => Err(format!("no command {:?} here: only notify", request.command)),
            Err(error) => Err(format!("no request: {error}")),
        };
        let answer = match told {
            Ok(()) => json!({ "ok": true }),
            Err(words) => json!({ "error": words }),
        };
        format!("{answer}\n")
    }

    /// Answers a line of NOMP's tools.
    pub async fn answer_nomp(&self, line: &[u8]) -> String {
        let told = match serde_json::from_slice::<NompRequest>(line) {
            Ok(NompRequest { command, params }) => match (command.as_str(), params.as_slice()) {
                ("blocknotify", [coin, hash, ..]) => self.tell(Source::NompLine, coin, hash),
                ("blocknotify", _) => Err("blocknotify wants a coin and a hash".to_owned()),
                ("reloadpool", _) => return self.reload().await,
                ("coinswitch", _) => Err("coinswitch is not supported: every coin has ports of its own".to_owned()),
                (other, _) => Err(format!("no command {:?} here: only blocknotify and reloadpool", shortened(other))),
            },
            Err(error) => Err(format!("no request: {error}")),
        };
        told.map_or_else(|words| words, |()| NOMP_DONE.to_owned())
    }

    /// Has the whole configuration read again: that of one coin stands in the same file as the others'.
    async fn reload(&self) -> String {
        let Some(bell) = &self.reload else { return "not reloaded: use systemctl reload".to_owned() };
        match bell.ring().await {
            Ok(done) if done.applied.is_empty() => "reloaded: nothing had changed".to_owned(),
            Ok(done) => format!("reloaded: {}", done.applied.join("; ")),
            Err(reason) => format!("not reloaded: {reason}"),
        }
    }

    fn tell(&self, source: Source, coin: &str, hash: &str) -> Result<(), String> {
        let Some(hash) = parse_display_hash(hash) else {
            return Err(format!("{:?} is not a block hash: give the node's %s", shortened(hash)));
        };
        let bells = self.bells.read().unwrap_or_else(PoisonError::into_inner);
        let bell = bells.iter().find(|(name, _)| name.eq_ignore_ascii_case(coin));
        let Some((_, bell)) = bell else {
            let names: Vec<&str> = bells.iter().map(|(name, _)| &**name).collect();
            return Err(format!("no coin {:?} here: {}", shortened(coin), names.join(", ")));
        };
        bell.ring(source, Some(hash));
        Ok(())
    }
}

/// Somebody's words, short enough to be repeated.
fn shortened(words: &str) -> String {
    words.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::service::reloading::Reloaded;

    fn notify() -> (Notify, Arc<Bell>) {
        let bell = Arc::new(Bell::new(Arc::new(ManualClock::at(0))));
        let notify = Notify::default();
        notify.set(vec![("litecoin".into(), Arc::clone(&bell))]);
        (notify, bell)
    }

    #[tokio::test]
    async fn both_predecessors_forms_and_ours_ring() {
        let (notify, bell) = notify();
        let hash = "ab".repeat(32);
        let ours = format!(r#"{{"command":"notify","coin":"litecoin","hash":"{hash}"}}"#);
        assert_eq!(notify.answer(ours.as_bytes()), "{\"ok\":true}\n");
        let cli =
            format!(r#"{{"command":"blocknotify","params":["Litecoin","{hash}"],"options":{{"host":"127.0.0.1"}}}}"#);
        assert_eq!(notify.answer_nomp(cli.as_bytes()).await, NOMP_DONE);
        let helper = format!(r#"{{"command":"blocknotify","params":["litecoin","{hash}"]}}"#);
        assert_eq!(notify.answer_nomp(helper.as_bytes()).await, NOMP_DONE);
        bell.confirm(parse_display_hash(&hash).unwrap());
        let told: Vec<Source> = bell.counts().into_iter().map(|(source, _)| source).collect();
        assert_eq!(told, [Source::Blocknotify, Source::NompLine]);
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        let (notify, _) = notify();
        let hash = "ab".repeat(32);
        let wrong = [
            ("x", "no request"),
            (r#"{"command":"stop","coin":"litecoin","hash":""}"#, "only notify"),
            (r#"{"command":"notify","coin":"litecoin","hash":"%s"}"#, "not a block hash"),
            (&format!(r#"{{"command":"notify","coin":"other","hash":"{hash}"}}"#), "litecoin"),
        ];
        for (line, part) in wrong {
            let answer = notify.answer(line.as_bytes());
            assert!(answer.starts_with("{\"error\":") && answer.contains(part), "{line}: {answer}");
        }
        for (line, part) in [
            (r#"{"command":"coinswitch","params":[]}"#, "not supported"),
            (r#"{"command":"stop","params":[]}"#, "only blocknotify"),
            (r#"{"command":"reloadpool","params":["litecoin"]}"#, "not reloaded"),
            (r#"{"command":"blocknotify","params":["litecoin"]}"#, "a coin and a hash"),
        ] {
            assert!(notify.answer_nomp(line.as_bytes()).await.contains(part), "{line}");
        }
    }

    #[tokio::test]
    async fn nomp_s_reload_really_reloads() {
        let (bell, mut rings) = ReloadBell::new();
        let notify = Notify::reloading(bell);
        let line = br#"{"command":"reloadpool","params":["litecoin"],"options":{}}"#;
        let applied = vec!["coin litecoin: difficulty".to_owned()];
        let done = Reloaded { generation: 2, applied, ..Reloaded::default() };
        for (outcome, words) in [
            (Ok(done), "reloaded: coin litecoin: difficulty"),
            (Ok(Reloaded::default()), "reloaded: nothing had changed"),
            (Err("line 3 is wrong".to_owned()), "not reloaded: line 3 is wrong"),
        ] {
            let reload = async { rings.recv().await.unwrap().send(outcome).unwrap() };
            let (said, ()) = tokio::join!(notify.answer_nomp(line), reload);
            assert_eq!(said, words);
        }
    }
}
