//! Line ends as RFC 5321 2.3.8 has them: CR and LF together, and what else a client may send.

/// RFC 5321 2.3.8: may this stay, must it be refused, or made CRLF?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bare {
    Stays,
    IsRefused,
    BecomesCrlf,
}

/// Lines with their CRLF.
pub fn split_crlf(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = rest.windows(2).position(|two| two == b"\r\n").map_or(rest.len(), |at| at + 2);
        let line = rest.split_off(..end)?;
        (!line.is_empty()).then_some(line)
    })
}

pub fn has_bare(bytes: &[u8]) -> bool {
    let cr_at = |at: usize| bytes.get(at) == Some(&b'\r');
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || !cr_at(at - 1),
        _ => false,
    })
}

/// What is kept of a part of a message: a CR at its end may find its LF in the next.
pub fn kept_so_far(bytes: &[u8], bare: Bare) -> Vec<u8> {
    let closed = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1);
    with_crlf(if bare == Bare::Stays { bytes } else { &bytes[..closed] }, bare)
}

/// Every run of CR, with its LF if it has one, and every other LF becomes one CRLF.
pub fn with_crlf(bytes: &[u8], bare: Bare) -> Vec<u8> {
    if bare != Bare::BecomesCrlf {
        return bytes.to_vec();
    }
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if !matches!(bytes[at], b'\r' | b'\n') {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        while bytes.get(at) == Some(&b'\r') {
            at += 1;
        }
        at += usize::from(bytes.get(at) == Some(&b'\n'));
        out.extend_from_slice(b"\r\n");
    }
    out
}
