use super::*;
use lol_html::{HtmlRewriter, Settings, element};
use proptest::prelude::*;
use std::cell::RefCell;

fn found(html: &str) -> Found {
    find(html.as_bytes(), 1_000).unwrap()
}

/// Where the links lead, those for Outlook alone in brackets.
fn urls(html: &str) -> Vec<String> {
    let name = |place: &Place| {
        let url = place.url.clone().unwrap_or_else(|| "?".into());
        if place.is_hidden || place.element == Element::Vml { format!("[{url}]") } else { url }
    };
    found(html).places.iter().map(name).collect()
}

fn leaders(html: &str) -> Vec<usize> {
    found(html).places.iter().map(|place| place.leader).collect()
}

#[test]
fn links_are_found_however_they_are_written() {
    for html in [
        "<a href=\"x\">",
        "<a href='x'>",
        "<a href=x>",
        "<A HREF=x>",
        "<a\nhref = \"x\"\n>",
        "<a\thref\r\n=\r\n'x'>",
        "<area shape=rect href=x />",
        "<a title='>' href=x>",
        "<a title=\"<a href=y>\" href=x>",
        "<a href=x href=y>",
        "<a/href=x>",
        "<a title=\"t\"href=\"x\">",
        "<a href=x data-href=y>",
        "<a =y href=x>",
        "text < 3 <a href=x>",
        "</p title='<a href=y>'><a href=x>",
        "<!-- <a href=y> --><a href=x>",
        "<!--><a href=x>",
        "<!---><a href=x>",
        "<!-- a --!><a href=x>",
        "<!-- a ---!><a href=x>",
        "<!-- a ---><a href=x>",
        "<!doctype html \"<a href=y\"><a href=x>",
        "<?php <a href=y ?><a href=x>",
        "</ <a href=y><a href=x>",
        "</><a href=x>",
        "<![if !mso]><a href=x><![endif]>",
        "<!--[if !mso]><!--><a href=x><!--<![endif]-->",
        "<!--[if !mso]><!-- --><a href=x><!-- <![endif]-->",
        "<![CDATA[<a href=y>]]><a href=x>",
        "<script>'<a href=y>'</script><a href=x>",
        "<script><!-- <script> <a href=y> </script> --></script><a href=x>",
        "<script><!--></script><a href=x>",
        "<style>/* <a href=y> */</style ><a href=x>",
        "<title><a href=y></title><a href=x>",
        "<textarea><a href=y></textarea><a href=x>",
        "<xmp><a href=y></xmpx></xmp><a href=x>",
        "<svg><title>t</title><style>.a{}</style></svg><a href=x>",
        "<link href=y><base href=y><img src=y><form action=y><div data-href=y style='background:url(y)'><a href=x>",
        "<head><a href=x>",
        "<a href=x><a href",
        "<a href=x><a href=\"y>",
        "<a href=x><!-- <a href=y>",
        "<a href=x><plaintext><a href=y>",
        "<abbr href=y><address href=y><article href=y><a href=x>",
        "<a name=y><a href=x>",
    ] {
        assert_eq!(urls(html), ["x"], "{html}");
    }
    assert_eq!(urls("<a href><a href=\"\"><a href=>"), ["", "", ""]);
}

#[test]
fn where_readers_of_svg_differ_nothing_is_found() {
    for html in [
        "<svg><style><a href=x></style></svg>",
        "<svg><title/><a href=x></svg>",
        "<math><![CDATA[ > <a href=x> ]]></math>",
        "<svg><script>",
    ] {
        assert_eq!(find(html.as_bytes(), 9).unwrap_err(), Unclear::Foreign, "{html}");
    }
    assert_eq!(find(b"<a href=x><a href=x>", 1).unwrap_err(), Unclear::TooMany);
}

#[test]
fn what_outlook_reads_is_found_in_its_comments_only() {
    assert_eq!(urls("<!--[if mso]><a href=x><v:rect href='y'><![endif]-->"), ["[x]", "[y]"]);
    assert_eq!(urls("<!--[IF gte mso 9]><v:RoundRect HREF=x></v:RoundRect><![endif]--><a href=y>"), ["[x]", "y"]);
    assert_eq!(urls("<!-- [if mso]><v:rect href=x><![endif] -->"), ["[x]"]);
    assert_eq!(urls("<!--[if mso]><style><a href=y></style><a href=x><![endif]-->"), ["[x]"]);
    assert_eq!(urls("<!--[if mso]><a href=x<![endif]-->"), Vec::<String>::new());
    assert_eq!(urls("<!-- if mso <a href=x> --><!--[if mso--><!--a [if x]><a href=x>-->"), Vec::<String>::new());
    assert_eq!(urls("<v:rect href=x>"), ["[x]"]);
}

/// A button and its twin are one link to whoever clicks it.
#[test]
fn a_shape_and_its_anchor_are_one_link() {
    let shape = |url: &str| format!("<!--[if mso]><v:roundrect href=\"{url}\"><![endif]-->");
    assert_eq!(leaders(&format!("{}<a href=x>", shape("x"))), [0, 0]);
    assert_eq!(leaders(&format!("{}<a href=x><a href=x>", shape("x"))), [0, 0, 2]);
    assert_eq!(leaders(&format!("<a href=x>{}<a href=x>", shape("x"))), [0, 1, 1]);
    assert_eq!(leaders(&format!("<a href=x>{}<a href=y>", shape("x"))), [0, 0, 2]);
    assert_eq!(leaders(&format!("<a href=x>{}", shape("x"))), [0, 0]);
    assert_eq!(leaders(&format!("{}<a href=y>", shape("x"))), [0, 1]);
    // The same place, written in another way.
    assert_eq!(leaders(&format!("{}<a href='?a&b'>", shape("?a&amp;b"))), [0, 0]);
    assert_eq!(leaders("<!--[if mso]><v:rect href=x><a href=x></a></v:rect><![endif]--><a href=x>"), [0, 0, 0]);
    assert_eq!(leaders("<!--[if mso]><v:rect href=x><a href=x></a></v:rect><![endif]-->"), [0, 0]);
    assert_eq!(leaders("<!--[if mso]><a href=x></a><![endif]--><a href=y>"), [0, 1]);
}

#[test]
fn what_senders_write_to_opt_out_is_heard() {
    for mark in [
        "data-no-track",
        "DATA-NO-TRACK=''",
        "data-pm-no-track",
        "ses:no-track",
        "clicktracking=\"off\"",
        "clicktracking=OFF",
        "disable-tracking=\"true\"",
        "mautic:disable-tracking=' true '",
    ] {
        for html in [format!("<a {mark} href=x>"), format!("<a href=x {mark}>"), format!("<a href=x\n{mark} title=y>")]
        {
            assert!(found(&html).places[0].is_opted_out, "{html}");
        }
    }
    for mark in ["clicktracking=on", "clicktracking", "disable-tracking=false", "data-no-tracks", "no-track"] {
        assert!(!found(&format!("<a {mark} href=x>")).places[0].is_opted_out, "{mark}");
    }
}

#[test]
fn our_own_mark_is_taken_out_and_its_neighbours_stay_two() {
    for (html, want) in [
        ("<a data-no-track href=x>", "<a href=x>"),
        ("<a href=x data-no-track>", "<a href=x>"),
        ("<a href=x\r\n\tdata-no-track = \"1\" title=y>", "<a href=x title=y>"),
        ("<a href=x data-no-track='>'>", "<a href=x>"),
        ("<a href=x data-no-track/>", "<a href=x />"),
        ("<a data-no-track=\"\"href=x>", "<a href=x>"),
        ("<a href=\"x\"data-no-track>", "<a href=\"x\">"),
        ("<a/data-no-track/href=x>", "<a///href=x>"),
        ("<a data-no-track href=x data-no-track=2>", "<a href=x>"),
        ("<a href=x data-pm-no-track clicktracking=off>", "<a href=x data-pm-no-track clicktracking=off>"),
        ("<p data-no-track><a href=x>", "<p data-no-track><a href=x>"),
    ] {
        let mut made = html.to_owned();
        for mark in found(html).marks.iter().rev() {
            made.replace_range(mark.clone(), "");
        }
        let want = want.replace("<a///", "<a//");
        assert_eq!(made, want);
        assert_eq!(urls(&made), ["x"], "{made}");
    }
}

#[test]
fn the_pixel_stands_where_the_body_begins_or_ends() {
    let places = |html: &str| {
        let found = found(html);
        let mark = |at: Option<usize>| at.map(|at| format!("{}|{}", &html[..at], &html[at..]));
        (mark(found.top), mark(found.bottom))
    };
    for (html, top, bottom) in [
        ("<html><body>x</body></html>", "<html><body>|x</body></html>", "<html><body>x|</body></html>"),
        ("<body>a</body><body>b</BODY >c", "<body>|a</body><body>b</BODY >c", "<body>a</body><body>b|</BODY >c"),
        ("<html>x</html>\r\n", "<html>x|</html>\r\n", "<html>x|</html>\r\n"),
        ("<html><head></head>x", "<html><head></head>|x", "<html><head></head>x|"),
        ("<p>x</p>\r\n", "|<p>x</p>\r\n", "<p>x</p>|\r\n"),
        ("<!DOCTYPE html>\n<p>x</p>", "<!DOCTYPE html>|\n<p>x</p>", "<!DOCTYPE html>\n<p>x</p>|"),
        (
            " <?xml version='1.0'?><!-- <!doctype> --> <!doctype html><p>x",
            " <?xml version='1.0'?><!-- <!doctype> --> <!doctype html>|<p>x",
            " <?xml version='1.0'?><!-- <!doctype> --> <!doctype html><p>x|",
        ),
        ("<![if mso]>x<![endif]>", "|<![if mso]>x<![endif]>", "<![if mso]>x<![endif]>|"),
        ("<!--><!doctype html>x", "|<!--><!doctype html>x", "<!--><!doctype html>x|"),
        ("\u{feff}x", "\u{feff}|x", "\u{feff}x|"),
        ("<body>x<!-- </body> -->", "<body>|x<!-- </body> -->", "<body>x<!-- </body> -->|"),
        (
            "<!--[if mso]><body></body><![endif]-->x",
            "|<!--[if mso]><body></body><![endif]-->x",
            "<!--[if mso]><body></body><![endif]-->x|",
        ),
        (
            "<body><script>'</body>'</script></body>",
            "<body>|<script>'</body>'</script></body>",
            "<body><script>'</body>'</script>|</body>",
        ),
    ] {
        assert_eq!(places(html), (Some(top.into()), Some(bottom.into())));
    }
    for html in ["<body>x<!-- never closed", "<p>x<a href=", "<p><script>x", "<body><plaintext>x"] {
        assert_eq!(found(html).bottom, None, "{html}");
    }
}

#[test]
fn a_value_leads_where_a_browser_goes() {
    for (value, want) in [
        (" \r\n\thttps://a.example/ \x0c", "https://a.example/"),
        ("https://a.example/lo\r\n\tng", "https://a.example/long"),
        ("https://a.example/a b", "https://a.example/a b"),
        ("&#32;x&#10;y&#9;", "xy"),
        ("?a&amp;amp;b", "?a&amp;b"),
        ("\u{a0}x", "\u{a0}x"),
    ] {
        assert_eq!(destination(value.as_bytes()).as_deref(), Some(want));
    }
    assert_eq!(destination(b"\xff"), None);
}

#[test]
fn a_scheme_is_found_as_it_is_written() {
    for (value, from, to) in [
        ("https+notrack://x", 5, 13),
        (" HTTPS+NoTrack://x", 6, 14),
        ("ht&#116;ps&#43;notrack://x", 10, 22),
        ("https&plus;notrack://x", 5, 18),
    ] {
        let url = destination(value.as_bytes()).unwrap();
        assert_eq!(written_before(value.as_bytes(), &url[..5]), Some(from), "{value}");
        assert_eq!(written_before(value.as_bytes(), &url[..13]), Some(to), "{value}");
    }
}

// --- beside another program's tokenizer -------------------------------------------------------------------

/// The values of href that lol_html sees. None: it is not sure.
fn seen_by_other(html: &str) -> Option<Vec<String>> {
    let seen = RefCell::new(Vec::new());
    let settings = Settings::new().append_element_content_handler(element!("a[href], area[href]", |element| {
        seen.borrow_mut().push(element.get_attribute("href").unwrap_or_default());
        Ok(())
    }));
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| ());
    rewriter.write(html.as_bytes()).ok()?;
    rewriter.end().ok()?;
    Some(seen.into_inner())
}

// No `<svg/>`: behind it the other takes everything for SVG, which HTML 13.2.6.5 does not.
const PIECES: &[&str] = &[
    "<a href=\"https://a.example/\">",
    "<a href='x'>",
    "<area href=y>",
    "</a>",
    "<a ",
    "href=",
    "href",
    "\"",
    "'",
    "=",
    ">",
    "<",
    "/",
    " ",
    "\r\n",
    "<p title=\"",
    "<!--",
    "-->",
    "--!>",
    "-",
    "!",
    "<!-->",
    "<!doctype html>",
    "<![if x]>",
    "<![CDATA[",
    "]]>",
    "<?x",
    "</",
    "</>",
    "<script>",
    "</script>",
    "<SCRIPT src=x>",
    "</Script >",
    "<style>",
    "</style>",
    "<title>",
    "</title>",
    "<textarea>",
    "</textarea>",
    "<xmp>",
    "</xmp>",
    "<svg>",
    "</svg>",
    "<math>",
    "</math>",
    "<p>",
    "text",
    "<body>",
    "</body>",
    "<td>",
    "<v:rect href=z>",
    "<iframe>",
    "</iframe>",
    "\t",
    "&amp;",
    "<plaintext>",
    "<br/>",
    "<b",
    "<noembed>",
    "</noembed>",
    "<script",
    "\u{fc}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn another_tokenizer_sees_the_same_links(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
        let html = pieces.concat();
        let (Ok(found), Some(seen)) = (find(html.as_bytes(), 1_000), seen_by_other(&html)) else { return Ok(()) };
        let ours = found.places.iter().filter(|place| !place.is_hidden && place.element != Element::Vml);
        let ours: Vec<&str> = ours.map(|place| &html[place.value.clone()]).collect();
        prop_assert_eq!(ours, seen, "{}", html);
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30),
        at in any::<prop::sample::Index>(),
    ) {
        let mut html = pieces.concat().into_bytes();
        let at = at.index(html.len() + 1);
        html.splice(at..at, bytes);
        if let Ok(found) = find(&html, 1_000) {
            let mut end = 0;
            for place in &found.places {
                prop_assert!(place.value.start >= end && place.value.end <= html.len());
                end = place.value.end;
            }
            prop_assert!(found.bottom.is_none_or(|at| at <= html.len()) && found.top.is_none_or(|at| at <= html.len()));
        }
    }
}

/// A value written with references in every way that the standard has is decoded to what it was made of.
#[test]
fn a_hundred_thousand_values_are_decoded_byte_for_byte() {
    decode_many(120_000);
}

#[test]
#[ignore = "a million takes a while where nothing is optimised"]
fn a_million_values_are_decoded_byte_for_byte() {
    decode_many(1_000_000);
}

fn decode_many(rounds: u32) {
    const SIGNS: &[u8] = b"abcxyzABC0189-._~/?#&&&&===;%+,!$*@'|()[]:;\"<> ";
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut chance = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap_or_default() % below
    };
    for _ in 0..rounds {
        let (mut url, mut written) = (String::from("https://a.example/"), String::from("https://a.example/"));
        for _ in 0..chance(24) {
            let sign = match chance(30) {
                0 => '\u{fc}',
                1 => '\u{20ac}',
                _ => char::from(SIGNS[chance(SIGNS.len())]),
            };
            url.push(sign);
            let code = u32::from(sign);
            match (sign, chance(5)) {
                ('"' | '<' | '>' | '&', 0) | (_, 1) => written += &format!("&#{code};"),
                (_, 2) => written += &format!("&#x{code:X};"),
                ('&', _) => written += "&amp;",
                ('"', _) => written += "&quot;",
                ('\u{fc}', 3) => written += "&uuml;",
                ('\u{20ac}', 3) => written += "&euro;",
                (sign, _) => written.push(sign),
            }
        }
        let html = format!("<p><a class=x href=\"{written}\">");
        let found = find(html.as_bytes(), 9).unwrap();
        assert_eq!(found.places[0].url.as_deref(), Some(url.trim_end_matches(' ')), "{written}");
    }
}
