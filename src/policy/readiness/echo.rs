//! How a tracking host proves that it leads here: asked for `/t/ready/<nonce>`, our tracking listener answers with
//! a MAC over the nonce. Proxies may stand between, and other nodes that share our master key may answer; nobody
//! else can.

use crate::base::random::Random;
use crate::base::secret::Secret;
use aws_lc_rs::hmac;
use std::sync::Arc;

/// Where the question is asked; the nonce follows.
pub const PATH: &str = "/t/ready/";

/// Keeps this use of the master key apart from every other.
const PURPOSE: &[u8] = b"gatepost: does this tracking host lead here";

const NONCE_BYTES: usize = 16;

/// A question that was never asked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    pub fn new(random: &Random) -> Self {
        Self(hex(&random.bytes::<NONCE_BYTES>()))
    }

    /// As it stands in a path. Nothing else is answered: the MAC is for nobody's texts.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 2 * NONCE_BYTES && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Knows the answers.
#[derive(Clone)]
pub struct Echo(Arc<hmac::Key>);

impl Echo {
    pub fn under(master_key: &Secret<Vec<u8>>) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, master_key.expose());
        let own = hmac::sign(&master, PURPOSE);
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())))
    }

    pub fn of(&self, nonce: &Nonce) -> String {
        hex(hmac::sign(&self.0, nonce.0.as_bytes()).as_ref())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_key_knows_the_answer() {
        let under = |key: &[u8]| Echo::under(&Secret::new(key.to_vec()));
        let nonce = Nonce::new(&Random::seeded(1));
        assert_eq!(under(b"one").of(&nonce), under(b"one").of(&nonce));
        assert_ne!(under(b"one").of(&nonce), under(b"two").of(&nonce));
        assert_ne!(under(b"one").of(&nonce), under(b"one").of(&Nonce::new(&Random::seeded(2))));
    }

    #[test]
    fn a_nonce_is_thirty_two_hex_digits_and_nothing_else() {
        let nonce = Nonce::new(&Random::seeded(1));
        assert_eq!(Nonce::parse(nonce.as_str()), Some(nonce.clone()));
        for wrong in ["", "0", &nonce.as_str()[1..], &format!("{}0", nonce.as_str()), &"G".repeat(32), &"A".repeat(32)]
        {
            assert_eq!(Nonce::parse(wrong), None, "{wrong}");
        }
    }
}
