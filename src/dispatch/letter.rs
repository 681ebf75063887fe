//! What one host is given of a message: the recipient's own copy where copies differ, in a form that the host
//! takes, and signed. In this order, because nothing may touch a message that is signed but who prepends to it
//! (RFC 6376 5.3).

use super::Dispatch;
use super::happenings::{NotSigned, NotSignedWhy};
use super::signers::{Unmade, Unsigned};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::content::personal;
use crate::deliver::outcome::network;
use crate::deliver::session::{Parcel, Session};
use crate::mail::envelope::{BodyType, MailParams};
use crate::mail::status::Status;
use crate::model::message::Origin;
use crate::model::outcome::{Blame, Kind, Outcome, Why, category};
use crate::proof::{Keys, Signing};
use crate::queue::ready::{Item, Mail};
use crate::smtp::dialogue::transaction::Lack;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// A message as it goes out.
pub(super) struct Letter<'a> {
    /// All of it but its signature, which others may share with other bytes below it.
    pub bytes: Arc<Vec<u8>>,
    pub params: Cow<'a, MailParams>,
    /// The fields on top that sign it; none of a domain without keys.
    pub signature: Option<Arc<str>>,
    /// It is not as it is stored, but converted.
    pub is_converted: bool,
    /// What it takes of the memory for copies.
    _room: Option<OwnedSemaphorePermit>,
}

impl Letter<'_> {
    pub fn top(&self) -> &[u8] {
        self.signature.as_deref().unwrap_or_default().as_bytes()
    }
}

/// Why there is no letter.
pub(super) enum Unwritten {
    /// Not for this host.
    Misfit(Why),
    /// For nobody.
    Ends(Outcome),
}

impl From<Outcome> for Unwritten {
    fn from(outcome: Outcome) -> Self {
        Self::Ends(outcome)
    }
}

/// Bytes of a message in one of its forms.
pub(super) struct Body {
    pub bytes: Arc<Vec<u8>>,
    pub is_converted: bool,
}

impl Dispatch {
    /// The letter for these recipients of a message; where copies differ they are one.
    pub(super) async fn letter<'a>(
        &self,
        session: &Session,
        parcel: &Parcel<'a>,
        item: &Item,
    ) -> Result<Letter<'a>, Unwritten> {
        let keys = self.ledger.keys.load_full();
        let signs = self.may_sign(&keys, &item.mail)?;
        let room = self.room_for_copy(&item.mail).await;
        let own = self.own_copy(item)?;
        let needs_lines = signs && parcel.params.body == BodyType::BinaryMime;
        let parcel_of_own = Parcel { message: &own, ..*parcel };
        let body = self.body_for(session, &parcel_of_own, &item.mail, &own, needs_lines).await;
        let body = body.map_err(Unwritten::Misfit)?;
        let params = match body.is_converted {
            true => Cow::Owned(MailParams { body: BodyType::SevenBit, ..parcel.params.clone() }),
            false => Cow::Borrowed(parcel.params),
        };
        let Body { bytes, is_converted } = body;
        let signature = self.signature(&keys, &item.mail, &bytes, is_converted).await?;
        let letter = Letter { bytes, params, signature, is_converted, _room: room };
        let signed = Parcel { top: letter.top(), message: &letter.bytes, params: &letter.params, ..*parcel };
        match session.lacks(&signed) {
            // What fitted without its signature may not with it.
            Some(lack @ Lack::Room { .. }) if letter.signature.is_some() => {
                Err(Unwritten::Misfit(session.why_not(lack)))
            }
            _ => Ok(letter),
        }
    }

    /// What would be sent if anything were: the sandbox does all but the last step.
    pub(super) async fn unsent_letter(&self, item: &Item) -> Result<Option<Arc<str>>, Outcome> {
        let keys = self.ledger.keys.load_full();
        self.may_sign(&keys, &item.mail)?;
        let _room = self.room_for_copy(&item.mail).await;
        let own = self.own_copy(item)?;
        self.signature(&keys, &item.mail, &own, false).await
    }

    /// Is it signed? An error when it must be and cannot: mail of a domain that has keys never leaves unsigned.
    fn may_sign(&self, keys: &Keys, mail: &Mail) -> Result<bool, Outcome> {
        if !is_ours(mail.message.origin) {
            return Ok(false);
        }
        match keys.of(&mail.message.from_domain) {
            Signing::None if mail.finish.is_to_be_signed => Err(self.unsigned(mail, "none is configured any more")),
            Signing::None => Ok(false),
            Signing::With(_) => Ok(true),
            Signing::Unusable(why) => Err(self.unsigned(mail, why)),
        }
    }

    fn unsigned(&self, mail: &Mail, why: &str) -> Outcome {
        let domain = &mail.message.from_domain;
        NotSigned { message: &mail.message.id, domain, why: NotSignedWhy::NoKey(why) }.record();
        let text = format!("{domain} has DKIM keys, and none of them can sign: {why}");
        // RFC 3463 3.8, X.7.5: a cryptographic failure, and ours.
        Outcome::Later(Why::found(Blame::Us, Kind::Soft, category::UNSIGNED, Status::new(4, 7, 5), text))
    }

    /// Copies have a budget; who finds it spent waits for others to end. None is needed for what goes as it lies
    /// in memory.
    async fn room_for_copy(&self, mail: &Mail) -> Option<OwnedSemaphorePermit> {
        if mail.finish.slots.is_empty() {
            return None;
        }
        let kib = mail.prepared.len().div_ceil(1024).clamp(1, limits::COPIES_KIB_MAX);
        // Invariant: it fits, for `COPIES_KIB_MAX` does.
        self.copies.clone().acquire_many_owned(u32::try_from(kib).unwrap_or(1)).await.ok()
    }

    /// The message as stored, or the copy of this recipient.
    fn own_copy(&self, item: &Item) -> Result<Arc<Vec<u8>>, Outcome> {
        let mail = &item.mail;
        if mail.finish.slots.is_empty() {
            return Ok(mail.prepared.clone());
        }
        let mut own = mail.prepared.to_vec();
        let filled = personal::fill(&mut own, &mail.finish.slots, &self.ledger.keyring.load(), &item.delivery.id);
        // Rather late than with links that lead nowhere.
        filled.map_err(|why| Outcome::Later(network::not_configured(&why.to_string())))?;
        Ok(Arc::new(own))
    }

    /// The signatures of all usable keys. Recipients whose bytes are equal share one, until a key changes.
    async fn signature(
        &self,
        keys: &Arc<Keys>,
        mail: &Arc<Mail>,
        bytes: &Arc<Vec<u8>>,
        is_converted: bool,
    ) -> Result<Option<Arc<str>>, Outcome> {
        let domain = &mail.message.from_domain;
        if !is_ours(mail.message.origin) || !matches!(keys.of(domain), Signing::With(_)) {
            return Ok(None);
        }
        let is_shared = mail.finish.slots.is_empty();
        if let Some(signature) = is_shared.then(|| mail.signed(keys, is_converted)).flatten() {
            return Ok(Some(signature));
        }
        let unsigned = Unsigned { keys: keys.clone(), domain: domain.clone(), bytes: bytes.clone(), now: self.now() };
        let made = if bytes.len() <= limits::SIGN_INLINE_BYTES_MAX {
            self.signers.sign(unsigned).await
        } else {
            let beside = tokio::task::spawn_blocking(move || unsigned.sign()).await;
            // It does not come back when the runtime ends: then nobody waits for this one either.
            beside.unwrap_or(Err(Unmade::Broken))
        };
        let signature: Arc<str> = made.map_err(|unmade| match unmade {
            Unmade::Never(why) => {
                NotSigned { message: &mail.message.id, domain, why: NotSignedWhy::Unsignable(&why) }.record();
                network::unsendable(&format!("it cannot be signed: {why}")).outcome
            }
            // A mistake of ours costs some time, and never a mail.
            Unmade::Broken => {
                let text = "a fault of this server broke its signature; see the log".to_owned();
                Outcome::Later(Why::found(Blame::Us, Kind::Soft, category::BROKEN, Status::new(4, 3, 0), text))
            }
        })?;
        if is_shared {
            mail.keep_signed(keys.clone(), is_converted, signature.clone());
        }
        Ok(Some(signature))
    }
}

/// Written here or by our users. What only passes through is not ours to sign.
fn is_ours(origin: Origin) -> bool {
    match origin {
        Origin::Submitted | Origin::Api | Origin::Answered | Origin::Generated => true,
        Origin::Arrived | Origin::Collected => false,
    }
}
