//! The form in which a host can take a message: as it is, or with all its bodies in lines of ASCII. The other is
//! made when the first host needs it, once for a message, and whoever needs it later finds it made.

use super::Dispatch;
use super::happenings::MessageConverted;
use super::letter::Body;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::deliver::session::{Parcel, Session};
use crate::mail::encode::{self, Unconvertible};
use crate::mail::envelope::{BodyType, MailParams};
use crate::mail::status::Status;
use crate::model::outcome::Why;
use crate::queue::ready::Mail;
use crate::smtp::dialogue::transaction::Lack;
use std::borrow::Cow;
use std::sync::Arc;

impl Dispatch {
    /// The form of these bytes that this host takes, or what it lacks for any. `needs_lines`: binary bytes will not
    /// do, whatever the host takes.
    // RFC 6152 3, RFC 3030 3: converted, or refused; never as it is. Another host of the site might take it as it
    // is, but who may have to wait for that is not better off.
    pub(super) async fn body_for(
        &self,
        session: &Session,
        parcel: &Parcel<'_>,
        mail: &Arc<Mail>,
        own: &Arc<Vec<u8>>,
        needs_lines: bool,
    ) -> Result<Body, Why> {
        let lack = match session.lacks(parcel) {
            // RFC 6376 5.3: what is signed has lines.
            None if needs_lines => Lack::BinaryMime,
            None => return Ok(Body { bytes: own.clone(), is_converted: false }),
            Some(lack @ (Lack::EightBitMime | Lack::BinaryMime)) => lack,
            Some(lack) => return Err(session.why_not(lack)),
        };
        let bytes = self.converted(mail, own).await.map_err(|why| unconverted(session, lack, &why.to_string()))?;
        let params = MailParams { body: BodyType::SevenBit, ..parcel.params.clone() };
        match session.lacks(&Parcel { message: &bytes, params: &params, ..*parcel }) {
            None => {
                MessageConverted { message: &mail.message.id, host: session.host() }.record();
                Ok(Body { bytes, is_converted: true })
            }
            // RFC 6531 3.5, RFC 6152 3: what is still beyond ASCII stands in a header, and has no other form.
            Some(Lack::EightBitMime) if parcel.params.smtputf8 => Err(session.why_not(Lack::Smtputf8)),
            Some(lack @ Lack::EightBitMime) => Err(unconverted(session, lack, "its header has 8-bit text in it")),
            Some(lack) => Err(session.why_not(lack)),
        }
    }

    async fn converted(&self, mail: &Arc<Mail>, own: &Arc<Vec<u8>>) -> Result<Arc<Vec<u8>>, Unconvertible> {
        let is_shared = Arc::ptr_eq(own, &mail.prepared);
        if let Some(converted) = mail.converted().filter(|_| is_shared) {
            return converted;
        }
        let made = if own.len() <= limits::CONVERT_INLINE_BYTES_MAX {
            convert(own)
        } else {
            let original = own.clone();
            // It does not come back when the runtime ends: then there is nobody else to wait for this one either.
            tokio::task::spawn_blocking(move || convert(&original)).await.unwrap_or_else(|_| convert(own))
        };
        match is_shared {
            true => mail.keep_converted(made, &self.ledger.ready.room),
            false => made.map(|bytes| bytes.map_or_else(|| own.clone(), Arc::new)),
        }
    }
}

/// None: it is so already, but for what was said of it.
fn convert(original: &[u8]) -> Result<Option<Vec<u8>>, Unconvertible> {
    encode::seven_bit(original).map(|converted| match converted {
        Cow::Borrowed(_) => None,
        Cow::Owned(bytes) => Some(bytes),
    })
}

/// RFC 3463 3.7, X.6.3: conversion is required, and not possible.
fn unconverted(session: &Session, lack: Lack, reason: &str) -> Why {
    let why = session.why_not(lack);
    let text = format!("{}, and the message cannot be converted: {reason}", why.text);
    Why { status: Status::new(5, 6, 3), text, ..why }
}
