//! Names of things: time-ordered, random, and prefixed with what they name, so that an id in a log
//! says what it is, sorts by age, and appends at the end of an index.
//!
//! `em_01k9…`: 48 bits of milliseconds, 80 bits of chance, in Crockford's base 32, lower case.

use super::clock::Time;
use super::random::Random;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

/// What each byte stands for as a digit; `NONE` for those that are none.
const VALUES: [u8; 256] = {
    let (mut values, mut digit) = ([NONE; 256], 0);
    while digit < ALPHABET.len() {
        values[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};
const NONE: u8 = 0xff;

/// The 26 digits behind an id's prefix.
fn digits(now: Time, chance: [u8; 10]) -> [u8; DIGITS] {
    let mut value = (now.micros().max(0) as u128 / 1_000) << 80;
    for (i, byte) in chance.iter().enumerate() {
        value |= u128::from(*byte) << (72 - 8 * i);
    }
    digits_of(value)
}

/// What the digits stand for; none when they are none, or more than 128 bits.
fn number(digits: &str) -> Option<u128> {
    let first = digits.bytes().next()?;
    if digits.len() != DIGITS || first > b'7' {
        return None;
    }
    digits.bytes().try_fold(0_u128, |number, b| {
        let digit = VALUES[usize::from(b)];
        (digit != NONE).then_some(number << 5 | u128::from(digit))
    })
}

fn digits_of(number: u128) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    for (i, digit) in text.iter_mut().enumerate() {
        *digit = ALPHABET[(number >> (5 * (DIGITS - 1 - i))) as usize & 31];
    }
    text
}

fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).and_then(number).is_some()
}

/// What an id can do, whatever it names.
pub trait Named: Sized {
    const PREFIX: &'static str;
    fn from_text(text: String) -> Self;
}

/// Makes a new id of any kind.
pub fn new<I: Named>(now: Time, random: &Random) -> I {
    named(digits(now, random.name_bytes()))
}

/// The earliest id of this moment: older ids are smaller, so an age becomes a range of keys.
pub fn earliest<I: Named>(at: Time) -> I {
    named(digits(at, [0; 10]))
}

fn named<I: Named>(digits: [u8; DIGITS]) -> I {
    let mut text = String::with_capacity(I::PREFIX.len() + DIGITS);
    text.push_str(I::PREFIX);
    text.extend(digits.iter().map(|b| *b as char));
    I::from_text(text)
}

/// The text was not an id of the expected kind.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnId {
    pub prefix: &'static str,
}

impl std::fmt::Display for NotAnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not an id of the form {}… with {DIGITS} characters behind the prefix", self.prefix)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl Named for $name {
            const PREFIX: &'static str = $prefix;
            fn from_text(text: String) -> Self {
                Self(text)
            }
        }

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The 128 bits behind its prefix.
            pub fn to_bytes(&self) -> [u8; 16] {
                // Invariant: every id was made from such a number, or read as one.
                number(&self.0[$prefix.len()..]).unwrap_or_default().to_be_bytes()
            }

            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                named(digits_of(u128::from_be_bytes(bytes)))
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                if is_id($prefix, text) { Ok(Self(text.to_owned())) } else { Err(NotAnId { prefix: $prefix }) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A message: what was accepted, whole.
    MessageId = "em_";
    /// One message on its way to one recipient.
    DeliveryId = "dl_";
    /// One try to deliver.
    AttemptId = "at_";
    /// One thing that happened.
    EventId = "evt_";
    DomainId = "dom_";
    DkimKeyId = "dk_";
    TemplateId = "tpl_";
    RelayId = "rly_";
    KeyId = "key_";
    CredentialId = "crd_";
    WebhookId = "whk_";
    WebhookDeliveryId = "whd_";
    SuppressionId = "sup_";
    RouteId = "rt_";
    MailboxId = "mbx_";
    TicketId = "tkt_";
    EntryId = "ent_";
    ContactId = "ct_";
    TagId = "tag_";
    TenantId = "ten_";
    UserId = "usr_";
    LinkId = "lnk_";
    SecretId = "sec_";
    AuditId = "aud_";
    /// One connection, in logs.
    ConnectionId = "cn_";
    /// One HTTP request, in logs and in its answer.
    RequestId = "req_";
    /// One start of one daemon.
    NodeId = "nd_";
    /// One commit of the writer.
    GroupId = "grp_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_carry_their_prefix() {
        let random = Random::seeded(1);
        let earlier: MessageId = new(Time::from_micros(1_000_000), &random);
        let later: MessageId = new(Time::from_micros(1_001_000), &random);
        assert!(earlier < later);
        assert!(earlier.as_str().starts_with("em_000000"));
        assert_eq!(earlier.as_str().len(), 29);
    }

    #[test]
    fn only_ids_of_the_right_kind_parse() {
        let id: DeliveryId = new(Time::from_micros(9), &Random::System);
        assert_eq!(id.as_str().parse::<DeliveryId>(), Ok(id.clone()));
        assert!(id.as_str().parse::<MessageId>().is_err());
        for wrong in [
            "",
            "dl_",
            "dl_0000000000000000000000000",
            "dl_000000000000000000000000u0",
            "dl_0000000000000000000000000é",
        ] {
            assert!(wrong.parse::<DeliveryId>().is_err(), "{wrong}");
        }
    }
}
