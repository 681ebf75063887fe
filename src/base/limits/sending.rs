//! What goes out, and everybody who is asked on the way.

use std::time::Duration;

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

/// A message up to this is signed where a worker stands (a quarter of a millisecond for the key, as much for the
/// hash); a longer one beside it.
pub const SIGN_INLINE_BYTES_MAX: usize = 256 << 10;

/// Signatures that are made in one go, in the effort of RSA-2048: a core has four milliseconds of work with them, and
/// others on its thread wait so long.
pub const SIGN_EFFORT_AT_ONCE: usize = 16;

/// Memory for copies of messages that are on their way and differ by recipient. In KiB, so that a
/// semaphore can count it; the largest message that is taken fits (256 MiB).
pub const COPIES_KIB_MAX: usize = 256 << 10;

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
