//! What a template makes of values: the texts of one mail, each written where somebody reads it. One that needs no
//! engine is not kept anywhere before.

use super::context::{Context, Said, Seen};
use super::html_text::html_to_text;
use super::plain::Plain;
use super::render::{Submitted, escape_into};
use super::variables::PREHEADER;
use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    pub preheader: Option<String>,
    pub html: Option<String>,
    /// Made of the HTML where there is none.
    pub text: String,
}

/// The texts of one mail: all that could go wrong with them is over, and they are written where they are read.
pub struct Filled<'a> {
    /// One line.
    pub subject: String,
    pub(super) preheader: Option<String>,
    pub(super) locale: Option<&'a str>,
    pub(super) seen: Seen<'a>,
    pub(super) bodies: Bodies<'a>,
    pub(super) html: Option<Made<'a>>,
    pub(super) text: Made<'a>,
}

impl Filled<'_> {
    /// What the texts see but for the subject; what stands beside it comes last.
    pub(super) fn context(&self) -> Context<'_> {
        let [html, text] = self.bodies.said();
        let ours = [html, text, Some(Said::Text(&self.subject)), None, Some(Said::text(self.locale))];
        Context { seen: &self.seen, ours }
    }

    pub(super) fn whole(&self) -> Context<'_> {
        let mut whole = self.context();
        whole.ours[PREHEADER] = Some(Said::text(self.preheader.as_deref()));
        whole
    }

    pub fn html(&self) -> Option<Reading<'_>> {
        self.html.as_ref().map(|made| Reading { made, context: self.whole() })
    }

    pub fn text(&self) -> Reading<'_> {
        Reading { made: &self.text, context: self.whole() }
    }

    pub(super) fn rendered(mut self) -> Rendered {
        let (html, text) = (self.html.take(), std::mem::replace(&mut self.text, Made::Written(String::new())));
        let whole = self.whole();
        let (html, text) = (html.map(|html| html.written(&whole)), text.written(&whole));
        Rendered { subject: self.subject, preheader: self.preheader, html, text }
    }
}

/// What was submitted, as HTML and as text.
pub(super) struct Bodies<'a> {
    html: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
}

impl<'a> Bodies<'a> {
    pub fn of(submitted: &'a Submitted) -> Self {
        let Submitted { html, text, .. } = submitted;
        let (html, text) = (html.as_deref(), text.as_deref());
        Self {
            html: html.map(Cow::Borrowed).or_else(|| text.map(|text| Cow::Owned(as_html(text)))),
            text: text.map(Cow::Borrowed).or_else(|| html.map(|html| Cow::Owned(html_to_text(html)))),
        }
    }

    /// As they stand in a context: HTML first.
    pub fn said(&self) -> [Option<Said<'_>>; 2] {
        [Some(Said::markup(self.html.as_deref())), Some(Said::text(self.text.as_deref()))]
    }
}

/// A text of a mail.
pub(super) enum Made<'a> {
    /// By the engine.
    Written(String),
    Plain(Ready<'a>),
}

/// A plain text that was measured with the values at hand.
pub(super) struct Ready<'a> {
    plain: &'a Plain,
    length: usize,
    is_html: bool,
}

impl<'a> Ready<'a> {
    pub fn of(plain: &'a Plain, context: &Context<'_>, is_html: bool) -> Option<Self> {
        plain.measure(context, is_html).ok().map(|length| Self { plain, length, is_html })
    }
}

impl Made<'_> {
    pub fn written(self, context: &Context<'_>) -> String {
        match self {
            Self::Written(text) => text,
            Self::Plain(Ready { plain, length, is_html }) => {
                let mut text = String::with_capacity(length);
                // Invariant: a text takes whatever is written.
                plain.write(context, is_html, &mut text).unwrap_or_default();
                text
            }
        }
    }
}

/// A text with what it is read with.
pub struct Reading<'f> {
    made: &'f Made<'f>,
    context: Context<'f>,
}

impl fmt::Display for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.made {
            Made::Written(text) => f.write_str(text),
            Made::Plain(Ready { plain, is_html, .. }) => plain.write(&self.context, *is_html, f),
        }
    }
}

/// Plain text as HTML that looks like it.
fn as_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    for paragraph in text.replace("\r\n", "\n").trim().split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        html.push_str("<p>");
        escape_into(&mut html, paragraph.trim_matches('\n'));
        html.push_str("</p>\n");
    }
    html.replace("\n</p>", "</p>")
}
