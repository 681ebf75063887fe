//! RFC 2045 6.8: any bytes, in lines of 76 characters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes in a line, and its characters.
const LINE_BYTES: usize = 57;
const LINE: usize = 76;

/// Writes it line by line, without a line end behind the last.
pub(super) fn write(bytes: &[u8], mut put: impl FnMut(&[u8])) {
    let mut line = [0; LINE];
    for (number, piece) in bytes.chunks(LINE_BYTES).enumerate() {
        if number > 0 {
            put(b"\r\n");
        }
        // Invariant: 57 bytes become 76 characters, which is what the line holds.
        let written = STANDARD.encode_slice(piece, &mut line).unwrap_or_default();
        put(&line[..written]);
    }
}

/// The same of what is base64 already, in lines of any length and with whatever stood between them.
pub(super) fn rewrite(base64: &[u8], mut put: impl FnMut(&[u8])) {
    let mut line = [0; LINE];
    let mut filled = 0;
    // RFC 2045 6.8: characters of no meaning are ignored.
    for byte in base64.iter().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')) {
        if filled == LINE {
            put(&line);
            put(b"\r\n");
            filled = 0;
        }
        line[filled] = *byte;
        filled += 1;
    }
    put(&line[..filled]);
}
