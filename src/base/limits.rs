//! Every bound of the house, with its unit and its reason. A bound that is not here does not exist;
//! at a bound the answer is polite and temporary, counted, and tested.

use std::time::Duration;

// --- names and addresses ------------------------------------------------------------------------

/// RFC 5321 4.5.3.1.2: a domain name or number is at most 255 octets (253 without the root dot).
pub const DOMAIN_NAME_BYTES_MAX: usize = 253;

/// RFC 5321 4.5.3.1.1: a local part is at most 64 octets.
pub const LOCAL_PART_BYTES_MAX: usize = 64;

/// RFC 5321 4.5.3.1.3: a path is at most 256 octets with its angle brackets, so 254 without them.
pub const ADDRESS_BYTES_MAX: usize = 254;

/// A header with all its fields. Large providers stop between 256 and 512 KiB; beyond it somebody plays.
pub const HEADER_BYTES_MAX: usize = 512 << 10;

/// One From or Sender field, and the addresses in it: each costs a lookup, and a person has one.
pub const ADDRESS_FIELD_BYTES_MAX: usize = 16 << 10;
pub const AUTHORS_MAX: usize = 100;

/// What is kept of a subject to be shown, and of a Message-ID to be found by (RFC 5322 2.1.1: a line).
pub const SUBJECT_BYTES_MAX: usize = 512;
pub const HEADER_ID_BYTES_MAX: usize = 998;

/// Entities within entities that are opened to write a message in 7-bit lines, and parts of one message in all: real
/// mail has ten and some hundred. Each level reads its bytes once more, and each part takes a place in a list.
pub const MIME_DEPTH_MAX: usize = 30;
pub const MIME_PARTS_MAX: usize = 10_000;

/// Links of one message that are told apart: a newsletter has a hundred. Each takes a place in a list and may take a
/// token; a part with more of them is left as it is.
pub const LINKS_MAX: usize = 5_000;

/// Gmail cuts off what stands behind about 102 kB of HTML, and the pixel with it.
pub const HTML_CLIP_BYTES: usize = 102 << 10;

/// What is quoted in a Received field of a name that is none.
pub const HELLO_SHOWN_MAX: usize = 255;

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

// --- mail as it is received ---------------------------------------------------------------------

/// RFC 5321 4.5.3.1.7: at least 64 KiB of message are taken.
pub const MESSAGE_BYTES_MIN: u32 = 64 << 10;

/// What `recipients_max` can be set to. RFC 5321 4.5.3.1.8: at least 100; at most what one commit can
/// write in a second.
pub const RECIPIENTS_MIN: u32 = 100;
pub const RECIPIENTS_MAX: u32 = 10_000;

/// What `received_max` can be set to. RFC 5321 6.3: the threshold is large, normally at least 100; a mail
/// with a thousand hops goes in a circle.
pub const RECEIVED_MIN: u32 = 25;
pub const RECEIVED_MAX: u32 = 1_000;

/// What `messages_per_connection` can be set to.
pub const MESSAGES_PER_CONNECTION_MAX: u32 = 1_000_000;

/// What `body_memory` can be set to, in bytes: a terabyte is no budget any more.
pub const BODY_MEMORY_MAX: u64 = 1 << 40;

/// What `data_rate_min` can be set to, in bytes a second: faster than that are not all good clients.
pub const DATA_RATE_MAX: u32 = 1 << 20;

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

// --- tracked links ------------------------------------------------------------------------------

/// A destination that stands in the token itself: with it a tracked link has some 1,030 characters, and mail
/// programs follow 2,000. Longer ones get a row in the store.
pub const TOKEN_URL_BYTES_MAX: usize = 699;

/// A destination that is tracked at all. RFC 9110 4.1 asks everybody to take 8,000 octets.
pub const LINK_BYTES_MAX: usize = 8_000;

/// Destinations known by heart of those in the store, each up to `LINK_BYTES_MAX`.
pub const LINKS_KNOWN_MAX: usize = 1_000;

/// How long a new key waits until links are made with it: by then every node knows it (`DIRECTORY_POLL`), clocks that
/// differ a little included.
pub const LINK_KEY_SETTLES: Duration = Duration::from_secs(10);

/// Opens and clicks that wait to be written, at some 1.5 KB: beyond it they are not counted, and nobody waits.
pub const SIGHTINGS_WAITING_MAX: usize = 4_096;

/// How many of them are written in one transaction.
pub const SIGHTINGS_AT_ONCE: usize = 64;

/// The pause before sightings that the store did not take are tried again: first and longest.
pub const SIGHTINGS_PAUSE_FIRST: Duration = Duration::from_millis(100);
pub const SIGHTINGS_PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// What is kept of a User-Agent: browsers' have some 120 characters.
pub const USER_AGENT_BYTES_MAX: usize = 256;

/// What is posted to unsubscribe: one field.
pub const UNSUBSCRIBE_BODY_BYTES_MAX: usize = 8 << 10;

/// Messages whose owner is known by heart while somebody is suspended, at some 150 bytes.
pub const OWNERS_KNOWN_MAX: usize = 10_000;

// --- certificates -------------------------------------------------------------------------------

/// A chain or key file: beyond this the wrong file was named.
pub const PEM_FILE_BYTES_MAX: u64 = 1 << 20;

// --- signatures ----------------------------------------------------------------------------------

/// Fields of one header that are signed: no honest one has a tenth of it, and each is named in every signature.
pub const SIGNED_FIELDS_MAX: usize = 200;

/// How long a second key's record is in the DNS before it signs: longer than servers take to hear of each other, and
/// than caches keep that there was none (RFC 2308 5: up to a day).
pub const DKIM_SPREADS_IN: Duration = Duration::from_secs(86_400);

/// How long a key's record stays after it signed last: mail waits for up to five days, and may be verified late.
pub const DKIM_RETIRES_IN: Duration = Duration::from_secs(7 * 86_400);

/// Keys of one domain that are not retired: two kinds, old and new, and a few that somebody tried.
pub const DKIM_KEYS_OF_DOMAIN_MAX: usize = 16;

/// Keys that are read at all: two for each of more domains than one house has.
pub const DKIM_KEYS_MAX: usize = 20_000;

/// How often the keys are gone through, and how long a look at one is good for: somebody waits for a new one, and
/// nobody for one that signs.
pub const DKIM_ROUND_EVERY: Duration = Duration::from_secs(60);
pub const DKIM_LOOK_NEW: Duration = Duration::from_secs(300);
pub const DKIM_LOOK_SETTLED: Duration = Duration::from_secs(6 * 3_600);

/// Looks in one round, and at once: thousands of keys are spread over many rounds.
pub const DKIM_LOOKS_IN_ROUND: usize = 200;
pub const DKIM_LOOKS_AT_ONCE: usize = 8;

/// A look that takes longer says nothing: a page of them has to fit into one request.
pub const DKIM_LOOK_MAX: Duration = Duration::from_secs(5);

// --- mail to other servers -----------------------------------------------------------------------

/// A line of a remote's reply with its CRLF: RFC 5321 4.5.3.1.5 has 512, and lines of an AUTH dialogue 12,288
/// (RFC 4954 4).
pub const RESPONSE_LINE_BYTES_MAX: usize = 12_288;

/// A whole reply of a remote: the longest answers to EHLO have thirty lines.
pub const RESPONSE_LINES_MAX: usize = 200;
pub const RESPONSE_BYTES_MAX: usize = 32 << 10;

/// What is kept and read of a reply's text as the answer about a recipient: a few lines of 512 (RFC 5321
/// 4.5.3.1.5), and what matters stands in the first two.
pub const RESPONSE_TEXT_BYTES_MAX: usize = 2 << 10;

/// What one read from a remote takes at most.
pub const RESPONSE_READ_BYTES: usize = 4 << 10;

/// Commands said before the answers to them are read (RFC 2920 3.1: who only writes and a remote that only
/// writes wait for each other; so many replies fit into any window).
pub const PIPELINED_COMMANDS_MAX: usize = 100;

/// A message up to this goes out with its envelope, where chunks are taken (RFC 3030): a round trip is saved,
/// and little is wasted when nobody is accepted.
pub const ONE_FLUSH_BYTES_MAX: usize = 64 << 10;

/// What is said at once of a message, and the last chunk of a binary one: may it be finished is asked once more
/// before it.
pub const MESSAGE_SLICE_BYTES: usize = 64 << 10;

/// Slices of a message in one call of the system.
pub const MESSAGE_SLICES_AT_ONCE: usize = 16;

/// A connection unused for longer may have been closed at the other end: its first command is heard before a
/// message follows, so that a message is never said to one that is gone.
pub const UNHEARD_MAX: Duration = Duration::from_secs(2);

/// RFC 5321 4.5.3.2: how long a remote may take for its greeting, and for an answer to a command.
pub const GREETING_WAIT: Duration = Duration::from_secs(300);
pub const COMMAND_WAIT: Duration = Duration::from_secs(300);

/// RFC 5321 4.5.3.2.4: for its answer to DATA; 4.5.3.2.5: for taking a piece of the message.
pub const DATA_WAIT: Duration = Duration::from_secs(120);
pub const PIECE_WAIT: Duration = Duration::from_secs(180);

/// RFC 5321 4.5.3.2.6: for its answer to the final dot. Less makes duplicates (RFC 1047).
pub const MESSAGE_WAIT: Duration = Duration::from_secs(600);

/// How long a TCP connection may take to be made: three lost packets and their repetitions.
pub const CONNECT_WAIT: Duration = Duration::from_secs(30);

/// RFC 8305 5: the head start of an address before the next is tried beside it.
pub const CONNECT_HEAD_START: Duration = Duration::from_millis(250);

/// How long opening a session may take, over all hosts: a slow greeting, and time for another host.
pub const SESSION_OPEN_MAX: Duration = Duration::from_secs(600);

/// How long one transaction may take, and a second more for each so many bytes: a host that answers each
/// command at the last moment does not hold a connection for days.
pub const TRANSACTION_MAX: Duration = Duration::from_secs(3_600);
pub const DELIVERY_BYTES_PER_SECOND_MIN: u64 = 4 << 10;

/// RSET and QUIT: nothing hangs on their answers but the connection.
pub const RESET_WAIT: Duration = Duration::from_secs(30);
pub const QUIT_WAIT: Duration = Duration::from_secs(5);

/// Rounds of one AUTH dialogue: SCRAM has two, LOGIN two, and somebody who only asks has no end.
pub const LOGIN_ROUNDS_MAX: usize = 5;

/// TLS sessions of remote hosts that are kept to be resumed, of the order of a kilobyte each, and TLS set-ups
/// for hosts with DANE records, of which each has its own.
pub const TLS_SESSIONS_MAX: usize = 4_096;
pub const DANE_SETUPS_MAX: usize = 256;

/// Connections of a simulated network that wait to be taken.
pub const PIPES_WAITING_MAX: usize = 1_024;

/// Bytes under way in one direction of a simulated connection.
pub const PIPE_BYTES: usize = 64 << 10;

// --- ways to other people's servers --------------------------------------------------------------

/// Mail hosts of one destination that are looked at and tried, the most preferred first: each costs up to four
/// lookups. Google has five; beyond twenty nobody was ever reached.
pub const WAY_HOSTS_MAX: usize = 20;

/// Addresses of one host that are kept and tried: more do not make mail arrive sooner.
pub const WAY_ADDRESSES_MAX: usize = 16;

/// TLSA records of one host that are kept: an old and a new key, for a few certificates.
pub const WAY_TLSA_MAX: usize = 32;

/// How long finding a way may take with all its lookups and a policy to be fetched.
pub const WAY_FIND_MAX: Duration = Duration::from_secs(90);

/// How long a way that was found may be used without being looked for again: the answers behind it are kept
/// by the resolver as long as they say themselves, so looking again is cheap.
pub const WAY_GOOD_FOR: Duration = Duration::from_secs(60);

/// RFC 8461 3.3: how long fetching a policy may take (a minute is suggested; mail waits meanwhile), how large
/// it may be (64 KB), and how soon after a failure it is not tried again (five minutes or longer).
pub const STS_FETCH_MAX: Duration = Duration::from_secs(30);
pub const STS_POLICY_BYTES_MAX: usize = 64 << 10;
pub const STS_FETCH_PAUSE: Duration = Duration::from_secs(300);

/// Patterns of mail hosts in one policy: as many as mail hosts that are taken from the DNS.
pub const STS_PATTERNS_MAX: usize = 100;

/// RFC 8461 3.2: the longest life of a policy, about a year.
pub const STS_AGE_MAX: Duration = Duration::from_secs(31_557_600);

/// Domains whose policy, or want of one, is kept in memory, and the bytes of all these policies: one is a few
/// hundred. Beyond either the oldest are forgotten, and fetched again when needed.
pub const STS_DOMAINS_MAX: usize = 20_000;
pub const STS_BYTES_MAX: usize = 16 << 20;

// --- DNS ----------------------------------------------------------------------------------------

/// Records of one kind that one name may have for us; 100 mail hosts are what Postfix takes too. An
/// answer holds at most 64 KiB, so this bounds what we then do with it, not what was received.
pub const DNS_RECORDS_MAX: usize = 100;

/// How long one server may take for one question before the next is asked, or the same again; and how
/// often a question is repeated.
pub const DNS_TRY_MAX: Duration = Duration::from_secs(3);
pub const DNS_REPEATS_MAX: usize = 2;

/// How long a lookup may take with all its tries: far below what a client waits for a reply to RCPT
/// (RFC 5321 4.5.3.2.3: five minutes).
pub const DNS_LOOKUP_MAX: Duration = Duration::from_secs(20);

/// How long an answer and its proof may take together, and then the root's own: what is left of
/// `DNS_LOOKUP_MAX` is for asking without proofs.
pub const DNS_PROOF_MAX: Duration = Duration::from_secs(7);

/// Questions with proof after which all that was proven is forgotten: each leaves up to eight entries of about
/// 150 bytes.
pub const DNS_PROOFS_MAX: u64 = 20_000;

/// How long servers that strip DNSSEC signatures are not asked for them again.
pub const DNS_STRIPPING_KEPT: Duration = Duration::from_secs(600);

/// Answers kept in memory, of the order of a kilobyte each; and those of one server that stepped in for
/// another.
pub const DNS_CACHE_ANSWERS_MAX: u64 = 16_384;
pub const DNS_CACHE_OF_ONE_MAX: u64 = 1_024;

/// The longest an answer is believed, whatever it says of itself; and the longest a "there is none" is:
/// whoever repairs a domain wants to see mail soon (RFC 2308 5 allows up to three hours).
pub const DNS_TTL_MAX: Duration = Duration::from_secs(86_400);
pub const DNS_NEGATIVE_TTL_MAX: Duration = Duration::from_secs(900);

/// Aliases (CNAME) followed from one name of a zone file: more are a circle.
pub const DNS_ALIASES_MAX: usize = 8;

/// RFC 7208 4.6.4: terms of SPF that ask the DNS, those that find nothing, and mail hosts of one term.
pub const SPF_LOOKUPS_MAX: usize = 10;
pub const SPF_VOID_LOOKUPS_MAX: usize = 2;
pub const SPF_MAIL_HOSTS_MAX: usize = 10;

/// How long each half of a look at a domain's records may take (who we are, then all records beside each
/// other): both fit into `HTTP_REQUEST_MAX`.
pub const RECORDS_LOOK_MAX: Duration = Duration::from_secs(12);

/// Records of one domain that are asked for at a time.
pub const RECORDS_AT_ONCE: usize = 8;

/// Mail hosts of one MX whose addresses are compared with ours.
pub const RECORDS_MAIL_HOSTS_MAX: usize = 10;

/// Names above a domain whose DMARC record may be meant for it: as many as receivers walk.
pub const DMARC_PARENTS_MAX: usize = 8;

/// How often it is looked which domains are due, and whether the directory changed.
pub const FOOTING_TICK: Duration = Duration::from_secs(1);

/// How often a tracking host or return path is looked at that is not ready, and one that is: an admin who
/// mends it does not wait long, and one that broke is found within the hour.
pub const FOOTING_AGAIN: Duration = Duration::from_secs(600);
pub const FOOTING_READY_AGAIN: Duration = Duration::from_secs(3_600);

/// Looks at tracking hosts and return paths at a time, and how long one may take: a few lookups, then an HTTPS
/// request.
pub const FOOTING_CHECKS_AT_ONCE: usize = 8;
pub const FOOTING_CHECK_MAX: Duration = Duration::from_secs(25);

/// Answers in a row that prove nothing (silence, SERVFAIL, a proxy's 502) before what was ready is not any more.
pub const FOOTING_DOUBTS_MAX: u32 = 3;

/// The request that asks a tracking host for our own answer, and the bytes of that answer that are read.
pub const ECHO_MAX: Duration = Duration::from_secs(10);
pub const ECHO_BYTES_MAX: usize = 1_024;

/// A zone file is read whole: beyond this it is not one for tests.
pub const ZONE_FILE_BYTES_MAX: u64 = 8 << 20;

/// Mistakes shown of one zone file: who has more begins with the first.
pub const ZONE_MISTAKES_MAX: usize = 20;

// --- delivery: what is in memory, and its workers ---------------------------------------------------

/// Courses that are kept with their lanes: each is a few hundred bytes.
pub const COURSES_MAX: usize = 100_000;

/// Destinations of one stream told apart while mail for them waits in the store: beyond it all of them count as
/// waiting until the stream was read once.
pub const BEHIND_DESTINATIONS_MAX: usize = 10_000;

/// Rows of one stream that are claimed at a time: a few milliseconds of the store.
pub const FEED_ROWS: usize = 256;

/// Lanes (a tenant's stream) that are visited in one round.
pub const FEED_LANES_MAX: usize = 10_000;

/// How often the store is looked at when nobody rings and nothing is due: for what other nodes leave there; and
/// where there are none, for what nobody thought of. The shortest pause is for what is due and cannot come in.
pub const FEED_EVERY: Duration = Duration::from_millis(500);
pub const FEED_EVERY_ALONE: Duration = Duration::from_secs(300);
pub const FEED_PAUSE_MIN: Duration = Duration::from_millis(5);

/// How long a delivery waits whose message could not be read, or had no room.
pub const UNREAD_PAUSE: Duration = Duration::from_secs(30);

/// How long deliveries wait whose try a fault of ours broke: it will break again, and should not do so often.
pub const BROKEN_PAUSE: Duration = Duration::from_secs(900);

/// Ends of tries that wait for the store; then workers wait, and nothing more is sent.
pub const SETTLE_QUEUE_MAX: usize = 256;

/// Ends written at once: one change, and one of a group.
pub const SETTLE_AT_ONCE: usize = 64;

/// Reports to senders that are on their way into the store at a time.
pub const REPORTS_AT_ONCE: usize = 32;

/// The pauses between tries to write what came of deliveries.
pub const SETTLE_PAUSE_FIRST: Duration = Duration::from_millis(100);
pub const SETTLE_PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// How long the last outcomes may take to be stored when the daemon stops.
pub const LAST_SETTLE_MAX: Duration = Duration::from_secs(10);

/// Results for TLS reports that are told apart until they are written: a day, a domain, a host, a word each.
pub const TLS_COUNTS_MAX: usize = 50_000;

/// Domains of which it is known what sessions with their hosts are held to, for those results.
pub const TLS_RULES_MAX: usize = 10_000;

/// Ways looked up at a time: each is a few questions to the DNS.
pub const LOOKUPS_AT_ONCE: usize = 200;

/// How long a way is used before it is looked up again.
pub const ROUTE_KEPT_MIN: Duration = Duration::from_secs(10);
pub const ROUTE_KEPT_MAX: Duration = Duration::from_secs(300);

/// Workers for our own mailboxes, and for the sandbox: they wait for nobody.
pub const LOCAL_WORKERS: u32 = 1;

/// Destinations of one site that are known by name, to be shut together: a provider has many domains.
pub const SITE_DESTINATIONS_MAX: usize = 10_000;

/// Messages a second to one site where no rule says less; the least when a site asks for less; and how long it
/// takes from the least back to the most.
pub const SITE_RATE_MAX: f64 = 100_000.0;
pub const SITE_RATE_MIN: f64 = 0.1;
pub const SITE_RECOVERY: Duration = Duration::from_secs(1_800);

/// A site that took mail so lately is not down because one connection to it failed.
pub const SITE_WORKS_FOR: Duration = Duration::from_secs(60);

/// How long a site that cannot be reached is left alone: first, and at most.
pub const SITE_PAUSE_FIRST: Duration = Duration::from_secs(30);
pub const SITE_PAUSE_LONGEST: Duration = Duration::from_secs(600);

/// How long a site is kept that nobody uses, with what it taught us.
pub const SITE_KEPT: Duration = Duration::from_secs(3_600);
pub const SITES_SWEPT_EVERY: Duration = Duration::from_secs(60);

/// Orders about destinations that are kept; each is a row that every node reads every few seconds.
pub const STEERINGS_MAX: usize = 10_000;

/// How often a node looks at what operators told the others, and counts what it has in memory; and how long an order
/// that holds nothing any more is kept, so that all of them have seen it.
pub const STEERINGS_EVERY: Duration = Duration::from_secs(2);

/// How often the figures of the queue are taken where nobody else could give orders.
pub const FIGURES_EVERY: Duration = Duration::from_secs(10);
pub const STEERINGS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// How often a worker that waits for its turn looks whether something has changed.
pub const TURN_LOOK_EVERY: Duration = Duration::from_secs(1);

// --- templates ----------------------------------------------------------------------------------

/// One text of a template, and all texts of one version: a newsletter's HTML has about 100 KB.
pub const TEMPLATE_BYTES_MAX: usize = 256 << 10;
pub const TEMPLATE_SOURCE_BYTES_MAX: usize = 1 << 20;
/// Steps of the engine for one text: a table of a thousand rows takes about 20,000.
pub const TEMPLATE_STEPS_MAX: u64 = 100_000;
/// How deep templates include and extend each other.
pub const TEMPLATE_DEPTH_MAX: usize = 40;
/// Bytes that the filters of one text may go through, about 20 ms of work; and of one value that a filter makes.
pub const TEMPLATE_WORK_BYTES_MAX: usize = 32 << 20;
pub const TEMPLATE_VALUE_BYTES_MAX: usize = 1 << 20;
/// Operators that make longer values in one expression, and the words and signs of one tag: each is a level
/// of the tree that is walked.
pub const TEMPLATE_GROWING_MAX: usize = 20;
pub const TEMPLATE_TAG_WORDS_MAX: usize = 500;
/// Bytes of one text that comes out, submitted parts included.
pub const TEMPLATE_OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Bytes of all copies of one message that its template made: they are committed together.
pub const TEMPLATE_COPIES_BYTES_MAX: usize = 64 << 20;
/// Copies of one message, one for each recipient.
pub const TEMPLATE_COPIES_MAX: usize = 1_000;
/// What is said of a mistake: it has to fit a reply line.
pub const TEMPLATE_MISTAKE_BYTES_MAX: usize = 400;
/// Templates in a folder, and of one organisation; files of one template.
pub const TEMPLATES_MAX: usize = 2_000;
pub const TEMPLATE_FILES_MAX: usize = 200;
/// Versions of one template that are kept ready, the newest: older ones can be made active again.
pub const TEMPLATE_VERSIONS_READY: i64 = 20;
/// Rows of versions read at once: each may be a megabyte.
pub const TEMPLATE_PAGE_ROWS: i64 = 20;
/// Words of one search.
pub const SEARCH_WORDS_MAX: usize = 10;
/// Bytes of words that a template is found by.
pub const SEARCH_TEXT_BYTES_MAX: usize = 64 << 10;
/// How often it is written down how often templates were used.
pub const TEMPLATE_USES_EVERY: Duration = Duration::from_secs(5);
/// A subject that a template makes: beyond it no reader shows it.
pub const TEMPLATE_SUBJECT_BYTES_MAX: usize = 2_000;
/// Bytes of a body of the API that holds templates.
pub const API_TEMPLATE_BODY_BYTES_MAX: usize = 2 << 20;

// --- metrics ------------------------------------------------------------------------------------

/// How often samples of histograms are folded into buckets when nobody scrapes: what waits grows
/// with traffic.
pub const METRICS_UPKEEP: Duration = Duration::from_secs(5);

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

// --- answers of other servers -------------------------------------------------------------------

/// The operator's table of replies: its text, its entries, and what all its patterns compile to.
pub const REPLIES_BYTES_MAX: u64 = 1 << 20;
pub const REPLIES_MAX: usize = 2_000;
pub const REPLIES_PATTERNS_BYTES_MAX: usize = 32 << 20;

/// How long a site is left alone at most, however often it asks for it: a queue expires after days.
pub const SUSPENSION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How long an operator suspends a destination at most: who means for ever says no time.
pub const SUSPENSION_BY_HAND_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What is kept of the words why a site is slowed or left alone: a line for people.
pub const PACE_REASON_BYTES_MAX: usize = 300;

/// Before a message expires it is tried a last time, by so much: a slow transaction ends in it.
pub const LAST_TRY_BEFORE: Duration = Duration::from_secs(60);

/// How long the slow recipient of the simulator takes: longer than a careless client waits.
pub const SIMULATOR_SLOW: Duration = Duration::from_secs(10);

/// A message up to this is written in 7-bit lines where its worker stands (a millisecond); a longer one beside it.
pub const CONVERT_INLINE_BYTES_MAX: usize = 256 << 10;

/// A message up to this is signed where its worker stands (a quarter of a millisecond for the key, as much for the
/// hash); a longer one beside it.
pub const SIGN_INLINE_BYTES_MAX: usize = 256 << 10;

/// What signatures take on top of a message: two keys, with the names of what they sign.
pub const SIGNATURES_BYTES: usize = 2048;

/// Memory for copies of messages that are on their way: signed, or different for each recipient. In KiB, so that a
/// semaphore can count it; the largest message that is taken fits (256 MiB).
pub const COPIES_KIB_MAX: usize = 256 << 10;

// --- links --------------------------------------------------------------------------------------

/// Links of one message that are kept with the reason why they were, or were not, tracked.
pub const LINKS_NOTED_MAX: usize = 200;

/// Characters of each of them.
pub const NOTED_URL_CHARS_MAX: usize = 200;

// --- reports ------------------------------------------------------------------------------------

/// How much of a message a report returns: a sender knows what was in it, and a bounce of 50 MB is one
/// more mail that bounces.
pub const REPORT_RETURNED_BYTES_MAX: usize = 256 << 10;

/// How much of a report is read: the status stands before the message that it returns.
pub const REPORT_READ_BYTES_MAX: usize = 1 << 20;

/// Recipients that one report is believed about: as many as one message has.
pub const REPORT_RECIPIENTS_MAX: usize = 1_000;

/// One field of a report; longer ones are cut.
pub const REPORT_FIELD_BYTES_MAX: usize = 2_000;

/// What is kept of the text of a message that came back and is no report.
pub const RETURNED_TEXT_BYTES_MAX: usize = 1_000;

/// Such messages that are kept for one message of ours: who knows a return path may write there for ever.
pub const RETURNED_KEPT_MAX: usize = 10;

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
