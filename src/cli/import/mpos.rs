//! MPOS's `global.inc.php`: the database, the wallet and the class by which MPOS counts shares. MPOS goes on
//! reading its file itself; here it is read for what both must agree on.

use super::answers::UNNAMED;
use super::database::{self, Login, Part, port_number};
use super::difficulty::{self, OldBits, RowUnits, Scale};
use super::draft::{CoinDraft, Draft, Table};
use super::history::{Context, Old};
use super::identity;
use super::port::{self, OldPort};
use super::value::{Node, Settings, Value};

/// `target_bits` of the classes that MPOS ships.
pub(super) const CLASSES: [(&str, u8); 7] =
    [("sha256d", 32), ("scrypt", 16), ("scryptn", 16), ("neoscrypt", 16), ("x11", 24), ("x13", 24), ("x15", 24)];
/// What counts where MPOS's file says nothing: the file it is laid over.
pub(super) const DEFAULT_ALGORITHM: &str = "scrypt";
const MPOS_OWN: &str = "MPOS's own matter; it goes on reading it";

/// What MPOS's configuration says that a stratum server must know.
pub(super) struct MposFacts {
    pub(super) file: String,
    pub(super) database: Login,
    accounts: Option<String>,
    workers: Option<String>,
    algorithm: String,
    /// `target_bits` of the class; `None`: a class that MPOS does not ship.
    pub(super) class: Option<u8>,
    wallet: Login,
    confirmations: Option<f64>,
    stratum_port: Option<u16>,
    coin: Option<String>,
}

impl MposFacts {
    /// Reads them, and tells what became of every option. `alone`: no old stratum server's file is imported
    /// with it.
    pub(super) fn read(cx: &Context, file: &str, settings: &Settings, alone: bool) -> Self {
        for (line, what) in &settings.skipped {
            cx.remark(format!("{file}:{line}: the statement {what}; it was passed over"));
        }
        let old = Old::new(cx, file, &settings.root);
        let empty = Node { line: 0, value: Value::Table(Vec::new()) };
        let db = old.within("db").unwrap_or_else(|| Old::new(cx, file, &empty));
        let (accounts, workers) = shared(&db);
        let database = database_login(&db, alone);
        db.finish(&[("*", MPOS_OWN)]);
        let wallet = wallet(&old, alone);
        let algorithm = old.text("algorithm").unwrap_or(DEFAULT_ALGORITHM).to_ascii_lowercase();
        let class = CLASSES.iter().find(|(name, _)| *name == algorithm).map(|(_, bits)| *bits);
        match class {
            Some(bits) => old.adapted("algorithm", "mpos_bits", format!("its class has target_bits {bits}")),
            None => old.attention("algorithm", "is no class that MPOS ships: its target_bits must be told"),
        }
        let confirmations = old.number("confirmations");
        old.taken("confirmations", "confirmations");
        let started = old.within("gettingstarted");
        let stratum_port = started.as_ref().and_then(|table| table.number("stratumport")).and_then(port_number);
        let coin = started.as_ref().and_then(|table| table.text("coinname")).and_then(identity::name);
        if let Some(started) = started {
            let key = if alone { "port.listen" } else { "nothing: compared with the ports" };
            started.taken("stratumport", key);
            started.adapted("coinname", "preset", "suggested, not taken: MPOS ships with Litecoin there");
            started.finish(&[("*", MPOS_OWN)]);
        }
        old.dropped(
            "difficulty",
            "no difficulty of shares: MPOS takes it only where a row has none, which never happens",
        );
        old.dropped("network_confirmations", "what MPOS's users see; `confirmations` is what it pays by");
        old.finish(&[("*", MPOS_OWN)]);
        Self {
            file: file.to_owned(),
            database,
            accounts,
            workers,
            algorithm,
            class,
            wallet,
            confirmations,
            stratum_port,
            coin,
        }
    }

    /// The coin that MPOS calls its own, as a suggestion.
    pub(super) fn coin(&self) -> Option<&str> {
        self.coin.as_deref()
    }

    /// Compares it with what the old server's file says, and adds what only MPOS knows.
    pub(super) fn join(
        &self,
        cx: &Context,
        coin: &mut CoinDraft,
        database: &Login,
        nodes: &[(String, u16)],
        ports: &[u16],
    ) {
        let (name, file) = (coin.name.clone(), &self.file);
        let host = |login: &Login| login.host.as_deref().map_or("localhost".to_owned(), one_name);
        if host(&self.database) != host(database) || self.database.name != database.name {
            cx.remark(format!(
                "{name}: the stratum server's database is not the one that {file} names: one of them is wrong, \
                               or a copy"
            ));
        }
        if self.database.user == database.user && database.user.is_some() {
            cx.remark(format!(
                "{name}: the stratum server shares MPOS's database user; schema/grants.sql shows how little a \
                               user of its own needs"
            ));
        }
        if let Some(port) = self.wallet.port
            && !nodes.contains(&(self.wallet.host.as_deref().map_or("localhost".to_owned(), one_name), port))
        {
            cx.remark(format!(
                "{name}: no node is the wallet that {file} names: payout_address must be that wallet's all the \
                               same"
            ));
        }
        if let Some(port) = self.stratum_port
            && !ports.contains(&port)
        {
            cx.remark(format!("{name}: MPOS tells its users port {port}, on which no port listens here"));
        }
        if self.class.is_none() {
            cx.remark(format!("{name}: MPOS's algorithm {:?} is a class of your own", self.algorithm));
        }
        self.put_schemas(coin);
        self.put_confirmations(coin);
    }

    fn put_schemas(&self, coin: &mut CoinDraft) {
        for (key, schema) in [("accounts_database", &self.accounts), ("workers_database", &self.workers)] {
            if let Some(schema) = schema.as_deref().filter(|schema| database::is_database(schema)) {
                coin.mpos.text(key, schema);
            }
        }
    }

    fn put_confirmations(&self, coin: &mut CoinDraft) {
        if let Some(confirmations) = self.confirmations {
            coin.own.set("confirmations", confirmations.round().clamp(1.0, 10_000.0).to_string());
        }
    }

    /// A configuration from MPOS's file alone.
    pub(super) fn into_draft(self, cx: &Context) -> Draft {
        let spelling = if self.algorithm == "scryptn" { "scrypt-n" } else { &self.algorithm };
        let named = identity::algorithm(spelling);
        let preset = named.and_then(|named| {
            let answer = cx.answers.find(UNNAMED, "preset").filter(|answer| *answer != "none");
            crate::coin::preset::find(answer?)
                .filter(|found| identity::presets(named).any(|other| other.name == found.name))
        });
        let name = cx.answers.find(UNNAMED, "name").and_then(identity::name);
        let name = name.or(preset.map(|preset| preset.name.to_owned())).unwrap_or_else(|| UNNAMED.to_owned());
        let mut coin = CoinDraft { name, ..CoinDraft::default() };
        let Some(named) = named else {
            coin.own.text("name", &coin.name.clone());
            coin.blocked.push(format!("the algorithm {:?} is none of this version", self.algorithm));
            return Draft { daemon: Table::default(), coins: vec![coin] };
        };
        identity::put(cx, &mut coin, named, preset, self.coin.as_deref(), None);
        let usual = identity::bits(preset, "mpos_bits", named.mpos_bits);
        let name = coin.name.clone();
        difficulty::put_mpos_bits(cx, &name, &mut coin.own, RowUnits { usual, class: self.class, old: None });
        identity::put_payout(cx, &mut coin, None, preset);
        identity::put_fallback_worker(cx, &mut coin);
        self.put_confirmations(&mut coin);
        database::add_node(&mut coin, &mut Vec::new(), &self.wallet);
        let ours = identity::bits(preset, "stratum_bits", Some(named.stratum_bits)).unwrap_or(named.stratum_bits);
        let scale = Scale::settle(cx, &name, OldBits::Known(ours), ours);
        let old = OldPort { number: self.stratum_port, difficulty: None, vardiff: None, proxied: false };
        port::add(cx, &mut coin, &scale, &old, &[]);
        database::put(&mut coin, &self.database);
        self.put_schemas(&mut coin);
        Draft { daemon: Table::default(), coins: vec![coin] }
    }
}

/// A host in a form in which this machine has one name.
pub(super) fn one_name(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "127.0.0.1" | "::1" | "localhost" => "localhost".to_owned(),
        host => host.to_owned(),
    }
}

fn database_login(db: &Old<'_>, alone: bool) -> Login {
    let user = if alone { "mpos.user" } else { "nothing: the stratum server has its own" };
    let password = if alone { "mpos.password" } else { "nothing: the stratum server has its own" };
    let mut login = database::login(
        db,
        &[
            ("host", Part::Host, "mpos.host"),
            ("port", Part::Port, "mpos.port"),
            ("user", Part::User, user),
            ("pass", Part::Password, password),
            ("name", Part::Name, "mpos.database"),
        ],
    );
    // PHP's way to ask for lasting connections.
    login.host = login.host.map(|host| host.strip_prefix("p:").map(str::to_owned).unwrap_or(host));
    login
}

/// The databases of accounts and of workers.
fn shared(db: &Old<'_>) -> (Option<String>, Option<String>) {
    let Some(shared) = db.within("shared") else { return (None, None) };
    let text = |name: &str| shared.text(name).map(str::to_owned);
    let found = (text("accounts"), text("workers"));
    shared.taken("accounts", "mpos.accounts_database");
    shared.taken("workers", "mpos.workers_database");
    shared.finish(&[("*", MPOS_OWN)]);
    found
}

/// The wallet's RPC.
fn wallet(old: &Old<'_>, alone: bool) -> Login {
    let Some(table) = old.within("wallet") else { return Login::default() };
    let host = table.text("host").map(|host| host.trim_start_matches("http://").trim_end_matches('/'));
    let (host, port) = host.and_then(|host| host.rsplit_once(':')).unzip();
    let key = |key: &str| if alone { key.to_owned() } else { "nothing: compared with the nodes".to_owned() };
    table.taken("host", &key("node.url"));
    table.taken("username", &key("node.user"));
    table.taken("password", &key("node.password"));
    if table.text("type").is_some_and(|scheme| scheme != "http") {
        table.attention("type", "coin daemons speak http only; TLS needs a tunnel");
    } else {
        table.dropped("type", "always http");
    }
    let login = Login {
        host: host.map(str::to_owned),
        port: port.and_then(|port| port.parse().ok()),
        user: table.text("username").map(str::to_owned),
        password: table.text("password").map(str::to_owned),
        name: None,
    };
    table.finish(&[("*", MPOS_OWN)]);
    login
}
