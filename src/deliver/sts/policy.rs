//! MTA-STS as text: the record that says there is a policy (RFC 8461 3.1), and the policy itself (3.2).

use crate::base::limits;
use crate::mail::domain_name::DomainName;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    pub mx: Vec<Pattern>,
    pub max_age: Duration,
}

/// RFC 8461 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Enforce,
    /// Failures are reported and nothing else.
    Testing,
    None,
}

impl Mode {
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

/// RFC 8461 4.1: a host, or exactly one label more than what stands behind `*.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    Host(DomainName),
    AnyIn(DomainName),
}

impl Pattern {
    pub fn matches(&self, host: &DomainName) -> bool {
        match self {
            Self::Host(name) => name == host,
            Self::AnyIn(parent) => host.as_str().split_once('.').is_some_and(|(_, rest)| rest == parent.as_str()),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, wild) = text.strip_prefix("*.").map_or((text, false), |parent| (parent, true));
        let name = name.parse().map_err(|why| format!("mx \"{}\": {why}", text.escape_debug()))?;
        Ok(if wild { Self::AnyIn(name) } else { Self::Host(name) })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::AnyIn(parent) => write!(f, "*.{parent}"),
        }
    }
}

impl Policy {
    pub fn allows(&self, host: &DomainName) -> bool {
        self.mx.iter().any(|pattern| pattern.matches(host))
    }
}

impl std::str::FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            let (key, value) = field(line.strip_suffix('\r').unwrap_or(line))?;
            match key {
                // Of what stands there twice the first counts; what is not known is for later versions.
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" if mx.len() == limits::STS_PATTERNS_MAX => return Err("far too many mx lines".to_owned()),
                "mx" => mx.push(Pattern::parse(value)?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("version is not STSv1".to_owned());
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err("mode is not enforce, testing or none".to_owned()),
        };
        if mx.is_empty() && mode != Mode::None {
            return Err("no mx is named".to_owned());
        }
        let digits = |text: &&str| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let max_age = max_age.filter(digits).and_then(|text| text.parse().ok());
        let max_age = max_age.map(Duration::from_secs).ok_or("max_age is no number of seconds")?;
        Ok(Self { mode, mx, max_age: max_age.min(limits::STS_AGE_MAX) })
    }
}

/// `key: value`, with blanks around the value.
fn field(line: &str) -> Result<(&str, &str), String> {
    let wrong = || format!("\"{}\" is no line of a policy", line.chars().take(80).collect::<String>().escape_debug());
    let (key, value) = line.split_once(':').ok_or_else(wrong)?;
    let in_key = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if !(1..=32).contains(&key.len())
        || !key.bytes().all(in_key)
        || value.contains(|c: char| c.is_control() && c != '\t')
    {
        return Err(wrong());
    }
    Ok((key, value.trim_matches([' ', '\t'])))
}

/// The id in the one record among these that is MTA-STS's; none when the domain has none that counts.
pub fn id_of(texts: &[Vec<u8>]) -> Option<String> {
    // RFC 8461 3.1: others are discarded first; if then there is not exactly one, there is no policy.
    let mut records = texts
        .iter()
        .filter(|text| text.strip_prefix(b"v=STSv1").is_some_and(|rest| rest.trim_ascii_start().starts_with(b";")));
    let (record, None) = (records.next()?, records.next()) else { return None };
    let mut ids = std::str::from_utf8(record).ok()?.split(';').filter_map(|part| part.trim().strip_prefix("id="));
    let (id, None) = (ids.next()?, ids.next()) else { return None };
    let good = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    good.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n";

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        let policy: Policy = GOOD.parse().unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        let allows = |host: &str| policy.allows(&host.parse().unwrap());
        for host in ["mail.example.com", "MAIL.example.COM.", "a.example.net"] {
            assert!(allows(host), "{host}");
        }
        for host in ["example.com", "a.mail.example.com", "example.net", "a.b.example.net", "aexample.net"] {
            assert!(!allows(host), "{host}");
        }
        // LF alone, unknown keys, no line end at the end, the first of two modes, and a year at most.
        let other: Policy =
            "max_age: 9999999999\nfuture: x y\nmode:none\nversion:  STSv1 \nmode: enforce".parse().unwrap();
        assert_eq!(other, Policy { mode: Mode::None, mx: vec![], max_age: limits::STS_AGE_MAX });
    }

    #[test]
    fn names_are_compared_in_their_a_label_form() {
        let policy: Policy = "version: STSv1\nmode: enforce\nmx: *.Bücher.example\nmax_age: 1".parse().unwrap();
        assert!(policy.allows(&"mx.xn--bcher-kva.example".parse().unwrap()));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (from, to) in [
            ("STSv1", "STSv2"),
            ("version: STSv1\r\n", ""),
            ("enforce", "Enforce"),
            ("mode: enforce\r\n", ""),
            ("604800", "-1"),
            ("604800", "12345678901"),
            ("604800", "one"),
            ("604800", ""),
            ("max_age: 604800\r\n", ""),
            ("mail.example.com", "192.0.2.1"),
            ("*.example.net", "*.*.example.net"),
            ("*.example.net", "*"),
            ("mx: mail.example.com\r\nmx: *.example.net\r\n", ""),
            ("mode: enforce\r\n", "mode: enforce\r\n\r\n"),
            ("mode: enforce\r\n", "mode: enforce\r\n<html>\r\n"),
            ("mode: enforce\r\n", "mode: enforce\r\nbad key: x\r\n"),
            ("mail.example.com", "mail.example.com\r"),
        ] {
            let text = GOOD.replace(from, to);
            assert!(text.parse::<Policy>().is_err(), "{text}");
        }
        let many = GOOD.replace("mx: *.example.net\r\n", &"mx: a.example\r\n".repeat(500));
        assert!(many.parse::<Policy>().is_err());
        assert!("".parse::<Policy>().is_err());
    }

    #[test]
    fn one_record_says_that_there_is_a_policy() {
        let id = |texts: &[&str]| id_of(&texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        for good in
            ["v=STSv1; id=20260101T000000;", "v=STSv1;id=20260101T000000", "v=STSv1 ; x=y; id=20260101T000000 ;"]
        {
            assert_eq!(id(&[good]).as_deref(), Some("20260101T000000"), "{good}");
            assert_eq!(id(&["v=spf1 -all", good, "v=STSv10; id=9"]).as_deref(), Some("20260101T000000"), "{good}");
            assert_eq!(id(&[good, good]), None, "two are none");
        }
        for bad in [
            "",
            "v=STSv1",
            "v=STSv1;",
            "v=stsv1; id=1",
            " v=STSv1; id=1",
            "v=STSv1; id=",
            "v=STSv1; id=a-b",
            "v=STSv1; id=1; id=2",
            "v=STSv1; id=123456789012345678901234567890123",
            "id=1; v=STSv1",
        ] {
            assert_eq!(id(&[bad]), None, "{bad}");
        }
        assert_eq!(id_of(&[b"v=STSv1; id=\xff".to_vec()]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_from_outside_make_it_panic(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = text.parse::<Policy>();
            let _ = String::from_utf8_lossy(&bytes).parse::<Policy>();
            let _ = id_of(&[bytes, text.into_bytes()]);
        }
    }
}
