//! Character references in the value of an attribute (HTML 13.2.5.72 and following), decoded once. In a value the
//! rules differ from those of text: `&copy=1` and `&copyright` are no reference, since pages were full of links
//! like `?a=1&copy=2`.

use std::borrow::Cow;

/// HTML 13.5, one name a line in the order of bytes, its characters as hexadecimal numbers. Names that old pages
/// write without a semicolon stand there twice.
const NAMES: &str = include_str!("entities.txt");

/// The longest of them, without its semicolon.
const NAME_BYTES_MAX: usize = 31;

/// HTML 13.2.5.80: what 0x80 to 0x9F mean: Windows-1252 where that has a character.
const WINDOWS_1252: [u32; 32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D,
    0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,
    0x017E, 0x0178,
];

/// A value as a reader understands it.
pub fn decode(value: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let mut decoded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        decoded.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let taken = reference(behind, &mut decoded);
        if taken == 0 {
            decoded.push('&');
        }
        rest = &behind[taken..];
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Decodes what stands behind an ampersand. How many bytes of it there are; none: it is just an ampersand.
fn reference(text: &str, decoded: &mut String) -> usize {
    let Some(number) = text.strip_prefix('#') else { return named(text, decoded) };
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let length = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    if length == 0 {
        return 0;
    }
    let code = u32::from_str_radix(digits[..length].trim_start_matches('0'), radix);
    decoded.push(match code {
        Ok(code @ 0x80..=0x9F) => character(WINDOWS_1252[(code - 0x80) as usize]),
        Ok(code) => character(code),
        // Nothing but zeros, or more than any character has.
        Err(_) => char::REPLACEMENT_CHARACTER,
    });
    let end = text.len() - digits.len() + length;
    end + usize::from(text[end..].starts_with(';'))
}

/// Zero, surrogates and what is beyond Unicode are no characters.
fn character(code: u32) -> char {
    char::from_u32(code).filter(|c| *c != '\0').unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// HTML 13.2.5.73: a name without its semicolon counts in an attribute only when neither `=` nor a letter or digit
/// follows. So it is all letters and digits that stand there, or nothing.
fn named(text: &str, decoded: &mut String) -> usize {
    let length = text.bytes().take(NAME_BYTES_MAX + 1).take_while(u8::is_ascii_alphanumeric).count();
    let end = match text.as_bytes().get(length) {
        Some(b';') => length + 1,
        Some(b'=') => return 0,
        Some(next) if next.is_ascii_alphanumeric() => return 0,
        _ => length,
    };
    match look_up(&text[..end]) {
        Some(codes) => {
            decoded.extend(codes.split(' ').filter_map(|code| u32::from_str_radix(code, 16).ok()).map(character));
            end
        }
        None => 0,
    }
}

/// The characters of a name, as the table has them.
fn look_up(name: &str) -> Option<&'static str> {
    // Most of all: what stands between the pieces of a query.
    if name == "amp;" {
        return Some("26");
    }
    let (mut low, mut high) = (0, NAMES.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = NAMES[..middle].rfind('\n').map_or(0, |at| at + 1);
        let end = NAMES[middle..].find('\n').map_or(NAMES.len(), |at| middle + at);
        let (found, codes) = NAMES[start..end].split_once(' ')?;
        match found.as_bytes().cmp(name.as_bytes()) {
            std::cmp::Ordering::Equal => return Some(codes),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_found() {
        let mut names = 0;
        for line in NAMES.lines() {
            let (name, codes) = line.split_once(' ').unwrap();
            let want: String = codes.split(' ').map(|c| character(u32::from_str_radix(c, 16).unwrap())).collect();
            assert_eq!(decode(&format!("a&{name}?b")), format!("a{want}?b"), "{name}");
            assert!(name.trim_end_matches(';').len() <= NAME_BYTES_MAX);
            names += 1;
        }
        assert_eq!(names, 2231);
        let names: Vec<&str> = NAMES.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn references_are_decoded_once_by_the_rules_of_attributes() {
        for (value, want) in [
            ("?a=1&amp;b=2", "?a=1&b=2"),
            ("?a=1&b=2", "?a=1&b=2"),
            ("?a&#38;b&#x26;c&#X26;d&#038;e&#38f", "?a&b&c&d&e&f"),
            ("&amp;amp;", "&amp;"),
            ("&amp;#38;", "&#38;"),
            // Without a semicolon: only where nothing follows that could belong to a parameter.
            ("?a=1&copy=2", "?a=1&copy=2"),
            ("?a=1&copyright=2", "?a=1&copyright=2"),
            ("?a=1&amp=2", "?a=1&amp=2"),
            ("?a=1&amp2", "?a=1&amp2"),
            ("?a=1&copy", "?a=1\u{a9}"),
            ("?a=1&copy/x", "?a=1\u{a9}/x"),
            ("?a=1&copy;=2", "?a=1\u{a9}=2"),
            ("&notit;", "&notit;"),
            ("&notin;", "\u{2209}"),
            ("&unknown;&;&", "&unknown;&;&"),
            ("&AMP;&Amp;", "&&Amp;"),
            ("&NotEqualTilde;", "\u{2242}\u{338}"),
            // Numbers.
            ("&#x80;&#150;&#x9f;&#x81;", "\u{20ac}\u{2013}\u{178}\u{81}"),
            ("&#0;&#xD800;&#x110000;&#99999999999999999999;", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("&#;&#x;&#xg;&#", "&#;&#x;&#xg;&#"),
            ("&#x1F600;&#65", "\u{1f600}A"),
            ("\u{fc}&uuml;\u{fc}", "\u{fc}\u{fc}\u{fc}"),
            ("", ""),
        ] {
            assert_eq!(decode(value), want, "{value}");
        }
        assert!(matches!(decode("https://a.example/"), Cow::Borrowed(_)));
    }
}
