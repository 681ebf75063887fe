//! What is said about a message beside it: who sends it, who shall get it, and how (RFC 5321 2.3.1).
//! Values that are valid once they exist; `smtp` reads them from the wire, the rooms above decide on
//! them.

use super::address::Address;
use crate::base::clock::Time;

/// Who a failure is told to; RFC 5321 4.5.5: the null path is not an empty address but nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    Null,
    Address(Address),
}

impl ReversePath {
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// As on the wire, without its angle brackets.
impl std::fmt::Display for ReversePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// RFC 6152, RFC 3030: what the lines of the message may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    #[default]
    SevenBit,
    EightBitMime,
    BinaryMime,
}

/// RFC 3461 4.3: how much of the message a failure report returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    Full,
    Headers,
}

/// What MAIL says beside the reverse path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParams {
    pub body: BodyType,
    /// RFC 1870: how large the client says the message is.
    pub size: Option<u64>,
    /// RFC 6531: addresses and header fields may be UTF-8.
    pub smtputf8: bool,
    pub ret: Option<Ret>,
    /// RFC 3461 4.4, decoded.
    pub envid: Option<String>,
    /// RFC 8689 4: never without TLS.
    pub require_tls: bool,
    /// RFC 4865: not before this.
    pub hold_until: Option<Time>,
}

/// RFC 3461 4.1: which reports about a recipient are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    Never,
    On { success: bool, failure: bool, delay: bool },
}

/// RFC 3461 4.2, decoded: whom the sender meant before anyone forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// The address type, `rfc822` or `utf-8`.
    pub kind: String,
    pub address: String,
}

/// One recipient, as RCPT names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub address: Address,
    pub notify: Option<Notify>,
    pub original: Option<OriginalRecipient>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub sender: ReversePath,
    pub params: MailParams,
    pub recipients: Vec<Recipient>,
}
