//! What SCRAM-SHA-256 logins are checked against: keys derived from a password, and the one line they are
//! kept in. Who holds them can check a login but not make one.

use super::limits;
use super::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

const PREFIX: &str = "SCRAM-SHA-256$";

/// RFC 7677 4: at least 4096.
pub const ITERATIONS: u32 = 4096;

/// Bytes of the salts that we make.
pub const SALT_BYTES: usize = 16;

/// RFC 5802 3: real ones, or made up for a login that nobody has.
#[derive(Clone, Debug)]
pub struct ScramKeys {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: Secret<Vec<u8>>,
    pub server_key: Secret<Vec<u8>>,
}

impl ScramKeys {
    /// RFC 5802 3. Costs a millisecond or two.
    // unmet: RFC 4013, a password that is not ASCII is taken as it is written, without SASLprep
    pub fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let ScramSecret { client_key, server_key } = ScramSecret::derive(password, salt, iterations);
        Self {
            salt: salt.to_vec(),
            iterations: iterations.get(),
            stored_key: Secret::new(digest(&SHA256, client_key.expose()).as_ref().to_vec()),
            server_key,
        }
    }

    /// RFC 5803 2, in the form that PostgreSQL made common: `SCRAM-SHA-256$iterations:salt$stored:server`.
    pub fn read(line: &str) -> Option<Self> {
        let (head, keys) = line.strip_prefix(PREFIX)?.split_once('$')?;
        let (iterations, salt) = head.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| STANDARD.decode(text).ok().filter(|key| key.len() == SHA256_OUTPUT_LEN).map(Secret::new);
        let plain = iterations.bytes().all(|b| b.is_ascii_digit()) && !iterations.starts_with('0');
        Some(Self {
            salt: STANDARD.decode(salt).ok().filter(|salt| (1..=limits::SALT_BYTES_MAX).contains(&salt.len()))?,
            iterations: iterations.parse().ok().filter(|n| plain && *n <= limits::SCRAM_ITERATIONS_MAX)?,
            stored_key: key(stored)?,
            server_key: key(server)?,
        })
    }

    pub fn line(&self) -> Secret {
        let [stored, server] = [&self.stored_key, &self.server_key].map(|key| STANDARD.encode(key.expose()));
        let (iterations, salt) = (self.iterations, STANDARD.encode(&self.salt));
        Secret::new(format!("{PREFIX}{iterations}:{salt}${stored}:{server}"))
    }

    /// Is this the password behind the keys? As dear as `derive`.
    pub fn opens_with(&self, password: &str) -> bool {
        // `read` refuses 0 iterations; made by hand they are as good as one.
        let iterations = NonZeroU32::new(self.iterations).unwrap_or(NonZeroU32::MIN);
        let claimed = Self::derive(password, &self.salt, iterations);
        self.is_same_as(&claimed)
    }

    /// Do both stand for the same password and salt?
    pub fn is_same_as(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.stored_key.expose(), other.stored_key.expose()).is_ok()
    }
}

/// RFC 5802 3: what only who has the password can derive, for the client's side of a dialogue.
pub struct ScramSecret {
    client_key: Secret<Vec<u8>>,
    server_key: Secret<Vec<u8>>,
}

impl ScramSecret {
    /// Costs a millisecond or two at 4096 iterations.
    pub fn derive(password: &str, salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut salted = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut *salted);
        Self {
            client_key: Secret::new(mac(&*salted, b"Client Key").as_ref().to_vec()),
            server_key: Secret::new(mac(&*salted, b"Server Key").as_ref().to_vec()),
        }
    }

    /// What the server's signature is made with.
    pub fn server_key(&self) -> &[u8] {
        self.server_key.expose()
    }

    /// RFC 5802 3: the client's key, hidden behind a signature of all that was said.
    pub fn proof(&self, message: &[u8]) -> Secret<Vec<u8>> {
        let stored_key = digest(&SHA256, self.client_key.expose());
        let signature = mac(stored_key.as_ref(), message);
        let proof = self.client_key.expose().iter().zip(signature.as_ref()).map(|(key, s)| key ^ s);
        Secret::new(proof.collect())
    }
}

pub fn mac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pencil() -> ScramKeys {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        ScramKeys::derive("pencil", &salt, NonZeroU32::new(ITERATIONS).unwrap())
    }

    #[test]
    fn a_line_is_read_back() {
        let line = pencil().line();
        assert!(line.expose().starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"));
        let keys = ScramKeys::read(line.expose()).unwrap();
        assert!(keys.is_same_as(&pencil()) && keys.opens_with("pencil") && !keys.opens_with("pen"));
        assert_eq!(keys.server_key, pencil().server_key);
    }

    #[test]
    fn a_damaged_line_is_none() {
        let line = pencil().line().expose().clone();
        let wrong = [
            line[..line.len() - 1].to_owned(),
            line.replacen("SHA-256", "SHA-1", 1),
            line.replacen("4096", "0", 1),
            line.replacen("4096", "+4096", 1),
            line.replacen("4096", "4294967295", 1),
            line.replacen("W22ZaJ0SNY7soEsUEjb6gQ==", "", 1),
            "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy".to_owned(),
            String::new(),
        ];
        for wrong in wrong {
            assert!(ScramKeys::read(&wrong).is_none(), "{wrong}");
        }
    }
}
