use super::*;
use proptest::prelude::*;

fn whole(message: &str) -> Entity {
    Entity::read(message.as_bytes(), 0..message.len(), Unnamed::Text)
}

fn structure(content_type: &str) -> Structure {
    whole(&format!("Content-Type: {content_type}\r\n\r\n")).structure
}

fn boundary(content_type: &str) -> Option<String> {
    match structure(content_type) {
        Structure::Multipart { boundary, .. } => boundary.map(|boundary| String::from_utf8(boundary).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_is_what_its_worst_byte_says() {
    let of = |bytes: &[u8]| Content::of(bytes);
    let plain = Content::default();
    for fine in
        [&b""[..], b"\r\n", b"a\r\nb", &[b'x'; LINE_BYTES_MAX], &[&[b'x'; LINE_BYTES_MAX][..], b"\r\n"].concat()]
    {
        assert!(of(fine).is_plain());
    }
    assert_eq!(of("\u{fc}".as_bytes()), Content { eight_bit: true, ..plain });
    for long in [vec![b'x'; LINE_BYTES_MAX + 1], [&[b'x'; LINE_BYTES_MAX + 1][..], b"\r\na"].concat()] {
        assert_eq!(of(&long), Content { long: true, ..plain });
    }
    for binary in [&b"\r"[..], b"\n", b"a\r\r\n", b"a\n\r\n", b"\0", b"a\r\nb\r"] {
        assert_eq!(of(binary), Content { binary: true, ..plain }, "{binary:?}");
    }
}

#[test]
fn boundaries_are_read_as_programs_write_them() {
    for (content_type, want) in [
        ("multipart/mixed; boundary=abc", Some("abc")),
        ("Multipart/Mixed;BOUNDARY=\"a b:c\"", Some("a b:c")),
        ("multipart/mixed;\r\n\tboundary=\"----=_Part_1\"; charset=utf-8", Some("----=_Part_1")),
        ("multipart/mixed; boundary==_abc=; x=y", Some("=_abc=")),
        ("multipart/mixed; x=\"; boundary=no\"; boundary=yes", Some("yes")),
        ("multipart/mixed (a; boundary=no) ; boundary = yes (so)", Some("yes")),
        ("multipart/mixed (a \\) ; boundary=no); boundary=yes", Some("yes")),
        ("multipart/mixed; boundary=\"a\\\"b \"", Some("a\"b")),
        ("multipart/mixed; nothing; boundary=yes", Some("yes")),
        ("multipart/mixed; boundary=", None),
        ("multipart/mixed; boundary=\"\"", None),
        ("multipart/mixed; boundary=\"open", None),
        ("multipart/mixed", None),
        ("multipart", None),
    ] {
        assert_eq!(boundary(content_type).as_deref(), want, "{content_type}");
    }
}

#[test]
fn a_type_says_what_an_entity_is_made_of() {
    for (content_type, want) in [
        ("text/html; charset=utf-8", Structure::Text),
        ("TEXT/plain", Structure::Text),
        ("", Structure::Text),
        ("text", Structure::Text),
        ("application/pdf", Structure::Opaque),
        ("x", Structure::Opaque),
        ("multipart/signed; boundary=a", Structure::Signed),
        ("message/rfc822", Structure::Message),
        ("message/global", Structure::GlobalMessage),
        ("message/global-headers", Structure::Text),
        ("message/partial; id=a", Structure::Fixed),
        ("message/delivery-status", Structure::Fixed),
        ("multipart/digest; boundary=a", Structure::Multipart { boundary: Some(b"a".to_vec()), is_digest: true }),
    ] {
        assert_eq!(structure(content_type), want, "{content_type}");
    }
    let unnamed = Entity::read(b"\r\nx", 0..3, Unnamed::Message);
    assert_eq!((unnamed.structure, unnamed.is_named, unnamed.body), (Structure::Message, false, 2..3));
}

#[test]
fn encodings_are_words() {
    for (value, want) in [
        ("7BIT", Encoding::SevenBit),
        ("", Encoding::SevenBit),
        (" 8bit (so)", Encoding::Unrestricted),
        ("binary", Encoding::Unrestricted),
        ("Quoted-Printable", Encoding::QuotedPrintable),
        ("base64;", Encoding::Base64),
        ("x-uuencode", Encoding::Other),
        ("(what) base64", Encoding::Other),
    ] {
        assert_eq!(whole(&format!("Content-Transfer-Encoding: {value}\r\n\r\n")).encoding, want, "{value}");
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_a_flaw() {
    for (message, want) in [
        ("A: b\r\n\r\nbody", None),
        ("A: b\r\n", None),
        ("\r\nbody", None),
        ("", None),
        ("A: b\r\nbody", Some(Flaw::NotEnded)),
        ("body", Some(Flaw::NotEnded)),
        ("A: b\n\r\nbody", Some(Flaw::BareLineEnd)),
        ("A: b\r\n\nbody", Some(Flaw::BareLineEnd)),
        ("A: b\rc\r\n\r\nbody", Some(Flaw::BareLineEnd)),
        ("Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", Some(Flaw::TwoTypes)),
        ("Content-Type: text/plain; a=b\r\nCONTENT-TYPE: Text/Plain\r\n\r\n", None),
        ("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n", Some(Flaw::TwoTypes)),
        ("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n", Some(Flaw::TwoTypes)),
        ("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n", Some(Flaw::TwoEncodings)),
    ] {
        assert_eq!(whole(message).flaw, want, "{message:?}");
    }
}

/// The texts of preamble, parts and epilogue.
fn taken_apart(body: &str) -> Result<Vec<&str>, NoParts> {
    let Parts { preamble, parts, epilogue } = split(body.as_bytes(), 0..body.len(), b"b", 4)?;
    let all = std::iter::once(preamble).chain(parts).chain([epilogue]);
    Ok(all.map(|place| &body[place]).collect())
}

#[test]
fn parts_stand_between_lines_of_the_boundary() {
    for (body, want) in [
        ("--b\r\none\r\n--b\r\ntwo\r\n--b--\r\nend", &["", "one", "two", "end"][..]),
        ("pre\r\n--b\r\none\r\n\r\n--b--", &["pre\r\n", "one\r\n", ""]),
        ("--b \t\r\none\r\n--b-- \r\n", &["", "one", ""]),
        // Nothing closes it.
        ("--b\r\none\r\n--b\r\ntwo\r\n", &["", "one", "two\r\n", ""]),
        ("--b\r\none\r\n--b", &["", "one", "", ""]),
        // Empty parts, with one line end and with two.
        ("--b\r\n--b\r\n\r\n--b--", &["", "", "", ""]),
        // Other boundaries, and lines that only look so.
        (
            "--bc\r\n--b\r\n--bc\r\n--b--c\r\n --b\r\nx--b\r\n\n--b\r\n--b--",
            &["--bc\r\n", "--bc\r\n--b--c\r\n --b\r\nx--b\r\n\n--b", ""],
        ),
    ] {
        assert_eq!(taken_apart(body).unwrap(), want, "{body:?}");
    }
    for body in ["", "text", "--b--\r\nonly its end", "--bc\r\n\r\n--bc--"] {
        assert_eq!(taken_apart(body), Err(NoParts::None), "{body:?}");
    }
    assert_eq!(taken_apart(&"--b\r\nx\r\n".repeat(5)), Err(NoParts::TooMany));
}

proptest! {
    #[test]
    fn parts_are_in_order_and_never_overlap(body in "(--b|--|\r\n|[ \t]|x|\r|\n){0,60}", lead in 0..5_usize) {
        let message = format!("{}{body}", "y".repeat(lead));
        if let Ok(Parts { preamble, parts, epilogue }) = split(message.as_bytes(), lead..message.len(), b"b", 1_000) {
            let mut at = lead;
            for place in std::iter::once(preamble).chain(parts).chain([epilogue]) {
                prop_assert!(at <= place.start && place.start <= place.end, "{place:?} at {at}");
                at = place.end;
            }
            prop_assert_eq!(at, message.len());
        }
    }

    #[test]
    fn an_entity_lies_within_its_bytes(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "(Content-Type: ?|multipart/|mixed|;| boundary=|\"|\\\\|\\(|\\)|[a-c: \t\r\n]|\r\n){0,40}".prop_map(String::into_bytes),
    ]) {
        for start in 0..=bytes.len() {
            let entity = Entity::read(&bytes, start..bytes.len(), Unnamed::Text);
            prop_assert!(start <= entity.fields_end && entity.fields_end <= entity.body.start);
            prop_assert!(entity.body.start <= entity.body.end && entity.body.end == bytes.len());
        }
    }
}
