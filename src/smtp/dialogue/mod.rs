//! SMTP and LMTP as a client speaks them, without a socket: the bytes of a remote's replies come in, commands
//! go out, and at the end stands one answer for each recipient. `deliver::session` drives it.
//!
//! Whatever a remote says is bounded and never panics; whatever we say is one command in one line.

pub mod capabilities;
pub mod login;
mod mail;
pub mod message;
pub mod response;
pub mod transaction;
pub mod transcript;
mod words;

/// Where in a dialogue something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Until a socket is open.
    Connect,
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// The command, not yet the handshake.
    StartTls,
    Handshake,
    Login,
    Mail,
    Recipient,
    /// DATA itself, or a chunk that is not the last.
    Data,
    /// The message, to its final dot or last chunk, and what is said about it.
    Message,
    Reset,
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Hello => "hello",
            Self::StartTls => "starttls",
            Self::Handshake => "handshake",
            Self::Login => "login",
            Self::Mail => "mail",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::Message => "message",
            Self::Reset => "reset",
        }
    }
}
