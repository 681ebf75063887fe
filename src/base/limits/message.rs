//! What a message may be made of: names, header, parts, templates, links, reports.

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

// --- templates ----------------------------------------------------------------------------------

/// One text of a template, and all texts of one version: a newsletter's HTML has about 100 KB.
pub const TEMPLATE_BYTES_MAX: usize = 256 << 10;
pub const TEMPLATE_SOURCE_BYTES_MAX: usize = 1 << 20;
/// Steps of the engine for one text: a table of a thousand rows takes about 20,000.
pub const TEMPLATE_STEPS_MAX: u64 = 100_000;
/// How deep templates include and extend each other.
pub const TEMPLATE_DEPTH_MAX: usize = 40;
/// Loops and questions in each other, in a text that needs no engine: with room to the engine's own bound above.
pub const TEMPLATE_PLAIN_DEPTH_MAX: usize = 10;
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
