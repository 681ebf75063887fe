use super::*;
use crate::base::clock::Time;
use crate::base::settings::Scalar;
use crate::model::directory::{DirectoryRows, Parts};
use crate::model::domain::{Clicks, Via};
use crate::model::host::Host;
use crate::model::relay::{self, Relay};
use crate::model::stream::{Kind, Offer, Stream};
use crate::model::wishes::{OnError, TemplateWish, Unsubscribe, Which};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

/// Sat, 21 Nov 2026 12:00:00 UTC
const NOW: Time = Time::from_micros(1_795_262_400_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn directory() -> Directory {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let stream = |tenant: &str, called: &str| Stream {
        name: name(called),
        tenant: name(tenant),
        kind: Kind::Bulk,
        opens: None,
        clicks: None,
        list_id: None,
        unsubscribe: Offer::Auto,
    };
    let relay = Relay {
        name: name("upstream"),
        host: Host::parse("smtp.provider.example").unwrap(),
        port: 587,
        tls: relay::Tls::Starttls,
        username: None,
        password: None,
        verify: true,
        protocol: relay::Protocol::Smtp,
        auth: relay::Auth::Auto,
        connections: None,
        rate: None,
    };
    let streams = [stream("default", "newsletter"), stream("acme", "secret")];
    let parts = Parts { streams: &streams, relays: &[relay], ..Parts::default() };
    Directory::assemble(&parts, &DirectoryRows::default()).0
}

const ALL: [Compatible; 7] = [
    Compatible::Postmark,
    Compatible::Mailgun,
    Compatible::Ses,
    Compatible::Postal,
    Compatible::Mandrill,
    Compatible::Mailjet,
    Compatible::Sendgrid,
];

fn taken_by(headers: &str, compatible: &[Compatible], ignore: bool) -> Result<(Wishes, String), String> {
    let directory = directory();
    let tenant = Name::default_tenant();
    let right = Right { directory: &directory, tenant: &tenant, compatible, ignore_suppression: ignore, now: NOW };
    let message = format!("From: a@b.example\r\n{headers}Subject: s\r\n\r\nX-Gatepost-Tag: body\r\n");
    match take(message.as_bytes(), right) {
        Ok((wishes, bare)) => Ok((wishes, String::from_utf8(bare.unwrap_or(message.into())).unwrap())),
        Err(refused) => Err(refused.reply().to_string()),
    }
}

/// Each of these lines is a header of ours; what they say, and the message is without them.
#[track_caller]
fn wishes(headers: &str) -> Wishes {
    let headers = headers.lines().map(|line| format!("{line}\r\n")).collect::<String>();
    let (wishes, bare) = taken_by(&headers, &ALL, true).unwrap_or_else(|why| panic!("{headers}: {why}"));
    assert_eq!(bare, "From: a@b.example\r\nSubject: s\r\n\r\nX-Gatepost-Tag: body\r\n", "{headers}");
    assert!(!wishes.removed.is_empty());
    wishes
}

/// The reason of a refusal, behind the header's name.
#[track_caller]
fn refusal(header: &str) -> String {
    let refused = taken_by(&format!("{header}\r\n"), &ALL, false).expect_err(header);
    let name = header.split(':').next().unwrap().trim();
    assert!(refused.len() <= 512 && refused.starts_with(&format!("554 5.6.0 {name}: ")), "{refused}");
    refused[format!("554 5.6.0 {name}: ").len()..].to_owned()
}

fn template(headers: &str) -> TemplateWish {
    wishes(headers).template.expect("a template is wished")
}

fn warned(wishes: &Wishes) -> Vec<String> {
    wishes.warnings.iter().map(|warning| format!("{} {}", warning.header, warning.why)).collect()
}

fn at(text: &str) -> Option<Time> {
    Some(value::time(text).unwrap())
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_message_without_control_headers_is_left_alone() {
    let (wishes, bare) = taken_by("X-Mailer: x\r\nX-Gatepost: y\r\nX: z\r\n", &ALL, true).unwrap();
    assert_eq!(wishes, Wishes::default());
    assert!(bare.contains("X-Mailer: x\r\nX-Gatepost: y\r\nX: z\r\n"));
}

#[test]
fn every_header_says_what_it_says() {
    assert_eq!(wishes("X-Gatepost-Tag: welcome, eu_1\nX-Gatepost-Tag: b.c,welcome").tags, ["welcome", "eu_1", "b.c"]);
    assert_eq!(
        wishes("X-Gatepost-Metadata-Order-Id: 7\nX-Gatepost-Metadata-b: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nX-Gatepost-Metadata-c:").metadata,
        pairs(&[("order-id", "7"), ("b", "Gr\u{fc}\u{df}e"), ("c", "")])
    );
    for (word, opens) in [("yes", true), ("TRUE", true), ("1", true), ("no", false), ("Off", false)] {
        assert_eq!(wishes(&format!("X-Gatepost-Track-Opens: {word}")).opens, Some(opens));
    }
    for (word, clicks) in [("none", Clicks::None), ("html", Clicks::Html), ("ALL", Clicks::All)] {
        assert_eq!(wishes(&format!("X-Gatepost-Track-Clicks: {word}")).clicks, Some(clicks));
    }
    for later in [
        "2026-11-21T13:30:00Z",
        "2026-11-21T14:30:00+01:00",
        "Sat, 21 Nov 2026 13:30:00 +0000",
        "21 Nov 2026 13:30:00 GMT",
    ] {
        assert_eq!(wishes(&format!("X-Gatepost-Send-At: {later}")).send_at, at("2026-11-21T13:30:00Z"), "{later}");
    }
    assert_eq!(wishes("X-Gatepost-Send-At: 2020-01-01T00:00:00Z").send_at, at("2020-01-01T00:00:00Z"));
    assert_eq!(wishes("X-Gatepost-Expire-After: 2h").expire_after, Some(HOUR * 2));
    assert_eq!(wishes("X-Gatepost-Expire-After: 1m").expire_after, Some(Duration::from_secs(60)));
    assert_eq!(wishes("X-Gatepost-Expire-After: 30d").expire_after, Some(HOUR * 720));
    assert_eq!(wishes("X-Gatepost-Stream: newsletter").stream, Some("newsletter".parse().unwrap()));
    assert_eq!(wishes("X-Gatepost-Stream: bulk").stream, Some("bulk".parse().unwrap()));
    assert_eq!(wishes("X-Gatepost-Relay: direct").relay, Some(Via::Direct));
    assert_eq!(wishes("X-Gatepost-Relay: sandbox").relay, Some(Via::Sandbox));
    assert_eq!(wishes("X-Gatepost-Relay: upstream").relay, Some(Via::Relay("upstream".parse().unwrap())));
    assert!(wishes("X-Gatepost-Sandbox: yes").sandbox && !wishes("X-Gatepost-Sandbox: no").sandbox);
    assert_eq!(wishes("X-Gatepost-Idempotency-Key: a b/7").idempotency_key.as_deref(), Some("a b/7"));
    assert_eq!(wishes("X-Gatepost-Unsubscribe: AUTO").unsubscribe, Unsubscribe::Auto);
    assert_eq!(wishes("X-Gatepost-Unsubscribe: none").unsubscribe, Unsubscribe::None);
    assert_eq!(
        wishes("X-Gatepost-Unsubscribe: group:digest").unsubscribe,
        Unsubscribe::Group("digest".parse().unwrap())
    );
    assert!(wishes("X-Gatepost-Ignore-Suppression: yes").ignore_suppression);
}

#[test]
fn a_template_comes_with_all_that_it_needs() {
    assert_eq!(template("X-Gatepost-Template: inline").which, Which::Inline);
    let named = |version| Which::Named { name: "welcome".parse().unwrap(), version };
    assert_eq!(template("X-Gatepost-Template: welcome").which, named(None));
    assert_eq!(template("X-Gatepost-Template: welcome@7").which, named(Some(7)));
    let all = template(
        "X-Gatepost-Var-first-name: =?utf-8?b?SsO8cmdlbg==?=\nX-Gatepost-Variables: {\"first_name\": \"x\",\n \"n\": [1, {\"a\": null}],\n\t\"t\": \"\u{fc}\"}\n\
         X-Gatepost-Template: welcome\nX-Gatepost-Locale: de_AT\nX-Gatepost-Template-On-Error: hold\n\
         X-Gatepost-Recipient-Variables: {\"A@B.example\": {\"n\": 2}, \"c@d.example\": {}}",
    );
    assert_eq!(
        serde_json::Value::Object(all.variables),
        json!({"first_name": "J\u{fc}rgen", "n": [1, {"a": null}], "t": "\u{fc}"})
    );
    assert_eq!((all.locale.as_deref(), all.on_error), (Some("de-AT"), OnError::Hold));
    let by_recipient = all.by_recipient.unwrap();
    assert_eq!(by_recipient[0].0, "a@b.example");
    assert_eq!(serde_json::Value::Object(by_recipient[0].1.clone()), json!({"n": 2}));
    assert_eq!(by_recipient.len(), 2);
    // {"name": "Jürgen"}, folded and without its padding.
    let coded = template("X-Gatepost-Template: t\nX-Gatepost-Variables-B64: eyJuYW1lIjogIkrDvHJn\n ZW4ifQ");
    assert_eq!(serde_json::Value::Object(coded.variables), json!({"name": "J\u{fc}rgen"}));
    let coded = template("X-Gatepost-Template: t\nX-Gatepost-Recipient-Variables-B64: eyJhQGIuZXhhbXBsZSI6IHt9fQ==");
    assert_eq!(coded.by_recipient.unwrap()[0].0, "a@b.example");
    let original = template("X-Gatepost-Template: t\nX-Gatepost-Template-On-Error: original");
    assert_eq!(original.on_error, OnError::Original);
    assert_eq!(template("X-Gatepost-Template: t").on_error, OnError::Reject);
}

#[test]
fn names_in_any_case_and_values_in_any_fold() {
    let said = wishes(
        "x-gatepost-TAG:\n a\nX-GATEPOST-stream :newsletter\nX-Gatepost-Send-At:\n\tSat,\n 21 Nov 2026 13:30:00 +0000",
    );
    assert_eq!((said.tags, said.stream.unwrap().to_string()), (vec!["a".to_owned()], "newsletter".to_owned()));
    assert_eq!(said.send_at, at("2026-11-21T13:30:00Z"));
    assert_eq!(said.removed[0], ("x-gatepost-TAG".to_owned(), "a".to_owned()));
}

#[test]
fn the_first_of_two_counts_and_the_second_is_noted() {
    for (header, one, two) in [
        ("Template", "a", "b"),
        ("Variables", "{}", "{\"a\": 1}"),
        ("Recipient-Variables", "{}", "{\"a@b.example\": {}}"),
        ("Template-On-Error", "hold", "reject"),
        ("Locale", "de", "en"),
        ("Var-a", "1", "2"),
        ("Metadata-a", "1", "2"),
        ("Track-Opens", "no", "yes"),
        ("Track-Clicks", "none", "all"),
        ("Send-At", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("Expire-After", "1h", "2h"),
        ("Stream", "bulk", "transactional"),
        ("Relay", "direct", "upstream"),
        ("Idempotency-Key", "a", "b"),
        ("Unsubscribe", "none", "auto"),
        ("Ignore-Suppression", "no", "yes"),
    ] {
        let lead = if header == "Template" { "" } else { "X-Gatepost-Template: t\n" };
        let once = wishes(&format!("{lead}X-Gatepost-{header}: {one}"));
        let twice = wishes(&format!("{lead}X-Gatepost-{header}: {one}\nX-GATEPOST-{header}: {two}"));
        let warnings = warned(&twice);
        assert_eq!(warnings.len(), 1, "{header}: {warnings:?}");
        assert!(warnings[0].starts_with(&format!("X-GATEPOST-{header} ")), "{warnings:?}");
        assert_eq!(
            Wishes { removed: Vec::new(), warnings: Vec::new(), ..twice },
            Wishes { removed: Vec::new(), ..once }
        );
    }
    // Nobody wishes a sandbox away, in whatever order.
    assert!(wishes("X-Gatepost-Sandbox: no\nX-Gatepost-Sandbox: yes").sandbox);
    assert!(warned(&wishes("X-Gatepost-Tag: a\nX-Gatepost-Tag: a")).is_empty());
}

#[test]
fn what_needs_a_template_and_has_none_is_noted() {
    for header in ["Variables: {}", "Var-a: b", "Locale: de", "Template-On-Error: hold", "Recipient-Variables: {}"] {
        let said = wishes(&format!("X-Gatepost-{header}"));
        let name = header.split(':').next().unwrap();
        assert_eq!(warned(&said), [format!("X-Gatepost-{name} has no effect without a template")]);
        assert_eq!(said.template, None);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    let deep = format!("X-Gatepost-Variables: {}{}", "{\"a\":".repeat(17), "1".to_owned() + &"}".repeat(17));
    let long = format!("X-Gatepost-Variables: {{\"a\": \"{}\"}}", "x".repeat(70_000));
    let coded = format!("X-Gatepost-Variables-B64: {}", "QUFB".repeat(30_000));
    let tag = format!("X-Gatepost-Tag: {}", "x".repeat(65));
    let tags = format!("X-Gatepost-Tag: {}", (0..11).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let value = format!("X-Gatepost-Metadata-a: {}", "x".repeat(513));
    let key = format!("X-Gatepost-Metadata-{}: x", "k".repeat(65));
    let idempotent = format!("X-Gatepost-Idempotency-Key: {}", "x".repeat(256));
    for (header, reason) in [
        ("X-Gatepost-Template: a b", "a name has letters"),
        ("X-Gatepost-Template:", "it is empty"),
        ("X-Gatepost-Template: a@zero", "behind the @"),
        ("X-Gatepost-Template: a@0", "behind the @"),
        ("X-Gatepost-Variables: [1]", "it takes a JSON object"),
        ("X-Gatepost-Variables: {'a': 1}", "it is no JSON: key must be a string at line 1 column 2"),
        ("X-Gatepost-Variables: {\"a\": 1", "it is no JSON"),
        ("X-Gatepost-Variables:", "it is empty"),
        (&deep, "its JSON is nested more than 16 deep"),
        (&long, "it has more than 65536 bytes"),
        ("X-Gatepost-Variables-B64: *", "it is no base64"),
        ("X-Gatepost-Variables-B64: /w==", "it is base64 of something that is no UTF-8"),
        (&coded, "it has more than 65536 bytes"),
        ("X-Gatepost-Recipient-Variables: {\"nobody\": {}}", "\"nobody\" is no mail address"),
        ("X-Gatepost-Recipient-Variables: {\"a@b.example\": 1}", "behind \"a@b.example\" stands no JSON object"),
        (
            "X-Gatepost-Recipient-Variables: {\"a@b.example\": {}, \"A@B.example\": {}}",
            "\"a@b.example\" is there twice",
        ),
        ("X-Gatepost-Var-: x", "the name of a variable"),
        ("X-Gatepost-Var-a.b: x", "the name of a variable"),
        ("X-Gatepost-Template-On-Error: maybe", "it takes one of reject, hold, original"),
        ("X-Gatepost-Locale: x", "it takes a language"),
        ("X-Gatepost-Locale: de; DROP", "it takes a language"),
        ("X-Gatepost-Tag: a b", "a tag has 1 to 64 letters"),
        ("X-Gatepost-Tag:", "it is empty"),
        (&tag, "a tag has 1 to 64 letters"),
        (&tags, "a message has at most 10 tags"),
        ("X-Gatepost-Metadata-: x", "a key of metadata has"),
        (&key, "a key of metadata has"),
        (&value, "it has more than 512 bytes"),
        ("X-Gatepost-Track-Opens: perhaps", "it takes yes or no"),
        ("X-Gatepost-Track-Clicks: yes", "it takes one of none, html, all"),
        ("X-Gatepost-Send-At: tomorrow", "it takes a time like"),
        ("X-Gatepost-Send-At: 2026-12-31T00:00:00Z", "this is more than 30 days ahead"),
        ("X-Gatepost-Expire-After: 59s", "a message is tried for 1 minute to 30 days"),
        ("X-Gatepost-Expire-After: 31d", "a message is tried for 1 minute to 30 days"),
        ("X-Gatepost-Expire-After: long", "it takes a time like"),
        ("X-Gatepost-Stream: newsleter", "there is no stream \"newsleter\"; did you mean newsletter?"),
        ("X-Gatepost-Stream: secret", "there is no stream \"secret\""),
        ("X-Gatepost-Relay: upstraem", "there is no relay \"upstraem\"; did you mean upstream?"),
        ("X-Gatepost-Relay: ../x", "there is no relay \"../x\""),
        ("X-Gatepost-Sandbox: perhaps", "it takes yes or no"),
        ("X-Gatepost-Idempotency-Key:", "it is empty"),
        ("X-Gatepost-Idempotency-Key: \u{fc}", "a key has 1 to 255 printable"),
        (&idempotent, "a key has 1 to 255 printable"),
        ("X-Gatepost-Unsubscribe: maybe", "it takes auto, none or group:<name>"),
        ("X-Gatepost-Unsubscribe: group:a b", "in group:<name>, a name has"),
        ("X-Gatepost-Ignore-Suppression: yes", "this login has not the right"),
        ("X-Gatepost-Tga: x", "there is no such control header; did you mean X-Gatepost-Tag?"),
        ("x-gatepost-send-att: x", "there is no such control header; did you mean X-Gatepost-Send-At?"),
        ("X-Gatepost-Nonsense-Of-Mine: x", "there is no such control header"),
        ("X-Gatepost-: x", "there is no such control header"),
    ] {
        let why = refusal(header);
        assert!(why.starts_with(reason), "{header}: {why}");
    }
    let twenty = (0..21).map(|n| format!("X-Gatepost-Metadata-k{n}: x\r\n")).collect::<String>();
    assert!(taken_by(&twenty, &ALL, false).unwrap_err().contains("at most 20 keys"));
    let latin = take(
        b"X-Gatepost-Tag: \xfc\r\n\r\n",
        Right {
            directory: &directory(),
            tenant: &Name::default_tenant(),
            compatible: &[],
            ignore_suppression: false,
            now: NOW,
        },
    );
    assert_eq!(latin.unwrap_err().why, "it is no UTF-8");
    // A name of any length makes one short line.
    let name = "x".repeat(900);
    let refused = taken_by(&format!("X-Gatepost-{name}: y\r\n"), &[], false).unwrap_err();
    assert!(refused.len() < 430, "{refused}");
}

// --- other providers ------------------------------------------------------------------------------------

#[test]
fn each_providers_headers_mean_what_they_mean_there() {
    assert_eq!(wishes("X-PM-Tag: Welcome mail").tags, ["Welcome-mail"]);
    assert_eq!(wishes("X-PM-Metadata-Color: blue").metadata, pairs(&[("color", "blue")]));
    assert_eq!(wishes("X-PM-TrackOpens: True").opens, Some(true));
    for (word, clicks) in [("None", Clicks::None), ("HtmlOnly", Clicks::Html), ("HtmlAndText", Clicks::All)] {
        assert_eq!(wishes(&format!("X-PM-TrackLinks: {word}")).clicks, Some(clicks));
    }
    let stream = |headers: &str| wishes(headers).stream.map(|name| name.to_string());
    assert_eq!(stream("X-PM-Message-Stream: outbound").as_deref(), Some("transactional"));
    assert_eq!(stream("X-PM-Message-Stream: broadcast").as_deref(), Some("bulk"));
    assert_eq!(stream("X-PM-Message-Stream: newsletter").as_deref(), Some("newsletter"));

    assert_eq!(wishes("X-Mailgun-Tag: a\nX-Mailgun-Tag: b c").tags, ["a", "b-c"]);
    let variables = wishes(
        "X-Mailgun-Variables: {\"id\": 7, \"list\": [1]}\nX-Mailgun-Template-Name: welcome\nX-Mailgun-Template-Version: v2",
    );
    assert_eq!(variables.metadata, pairs(&[("id", "7"), ("list", "[1]")]));
    let wish = variables.template.unwrap();
    assert_eq!(wish.which, Which::Named { name: "welcome".parse().unwrap(), version: Some(2) });
    assert_eq!(wish.variables["id"], 7);
    let wish = template(
        "X-Mailgun-Template-Name: w\nX-Mailgun-Template-Version: initial\nX-Mailgun-Template-Variables: {\"a\": 1}",
    );
    assert_eq!(
        (wish.which, wish.variables["a"].clone()),
        (Which::Named { name: "w".parse().unwrap(), version: None }, json!(1))
    );
    let wish = template("X-Mailgun-Template-Name: w\nX-Mailgun-Recipient-Variables: {\"a@b.example\": {\"n\": 1}}");
    assert_eq!(wish.by_recipient.unwrap().len(), 1);
    let track = |headers: &str| (wishes(headers).opens, wishes(headers).clicks);
    assert_eq!(track("X-Mailgun-Track: no"), (Some(false), Some(Clicks::None)));
    assert_eq!(track("X-Mailgun-Track: yes"), (Some(true), Some(Clicks::All)));
    assert_eq!(track("X-Mailgun-Track-Clicks: htmlonly"), (None, Some(Clicks::Html)));
    assert_eq!(track("X-Mailgun-Track-Opens: no"), (Some(false), None));
    assert_eq!(wishes("X-Mailgun-Deliver-By: Sat, 21 Nov 2026 13:30:00 +0000").send_at, at("2026-11-21T13:30:00Z"));
    assert_eq!(wishes("X-Mailgun-Deliver-Within: 1h30m").expire_after, Some(HOUR * 3 / 2));
    assert!(wishes("X-Mailgun-Drop-Message: yes").sandbox);

    assert_eq!(stream("X-SES-CONFIGURATION-SET: newsletter").as_deref(), Some("newsletter"));
    assert_eq!(wishes("X-SES-MESSAGE-TAGS: a=1, b=2").metadata, pairs(&[("a", "1"), ("b", "2")]));
    for (options, group) in [("contactListName=all; topic=news", "news"), ("all", "all"), ("all;topic=x", "x")] {
        let group = Unsubscribe::Group(group.parse().unwrap());
        assert_eq!(wishes(&format!("X-SES-LIST-MANAGEMENT-OPTIONS: {options}")).unsubscribe, group);
    }
    assert_eq!(wishes("X-Postal-Tag: a").tags, ["a"]);

    assert_eq!(wishes("X-MC-Tags: a, b").tags, ["a", "b"]);
    let wish = template(
        "X-MC-Template: welcome|body\nX-MC-MergeVars: {\"_rcpt\": \"A@b.example\", \"n\": 1}\nX-MC-MergeVars: {\"_rcpt\": \"c@b.example\", \"n\": 2}\nX-MC-MergeVars: {\"all\": 3}",
    );
    assert_eq!((wish.by_recipient.unwrap().len(), wish.variables["all"].clone()), (2, json!(3)));
    assert_eq!(track("X-MC-Track: opens, clicks_htmlonly"), (Some(true), Some(Clicks::Html)));
    assert_eq!(track("X-MC-Track: opens"), (Some(true), Some(Clicks::None)));
    assert_eq!(wishes("X-MC-SendAt: 2026-11-21 13:30:00").send_at, at("2026-11-21T13:30:00Z"));
    assert_eq!(wishes("X-MC-Metadata: {\"user_id\": 7}").metadata, pairs(&[("user_id", "7")]));
    assert!(warned(&wishes("X-MC-GoogleAnalytics: example.com")).is_empty());

    let wish = template(
        "X-MJ-TemplateID: 123\nX-MJ-TemplateLanguage: true\nX-MJ-Vars: {\"a\": 1}\nX-MJ-TemplateErrorDeliver: 1",
    );
    assert_eq!(
        (wish.which, wish.on_error),
        (Which::Named { name: "123".parse().unwrap(), version: None }, OnError::Original)
    );
    assert_eq!(template("X-MJ-TemplateLanguage: 1\nX-MJ-Vars: {}").which, Which::Inline);
    assert_eq!(
        wishes("X-MJ-CustomID: c\nX-MJ-EventPayload: e").metadata,
        pairs(&[("custom_id", "c"), ("event_payload", "e")])
    );
    assert_eq!(wishes("X-Mailjet-Campaign: spring").tags, ["spring"]);
    assert_eq!(track("X-Mailjet-TrackOpen: 1\nX-Mailjet-TrackClick: 2"), (Some(false), Some(Clicks::Html)));
    assert_eq!(track("X-MJ-TrackOpen: 0\nX-MJ-TrackClick: 1"), (None, Some(Clicks::None)));
}

#[test]
fn the_one_header_of_sendgrid() {
    let said = wishes(
        "X-SMTPAPI: {\"category\": [\"a\", \"b c\"], \"unique_args\": {\"id\": 7},\n \"send_at\": 1795267800, \"sub\": {\"-name-\": [\"Jane\"]},\n \
         \"section\": {\"x\": \"y\"}, \"asm_group_id\": 12, \"filters\": {\"clicktrack\": {\"settings\": {\"enable\": 0}},\n \
         \"opentrack\": {\"settings\": {\"enable\": \"1\"}}, \"templates\": {\"settings\": {\"enable\": 1, \"template_id\": \"d-1\"}},\n \
         \"ganalytics\": {\"settings\": {\"enable\": 1}}}}",
    );
    assert_eq!((said.tags.join(" "), said.metadata.clone()), ("a b-c".to_owned(), pairs(&[("id", "7")])));
    assert_eq!((said.send_at, said.opens, said.clicks), (at("2026-11-21T13:30:00Z"), Some(true), Some(Clicks::None)));
    assert_eq!(said.unsubscribe, Unsubscribe::Group("12".parse().unwrap()));
    assert!(said.warnings.is_empty(), "{:?}", said.warnings);
    let wish = said.template.unwrap();
    assert_eq!(
        (wish.which, wish.variables["name"].clone()),
        (Which::Named { name: "d-1".parse().unwrap(), version: None }, json!("Jane"))
    );
    assert_eq!(wishes("X-SMTPAPI: {\"category\": \"one\"}").tags, ["one"]);
    let filter = |name: &str, on: u8| {
        format!("X-SMTPAPI: {{\"filters\": {{\"{name}\": {{\"settings\": {{\"enable\": {on}}}}}}}}}")
    };
    assert_eq!(wishes(&filter("subscriptiontrack", 0)).unsubscribe, Unsubscribe::None);
    assert!(wishes(&filter("bypass_list_management", 1)).ignore_suppression);
    assert_eq!(warned(&wishes(&filter("footer", 1))), ["X-SMTPAPI the filter \"footer\" has no counterpart here"]);
    assert_eq!(warned(&wishes("X-SMTPAPI: {\"new\": 1}")), ["X-SMTPAPI \"new\" has no counterpart here"]);
}

#[test]
fn other_providers_values_are_refused_by_their_names() {
    for (header, reason) in [
        ("X-PM-TrackOpens: often", "it takes yes or no"),
        ("X-PM-TrackLinks: yes", "it takes one of None, HtmlOnly"),
        ("X-PM-Message-Stream: elsewhere", "there is no stream \"elsewhere\""),
        ("X-PM-Metadata-a b: x", ""),
        ("X-Mailgun-Variables: x", "it is no JSON"),
        ("X-Mailgun-Recipient-Variables: {\"x\": {}}", "\"x\" is no mail address"),
        ("X-Mailgun-Template-Name: a b", "a name has letters"),
        ("X-Mailgun-Track: maybe", "it takes one of"),
        ("X-Mailgun-Deliver-By: 2027-11-21T00:00:00Z", "this is more than 30 days ahead"),
        ("X-Mailgun-Deliver-Within: soon", "it takes a time like 1h30m"),
        ("X-SES-CONFIGURATION-SET: none", "there is no stream \"none\""),
        ("X-SES-MESSAGE-TAGS: a", "it takes pairs like key=value"),
        ("X-SES-LIST-MANAGEMENT-OPTIONS: ;", "it takes contactListName"),
        ("X-MC-MergeVars: {\"_rcpt\": 7}", "behind _rcpt stands no mail address"),
        ("X-MC-Track: everything", "it takes opens"),
        ("X-MC-SendAt: soon", "it takes a time like"),
        ("X-MJ-TemplateID: a b", "a name has letters"),
        ("X-MJ-TemplateErrorDeliver: maybe", "it takes one of"),
        ("X-Mailjet-TrackOpen: 3", "it takes one of"),
        ("X-SMTPAPI: {", "it is no JSON"),
        ("X-SMTPAPI: {\"to\": [\"a@b.example\"]}", "\"to\" is not taken"),
        ("X-SMTPAPI: {\"send_each_at\": [1]}", "\"send_each_at\" is not taken"),
        ("X-SMTPAPI: {\"sub\": {\"-a-\": [\"1\", \"2\"]}}", "\"sub\" with several values needs"),
        ("X-SMTPAPI: {\"send_at\": \"soon\"}", "\"send_at\" takes seconds"),
        ("X-SMTPAPI: {\"category\": 7}", "\"category\" takes a text"),
        (
            "X-SMTPAPI: {\"filters\": {\"bypass_list_management\": {\"settings\": {\"enable\": 1}}}}",
            "this login has not the right",
        ),
    ] {
        if reason.is_empty() {
            // No header at all: it ends the header.
            continue;
        }
        let why = refusal(header);
        assert!(why.starts_with(reason), "{header}: {why}");
    }
}

#[test]
fn what_no_credential_listed_stays_where_it_is() {
    let headers = "X-PM-Tag: a b\r\nX-SMTPAPI: {\r\nX-Mailgun-Variables: no\r\nX-MC-Track: everything\r\n";
    let (said, bare) = taken_by(headers, &[], true).unwrap();
    assert!(bare.contains(headers) && said == Wishes::default());
    let (said, bare) = taken_by("X-PM-Tag: a\r\nX-Postal-Tag: b\r\n", &[Compatible::Postal], true).unwrap();
    assert!(bare.contains("X-PM-Tag: a\r\n") && !bare.contains("X-Postal"));
    assert_eq!(said.tags, ["b"]);
    // What only tells what became of it is no order.
    let (_, bare) = taken_by("X-SES-Outgoing: 2026\r\n", &ALL, true).unwrap();
    assert!(bare.contains("X-SES-Outgoing"));
}

#[test]
fn what_a_provider_knows_and_we_do_not_is_taken_out_and_noted() {
    for header in
        ["X-PM-New: 1", "X-Mailgun-Require-TLS: yes", "X-SES-New: x", "X-MC-BccAddress: a@b.example", "X-MJ-New: x"]
    {
        let warnings = warned(&wishes(header));
        assert!(warnings.len() == 1 && warnings[0].contains("has no counterpart here"), "{warnings:?}");
    }
}

#[test]
fn ours_count_before_those_of_others_wherever_they_stand() {
    let said = wishes(
        "X-PM-TrackOpens: true\nX-Gatepost-Track-Opens: no\nX-PM-Message-Stream: broadcast\nX-Gatepost-Stream: newsletter",
    );
    assert_eq!((said.opens, said.stream.clone().unwrap().to_string()), (Some(false), "newsletter".to_owned()));
    assert_eq!(
        warned(&said),
        [
            "X-PM-TrackOpens is not heard, because X-Gatepost-Track-Opens says it already",
            "X-PM-Message-Stream is not heard, because X-Gatepost-Stream says it already"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_header_says_none_of_it_goes_on(
        name in prop::sample::select(&[
            "Template", "Variables", "Variables-B64", "Var-a", "Metadata-a", "Recipient-Variables", "Tag", "Send-At",
            "Expire-After", "Stream", "Relay", "Unsubscribe", "Idempotency-Key", "Locale", "Unknown",
        ][..]),
        value in prop_oneof!["[ -~]{0,60}", "(\\{|\\}|\"|:|,|a|1|\\[|=\\?utf-8\\?q\\?|=0D=0ABcc: x|\\?=|\r\n |\u{fc}){0,30}"],
    ) {
        match taken_by(&format!("X-Gatepost-{name}: {value}\r\n"), &ALL, false) {
            Ok((said, bare)) => {
                prop_assert_eq!(bare, "From: a@b.example\r\nSubject: s\r\n\r\nX-Gatepost-Tag: body\r\n");
                let texts = said.metadata.iter().map(|(_, text)| text).chain(&said.tags).chain(&said.idempotency_key);
                for text in texts {
                    prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
                }
            }
            Err(refused) => {
                prop_assert!(refused.len() <= 512 && refused.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn no_header_of_others_makes_it_panic(
        name in prop::sample::select(&["X-SMTPAPI", "X-MC-MergeVars", "X-MC-Track", "X-Mailgun-Variables", "X-SES-MESSAGE-TAGS", "X-SES-LIST-MANAGEMENT-OPTIONS", "X-MJ-Vars"][..]),
        value in "(\\{|\\}|\"(to|sub|filters|settings|category|_rcpt|a)\"|:|,|1|\\[|\\]|=|;|\"x\"| ){0,20}",
    ) {
        let _ = taken_by(&format!("{name}: {value}\r\n"), &ALL, false);
    }
}
