use super::*;
use crate::mail::address_list::addresses;
use crate::mail::header::{Ending, Header};
use crate::mail::text::readable;
use proptest::prelude::*;

fn mended_in(text: &str, script: Script) -> String {
    String::from_utf8(header(text.as_bytes(), script).into_owned()).unwrap()
}

#[test]
fn raw_text_becomes_encoded_words() {
    for (field, want) in [
        ("Subject: Gr\u{fc}\u{df}e", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="),
        ("SUBJECT:\u{fc}", "SUBJECT: =?utf-8?b?w7w=?="),
        ("Subject: a\r\n \u{fc}\r\n\tb", "Subject: =?utf-8?q?a_=C3=BC=09b?="),
        ("From: J\u{f6}rg K <j@b.example>", "From: =?utf-8?q?J=C3=B6rg_K?= <j@b.example>"),
        ("From: \"K, J\u{f6}rg\" <j@b.example>", "From: =?utf-8?q?K=2C_J=C3=B6rg?= <j@b.example>"),
        ("From: \"a\\\"\u{fc}\" <j@b.example>", "From: =?utf-8?q?a=22=C3=BC?= <j@b.example>"),
        (
            "To: A <a@b.example>, \u{dc} <u@b.example>,c@b.example",
            "To: A <a@b.example>, =?utf-8?b?w5w=?= <u@b.example>,c@b.example",
        ),
        ("Cc: j@b.example (J\u{f6}rg)", "Cc: j@b.example (=?utf-8?q?J=C3=B6rg?=)"),
        ("To: Gr\u{fc}ppe: a@b.example, c@d.example;", "To: =?utf-8?q?Gr=C3=BCppe?= : a@b.example, c@d.example;"),
    ] {
        let message = format!("A: b\r\n{field}\r\nC: d\r\n\r\nb\u{f6}dy\r\n");
        let made = format!("A: b\r\n{want}\r\nC: d\r\n\r\nb\u{f6}dy\r\n");
        assert_eq!(mended_in(&message, Script::Ascii), made, "{field}");
        assert_eq!(mended_in(&message, Script::Utf8), message, "{field}: the transaction said that it may");
    }
}

#[test]
fn a_name_is_followed_by_its_colon() {
    for (field, want) in [
        ("Subject : a", "Subject: a"),
        ("subject\t \t:a :b\r\n c : d", "subject:a :b\r\n c : d"),
        ("X-Own :", "X-Own:"),
        ("Subject : \u{fc}", "Subject: =?utf-8?b?w7w=?="),
        // Mended as far as it can be.
        ("From : j\u{f6}rg@b.example", "From: j\u{f6}rg@b.example"),
    ] {
        let message = format!("A: b\r\n{field}\r\nC: d\r\n\r\nE : f\r\n");
        assert!(has_spaced_name(message.as_bytes()), "{field}");
        let made = mended_in(&message, Script::Ascii);
        assert_eq!(made, format!("A: b\r\n{want}\r\nC: d\r\n\r\nE : f\r\n"));
        assert!(!has_spaced_name(made.as_bytes()));
    }
    let long = format!("X-Long : {}\r\n\r\n", "a".repeat(1_200));
    assert_eq!(mended_in(&long, Script::Ascii), long.replacen(" :", ":", 1));
}

#[test]
fn what_could_be_meant_in_two_ways_stays() {
    for field in [
        "From: j\u{f6}rg@b.example",
        "From: J\u{f6}rg <j\u{f6}rg@b.example>",
        "From: J\u{f6}rg <j@b\u{fc}cher.example>",
        "From: \"J\u{f6}rg\"@b.example",
        "From: \"J\u{f6}rg <j@b.example>",
        "From: J\u{f6}rg <j@b.example",
        "Subject: =?utf-8?q?a?= \u{fc}",
        "To: =?utf-8?q?a?= \u{fc} <a@b.example>",
        "X-Mine: \u{fc}",
        "Message-ID: <\u{fc}@b.example>",
    ] {
        let message = format!("{field}\r\n\r\n");
        assert!(matches!(header(message.as_bytes(), Script::Ascii), Cow::Borrowed(_)), "{field}");
    }
    let latin = b"Subject: Gr\xfc\xdfe\r\nFrom: J\xf6rg <j@b.example>\r\n\r\n";
    assert_eq!(header(latin, Script::Ascii).as_ref(), latin);
}

#[test]
fn long_lines_are_folded_where_space_stands_already() {
    let words = "word ".repeat(500);
    let message = format!("X-Mine: {words}end\r\nSubject: s\r\n\r\n{words}\r\n");
    let made = mended_in(&message, Script::Ascii);
    assert!(made.lines().take_while(|line| !line.is_empty()).all(|line| line.len() <= 998));
    assert!(made.ends_with(&format!("\r\nSubject: s\r\n\r\n{words}\r\n")));
    let unfolded = |text: &str| Fields::of(text.as_bytes()).next().unwrap().unfolded().into_owned();
    assert_eq!(unfolded(&made), unfolded(&message));

    let list = vec!["someone@example.net"; 200].join(",");
    let made = mended_in(&format!("To: {list}\r\n\r\n"), Script::Ascii);
    assert!(made.lines().all(|line| line.len() <= 998));
    assert_eq!(made.replace("\r\n ", ""), format!("To: {list}\r\n\r\n"));

    let one = "x".repeat(3_000);
    let made = mended_in(&format!("Subject: {one}\r\n\r\n"), Script::Ascii);
    assert!(made.lines().all(|line| line.len() <= 998));
    assert_eq!(readable(made.as_bytes().strip_prefix(b"Subject:").unwrap(), 9_000), one);

    let message = format!("X-Mine: {one}\r\nReferences: <{one}@x>\r\n\r\n");
    assert_eq!(mended_in(&message, Script::Ascii), message, "no place to fold");
    let fits = format!("X: {}\r\nY: z\r\n\r\n", "a b".repeat(331));
    assert!(matches!(header(fits.as_bytes(), Script::Ascii), Cow::Borrowed(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_display_name_never_becomes_more_than_a_name(name in prop_oneof![any::<String>(), "[a-z\u{fc}<>@,;:()\"\\\\\\[\\]. ]{0,20}"], quoted in any::<bool>()) {
        let name = name.replace(['\r', '\n'], " ");
        let name = if quoted { format!("\"{}\"", name.replace(['\\', '"'], "\\\"")) } else { name };
        let message = format!("From: {name} <app@example.com>\r\nTo: a@b.example\r\n\r\nbody\r\n");
        let made = header(message.as_bytes(), Script::Ascii);
        let (before, after) = (Header::read(message.as_bytes()), Header::read(&made));
        prop_assert_eq!(Fields::of(&made).count(), Fields::of(message.as_bytes()).count());
        prop_assert_eq!(after.ending, Ending::EmptyLine);
        prop_assert!(made.ends_with(b"\r\n\r\nbody\r\n"));
        if made.as_ref() != message.as_bytes() {
            // Whoever could be read as an author before is still one, and nobody else is.
            prop_assert_eq!(before.authors(), after.authors());
            let value = after.from[0].value();
            prop_assert!(value.is_ascii());
            prop_assert_eq!(addresses(value).is_ok(), before.authors().is_ok());
        }
    }

    #[test]
    fn no_header_makes_it_panic_and_no_body_changes(
        head in prop_oneof![
            "(Subject|From|To|X): ?([a-z\u{fc}<>@,;:()\"\\\\ \t=?]|\r\n |\r\n(From|To|Subject): ){0,60}\r\n",
            "(From|To): ([a-z\u{fc}]{0,300}[, <>@\"]{0,2}){0,30}\r\n",
        ],
        script in prop::sample::select(&[Script::Ascii, Script::Utf8][..]),
    ) {
        let message = format!("{head}\r\nb\u{f6}dy: x\r\n");
        let made = header(message.as_bytes(), script);
        let body = "\r\nb\u{f6}dy: x\r\n";
        prop_assert!(made.ends_with(body.as_bytes()));
        let names = |bytes: &[u8]| Fields::of(bytes).map(|field| field.name().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(names(&made), names(message.as_bytes()));
        let again = header(&made, script).into_owned();
        prop_assert_eq!(again, made.into_owned(), "again");
    }
}
