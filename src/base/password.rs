//! The Argon2 hash of a password, in the one line that everyone writes it in (PHC string format). Checking
//! a password against it costs many milliseconds and megabytes on purpose: never on an async thread.

use super::limits;
use super::random::Random;
use super::secret::Secret;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Could a client send this as a password (RFC 4616 2, RFC 4013 2.3)?
pub fn is_sendable(text: &str) -> bool {
    (1..=limits::PASSWORD_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// How dear a hash is: two hashes of one cost take the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    algorithm: Algorithm,
    version: Version,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// RFC 9106 4 names larger ones for machines that do nothing else. A mail server checks many logins at
/// once: 19 MiB and 2 passes cost 10 ms of a core.
impl Default for Cost {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            memory_kib: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
            lanes: Params::DEFAULT_P_COST,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordHash {
    cost: Cost,
    salt: Vec<u8>,
    hash: Secret<Vec<u8>>,
}

impl PasswordHash {
    /// A new hash, with a salt of its own.
    pub fn make(password: &str, random: &Random) -> Self {
        let (cost, salt) = (Cost::default(), random.bytes::<SALT_BYTES>());
        // Invariant: our cost, salt and length are within Argon2's bounds (a test makes one).
        let hash = compute(cost, password, &salt, HASH_BYTES).expect("our own parameters are good");
        Self { cost, salt: salt.to_vec(), hash: Secret::new(hash.to_vec()) }
    }

    /// A hash of this cost that no password opens, for the work of a refusal.
    pub fn unopenable(cost: Cost) -> Self {
        Self { cost, salt: vec![0; SALT_BYTES], hash: Secret::new(Vec::new()) }
    }

    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Takes as long as its cost says, whatever the password.
    pub fn opens_with(&self, password: &str) -> bool {
        let length = self.hash.expose().len().max(limits::HASH_BYTES_MIN);
        let claimed = compute(self.cost, password, &self.salt, length);
        claimed.is_some_and(|claimed| verify_slices_are_equal(&claimed, self.hash.expose()).is_ok())
    }

    /// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, within our bounds; else why it is none.
    pub fn read(line: &str) -> Result<Self, &'static str> {
        let mut parts = line.strip_prefix('$').unwrap_or_default().split('$');
        let mut part = || parts.next().unwrap_or_default();
        let algorithm = Algorithm::new(part()).map_err(|_| "its first word is not argon2id")?;
        let mut costs = part();
        let version = match costs {
            "v=19" => Version::V0x13,
            // What older libraries wrote; they left the version out.
            "v=16" => Version::V0x10,
            _ if costs.starts_with("m=") => Version::V0x10,
            _ => return Err("its version is not v=19"),
        };
        if costs.starts_with("v=") {
            costs = part();
        }
        let [salt, hash] = [part(), part()].map(|text| STANDARD_NO_PAD.decode(text).unwrap_or_default());
        if parts.next().is_some() {
            return Err("it goes on behind its hash");
        }
        let cost = read_cost(algorithm, version, costs)?;
        if !(limits::SALT_BYTES_MIN..=limits::SALT_BYTES_MAX).contains(&salt.len()) {
            return Err("its salt is missing, too short or not base64");
        }
        if !(limits::HASH_BYTES_MIN..=limits::HASH_BYTES_MAX).contains(&hash.len()) {
            return Err("it is cut off, or its hash is not base64");
        }
        Ok(Self { cost, salt, hash: Secret::new(hash) })
    }

    pub fn line(&self) -> Secret {
        let Cost { algorithm, version, memory_kib, passes, lanes } = self.cost;
        let [salt, hash] = [&self.salt, self.hash.expose()].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        let version = u32::from(version);
        Secret::new(format!("${algorithm}$v={version}$m={memory_kib},t={passes},p={lanes}${salt}${hash}"))
    }
}

fn read_cost(algorithm: Algorithm, version: Version, text: &str) -> Result<Cost, &'static str> {
    const FORM: &str = "its costs are not m=…,t=…,p=…";
    let mut given = text.split(',').zip(["m=", "t=", "p="]).map(|(part, name)| part.strip_prefix(name)?.parse().ok());
    let (Some(Some(memory_kib)), Some(Some(passes)), Some(Some(lanes)), 3) =
        (given.next(), given.next(), given.next(), text.split(',').count())
    else {
        return Err(FORM);
    };
    // RFC 9106 3.1: 8 KiB for each lane, at least.
    let good = Params::new(memory_kib, passes, lanes, None).is_ok();
    // Every login would cost this much, and whoever tries one makes us pay it.
    if !good || memory_kib > limits::ARGON2_KIB_MAX || passes > limits::ARGON2_PASSES_MAX {
        return Err("its costs are out of bounds");
    }
    if u64::from(memory_kib) * u64::from(passes) > limits::ARGON2_WORK_MAX || lanes > limits::ARGON2_LANES_MAX {
        return Err("its costs are out of bounds");
    }
    Ok(Cost { algorithm, version, memory_kib, passes, lanes })
}

fn compute(cost: Cost, password: &str, salt: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(length)).ok()?;
    let mut hash = Zeroizing::new(vec![0; length]);
    Argon2::new(cost.algorithm, cost.version, params).hash_password_into(password.as_bytes(), salt, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_made_written_and_read_back() {
        let made = PasswordHash::make("hunter2", &Random::seeded(1));
        let line = made.line();
        assert!(line.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", line.expose());
        let read = PasswordHash::read(line.expose()).unwrap();
        assert_eq!(read, made);
        assert!(read.opens_with("hunter2") && !read.opens_with("hunter3"));
        assert_eq!(format!("{:?}", made.hash), "***");
    }

    #[test]
    fn hashes_of_other_programs_are_read() {
        // Written by the reference program: echo -n password | argon2 somesalt -t 2 -m 16 -p 4 -l 24, and
        // the examples of its README for the older version.
        for line in [
            "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
            "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        ] {
            let read = PasswordHash::read(line).unwrap();
            assert!(read.opens_with("password") && !read.opens_with("passwort"), "{line}");
        }
    }

    #[test]
    fn what_is_no_hash_is_said_why() {
        let good = "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";
        assert!(PasswordHash::read(good).is_ok());
        for (from, to, why) in [
            ("argon2id", "argon3", "its first word is not argon2id"),
            ("v=19", "v=20", "its version is not v=19"),
            ("m=16,", "", "its costs are not m=…,t=…,p=…"),
            (",p=1", ",p=1,x=1", "its costs are not m=…,t=…,p=…"),
            ("m=16", "m=7", "its costs are out of bounds"),
            ("m=16", "m=4294967295", "its costs are out of bounds"),
            ("t=1", "t=1000000", "its costs are out of bounds"),
            ("m=16,t=1", "m=262144,t=64", "its costs are out of bounds"),
            ("c29tZXNhbHQ", "c29t", "its salt is missing, too short or not base64"),
            ("$RdescudvJCsgt3ub+b+dWRWJTmaaJObG", "", "it is cut off, or its hash is not base64"),
            ("+b+d", "!b+d", "it is cut off, or its hash is not base64"),
            ("JObG", "JObG$", "it goes on behind its hash"),
        ] {
            assert_eq!(PasswordHash::read(&good.replacen(from, to, 1)).unwrap_err(), why, "{from} → {to}");
        }
        assert!(PasswordHash::read("").is_err());
    }

    #[test]
    fn nothing_opens_what_cannot_be_opened() {
        let cost =
            PasswordHash::read("$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG").unwrap();
        assert!(!PasswordHash::unopenable(cost.cost()).opens_with(""));
    }
}
