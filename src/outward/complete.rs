//! Completes a message that one of ours wrote: what its program left out is put in, what nobody else may
//! see is taken out (RFC 6409 8), and our Received field comes on top of it all.

use crate::base::id::MessageId;
use crate::base::limits;
use crate::mail::date::Date;
use crate::mail::domain_name::DomainName;
use crate::mail::header::{Ending, Fields, Header};
use crate::mail::message::{Edit, put_on_top};
use crate::model::intake::Intake;
use crate::model::message::Origin;
use crate::model::name::Name;
use crate::model::stream::{Kind, Offer, Stream};
use crate::model::wishes::Unsubscribe;
use crate::policy::header::steers_a_provider;
use std::ops::Range;

/// What a message is completed with.
pub struct Given<'a> {
    pub id: &'a MessageId,
    /// The domain that it leaves for, and whose it is.
    pub domain: &'a DomainName,
    pub tenant: &'a Name,
    pub client: Client,
    /// None: a report of ours.
    pub stream: Option<&'a Stream>,
    pub leaves: Leaves,
    /// Where a recipient ends this stream of mail by one request (RFC 8058): the whole address. What stands behind
    /// its last slash is a token, which is each recipient's own.
    pub unsubscribe: Option<&'a str>,
}

/// Whether our Received field says which host of the sender's gave us the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Named,
    Hidden,
}

/// Whose servers see the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    ToRecipients,
    /// Through an account that others use too: its service takes orders from header fields, and they would be this
    /// sender's.
    BySharedRelay,
}

/// The message as it leaves.
#[derive(Debug, PartialEq, Eq)]
pub struct Completed {
    pub message: Vec<u8>,
    /// The Message-ID that it was given if it had none.
    pub given_id: Option<String>,
    /// Where in it the token of the unsubscribe address stands.
    pub token: Option<Range<usize>>,
}

/// What a header lacks that a message has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    date: bool,
    message_id: bool,
    /// Where the empty line should be behind it.
    empty_line_at: Option<usize>,
}

impl Lacking {
    pub fn of(header: &Header<'_>) -> Self {
        Self {
            date: header.date.is_none(),
            message_id: header.message_id.is_none(),
            // The line where the header ends for us may be skipped by others, who then read fields of their own
            // behind it, seen by no check of ours: an empty line makes them agree. One that is all there is has none
            // behind it: readers differ about that too, so it gets one, and can be signed.
            empty_line_at: matches!(header.ending, Ending::Text | Ending::Message).then_some(header.bytes),
        }
    }
}

/// The message that came with this, of which the header lacks so much.
pub fn complete(message: Vec<u8>, lacking: &Lacking, intake: &Intake, given: &Given<'_>) -> Completed {
    let only = match intake.envelope.recipients.as_slice() {
        [one] => Some(&one.address),
        _ => None,
    };
    let received = match given.client {
        Client::Named => intake.hop.field(given.id, only),
        Client::Hidden => intake.hop.field_without_client(given.id, only),
    };
    let mut on_top = vec![received];
    if !is_ours(intake.origin) {
        return Completed { message: put_on_top(message, &on_top), given_id: None, token: None };
    }
    let seen = Seen::of(&message, given.leaves);
    // RFC 6409 8.2: the Date field.
    if lacking.date {
        on_top.push(format!("Date: {}\r\n", Date(intake.hop.at)));
    }
    // RFC 6409 8.3: the Message-ID field. Of its author's domain, under our own name for the message.
    let given_id = lacking.message_id.then(|| format!("<{}@{}>", given.id, given.domain));
    if let Some(given) = &given_id {
        on_top.push(format!("Message-ID: {given}\r\n"));
    }
    // RFC 2045 4: without it the other fields of MIME mean nothing to who keeps to the rules.
    if seen.has_content && !seen.has_version {
        on_top.push("MIME-Version: 1.0\r\n".to_owned());
    }
    let token = given.stream.and_then(|stream| add_list_fields(&mut on_top, intake, given, stream, &seen));
    let is_whole = seen.without.is_empty() && lacking.empty_line_at.is_none();
    let message = match is_whole {
        true => put_on_top(message, &on_top),
        // RFC 5322 3.6.3: whom Bcc names, nobody else may know.
        false => {
            Edit { on_top, without: seen.without, empty_line_at: lacking.empty_line_at, message: &message }.apply()
        }
    };
    Completed { message, given_id, token }
}

/// What a message says of itself, as far as it decides what is added.
#[derive(Default)]
struct Seen {
    has_content: bool,
    has_version: bool,
    has_unsubscribe: bool,
    has_list_id: bool,
    has_feedback_id: bool,
    /// Fields that are not for those who get it.
    without: Vec<Range<usize>>,
}

impl Seen {
    fn of(message: &[u8], leaves: Leaves) -> Self {
        let mut seen = Self::default();
        for field in Fields::of(message) {
            match field.name().as_bytes()[0].to_ascii_lowercase() {
                b'b' if field.is("bcc") => seen.without.push(field.range()),
                b'c' => seen.has_content |= field.name().get(..8).is_some_and(|it| it.eq_ignore_ascii_case("content-")),
                b'm' => seen.has_version |= field.is("mime-version"),
                b'l' => {
                    seen.has_unsubscribe |= field.is("list-unsubscribe") || field.is("list-unsubscribe-post");
                    seen.has_list_id |= field.is("list-id");
                }
                b'f' => seen.has_feedback_id |= field.is("feedback-id"),
                b'x' if leaves == Leaves::BySharedRelay && steers_a_provider(field.name()) => {
                    seen.without.push(field.range());
                }
                _ => {}
            }
        }
        seen
    }
}

/// What a mailing says of itself; where the token of its unsubscribe address stands, in the message that is made.
fn add_list_fields(
    on_top: &mut Vec<String>,
    intake: &Intake,
    given: &Given<'_>,
    stream: &Stream,
    seen: &Seen,
) -> Option<Range<usize>> {
    let is_mailing = stream.kind == Kind::Bulk;
    if is_mailing && !seen.has_list_id {
        on_top.push(list_id(stream, given.domain));
    }
    if is_mailing && !seen.has_feedback_id {
        on_top.push(feedback_id(intake, given.tenant, stream));
    }
    let offers = match &intake.wishes.unsubscribe {
        Unsubscribe::None => false,
        Unsubscribe::Group(_) => true,
        Unsubscribe::Auto => is_mailing && stream.unsubscribe == Offer::Auto,
    };
    let url = given.unsubscribe.filter(|url| offers && !seen.has_unsubscribe && may_stand(url))?;
    // One line, which nobody has to fold: what differs by recipient is patched in place.
    const BEGINNING: &str = "List-Unsubscribe: <";
    let at = on_top.iter().map(String::len).sum::<usize>() + BEGINNING.len();
    let token = url.rfind('/').map_or(0, |slash| slash + 1);
    on_top.push(format!("{BEGINNING}{url}>\r\n"));
    // RFC 8058 3.1
    on_top.push("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".to_owned());
    Some(at + token..at + url.len())
}

/// RFC 8058 3.1: one request needs https. What would not stay one value on one line is none.
fn may_stand(url: &str) -> bool {
    url.starts_with("https://")
        && url.len() <= limits::UNSUBSCRIBE_URL_BYTES_MAX
        && url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b',' | b'"'))
}

/// RFC 2919 3.
fn list_id(stream: &Stream, domain: &DomainName) -> String {
    match &stream.list_id {
        Some(id) => format!("List-Id: <{id}>\r\n"),
        None => format!("List-Id: <{}.{domain}>\r\n", stream.label()),
    }
}

/// Four fields by which a large provider tells how complaints spread: campaign, stream, tenant, and who sends.
fn feedback_id(intake: &Intake, tenant: &Name, stream: &Stream) -> String {
    let campaign = intake.wishes.tags.first().map_or("none", String::as_str);
    let [campaign, stream, tenant] = [campaign, stream.name.as_str(), tenant.as_str()].map(plain);
    format!("Feedback-ID: {campaign}:{stream}:{tenant}:gatepost\r\n")
}

fn plain(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    text.chars().take(limits::TAG_BYTES_MAX).map(letter).collect()
}

/// Written here or by our users. What only passes through is not ours to change.
pub(super) fn is_ours(origin: Origin) -> bool {
    match origin {
        Origin::Submitted | Origin::Api | Origin::Answered | Origin::Generated => true,
        Origin::Arrived | Origin::Collected => false,
    }
}

#[cfg(test)]
mod tests;
