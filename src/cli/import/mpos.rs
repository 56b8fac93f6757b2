//! MPOS's `global.inc.php`: the database, the wallet and the class by which MPOS counts shares. MPOS goes on
//! reading its file itself; here it is read for what both must agree on.

use super::answers::UNNAMED;
use super::database::{self, Login, Part, port_number};
use super::difficulty::{self, Class, OldBits, RowUnits, Scale};
use super::draft::{CoinDraft, Draft, Table};
use super::history::{Context, Old, short};
use super::identity;
use super::port::{self, OldPort};
use super::value::{Node, Settings, Value};
use super::wallet::Address;
use crate::coin::preset::Preset;
use crate::mpos::schema_files;
use crate::pow::names::{self, Named};

/// `target_bits` of the classes that MPOS ships.
const CLASSES: [(&str, u8); 7] =
    [("sha256d", 32), ("scrypt", 16), ("scryptn", 16), ("neoscrypt", 16), ("x11", 24), ("x13", 24), ("x15", 24)];
/// What counts where MPOS's file says nothing: the file it is laid over.
const DEFAULT_ALGORITHM: &str = "scrypt";
const MPOS_OWN: &str = "MPOS's own matter; it goes on reading it";

/// What MPOS's configuration says that a stratum server must know.
pub(super) struct MposFacts {
    pub(super) file: String,
    pub(super) database: Login,
    accounts: Option<String>,
    workers: Option<String>,
    /// The name of its class of coins; `None`: the file does not say it in a way that can be read.
    algorithm: Option<String>,
    pub(super) class: Class,
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
        let algorithm = algorithm(&settings.root);
        let class = class(file, &algorithm);
        match (&class, &algorithm) {
            (Class::Shipped(bits), _) => {
                old.adapted("algorithm", "mpos_bits", format!("its class has target_bits {bits}"));
            }
            (_, Ok(_)) => old.attention("algorithm", "is not a class that MPOS ships: its target_bits must be told"),
            (_, Err(_)) => old.asked("algorithm", if alone { identity::ALGORITHM } else { "mpos_bits" }),
        }
        let confirmations = old.number("confirmations");
        match confirmations {
            Some(_) => old.taken("confirmations", "confirmations"),
            None => old.attention("confirmations", "is not a number; the default of confirmations counts"),
        }
        let started = old.within("gettingstarted");
        let stratum_port = started.as_ref().and_then(|table| table.number("stratumport")).and_then(port_number);
        let coin = started.as_ref().and_then(|table| table.text("coinname")).and_then(identity::name);
        if let Some(started) = started {
            match stratum_port {
                Some(_) if !alone => started.taken("stratumport", "nothing: compared with the ports"),
                Some(_) => started.taken("stratumport", "port.listen"),
                None if alone => started.asked("stratumport", "listen"),
                None => started
                    .attention("stratumport", "is not a valid port number, so it was not compared with the ports"),
            }
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
            algorithm: algorithm.ok(),
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
                "{name}: the stratum server shares MPOS's database user; {} shows how little a user of its own needs",
                schema_files::grants()
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
        if let Class::Hidden(why) = &self.class {
            cx.remark(format!("{name}: {why}"));
        }
        self.put_schemas(coin);
        self.put_confirmations(coin);
    }

    fn put_schemas(&self, coin: &mut CoinDraft) {
        for (key, schema) in [("accounts_database", &self.accounts), ("workers_database", &self.workers)] {
            if let Some(schema) = schema {
                coin.mpos.text(key, schema);
            }
        }
    }

    fn put_confirmations(&self, coin: &mut CoinDraft) {
        if let Some(confirmations) = self.confirmations {
            coin.own.set("confirmations", confirmations.round().clamp(1.0, 10_000.0).to_string());
        }
    }

    /// Writes which coin it is, and by what MPOS counts it.
    fn put_identity(&self, cx: &Context, coin: &mut CoinDraft, named: &Named, preset: Option<&Preset>) -> Scale {
        identity::put(cx, coin, named, preset, self.coin.as_deref(), None);
        let usual = identity::bits(preset, "mpos_bits", named.mpos_bits);
        // Where the file does not say the algorithm, it was answered, and with it MPOS's class.
        let answered = named.mpos_bits.filter(|_| self.algorithm.is_none()).map(Class::Shipped);
        let class = Some(answered.unwrap_or_else(|| self.class.clone()));
        let name = coin.name.clone();
        difficulty::put_mpos_bits(cx, &name, &mut coin.own, RowUnits { usual, class, old: None });
        let ours = identity::bits(preset, "stratum_bits", Some(named.stratum_bits)).unwrap_or(named.stratum_bits);
        Scale::settle(cx, &name, OldBits::Known(ours), ours)
    }

    /// A configuration from MPOS's file alone.
    pub(super) fn into_draft(self, cx: &Context) -> Draft {
        let name = cx.answers.find(UNNAMED, "name").and_then(identity::name);
        let is_named = name.is_some();
        let mut coin = CoinDraft { name: name.unwrap_or_else(|| UNNAMED.to_owned()), ..CoinDraft::default() };
        let spelling = self.algorithm.as_deref();
        let named = spelling.and_then(names::find);
        let named = named.or_else(|| identity::settle_algorithm(cx, &mut coin, spelling));
        let preset = named.and_then(|named| identity::chosen_preset(cx, UNNAMED, named, None));
        if let Some(preset) = preset.filter(|_| !is_named) {
            preset.name.clone_into(&mut coin.name);
        }
        let scale = named.map_or_else(Scale::unknown, |named| self.put_identity(cx, &mut coin, named, preset));
        identity::put_payout(cx, &mut coin, None, preset);
        identity::put_fallback_worker(cx, &mut coin);
        self.put_confirmations(&mut coin);
        database::add_node(&mut coin, &mut Vec::new(), &self.wallet);
        let old = OldPort {
            number: self.stratum_port,
            from: "gettingstarted.stratumport".to_owned(),
            difficulty: None,
            vardiff: None,
            proxied: false,
        };
        port::add(cx, &mut coin, &scale, &old, &[]);
        database::put(&mut coin, &self.database);
        self.put_schemas(&mut coin);
        Draft { daemon: Table::default(), coins: vec![coin] }
    }
}

/// The name of MPOS's class of coins, or why it cannot be read.
pub(super) fn algorithm(root: &Node) -> Result<String, &'static str> {
    match root.get("algorithm").map(|node| &node.value) {
        None => Ok(DEFAULT_ALGORITHM.to_owned()),
        Some(Value::Text(name) | Value::Number(_, name)) if !name.trim().is_empty() => {
            Ok(name.trim().to_ascii_lowercase())
        }
        Some(Value::Unread(why)) => Err(why),
        Some(_) => Err("is not a name"),
    }
}

/// `target_bits` of a class that MPOS ships.
pub(super) fn target_bits(algorithm: &str) -> Option<u8> {
    CLASSES.iter().find(|(name, _)| *name == algorithm).map(|(_, bits)| *bits)
}

fn class(file: &str, algorithm: &Result<String, &'static str>) -> Class {
    match algorithm {
        Ok(name) => target_bits(name).map_or_else(
            || Class::Hidden(format!("MPOS's algorithm {:?} is a class of your own", short(name))),
            Class::Shipped,
        ),
        Err(why) => Class::Hidden(format!("which class MPOS runs with is not known: `algorithm` in {file} {why}")),
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
    let compared = "nothing: compared with the stratum server's";
    let key = |key: &'static str| if alone { key } else { compared };
    let mut login = database::login(
        db,
        &[
            ("host", Part::Host, key("mpos.host")),
            ("port", Part::Port, key("mpos.port")),
            ("user", Part::User, user),
            ("pass", Part::Password, password),
            ("name", Part::Name, key(database::DATABASE)),
        ],
    );
    // PHP's way to ask for lasting connections.
    login.host = login.host.map(|host| host.strip_prefix("p:").map(str::to_owned).unwrap_or(host));
    login
}

/// The databases of accounts and of workers.
fn shared(db: &Old<'_>) -> (Option<String>, Option<String>) {
    let Some(shared) = db.within("shared") else { return (None, None) };
    let schema = |name: &str, key: &str| {
        let found = shared.text(name).filter(|schema| database::is_database(schema));
        match found {
            Some(_) => shared.taken(name, key),
            None => {
                shared.attention(name, format!("is not a name of a database that SQL takes without quotes; no {key}"))
            }
        }
        found.map(str::to_owned)
    };
    let found = (schema("accounts", "mpos.accounts_database"), schema("workers", "mpos.workers_database"));
    shared.finish(&[("*", MPOS_OWN)]);
    found
}

/// The wallet's RPC.
fn wallet(old: &Old<'_>, alone: bool) -> Login {
    let Some(table) = old.within("wallet") else { return Login::default() };
    let kind = table.text("type");
    let address = table.text("host").and_then(|host| Address::read(kind, host));
    let https = address.as_ref().is_some_and(|address| address.https);
    let key = |key: &str| if alone { key.to_owned() } else { "nothing: compared with the nodes".to_owned() };
    let login = Login {
        port: address.as_ref().and_then(|address| address.port),
        host: address.map(|address| address.host),
        https,
        user: table.text("username").map(str::to_owned),
        password: table.text("password").map(str::to_owned),
        name: None,
    };
    match login.address() {
        Some(_) if https && alone => {
            let why = "by https; `ca_file` beside it if the system's authorities do not vouch for its certificate";
            table.adapted("host", database::NODE_URL, why);
        }
        Some(_) => table.taken("host", &key(database::NODE_URL)),
        None if alone => table.asked("host", database::NODE_URL),
        None => table.attention("host", "is not a host:port, so it was not compared with the nodes"),
    }
    for (option, has, key) in [
        ("username", login.user.is_some(), key("node.user")),
        ("password", login.password.is_some(), key("node.password")),
    ] {
        match has {
            true => table.taken(option, &key),
            false if alone => table.asked(option, &key),
            false => table.dropped(option, "empty"),
        }
    }
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("http" | "https") => table.taken("type", &key(database::NODE_URL)),
        _ => table.attention("type", "nodes are asked by http or https"),
    }
    table.finish(&[("*", MPOS_OWN)]);
    login
}
