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

/// The same where there are only fields on top, in the message's own memory.
pub fn put_on_top(mut message: Vec<u8>, fields: &[String]) -> Vec<u8> {
    let (old, more) = (message.len(), fields.iter().map(String::len).sum::<usize>());
    message.reserve_exact(more);
    message.resize(old + more, 0);
    message.copy_within(..old, more);
    let mut at = 0;
    for field in fields {
        message[at..at + field.len()].copy_from_slice(field.as_bytes());
        at += field.len();
    }
    message
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
        let on_top = ["X: y\r\n".to_owned(), "Z: z\r\n".to_owned()];
        let whole = Edit { on_top: on_top.to_vec(), message, ..Edit::default() }.apply();
        assert_eq!(put_on_top(message.to_vec(), &on_top), whole);
        assert_eq!(put_on_top(message.to_vec(), &[]), message);
    }
}
