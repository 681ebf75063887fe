//! Completes a message that one of ours wrote: what its program left out is put in, what nobody else may
//! see is taken out (RFC 6409 8), and our Received field comes on top of it all.

use crate::base::id::MessageId;
use crate::mail::date::Date;
use crate::mail::domain_name::DomainName;
use crate::mail::header::{Ending, Header};
use crate::mail::message::Edit;
use crate::model::intake::Intake;
use crate::model::message::Origin;

/// The message as it leaves, and the Message-ID that it was given if it had none.
pub(super) fn complete(
    intake: &Intake,
    header: &Header<'_>,
    id: &MessageId,
    domain: &DomainName,
) -> (Vec<u8>, Option<String>) {
    let only = match intake.envelope.recipients.as_slice() {
        [one] => Some(&one.address),
        _ => None,
    };
    let mut edit = Edit { on_top: vec![intake.hop.field(id, only)], message: &intake.message, ..Edit::default() };
    if !is_ours(intake.origin) {
        return (edit.apply(), None);
    }
    // RFC 6409 8.2: the Date field.
    if header.date.is_none() {
        edit.on_top.push(format!("Date: {}\r\n", Date(intake.hop.at)));
    }
    // RFC 6409 8.3: the Message-ID field. Of its author's domain, under our own name for the message.
    let given = header.message_id.is_none().then(|| format!("<{id}@{domain}>"));
    if let Some(given) = &given {
        edit.on_top.push(format!("Message-ID: {given}\r\n"));
    }
    // RFC 5322 3.6.3: whom Bcc names, nobody else may know.
    edit.without = header.bcc.iter().map(|field| field.range()).collect();
    // The line where the header ends for us may be skipped by others, who then read fields of their own
    // behind it, seen by no check of ours: an empty line makes them agree.
    edit.empty_line_at = (header.ending == Ending::Text).then_some(header.bytes);
    (edit.apply(), given)
}

/// Written here or by our users. What only passes through is not ours to change.
fn is_ours(origin: Origin) -> bool {
    match origin {
        Origin::Submitted | Origin::Api | Origin::Answered | Origin::Generated => true,
        Origin::Arrived | Origin::Collected => false,
    }
}
