use super::*;
use crate::mail::mime::LINE_BYTES_MAX;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use memchr::memmem;
use proptest::prelude::*;

fn coded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    coding.write(bytes, |piece| made.extend_from_slice(piece));
    made
}

fn quoted(text: &str) -> String {
    String::from_utf8(coded(Coding::QuotedPrintable(Source::Text), text.as_bytes())).unwrap()
}

fn converted(message: &str) -> String {
    let made = seven_bit(message.as_bytes()).unwrap_or_else(|why| panic!("{why}: {message:?}"));
    String::from_utf8(made.into_owned()).unwrap()
}

fn refused(message: &[u8]) -> Unconvertible {
    seven_bit(message).map(|made| String::from_utf8_lossy(&made).into_owned()).unwrap_err()
}

/// What every reader decodes of the parts that have bytes, in their order. The structure and the decoders are
/// another program's.
fn leaves(message: &[u8]) -> Vec<Vec<u8>> {
    fn of(message: &mail_parser::Message<'_>, raw: &[u8], found: &mut Vec<Vec<u8>>) {
        for part in &message.parts {
            let body = &raw[part.raw_body_offset() as usize..part.raw_end_offset() as usize];
            match &part.body {
                PartType::Multipart(_) => {}
                PartType::Message(inner) if part.encoding == mail_parser::Encoding::None => of(inner, raw, found),
                _ => found.push(match part.content_transfer_encoding().map(str::to_ascii_lowercase).as_deref() {
                    Some("quoted-printable") => {
                        quoted_printable_decode(body).unwrap_or_else(|| panic!("{}", raw.escape_ascii()))
                    }
                    Some("base64") => base64_decode(body).unwrap_or_else(|| panic!("{}", raw.escape_ascii())),
                    _ => body.to_vec(),
                }),
            }
        }
    }
    let mut found = Vec::new();
    of(&MessageParser::default().parse(message).unwrap(), message, &mut found);
    found
}

#[test]
fn text_stays_text_that_people_can_read() {
    for (text, want) in [
        ("", ""),
        ("plain, a = b", "plain, a =3D b"),
        ("Gr\u{fc}\u{df}e\r\n", "Gr=C3=BC=C3=9Fe\r\n"),
        ("a \r\nb\t", "a=20\r\nb=09"),
        ("a b\r\n\r\n", "a b\r\n\r\n"),
        ("a\nb\rc", "a=0Ab=0Dc"),
        (".\r\nFrom me\r\n-- \r\n", ".\r\nFrom me\r\n--=20\r\n"),
    ] {
        assert_eq!(quoted(text), want, "{text:?}");
    }
}

#[test]
fn lines_of_quoted_printable_end_at_76_and_never_in_an_escape() {
    let (x76, x75) = ("x".repeat(76), "x".repeat(75));
    assert_eq!(quoted(&x76), x76);
    assert_eq!(quoted(&format!("{x76}\r\n")), format!("{x76}\r\n"));
    assert_eq!(quoted(&format!("{x76}x")), format!("{x75}=\r\nxx"));
    assert_eq!(quoted(&format!("{x75}=")), format!("{x75}=\r\n=3D"));
    for before in 70..80 {
        let text = format!("{}\u{fc} ", "x".repeat(before));
        let made = quoted(&text);
        assert!(made.split("\r\n").all(|line| line.len() <= 76), "{made}");
        assert_eq!(quoted_printable_decode(made.as_bytes()).unwrap(), text.as_bytes());
    }
}

/// A line that a soft break begins must not become a boundary of what is around it.
#[test]
fn a_soft_break_makes_no_boundary() {
    let text = format!("{}--b\r\nmore\r\n", "x".repeat(75));
    assert_eq!(quoted(&text), format!("{}=\r\n=2D-b\r\nmore\r\n", "x".repeat(75)));
    let message = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{}--b\r\n\u{fc}\r\n--b--\r\n",
        "x".repeat(75)
    );
    assert_eq!(leaves(converted(&message).as_bytes()), [format!("{}--b\r\n\u{fc}", "x".repeat(75)).into_bytes()]);
}

#[test]
fn what_is_escaped_already_is_not_escaped_again() {
    let coding = Coding::QuotedPrintable(Source::QuotedPrintable);
    assert_eq!(coded(coding, "=C3=BC \u{fc} =3D=\r\nx \r\n=zz".as_bytes()), b"=C3=BC =C3=BC =3D=\r\nx \r\n=zz");
    let long = "=C3=BC-".repeat(300);
    let made = coded(coding, long.as_bytes());
    assert!(made.split(|b| *b == b'\n').all(|line| line.len() <= 77));
    assert_eq!(quoted_printable_decode(&made), quoted_printable_decode(long.as_bytes()));
}

#[test]
fn base64_has_lines_of_76_and_none_behind_the_last() {
    assert_eq!(coded(Coding::Base64, b""), b"");
    assert_eq!(coded(Coding::Base64, b"\0\r"), b"AA0=");
    assert_eq!(coded(Coding::Base64, &[0; 57]), [b'A'; 76]);
    assert_eq!(coded(Coding::Base64, &[0; 58]), [&[b'A'; 76][..], b"\r\nAA=="].concat());
    let endless = coded(Coding::Base64, &[7; 900]).into_iter().filter(|b| !b"\r\n".contains(b)).collect::<Vec<_>>();
    assert_eq!(coded(Coding::Rewrapped, &endless), coded(Coding::Base64, &[7; 900]));
    assert_eq!(coded(Coding::Rewrapped, b"AA\n0=\r\n"), b"AA0=");
}

#[test]
fn what_needs_nothing_is_not_touched() {
    let eight_bit_header = "Subject: \u{fc}\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n";
    let long_header = format!("Subject: {}\r\n\r\nplain\r\n", "x".repeat(2_000));
    for message in ["", "\r\n", "A: b\r\n", "A: b\r\n\r\nc\r\n", "no header", eight_bit_header, &long_header] {
        assert!(matches!(seven_bit(message.as_bytes()), Ok(Cow::Borrowed(_))), "{message:?}");
    }
}

/// RFC 2045 4, 5.2, 6; RFC 1428 3: what is encoded says so, and is MIME.
#[test]
fn a_message_that_was_no_mime_becomes_mime() {
    assert_eq!(
        converted("Subject: x\r\n\r\nGr\u{fc}\u{df}e\r\n"),
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n"
    );
    let latin = seven_bit(b"Subject: x\r\n\r\nsch\xf6n\r\n").unwrap();
    assert!(String::from_utf8_lossy(&latin).contains("charset=unknown-8bit\r\n"));
    assert_eq!(
        converted(
            "mime-version: 1.0\r\nContent-Transfer-Encoding:\r\n 8bit\r\nContent-Type: text/html\r\n\r\n\u{fc}\r\n"
        ),
        "mime-version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/html\r\n\r\n=C3=BC\r\n"
    );
    let two = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nA: b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    assert!(converted(&format!("{two}\u{fc}")).starts_with(
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nA: b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ));
}

/// A message has to end with a line end, and a body may not.
#[test]
fn a_body_without_an_end_has_none_behind() {
    let text = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\u{fc}";
    assert!(converted(text).ends_with("=C3=BC=\r\n"));
    let bytes = b"MIME-Version: 1.0\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n".to_vec();
    let made = seven_bit(&bytes).unwrap();
    assert!(made.ends_with(b"\r\niVBORw0KGgo=\r\n"), "{}", made.escape_ascii());
    assert_eq!(leaves(&made), [b"\x89PNG\r\n\x1a\n"]);
}

#[test]
fn labels_around_a_changed_part_say_what_is_in_them_now() {
    let message = |header: &str, label: &str| {
        format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: {label}\r\n\r\n\
             --b\r\nContent-Type: text/plain; {header}\r\n\r\n\u{fc}\r\n--b--\r\n"
        )
    };
    for (header, label, want) in
        [("x=y", "8bit", "7bit"), ("x=y", "binary", "7bit"), ("x=y", "7BIT", "7BIT"), ("x=\u{fc}", "binary", "8bit")]
    {
        let made = converted(&message(header, label));
        assert!(made.contains(&format!("boundary=b\r\nContent-Transfer-Encoding: {want}\r\n\r\n--b")), "{made}");
    }
}

#[test]
fn text_that_nobody_sees_is_masked() {
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nf\u{fc}r alte\r\n--b\r\n\r\nx\r\n--b--\r\n\u{fc}";
    let made = converted(message);
    assert!(made.contains("\r\n\r\nf**r alte\r\n--b\r\n\r\nx\r\n--b--\r\n**"), "{made}");
}

/// RFC 6532 3.7: message/global may be encoded, message/rfc822 may not.
#[test]
fn a_global_message_is_encoded_where_its_header_needs_that() {
    let message = |kind: &str, subject: &str| {
        format!(
            "MIME-Version: 1.0\r\nContent-Type: message/{kind}\r\n\r\nMIME-Version: 1.0\r\nSubject: {subject}\r\n\r\n\u{fc}\r\n"
        )
    };
    let within = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n";
    for kind in ["global", "rfc822"] {
        let made = converted(&message(kind, "x"));
        assert!(made.contains(within) && !made.contains("global\r\nContent-Transfer"), "{made}");
    }
    let made = converted(&message("global", "\u{fc}"));
    assert!(made.contains("global\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nMIME"), "{made}");
    assert!(made.is_ascii());
    // Its header is left to whoever looks for SMTPUTF8.
    assert!(converted(&message("rfc822", "\u{fc}")).contains("Subject: \u{fc}\r\n"));
}

#[test]
fn what_cannot_be_converted_says_why() {
    use Unconvertible as Not;
    let mime = |kind: &str, rest: &str| format!("MIME-Version: 1.0\r\nContent-Type: {kind}\r\n{rest}").into_bytes();
    for (message, want) in [
        (mime("multipart/signed; boundary=b", "\r\n--b\r\n\r\n\u{fc}\r\n--b--\r\n"), Not::Signed),
        (
            mime(
                "multipart/mixed; boundary=a",
                "\r\n--a\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n\u{fc}\r\n--a--",
            ),
            Not::Signed,
        ),
        (mime("message/partial", "\r\n\u{fc}"), Not::Fixed),
        (mime("multipart/mixed", "\r\n\u{fc}"), Not::NoBoundary),
        (mime("multipart/mixed; boundary=b", "\r\n--c\r\n\r\n\u{fc}"), Not::NoParts),
        (mime("multipart/mixed; boundary=b", "Content-Transfer-Encoding: base64\r\n\r\n\u{fc}"), Not::EncodedMultipart),
        (mime("text/plain", "Content-Transfer-Encoding: x-mine\r\n\r\n\u{fc}"), Not::UnknownEncoding),
        (mime("text/plain", "Content-Transfer-Encoding: base64\r\n\r\n\u{fc}"), Not::BrokenEncoding),
        (mime("text/plain", "Content-Transfer-Encoding: quoted-printable\r\n\r\na=\nb"), Not::BrokenEncoding),
        (
            mime("text/plain", "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n\r\n\u{fc}"),
            Not::TwoEncodings,
        ),
        (mime("text/plain", "Content-Type: text/html\r\n\r\n\u{fc}"), Not::TwoTypes),
        (mime("text/plain", "\u{fc}"), Not::HeaderNotEnded),
        (mime("text/plain", "A: b\n\r\nplain"), Not::HeaderLineEnd),
        (mime("multipart/mixed; boundary=b", "\r\na\nb\r\n--b\r\n\r\nx\r\n--b--"), Not::BetweenParts),
    ] {
        assert_eq!(refused(&message), want, "{}", message.escape_ascii());
        assert!(!want.to_string().is_empty());
    }
}

/// What may not be touched and need not be goes with the rest.
#[test]
fn a_signed_part_that_needs_nothing_stays_beside_one_that_does() {
    let signed = format!(
        "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n{}\r\n--s\r\n\r\nsignature\r\n--s--\r\n",
        "x".repeat(LINE_BYTES_MAX + 1)
    );
    let message =
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{signed}\r\n--b\r\n\r\n\u{fc}\r\n--b--\r\n");
    let made = converted(&message);
    assert!(made.is_ascii() && made.contains(&signed), "{made}");
}

// --- only long lines --------------------------------------------------------------------------------------

#[test]
fn only_the_part_with_a_long_line_is_encoded() {
    let long = "\u{fc}".repeat(LINE_BYTES_MAX);
    let part = |header: &str, body: &str| format!("--b\r\n{header}\r\n\r\n{body}\r\n");
    let short = part("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit", "f\u{fc}r");
    let signed = part("Content-Type: multipart/signed; boundary=s", &format!("--s\r\n\r\n{long}\r\n--s--"));
    let html = part("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit", &long);
    let top =
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    let message = format!("{top}{short}{signed}{html}--b--\r\n");
    let made = String::from_utf8(short_lines(message.as_bytes()).into_owned()).unwrap();
    assert!(made.starts_with(&format!("{top}{short}{signed}--b\r\n")), "{made}");
    let html = &made[top.len() + short.len() + signed.len()..];
    assert!(
        html.contains("text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC"),
        "{html}"
    );
    assert!(html.is_ascii() && html.lines().all(|line| line.len() <= 76));
    assert_eq!(short_lines(made.as_bytes()).as_ref(), made.as_bytes());
}

#[test]
fn what_has_no_long_line_or_may_not_be_touched_stays() {
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    for message in [
        format!("Subject: x\r\n\r\n{}\r\n", &long[1..]),
        format!("Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n{long}\r\n--s--\r\n"),
        format!("Content-Type: multipart/mixed\r\n\r\n{long}\r\n"),
        format!("Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0{long}"),
        format!("Content-Type: message/partial\r\n\r\n{long}\r\n"),
        format!("Subject: x\r\nno field\r\n{long}\r\n"),
    ] {
        assert!(matches!(short_lines(message.as_bytes()), Cow::Borrowed(_)), "{message}");
    }
    let plain = format!("Subject: x\r\n\r\n{long}\r\n");
    let made = String::from_utf8(short_lines(plain.as_bytes()).into_owned()).unwrap();
    let label = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
    assert!(made.starts_with(label), "{made}");
}

// --- bombs ------------------------------------------------------------------------------------------------

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| {
        let mut message = String::from("MIME-Version: 1.0\r\n");
        for level in 0..depth {
            message += &format!("Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n");
        }
        message + "\r\n\u{fc}\r\n"
    };
    assert!(seven_bit(nested(limits::MIME_DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(refused(nested(limits::MIME_DEPTH_MAX + 1).as_bytes()), Unconvertible::TooDeep);
    assert_eq!(refused(nested(50_000).as_bytes()), Unconvertible::TooDeep);
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(50_000) + "\r\n\u{fc}";
    assert_eq!(refused(messages.as_bytes()), Unconvertible::TooDeep);
}

#[test]
fn parts_have_a_bound() {
    let many = |parts: usize| {
        let part = "--b\r\n\r\n\u{fc}\r\n".repeat(parts);
        format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{part}--b--\r\n")
    };
    assert!(seven_bit(many(limits::MIME_PARTS_MAX - 1).as_bytes()).is_ok());
    assert_eq!(refused(many(limits::MIME_PARTS_MAX).as_bytes()), Unconvertible::TooManyParts);
    assert_eq!(refused(many(300_000).as_bytes()), Unconvertible::TooManyParts);
    // Lines that almost are boundaries, all of them white space behind.
    let almost = format!("--b{}x\r\n", " ".repeat(2_000)).repeat(2_000);
    let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{almost}\u{fc}");
    assert_eq!(refused(message.as_bytes()), Unconvertible::NoParts);
}

// --- any message --------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Tree {
    Leaf { header: &'static str, body: Vec<u8> },
    Multi { kind: &'static str, preamble: &'static str, closed: bool, parts: Vec<Tree> },
    Message { kind: &'static str, header: &'static str, inner: Box<Tree> },
}

impl Tree {
    /// Header and body. Boundaries are told apart by their numbers, and no body has one in it.
    fn write(&self, out: &mut Vec<u8>, number: &mut usize) {
        match self {
            Self::Leaf { header, body } => {
                out.extend_from_slice(header.as_bytes());
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(body);
            }
            Self::Multi { kind, preamble, closed, parts } => {
                *number += 1;
                let boundary = format!("=_{number}_b");
                let head = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n{preamble}");
                out.extend_from_slice(head.as_bytes());
                for (at, part) in parts.iter().enumerate() {
                    let lead = if at == 0 { "" } else { "\r\n" };
                    out.extend_from_slice(format!("{lead}--{boundary}\r\n").as_bytes());
                    part.write(out, number);
                }
                if *closed {
                    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
                }
            }
            Self::Message { kind, header, inner } => {
                out.extend_from_slice(format!("Content-Type: message/{kind}\r\n\r\n{header}").as_bytes());
                inner.write(out, number);
            }
        }
    }
}

impl Tree {
    fn bodies(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Leaf { body, .. } => vec![body.clone()],
            Self::Multi { parts, .. } => parts.iter().flat_map(Self::bodies).collect(),
            Self::Message { inner, .. } => inner.bodies(),
        }
    }

    /// What a reader who knows the structure finds in these bytes. The decoders are another program's.
    fn read(&self, bytes: &[u8], number: &mut usize) -> Vec<Vec<u8>> {
        let end = if bytes.starts_with(b"\r\n") { 0 } else { memmem::find(bytes, b"\r\n\r\n").unwrap() + 2 };
        let (header, body) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 2..]);
        match self {
            Self::Leaf { .. } => vec![match () {
                () if header.contains("Encoding: quoted-printable\r\n") => quoted_printable_decode(body).unwrap(),
                () if header.contains("Encoding: base64\r\n") => base64_decode(body).unwrap(),
                () => body.to_vec(),
            }],
            Self::Message { inner, .. } => inner.read(body, number),
            Self::Multi { closed, parts, .. } => {
                *number += 1;
                let mark = format!("--=_{number}_b");
                let places: Vec<usize> = memmem::find_iter(body, &mark).collect();
                assert_eq!(places.len(), parts.len() + usize::from(*closed));
                let ends = places[1..].iter().map(|at| at - 2).chain((!closed).then_some(body.len()));
                let places = places.iter().zip(ends).map(|(at, end)| at + mark.len() + 2..end);
                parts.iter().zip(places).flat_map(|(part, place)| part.read(&body[place], number)).collect()
            }
        }
    }

    /// Is it one that the other reader knows its way in? In messages in messages, and where nothing closes a
    /// multipart, it loses it.
    fn is_easy(&self) -> bool {
        match self {
            Self::Leaf { .. } => true,
            Self::Multi { closed, parts, .. } => *closed && parts.iter().all(Self::is_easy),
            Self::Message { .. } => false,
        }
    }
}

const HEADERS: [&str; 7] = [
    "",
    "Content-Type: text/plain; charset=utf-8\r\n",
    "Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n",
    "Content-Transfer-Encoding: binary\r\nContent-Type: application/octet-stream; name=\"a; b\"\r\n",
    "Content-Type: image/png\r\nContent-Disposition: attachment\r\n",
    "Content-Transfer-Encoding: 7bit\r\nContent-Type: text/x-made\r\n",
    "Content-Type: \r\n",
];

fn body(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(pieces), 0..25).prop_map(|pieces| pieces.concat())
}

const LONG: &[u8] = &[b'y'; 700];
const TEXT: &[&[u8]] = &[
    b"word ",
    b"\xc3\xbc",
    b"\xff",
    b"\r\n",
    b"\r\n",
    b"=",
    b"--",
    b"-",
    b".",
    b"=3D",
    b"From ",
    b"\t",
    b" ",
    b"x",
    LONG,
];
const BYTES: &[&[u8]] = &[b"\0", b"\r", b"\n", b"\xff\xfe", b"\r\n", b"a", b"-", LONG, b" "];

fn tree() -> impl Strategy<Value = Tree> {
    let bytes = prop_oneof![3 => body(TEXT), 1 => body(BYTES)];
    let leaf = (prop::sample::select(&HEADERS[..]), bytes).prop_map(|(header, body)| Tree::Leaf { header, body });
    leaf.prop_recursive(4, 16, 3, |inner| {
        let kinds = prop::sample::select(&["mixed", "alternative", "related", "x-new"][..]);
        let preambles = prop::sample::select(&["", "", "This is MIME.\r\n"][..]);
        let parts = prop::collection::vec(inner.clone(), 1..4);
        let headers = prop::sample::select(&["Subject: in it\r\nMIME-Version: 1.0\r\n", "Subject: old\r\n", ""][..]);
        prop_oneof![
            3 => (kinds, preambles, any::<bool>(), parts)
                .prop_map(|(kind, preamble, closed, parts)| Tree::Multi { kind, preamble, closed, parts }),
            1 => (prop::sample::select(&["rfc822", "global"][..]), headers, inner)
                .prop_map(|(kind, header, inner)| Tree::Message { kind, header, inner: Box::new(inner) }),
        ]
    })
}

fn message(tree: &Tree) -> Vec<u8> {
    let mut message = b"From: a@b.example\r\nMIME-Version: 1.0\r\n".to_vec();
    tree.write(&mut message, &mut 0);
    message
}

fn holds_for_any(bytes: &[u8]) {
    if let Ok(made) = seven_bit(bytes) {
        assert_eq!(seven_bit(&made).as_deref(), Ok(&*made), "again: {}", bytes.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_leaf_is_decoded_as_before_and_nothing_else_is_left(tree in tree()) {
        let message = message(&tree);
        let made = seven_bit(&message).unwrap();
        prop_assert!(Content::of(&made).is_plain(), "{}", made.escape_ascii());
        prop_assert_eq!(seven_bit(&made), Ok(Cow::Borrowed(&*made)));
        let short = short_lines(&message);
        let want_short: Vec<_> = tree.bodies();
        prop_assert_eq!(tree.read(&short, &mut 0), want_short);
        let again = short_lines(&short).into_owned();
        prop_assert_eq!(again, short.into_owned());
        prop_assert!(made.ends_with(b"\r\n") || !message.ends_with(b"\r\n"));
        let shown = |bodies: &[Vec<u8>]| bodies.iter().map(|body| body.escape_ascii().to_string()).collect::<Vec<_>>();
        let want = shown(&tree.bodies());
        prop_assert_eq!(shown(&tree.read(&message, &mut 0)), want.clone());
        prop_assert_eq!(shown(&tree.read(&made, &mut 0)), want.clone(), "{}", made.escape_ascii());
        if tree.is_easy() {
            prop_assert_eq!(shown(&leaves(&made)), want, "{}", made.escape_ascii());
        }
    }

    #[test]
    fn a_cut_anywhere_is_no_end(tree in tree(), cut in any::<prop::sample::Index>()) {
        let message = message(&tree);
        holds_for_any(&message[..cut.index(message.len())]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "(Content-Type: |Content-Transfer-Encoding: |multipart/(mixed|signed|digest)|message/(rfc822|global|partial)|; \
          boundary=b|base64|quoted-printable|8bit|--b|--|\r\n|\r\n\r\n|[\r\n =\"\\\\(a-c:\u{fc}]){0,60}"
            .prop_map(String::into_bytes),
    ]) {
        holds_for_any(&bytes);
    }
}
