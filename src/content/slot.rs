//! A place in a prepared message that differs by recipient: a token, of which everything but the last characters
//! is the same for all. The body is prepared once; at delivery the slots are filled in place. What is written
//! there is ASCII that no encoding has to escape, so a line never gets longer or shorter.

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

/// The message is not the one that the slot was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotThere;

/// What stands in the slot, decoded.
pub fn read(message: &[u8], slot: &Slot) -> Result<Vec<u8>, NotThere> {
    let _ = (message, slot);
    Err(NotThere)
}

/// Puts `text`, of the slot's width, in it. Only the groups are encoded anew that it touches.
pub fn write(message: &mut [u8], slot: &Slot, text: &[u8]) -> Result<(), NotThere> {
    let _ = (message, slot, text);
    Err(NotThere)
}
