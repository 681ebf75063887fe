//! What logins are checked against. A password that stands in plain is turned into a hash and into SCRAM
//! keys once, off the async threads; for logins that nobody has there is something that costs the same
//! and opens for nobody.

use super::Fingerprint;
use crate::base::limits;
use crate::base::password::{Cost, PasswordHash};
use crate::base::random::Random;
use crate::base::scram::{ITERATIONS, SALT_BYTES, ScramKeys, mac};
use crate::base::secret::Secret;
use crate::model::credential::{Credential, Stored, stored};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

/// What one password is checked against.
#[derive(Clone, Debug)]
pub(super) enum Lock {
    Hash(PasswordHash),
    /// Turned into a hash when it is first needed, or before.
    Plain {
        login: String,
        secret: Secret,
    },
    /// The credential has SCRAM keys alone; they can be derived from the password again.
    Keys(ScramKeys),
}

/// What a check costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Hash(Cost),
    Keys { iterations: u32 },
}

/// How SCRAM keys look from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub iterations: u32,
    pub salt_bytes: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { iterations: ITERATIONS, salt_bytes: SALT_BYTES }
    }
}

impl Lock {
    /// None for a network, and for what cannot be read: that was told where it was loaded.
    pub fn of(credential: &Credential) -> Option<Self> {
        match credential.password.as_ref().map(stored) {
            Some(Ok(Stored::Hash(hash))) => Some(Self::Hash(hash)),
            Some(Ok(Stored::Plain(secret))) => {
                Some(Self::Plain { login: credential.username.to_string(), secret: secret.clone() })
            }
            Some(Err(_)) => None,
            None => keys_given(credential).map(Self::Keys),
        }
    }

    pub fn work(&self) -> Work {
        match self {
            Self::Hash(hash) => Work::Hash(hash.cost()),
            Self::Plain { .. } => Work::Hash(Cost::default()),
            Self::Keys(keys) => Work::Keys { iterations: keys.iterations },
        }
    }
}

/// The SCRAM keys that stand in the credential.
pub(super) fn keys_given(credential: &Credential) -> Option<ScramKeys> {
    credential.scram.as_ref().and_then(|line| ScramKeys::read(line.expose()))
}

/// The password of a credential, where keys can be made of it: it is plain, and no keys are given.
pub(super) fn keys_makeable(credential: &Credential) -> Option<&Secret> {
    match (&credential.scram, credential.password.as_ref().map(stored)) {
        (None, Some(Ok(Stored::Plain(secret)))) => Some(secret),
        _ => None,
    }
}

pub(super) struct Passwords {
    /// For what this process keeps: dies with it.
    process_key: [u8; 32],
    /// For what is made up and must look the same after a restart, and on every node.
    lasting_key: Secret<Vec<u8>>,
    random: Random,
    made: Mutex<Made>,
}

/// What was made of plain passwords, by login and password.
#[derive(Default)]
struct Made {
    hashes: HashMap<Fingerprint, PasswordHash>,
    keys: HashMap<Fingerprint, ScramKeys>,
}

impl Passwords {
    pub fn new(random: Random, master_key: &Secret<Vec<u8>>) -> Self {
        let lasting_key = mac(master_key.expose(), b"gatepost: logins that nobody has");
        let lasting_key = Secret::new(lasting_key.as_ref().to_vec());
        Self { process_key: random.bytes(), lasting_key, random, made: Mutex::default() }
    }

    /// Of these parts in this order: the length of each is in it, so no two lists are alike.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        keyed(&self.process_key, parts)
    }

    /// Is this the password? Takes its time.
    pub fn opens(&self, lock: &Lock, password: &str) -> bool {
        match lock {
            Lock::Hash(hash) => hash.opens_with(password),
            Lock::Plain { login, secret } => self.hash_of(login, secret).opens_with(password),
            Lock::Keys(keys) => keys.opens_with(password),
        }
    }

    /// Takes its time, once.
    pub fn hash_of(&self, login: &str, secret: &Secret) -> PasswordHash {
        let fingerprint = self.of_plain(login, secret);
        let made = self.made(|made| made.hashes.get(&fingerprint).cloned());
        made.unwrap_or_else(|| {
            let hash = PasswordHash::make(secret.expose(), &self.random);
            self.made(|made| made.hashes.entry(fingerprint).or_insert(hash).clone())
        })
    }

    /// Takes its time, once.
    pub fn keys_of(&self, login: &str, secret: &Secret) -> ScramKeys {
        self.keys_made(login, secret).unwrap_or_else(|| {
            // Invariant: RFC 7677 asks for more than none.
            let iterations = NonZeroU32::new(ITERATIONS).expect("a constant above zero");
            // The salt is the one that nobody would be shown for this login: both look alike, always.
            let keys = ScramKeys::derive(secret.expose(), &self.salt(login, SALT_BYTES), iterations);
            let fingerprint = self.of_plain(login, secret);
            self.made(|made| made.keys.entry(fingerprint).or_insert(keys).clone())
        })
    }

    /// The same, if that was done.
    pub fn keys_made(&self, login: &str, secret: &Secret) -> Option<ScramKeys> {
        let fingerprint = self.of_plain(login, secret);
        self.made(|made| made.keys.get(&fingerprint).cloned())
    }

    /// Forgets what was made of others than these.
    pub fn keep_only<'a>(&self, plain: impl Iterator<Item = (&'a str, &'a Secret)>) {
        let kept: HashSet<_> = plain.map(|(login, secret)| self.of_plain(login, secret)).collect();
        self.made(|made| {
            made.hashes.retain(|fingerprint, _| kept.contains(fingerprint));
            made.keys.retain(|fingerprint, _| kept.contains(fingerprint));
        });
    }

    /// Keys of a login that nobody has: RFC 5802 9 lets a server go on with a made-up salt, which must be
    /// the same each time. Of these shapes, of which one is the login's for good.
    pub fn keys_of_nobody(&self, login: &str, shapes: &[Shape]) -> ScramKeys {
        let Shape { iterations, salt_bytes } = self.pick(login, shapes);
        let key = |what: &[u8]| Secret::new(keyed(self.lasting_key.expose(), &[what, login.as_bytes()]).to_vec());
        let salt = self.salt(login, salt_bytes);
        ScramKeys { salt, iterations, stored_key: key(b"stored"), server_key: key(b"server") }
    }

    /// What costs as much as one of these, and opens for nobody.
    pub fn lock_of_nobody(&self, login: &str, works: &[Work]) -> Lock {
        match self.pick_or(login, works, Work::Hash(Cost::default())) {
            Work::Hash(cost) => Lock::Hash(PasswordHash::unopenable(cost)),
            Work::Keys { iterations } => {
                Lock::Keys(self.keys_of_nobody(login, &[Shape { iterations, salt_bytes: SALT_BYTES }]))
            }
        }
    }

    fn pick(&self, login: &str, shapes: &[Shape]) -> Shape {
        self.pick_or(login, shapes, Shape::default())
    }

    /// One of many, always the same for a login.
    fn pick_or<T: Copy>(&self, login: &str, of: &[T], otherwise: T) -> T {
        let hash = keyed(self.lasting_key.expose(), &[b"shape", login.as_bytes()]);
        let number = hash[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let at = number.checked_rem(of.len() as u64).unwrap_or_default() as usize;
        of.get(at).copied().unwrap_or(otherwise)
    }

    fn salt(&self, login: &str, bytes: usize) -> Vec<u8> {
        const { assert!(limits::SALT_BYTES_MAX <= 64) };
        let half = |n: &[u8]| keyed(self.lasting_key.expose(), &[b"salt", n, login.as_bytes()]);
        let mut salt = [half(b"1"), half(b"2")].concat();
        salt.truncate(bytes);
        salt
    }

    fn of_plain(&self, login: &str, secret: &Secret) -> Fingerprint {
        self.fingerprint(&[b"plain", login.as_bytes(), secret.expose().as_bytes()])
    }

    fn made<T>(&self, with: impl FnOnce(&mut Made) -> T) -> T {
        with(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> Fingerprint {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    let tag = mac(key, &all);
    zeroize::Zeroize::zeroize(&mut all);
    let mut fingerprint = [0; 32];
    // HMAC-SHA-256 has 32 bytes.
    fingerprint.copy_from_slice(tag.as_ref());
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(seed: u64, master_key: &[u8]) -> Passwords {
        Passwords::new(Random::seeded(seed), &Secret::new(master_key.to_vec()))
    }

    #[test]
    fn what_is_made_up_outlives_a_restart_and_looks_like_the_real() {
        let (before, after, other) = (passwords(1, b"key"), passwords(2, b"key"), passwords(1, b"other"));
        let nobody = |passwords: &Passwords| passwords.keys_of_nobody("nobody", &[]);
        assert_eq!(nobody(&before).salt, nobody(&after).salt);
        assert_ne!(nobody(&before).salt, nobody(&other).salt);
        assert_ne!(nobody(&before).salt, before.keys_of_nobody("nobody else", &[]).salt);
        let real = before.keys_of("nobody", &Secret::new("hunter2".to_owned()));
        assert_eq!((real.salt.len(), real.iterations), (nobody(&before).salt.len(), nobody(&before).iterations));
        assert_eq!(real.salt, nobody(&before).salt, "a login that appears keeps what it showed");
        assert!(!real.is_same_as(&nobody(&before)));
        assert_ne!(before.fingerprint(&[b"a"]), after.fingerprint(&[b"a"]), "what is kept dies with the process");
    }

    #[test]
    fn who_is_nobody_looks_and_costs_like_somebody() {
        let passwords = passwords(1, b"key");
        let shapes = [Shape { iterations: 5000, salt_bytes: 24 }, Shape { iterations: 6000, salt_bytes: 64 }];
        let seen: Vec<_> = (0..20)
            .map(|n| passwords.keys_of_nobody(&n.to_string(), &shapes))
            .map(|keys| Shape { iterations: keys.iterations, salt_bytes: keys.salt.len() })
            .collect();
        assert!(shapes.iter().all(|shape| seen.contains(shape)) && seen.iter().all(|shape| shapes.contains(shape)));
        let works = [Work::Keys { iterations: 5000 }];
        assert_eq!(passwords.lock_of_nobody("nobody", &works).work(), works[0]);
        assert!(!passwords.opens(&passwords.lock_of_nobody("nobody", &works), ""));
        let hash = PasswordHash::read("$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG");
        let works = [Work::Hash(hash.unwrap().cost())];
        assert_eq!(passwords.lock_of_nobody("nobody", &works).work(), works[0]);
        assert!(!passwords.opens(&passwords.lock_of_nobody("nobody", &works), ""));
        assert_eq!(passwords.lock_of_nobody("nobody", &[]).work(), Work::Hash(Cost::default()));
    }

    #[test]
    fn a_plain_password_is_turned_once_and_forgotten_with_its_credential() {
        let passwords = passwords(1, b"key");
        let secret = Secret::new("hunter2".to_owned());
        let hash = passwords.hash_of("app", &secret);
        assert!(hash.opens_with("hunter2"));
        assert_eq!(passwords.hash_of("app", &secret), hash, "its salt would differ");
        assert_ne!(passwords.hash_of("other", &secret), hash);
        assert!(passwords.keys_made("app", &secret).is_none());
        passwords.keys_of("app", &secret);
        passwords.keep_only([("app", &secret)].into_iter());
        assert!(passwords.keys_made("app", &secret).is_some());
        assert_eq!(passwords.hash_of("app", &secret), hash);
        passwords.keep_only([("other", &secret)].into_iter());
        assert!(passwords.keys_made("app", &secret).is_none());
        assert_ne!(passwords.hash_of("app", &secret), hash);
    }

    #[test]
    fn fingerprints_keep_parts_apart() {
        let passwords = passwords(1, b"key");
        assert_ne!(passwords.fingerprint(&[b"ab", b"c"]), passwords.fingerprint(&[b"a", b"bc"]));
        assert_eq!(passwords.fingerprint(&[b"ab", b"c"]), passwords.fingerprint(&[b"ab", b"c"]));
    }
}
