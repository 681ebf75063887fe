//! An SPF record as a value (RFC 7208 4.5, 4.6, 5, 6).

use crate::mail::domain_name::DomainName;
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfRecord {
    pub directives: Vec<Directive>,
    pub redirect: Option<Spec>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    pub qualifier: Qualifier,
    pub mechanism: Mechanism,
    /// As it is written.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    All,
    Include(Spec),
    /// None: the domain whose record it is.
    A(Option<Spec>, Width),
    Mx(Option<Spec>, Width),
    Ptr,
    Ip4(Ipv4Net),
    Ip6(Ipv6Net),
    Exists(Spec),
}

/// A name, or one that a receiver makes from the mail before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    Name(DomainName),
    /// RFC 7208 7: with macros.
    Macro(String),
    /// RFC 7208 4.3: no name that the DNS could have; asking for it finds nothing.
    Malformed(String),
}

/// How many bits of an address must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    pub v4: u8,
    pub v6: u8,
}

impl Width {
    pub fn covers(self, found: IpAddr, asked: IpAddr) -> bool {
        match (found, asked) {
            (IpAddr::V4(found), IpAddr::V4(asked)) => {
                Ipv4Net::new(found, self.v4).is_ok_and(|network| network.contains(&asked))
            }
            (IpAddr::V6(found), IpAddr::V6(asked)) => {
                Ipv6Net::new(found, self.v6).is_ok_and(|network| network.contains(&asked))
            }
            _ => false,
        }
    }
}

/// RFC 7208 4.5: the version, then a space or the end.
pub fn is_spf(text: &str) -> bool {
    text.split(' ').next().is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
}

impl SpfRecord {
    /// RFC 7208 4.6: a mistake anywhere spoils all of it. Why, without a full stop.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_ascii() {
            return Err("it holds characters that are not ASCII".to_owned());
        }
        let (mut record, mut has_exp) = (Self { directives: Vec::new(), redirect: None }, false);
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            match modifier(term) {
                Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                    if record.redirect.is_some() {
                        return Err("it has two redirects".to_owned());
                    }
                    record.redirect = Some(spec(value).ok_or_else(|| wrong(term))?);
                }
                // RFC 7208 6: exp stands there once; what nobody knows is passed over.
                Some((name, _)) if name.eq_ignore_ascii_case("exp") && std::mem::replace(&mut has_exp, true) => {
                    return Err("it has two explanations (exp=)".to_owned());
                }
                Some(_) => {}
                None => record.directives.push(directive(term).ok_or_else(|| wrong(term))?),
            }
        }
        Ok(record)
    }
}

fn wrong(term: &str) -> String {
    format!("\"{}\" is no term of SPF", term.escape_debug())
}

/// `name=value`; a mechanism has a colon or a slash before any equals sign.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    is_name.then_some((name, value))
}

pub fn directive(term: &str) -> Option<Directive> {
    let (qualifier, rest) = match term.as_bytes().first()? {
        b'+' => (Qualifier::Pass, &term[1..]),
        b'-' => (Qualifier::Fail, &term[1..]),
        b'~' => (Qualifier::SoftFail, &term[1..]),
        b'?' => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    Some(Directive { qualifier, mechanism: mechanism(rest)?, text: term.to_owned() })
}

fn mechanism(text: &str) -> Option<Mechanism> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = (text[..end].to_ascii_lowercase(), &text[end..]);
    let value = rest.strip_prefix(':');
    match name.as_str() {
        "all" if rest.is_empty() => Some(Mechanism::All),
        "include" => spec(value?).map(Mechanism::Include),
        "exists" => spec(value?).map(Mechanism::Exists),
        "a" => spec_and_width(rest).map(|(spec, width)| Mechanism::A(spec, width)),
        "mx" => spec_and_width(rest).map(|(spec, width)| Mechanism::Mx(spec, width)),
        "ptr" if rest.is_empty() || spec(value?).is_some() => Some(Mechanism::Ptr),
        "ip4" => network::<Ipv4Addr>(value?, 32).and_then(|(a, bits)| Ipv4Net::new(a, bits).ok()).map(Mechanism::Ip4),
        "ip6" => network::<Ipv6Addr>(value?, 128).and_then(|(a, bits)| Ipv6Net::new(a, bits).ok()).map(Mechanism::Ip6),
        _ => None,
    }
}

/// `[:name][/bits][//bits]` (RFC 7208 5.3, 5.6).
fn spec_and_width(rest: &str) -> Option<(Option<Spec>, Width)> {
    let (named, bits) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (v4, v6) = match bits.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (bits, None),
    };
    let v4 = if v4.is_empty() { 32 } else { bits_of(v4.strip_prefix('/')?, 32)? };
    let v6 = v6.map_or(Some(128), |v6| bits_of(v6, 128))?;
    let spec = if named.is_empty() { None } else { Some(spec(named.strip_prefix(':')?)?) };
    Some((spec, Width { v4, v6 }))
}

fn network<A: std::str::FromStr>(text: &str, most: u8) -> Option<(A, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    Some((address.parse().ok()?, bits.map_or(Some(most), |bits| bits_of(bits, most))?))
}

/// No sign, and no zero in front.
fn bits_of(text: &str, most: u8) -> Option<u8> {
    let digits =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|bits| digits && *bits <= most)
}

fn spec(text: &str) -> Option<Spec> {
    if text.is_empty() || text.bytes().any(|b| !b.is_ascii_graphic()) {
        return None;
    }
    if text.contains('%') {
        return Some(Spec::Macro(text.to_owned()));
    }
    Some(text.parse().map_or_else(|_| Spec::Malformed(text.to_owned()), Spec::Name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Spec {
        Spec::Name(text.parse().unwrap())
    }

    #[test]
    fn every_mechanism_is_read() {
        let text = "v=spf1  a mx:mail.example/24//64 a/20 a:b.example//96 ip4:192.0.2.0/24 -ip4:192.0.2.9 \
                    ip6:2001:db8::/32 ?include:_spf.example exists:%{i}.x.example ptr ptr:example.com \
                    custom=thing exp=why.example redirect=r.example ~ALL";
        let record = SpfRecord::parse(text).unwrap();
        let read: Vec<_> = record.directives.iter().map(|d| (d.qualifier, d.mechanism.clone())).collect();
        let whole = Width { v4: 32, v6: 128 };
        assert_eq!(
            read,
            [
                (Qualifier::Pass, Mechanism::A(None, whole)),
                (Qualifier::Pass, Mechanism::Mx(Some(name("mail.example")), Width { v4: 24, v6: 64 })),
                (Qualifier::Pass, Mechanism::A(None, Width { v4: 20, v6: 128 })),
                (Qualifier::Pass, Mechanism::A(Some(name("b.example")), Width { v4: 32, v6: 96 })),
                (Qualifier::Pass, Mechanism::Ip4("192.0.2.0/24".parse().unwrap())),
                (Qualifier::Fail, Mechanism::Ip4("192.0.2.9/32".parse().unwrap())),
                (Qualifier::Pass, Mechanism::Ip6("2001:db8::/32".parse().unwrap())),
                (Qualifier::Neutral, Mechanism::Include(name("_spf.example"))),
                (Qualifier::Pass, Mechanism::Exists(Spec::Macro("%{i}.x.example".to_owned()))),
                (Qualifier::Pass, Mechanism::Ptr),
                (Qualifier::Pass, Mechanism::Ptr),
                (Qualifier::SoftFail, Mechanism::All),
            ]
        );
        assert_eq!(record.redirect, Some(name("r.example")));
    }

    #[test]
    fn one_mistake_spoils_it() {
        for term in [
            "a:",
            "a/33",
            "a/08",
            "a//129",
            "a/+8",
            "mx:",
            "ip4:",
            "ip4:192.0.2",
            "ip4:192.0.2.1/33",
            "ip4:2001:db8::1",
            "ip6:192.0.2.1",
            "ip6:2001:db8::/129",
            "include",
            "include:",
            "exists",
            "all:x",
            "al",
            "-",
            "+",
            "ip:1.2.3.4",
            "https://example.com",
            "192.0.2.1",
        ] {
            let why = SpfRecord::parse(&format!("v=spf1 {term} -all")).unwrap_err();
            assert!(why.contains("is no term of SPF"), "{term}: {why}");
        }
        for twice in ["redirect=a.example redirect=b.example", "exp=a.example exp=b.example"] {
            assert!(SpfRecord::parse(&format!("v=spf1 {twice}")).unwrap_err().contains("two"), "{twice}");
        }
        // A zero-width space, pasted from a web page.
        assert!(SpfRecord::parse("v=spf1\u{200b} -all").unwrap_err().contains("not ASCII"));
    }

    #[test]
    fn only_a_whole_version_begins_one() {
        for text in ["v=spf1", "v=spf1 -all", "V=SPF1 a"] {
            assert!(is_spf(text), "{text}");
        }
        for text in ["v=spf10 -all", "v=spf1-all", " v=spf1", "spf1", ""] {
            assert!(!is_spf(text), "{text}");
        }
    }
}
