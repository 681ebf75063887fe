//! The name of a tenant, a relay or a mailbox: one plain word, so that it can stand in a path, a log
//! line and a command without quotes.

use crate::base::limits;
use crate::base::settings::{Scalar, Wrong, quoted};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The tenant of everything that names none.
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no plain word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl std::fmt::Display for BadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a name has letters, digits, '-', '_' and '.', begins with a letter or digit, and has at most {} characters",
            limits::NAME_BYTES_MAX
        )
    }
}

impl std::error::Error for BadName {}

impl std::str::FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let begins_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if begins_well && text.len() <= limits::NAME_BYTES_MAX && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName)
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

impl Scalar for Name {
    const EXPECTS: &'static str = "a name of one plain word";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(Wrong::because)
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for right in ["default", "acme-2", "A.b_c", "7"] {
            assert!(right.parse::<Name>().is_ok(), "{right}");
        }
        for wrong in ["", "-a", ".", "a b", "a/b", "é", &"a".repeat(65)] {
            assert_eq!(wrong.parse::<Name>(), Err(BadName), "{wrong}");
        }
    }
}
