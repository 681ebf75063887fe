//! The name of a mail domain or a host, as a value: lower case and in A-label form, so that two
//! spellings of one name are equal everywhere (RFC 5890 2.3.2.1, RFC 5891 5).

use crate::base::limits;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(String);

/// Why a text is no domain name; reads after "…: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDomainName {
    Empty,
    TooLong,
    BadLabel,
    LooksLikeAddress,
}

impl std::fmt::Display for BadDomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "a domain name cannot be empty",
            Self::TooLong => "a domain name has at most 253 bytes, and each of its labels at most 63",
            Self::BadLabel => {
                "a domain name has labels of letters, digits and inner hyphens, with single dots between them"
            }
            Self::LooksLikeAddress => "an IP address is not a domain name",
        })
    }
}

impl std::error::Error for BadDomainName {}

impl DomainName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is this name `parent` itself or below it? Compared on label borders (`notexample.com` is not
    /// under `example.com`).
    pub fn is_within(&self, parent: &DomainName) -> bool {
        self.0.strip_suffix(parent.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The names above this one, the nearest first: of `a.b.example` they are `b.example` and `example`.
    pub fn parents(&self) -> impl Iterator<Item = DomainName> {
        // Whole labels behind a dot are a name of their own.
        self.0.match_indices('.').map(|(dot, _)| Self(self.0[dot + 1..].to_owned()))
    }
}

impl std::str::FromStr for DomainName {
    type Err = BadDomainName;

    /// Takes U-labels and A-labels in any case, and one root dot at the end.
    fn from_str(text: &str) -> Result<Self, BadDomainName> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(BadDomainName::Empty);
        }
        // Before IDNA, whose work grows with the text: no valid U-label form is four times as long.
        if text.len() > 4 * limits::DOMAIN_NAME_BYTES_MAX {
            return Err(BadDomainName::TooLong);
        }
        let ascii = idna::domain_to_ascii(text).map_err(|_| BadDomainName::BadLabel)?;
        if ascii.parse::<std::net::IpAddr>().is_ok() {
            return Err(BadDomainName::LooksLikeAddress);
        }
        if ascii.len() > limits::DOMAIN_NAME_BYTES_MAX || ascii.split('.').any(|label| label.len() > 63) {
            return Err(BadDomainName::TooLong);
        }
        if ascii.split('.').all(is_label) { Ok(Self(ascii)) } else { Err(BadDomainName::BadLabel) }
    }
}

/// RFC 5321 4.1.2 sub-domain, with the underscore that real host names in the DNS carry.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

impl std::fmt::Display for DomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for DomainName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn one_name_has_one_form() {
        assert_eq!(name("Bücher.Example."), name("xn--bcher-kva.example"));
        assert_eq!(name("MAIL.example.COM").as_str(), "mail.example.com");
        assert_eq!(name("_dmarc.example.com").as_str(), "_dmarc.example.com");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (wrong, why) in [
            ("", BadDomainName::Empty),
            (".", BadDomainName::Empty),
            ("a..b", BadDomainName::BadLabel),
            (".a", BadDomainName::BadLabel),
            ("-a.example", BadDomainName::BadLabel),
            ("a b.example", BadDomainName::BadLabel),
            ("a@b", BadDomainName::BadLabel),
            ("a\r\nb", BadDomainName::BadLabel),
            ("192.0.2.1", BadDomainName::LooksLikeAddress),
            (&format!("{}.example", "a".repeat(64)), BadDomainName::TooLong),
            (&"a.".repeat(127).repeat(5), BadDomainName::TooLong),
            (&"abcdefg.".repeat(32), BadDomainName::TooLong),
        ] {
            assert_eq!(wrong.parse::<DomainName>(), Err(why), "{wrong:?}");
        }
    }

    #[test]
    fn within_looks_at_label_borders() {
        let parent = name("example.com");
        assert!(name("example.com").is_within(&parent));
        assert!(name("a.b.example.com").is_within(&parent));
        assert!(!name("notexample.com").is_within(&parent));
        assert!(!name("com").is_within(&parent));
    }
}
