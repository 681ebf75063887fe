//! What a fuzzer feeds to each parser, and what must hold whatever it feeds. Plain functions: cargo-fuzz
//! calls them with bytes of its own making (`make fuzz`), and tests/fuzz_corpora.rs with every file of
//! fuzz/corpus, in every test run.
//!
//! Where bytes come in packets, the first byte of the input says how the rest is cut: one piece and many
//! must be heard alike.

use gatepost::base::clock::Time;
use gatepost::base::limits;
use gatepost::smtp::command::{self, Known, Verb};
use gatepost::smtp::data::{Fault, Framing, Heard, LineEnds, Receiver};
use gatepost::smtp::line::{Line, Lines};
use gatepost::smtpd::proxy::{self, Flaw, Parsed};
use std::time::Duration;

/// The first byte, and the rest.
fn headed(bytes: &[u8]) -> Option<(usize, &[u8])> {
    bytes.split_first().map(|(first, rest)| (usize::from(*first), rest))
}

// --- command lines --------------------------------------------------------------------------------------

/// RFC 5321 4.5.3.1: lines are cut at CRLF alone, within their bounds, however they come.
pub fn line(bytes: &[u8]) {
    let Some((cut, said)) = headed(bytes) else { return };
    assert_eq!(lines(said.chunks(1 + cut)), lines([said]), "cut by {}", 1 + cut);
}

const LINE_MAX: usize = 32;

fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Vec<u8>, &'static str>> {
    let (mut buffer, mut heard) = (Lines::default(), Vec::new());
    for piece in pieces {
        buffer.room(piece.len()).extend_from_slice(piece);
        while let Some(line) = buffer.next(LINE_MAX) {
            match line {
                Line::Whole(line) => {
                    assert!(line.len() + 2 <= LINE_MAX && !line.iter().any(|b| matches!(b, b'\r' | b'\n')));
                    heard.push(Ok(line.to_vec()));
                }
                Line::TooLong => heard.push(Err("too long")),
                // Nothing behind these is believed.
                Line::BareCrOrLf => {
                    heard.push(Err("bare"));
                    return heard;
                }
                Line::Endless => {
                    heard.push(Err("endless"));
                    return heard;
                }
            }
        }
        // And a CR, while its LF may come.
        assert!(buffer.unread().len() <= LINE_MAX + 1, "more is kept than one line");
    }
    heard
}

/// What a line says is taken apart without a panic, and nothing that stands in it leads out of it.
pub fn command(bytes: &[u8]) {
    let bound = command::line_bytes_max(bytes);
    assert!((limits::COMMAND_BYTES_MAX..=limits::AUTH_LINE_BYTES_MAX).contains(&bound));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (_, rest) = Verb::of(text);
    let hostname = "mail.example.com".parse().expect("a name");
    for (auth, hold_max) in [(false, None), (true, Some(Duration::from_secs(86_400)))] {
        let known = Known { auth, hold_max, now: Time::from_micros(1_800_000_000_000_000) };
        if let Ok((sender, _)) = command::parse_mail(rest, known) {
            is_one_line(&format!("{sender:?}"));
        }
    }
    for smtputf8 in [false, true] {
        if let Ok(recipient) = command::parse_rcpt(rest, smtputf8, &hostname) {
            is_one_line(&recipient.address.to_string());
        }
    }
    let _ = command::parse_auth(rest);
    let _ = command::parse_bdat(rest);
}

fn is_one_line(text: &str) {
    assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
}

// --- the bytes of a message -----------------------------------------------------------------------------

const MESSAGE_MAX: usize = 512;

/// RFC 5321 4.1.1.4: data ends at CRLF.CRLF alone, and nothing that stands alone leaves this room.
pub fn data(bytes: &[u8]) {
    let Some((how, bytes)) = headed(bytes) else { return };
    let Some((cut, said)) = headed(bytes) else { return };
    let (framing, line_ends) = match how % 5 {
        0 => (Framing::Dotted, LineEnds::Refuse),
        1 => (Framing::Dotted, LineEnds::Normalise),
        2 => (Framing::Counted, LineEnds::Refuse),
        3 => (Framing::Counted, LineEnds::Normalise),
        _ => (Framing::Counted, LineEnds::Keep),
    };
    let receiver = || Receiver::new(framing, line_ends, MESSAGE_MAX);
    let (whole, end) = received(receiver(), [said]);
    let (pieces, end_of_pieces) = received(receiver(), said.chunks(1 + cut));
    assert_eq!((&whole, end), (&pieces, end_of_pieces), "cut by {}", 1 + cut);
    if framing == Framing::Dotted {
        // The data begins behind the CRLF of DATA.
        let with_command = [b"\r\n", said].concat();
        let found = with_command.windows(5).position(|five| five == b"\r\n.\r\n");
        assert_eq!(end, found.map(|at| at + 3), "where the data ends");
    }
    if let Ok(message) = whole {
        assert!(message.len() <= MESSAGE_MAX);
        if line_ends != LineEnds::Keep {
            assert!(lines_end_in_crlf(&message), "{message:?}");
        }
    }
}

/// What came of these pieces, and how many bytes belonged to it when it ended by itself.
fn received<'a>(
    mut receiver: Receiver,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Result<Vec<u8>, Fault>, Option<usize>) {
    let mut before = 0;
    for piece in pieces {
        match receiver.hear(piece) {
            Heard::More => before += piece.len(),
            Heard::End(bytes) => return (receiver.finish(), Some(before + bytes)),
            // No input of a fuzzer is as long as what is swallowed.
            Heard::TooMuch => panic!("too much"),
        }
    }
    (receiver.finish(), None)
}

fn lines_end_in_crlf(message: &[u8]) -> bool {
    let mut before = None;
    let pairs = message.iter().all(|byte| {
        let fits = (before == Some(b'\r')) == (*byte == b'\n');
        before = Some(*byte);
        fits
    });
    pairs && before != Some(b'\r')
}

// --- PROXY headers ---------------------------------------------------------------------------------------

/// One verdict, whatever has arrived: a whole header stays whole, a bad one never becomes good, and none
/// is waited for that would not fit.
pub fn proxy(bytes: &[u8]) {
    let verdict = proxy::parse(bytes);
    let first = (0..=bytes.len()).map(|cut| proxy::parse(&bytes[..cut])).find(|parsed| *parsed != Parsed::NeedMore);
    match verdict {
        Parsed::NeedMore => {
            assert_eq!(first, None);
            assert!(bytes.len() < limits::PROXY_V2_BYTES_MAX);
        }
        Parsed::Header { consumed, source } => {
            assert!(consumed <= bytes.len().min(limits::PROXY_V2_BYTES_MAX));
            assert_eq!(first, Some(verdict));
            assert!(source.is_none_or(|source| source.ip() == source.ip().to_canonical()));
        }
        Parsed::Bad(flaw) => {
            assert!(matches!(first, Some(Parsed::Bad(_))), "{first:?}");
            let begins = bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n");
            assert_eq!(flaw == Flaw::Missing, !begins);
        }
    }
}
