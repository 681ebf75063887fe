//! A template as it was written: plain data, the same from a file and from the store.

use super::locale::Locale;
use super::variables::Declared;
use crate::base::name::Name;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Email,
    /// What others extend.
    Layout,
    /// What others include.
    Partial,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Email, Self::Layout, Self::Partial];

    pub fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Layout => "layout",
            Self::Partial => "partial",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Whose subject a mail gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectRule {
    /// The submitted one, if there is one.
    #[default]
    Submitted,
    /// The template's, whatever was submitted.
    Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    Subject,
    Preheader,
    Html,
    Text,
}

impl Piece {
    pub const ALL: [Self; 4] = [Self::Subject, Self::Preheader, Self::Html, Self::Text];

    pub fn word(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Preheader => "preheader",
            Self::Html => "html",
            Self::Text => "text",
        }
    }

    pub fn is_html(self) -> bool {
        self == Self::Html
    }
}

/// What is written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    /// None: in the store.
    pub file: Option<String>,
    /// Lines above it in its file.
    pub above: usize,
}

impl Text {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), file: None, above: 0 }
    }
}

/// What a template says in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub subject: Option<Text>,
    pub preheader: Option<Text>,
    pub html: Option<Text>,
    pub text: Option<Text>,
}

impl Content {
    pub fn piece(&self, piece: Piece) -> Option<&Text> {
        match piece {
            Piece::Subject => self.subject.as_ref(),
            Piece::Preheader => self.preheader.as_ref(),
            Piece::Html => self.html.as_ref(),
            Piece::Text => self.text.as_ref(),
        }
    }

    pub fn has_body(&self) -> bool {
        self.html.is_some() || self.text.is_some()
    }
}

/// One version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: Name,
    pub kind: Kind,
    pub version: u32,
    pub subject_rule: SubjectRule,
    /// Empty: any variable is taken, and each that is used has to be there.
    pub variables: Vec<Declared>,
    /// None: for everybody whose language is not there.
    pub contents: Vec<(Option<Locale>, Content)>,
}

impl Source {
    pub fn content(&self, locale: Option<&str>) -> Option<&Content> {
        let found = self.contents.iter().find(|(of, _)| of.as_ref().map(Locale::as_str) == locale);
        found.map(|(_, content)| content)
    }

    /// As `messages.template` has it.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}
