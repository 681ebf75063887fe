//! What we sign, as others see it: mail-auth and dkimpy have to accept it, whatever the message looks like, and
//! nothing of it may be changed or added afterwards.

#[path = "dkim/goldens.rs"]
mod goldens;
#[path = "dkim/life.rs"]
mod life;
#[path = "dkim/others.rs"]
mod others;
#[path = "dkim/tampering.rs"]
mod tampering;
#[path = "dkim/vectors.rs"]
mod vectors;

use gatepost::base::clock::Time;
use gatepost::proof::{BodyHash, PrivateKey, SigningKey, sign};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const NOW: Time = Time::from_micros(1_700_000_000_999_999);

fn golden(name: &str) -> PathBuf {
    crate::source::root().join("tests/golden/dkim").join(name)
}

fn key(selector: &str, file: &str) -> Arc<SigningKey> {
    let private = PrivateKey::open(&golden(file)).unwrap();
    Arc::new(SigningKey::new("example.com".parse().unwrap(), selector.parse().unwrap(), private))
}

/// One of each kind.
fn keys() -> Vec<Arc<SigningKey>> {
    vec![key("rsa1", "rsa.pem"), key("ed1", "ed25519.pem")]
}

fn signed(message: &[u8], keys: &[Arc<SigningKey>]) -> Vec<u8> {
    let mut all = sign(message, &BodyHash::of(message), keys, NOW, Some(Duration::from_secs(86_400 * 36_500))).unwrap();
    all.extend_from_slice(message);
    all
}
