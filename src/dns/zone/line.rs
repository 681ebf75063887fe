//! One line of a zone file: words, then what they mean.

use super::super::{Data, MailHost, Tlsa};
use super::Entry;
use crate::mail::domain_name::DomainName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Debug)]
pub(super) enum Line {
    Nothing,
    /// Where the names that follow are meant; none: at the root.
    Origin(Option<DomainName>),
    /// At and below this name everything counts as proven; none: at and below the root.
    Proven(Option<DomainName>),
    Record(DomainName, Entry),
}

pub(super) fn read(text: &str, origin: Option<&DomainName>) -> Result<Line, String> {
    let words = words_of(text)?;
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let Some((first, rest)) = words.split_first() else { return Ok(Line::Nothing) };
    match &first.to_ascii_uppercase()[..] {
        b"$ORIGIN" => match rest {
            [name] => Ok(Line::Origin(name_of(name, origin)?)),
            _ => Err("$ORIGIN takes a name".to_owned()),
        },
        b"$PROVEN" => match rest {
            [name] => Ok(Line::Proven(name_of(name, origin)?)),
            _ => Err("$PROVEN takes a name".to_owned()),
        },
        [b'$', ..] => Err(format!("{} is not understood here", shown(first))),
        _ if text.starts_with([' ', '\t']) => Err("a record begins with its name".to_owned()),
        _ => {
            let name = name_of(first, origin)?.ok_or("the root has no records here")?;
            let (kind, values) = behind_ttl_and_class(rest).split_first().ok_or("the type is missing")?;
            Ok(Line::Record(name, entry_of(kind, values, origin)?))
        }
    }
}

/// RFC 1035 5.1: both may stand there, in either order. A TTL is of no use here.
fn behind_ttl_and_class<'a, 'b>(mut words: &'a [&'b [u8]]) -> &'a [&'b [u8]] {
    while let [first, rest @ ..] = words {
        let is_ttl = std::str::from_utf8(first).is_ok_and(|text| text.parse::<u32>().is_ok());
        if !is_ttl && !first.eq_ignore_ascii_case(b"IN") {
            break;
        }
        words = rest;
    }
    words
}

fn entry_of(kind: &[u8], values: &[&[u8]], origin: Option<&DomainName>) -> Result<Entry, String> {
    match &kind.to_ascii_uppercase()[..] {
        b"MX" => mx_of(values, origin),
        b"A" => address_of::<Ipv4Addr>(values).ok_or("A takes an IPv4 address".to_owned()),
        b"AAAA" => address_of::<Ipv6Addr>(values).ok_or("AAAA takes an IPv6 address".to_owned()),
        b"TXT" if values.is_empty() => Err("TXT takes one or more texts".to_owned()),
        // RFC 7208 3.3: several strings are one text, with nothing between them.
        b"TXT" => Ok(Entry::Data(Data::Text(values.concat()))),
        b"TLSA" => tlsa_of(values).ok_or("TLSA takes usage, selector, matching type and hex digits".to_owned()),
        b"CNAME" => match values {
            [target] => Ok(Entry::Alias(name_of(target, origin)?.ok_or("CNAME takes a name, not the root")?)),
            _ => Err("CNAME takes a name".to_owned()),
        },
        b"SERVFAIL" if values.is_empty() => Ok(Entry::Fails),
        b"TIMEOUT" if values.is_empty() => Ok(Entry::Silent),
        b"SERVFAIL" | b"TIMEOUT" => Err(format!("{} takes nothing", shown(kind))),
        _ => {
            Err(format!("the types here are MX, A, AAAA, TXT, TLSA, CNAME, SERVFAIL and TIMEOUT, not {}", shown(kind)))
        }
    }
}

fn mx_of(values: &[&[u8]], origin: Option<&DomainName>) -> Result<Entry, String> {
    let wrong = "MX takes a preference and a host";
    let [preference, host] = values else { return Err(wrong.to_owned()) };
    let preference = parsed(preference).ok_or(wrong)?;
    let host = name_of(host, origin)?.map_or(MailHost::Nobody, MailHost::Named);
    Ok(Entry::Data(Data::Mx(preference, host)))
}

fn address_of<A: std::str::FromStr + Into<IpAddr>>(values: &[&[u8]]) -> Option<Entry> {
    let [address] = values else { return None };
    parsed::<A>(address).map(|address| Entry::Data(Data::Address(address.into())))
}

fn tlsa_of(values: &[&[u8]]) -> Option<Entry> {
    let [usage, selector, matching, digits @ ..] = values else { return None };
    let digits = digits.concat();
    if digits.is_empty() || digits.len() % 2 != 0 {
        return None;
    }
    let byte = |pair: &[u8]| Some((nibble(pair[0])? << 4) | nibble(pair[1])?);
    let data = digits.chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>()?;
    let (usage, selector, matching) = (parsed(usage)?, parsed(selector)?, parsed(matching)?);
    Some(Entry::Data(Data::Tlsa(Tlsa { usage, selector, matching, data })))
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A name in the file; none for the root.
fn name_of(word: &[u8], origin: Option<&DomainName>) -> Result<Option<DomainName>, String> {
    let text = std::str::from_utf8(word).map_err(|_| format!("\"{}\": no name", shown(word)))?;
    let full = match (text, text.strip_suffix('.'), origin) {
        ("@", _, origin) => return Ok(origin.cloned()),
        (".", _, _) => return Ok(None),
        (_, Some(full), _) => full.to_owned(),
        (relative, None, Some(origin)) => format!("{relative}.{origin}"),
        (relative, None, None) => relative.to_owned(),
    };
    full.parse().map(Some).map_err(|why| format!("\"{full}\": {why}"))
}

fn parsed<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).escape_debug().to_string()
}

/// RFC 1035 5.1: words between blanks, texts in quotes, `;` begins a comment, `\` takes the next character
/// as it is, or three digits as a byte.
fn words_of(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<Vec<u8>>, false);
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                // Either end of a quoted text ends what stands before it.
                words.extend(word.take());
                quoted = !quoted;
                if quoted {
                    word = Some(Vec::new());
                }
            }
            b'\\' => word.get_or_insert_default().push(escaped(&mut bytes)?),
            b' ' | b'\t' if !quoted => words.extend(word.take()),
            b';' if !quoted => break,
            b'(' | b')' if !quoted => return Err("parentheses are not understood: one record a line".to_owned()),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

fn escaped(bytes: &mut std::str::Bytes<'_>) -> Result<u8, String> {
    let wrong = "a backslash stands before one character, or three digits up to 255";
    let first = bytes.next().ok_or(wrong)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let digits = [Some(first), bytes.next(), bytes.next()];
    let value = digits.into_iter().try_fold(0_u32, |value, digit| Some(value * 10 + char::from(digit?).to_digit(10)?));
    value.and_then(|value| u8::try_from(value).ok()).ok_or(wrong.to_owned())
}
