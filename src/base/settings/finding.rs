//! What is wrong, or doubtful, in the settings: a sentence, its place, and the nearest right word.

use super::tree::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The settings cannot be used.
    Error,
    /// They can, but the admin should know.
    Warning,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Never holds a secret: messages name keys, and a place is shown through a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// The wrong word; none when the mistake is not in the file.
    pub span: Option<Span>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// Written at the wrong word: why it is wrong.
    pub label: Option<String>,
    /// What to do instead.
    pub help: Option<String>,
    /// Another place that matters: the first of two that clash.
    pub also: Option<(Span, String)>,
}

impl Finding {
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span.into(), message.into())
    }

    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span.into(), message.into())
    }

    fn new(severity: Severity, span: Option<Span>, message: String) -> Self {
        Self { severity, span, message, label: None, help: None, also: None }
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    /// `did you mean "…"?` when a known word is near, else what is known.
    pub fn suggest<'a>(self, word: &str, known: impl Iterator<Item = &'a str> + Clone) -> Self {
        match nearest(word, known.clone()) {
            Some(near) => self.help(format!("did you mean \"{near}\"?")),
            None => {
                let known: Vec<_> = known.map(|word| format!("\"{word}\"")).collect();
                if known.is_empty() { self } else { self.help(format!("known here: {}", known.join(", "))) }
            }
        }
    }
}

/// The known word that a mistyped one was most likely meant to be.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a word this long; the comparison's work grows with it.
    if word.len() > 100 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= (known.len().min(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["hostname", "data_dir", "log", "log_file"];
        assert_eq!(nearest("hostnme", known.into_iter()), Some("hostname"));
        assert_eq!(nearest("Log", known.into_iter()), Some("log"));
        assert_eq!(nearest("datadir", known.into_iter()), Some("data_dir"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert_eq!(nearest(&"log".repeat(1000), known.into_iter()), None);
    }
}
