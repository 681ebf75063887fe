//! A place in a prepared message that differs by recipient: a token, of which everything but the last characters
//! is the same for all. The body is prepared once; at delivery the slots are filled in place. What is written
//! there is ASCII that no encoding has to escape, so a line never gets longer or shorter.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How the part is written in which a slot lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is: 7bit, 8bit, and fields of a header.
    Plain,
    QuotedPrintable,
    Base64,
}

/// `width` decoded bytes from `offset` on in a part whose encoded bytes begin at `part` in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub encoding: Encoding,
    /// Where in the message the encoded bytes begin that hold the first byte of it: for base64 the group of four.
    pub at: usize,
    /// Decoded, from the beginning of the part: its remainder by three says where in the group it begins.
    pub offset: usize,
    pub width: usize,
}

impl Slot {
    /// The same slot when so many bytes were put before the message.
    pub fn behind(self, bytes: usize) -> Self {
        Self { at: self.at + bytes, ..self }
    }
}

/// The message is not one that the slot was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotThere;

/// What stands in the slot, decoded.
pub fn read(message: &[u8], slot: &Slot) -> Result<Vec<u8>, NotThere> {
    let encoded = message.get(slot.at..).ok_or(NotThere)?;
    match slot.encoding {
        Encoding::Plain => encoded.get(..slot.width).map(<[u8]>::to_vec).ok_or(NotThere),
        Encoding::QuotedPrintable => {
            let mut units = Units { encoded, at: 0 };
            (0..slot.width).map(|_| units.next().map(|unit| unit.byte).ok_or(NotThere)).collect()
        }
        Encoding::Base64 => {
            let (mut decoded, _) = decode_groups(encoded, slot)?;
            decoded.drain(..slot.offset % 3);
            decoded.truncate(slot.width);
            Ok(decoded)
        }
    }
}

/// Puts `text`, of the slot's width, in it. Only the groups are encoded anew that it touches. When the answer is
/// that it is not there, nothing was written.
pub fn write(message: &mut [u8], slot: &Slot, text: &[u8]) -> Result<(), NotThere> {
    if text.len() != slot.width || !text.iter().all(|b| b.is_ascii_graphic() && *b != b'=') {
        return Err(NotThere);
    }
    let encoded = message.get_mut(slot.at..).ok_or(NotThere)?;
    match slot.encoding {
        Encoding::Plain => encoded.get_mut(..slot.width).ok_or(NotThere)?.copy_from_slice(text),
        Encoding::QuotedPrintable => write_quoted(encoded, text)?,
        Encoding::Base64 => write_base64(encoded, slot, text)?,
    }
    Ok(())
}

// --- quoted-printable ------------------------------------------------------------------------------------

/// A byte as quoted-printable has it: itself, or three characters.
struct Unit {
    byte: u8,
    at: usize,
    is_escaped: bool,
}

/// RFC 2045 6.7, without line ends: no token has one.
struct Units<'a> {
    encoded: &'a [u8],
    at: usize,
}

impl Units<'_> {
    fn next(&mut self) -> Option<Unit> {
        while self.encoded[self.at..].starts_with(b"=\r\n") {
            self.at += 3;
        }
        let at = self.at;
        let (byte, is_escaped) = match &self.encoded[at..] {
            [b'=', high, low, ..] => ((digit(*high)? << 4) | digit(*low)?, true),
            [byte, ..] if byte.is_ascii_graphic() && *byte != b'=' => (*byte, false),
            _ => return None,
        };
        self.at += if is_escaped { 3 } else { 1 };
        Some(Unit { byte, at, is_escaped })
    }
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn write_quoted(encoded: &mut [u8], text: &[u8]) -> Result<(), NotThere> {
    let mut units = Units { encoded, at: 0 };
    let places: Option<Vec<Unit>> = text.iter().map(|_| units.next()).collect();
    for (unit, byte) in places.ok_or(NotThere)?.iter().zip(text) {
        // What is escaped stays so: the line keeps its length, and what was told from a boundary still is.
        if unit.is_escaped {
            encoded[unit.at + 1] = b"0123456789ABCDEF"[usize::from(byte >> 4)];
            encoded[unit.at + 2] = b"0123456789ABCDEF"[usize::from(byte & 15)];
        } else {
            encoded[unit.at] = *byte;
        }
    }
    Ok(())
}

// --- base64 ----------------------------------------------------------------------------------------------

/// The groups that hold the slot, decoded, and where their characters stand: a group may go over a line's end.
fn decode_groups(encoded: &[u8], slot: &Slot) -> Result<(Vec<u8>, Vec<usize>), NotThere> {
    let bytes = slot.width.checked_add(slot.offset % 3).ok_or(NotThere)?;
    let chars = bytes.div_ceil(3).checked_mul(4).ok_or(NotThere)?;
    let is_char = |byte: u8| !matches!(byte, b'\r' | b'\n');
    let places: Vec<usize> = (0..encoded.len()).filter(|at| is_char(encoded[*at])).take(chars).collect();
    let text: Vec<u8> = places.iter().map(|at| encoded[*at]).collect();
    if text.len() < chars {
        return Err(NotThere);
    }
    let decoded = STANDARD.decode(text).map_err(|_| NotThere)?;
    if decoded.len() < bytes { Err(NotThere) } else { Ok((decoded, places)) }
}

fn write_base64(encoded: &mut [u8], slot: &Slot, text: &[u8]) -> Result<(), NotThere> {
    let (mut decoded, places) = decode_groups(encoded, slot)?;
    decoded[slot.offset % 3..][..slot.width].copy_from_slice(text);
    for (at, char) in places.into_iter().zip(STANDARD.encode(decoded).bytes()) {
        encoded[at] = char;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &[u8] = b"Head-Head_Head0123456789AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OTHER: &[u8] = b"Head-Head_Head0123456789-zyxwvutsrqponmlkjihgfedcba_ZYXWVUTSRQPONML";

    fn filled(message: &[u8], slot: &Slot) -> Vec<u8> {
        assert_eq!(read(message, slot).unwrap(), TOKEN);
        let mut made = message.to_vec();
        write(&mut made, slot, OTHER).unwrap();
        assert_eq!(made.len(), message.len());
        assert_eq!(read(&made, slot).unwrap(), OTHER);
        let mut back = made.clone();
        write(&mut back, slot, TOKEN).unwrap();
        assert_eq!(back, message, "and back");
        made
    }

    /// Lines of so many characters, which need not be whole groups.
    fn in_lines(base64: &str, line: usize) -> String {
        base64.as_bytes().chunks(line).map(|line| String::from_utf8_lossy(line) + "\r\n").collect()
    }

    #[test]
    fn a_plain_slot_is_as_it_is() {
        let message = [b"Subject: x\r\n\r\n<a href=\"https://t/", TOKEN, b"\">"].concat();
        let slot = Slot { encoding: Encoding::Plain, at: 33, offset: 19, width: TOKEN.len() };
        assert_eq!(filled(&message, &slot), [&message[..33], OTHER, b"\">"].concat());
        let moved = [b"Received: y\r\n", &message[..]].concat();
        assert_eq!(read(&moved, &slot.behind(13)).unwrap(), TOKEN);
    }

    #[test]
    fn base64_at_every_remainder_across_line_ends_of_every_length() {
        for line in [4, 5, 6, 7, 57, 72, 75, 76, 400] {
            for offset in 0..100 {
                for behind in 0..4 {
                    let text = [&b"z".repeat(offset)[..], TOKEN, &b"y".repeat(behind)].concat();
                    let encoded = in_lines(&STANDARD.encode(&text), line);
                    let group = offset / 3 * 4;
                    let at = group + group / line * 2;
                    let slot = Slot { encoding: Encoding::Base64, at, offset, width: TOKEN.len() };
                    let made = filled(encoded.as_bytes(), &slot);
                    let stripped: Vec<u8> = made.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
                    let want = [&text[..offset], OTHER, &text[offset + TOKEN.len()..]].concat();
                    assert_eq!(STANDARD.decode(stripped).unwrap(), want);
                    // Nothing before the first group and behind the last.
                    assert_eq!(made[..at], encoded.as_bytes()[..at]);
                    let groups = (offset % 3 + TOKEN.len()).div_ceil(3) * 4 + group;
                    let end = groups + (groups - 1) / line * 2;
                    assert_eq!(made[end..], encoded.as_bytes()[end..]);
                }
            }
        }
    }

    #[test]
    fn quoted_printable_across_soft_breaks_and_escapes_at_every_place() {
        for cut in 0..TOKEN.len() {
            for escaped in 0..TOKEN.len() {
                let mut text = b"\r\nhref=3D\"x/".to_vec();
                let at = text.len();
                for (place, byte) in TOKEN.iter().enumerate() {
                    if place == cut {
                        text.extend_from_slice(b"=\r\n");
                    }
                    if place == escaped {
                        text.extend_from_slice(format!("={byte:02x}").as_bytes());
                    } else {
                        text.push(*byte);
                    }
                }
                let slot = Slot { encoding: Encoding::QuotedPrintable, at, offset: 9, width: TOKEN.len() };
                text.extend_from_slice(b"\"=\r\n>");
                let text = String::from_utf8(text).unwrap();
                // Written back in capital digits.
                let text = match text[at..].find('=') {
                    Some(_) => text.split_at(at).0.to_owned() + &text[at..].to_uppercase_escapes(),
                    None => text,
                };
                filled(text.as_bytes(), &slot);
            }
        }
    }

    trait UppercaseEscapes {
        fn to_uppercase_escapes(&self) -> String;
    }

    impl UppercaseEscapes for str {
        fn to_uppercase_escapes(&self) -> String {
            let mut made = self.as_bytes().to_vec();
            for at in 0..made.len().saturating_sub(2) {
                if made[at] == b'=' {
                    made[at + 1..at + 3].make_ascii_uppercase();
                }
            }
            String::from_utf8(made).unwrap()
        }
    }

    #[test]
    fn what_is_not_there_is_said_and_nothing_is_written() {
        let slot = |encoding, at, width| Slot { encoding, at, offset: 1, width };
        for (message, slot) in [
            (&b"short"[..], slot(Encoding::Plain, 3, 3)),
            (b"short", slot(Encoding::Plain, 9, 0)),
            (b"ab=\r\nc\r\nd", slot(Encoding::QuotedPrintable, 0, 4)),
            (b"ab=4", slot(Encoding::QuotedPrintable, 0, 3)),
            (b"ab=4x", slot(Encoding::QuotedPrintable, 0, 3)),
            (b"YWJj\r\nZA==", slot(Encoding::Base64, 0, 4)),
            (b"YWJj!WJj", slot(Encoding::Base64, 0, 3)),
            (b"YWJj", slot(Encoding::Base64, 0, 3)),
            (b"YWJj", slot(Encoding::Base64, 0, usize::MAX)),
        ] {
            assert_eq!(read(message, &slot), Err(NotThere), "{}", message.escape_ascii());
            let mut copy = message.to_vec();
            assert_eq!(write(&mut copy, &slot, &b"xxxx"[..slot.width.min(4)]), Err(NotThere));
            assert_eq!(copy, message);
        }
        let plain = slot(Encoding::Plain, 0, 3);
        for text in [&b"ab"[..], b"abcd", b"a b", b"a\r\n", b"a=b"] {
            assert_eq!(write(&mut b"short".to_vec(), &plain, text), Err(NotThere));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(
            message in prop::collection::vec(prop::sample::select(&b"=\r\n4AZ/+ -"[..]), 0..60),
            at in 0_usize..70, offset in 0_usize..5, width in 0_usize..40, kind in 0_u8..3,
        ) {
            let encoding = [Encoding::Plain, Encoding::QuotedPrintable, Encoding::Base64][usize::from(kind)];
            let slot = Slot { encoding, at, offset, width };
            let mut made = message.clone();
            let text = vec![b'q'; width];
            match write(&mut made, &slot, &text) {
                Ok(()) => prop_assert_eq!(read(&made, &slot), Ok(text)),
                Err(NotThere) => prop_assert_eq!(made, message),
            }
        }
    }
}
