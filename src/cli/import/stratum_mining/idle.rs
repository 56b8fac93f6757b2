//! Options from which nothing follows, each with the reason.

const JOURNAL: &str =
    "the log goes to the journal, which keeps, rotates and shows it; daemon.log_file writes a file as well";
const TRANSPORT: &str = "miners connect by stratum over TCP or TLS; other transports have no users any more";
const PEERS: &str = "the network of servers it was for is gone";
const MAIL: &str = "MPOS mails its users; the daemon reports to the journal";
const MEMCACHE: &str = "no memcache is needed";
const LOADER: &str = "rows go to the database at once, and wait in the spool while it is away";
const OTHER_DATABASE: &str = "MPOS's database is MySQL";
const AUTOMATIC: &str = "known without being told";

/// Options from which nothing follows. A `*` stands for any ending.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("CUSTOM_HEADER", "headers have the length their coin gives them"),
    ("STRATUM_MINING_PROCESS_NAME", "the process is called mpos-stratum"),
    ("LOGDIR", JOURNAL),
    ("LOGFILE", JOURNAL),
    ("LOG_ROTATION", JOURNAL),
    ("LOG_SIZE", JOURNAL),
    ("LOG_RETENTION", JOURNAL),
    ("THREAD_POOL_SIZE", "there is a thread for every core (worker_threads, hasher_threads)"),
    ("RPC_TIMEOUT_*", "never had an effect"),
    ("HOSTNAME", "ports listen on every address; `advertise` is what miners are told"),
    ("ENABLE_EXAMPLE_SERVICE", "there is none"),
    ("SSL_PRIVKEY", "was for HTTPS only; TLS for miners is `tls` of a port"),
    ("SSL_CACERT", "was for HTTPS only; TLS for miners is `tls` of a port"),
    ("HTTP_SESSION_TIMEOUT", TRANSPORT),
    ("HTTP_BUFFER_LIMIT", TRANSPORT),
    ("USER_AGENT", TRANSPORT),
    ("BROWSER_ENABLE", TRANSPORT),
    ("PASSWORD_SALT", "never had an effect with MPOS"),
    ("SIGNING_KEY", PEERS),
    ("SIGNING_ID", PEERS),
    ("IRC_*", PEERS),
    ("PEERS", PEERS),
    ("BOT_*", PEERS),
    ("DATABASE_EXTEND", OTHER_DATABASE),
    ("DB_SQLITE_FILE", OTHER_DATABASE),
    ("DB_PGSQL_*", OTHER_DATABASE),
    ("DB_LOADER_CHECKTIME", LOADER),
    ("DB_LOADER_REC_MIN", LOADER),
    ("DB_LOADER_FORCE_TIME", LOADER),
    ("DB_STATS_AVG_TIME", "MPOS computes statistics"),
    ("DB_USERCACHE_TIME", "what is known of a worker is asked again after cache_secs, a minute"),
    ("DIFF_UPDATE_FREQUENCY", "the network difficulty is that of the work itself"),
    ("BLOCK_CHECK_SCRYPT_HASH", "never had an effect"),
    ("INVALID_SHARES_PERCENT", "this version banned nobody"),
    ("WORKER_CACHE_TIME", "this version banned nobody"),
    ("WORKER_BAN_TIME", "this version banned nobody"),
    ("COINDAEMON_ALGO", "the algorithm is named otherwise"),
    ("SCRYPTJANE_NAME", "names a module of Python; the algorithm is built in"),
    ("NOTIFY_*", MAIL),
    ("MEMCACHE_*", MEMCACHE),
    ("CONFIG_VERSION", AUTOMATIC),
    ("ARCHIVE_DELAY", "MPOS archives shares itself"),
    ("COINDAEMON_TRUSTED_*", "of a standby node without a host"),
    ("LITECOIN_TRUSTED_*", "of a standby node without a host"),
    ("USE_LITECOIN_DIFF", "no share is ever harder than a block"),
];
