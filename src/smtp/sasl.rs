//! One AUTH dialogue (RFC 4954, RFC 4616, RFC 5802 with RFC 7677), without I/O: responses come in,
//! challenges go out, and at the end stands what the client claims. Whether that is true is decided
//! above; only the arithmetic of SCRAM is done here.

use crate::base::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
    ScramSha256,
}

impl Mechanism {
    /// In any case of letters: that is how clients write them.
    pub fn named(name: &str) -> Option<Self> {
        [(Self::Plain, "PLAIN"), (Self::Login, "LOGIN"), (Self::ScramSha256, "SCRAM-SHA-256")]
            .into_iter()
            .find_map(|(mechanism, word)| word.eq_ignore_ascii_case(name).then_some(mechanism))
    }
}

/// A dialogue that waits: for the client's next response, or for keys.
#[derive(Debug)]
pub struct Exchange(());

/// What SCRAM logins are checked against (RFC 5802 3): real ones, or made up for a login that nobody has.
#[derive(Clone, Debug)]
pub struct ScramKeys {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: Secret<Vec<u8>>,
    pub server_key: Secret<Vec<u8>>,
}

/// What a client claims at the end of a dialogue.
#[derive(Debug)]
pub enum Claim {
    Password {
        login: String,
        password: Secret,
    },
    /// SCRAM: the client has proven, or has not, that it knows the password behind the keys.
    Proof {
        login: String,
        proven: bool,
    },
}

#[derive(Debug)]
pub enum Progress {
    /// Say 334 with this in base64, and hear the response.
    Challenge(Exchange, Vec<u8>),
    /// The keys of this login are needed.
    Keys(Exchange, String),
    /// The end. `farewell` is what the client must hear, in base64 behind 334, and answer with an empty
    /// response, before it is told 235 (RFC 5802 5: the server's signature); only when the claim holds.
    Claim { claim: Claim, farewell: Option<Vec<u8>> },
    /// Not a response of this mechanism: 501.
    Malformed,
}

impl Exchange {
    /// `initial` is the initial response, decoded; `nonce` is our part of SCRAM's nonce, printable.
    pub fn begin(_mechanism: Mechanism, _initial: Option<&[u8]>, _nonce: &str) -> Progress {
        Progress::Malformed
    }

    /// The client's next response, decoded.
    pub fn hear(self, _response: &[u8]) -> Progress {
        Progress::Malformed
    }

    /// The keys that `Progress::Keys` asked for.
    pub fn take_keys(self, _keys: ScramKeys) -> Progress {
        Progress::Malformed
    }
}
