//! What stands behind the colon of a control header: folded by the program, perhaps in encoded words, and bounded.
//! Each answer is a value of ours, or why it is none; that never repeats more than a few words.

use super::Why;
use super::asked::ByRecipient;
use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::address::Address;
use crate::mail::text::readable;
use crate::model::wishes::Which;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

pub(super) fn too_long(bytes_max: usize) -> Why {
    format!("it has more than {bytes_max} bytes")
}

/// Text that may be empty, encoded words decoded (RFC 2047 6.2); controls are gone.
pub(super) fn maybe_text(value: &[u8], bytes_max: usize) -> Result<String, Why> {
    if std::str::from_utf8(value).is_err() {
        return Err("it is no UTF-8".to_owned());
    }
    // One byte more shows that there is more.
    let text = readable(value, bytes_max + 1);
    if text.len() > bytes_max || value.len() > (bytes_max + 1).saturating_mul(8) {
        return Err(too_long(bytes_max));
    }
    Ok(text)
}

pub(super) fn text(value: &[u8], bytes_max: usize) -> Result<String, Why> {
    let text = maybe_text(value, bytes_max)?;
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

/// A name, a date, a few words.
pub(super) fn word(value: &[u8]) -> Result<String, Why> {
    text(value, limits::CONTROL_VALUE_BYTES_MAX)
}

/// As it stood there, for people.
pub(super) fn shown(value: &[u8]) -> String {
    readable(value, limits::REMOVED_VALUE_BYTES_MAX)
}

pub(super) fn one_of<T: Copy>(value: &[u8], words: &[(&str, T)]) -> Result<T, Why> {
    let text = word(value)?;
    let found = words.iter().find(|(known, _)| text.eq_ignore_ascii_case(known)).map(|(_, meant)| *meant);
    found.ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(known, _)| *known).collect();
        format!("it takes one of {}", known.join(", "))
    })
}

pub(super) fn yes_or_no(value: &[u8]) -> Result<bool, Why> {
    let text = word(value)?;
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(&["yes", "true", "on", "1"]) => Ok(true),
        () if is(&["no", "false", "off", "0"]) => Ok(false),
        () => Err("it takes yes or no".to_owned()),
    }
}

/// A word of a sender's, in a sentence: short, and nothing that would end it.
pub(super) fn quoted(text: &str) -> String {
    let short = &text[..text.floor_char_boundary(40)];
    format!("\"{short}{}\"", if short.len() < text.len() { "..." } else { "" })
}

pub(super) fn unknown(what: &str, name: &str, near: Option<&str>) -> Why {
    match near {
        Some(near) => format!("there is no {what} {}; did you mean {near}?", quoted(name)),
        None => format!("there is no {what} {}", quoted(name)),
    }
}

/// `name` or `name@version`.
pub(super) fn template(text: &str) -> Result<Which, Why> {
    let (name, version) = match text.split_once('@') {
        None => (text, None),
        Some((name, version)) => {
            let number = version.parse().ok().filter(|number| *number > 0);
            (name, Some(number.ok_or("behind the @ stands the number of a version")?))
        }
    };
    let name = name.parse().map_err(|why| format!("{why}"))?;
    Ok(Which::Named { name, version })
}

/// RFC 5646 2.1, as far as its form goes.
pub(super) fn locale(text: &str) -> Result<String, Why> {
    let tag = text.replace('_', "-");
    let fits = |part: &str| matches!(part.len(), 1..=8) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_tag = tag.len() <= limits::LOCALE_BYTES_MAX && tag.split('-').all(fits);
    let names_language = tag.bytes().take_while(u8::is_ascii_alphabetic).count() >= 2;
    if is_tag && names_language { Ok(tag) } else { Err("it takes a language like de or pt-BR (BCP 47)".to_owned()) }
}

pub(super) fn tag(text: &str) -> Result<String, Why> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if text.is_empty() || text.len() > limits::TAG_BYTES_MAX || !text.bytes().all(plain) {
        let max = limits::TAG_BYTES_MAX;
        return Err(format!("a tag has 1 to {max} letters, digits, '_', '.' and '-', and {} is none", quoted(text)));
    }
    Ok(text.to_owned())
}

/// The tag that comes nearest to what another provider would have taken.
pub(super) fn near_tag(text: &str) -> Option<String> {
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let tag: String = text.trim().chars().map(letter).take(limits::TAG_BYTES_MAX).collect();
    (!tag.is_empty()).then_some(tag)
}

/// In small letters: the name of a header is the same in any case, and some programs change it.
pub(super) fn metadata_key(key: &str) -> Result<String, Why> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if key.is_empty() || key.len() > limits::METADATA_KEY_BYTES_MAX || !key.bytes().all(plain) {
        let max = limits::METADATA_KEY_BYTES_MAX;
        return Err(format!("a key of metadata has 1 to {max} letters, digits, '_', '.' and '-'"));
    }
    Ok(key.to_ascii_lowercase())
}

pub(super) fn object(text: &str) -> Result<Map<String, Value>, Why> {
    // It stops by itself at a depth of 128, and so does not end the stack.
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) if map.values().all(|value| is_within(value, limits::VARIABLES_DEPTH_MAX - 1)) => {
            Ok(map)
        }
        Ok(Value::Object(_)) => Err(format!("its JSON is nested more than {} deep", limits::VARIABLES_DEPTH_MAX)),
        Ok(_) => Err("it takes a JSON object like {\"name\": \"Jane\"}".to_owned()),
        Err(why) => Err(format!("it is no JSON: {why}")),
    }
}

fn is_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Object(map) => depth > 0 && map.values().all(|value| is_within(value, depth - 1)),
        Value::Array(list) => depth > 0 && list.iter().all(|value| is_within(value, depth - 1)),
        _ => true,
    }
}

/// A JSON object of objects, by address.
pub(super) fn by_recipient(text: &str) -> Result<ByRecipient, Why> {
    let mut by_recipient = ByRecipient::new();
    for (address, variables) in object(text)? {
        let recipient = recipient(&address)?;
        let Value::Object(variables) = variables else {
            return Err(format!("behind {} stands no JSON object", quoted(&address)));
        };
        if by_recipient.iter().any(|(known, _)| *known == recipient) {
            return Err(format!("{} is there twice", quoted(&address)));
        }
        by_recipient.push((recipient, variables));
    }
    Ok(by_recipient)
}

/// An address in small letters.
pub(super) fn recipient(address: &str) -> Result<String, Why> {
    let parsed = address.parse::<Address>().map_err(|_| format!("{} is no mail address", quoted(address)))?;
    Ok(parsed.to_string().to_lowercase())
}

/// RFC 4648 4, folded by the program; its padding may be missing.
pub(super) fn base64(value: &[u8]) -> Result<String, Why> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let letters: Vec<u8> = value.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    if letters.len() > limits::VARIABLES_BYTES_MAX / 3 * 4 + 4 {
        return Err(too_long(limits::VARIABLES_BYTES_MAX));
    }
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(letters).map_err(|_| "it is no base64".to_owned())?;
    String::from_utf8(bytes).map_err(|_| "it is base64 of something that is no UTF-8".to_owned())
}

/// RFC 3339, or as mail writes it (RFC 5322 3.3).
pub(super) fn time(text: &str) -> Result<Time, Why> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(text, &Rfc2822));
    parsed.ok().and_then(moment).ok_or_else(|| "it takes a time like 2030-01-31T12:00:00Z".to_owned())
}

fn moment(at: OffsetDateTime) -> Option<Time> {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(Time::from_micros)
}

/// Seconds since 1970.
pub(super) fn unix_time(seconds: i64) -> Result<Time, Why> {
    let micros = seconds.checked_mul(1_000_000).filter(|micros| *micros >= 0);
    micros.map(Time::from_micros).ok_or_else(|| "it takes seconds since 1970".to_owned())
}
