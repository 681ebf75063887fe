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
}
