//! SCRAM-SHA-256 on the client's side (RFC 5802, RFC 7677), without channel binding: the password never goes
//! out, and the server has to prove that it knows it, too.

use super::Broken;
use crate::base::limits;
use crate::base::scram::{ITERATIONS, ScramSecret, mac};
use crate::base::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;

/// RFC 5802 7: `n,,` and what comes back of it in base64.
const GS2_HEADER: &str = "n,,";
const GS2_BACK: &str = "biws";

/// Our first message is said.
#[derive(Debug)]
pub(super) struct First {
    password: Secret,
    bare: String,
    nonce: String,
}

impl First {
    pub fn new(username: &str, password: Secret, nonce: &str) -> (Self, Secret<Vec<u8>>) {
        // RFC 5802 5.1: what would end a name is written otherwise.
        let name = username.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={name},r={nonce}");
        let words = Secret::new(format!("{GS2_HEADER}{bare}").into_bytes());
        (Self { password, bare, nonce: nonce.to_owned() }, words)
    }

    /// RFC 5802 7: `r=nonce,s=salt,i=iterations`, and our proof for it.
    pub fn prove(self, challenge: &[u8]) -> Result<(Proven, Secret<Vec<u8>>), Broken> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| Broken::Challenge)?;
        let (nonce, salt, iterations) = self.read(challenge).ok_or(Broken::Challenge)?;
        let keys = ScramSecret::derive(self.password.expose(), &salt, iterations);
        let unproven = format!("c={GS2_BACK},r={nonce}");
        let message = format!("{},{challenge},{unproven}", self.bare);
        let proof = STANDARD.encode(keys.proof(message.as_bytes()).expose());
        let signature = mac(keys.server_key(), message.as_bytes()).as_ref().to_vec();
        Ok((Proven { signature }, Secret::new(format!("{unproven},p={proof}").into_bytes())))
    }

    fn read<'c>(&self, challenge: &'c str) -> Option<(&'c str, Vec<u8>, NonZeroU32)> {
        let mut attributes = challenge.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        // RFC 5802 5.1: ours, and something of the server's behind it.
        let theirs = nonce.strip_prefix(&self.nonce)?;
        let salt = STANDARD.decode(attributes.next()?.strip_prefix("s=")?).ok()?;
        let iterations: u32 = attributes.next()?.strip_prefix("i=")?.parse().ok()?;
        // RFC 7677 4: fewer would make the password easy to guess for who asks; more would cost us a core.
        let fits = (ITERATIONS..=limits::SCRAM_ITERATIONS_MAX).contains(&iterations)
            && (1..=limits::NONCE_BYTES_MAX).contains(&theirs.len())
            && theirs.bytes().all(|b| b.is_ascii_graphic())
            && (1..=limits::SALT_BYTES_MAX).contains(&salt.len());
        Some((nonce, salt, NonZeroU32::new(iterations)?)).filter(|_| fits)
    }
}

/// Our proof is said; the server's is awaited.
#[derive(Debug)]
pub(super) struct Proven {
    signature: Vec<u8>,
}

impl Proven {
    /// RFC 5802 7: `v=signature`, or `e=error`.
    pub fn check(&self, last: &[u8]) -> Result<(), Broken> {
        let signature = last.strip_prefix(b"v=").map(|text| text.split(|b| *b == b',').next().unwrap_or_default());
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or(Broken::ServerUnproven)?;
        verify_slices_are_equal(&signature, &self.signature).map_err(|_| Broken::ServerUnproven)
    }

    /// The same beside 235, in base64.
    pub fn check_text(&self, text: &str) -> Result<(), Broken> {
        self.check(&STANDARD.decode(text.trim()).map_err(|_| Broken::ServerUnproven)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn first() -> First {
        let (first, words) = First::new("user", Secret::new("pencil".to_owned()), "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(words.expose(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        first
    }

    #[test]
    fn the_example_of_rfc_7677_goes_through() {
        let (proven, words) = first().prove(CHALLENGE.as_bytes()).unwrap();
        let want = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(std::str::from_utf8(words.expose()).unwrap(), want);
        let last = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proven.check(last.as_bytes()), Ok(()));
        assert_eq!(proven.check_text(&STANDARD.encode(last)), Ok(()));
        for wrong in
            [&last.replace("6r", "6s"), "v=", "e=invalid-proof", "", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="]
        {
            assert_eq!(proven.check(wrong.as_bytes()), Err(Broken::ServerUnproven), "{wrong}");
        }
        assert_eq!(proven.check_text("2.7.0 welcome"), Err(Broken::ServerUnproven));
    }

    #[test]
    fn a_challenge_that_is_not_for_us_is_not_answered() {
        for (from, to) in [
            ("r=rOpr", "r=xOpr"),
            ("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            ("r=", "m=x,r="),
            ("i=4096", "i=4095"),
            ("i=4096", "i=4294967295"),
            ("i=4096", "i=x"),
            (",i=4096", ""),
            ("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s="),
            ("s=W22", "s=!"),
        ] {
            let wrong = CHALLENGE.replacen(from, to, 1);
            assert!(matches!(first().prove(wrong.as_bytes()), Err(Broken::Challenge)), "{wrong}");
        }
        assert!(first().prove(b"\xff").is_err());
    }
}
