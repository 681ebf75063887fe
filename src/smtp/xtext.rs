//! xtext, the quoting of values in parameters (RFC 3461 4), and utf-8-addr-xtext (RFC 6533 3).

/// The text behind it; none when it is not xtext, or hides a control character: what is decoded here
/// stands in headers and logs later.
pub fn decode(xtext: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(xtext.len());
    let mut rest = xtext.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => {
                let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
                bytes.push(high << 4 | low);
            }
            b'=' => return None,
            b'!'..=b'~' | 0x80.. => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

/// RFC 3461 4: the hexadecimal digits of xtext are capitals.
fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// RFC 3461 4: everything but printable ASCII without `+` and `=` as two digits.
pub fn encode(text: &str) -> String {
    let mut xtext = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => xtext.push_str(&format!("+{byte:02X}")),
            b'!'..=b'~' => xtext.push(char::from(byte)),
            _ => xtext.push_str(&format!("+{byte:02X}")),
        }
    }
    xtext
}

/// RFC 6533 3: an address of the type utf-8, as it is where SMTPUTF8 is spoken, in ASCII elsewhere. What stands
/// in it as `\x{…}` already stays so.
pub fn encode_utf8(text: &str, raw: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\\' if is_embedded(&text[at..]) => encoded.push(c),
            '+' | '=' | '\\' => encoded.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
            '!'..='~' => encoded.push(c),
            c if raw && !c.is_ascii() && !c.is_control() => encoded.push(c),
            c => encoded.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
        }
    }
    encoded
}

/// RFC 6533 3: `\x{` two to six capital digits `}`.
fn is_embedded(text: &str) -> bool {
    let digits = text.strip_prefix("\\x{").and_then(|rest| rest.split_once('}'));
    digits.is_some_and(|(digits, _)| (2..=6).contains(&digits.len()) && digits.bytes().all(|b| hex(b).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_decoded_or_refused() {
        assert_eq!(decode("a+2Bb+3D").as_deref(), Some("a+b="));
        for wrong in ["a+", "a+2", "a+2b", "a=b", "a b", "+00", "+0D+0A", "+FF"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        for text in ["plain", "a+b=c d", "b\u{fc}cher", "+2B"] {
            let xtext = encode(text);
            assert!(xtext.bytes().all(|b| b.is_ascii_graphic() && b != b'='), "{xtext}");
            assert_eq!(decode(&xtext).as_deref(), Some(text));
        }
        assert_eq!(encode("a+b=c\r\n\0"), "a+2Bb+3Dc+0D+0A+00");
    }

    #[test]
    fn an_international_address_is_raw_or_ascii() {
        assert_eq!(encode_utf8("\u{3b4}+x@b\u{e9}", true), "\u{3b4}\\x{2B}x@b\u{e9}");
        assert_eq!(encode_utf8("\u{3b4}+x@b\u{e9}", false), "\\x{3B4}\\x{2B}x@b\\x{E9}");
        assert_eq!(encode_utf8("a\\x{2B}b", true), "a\\x{2B}b");
        assert_eq!(encode_utf8("a\\b\\x{}\r\n", true), "a\\x{5C}b\\x{5C}x{}\\x{D}\\x{A}");
    }
}
