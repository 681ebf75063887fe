//! A sender's own key for a message: whoever comes with the same key and the same message hears what the first one
//! heard, and nothing is sent twice. The row of the key is written with the message, so that holds on every node
//! and through a crash.

use crate::base::clock::Time;
use crate::mail::header::Fields;
use crate::model::intake::Intake;
use crate::model::name::Name;
use crate::smtp::reply::Reply;
use crate::store::Store;
use crate::store::idempotency::{Answered, Keyed};
use aws_lc_rs::digest::{Context, SHA256};
use std::fmt::Write;

const REUSED: Reply =
    Reply::new(554, 6, 0, "X-Gatepost-Idempotency-Key: this key stands for another message since less than a day");

/// The key of a message, if it has one, and what was sent under it: asked while the message is as it came.
pub(super) fn keyed(intake: &Intake, tenant: &Name) -> Option<Keyed> {
    let key = intake.wishes.idempotency_key.clone()?;
    let login = intake.submitter.as_deref().unwrap_or_default();
    Some(Keyed { scope: format!("smtp:{tenant}:{login}"), key, content_hash: content_hash(intake) })
}

/// What the first one under this key heard; none when this is the first. A store that does not answer is none,
/// too: then the message is not taken either.
pub(super) async fn first(store: &Store, keyed: &Keyed, now: Time) -> Option<Result<Answered, Reply>> {
    let kept = store.kept_by_key(keyed, now).await.ok().flatten()?;
    Some(if kept.content_hash == keyed.content_hash { Ok(kept.answered) } else { Err(REUSED) })
}

/// Envelope, fields and body, without what a program or a relay between us makes anew with each try. Each piece is
/// hashed with its length, so that no two messages read the same.
fn content_hash(intake: &Intake) -> String {
    const ANEW: [&str; 4] = ["received", "date", "message-id", "dkim-signature"];
    let mut hash = Context::new(&SHA256);
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(intake.envelope.sender.to_string().as_bytes());
    let mut recipients: Vec<_> = intake.envelope.recipients.iter().map(|to| to.address.to_string()).collect();
    recipients.sort();
    recipients.iter().for_each(|recipient| add(recipient.as_bytes()));
    let mut fields = Fields::of(&intake.message);
    for field in &mut fields {
        if !ANEW.iter().any(|name| field.is(name)) {
            add(&intake.message[field.range()]);
        }
    }
    add(&intake.message[fields.bytes()..]);
    let mut text = String::with_capacity(64);
    for byte in hash.finish().as_ref() {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
