//! Lines for people: `time LEVEL what happened field=value … connection=cn_… message=em_…`.
//!
//! Every value passes through `Clean`, so that no client can end our line and begin one of its own,
//! move the cursor of a terminal, or turn the direction of writing.

use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A file or a pipe.
    Plain,
    /// A terminal.
    Coloured,
    /// sd-daemon(3): stderr leads to the journal, which reads the level from `<n>` in front and keeps
    /// the time itself. Fields stay in the text, so that plain `journalctl` shows ids and reasons;
    /// the native protocol would hide them from all but `-o verbose`.
    Journal,
}

impl<S> FormatEvent<S, Fields> for Style
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, around: &FmtContext<'_, S, Fields>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        match self {
            Self::Plain => write!(to, "{} {level:>5} ", super::now())?,
            Self::Coloured => write!(to, "{} \u{1b}[{}m{level:>5}\u{1b}[0m ", super::now(), colour(level))?,
            Self::Journal => write!(to, "<{}>", priority(level))?,
        }
        let target = event.metadata().target();
        if !target.starts_with("gatepost") {
            write!(to, "{target}: ")?;
        }
        let mut line = Line::of(Owner::Event);
        event.record(&mut line);
        to.write_str(&line.text)?;
        for span in around.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>()
                && !fields.is_empty()
            {
                write!(to, " {fields}")?;
            }
        }
        writeln!(to)
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 90,
    }
}

/// syslog(3) priorities, as sd-daemon(3) takes them.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The fields of a span, kept as text with the span.
pub(super) struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut to: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line::of(Owner::Span);
        fields.record(&mut line);
        to.write_str(&line.text)
    }
}

/// Whose fields these are: an event's `message` is its sentence, a span's is the id of a mail.
#[derive(PartialEq, Eq)]
enum Owner {
    Event,
    Span,
}

/// Fields in the order they were given, the sentence bare, the others as `name=value`.
struct Line {
    of: Owner,
    text: String,
}

impl Line {
    fn of(of: Owner) -> Self {
        Self { of, text: String::new() }
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Lines that come over the `log` crate carry their place in the source as fields.
        if matches!(field.name(), "log.module_path" | "log.file" | "log.line") {
            return;
        }
        let mut clean = String::new();
        if write!(Clean(&mut clean), "{value}").is_err() {
            clean.push_str("(unprintable)");
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        if self.of == Owner::Event && field.name() == "message" {
            self.text.push_str(&clean);
        } else if clean.is_empty() || clean.contains([' ', '=', '"', '\\']) {
            self.text.extend([field.name(), "=\"", &clean.replace('"', "\\\""), "\""]);
        } else {
            self.text.extend([field.name(), "=", &clean]);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

/// Escapes what is not plain text: control characters of both sets, line and paragraph separators,
/// and the marks that turn the direction of writing.
struct Clean<'a>(&'a mut String);

impl fmt::Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let turns = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
            if c.is_control() || turns {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}
