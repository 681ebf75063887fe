//! What whoever comes to our doors may take up, by SMTP and HTTP.

use std::time::Duration;

// --- doors: listeners and connections -----------------------------------------------------------

/// Connections waiting in the kernel for `accept`, per listener: a burst, not a queue. Linux cuts it
/// to net.core.somaxconn (4096 by default).
pub const ACCEPT_BACKLOG: i32 = 1024;

/// What `[smtp] connections` and its like can be set to: a million sockets is more than one process
/// should hold. Their defaults stand with the settings.
pub const SMTP_CONNECTIONS_MAX: u32 = 1_000_000;

/// Clients of one listener whose connection rate is watched: beyond it new ones go unwatched, within
/// the bounds on open connections. Needs a flood from as many addresses within one interval.
pub const CLIENTS_WATCHED_MAX: usize = 100_000;

/// Connections open at once on one HTTP address. Not counted per client: a reverse proxy is one.
pub const HTTP_CONNECTIONS_MAX: usize = 500;

/// Connections open at once on the control socket: a few commands of a few people.
pub const CONTROL_CONNECTIONS_MAX: usize = 32;

/// Pause after a failed accept (no file descriptors, no memory): first and longest. It must not
/// spin, and it must notice soon that a descriptor is free again.
pub const ACCEPT_PAUSE_FIRST: Duration = Duration::from_millis(10);
pub const ACCEPT_PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// A TLS handshake, from the first byte to the last: three round trips and a slow phone.
pub const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(30);

/// PROXY protocol, version 1: "the longest line is 107 bytes" with its CRLF (proxy-protocol.txt 2.1).
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// PROXY protocol, version 2: the head (16 bytes), the addresses (at most 216) and the fields that a
/// balancer adds, a client's certificate among them. The length on the wire would allow 64 KiB.
pub const PROXY_V2_BYTES_MAX: usize = 4 << 10;

/// How long a proxy may take for its header. It is the first thing it sends, in one packet: this leaves
/// time to lose that packet twice.
pub const PROXY_HEADER_MAX: Duration = Duration::from_secs(10);

/// After our last word: how long, and how many bytes, we still read and discard, so that the kernel
/// does not answer unread input with a reset that overtakes the word.
pub const LINGER_MAX: Duration = Duration::from_secs(2);
pub const LINGER_BYTES_MAX: usize = 64 << 10;

// --- SMTP commands ------------------------------------------------------------------------------

/// RFC 5321 4.5.3.1.4: a command line is at most 512 octets with its CRLF.
pub const COMMAND_BYTES_MAX: usize = 512;

/// MAIL and RCPT with the parameters of all extensions. In octets, 26 for SIZE, 17 for BODY, 10 for SMTPUTF8, 34
/// for FUTURERELEASE, 500 for AUTH=, 528 for those of DSN, and what a UTF-8 address needs.
pub const PATH_LINE_BYTES_MAX: usize = 2048;

/// RFC 4954 4: AUTH and the lines of its dialogue; OAuth tokens fill them.
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;

/// RFC 3461 4.4 and 4.2: ENVID, and ORCPT with its type.
pub const ENVID_BYTES_MAX: usize = 100;
pub const ORCPT_BYTES_MAX: usize = 500;

/// What is read and thrown away of one message, or one chunk, that is refused already: after it the
/// connection is closed.
pub const DATA_SWALLOW_BYTES_MAX: usize = 64 << 20;

/// Chunks of one message: who needs more sends a byte at a time.
pub const CHUNKS_MAX: u32 = 10_000;

/// What one read of message data takes at most.
pub const DATA_READ_BYTES: usize = 64 << 10;

/// RFC 5321 4.5.3.2.5: the longest pause between two blocks of a message.
pub const DATA_PAUSE_MAX: Duration = Duration::from_secs(180);

/// A message has this long, and a second more for each `data_rate_min` bytes that have come: a slow line
/// sends a megabyte in half an hour, a client that only holds the connection is sent away.
pub const DATA_GRACE: Duration = Duration::from_secs(120);

/// What is written down of one conversation.
pub const TRANSCRIPT_BYTES_MAX: usize = 256 << 10;

/// How long transcripts are kept, and how many at most: they are for looking at, not an archive.
pub const TRANSCRIPTS_KEPT: Duration = Duration::from_secs(7 * 86_400);
pub const TRANSCRIPTS_MAX: usize = 10_000;

/// How far ahead a submitted message may be held (RFC 4865).
pub const HOLD_MAX: Duration = Duration::from_secs(30 * 86_400);

/// How long MAIL waits for what the DNS says of the sender's domain; then it is taken as it is.
pub const SENDER_LOOKUP_MAX: Duration = Duration::from_secs(5);

/// What control headers may say: text enough for a template, and no more than a reply or a row is good for.
pub const VARIABLES_BYTES_MAX: usize = 64 << 10;
pub const VARIABLES_DEPTH_MAX: usize = 16;
pub const VARIABLE_NAME_BYTES_MAX: usize = 64;
pub const CONTROL_VALUE_BYTES_MAX: usize = 1_024;
pub const TAGS_MAX: usize = 10;
pub const TAG_BYTES_MAX: usize = 64;
pub const METADATA_KEYS_MAX: usize = 20;
pub const METADATA_KEY_BYTES_MAX: usize = 64;
pub const METADATA_VALUE_BYTES_MAX: usize = 512;
pub const LOCALE_BYTES_MAX: usize = 35;

/// The address that ends a stream of mail: it stands on one line of a header (RFC 5322 2.1.1: 998).
pub const UNSUBSCRIBE_URL_BYTES_MAX: usize = 900;

/// What is remembered of removed control headers, all together: for people, not for programs.
pub const REMOVED_BYTES_MAX: usize = 8 << 10;
pub const REMOVED_VALUE_BYTES_MAX: usize = 1 << 10;

/// The reason of a refusal by a control header: one reply line with its code.
pub const CONTROL_REFUSAL_BYTES_MAX: usize = 400;

/// What was said in vain and is noted: more of it tells nobody more.
pub const WARNINGS_MAX: usize = 20;

/// How little time a sender may give a message: one try needs some.
pub const EXPIRE_AFTER_MIN: Duration = Duration::from_secs(60);

/// An idempotency key, and how long it stands for its message: longer than any queue of a program tries.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(86_400);

/// RFC 5321 4.5.3.1.5: a reply line is at most 512 octets with its code and CRLF.
pub const REPLY_LINE_BYTES_MAX: usize = 512;

/// How much of an over-long line is read and thrown away before the connection is closed instead.
pub const LINE_SWALLOW_BYTES_MAX: usize = 64 << 10;

/// What one read from a client takes at most; what is buffered before DATA is this plus one line.
pub const COMMAND_READ_BYTES: usize = 4 << 10;

/// RFC 5321 4.5.3.2.7: a server waits at least 5 minutes for the next command. Counted for the whole
/// command, not per read, so that one byte a minute does not keep a connection.
pub const COMMAND_MAX: Duration = Duration::from_secs(300);

/// How long the client may take to make room for our replies.
pub const REPLY_WRITE_MAX: Duration = Duration::from_secs(60);

/// Commands refused with 5xx before the client is taken for a scanner and sent away with 421.
pub const COMMAND_ERRORS_MAX: u32 = 20;

/// Commands that bring no mail (NOOP, RSET, EHLO, …) before 421: keep-alives end some day.
pub const COMMANDS_WITHOUT_MAIL_MAX: u32 = 200;

// --- logins -------------------------------------------------------------------------------------

/// A password that a client sends. RFC 4616 2 allows 255 octets; tokens in its place are longer.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// A client's part of SCRAM's nonce (RFC 5802 5.1): libraries send 18 to 64.
pub const NONCE_BYTES_MAX: usize = 256;

/// The salt of a stored password: RFC 9106 3.1 allows 8 at least, nobody uses more than 64.
pub const SALT_BYTES_MIN: usize = 8;
pub const SALT_BYTES_MAX: usize = 64;

/// The hash of a stored password: shorter is cut off, longer is no better.
pub const HASH_BYTES_MIN: usize = 16;
pub const HASH_BYTES_MAX: usize = 64;

/// What one check of a password may cost: 256 MiB, and a second of a core in memory times passes. Anyone
/// can make us pay it by trying a login.
pub const ARGON2_KIB_MAX: u32 = 256 << 10;
pub const ARGON2_PASSES_MAX: u32 = 1_000;
pub const ARGON2_WORK_MAX: u64 = 2 << 20;
pub const ARGON2_LANES_MAX: u32 = 64;

/// SCRAM keys are derived with up to so many iterations: half a second of a core.
pub const SCRAM_ITERATIONS_MAX: u32 = 2_000_000;

/// Passwords waiting for a core to be checked on, identical ones counted once. Beyond it the answer is
/// 454: at 10 ms each the last would have waited 2.5 s.
pub const LOGIN_CHECKS_WAITING_MAX: usize = 256;

/// How long one login may wait for its check, however many wait: below the patience of any client.
pub const LOGIN_CHECK_MAX: Duration = Duration::from_secs(10);

/// How long a password that was right is known to be right: what a thousand connections a second of one
/// application are spared.
pub const LOGIN_REMEMBERED: Duration = Duration::from_secs(60);

/// How many of them: 40 bytes each, and far more logins than anybody has.
pub const LOGINS_REMEMBERED_MAX: usize = 20_000;

/// Failed logins of one address, one /64 of IPv6 or one login are forgotten when there was none for so
/// long.
pub const LOGIN_FAILURES_KEPT: Duration = Duration::from_secs(3_600);

/// Addresses, networks and logins, each, whose failures are remembered: about 100 bytes each. Beyond it
/// the oldest are forgotten.
pub const LOGIN_FAILURES_MAX: usize = 50_000;

/// Failures that are answered at once: people mistype.
pub const LOGIN_FAILURES_FREE: u32 = 2;

/// How long the answer to the next failure waits, doubled with each further one. Only failures wait: who
/// guesses at another's login does not slow down its owner.
pub const LOGIN_DELAY_FIRST: Duration = Duration::from_millis(500);
pub const LOGIN_DELAY_LONGEST: Duration = Duration::from_secs(8);

/// Failures after which an address is sent away, and a whole /64 of IPv6 (a site with many people).
pub const LOGIN_FAILURES_BAN: u32 = 20;
pub const LOGIN_FAILURES_BAN_NET: u32 = 60;

/// How long it is sent away.
pub const LOGIN_BAN: Duration = Duration::from_secs(900);

// --- limits on sending --------------------------------------------------------------------------

/// Limits in memory of which something is spent, in all: each is about 100 bytes. Beyond it mail that
/// needs another one waits.
pub const LIMIT_BUCKETS_MAX: usize = 500_000;

/// Tables of buckets below this are not swept: it would gain nothing.
pub const SWEEP_MIN: usize = 1_024;

/// How many windows ahead of now a bucket is believed to be full: several nodes that spend at once
/// overshoot; beyond this a clock was wrong.
pub const LIMIT_WINDOWS_AHEAD_MAX: i64 = 4;

/// How often what was spent is saved: a crash forgets this much, and other nodes learn of it this late.
pub const LIMITS_SAVE_EVERY: Duration = Duration::from_secs(5);

/// Limits saved in one transaction: each is a statement, and mail waits behind them.
pub const LIMITS_SAVED_AT_ONCE: usize = 100;

/// Limits read at once.
pub const LIMITS_PAGE_ROWS: i64 = 2_000;

/// How far back changed limits are read again: a change is dated before it is committed, and may take
/// `STORE_ANSWER_MAX` to get there.
pub const LIMITS_OVERLAP: Duration = Duration::from_secs(90);

/// How long a saved limit is kept after it ran empty: clocks of nodes differ.
pub const LIMITS_KEPT: Duration = Duration::from_secs(3_600);

// --- HTTP ---------------------------------------------------------------------------------------

/// One request head, and what a connection buffers of it and of an answer. Browsers and proxies stay
/// below 8 KiB.
pub const HTTP_HEAD_BYTES_MAX: usize = 32 << 10;
pub const HTTP_BUFFER_BYTES: usize = 64 << 10;

pub const HTTP_HEADERS_MAX: usize = 100;

/// How long a request head may take, and a kept-alive connection may idle before one.
pub const HTTP_HEAD_MAX: Duration = Duration::from_secs(30);

/// How long a request may take from its head to its answer's head; beyond it 503.
pub const HTTP_REQUEST_MAX: Duration = Duration::from_secs(30);

/// A request body, where a resource does not name its own bound.
pub const HTTP_BODY_BYTES_MAX: usize = 1 << 20;

/// A request body of the API that only steers: names, a filter, a reason.
pub const API_BODY_BYTES_MAX: usize = 64 << 10;

/// One text in it, or in a query: an address has at most 320 bytes, a reason a few lines.
pub const API_TEXT_BYTES_MAX: usize = 2_000;

/// Characters of an unknown field's name that are repeated in the answer.
pub const API_NAME_SHOWN_MAX: usize = 100;

/// Rows of a page where the caller does not say.
pub const API_PAGE_ROWS: usize = 20;

/// After this a kept-alive connection is asked to end, and cut one `HTTP_REQUEST_MAX` later: also
/// the bound for a client that stops reading its answer.
pub const HTTP_CONNECTION_MAX: Duration = Duration::from_secs(600);

/// What a command reads from the control socket at most, and how long it waits.
pub const CONTROL_ANSWER_BYTES_MAX: usize = 64 << 20;
pub const CONTROL_ANSWER_MAX: Duration = Duration::from_secs(60);

/// As a client: how long connecting to one address may take, and how many addresses of one name are tried.
pub const HTTPS_CONNECT_MAX: Duration = Duration::from_secs(5);
pub const HTTPS_ADDRESSES_MAX: usize = 4;
