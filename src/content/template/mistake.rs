//! What is wrong with a template, or with what it was given: one line that says where.

use crate::base::limits;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `welcome`, or `welcome@3`; empty for what stands in a message itself.
    pub template: String,
    /// The file, or the piece: `subject`, `html`, `text`.
    pub place: Option<String>,
    pub line: Option<usize>,
    pub variable: Option<String>,
    pub why: String,
}

impl Mistake {
    pub fn new(template: impl Into<String>, why: impl Into<String>) -> Self {
        Self { template: template.into(), place: None, line: None, variable: None, why: why.into() }
    }

    pub fn at(mut self, place: impl Into<String>, line: Option<usize>) -> Self {
        (self.place, self.line) = (Some(place.into()), line);
        self
    }

    pub fn about(mut self, variable: impl Into<String>) -> Self {
        self.variable = Some(variable.into());
        self
    }

    /// As findings of a configuration are written: `templates/welcome/html:3: …`.
    pub fn line_of_file(&self) -> String {
        let place = self.place.clone().unwrap_or_else(|| format!("template {}", self.template));
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        printable(&format!("{place}{line}: error: {}", self.why))
    }
}

/// For a reply, a reason, an answer: printable, and not longer than a reply line takes.
impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = match self.template.as_str() {
            "" => "the message as a template".to_owned(),
            name => format!("template {name}"),
        };
        if let Some(place) = &self.place {
            text.push_str(&format!(", {place}"));
        }
        if let Some(line) = self.line {
            text.push_str(&format!(" line {line}"));
        }
        text.push_str(&format!(": {}", self.why));
        f.write_str(&printable(&text))
    }
}

impl std::error::Error for Mistake {}

fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(limits::TEMPLATE_MISTAKE_BYTES_MAX));
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if line.len() + c.len_utf8() > limits::TEMPLATE_MISTAKE_BYTES_MAX {
            break;
        }
        line.push(c);
    }
    line
}
