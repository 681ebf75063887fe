//! What no door takes, by its header alone.

use crate::mail::header::{Ending, Header};
use crate::smtp::reply::Reply;

const LOOP: Reply = Reply::new(554, 4, 6, "too many Received fields: this message goes round in a loop");
const TOO_LARGE: Reply = Reply::new(552, 3, 4, "the header of this message is too large");

/// RFC 5321 6.3: who has been handed on so often goes round in a loop. Our own name is not looked for:
/// mail may pass us twice on its way, out by one domain and in by another.
pub fn check(header: &Header<'_>, hops_max: usize) -> Result<(), Reply> {
    if header.ending == Ending::Bound {
        return Err(TOO_LARGE);
    }
    if header.received >= hops_max { Err(LOOP) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits;

    #[test]
    fn a_loop_is_known_by_its_hundredth_hop() {
        let message = |hops: usize| format!("{}Subject: x\r\n\r\n", "Received: by us\r\n".repeat(hops));
        assert_eq!(check(&Header::read(message(99).as_bytes()), 100), Ok(()));
        assert_eq!(check(&Header::read(message(100).as_bytes()), 100), Err(LOOP));
        let large = format!("X: y\r\n{}\r\n", " z\r\n".repeat(limits::HEADER_BYTES_MAX));
        assert_eq!(check(&Header::read(large.as_bytes()), 100), Err(TOO_LARGE));
    }
}
