//! The house itself: its store, its configuration, its keys and its end.

use std::time::Duration;

// --- store --------------------------------------------------------------------------------------

/// Commands in one transaction: at 64 the flush is already shared to death, and the callers of a
/// group wait for each other.
pub const GROUP_COMMANDS_MAX: usize = 64;

/// How long the lane of a thread waits, in steps of this, for a group of at least so many commands to
/// come back after its answer: a tenth of what writing it took.
pub const GROUP_RETURN_MAX: Duration = Duration::from_micros(200);
pub const GROUP_RETURN_STEP: Duration = Duration::from_micros(20);
pub const GROUP_RETURN_COMMANDS_MIN: usize = 8;

/// Bytes in one transaction: keeps a group's write under a few milliseconds on a slow disk. One
/// command above it goes alone.
pub const GROUP_BYTES_MAX: usize = 4 << 20;

/// Commands waiting for the writer, in all. Beyond it callers wait (back-pressure), and give up at
/// their own deadlines.
pub const WRITER_QUEUE_MAX: usize = 1024;

/// A body above this is written in chunks before its message row, outside the group, so that one
/// large mail does not hold up 63 small ones.
pub const BODY_INLINE_BYTES_MAX: usize = 1 << 20;

/// Below this a body is kept as it is: compressing 10 KB costs more CPU than the whole commit of the
/// mail, and saves a few pages.
pub const BODY_PACK_BYTES_MIN: usize = 32 << 10;

/// One chunk of a large body: one row, one statement, one short transaction.
pub const BODY_CHUNK_BYTES: usize = 512 << 10;

/// What a body may unpack to: a stored size above it is a damaged row, not a mail.
pub const BODY_BYTES_MAX: usize = 256 << 20;

/// Statements slower than this are logged by name.
pub const STORE_SLOW: Duration = Duration::from_millis(200);

/// No read holds a snapshot longer than this: SQLite's log cannot shrink under an old reader.
pub const STORE_READ_MAX: Duration = Duration::from_secs(5);

/// How long one write statement, or COMMIT, may take before the connection is given up and its
/// outcome asked for on a new one.
pub const STORE_WRITE_MAX: Duration = Duration::from_secs(30);

/// How long SQLite's writer waits for a lock that another process holds.
pub const SQLITE_BUSY_MAX: Duration = Duration::from_secs(5);

/// How long a change may wait for its answer in all: in the queue, in its group, and for a lost commit
/// to be found out.
pub const STORE_ANSWER_MAX: Duration = Duration::from_secs(60);

/// How often a lane in a thread of its own is looked after.
pub const STALL_LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long opening a connection to the store may take.
pub const STORE_CONNECT_MAX: Duration = Duration::from_secs(10);

/// A slice of housekeeping between two groups: what a waiting mail may lose to a purge.
pub const CHORE_SLICE_MAX: Duration = Duration::from_millis(5);

/// Purges waiting for their turn: each runs to its end before the next begins.
pub const CHORE_QUEUE_MAX: usize = 16;

/// Rows one slice of housekeeping touches at most, however fast it goes.
pub const CHORE_ROWS_MAX: i64 = 2_000;

/// How long the mark of a commit is kept: far longer than any caller waits for its answer.
pub const COMMIT_MARKS_KEPT: Duration = Duration::from_secs(3_600);

/// How long chunks may wait for their message before they count as orphans of a crash.
pub const ORPHAN_CHUNKS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How often housekeeping makes its round.
pub const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// SQLite's log beyond this is cut by force between two groups: it costs disk and start-up time.
pub const WAL_BYTES_MAX: u64 = 256 << 20;

/// Rows that one page of a listing returns at most.
pub const PAGE_ROWS_MAX: i64 = 100;

/// Rows of the queue read at once by dispatch or an operator, at most.
pub const QUEUE_ROWS_MAX: i64 = 1_000;

/// Lanes (a tenant's stream) read at once.
pub const LANES_PAGE_ROWS: i64 = 1_000;

/// Deliveries that become ready in one transaction: a few milliseconds, which mail waits for.
pub const PROMOTE_ROWS: usize = 500;

/// Messages read with their bodies at once: each may be `BODY_INLINE_BYTES_MAX`. The statement names as many.
pub const MAILS_AT_ONCE: usize = 32;

/// Deliveries that one page of the queue looks at, however few its filter finds: the page is then short
/// and says where to go on.
pub const LIST_EXAMINED_MAX: i64 = 2_000;

/// Up to how many deliveries of one state are counted for each destination.
pub const DESTINATION_COUNTED_MAX: i64 = 10_000;

/// Leased deliveries that the list of destinations looks at: as many as all nodes could hold.
pub const LEASED_COUNTED_MAX: i64 = 20_000;

/// Deliveries, attempts and events, each, that the life of one message shows.
pub const LIFE_ROWS_MAX: i64 = 1_000;

/// Up to how many deliveries the preview of an operator's action counts, and how long it may take.
pub const COUNTED_MAX: u64 = 10_000;
pub const COUNT_MAX: Duration = Duration::from_secs(10);

/// Deliveries that an operator's action moves in one transaction, and in one call: who goes on is told
/// where.
pub const STEER_ROWS: usize = 250;
pub const STEER_ROWS_MAX: u64 = 10_000;

/// How long one call of an operator's action may take before it says where to go on: below
/// `HTTP_REQUEST_MAX`.
pub const STEER_MAX: Duration = Duration::from_secs(15);

/// Refusals that an operator's action shows; the rest is counted.
pub const STEER_REFUSALS_SHOWN: usize = 20;

/// How often a node says that it lives, and how long one try to say so may take.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);
pub const BEAT_MAX: Duration = Duration::from_secs(5);

/// A node that could not say so for this long sends no final dot any more: half of what the others wait
/// before they take what it holds.
pub const BEAT_MISSED_MAX: Duration = Duration::from_secs(15);

/// A node is dead when it was silent for this long by the database's clock.
pub const NODE_SILENT_MAX: Duration = Duration::from_secs(30);

/// Holders of leases looked at in one go: nodes, and starts of them that ended badly.
pub const HOLDERS_MAX: i64 = 1_000;

/// Leases recovered in one transaction.
pub const RECOVER_ROWS: i64 = 250;

/// Addresses looked up among the suppressions at once. The statement names as many.
pub const SUPPRESSIONS_AT_ONCE: usize = 32;

/// How often it is asked who was suppressed since: a node knows of it within two of these.
pub const SUPPRESSIONS_POLL: Duration = Duration::from_secs(1);

/// How far back is asked each time: a suppression is dated before it is committed. Once in so many rounds it is
/// asked further back, for what a store that did not answer kept waiting.
pub const SUPPRESSIONS_OVERLAP: Duration = Duration::from_secs(10);
pub const SUPPRESSIONS_OVERLAP_LONG: Duration = Duration::from_secs(600);
pub const SUPPRESSIONS_LONG_EVERY: u64 = 60;

/// What is known of them without having been asked for so long is not believed: the store is asked for each
/// recipient instead.
pub const SUPPRESSIONS_BELIEVED_MAX: Duration = Duration::from_secs(10);

/// Recent ones that are kept apart from all others, at most: adding one copies these.
pub const SUPPRESSIONS_RECENT_MAX: usize = 4_096;

/// Rows of one read of them: 100 bytes each.
pub const SUPPRESSIONS_PAGE_ROWS: i64 = 2_000;

/// After this all of them are read anew: what was lifted or has expired is forgotten, so that the store is not
/// asked about it for ever.
pub const SUPPRESSIONS_REREAD: Duration = Duration::from_secs(3_600);

/// A try whose recipient could not be looked up among the suppressed waits for so long.
pub const SUPPRESSIONS_PAUSE: Duration = Duration::from_secs(5);

/// A list of suppressions that is imported in one request, and its rows in one transaction.
pub const IMPORT_BYTES_MAX: usize = 8 << 20;
pub const IMPORT_ROWS_AT_ONCE: usize = 250;

/// Lines of an import that are told with what is wrong with them; the others are counted.
pub const IMPORT_ERRORS_SHOWN: usize = 100;

/// One statement of a backup or a restore: it may read a whole table, or check a whole file.
pub const COPY_STATEMENT_MAX: Duration = Duration::from_secs(3_600);

/// What is copied from one store to another at a time: rows, and bytes (at least one row). Twice this is
/// what a backup holds in memory.
pub const COPY_ROWS_MAX: i64 = 512;
pub const COPY_BYTES_MAX: i64 = 4 << 20;

/// The definition of one entry of the directory in the store, in JSON: a credential for ten thousand
/// domains fits.
pub const DEFINITION_BYTES_MAX: usize = 1 << 20;

/// Values in one such definition, lists and tables included: each unknown one costs a search for the
/// nearest known.
pub const DEFINITION_NODES_MAX: usize = 20_000;

/// How often the version row is polled: a key revoked on one node is dead on the others within two
/// of these.
pub const DIRECTORY_POLL: Duration = Duration::from_secs(1);

// --- configuration ------------------------------------------------------------------------------

/// A configuration file is read whole: beyond this it is not one an admin wrote.
pub const CONFIG_BYTES_MAX: u64 = 8 << 20;

/// A secret in a file is a password or a key: beyond this the wrong file was named.
pub const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// Findings shown of one configuration file: who has more begins with the first hundred.
pub const CONFIG_FINDINGS_MAX: usize = 100;

/// Findings for which the nearest of all domains is searched.
pub const CONFIG_SUGGESTIONS_MAX: usize = 20;

/// Addresses to listen on, in all: each is a socket and a task, and none is made by accident.
pub const LISTENERS_MAX: usize = 1_000;

/// Bytes of one line of a configuration file that are shown around a mistake.
pub const CONFIG_LINE_BYTES_MAX: usize = 400;

/// The name of a tenant, relay or mailbox: it stands in paths, log lines and metrics.
pub const NAME_BYTES_MAX: usize = 64;

/// A login. RFC 4616 2 allows 255 octets in AUTH PLAIN; an address fits.
pub const LOGIN_BYTES_MAX: usize = 255;

/// A web address in a setting: what browsers and proxies still take.
pub const URL_BYTES_MAX: usize = 2_000;

/// A route's regular expression, compiled, and again its cache while it matches: an expression an
/// admin can read needs a few kilobytes.
pub const PATTERN_BYTES_MAX: usize = 256 << 10;

/// The reason in a refusal. RFC 5321 4.5.3.1.5: a reply line has at most 512 octets with its code.
pub const REASON_BYTES_MAX: usize = 400;

/// Connections to one store, or to one destination, at most: beyond it they only wait for each other.
pub const CONNECTIONS_MAX: u32 = 1_000;

/// What `[delivery] connections` can be set to, for all destinations together: each is a socket, a task
/// and about 30 KB with TLS.
pub const DELIVERY_CONNECTIONS_MAX: u32 = 20_000;

/// What `recipients_per_transaction` can be set to. RFC 5321 4.5.3.1.8: a server must take 100, and few
/// take more than a thousand.
pub const TRANSACTION_RECIPIENTS_MAX: u32 = 1_000;

/// How long an open connection may be kept for the next message at most: servers wait five minutes for a
/// command (RFC 5321 4.5.3.2.7), and many less.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(240);

/// What `connection_age` can be set to.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3_600);

/// What `connection_messages` can be set to.
pub const CONNECTION_MESSAGES_MAX: u32 = 100_000;

/// What `[delivery] memory` can be set to, in bytes: one message of a small limit at least.
pub const DELIVERY_MEMORY_MIN: u64 = 1 << 20;
pub const DELIVERY_MEMORY_MAX: u64 = 1 << 40;

/// What `in_flight` can be set to: deliveries in memory, about a kilobyte each without their message.
pub const IN_FLIGHT_MAX: u32 = 1_000_000;

/// Addresses of one `[[source]]`: a /24 of them.
pub const SOURCE_ADDRESSES_MAX: usize = 256;

/// Steps of the retry plan, at most: an hour-by-hour plan of a week.
pub const RETRY_STEPS_MAX: usize = 200;

/// The longest life of an undelivered message: nobody expects mail a month later (RFC 5321
/// 4.5.4.1 asks for at least 4 to 5 days).
pub const EXPIRE_MAX: Duration = Duration::from_secs(30 * 86_400);

// --- certificates -------------------------------------------------------------------------------

/// A chain or key file: beyond this the wrong file was named.
pub const PEM_FILE_BYTES_MAX: u64 = 1 << 20;

// --- metrics ------------------------------------------------------------------------------------

/// How often samples of histograms are folded into buckets when nobody scrapes: what waits grows
/// with traffic.
pub const METRICS_UPKEEP: Duration = Duration::from_secs(5);

// --- daemon -------------------------------------------------------------------------------------

/// How long work in flight may take to end after SIGTERM.
pub const DRAIN_MAX: Duration = Duration::from_secs(30);

/// The first and the longest pause before a store that cannot be opened at start is tried again.
pub const STORE_OPEN_PAUSE_FIRST: Duration = Duration::from_millis(250);
pub const STORE_OPEN_PAUSE_LONGEST: Duration = Duration::from_secs(10);

/// How often the store is asked whether it is there, when nothing else asks: an idle node must not take
/// traffic for a database that is gone. And how long it may take to say so.
pub const STORE_PULSE_EVERY: Duration = Duration::from_secs(1);
pub const STORE_PULSE_MAX: Duration = Duration::from_secs(5);

/// How long a new listener waits for the socket of the one whose port it takes over.
pub const REBIND_MAX: Duration = Duration::from_secs(2);

/// How long the control socket and the HTTP doors may take to end once everything else has, and a
/// goodbye to the store may take.
pub const LAST_WORDS_MAX: Duration = Duration::from_secs(2);
