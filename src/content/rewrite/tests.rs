use super::*;
use crate::content::{slot, token};
use proptest::prelude::*;

const HOST: &str = "https://t.example.com";

fn token_of(number: u16) -> String {
    format!("L{number:03}{}", "A".repeat(token::TAIL_CHARS))
}

struct Done {
    message: String,
    links: Vec<Link>,
    notes: Vec<Note>,
    slots: Vec<Slot>,
    targets: Vec<Option<String>>,
}

fn done(message: &str, clicks: Clicks, pixel: Option<PixelPlace>) -> Done {
    let mut targets = Vec::new();
    let mut draft = |number: u16, target: Target<'_>| {
        assert_eq!(usize::from(number), targets.len());
        targets.push(match target {
            Target::Pixel => None,
            Target::Url(url) => Some(url.to_owned()),
        });
        Some(token_of(number))
    };
    let mut plan = Plan { host: HOST, clicks, pixel, exclude: &[], sensitive: &[], never: &[], draft: &mut draft };
    let made = rewrite(message.as_bytes().to_vec(), &mut plan);
    for slot in &made.slots {
        let text = String::from_utf8(slot::read(&made.message, slot).unwrap()).unwrap();
        assert!(text.starts_with('L') && text.ends_with(&"A".repeat(token::TAIL_CHARS)), "{text}");
    }
    let Rewritten { message, links, notes, slots, .. } = made;
    Done { message: String::from_utf8(message).unwrap(), links, notes, slots, targets }
}

fn html(body: &str) -> String {
    format!("From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{body}")
}

/// The body with its tracked links as `<number>`.
fn body_of(body: &str) -> String {
    let made = done(&html(body), Clicks::Html, None).message;
    let (_, made) = made.split_once("\r\n\r\n").unwrap();
    shortened(made)
}

fn shortened(text: &str) -> String {
    (0..20).fold(text.to_owned(), |text, number| {
        text.replace(&format!("{HOST}/t/{}", token_of(number)), &format!("<{number}>"))
    })
}

#[test]
fn only_values_change() {
    assert_eq!(body_of("<A  HREF = 'https://a.example/?a=1&amp;b' >x</A\r\n>"), "<A  HREF = '<0>' >x</A\r\n>");
    assert_eq!(body_of("<a href=https://a.example/>x"), "<a href=<0>>x");
    assert_eq!(body_of("<a href=\" https://a.example/ \">x"), "<a href=\"<0>\">x");
    let twice = "<a href='https://a.example/'><a href='https://a.example/'>";
    assert_eq!(body_of(twice), "<a href='<0>'><a href='<1>'>");
    let button = "<!--[if mso]><v:rect href=\"https://a.example/\" x><![endif]--><a href='https://a.example/'>";
    assert_eq!(body_of(button), "<!--[if mso]><v:rect href=\"<0>\" x><![endif]--><a href='<0>'>");
    let opted_out =
        "<!--[if mso]><v:rect href=\"https://a.example/\" x><![endif]--><a data-no-track href='https://a.example/'>";
    assert_eq!(body_of(opted_out), opted_out.replace(" data-no-track", ""));
    assert_eq!(body_of("<a href='https+notrack://a.example/'>"), "<a href='https://a.example/'>");
    assert_eq!(body_of("<a href='https&plus;notrack://a.example/'>"), "<a href='https://a.example/'>");
    assert_eq!(body_of("<a href='mailto:a@b.example'><a href='#x'>"), "<a href='mailto:a@b.example'><a href='#x'>");
}

#[test]
fn what_a_token_is_made_for_is_where_the_link_leads() {
    let made = done(&html("<a href=' https://a.example/?a=1&amp;amp;b&copy=2#x '>"), Clicks::Html, None);
    assert_eq!(made.targets, [Some("https://a.example/?a=1&amp;b&copy=2#x".to_owned())]);
    assert_eq!(made.links[0].fate, Fate::Tracked(0));
}

#[test]
fn rewriting_again_changes_nothing() {
    let first = done(&html("<body><a href='https://a.example/'>x</a></body>"), Clicks::All, Some(PixelPlace::Bottom));
    assert_eq!(first.slots.len(), 2);
    let again = done(&first.message, Clicks::All, Some(PixelPlace::Bottom));
    assert_eq!(again.message, first.message);
    assert_eq!(again.links[0].fate, Fate::Skipped(Skip::OwnHost));
    assert_eq!(again.notes, [Note::NoPixel { why: NoPixel::There }]);
    assert!(again.slots.is_empty() && again.targets.is_empty());
}

#[test]
fn without_clicks_and_opens_only_our_marks_are_taken_out() {
    let plain = html("<a href='https://a.example/'>x</a>");
    let made = done(&plain, Clicks::None, None);
    assert!(made.message == plain && made.links.is_empty() && made.notes.is_empty());
    let made = done(&html("<a data-no-track href='https+notrack://a.example/'>x</a>"), Clicks::None, None);
    assert_eq!(made.message, html("<a href='https://a.example/'>x</a>"));
    let text = "Subject: x\r\n\r\nhttps+notrack://a.example/, https://b.example/\r\n";
    assert_eq!(done(text, Clicks::Html, None).message, text.replace("+notrack", ""));
}

#[test]
fn a_link_opted_out_in_html_is_opted_out_in_text() {
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n\
        https://a.example/?a&b https://b.example/\r\n--b\r\nContent-Type: text/html\r\n\r\n\
        <a data-no-track href='https://a.example/?a&amp;b'><a href='https://b.example/'>\r\n--b--\r\n";
    let made = done(message, Clicks::All, None);
    assert!(shortened(&made.message).contains("https://a.example/?a&b <0>\r\n"), "{}", made.message);
    assert_eq!(made.links[0].fate, Fate::Skipped(Skip::OptedOutElsewhere));
    assert_eq!(made.targets.len(), 2);
}

#[test]
fn another_spelling_of_what_was_opted_out_is_opted_out_too() {
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n\
        HTTPS://A.example/x https://b.example?y https://a.example/X\r\n--b\r\nContent-Type: text/html\r\n\r\n\
        <a data-no-track href='https://a.example/x'><a href='https+notrack://B.example/?y'>\r\n--b--\r\n";
    let made = done(message, Clicks::All, None);
    assert_eq!(made.links[0].fate, Fate::Skipped(Skip::OptedOutElsewhere));
    assert_eq!(made.links[1].fate, Fate::Skipped(Skip::OptedOutElsewhere));
    assert_eq!(made.links[2].fate, Fate::Tracked(0));
}

#[test]
fn unsubscribe_links_of_the_header_are_never_tracked() {
    let message = html("<a href='https://a.example/u?x=1&amp;y'><a href='https://a.example/'>");
    let header = "List-Unsubscribe: <mailto:u@a.example>,\r\n <https://a.example/u?x=1&y>\r\n";
    let made = done(&format!("{header}{message}"), Clicks::Html, None);
    assert_eq!(made.links[0].fate, Fate::Skipped(Skip::Unsubscribe));
    assert_eq!(made.links[1].fate, Fate::Tracked(0));
}

#[test]
fn a_line_that_gets_too_long_changes_the_label_with_the_body() {
    let line = format!("<p>{}</p><a href='https://a.example/'>\u{fc}</a>\r\n", "x".repeat(950));
    for (header, want) in [
        (
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/html; charset=utf-8\r\n",
            "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>",
        ),
        (
            "Content-Type: text/html; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>",
        ),
    ] {
        let made = done(&format!("{header}\r\n{line}"), Clicks::Html, Some(PixelPlace::Bottom));
        assert!(made.message.starts_with(want), "{}", made.message);
        assert!(made.message.is_ascii() && made.message.lines().all(|line| line.len() <= 76));
        assert_eq!(made.slots.len(), 2);
    }
}

#[test]
fn what_is_signed_or_encrypted_keeps_every_byte_and_gets_no_pixel() {
    let link = "<a href='https://a.example/'>x</a>";
    for message in [
        format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n{link}\r\n--b--"
        ),
        format!(
            "MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n{link}\r\n--b--"
        ),
        format!("MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime\r\n\r\n{link}"),
        format!("MIME-Version: 1.0\r\nContent-Type: text/html; protected-headers=v1\r\n\r\n{link}"),
        format!("MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<pre>-----BEGIN PGP MESSAGE-----</pre>{link}"),
        format!("Autocrypt-Setup-Message: v1\r\nContent-Type: text/html\r\n\r\n{link}"),
    ] {
        let made = done(&message, Clicks::All, Some(PixelPlace::Bottom));
        assert_eq!(made.message, message);
        assert!(made.notes.iter().any(|note| matches!(note, Note::Sealed { .. })), "{:?}", made.notes);
        assert!(made.notes.contains(&Note::NoPixel { why: NoPixel::Sealed }), "{:?}", made.notes);
        assert!(made.notes.iter().all(|note| !note.to_string().is_empty()));
    }
}

#[test]
fn nothing_is_put_into_a_header_that_no_empty_line_ends() {
    let message = "MIME-Version: 1.0\r\nContent-Type: text/html\r\n";
    let made = done(message, Clicks::All, Some(PixelPlace::Bottom));
    assert_eq!(made.message, message);
    assert_eq!(made.notes, [Note::NoPixel { why: NoPixel::NoHtml }]);
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n";
    let made = done(message, Clicks::All, Some(PixelPlace::Bottom));
    assert_eq!(made.slots.len(), 1);
    assert!(made.message.contains("--b\r\nContent-Type: text/html\r\n\r\n--b\r\n"), "{}", made.message);
}

#[test]
fn html_that_gets_too_long_for_gmail_is_noted() {
    let text = format!("<a href='https://a.example/'>x</a>{}", "<p>x</p>\r\n".repeat(limits::HTML_CLIP_BYTES / 10 - 4));
    assert!(text.len() < limits::HTML_CLIP_BYTES);
    let made = done(&html(&text), Clicks::Html, Some(PixelPlace::Top));
    assert_eq!(made.notes, [Note::Clipped { part: 1 }]);
}

#[test]
fn without_a_token_a_link_stays() {
    let mut draft = |_: u16, _: Target<'_>| None;
    let mut plan = Plan {
        host: HOST,
        clicks: Clicks::All,
        pixel: Some(PixelPlace::Bottom),
        exclude: &[],
        sensitive: &[],
        never: &[],
        draft: &mut draft,
    };
    let message = html("<a href='https://a.example/'>x</a>");
    let made = rewrite(message.as_bytes().to_vec(), &mut plan);
    assert!(!made.is_changed && made.message == message.as_bytes());
    assert_eq!(made.links[0].fate, Fate::Skipped(Skip::NoToken));
    assert_eq!(made.notes, [Note::NoPixel { why: NoPixel::NoToken }]);
}

const PIECES: &[&str] = &[
    "<a href=\"https://a.example/?a=1&amp;b=2\">",
    "<a href='http://b.example/x'>",
    "<a href=https://c.example/>",
    "</a>",
    "<!--[if mso]><v:rect href=\"https://a.example/\"><![endif]-->",
    "<a href=\"https://a.example/\">",
    "<!--",
    "-->",
    "\r\n",
    "<p title=\"",
    "\"",
    "'",
    ">",
    "<script>",
    "</script>",
    "text \u{fc} ",
    "=",
    " ",
    "<body>",
    "</body>",
    "<a href=\"mailto:x\">",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "<svg>",
    "<style>",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]

    /// With every tracked link put back as it was written, and the pixel taken out, it is the text that came.
    #[test]
    fn any_html_is_the_same_again_when_links_are_put_back(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30), pixel in any::<bool>(),
    ) {
        // In short lines: it is asked of the text, not of its encoding.
        let text = pieces.join("\r\n");
        let message = html(&text);
        let made = done(&message, Clicks::Html, pixel.then_some(PixelPlace::Bottom));
        let mut back = made.message.clone();
        let places = html_links::find(text.as_bytes(), 1_000).map(|found| found.places).unwrap_or_default();
        let links = made.links.iter().zip(&places);
        for (link, place) in links {
            let Fate::Tracked(number) = link.fate else { continue };
            let tracked = format!("{HOST}/t/{}", token_of(number));
            prop_assert!(back.contains(&tracked));
            back = back.replacen(&tracked, &text[place.value.clone()], 1);
        }
        if let Some(start) = back.find("<img src=\"https://t.example.com/t/") {
            let end = start + back[start..].find('>').unwrap() + 1;
            back.replace_range(start..end, "");
        }
        prop_assert_eq!(back, message);
        let again = done(&made.message, Clicks::Html, pixel.then_some(PixelPlace::Bottom));
        prop_assert_eq!(again.message, made.message);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "(Content-Type: |Content-Transfer-Encoding: |multipart/(mixed|alternative|signed)|text/(html|plain)|; \
          boundary=b|; charset=(utf-8|gbk|utf-16)|; format=flowed; delsp=yes|base64|quoted-printable|8bit|--b|--|\r\n|\
          \r\n\r\n|<a href=|https://a.example/|\"|>|PGEgaHJlZj0|=3D|[\r\n =\"\\\\(a-c:\u{fc}]){0,60}"
            .prop_map(String::into_bytes),
    ], top in any::<bool>()) {
        let mut draft = |number: u16, _: Target<'_>| Some(token_of(number));
        let place = if top { PixelPlace::Top } else { PixelPlace::Bottom };
        let mut plan = Plan {
            host: HOST, clicks: Clicks::All, pixel: Some(place), exclude: &[], sensitive: &[], never: &[], draft: &mut draft,
        };
        let made = rewrite(bytes.clone(), &mut plan);
        for slot in &made.slots {
            prop_assert!(slot::read(&made.message, slot).is_ok());
        }
    }
}
