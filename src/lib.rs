//! # mpos-stratum: the architecture
//!
//! One process serves Stratum v1 to the miners of one or more coins and writes their shares into
//! the MySQL tables that MPOS reads. MPOS keeps accounts, payouts and the web site; this daemon is
//! its only writer of `shares`.
//!
//! ## What it promises
//!
//! 1. An unmodified MPOS finds every block, credits the right finder and counts every share.
//! 2. A share answered `true` becomes exactly one row, at the difficulty it was assigned, with the
//!    second it was accepted, in the order of acceptance, whatever is killed or restarted. A refused
//!    share never becomes a `Y` row.
//! 3. A block candidate is written down before the first node hears of it, goes to every node at
//!    once, and its row is visible to MPOS within a second whatever the nodes answer.
//! 4. Miners stay connected while the database or the nodes are away.
//! 5. No input of a miner crashes the daemon, stalls a neighbour, forges a name or grows memory
//!    without a stated bound.
//!
//! ## The house
//!
//! A file imports lower floors and files of its own room; never upwards, never sideways, no circles
//! between rooms. A test of the source tree enforces it.
//!
//! | floor | room | what lives there | never there |
//! | --- | --- | --- | --- |
//! | 0 | [`clock`], [`exit`], [`histogram`], [`pulse`], [`bytes`], [`difficulty`] | time, exit codes, counted lengths of time, signs of life, hex and integers, SHA-256, targets | I/O |
//! | 1 | [`pow`] | the algorithms and the table of their names, costs and proofs; the threads for costly ones | coins |
//! | 1 | [`chain`] | addresses, scripts, coinbase, merkle tree, header, block | RPC, sockets |
//! | 2 | [`coin`] | what a coin is; the shipped presets | |
//! | 2 | [`work`] | template to job to judged share: pure functions and values | I/O, runtime |
//! | 2 | [`worker`] | who may mine: name form, directory with cache and single flight | SQL, sockets |
//! | 3 | [`stratum`] | lines, requests, the session (no I/O), connection and listener around it | SQL, RPC |
//! | 3 | [`ledger`] | share records, the spool on disk, the drainer | SQL, sockets |
//! | 3 | [`node`] | the coin's nodes: RPC, tip and template, block submission | miners |
//! | 4 | [`mpos`] | the only SQL: share sink, schema check, worker source, what audit and doctor ask | stratum |
//! | 5 | [`service`] | one coin assembled; start, reload, stop, service manager | |
//! | 6 | [`cli`] | one file per command | |
//! | any | [`config`] | the file into checked, typed values | |
//!
//! Traits stand only at real seams: [`clock::Clock`], [`worker::source::WorkerSource`],
//! [`worker::difficulties::DifficultyStore`], [`ledger::sink::Sink`] and [`stratum::desk::ShareDesk`]. `worker` is a room of its own beside
//! `mpos` because both the session and the SQL below it need its words; the desk exists because
//! `stratum` and `ledger` are neighbours and neither may know the other.
//!
//! ## The way of a share
//!
//! ```text
//! socket -> Guard -> proxy header, TLS -> Stream        counted and refused before there is a session
//! bytes -> LineBuffer -> Request -> Session::on_line -> Effects
//!    authorize -> Directory (cache, single flight, MySQL) -> Session::on_authorised
//!    submit    -> fields valid, job known -> key reserved -> header -> hash (inline or Hashers)
//!              -> judge() -> Outcome                         decided once, by one pure function
//! Outcome -> JudgedShare -> Desk -> Ledger::append (one write) -> answer to the miner
//!         -> sync thread -> drainer -> one transaction in MySQL  one ordered writer per table
//! candidate -> appended by itself -> submitblock to every node   beside an immediate sync and drain
//! verdict -> Ledger::append -> UPDATE of the candidate's row; the nodes are asked again until it is
//!         buried, and a change (orphaned, back, late) is a further verdict; a dossier has every step
//! node tip -> Template -> Job, its notify line ready -> watch<JobBoard> -> the same bytes to all
//! ```
//!
//! What fails where, and what happens then:
//!
//! | step | failure | consequence |
//! | --- | --- | --- |
//! | line | too long, not JSON | error answer, after three in a row (or one oversized) the connection is closed |
//! | name | database away | remembered workers go on, also after a restart; unknown ones are told to try again |
//! | hash | hashers busy | this connection stops reading; nobody else notices |
//! | append | disk full or failing, spool at its bound | the miner is refused; a candidate goes to the nodes even so |
//! | sync | fdatasync fails | shares are refused; a candidate goes to the nodes, its row waits until the disk takes it |
//! | clock | put back by more than a minute; beyond January 2038 | times follow it, with an alarm; refused |
//! | drain | database away, lock, restart | rows wait in the spool; the writer attaches again and asks where it was |
//! | drain | a candidate is not in the database after 5 s | an alarm, in the log and in STATUS, until it is |
//! | drain | the database's clock and ours differ by more than 5 s (looked at once a minute) | the same; shares go on |
//! | drain | the server away for longer | the next one of `failover` goes on, for good, if it lacks nothing |
//! | drain | a value the table cannot hold | that row goes to the quarantine file, the rest flows; several in a row: it pauses |
//! | drain | the database lost rows, or is ahead of the spool | nothing is sent until an operator decides, restarts included |
//! | drain | ids gone back, a column gone, no transactions (engines are looked at once a minute), another writer | nothing is written until it is mended |
//! | drain | another spool's writer, without a sign of life | replaced only when it was watched for 60 s on a server that was there; a restart and an outage of the server are none |
//! | drain | a copy of this spool has written, running or not (each attachment's token is noted beside the spool first) | nothing is sent until an operator decides |
//! | submit | nodes silent, or failing themselves (starting, a full disk: error -25) | the block is submitted again, every other second at least while a node is away: for an hour without a break, then for ten minutes in every thirty, until it is settled or 14 days are over; bytes and dossier are in files for the next start |
//! | submit | a node's words do not blame the block | the same, but these words refuse it when ten minutes are over |
//! | submit | a node is away while another takes the block | it gets it when it is back: for ten minutes, and for ten more if the daemon is started again meanwhile |
//! | submit | a start finds blocks in flight | they are submitted at once; what nodes say of them counts when the profile is proven |
//! | chain | a block is orphaned, or comes back | `upstream_result` follows, by the row's id; MPOS's rounds are not touched |
//! | profile | not that of the node's chain, or the payout is not sure | no port listens; the profile that would fit is named |
//! | template | orders somebody to be paid whom we cannot pay or do not know | nothing is mined on it; an alarm says who |
//! | tip | the node would refuse our block (asked once per tip, before one is found) | an alarm, in the log and in STATUS |
//! | tip | a node lags, forks, lies, follows what others refuse or a chain that nobody mined | it is set aside with the reason, looked at again, taken back |
//! | tip | a node goes back without having taken its block back, as two behind one address do | its work from before stays for 10 s |
//! | tip | a node still takes over blocks that it has heard of, or comes back with another chain | nothing of it counts until it has, or is |
//! | tip | a node is past all work there is and gives none for 10 s | the old work is taken down: it earns nothing |
//! | tip | its template is slow | where all a block needs is known without it: work without transactions first, if so configured |
//! | tip | no node answers | the last job stays for `stale_after_secs`, then submits are refused with a reason |
//!
//! When fdatasync fails, what the kernel holds is not trusted any more: it may take pages for written that
//! never reached the disk. From that moment on ordinary shares are refused, with either durability; nothing
//! above the last good sync goes to the database; candidates and verdicts are still written and submitted.
//! Once a second everything above that sync is read back, checked, written once more and synced; when that
//! works, shares are taken again. Shares that `durability = "process"` had answered and that were not synced
//! are lost only if the machine goes down before then. If they cannot even be read back no later sync
//! counts: shares stay refused until an operator restarts the daemon, which reports the gap.
//!
//! A candidate is sent to the nodes as soon as its record is written, without waiting for any disk: a block
//! that comes later is worth less. Its record, its dossier and its bytes reach the disk beside the first
//! submission, within milliseconds, and its finder's answer waits for the bytes (five seconds at most). So a kill of
//! the process in these milliseconds can lose the block, if no node has it by then (its row is there and is
//! refused once another block has its height, because no node knows its hash and the bytes are gone), and until
//! the sync is done a power cut can lose the row of a block that a node has heard of. After it neither is lost
//! whatever happens. The bytes stay in their file until a node has the block in its best chain and every other
//! one has it or has had its ten minutes, or until the dossier is closed.
//!
//! A block candidate is a share whose hash meets the network target, whatever else is wrong with
//! it. Its row names the submitted worker if that is authorised on the connection, else the
//! connection's last authorised worker, else the coin's `fallback_worker`.
//!
//! ## Who owns what
//!
//! | state | owner | others see it by |
//! | --- | --- | --- |
//! | subscription, workers, difficulty per job, duplicates, estimator | the connection's [`stratum::session::Session`] | counters |
//! | template and tip | the poller of [`node`] | `watch` |
//! | jobs | the coin's job maker in [`service`] | `watch` of an immutable [`work::board::JobBoard`] |
//! | announcements of a job | the job: built once per size and variant by whoever asks first | shared bytes |
//! | extranonce1 | one counter per coin | the session |
//! | known workers | one directory task per place where workers are stored, with a copy in a file | message and reply |
//! | sequence, open segment | the ledger's appender, behind one short lock | `watch` of the synced number |
//! | drain position | the cursor row in the database | the drainer asks for it |
//! | found blocks until they are buried | a task each, with a dossier and the bytes in files | the ledger's verdicts, the dossiers |
//! | what operators see of a connection | the connection, in its entry of the [`stratum::roster::Roster`] | plain loads, page by page |
//! | sums over time, for hash rates | a meter per coin in [`service`], a sample every 5 s | the control socket, the metrics |
//! | connections by address, bans | [`stratum::guard::Guard`], behind short locks; bans also in the file `bans` | its answers |
//! | certificates | [`stratum::wire::certificates::Certificates`]; a reload reads them again | new handshakes |
//! | the configuration in force, the coins that run | the daemon's main loop in [`service`], one reload at a time | the scene, a `watch` of an immutable snapshot |
//! | what holds on a port | [`stratum::standing::Standing`] | whoever is accepted looks; who is connected is called |
//!
//! ## Tasks, threads, bounds
//!
//! | what | how many | bound | when it is reached |
//! | --- | --- | --- | --- |
//! | connection task | per socket, [`config::Port::connections_max`], [`config::Daemon::connections_max`] | 64 unanswered requests, 64 KiB unsent, lines per second (until a share has counted a tenth, and with all such of its address what one miner has), 16 lines in a row; 64 KiB in and 32 KiB out at the kernel | it stops reading, or others have their turn; at 256 KiB or `write_timeout` unsent it is closed; work not begun to be sent gives way to newer work |
//! | threads of newcomers | a connection is served by them until a share has counted ([`stratum::lanes`]); so are accepts, handshakes, proxy headers | one less than `worker_threads`, at least one; niceness 10 above all others | whoever else wants a processor has it first; where none is to spare, newcomers still have a tenth of what another thread has: they log in more slowly, but they do |
//! | accept loop | per port | the kernel's backlog, 16 in a row | beyond a limit of port, daemon or address, or when banned: closed at once and counted |
//! | TLS handshake | in the connection task, [`config::Handshakes`] | 256 | the oldest gives way |
//! | tables by address | [`stratum::guard`] | 50,000 to 100,000 sources each | the longest unseen is forgotten |
//! | hasher thread | cores - 1 | 256 shares each, one connection an eighth of all; 64 MiB of scratchpads | the connection waits |
//! | sync thread | per ledger | a flag | - |
//! | drainer | per ledger | reads files | the spool grows to its bound |
//! | directory | per worker store | a bounded queue | "try again" to the miner, no strike |
//! | remembered workers | per worker store | 65,536, and `remember_hours` while the database is away | the one learnt longest ago is forgotten |
//! | poller, long poll, ZMQ, peer connection | per node | `watch`; 4 MiB a message, 64 MiB a ZMQ frame | the newest wins; the connection is opened anew, ever more slowly |
//! | tips that sources told of | per coin | 32 | the oldest is forgotten |
//! | local doors (`notify.sock`, NOMP's line) | per daemon | 16 connections, 20 a second, 1 KiB a line | the next waits to be accepted; a longer line is not answered |
//! | control socket (`control.sock`, mode 0660) | per daemon | 16 connections, 50 requests a second, 4 KiB a line, 256 KiB an answer | told so and closed; waits; told so and closed; comes in pages |
//! | metrics (`[metrics]`) | per daemon | 8 connections, 4 KiB a request, 5 s | the next waits to be accepted; refused; closed |
//! | orders of operators to a connection | 8, in [`stratum::roster`] | 1,000 connections a command | a further one is not told; the command says that there are more |
//! | bans by order | 1,000, in [`stratum::guard`] | | a further one is refused |
//! | jobs per connection | 16 | older ones are unknown | |
//! | found blocks that a node is still to get | a task each and one per node, with their bytes in memory: without a verdict until the chain settles it, else ten minutes | the network's difficulty | - |
//! | looks at the nodes for found blocks | 8 a coin at once; after a start a new one every 50 ms | the next waits for its turn | |
//! | found blocks being watched | a task each | 1,000 a coin, those without a verdict counted | closed with the verdict they have |
//! | dossiers kept | 1,000 a coin | the oldest closed ones go | |
//! | duplicate keys per connection | 250,000 a tip, two tips | hashed for the sake of blocks, else refused | |
//! | rows of refused shares per connection | 500, then one a second | refused without a row | |
//!
//! Resident memory, as a sum of these bounds: 64 MiB; 150 MiB a coin if 2,000,000 duplicate keys are held; for a
//! connection 6 KiB, `line_bytes_max` and 4 KiB while a line is unfinished, 2 KiB for each of 64 unanswered requests,
//! and what it leaves unread: on a connection that has not worked the answers to a tenth of the lines of
//! `write_timeout_secs` (12 KiB by default), on others 256 KiB. So a connection of a stranger costs less than 160 KiB whatever it
//! does, and 6 KiB if it does nothing.
//!
//! Queues that must show only the newest are `watch`; queues that must lose nothing are bounded.
//!
//! ## Life
//!
//! Start: configuration, ports taken over from the service manager or bound, what the last life left of its
//! miners, spools open, READY; a new port listens from its coin's first job on, one taken over at once. A
//! database or node that is away is a state, never a failed start. Stop: nobody is accepted, connections that
//! cannot go over (TLS) are closed in turns, then nothing more is read; what was read is finished (hashed,
//! written down, answered), spools synced, the writer's lease ended, so that its spool can go on from another
//! place at once; the drain goes on at the next start.
//!
//! Between two lives the service manager's store has the listening sockets, which survive a kill as well, and
//! after an orderly stop the miners: their sockets wait in a socket pair, everything behind them in a sealed
//! file in memory ([`stratum::leaving`]). That is their sessions, the coin's jobs with the very bytes that were
//! announced, the number of its tip, the next extranonce, parked sessions. The next life goes on with that
//! work before it has asked a node, replaces it by work of its own, and takes it down if no node confirms it
//! for `stale_after_secs`. Monotonic time counts from the start of the machine, so all moments mean the same.
//! If what was left is damaged, of an unknown version or of a coin that is mined otherwise now, the sockets are
//! closed and the daemon starts as ever.
//!
//! Reload: the file is read and checked as a whole and compared with what is in force ([`config::change`], pure); ports are
//! bound, certificates loaded, new nodes asked whose chain they are on, spools opened; only then is anything changed, and
//! from there on nothing can fail. Ports keep their listeners, guards and connections and get other terms. A key that
//! cannot change in a running daemon keeps its old value and is named with the reason until a restart. A removed port
//! takes nobody in; its miners stay until they leave, because work is worth the same wherever it comes in, unless it
//! advertises another place. A removed coin sends its miners away; its blocks are pursued until the nodes have decided
//! about them, its spool is drained, then both end.
//!
//! The service manager's watchdog is fed by a task of the runtime while every loop with a [`pulse::Pulse`] turns
//! (sync threads, drainers, job makers). A wait for the spool's disk is not held against it: a new process would
//! wait there, too. A panic is a bug and ends the process; systemd starts it again, and the spool knows
//! everything that was acknowledged.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::float_cmp,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "tests fail by panicking and compare exact values on purpose"
    )
)]

pub mod bytes;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod coin;
pub mod config;
pub mod difficulty;
pub mod exit;
pub mod histogram;
pub mod ledger;
pub mod mpos;
pub mod node;
pub mod pow;
pub mod pulse;
pub mod service;
pub mod stratum;
pub mod work;
pub mod worker;
