//! What a thief of a signed message can do with it: nothing that its reader would see.

use super::{keys, signed};
use crate::verifier::Verifier;

const MESSAGE: &str = "Received: from a by b\r\n\
    From: Joe <joe@example.com>\r\n\
    To: suzie@shop.example\r\n\
    Subject: Is dinner\r\n ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n\
    Message-ID: <1@example.com>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\
    List-Unsubscribe: <https://example.com/u>\r\n\
    \r\n\
    Hi.\r\n\
    We lost the game.\r\n";

struct Bench {
    verifier: Verifier,
    whole: Vec<u8>,
    /// Where the message begins behind its signatures.
    at: usize,
}

fn bench() -> Bench {
    let keys = keys();
    let whole = signed(MESSAGE.as_bytes(), &keys);
    let verifier = Verifier::new(keys.iter().map(|key| &**key));
    assert!(verifier.accepts(&whole, 2));
    Bench { verifier, at: whole.len() - MESSAGE.len(), whole }
}

impl Bench {
    /// No signature may be good any more.
    fn refuses(&self, message: &[u8]) -> bool {
        self.verifier.judge(message).iter().all(Result::is_err)
    }
}

#[test]
fn no_byte_can_be_changed() {
    let bench = bench();
    let first = bench.at + "Received: from a by b\r\n".len();
    let mut tried = 0;
    for at in first..bench.whole.len() {
        if bench.whole[at].is_ascii_graphic() {
            let mut changed = bench.whole.clone();
            changed[at] ^= 1;
            assert!(bench.refuses(&changed), "{}", String::from_utf8_lossy(&changed[at.saturating_sub(20)..]));
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} bytes");
    // What is not signed is anybody's.
    let mut trace = bench.whole.clone();
    trace[bench.at + 15] = b'z';
    assert!(bench.verifier.accepts(&trace, 2));
}

#[test]
fn nothing_can_be_added_that_a_reader_would_see() {
    let bench = bench();
    let header_end = bench.whole.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 2;
    for name in [
        "From",
        "Subject",
        "To",
        "Cc",
        "Date",
        "Reply-To",
        "MIME-Version",
        "Content-Type",
        "Message-ID",
        "Content-Transfer-Encoding",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
    ] {
        let field = format!("{name}: thief\r\n");
        for at in [0, bench.at, header_end] {
            let mut added = bench.whole.clone();
            added.splice(at..at, field.bytes());
            assert!(bench.refuses(&added), "{name} at {at}");
        }
    }
    for tail in ["more\r\n", "\r\nmore\r\n", ".\r\n"] {
        assert!(bench.refuses(&[&bench.whole, tail.as_bytes()].concat()), "{tail:?}");
    }
    // Trace fields on top are what every server adds.
    let relayed = [b"Received: from c by d\r\n", bench.whole.as_slice()].concat();
    assert!(bench.verifier.accepts(&relayed, 2));
}

/// What relays do to a message without changing what it says.
#[test]
fn what_relays_do_breaks_nothing() {
    let bench = bench();
    let text = String::from_utf8(bench.whole.clone()).unwrap();
    let (signatures, message) = text.split_at(bench.at);
    for (what, changed) in [
        ("unfolded", format!("{}{message}", signatures.replace("\r\n ", " "))),
        ("folded with tabs", format!("{}{message}", signatures.replace("\r\n ", "\r\n\t"))),
        ("folded at every space", format!("{}{message}", signatures.replace("\r\n ", " ").replace(' ', "\r\n "))),
        ("names in capitals", text.replace("\nSubject:", "\nSUBJECT:").replace("DKIM-Signature", "Dkim-Signature")),
        ("unfolded subject", text.replace("dinner\r\n ready", "dinner ready")),
        ("white space at line ends", text.replace("game.\r\n", "game. \t\r\n")),
        ("empty lines at the end", format!("{text}\r\n\r\n")),
    ] {
        assert!(bench.verifier.accepts(changed.as_bytes(), 2), "{what}: {changed}");
    }
}
