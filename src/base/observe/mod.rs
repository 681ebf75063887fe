//! What an operator reads: one line per thing that happens, from here to stderr, the journal or a
//! file. Text for people and for the journal, JSON for machines; the level from `GATEPOST_LOG`.
//!
//! Every line carries the id of its connection or message, because rooms work inside the spans made
//! here. What came from outside is escaped before it is written: one event is always one line.

mod file;
mod text;

pub use file::LogFile;

use super::clock::{Clock, Time};
use super::id::{ConnectionId, MessageId, RequestId};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use tracing::Span;
use tracing::metadata::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{MakeWriter, time::FormatTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The filter is read from here, in the syntax of tracing's EnvFilter: `debug`, `gatepost::smtpd=trace`.
pub const FILTER_VARIABLE: &str = "GATEPOST_LOG";

/// One struct per thing that happens holds its log line and its metric together: whoever reads the
/// struct knows all that is told of it. The structs live with their rooms, in `happenings.rs`.
pub trait Happening {
    fn record(self);
}

/// The target of the spans that carry ids. `filter` always lets them pass: whatever is shown or hidden,
/// no line loses its id.
const SPANS: &str = "gatepost::spans";

/// The span of one connection.
pub fn connection_span(id: &ConnectionId) -> Span {
    tracing::error_span!(target: SPANS, "connection", connection = %id)
}

/// The span of one message.
pub fn message_span(id: &MessageId) -> Span {
    tracing::error_span!(target: SPANS, "message", message = %id)
}

/// The span of one HTTP request.
pub fn request_span(id: &RequestId) -> Span {
    tracing::error_span!(target: SPANS, "request", request = %id)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people, and for the journal when stderr leads there.
    #[default]
    Text,
    /// One object a line, wherever it goes.
    Json,
}

/// Where lines go and in which form.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub format: Format,
    /// Beside stderr or the journal, which always get every line: a full disk loses none.
    pub file: Option<PathBuf>,
}

#[derive(Debug)]
pub enum NotStarted {
    /// The filter cannot be read; why.
    Filter(String),
    File(PathBuf, io::Error),
    Twice,
}

impl std::fmt::Display for NotStarted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Filter(why) => write!(f, "{FILTER_VARIABLE}: {why}"),
            Self::File(path, why) => write!(f, "log file {}: {why}", path.display()),
            Self::Twice => f.write_str("logging was already started in this process"),
        }
    }
}

impl std::error::Error for NotStarted {}

/// Starts logging for the whole process. The file that is returned may be opened anew (logrotate), be
/// another one, or none.
pub fn start(settings: &Settings) -> Result<LogFile, NotStarted> {
    let file = LogFile::default();
    if let Err(why) = file.switch_to(settings.file.as_deref()) {
        return Err(NotStarted::File(settings.file.clone().unwrap_or_default(), why));
    }
    let wanted = std::env::var_os(FILTER_VARIABLE).map(|text| text.to_string_lossy().into_owned());
    tracing_subscriber::registry()
        .with(filter(wanted.as_deref())?)
        .with(main_sink(settings.format))
        .with(lines(settings.format, text::Style::Plain, file.clone()))
        .try_init()
        .map_err(|_| NotStarted::Twice)?;
    Ok(file)
}

/// Is there a log to write to?
pub fn is_started() -> bool {
    tracing::dispatcher::has_been_set()
}

fn filter(wanted: Option<&str>) -> Result<EnvFilter, NotStarted> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(wanted.unwrap_or_default())
        .map_err(|why| NotStarted::Filter(why.to_string()))?;
    let spans = format!("{SPANS}=error").parse().map_err(|_| NotStarted::Filter("no directive of ours".to_owned()))?;
    Ok(filter.add_directive(spans))
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

fn main_sink<S>(format: Format) -> Boxed<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let style = if stderr_is_the_journal() {
        text::Style::Journal
    } else if io::stderr().is_terminal() {
        text::Style::Coloured
    } else {
        text::Style::Plain
    };
    lines(format, style, io::stderr)
}

/// The layer that writes lines of this form to that writer.
fn lines<S, W>(format: Format, style: text::Style, writer: W) -> Boxed<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        // Strings in JSON are escaped by their syntax.
        Format::Json => {
            layer.json().with_timer(Rfc3339).flatten_event(true).with_current_span(false).with_span_list(true).boxed()
        }
        // Our formatter escapes every value itself, and colours only what is its own.
        Format::Text => {
            layer.with_ansi(style == text::Style::Coloured).fmt_fields(text::Fields).event_format(style).boxed()
        }
    }
}

/// systemd.exec(5), $JOURNAL_STREAM: `device:inode` of the stream that leads to the journal. It is
/// inherited by children whose stderr goes elsewhere, hence the comparison.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    nix::sys::stat::fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", now())
    }
}

/// The moment of a log line. Read from the system, not from a test's clock: a log says when a line was
/// written, and it is the one value of time that nothing is decided by.
fn now() -> Time {
    Clock::System.now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id;
    use crate::base::random::Random;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, style: text::Style, tell: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::registry().with(lines(format, style, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, tell);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const FORGED: &str = "a\r\n2026-01-01T00:00:00.000Z ERROR all is lost \u{1b}[31m\u{9b}2J\u{202e}\u{2028}\0";

    #[test]
    fn what_came_from_outside_cannot_write_a_line_of_its_own() {
        for format in [Format::Text, Format::Json] {
            let page = logged(format, text::Style::Plain, || {
                let span = tracing::error_span!("connection", hello = FORGED, peer = %FORGED);
                span.in_scope(|| tracing::info!(said = FORGED, shown = %FORGED, debug = ?FORGED, "came {FORGED}"));
            });
            assert_eq!(page.matches('\n').count(), 1, "{page:?}");
            let line = page.strip_suffix('\n').unwrap();
            assert!(!line.contains(['\r', '\n', '\u{1b}', '\0']), "{line:?}");
            if format == Format::Text {
                assert!(!line.contains(['\u{9b}', '\u{202e}', '\u{2028}']), "{line:?}");
                assert!(line.contains("shown=\"a\\r\\n2026"), "{line}");
            }
        }
    }

    #[test]
    fn a_line_carries_the_ids_of_its_connection_and_message() {
        let connection: ConnectionId = id::new(Time::from_micros(1), &Random::seeded(1));
        let message: MessageId = id::new(Time::from_micros(1), &Random::seeded(2));
        let tell = || {
            let _connection = connection_span(&connection).entered();
            message_span(&message).in_scope(|| tracing::info!(bytes = 12, "message taken"));
        };
        let text = logged(Format::Text, text::Style::Plain, tell);
        let ending = format!(" INFO message taken bytes=12 connection={connection} message={message}\n");
        assert!(text.ends_with(&ending), "{text}");
        let json: serde_json::Value = serde_json::from_str(&logged(Format::Json, text::Style::Plain, tell)).unwrap();
        assert_eq!(json["message"], "message taken");
        assert_eq!(json["bytes"], 12);
        assert_eq!(json["spans"][0]["connection"], connection.as_str());
        assert_eq!(json["spans"][1]["message"], message.as_str());
    }

    #[test]
    fn no_filter_takes_the_id_off_a_line() {
        let connection: ConnectionId = id::new(Time::from_micros(1), &Random::seeded(1));
        for wanted in [None, Some("warn"), Some("off,gatepost::base=warn"), Some("gatepost::base=warn")] {
            let page = Page::default();
            let writer = page.clone();
            let sink = lines(Format::Text, text::Style::Journal, move || writer.clone());
            let subscriber = tracing_subscriber::registry().with(filter(wanted).unwrap()).with(sink);
            tracing::subscriber::with_default(subscriber, || {
                connection_span(&connection).in_scope(|| tracing::warn!("seen"));
            });
            let bytes = page.0.lock().unwrap().clone();
            assert_eq!(String::from_utf8(bytes).unwrap(), format!("<4>seen connection={connection}\n"), "{wanted:?}");
        }
        assert!(matches!(filter(Some("gatepost=loud")), Err(NotStarted::Filter(_))));
    }

    #[test]
    fn the_journal_gets_the_level_and_keeps_the_time_itself() {
        let page = logged(Format::Text, text::Style::Journal, || tracing::warn!(free = 3, "disk nearly full"));
        assert_eq!(page, "<4>disk nearly full free=3\n");
    }

    #[test]
    fn values_are_quoted_only_where_a_reader_needs_it() {
        let page = logged(Format::Text, text::Style::Journal, || {
            tracing::info!(plain = "cn_1", spaced = "two words", empty = "", equal = "a=b", number = 7, "said");
        });
        assert_eq!(page, "<6>said plain=cn_1 spaced=\"two words\" empty=\"\" equal=\"a=b\" number=7\n");
    }

    #[test]
    fn a_line_of_a_library_names_it_and_not_its_place() {
        let page = logged(Format::Text, text::Style::Journal, || {
            tracing::warn!(target: "rustls::conn", { alert = "bad", log.file = "conn.rs", log.line = 7 }, "odd");
        });
        assert_eq!(page, "<4>rustls::conn: odd alert=bad\n");
    }

    #[test]
    fn a_terminal_gets_colour_on_the_level_alone() {
        let page = logged(Format::Text, text::Style::Coloured, || tracing::error!(why = "\u{1b}[0m", "no"));
        assert!(page.contains("\u{1b}[31mERROR\u{1b}[0m no why=\"\\u{1b}[0m\""), "{page:?}");
    }
}
