//! Where mail that arrives for our domains goes: a recipient to match, and what is done.

use super::forward::Target;
use super::name::Name;
use super::url::HttpUrl;
use crate::base::limits;
use crate::base::settings::{
    Entry, Finding, Kind, Node, Reader, Scalar, Shape, Value, Wrong, nearest, quoted, settings,
};
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal};

settings! {
    /// Where mail for our domains goes; the first route that matches a recipient decides.
    pub struct Route in "[[route]]" {
        /// Whose mail: an address, *@domain, or /regex/ over the whole address.
        live recipient: Recipient = required("\"support@example.com\""),
        /// What is done, in this order: ticket (a mailbox), forward (an address; behind a /regex/ its part
        /// before the @ may hold ${name}, a named group), http (a web address), relay (a relay), reply (a
        /// template), store, hold, reject (a reason), discard.
        live actions: Vec<Action> = required("[{ ticket = \"support\" }]"),
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Recipient {
    Address(Address),
    /// Every address of the domain.
    Domain(DomainName),
    Pattern(Pattern),
}

/// A regular expression that matches a whole address, in any case of letters.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
    /// In small letters: what it matches ends in one of these. None: in anything.
    endings: Option<Vec<String>>,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        // Anchored here, once: a route for `support@…` must not take `not-support@…`.
        let regex = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .case_insensitive(true)
            .size_limit(limits::PATTERN_BYTES_MAX)
            .dfa_size_limit(limits::PATTERN_BYTES_MAX)
            .build()
            .map_err(|why| match why {
                regex::Error::CompiledTooBig(_) => BadPattern::TooBig,
                _ => BadPattern::Syntax,
            })?;
        // What closes our group and opens its own would escape the anchors.
        Regex::new(text).map_err(|_| BadPattern::Syntax)?;
        Ok(Self { text: text.to_owned(), regex, endings: endings(text) })
    }

    pub fn is_match(&self, address: &str) -> bool {
        self.regex.is_match(address)
    }

    /// Can it match any address of this domain? A yes may be wrong, a no never is.
    pub fn may_match_in(&self, domain: &DomainName) -> bool {
        let end = format!("@{domain}");
        let fits = |ending: &String| ending.ends_with(&end) || end.ends_with(ending.as_str());
        self.endings.as_ref().is_none_or(|endings| endings.iter().any(fits))
    }

    /// What the groups of a whole address that matches have found.
    pub fn captures<'a>(&self, address: &'a str) -> Option<regex::Captures<'a>> {
        self.regex.captures(address)
    }

    /// Is there a group of this name?
    pub fn has_group(&self, name: &str) -> bool {
        self.regex.capture_names().flatten().any(|group| group == name)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn endings(text: &str) -> Option<Vec<String>> {
    let parsed = regex_syntax::parse(text).ok()?;
    let endings = Extractor::new().kind(ExtractKind::Suffix).extract(&parsed);
    let text = |literal: &Literal| std::str::from_utf8(literal.as_bytes()).map(str::to_lowercase).ok();
    endings.literals()?.iter().map(text).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPattern {
    Syntax,
    TooBig,
}

impl std::fmt::Display for BadPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax => f.write_str("this is no regular expression"),
            Self::TooBig => {
                write!(f, "this regular expression compiles to more than {} bytes", limits::PATTERN_BYTES_MAX)
            }
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

impl Scalar for Recipient {
    const EXPECTS: &'static str = "an address, *@domain, or /regex/";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return Pattern::new(pattern).map(Self::Pattern).map_err(Wrong::because);
        }
        if let Some(domain) = text.strip_prefix("*@") {
            return domain.parse().map(Self::Domain).map_err(Wrong::because);
        }
        text.parse().map(Self::Address).map_err(|why| {
            let wrong = Wrong::because(why);
            let domain = text.strip_prefix('@').unwrap_or(text);
            match domain.parse::<DomainName>() {
                Ok(domain) if !text.contains('*') => wrong.help(format!("for the whole domain write \"*@{domain}\"")),
                _ => wrong,
            }
        })
    }

    fn write(&self) -> String {
        match self {
            Self::Address(address) => quoted(&address.to_string()),
            Self::Domain(domain) => quoted(&format!("*@{domain}")),
            Self::Pattern(pattern) => quoted(&format!("/{}/", pattern.as_str())),
        }
    }
}

/// What is done with mail that a route matches.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It becomes a ticket, or an entry of one, in this mailbox.
    Ticket(Name),
    /// It is sent on to this address.
    Forward(Target),
    /// It is posted to this web address.
    Http(HttpUrl),
    /// It is handed to this smarthost, for the same recipient.
    Relay(Name),
    /// It is answered with this template.
    Reply(Name),
    /// It is kept, and shown in the console.
    Store,
    /// It waits for a human's decision.
    Hold,
    /// It is refused at RCPT with this reason.
    Reject(Reason),
    /// It is accepted and forgotten.
    Discard,
}

impl Action {
    pub const WORDS: [&'static str; 9] =
        ["ticket", "forward", "http", "relay", "reply", "store", "hold", "reject", "discard"];

    pub fn word(&self) -> &'static str {
        match self {
            Self::Ticket(_) => "ticket",
            Self::Forward(_) => "forward",
            Self::Http(_) => "http",
            Self::Relay(_) => "relay",
            Self::Reply(_) => "reply",
            Self::Store => "store",
            Self::Hold => "hold",
            Self::Reject(_) => "reject",
            Self::Discard => "discard",
        }
    }
}

impl Route {
    /// What refuses or forgets a mail leaves nothing for other actions to do: which of several does.
    pub fn lonely_action(&self) -> Option<usize> {
        let last = self.actions.iter().position(|action| matches!(action, Action::Reject(_) | Action::Discard));
        last.filter(|_| self.actions.len() > 1)
    }

    /// A group that an action takes and the recipient has not: which action, and its name.
    pub fn unknown_group(&self) -> Option<(usize, &str)> {
        let known = |name: &str| matches!(&self.recipient, Recipient::Pattern(pattern) if pattern.has_group(name));
        self.actions.iter().enumerate().find_map(|(at, action)| match action {
            Action::Forward(target) => target.groups().find(|name| !known(name)).map(|name| (at, name)),
            _ => None,
        })
    }
}

/// What a refused sender is told: one printable line, safe behind a reply code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Reason {
    const EXPECTS: &'static str = "a reason in one line";

    fn parse(text: &str) -> Result<Self, Wrong> {
        // RFC 5321 4.2: textstring is printable ASCII.
        if text.is_empty()
            || text.len() > limits::REASON_BYTES_MAX
            || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        {
            let max = limits::REASON_BYTES_MAX;
            return Err(Wrong::because(format!("it has 1 to {max} printable ASCII characters")));
        }
        Ok(Self(text.to_owned()))
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }
}

const EXPECTS: &str = "one action, like { ticket = \"support\" } or { discard = true }";

impl Value for Action {
    const SHAPE: Shape = Shape::Own { expects: EXPECTS };

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let wrong = |label: String| Finding::error(node.span, format!("an action is {EXPECTS}")).label(label);
        match &node.kind {
            Kind::Table(entries) if entries.len() == 1 => read_action(&entries[0], reader),
            Kind::Table(entries) if entries.is_empty() => {
                reader.report(wrong("this names none".to_owned()));
                None
            }
            Kind::Table(_) => {
                reader.report(wrong("this names several".to_owned()).help("write each in its own braces"));
                None
            }
            other => {
                reader.report(wrong(format!("this is {}", other.name())));
                None
            }
        }
    }

    fn write(&self) -> Option<String> {
        let value = match self {
            Self::Ticket(name) | Self::Relay(name) | Self::Reply(name) => Scalar::write(name),
            Self::Forward(target) => Scalar::write(target),
            Self::Http(url) => Scalar::write(url),
            Self::Reject(reason) => Scalar::write(reason),
            Self::Store | Self::Hold | Self::Discard => "true".to_owned(),
        };
        Some(format!("{{ {} = {value} }}", self.word()))
    }
}

fn read_action(entry: &Entry, reader: &mut Reader<'_>) -> Option<Action> {
    let node = &entry.node;
    reader.about(&entry.key);
    match entry.key.as_str() {
        "ticket" => Value::read(node, reader).map(Action::Ticket),
        "forward" => Value::read(node, reader).map(Action::Forward),
        "http" => Value::read(node, reader).map(Action::Http),
        "relay" => Value::read(node, reader).map(Action::Relay),
        "reply" => Value::read(node, reader).map(Action::Reply),
        "reject" => Value::read(node, reader).map(Action::Reject),
        "store" => read_flag(node, reader, Action::Store),
        "hold" => read_flag(node, reader, Action::Hold),
        "discard" => read_flag(node, reader, Action::Discard),
        other => {
            let finding = Finding::error(entry.key_span, format!("unknown action \"{other}\""));
            reader.report(match nearest(other, Action::WORDS.into_iter()) {
                Some(near) => finding.help(format!("did you mean \"{near}\"?")),
                None => finding.help(format!("actions are {}", Action::WORDS.join(", "))),
            });
            None
        }
    }
}

fn read_flag(node: &Node, reader: &mut Reader<'_>, action: Action) -> Option<Action> {
    if bool::read(node, reader)? {
        return Some(action);
    }
    let finding = Finding::error(node.span, format!("\"{}\" takes true", action.word()));
    reader.report(finding.help("leave the action out instead"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_addresses_only() {
        let pattern = Pattern::new("(support|help)@example\\.com|x").unwrap();
        assert!(pattern.is_match("Support@example.com"));
        assert!(!pattern.is_match("not-support@example.com"));
        assert!(!pattern.is_match("help@example.com.evil.example"));
        assert!(pattern.is_match("x") && !pattern.is_match("xx"));
    }

    #[test]
    fn a_pattern_cannot_break_out_of_its_anchors_or_bounds() {
        assert_eq!(Pattern::new("a)|(?:b").err(), Some(BadPattern::Syntax));
        assert_eq!(Pattern::new("(").err(), Some(BadPattern::Syntax));
        assert_eq!(Pattern::new("((a{1000}){1000}){10}").err(), Some(BadPattern::TooBig));
    }

    #[test]
    fn recipients_have_three_forms() {
        assert!(matches!(Recipient::parse("*@Example.com"), Ok(Recipient::Domain(_))));
        assert!(matches!(Recipient::parse("a@example.com"), Ok(Recipient::Address(_))));
        assert!(matches!(Recipient::parse("/.*@example\\.com/"), Ok(Recipient::Pattern(_))));
        assert_eq!(
            Recipient::parse("example.com").unwrap_err().help.unwrap(),
            "for the whole domain write \"*@example.com\""
        );
        assert!(Recipient::parse("/").is_err());
    }
}
