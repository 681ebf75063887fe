//! Links and opens: whether a message is tracked, and what it looks like then. Whatever speaks against it, the mail
//! leaves as it was written, and the reason is kept with it.

use crate::base::clock::Time;
use crate::base::id::{self, LinkId, MessageId, TenantId};
use crate::base::limits;
use crate::base::random::Random;
use crate::content::rewrite::{self, Fate, Link, Note, Plan, Rewritten, Target};
use crate::content::slot::{self, Slot};
use crate::content::token::{self, Keyring, Leads, Saying};
use crate::mail::header::{Field, Fields};
use crate::model::credential::Credential;
use crate::model::domain::{Clicks, Domain, PixelPlace, Tracking};
use crate::model::intake::Intake;
use crate::model::message::Origin;
use crate::model::stream::Stream;
use crate::store::{Step, links};
use serde_json::{Value, json};

/// Why nothing of a message is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untracked {
    /// Its domain names no tracking host.
    NotSetUp,
    /// Domain, credential, stream and message leave nothing to do.
    SwitchedOff,
    /// It passes through, or a program of ours or an agent answers with it.
    NotOurs,
    /// No human wrote it.
    Automatic,
    /// Somebody signed it for a domain that we hold no key for: changed, it would fail.
    SignedElsewhere,
    /// The tracking host does not lead here (yet).
    HostNotReady,
}

impl Untracked {
    /// For people who ask why; nothing where nobody set anything up.
    pub fn told(self) -> Option<Value> {
        (self != Self::NotSetUp && self != Self::NotOurs).then(|| json!({ "untracked": self.word() }))
    }

    fn word(self) -> &'static str {
        match self {
            Self::NotSetUp => "not_set_up",
            Self::SwitchedOff => "switched_off",
            Self::NotOurs => "not_ours",
            Self::Automatic => "automatic",
            Self::SignedElsewhere => "signed_elsewhere",
            Self::HostNotReady => "host_not_ready",
        }
    }
}

/// Who has a word in it, each over those behind it: the message, its stream, its credential, its domain.
pub(super) struct Voices<'a> {
    pub intake: &'a Intake,
    pub stream: &'a Stream,
    pub credential: Option<&'a Credential>,
    pub domain: &'a Domain,
    pub is_host_ready: bool,
    pub holds_key_for: &'a dyn Fn(&str) -> bool,
}

/// What is tracked.
pub(super) struct Tracked<'a> {
    tracking: &'a Tracking,
    opens: bool,
    clicks: Clicks,
}

pub(super) fn decide<'a>(voices: &Voices<'a>, message: &[u8]) -> Result<Tracked<'a>, Untracked> {
    let Some(tracking) = &voices.domain.tracking else { return Err(Untracked::NotSetUp) };
    match voices.intake.origin {
        Origin::Submitted | Origin::Api => {}
        Origin::Arrived | Origin::Collected | Origin::Answered | Origin::Generated => return Err(Untracked::NotOurs),
    }
    let wishes = &voices.intake.wishes;
    let opens = wishes.opens.or(voices.stream.opens).or(voices.credential.and_then(|c| c.opens));
    let clicks = wishes.clicks.or(voices.stream.clicks).or(voices.credential.and_then(|c| c.clicks));
    let (opens, clicks) = (opens.unwrap_or(tracking.opens), clicks.unwrap_or(tracking.clicks));
    if !opens && clicks == Clicks::None {
        return Err(Untracked::SwitchedOff);
    }
    let mut fields = Fields::of(message);
    if let Some(why) = fields.find_map(|field| speaks_against(&field, voices)) {
        return Err(why);
    }
    if !voices.is_host_ready {
        return Err(Untracked::HostNotReady);
    }
    Ok(Tracked { tracking, opens, clicks })
}

fn speaks_against(field: &Field<'_>, voices: &Voices<'_>) -> Option<Untracked> {
    if field.is("Auto-Submitted") {
        // RFC 3834 5: anything but "no" was made by no human. Who wants it tracked all the same says so in the message.
        let value = field.unfolded();
        let word = value.trim_ascii().split(|b| matches!(b, b';' | b' ' | b'(')).next().unwrap_or_default();
        let wishes = &voices.intake.wishes;
        let is_wished = wishes.opens.is_some() || wishes.clicks.is_some();
        return (!word.eq_ignore_ascii_case(b"no") && !is_wished).then_some(Untracked::Automatic);
    }
    if field.is("DKIM-Signature") {
        let value = field.unfolded();
        let signer = value.split(|b| *b == b';').find_map(|tag| tag.trim_ascii().strip_prefix(b"d="));
        let signer = signer.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase());
        let is_ours = signer.is_some_and(|name| (voices.holds_key_for)(&name));
        return (!is_ours).then_some(Untracked::SignedElsewhere);
    }
    None
}

/// A message with its links prepared.
pub(super) struct Prepared {
    pub bytes: Vec<u8>,
    pub slots: Vec<Slot>,
    /// Destinations too long for a token.
    pub rows: Vec<Step>,
    pub is_rewritten: bool,
    /// For people: what was found, and what became of it.
    pub note: Value,
}

/// What drafts tokens for one message.
pub(super) struct Drafting<'a> {
    pub message: &'a MessageId,
    pub tenant: &'a TenantId,
    pub keyring: &'a Keyring,
    pub now: Time,
    pub random: &'a Random,
}

impl Drafting<'_> {
    /// The URL behind which a recipient ends a stream of mail, with its token drafted.
    pub fn unsubscribe(&self, host: &str) -> Option<String> {
        let head = Saying { message: self.message, link: token::NO_LINK, leads_to: Leads::Unsubscribe };
        Some(format!("{host}/t/{}", self.keyring.draft(&head)?))
    }

    fn draft(&self, link: u16, target: Target<'_>, rows: &mut Vec<Step>) -> Option<String> {
        let id: LinkId;
        let leads_to = match target {
            Target::Pixel => Leads::Pixel,
            Target::Url(url) if url.len() <= token::URL_BYTES_MAX => Leads::Url(url),
            Target::Url(url) => {
                id = id::new(self.now, self.random);
                rows.push(links::new_link(&id, self.tenant, url, self.now));
                Leads::Row(&id)
            }
        };
        self.keyring.draft(&Saying { message: self.message, link, leads_to })
    }
}

/// Rewrites what can be, once and for all recipients.
pub(super) fn prepare(message: Vec<u8>, tracked: &Tracked<'_>, drafting: &Drafting<'_>) -> Prepared {
    let Tracked { tracking, opens, clicks } = tracked;
    let mut rows = Vec::new();
    let mut draft = |link: u16, target: Target<'_>| drafting.draft(link, target, &mut rows);
    let mut plan = Plan {
        host: tracking.host.as_str(),
        clicks: match clicks {
            Clicks::None => rewrite::Clicks::None,
            Clicks::Html => rewrite::Clicks::Html,
            Clicks::All => rewrite::Clicks::All,
        },
        pixel: opens.then_some(match tracking.pixel {
            PixelPlace::Bottom => rewrite::PixelPlace::Bottom,
            PixelPlace::Top => rewrite::PixelPlace::Top,
        }),
        exclude: &tracking.exclude,
        sensitive: &tracking.sensitive,
        never: &[],
        draft: &mut draft,
    };
    let Rewritten { message, is_changed, slots, links, notes } = rewrite::rewrite(message, &mut plan);
    let note = note(&links, &notes, &slots);
    Prepared { bytes: message, slots, rows, is_rewritten: is_changed, note }
}

/// Where the token of the one-click URL stands, when it is a slot.
pub(super) fn header_slot(place: std::ops::Range<usize>) -> Slot {
    Slot { encoding: slot::Encoding::Plain, at: place.start, offset: place.start, width: place.len() }
}

fn note(links: &[Link], notes: &[Note], slots: &[Slot]) -> Value {
    let is_tracked = |link: &&Link| matches!(link.fate, Fate::Tracked(_));
    let skipped = links.iter().filter_map(|link| match &link.fate {
        Fate::Skipped(why) => Some(json!({ "part": link.part.word(), "url": short(&link.url), "why": why.word() })),
        Fate::Tracked(_) => None,
    });
    json!({
        "found": links.len(),
        "tracked": links.iter().filter(is_tracked).count(),
        "tokens": slots.len(),
        "skipped": skipped.take(limits::LINKS_NOTED_MAX).collect::<Vec<_>>(),
        "notes": notes.iter().map(ToString::to_string).take(limits::LINKS_NOTED_MAX).collect::<Vec<_>>(),
    })
}

fn short(url: &str) -> String {
    url.chars().take(limits::NOTED_URL_CHARS_MAX).collect()
}
