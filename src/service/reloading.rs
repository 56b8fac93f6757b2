//! How a reload is asked for, and what came of it.

use tokio::sync::{mpsc, oneshot};

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// How often the configuration was taken over, the start included.
    pub generation: u64,
    /// What was changed, each in words.
    pub applied: Vec<String>,
    /// What needs a restart, each in words.
    pub restart: Vec<String>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

/// What came of a reload; if it was refused, why: then nothing was changed.
pub type Outcome = Result<Reloaded, String>;

/// Where a reload is asked for. One is carried out at a time.
#[derive(Debug, Clone)]
pub struct ReloadBell(mpsc::Sender<oneshot::Sender<Outcome>>);

/// Those who ask for a reload.
pub type ReloadRings = mpsc::Receiver<oneshot::Sender<Outcome>>;

impl ReloadBell {
    /// The bell, and where it is heard.
    pub fn new() -> (Self, ReloadRings) {
        let (sender, rings) = mpsc::channel(1);
        (Self(sender), rings)
    }

    /// Asks for a reload and waits for what comes of it.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn ring(&self) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let stops = "the daemon stops: nothing was read again".to_owned();
        if self.0.send(answer).await.is_err() {
            return Err(stops);
        }
        outcome.await.unwrap_or(Err(stops))
    }
}

/// What is remembered of reloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloads {
    /// How often the configuration was taken over, the start included.
    pub generation: u64,
    /// Why the last reload was refused, if it was.
    pub refused: Option<String>,
    /// What the file says and only a restart brings about.
    pub restart: Vec<String>,
}

impl Reloads {
    /// What somebody should know, each in words.
    pub fn notes(&self) -> Vec<String> {
        let refused = self.refused.iter().map(|reason| format!("the last reload was REFUSED: {reason}"));
        let restart = (!self.restart.is_empty()).then(|| format!("waits for a restart: {}", self.restart.join("; ")));
        refused.chain(restart).collect()
    }
}
