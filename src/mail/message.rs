//! A new message from one that came: fields on top, some taken out, the rest byte for byte.

use std::ops::Range;

/// What is changed. Everything is written into one buffer, once.
#[derive(Default)]
pub struct Edit<'a> {
    /// Whole fields with their line ends.
    pub on_top: Vec<String>,
    /// Places in the message, in their order.
    pub without: Vec<Range<usize>>,
    /// Where an empty line is put in.
    pub empty_line_at: Option<usize>,
    pub message: &'a [u8],
}

impl Edit<'_> {
    pub fn apply(&self) -> Vec<u8> {
        const EMPTY_LINE: &[u8] = b"\r\n";
        let more = self.on_top.iter().map(String::len).sum::<usize>() + EMPTY_LINE.len();
        let mut made = Vec::with_capacity(self.message.len() + more);
        for field in &self.on_top {
            made.extend_from_slice(field.as_bytes());
        }
        let mut at = 0;
        for place in &self.without {
            made.extend_from_slice(&self.message[at..place.start]);
            at = place.end;
        }
        if let Some(border) = self.empty_line_at {
            made.extend_from_slice(&self.message[at..border]);
            made.extend_from_slice(EMPTY_LINE);
            at = border;
        }
        made.extend_from_slice(&self.message[at..]);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_stays_byte_for_byte() {
        let message = b"A: b\r\nBcc: c\r\nD: e\r\nno field\r\n";
        let edit = Edit {
            on_top: vec!["X: y\r\n".into(), "Z: z\r\n".into()],
            without: vec![6..14, 14..20],
            empty_line_at: Some(20),
            message,
        };
        assert_eq!(edit.apply(), b"X: y\r\nZ: z\r\nA: b\r\n\r\nno field\r\n");
        assert_eq!(Edit { message, ..Edit::default() }.apply(), message);
    }
}
