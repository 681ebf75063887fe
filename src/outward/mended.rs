//! What programs write and no next host takes: text in raw UTF-8 in a header, lines of more than 998 bytes; and white
//! space before a colon, which no two verifiers of a signature take alike. Mended when the message is accepted, before
//! anything is signed. What its program signed itself stays as it is.

use super::complete::is_ours;
use crate::base::limits;
use crate::mail::encode::short_lines;
use crate::mail::header::Fields;
use crate::mail::mend::{self, Script};
use crate::mail::mime::LINE_BYTES_MAX;
use crate::model::intake::Intake;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) async fn mended(mut intake: Intake) -> Intake {
    if !is_ours(intake.origin) {
        return intake;
    }
    let is_signed = |message: &[u8]| Fields::of(message).any(|field| field.is("dkim-signature"));
    let script = if intake.envelope.params.smtputf8 { Script::Utf8 } else { Script::Ascii };
    let is_long = has_long_line(&intake.message);
    // Most mail has no fault, and is looked through twice at the speed of memory.
    let has_faults = is_long || !intake.message.is_ascii() || mend::has_spaced_name(&intake.message);
    if !has_faults || is_signed(&intake.message) {
        return intake;
    }
    if let Cow::Owned(made) = mend::header(&intake.message, script) {
        intake.message = made;
    }
    // RFC 5322 2.1.1
    if is_long {
        intake.message = shortened(intake.message).await;
    }
    intake
}

async fn shortened(message: Vec<u8>) -> Vec<u8> {
    let shorten = |message: Vec<u8>| match short_lines(&message) {
        Cow::Borrowed(_) => message,
        Cow::Owned(made) => made,
    };
    if message.len() <= limits::CONVERT_INLINE_BYTES_MAX {
        return shorten(message);
    }
    let original = Arc::new(message);
    let copy = original.clone();
    let made = tokio::task::spawn_blocking(move || short_lines(&copy).into_owned());
    // It does not come back when the runtime ends: then nobody waits for the message either.
    made.await.unwrap_or_else(|_| original.to_vec())
}

fn has_long_line(message: &[u8]) -> bool {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', message) {
        if end - from > LINE_BYTES_MAX + 1 {
            return true;
        }
        from = end + 1;
    }
    message.len() - from > LINE_BYTES_MAX
}
