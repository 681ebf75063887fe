//! Shows findings to people: with the line of the file and a caret under the wrong word, or one line
//! for each. Secrets in the shown lines are masked.

use super::load::{Loaded, Source};
use super::mask::STARS;
use crate::base::limits;
use crate::base::settings::{Finding, Severity, Span};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    Never,
    Always,
}

/// All findings, each with its place in the file, in the style of rustc.
pub fn report(loaded: &Loaded, colours: Colours) -> String {
    let renderer = match colours {
        Colours::Never => Renderer::plain(),
        Colours::Always => Renderer::styled(),
    };
    let reports: Vec<_> =
        loaded.findings.iter().map(|finding| one_report(finding, &loaded.source, &renderer)).collect();
    let mut text = reports.join("\n\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn one_report(finding: &Finding, source: &Source, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(finding.message.as_str()));
    if let Some(span) = finding.span {
        let also = finding.also.as_ref().map(|(span, label)| (*span, Some(label.as_str()), AnnotationKind::Context));
        let first = (span, finding.label.as_deref(), AnnotationKind::Primary);
        match also {
            // One snippet for both when they share a line, so that the line is shown once.
            Some(also) if source.line_number(also.0.start) == source.line_number(span.start) => {
                group = group.element(snippet(source, &[first, also]));
            }
            also => {
                group = group.element(snippet(source, &[first]));
                if let Some(also) = also {
                    group = group.element(snippet(source, &[also]));
                }
            }
        }
    } else if let Some(label) = &finding.label {
        group = group.element(Level::NOTE.message(label.as_str()));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

type Mark<'a> = (Span, Option<&'a str>, AnnotationKind);

/// The line of a finding. Only this line is handed over: the renderer's work grows with the text.
fn snippet<'a>(source: &'a Source, marks: &[Mark<'a>]) -> Snippet<'a, Annotation<'a>> {
    let line = source.shown_line(marks[0].0.start);
    let mut snippet = Snippet::source(line.text.clone()).line_start(line.number).path(source.name.as_str());
    for (span, label, kind) in marks {
        snippet = snippet.annotation(kind.span(line.shown(*span)).label(*label));
    }
    snippet
}

/// One line of the file with its secrets masked.
struct ShownLine {
    number: usize,
    text: String,
    /// For each piece of the shown text: which bytes of the file it stands for.
    pieces: Vec<(Span, Range<usize>)>,
}

impl ShownLine {
    /// Where bytes of the file are in the shown text; a masked byte is somewhere in the stars.
    fn shown(&self, span: Span) -> Range<usize> {
        let start = self.shown_at(span.start, |stars| stars.start);
        let end = self.shown_at(span.end, |stars| stars.end).max(start);
        // A caret needs a character to stand under, if there is one.
        if start == end { start..self.text.ceil_char_boundary(start + 1) } else { start..end }
    }

    fn shown_at(&self, at: usize, in_stars: fn(&Range<usize>) -> usize) -> usize {
        for (of, shown) in &self.pieces {
            let is_plain = of.end - of.start == shown.len();
            if at < of.end || (at == of.end && is_plain) {
                return if is_plain { shown.start + at.saturating_sub(of.start) } else { in_stars(shown) };
            }
            if at == of.end {
                return shown.end;
            }
        }
        self.text.len()
    }
}

impl Source {
    fn line_number(&self, at: usize) -> usize {
        self.text[..at].bytes().filter(|b| *b == b'\n').count() + 1
    }

    /// Line and column (in characters), both from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let line = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        (self.line_number(at), self.text[line..at].chars().count() + 1)
    }

    fn shown_line(&self, at: usize) -> ShownLine {
        let start = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        let end = if self.text[start..end].ends_with('\r') { end - 1 } else { end };
        let end = end.min(self.text.ceil_char_boundary(at.max(start) + limits::CONFIG_LINE_BYTES_MAX));
        // Of a line that is all one long value, the part around the mistake is shown.
        let start = start.max(self.text.floor_char_boundary(at.saturating_sub(limits::CONFIG_LINE_BYTES_MAX)));
        let mut line = ShownLine { number: self.line_number(at), text: String::new(), pieces: Vec::new() };
        let mut from = start;
        for mask in self.masks.iter().filter(|mask| mask.start < end && mask.end > start) {
            self.show(&mut line, Span { start: from, end: mask.start.max(start) });
            let stars = line.text.len()..line.text.len() + STARS.len();
            line.text.push_str(STARS);
            from = mask.end.min(end);
            line.pieces.push((Span { start: mask.start.max(start), end: from }, stars));
        }
        self.show(&mut line, Span { start: from, end });
        line
    }

    fn show(&self, line: &mut ShownLine, piece: Span) {
        let start = line.text.len();
        line.text.push_str(&self.text[piece.start..piece.end]);
        line.pieces.push((piece, start..line.text.len()));
    }
}

/// One line for each finding: `gatepost.toml:12:1: error: unknown key "hostnme" in [server]; did you
/// mean "hostname"?`
pub fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.findings.iter().map(|finding| line(finding, &loaded.source)).collect()
}

fn line(finding: &Finding, source: &Source) -> String {
    let mut text = source.name.clone();
    if let Some(span) = finding.span {
        let (line, column) = source.position(span.start);
        text.push_str(&format!(":{line}:{column}"));
    }
    text.push_str(&format!(": {}: {}", finding.severity.as_str(), finding.message));
    if let Some(label) = &finding.label {
        text.push_str(&format!(": {label}"));
    }
    if let Some((span, label)) = &finding.also {
        text.push_str(&format!(" ({label} in line {})", source.line_number(span.start)));
    }
    if let Some(help) = &finding.help {
        text.push_str(&format!("; {help}"));
    }
    text
}
