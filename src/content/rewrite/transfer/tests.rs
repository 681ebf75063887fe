use super::*;
use crate::content::{slot, token};
use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 4] =
    [Encoding::SevenBit, Encoding::Unrestricted, Encoding::QuotedPrintable, Encoding::Base64];

fn edit(place: Range<usize>, text: &str, token: Option<Range<usize>>) -> Edit<'_> {
    match token {
        Some(at) => {
            Edit { place, before: &text[..at.start], token: Some(text[at.clone()].to_owned()), behind: &text[at.end..] }
        }
        None => Edit { place, before: text, token: None, behind: "" },
    }
}

/// A body with its changes.
struct Made {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    is_requoted: bool,
}

impl Body<'_> {
    fn with(&self, edits: &[Edit<'_>]) -> Made {
        // In a message it stands behind a header.
        let message = [b"X: y\r\n\r\n", self.raw].concat();
        let mut out = Remade::of(&message, 0, Vec::new());
        out.keep(0..8);
        let slots = self.write(8, edits, &mut out);
        out.keep(message.len()..message.len());
        let (place, with) = out.finish();
        let bytes = [&message[..place.start], &with, &message[place.end..]].concat().split_off(8);
        let slots = slots.into_iter().map(|slot| Slot { at: slot.at - 8, ..slot }).collect();
        Made { bytes, slots, is_requoted: self.is_requoted_by(edits) }
    }
}

fn decoded(raw: &[u8], encoding: Encoding) -> Vec<u8> {
    Body::decode(raw, encoding).unwrap().text.into_owned()
}

fn with(raw: &str, encoding: Encoding, edits: &[Edit<'_>]) -> String {
    let made = Body::decode(raw.as_bytes(), encoding).unwrap().with(edits);
    String::from_utf8(made.bytes).unwrap()
}

#[test]
fn quoted_printable_changes_only_the_lines_that_changed() {
    let raw = "a =3D b  \r\nsoft=\r\n-broken =C3=BC=\r\n line\r\nlast =20\r\nend";
    let text = decoded(raw.as_bytes(), Encoding::QuotedPrintable);
    assert_eq!(text, "a = b\r\nsoft-broken \u{fc} line\r\nlast  \r\nend".as_bytes());
    let made = with(raw, Encoding::QuotedPrintable, &[edit(12..18, "BROKEN=", None)]);
    assert_eq!(made, "a =3D b  \r\nsoft=\r\n-BROKEN=3D =C3=BC=\r\n line\r\nlast =20\r\nend");
    let made = with(raw, Encoding::QuotedPrintable, &[edit(9..13, "", None)]);
    assert_eq!(made, "a =3D b  \r\nsoroken =C3=BC=\r\n line\r\nlast =20\r\nend");
    let made = with(raw, Encoding::QuotedPrintable, &[edit(text.len()..text.len(), "!", None)]);
    assert_eq!(made, format!("{raw}!"));
    let made = with("", Encoding::QuotedPrintable, &[edit(0..0, "x=", None)]);
    assert_eq!(made, "x=3D");
}

/// The last line end goes, and behind it something comes.
#[test]
fn what_is_put_behind_a_removed_end_is_not_lost() {
    let made = with("a\r\n", Encoding::QuotedPrintable, &[edit(1..3, "", None), edit(3..3, "!", None)]);
    assert_eq!(made, "a!");
    assert_eq!(with("a\tb\r\n", Encoding::QuotedPrintable, &[edit(2..5, "", None)]), "a=09");
}

#[test]
fn what_is_no_quoted_printable_is_not_touched() {
    for raw in ["a=b", "=4", "=\r\n=zz", "bare\nline", "bare\rreturn\r\n", "nul\0"] {
        assert_eq!(
            Body::decode(raw.as_bytes(), Encoding::QuotedPrintable).unwrap_err(),
            Doubt::BrokenEncoding,
            "{raw:?}"
        );
    }
    assert_eq!(decoded(b"=c3=BC=  \r\nx=", Encoding::QuotedPrintable), "\u{fc}x".as_bytes());
    for raw in ["YWJ", "YW Jj", "YWJj!", "YQ==YQ==", "YWJ=\r\nYWJj", "YR=="] {
        assert_eq!(Body::decode(raw.as_bytes(), Encoding::Base64).unwrap_err(), Doubt::BrokenEncoding, "{raw:?}");
    }
}

#[test]
fn base64_stays_as_it_is_up_to_the_first_group_that_changed() {
    let raw = "YWJjZGVm\r\nZ2hpamts\r\nbW5v\r\n";
    assert_eq!(with(raw, Encoding::Base64, &[edit(10..11, "KKK", None)]), "YWJjZGVm\r\nZ2hpaktL\r\nS2xtbm8=\r\n");
    assert_eq!(with(raw, Encoding::Base64, &[edit(15..15, "p", None)]), "YWJjZGVm\r\nZ2hpamts\r\nbW5vcA==\r\n");
    assert_eq!(with("YQ==", Encoding::Base64, &[edit(0..1, &"x".repeat(58), None)]).find("\r\n"), Some(76));
    let one_line = "YWJj".repeat(400);
    let made = with(&one_line, Encoding::Base64, &[edit(9..10, "X", None)]);
    assert!(made.starts_with("YWJjYWJjYWJjW") && made.lines().all(|line| line.len() <= 76), "{made}");
}

#[test]
fn a_line_that_gets_too_long_makes_the_part_quoted_printable() {
    let raw = format!("short =\r\n{}\r\n--b\r\n", "x".repeat(990));
    let fits = Body::decode(raw.as_bytes(), Encoding::SevenBit).unwrap().with(&[edit(9..10, "12345678", None)]);
    assert!(!fits.is_requoted && fits.bytes.len() == raw.len() + 7);
    let made = Body::decode(raw.as_bytes(), Encoding::SevenBit).unwrap().with(&[edit(9..10, "12345678901234", None)]);
    assert!(made.is_requoted);
    let text = String::from_utf8(made.bytes).unwrap();
    assert!(text.lines().all(|line| line.len() <= 76) && text.starts_with("short =3D\r\n"), "{text}");
    // A long line that nobody touched is as long as it was.
    let long = format!("{}\r\nshort\r\n", "x".repeat(2_000));
    assert!(
        !Body::decode(long.as_bytes(), Encoding::SevenBit).unwrap().with(&[edit(2_002..2_003, "y", None)]).is_requoted
    );
}

#[test]
fn the_tail_of_a_token_never_begins_a_line() {
    let token = "-".repeat(300);
    for before in 0..160 {
        let raw = format!("{}!\r\n", "x".repeat(70).as_str());
        let text = format!("{}{token}", "y".repeat(before));
        let made = Body::decode(raw.as_bytes(), Encoding::QuotedPrintable).unwrap().with(&[edit(
            70..71,
            &text,
            Some(before..before + 300),
        )]);
        let text = String::from_utf8(made.bytes.clone()).unwrap();
        assert!(text.lines().all(|line| line.len() <= 76 && !line.starts_with('-')), "{text}");
        let tail = "-".repeat(token::TAIL_CHARS);
        assert!(text.lines().any(|line| line.contains(&tail)), "{before}: {text}");
        assert_eq!(slot::read(&made.bytes, &made.slots[0]).unwrap(), token.as_bytes());
    }
}

fn encode(text: &[u8], encoding: Encoding, line: usize) -> Vec<u8> {
    match encoding {
        Encoding::QuotedPrintable => {
            let mut out = Remade::of(b"", 0, Vec::new());
            Wrapped::new(&mut out).text(text);
            out.into_bytes()
        }
        Encoding::Base64 => STANDARD
            .encode(text)
            .as_bytes()
            .chunks(line)
            .map(|line| [line, b"\r\n"].concat())
            .collect::<Vec<_>>()
            .concat(),
        _ => text.to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    /// Whatever is changed: it is decoded as if it had been changed in the text, and slots are where they say.
    #[test]
    fn a_change_is_the_same_before_and_behind_the_encoding(
        pieces in prop::collection::vec(prop::sample::select(&["a", "=", " ", "-", "--b", "\r\n", "\u{fc}", "\t", ".",
            "<a href=3D", "0123456789012345678901234567890123456789012345678901234567890123456789"][..]), 0..40),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..9, 0_usize..3), 0..6),
        encoding in 0_usize..4, line in 4_usize..90,
    ) {
        let encoding = ENCODINGS[encoding];
        let text = pieces.concat().into_bytes();
        let raw = encode(&text, encoding, line);
        let body = Body::decode(&raw, encoding).unwrap();
        prop_assert_eq!(&*body.text, &text[..]);
        let token = format!("Head-{}", "A".repeat(90));
        let link = format!("https://t/{token}");
        let mut cuts: Vec<_> = cuts.iter().map(|(at, length, kind)| (at.index(text.len() + 1), *length, *kind)).collect();
        cuts.sort_unstable();
        let (mut edits, mut at): (Vec<Edit<'_>>, usize) = (Vec::new(), 0);
        for (start, length, kind) in cuts {
            let end = (start + length).min(text.len());
            // No change begins or ends within a line end.
            let splits = |at: usize| at > 0 && at < text.len() && text[at - 1] == b'\r' && text[at] == b'\n';
            if start < at || splits(start) || splits(end) || edits.last().is_some_and(|edit| edit.place.start == start) {
                continue;
            }
            at = end;
            edits.push(match kind {
                0 => edit(start..end, "", None),
                1 => edit(start..end, "<img =\u{e9}>", None),
                _ => edit(start..end, &link, Some(10..10 + token.len())),
            });
        }
        let mut want = Vec::new();
        let mut from = 0;
        for edit in &edits {
            want.extend_from_slice(&text[from..edit.place.start]);
            want.extend_from_slice(&edit.pieces().concat());
            from = edit.place.end;
        }
        want.extend_from_slice(&text[from..]);
        let made = body.with(&edits);
        let now = if made.is_requoted { Encoding::QuotedPrintable } else { encoding };
        let read = decoded(&made.bytes, now);
        // White space at the end of a line is escaped only where we wrote it.
        prop_assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(&want), "{}", made.bytes.escape_ascii());
        if now == Encoding::QuotedPrintable {
            prop_assert!(made.bytes.split(|b| *b == b'\n').all(|line| line.len() <= 77));
        }
        prop_assert_eq!(made.slots.len(), edits.iter().filter(|edit| edit.token.is_some()).count());
        for slot in &made.slots {
            prop_assert_eq!(slot::read(&made.bytes, slot), Ok(token.clone().into_bytes()));
            prop_assert_eq!(&want[slot.offset..slot.offset + slot.width], token.as_bytes());
            let mut filled = made.bytes.clone();
            let other = token.replace("AAA", "-_z");
            slot::write(&mut filled, slot, other.as_bytes()).unwrap();
            let mut want = want.clone();
            want[slot.offset..slot.offset + slot.width].copy_from_slice(other.as_bytes());
            prop_assert_eq!(decoded(&filled, now), want);
        }
    }
}
