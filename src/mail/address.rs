//! A mail address: local part and domain, valid by RFC 5321 4.1.2 and RFC 6531 3.3.
//!
//! The local part is kept exactly as it was given, case and quotes too (RFC 5321 2.4): only the
//! domain that receives it may know what it means. The domain is normalised.

use super::domain_name::{BadDomainName, DomainName};
use crate::base::limits;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: DomainName,
}

/// Why a text is no address; reads after "…: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAddress {
    NoAt,
    BadLocal,
    LocalTooLong,
    TooLong,
    BadDomain(BadDomainName),
}

impl std::fmt::Display for BadAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAt => f.write_str("an address has the form local-part@domain"),
            Self::BadLocal => f.write_str(
                "the part before the @ holds letters, digits, !#$%&'*+-/=?^_`{|}~ and single inner dots, or is quoted",
            ),
            Self::LocalTooLong => f.write_str("the part before the @ has at most 64 bytes"),
            Self::TooLong => f.write_str("an address has at most 254 bytes"),
            Self::BadDomain(why) => write!(f, "after the @: {why}"),
        }
    }
}

impl std::error::Error for BadAddress {}

impl Address {
    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &DomainName {
        &self.domain
    }
}

impl std::str::FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        // The last @ is the border: a quoted local part may hold others.
        let (local, domain) = text.rsplit_once('@').ok_or(BadAddress::NoAt)?;
        if local.len() > limits::LOCAL_PART_BYTES_MAX {
            return Err(BadAddress::LocalTooLong);
        }
        if !is_dot_string(local) && !is_quoted_string(local) {
            return Err(BadAddress::BadLocal);
        }
        let domain: DomainName = domain.parse().map_err(BadAddress::BadDomain)?;
        if local.len() + 1 + domain.as_str().len() > limits::ADDRESS_BYTES_MAX {
            return Err(BadAddress::TooLong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }
}

/// RFC 5321 4.1.2 Dot-string; RFC 6531 3.3 adds every non-ASCII character to atext.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' => true,
                '\u{80}'..='\u{9f}' => false,
                c if c.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(c),
                _ => true,
            })
    })
}

/// RFC 5321 4.1.2 Quoted-string: printable ASCII (or UTF-8), with `"` and `\` behind a backslash.
fn is_quoted_string(local: &str) -> bool {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return false,
            '\\' => match chars.next() {
                Some(' '..='~') => {}
                _ => return false,
            },
            ' '..='~' => {}
            c if c.is_ascii() || ('\u{80}'..='\u{9f}').contains(&c) => return false,
            _ => {}
        }
    }
    // `"` alone is prefix and suffix at once.
    local.len() >= 2
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn local_parts_are_kept_and_domains_normalised() {
        let address: Address = "\"John @ home\"@Bücher.EXAMPLE".parse().unwrap();
        assert_eq!(address.to_string(), "\"John @ home\"@xn--bcher-kva.example");
        assert_eq!("Case.Kept+Tag@a.example".parse::<Address>().unwrap().local(), "Case.Kept+Tag");
        assert!("a!#$%&'*+-/=?^_`{|}~@b.example".parse::<Address>().is_ok());
        assert!("δοκιμή@παράδειγμα.δοκιμή".parse::<Address>().is_ok());
        assert!("\"\"@b.example".parse::<Address>().is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (wrong, why) in [
            ("postmaster", BadAddress::NoAt),
            ("@b.example", BadAddress::BadLocal),
            ("a..b@c.example", BadAddress::BadLocal),
            (".a@c.example", BadAddress::BadLocal),
            ("a b@c.example", BadAddress::BadLocal),
            ("\"@c.example", BadAddress::BadLocal),
            ("\"a\"b\"@c.example", BadAddress::BadLocal),
            ("\"a\\\"@c.example", BadAddress::BadLocal),
            ("a\u{85}@c.example", BadAddress::BadLocal),
            (&format!("{}@c.example", "a".repeat(65)), BadAddress::LocalTooLong),
            (&format!("{}@{}c.example", "a".repeat(64), "abcdefg.".repeat(23)), BadAddress::TooLong),
            ("a@", BadAddress::BadDomain(BadDomainName::Empty)),
        ] {
            assert_eq!(wrong.parse::<Address>(), Err(why), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_an_address_with_a_line_break_or_control(text in any::<String>()) {
            if let Ok(address) = text.parse::<Address>() {
                let text = address.to_string();
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert!(text.len() <= limits::ADDRESS_BYTES_MAX);
                prop_assert_eq!(text.parse::<Address>(), Ok(address));
            }
        }
    }
}
