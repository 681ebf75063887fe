//! What a sender asked for beside the envelope: in control headers, or in the fields of an HTTP request. Every
//! door makes the same of it. What it may not ask for was refused before.

use super::domain::{Clicks, Via};
use super::name::Name;
use crate::base::clock::Time;
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// The template that the message is made by; none: it is sent as it was written.
    pub template: Option<TemplateWish>,
    pub tags: Vec<String>,
    /// In the order in which they were given; a key stands there once.
    pub metadata: Vec<(String, String)>,
    /// None: as credential, stream and domain say.
    pub opens: Option<bool>,
    pub clicks: Option<Clicks>,
    /// Not before this.
    pub send_at: Option<Time>,
    /// How long it is tried; none: as the configuration says.
    pub expire_after: Option<Duration>,
    /// None: the credential's, or transactional.
    pub stream: Option<Name>,
    /// How it leaves; none: as its domain says. Checked to be one that its tenant may use.
    pub relay: Option<Via>,
    /// It is captured, whatever else is said. Nobody can wish the contrary.
    pub sandbox: bool,
    pub idempotency_key: Option<String>,
    pub unsubscribe: Unsubscribe,
    /// It goes to suppressed recipients too, but to none who complained. Only who has the right may wish it.
    pub ignore_suppression: bool,
    /// The control headers that were taken out, as they stood there: for people who ask later.
    pub removed: Vec<(String, String)>,
    /// What was said and has no effect.
    pub warnings: Vec<Warning>,
}

/// Something that was asked for in vain, and is no reason to refuse the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub header: String,
    /// Reads after the header's name and a colon.
    pub why: String,
}

/// Which template, with what.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateWish {
    pub which: Which,
    pub locale: Option<String>,
    /// A JSON object.
    pub variables: serde_json::Map<String, serde_json::Value>,
    /// By recipient, in small letters: variables of their own, over those of all. None: all get the same mail.
    pub by_recipient: Option<Vec<(String, serde_json::Map<String, serde_json::Value>)>>,
    pub on_error: OnError,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Subject and body that were submitted are the template.
    Inline,
    /// The active version, or the one that is named.
    Named { name: Name, version: Option<u32> },
}

/// What becomes of a message that its template cannot make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    #[default]
    Reject,
    Hold,
    /// It is sent as it was written.
    Original,
}

/// How a recipient can end a stream of mail (RFC 2369, RFC 8058).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Unsubscribe {
    /// In mailings, where a link can lead to us.
    #[default]
    Auto,
    None,
    /// From this group of mail only.
    Group(Name),
}
