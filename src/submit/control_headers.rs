//! The control headers of a message from one of our users: what it wishes, read and judged, and the message without
//! them. Whoever may submit may say all of this; what somebody may not wish, or nobody can mean, refuses the message
//! by the header's name and the reason. No byte of them goes on with the mail.
//!
//! `own` knows our headers, `compat` those of other providers for credentials that list them; both say it to
//! `asked`, which keeps what was said first. `value` reads what stands behind a colon.

mod asked;
mod compat;
mod own;
mod smtpapi;
mod value;

use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::header::{Field, Fields};
use crate::mail::message::Edit;
use crate::model::credential::{Compatible, Credential};
use crate::model::directory::{Directory, Entry};
use crate::model::name::Name;
use crate::model::wishes::Wishes;
use crate::policy::header::CONTROL_PREFIX;
use crate::smtp::reply::Reply;
use asked::Asked;

/// What whoever sends the message may wish.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    pub directory: &'a Directory,
    pub tenant: &'a Name,
    /// Whose headers are understood beside ours.
    pub compatible: &'a [Compatible],
    pub ignore_suppression: bool,
    pub now: Time,
}

impl<'a> Right<'a> {
    pub fn of(directory: &'a Directory, credential: &'a Entry<Credential>, now: Time) -> Self {
        let Credential { compatible, ignore_suppression, .. } = &credential.value;
        Self { directory, tenant: &credential.tenant, compatible, ignore_suppression: *ignore_suppression, now }
    }
}

/// A header that refuses its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub header: String,
    /// Reads after the header's name and a colon.
    pub why: String,
}

impl Refused {
    /// The answer to the end of DATA.
    pub fn reply(&self) -> Reply {
        let text = format!("{}: {}", self.header, self.why);
        let text = text[..text.floor_char_boundary(limits::CONTROL_REFUSAL_BYTES_MAX)].to_owned();
        Reply::with(554, 6, 0, text)
    }
}

/// Why a value is not taken.
type Why = String;

/// One header, as it stands in the message.
struct Said<'a> {
    header: &'a str,
    value: &'a [u8],
}

/// What a message wishes, and the message without its control headers; none of it when it has none.
pub fn take(message: &[u8], right: Right<'_>) -> Result<(Wishes, Option<Vec<u8>>), Refused> {
    let mut asked = Asked::by(right);
    let (mut without, mut foreign) = (Vec::new(), Vec::new());
    for field in Fields::of(message) {
        if !matches!(field.name().as_bytes()[0], b'x' | b'X') {
            continue;
        }
        if let Some(name) = own_name(&field) {
            asked.say(&field, |asked, said| own::take(asked, name, said))?;
        } else if let Some(provider) = compat::provider_of(field.name()).filter(|it| right.compatible.contains(it)) {
            foreign.push((provider, field));
        } else {
            continue;
        }
        without.push(field.range());
    }
    // Ours first, wherever they stand: who writes both means ours for us.
    for (provider, field) in foreign {
        asked.say(&field, |asked, said| compat::take(asked, provider, said))?;
    }
    if without.is_empty() {
        return Ok((Wishes::default(), None));
    }
    let bare = Edit { without, message, ..Edit::default() }.apply();
    Ok((asked.wishes(), Some(bare)))
}

/// What stands behind our prefix.
fn own_name<'a>(field: &Field<'a>) -> Option<&'a str> {
    let (prefix, name) = field.name().split_at_checked(CONTROL_PREFIX.len())?;
    prefix.eq_ignore_ascii_case(CONTROL_PREFIX).then_some(name)
}

#[cfg(test)]
mod tests;
