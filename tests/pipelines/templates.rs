//! Messages that name a template, or are one: what is sent, what is kept, and what their sender is told.

use super::{House, NOW, submitted};
use gatepost::base::id;
use gatepost::base::id::MessageId;
use gatepost::base::random::Random;
use gatepost::content::template::{Content, Handle, Kind, Library, Owned, Source, SubjectRule, Text};
use gatepost::model::delivery::State;
use gatepost::model::intake::Intake;
use gatepost::model::message::Form;
use gatepost::model::name::Name;
use gatepost::model::wishes::{OnError, TemplateWish, Which};
use gatepost::policy::limits::Limits;
use gatepost::smtp::reply::Reply;
use gatepost::submit::pipeline::{Submission, Taken};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NEWSLETTER: &str = "<!doctype html>\n<html><body style=\"margin:0\">\n<h1>Hello {{ name }}</h1>\n<p>Your order \
    <b>{{ order.number }}</b>:</p>\n<ul>{% for item in order.items %}<li>{{ item }}</li>{% endfor %}</ul>\n\
    <p><a href=\"{{ link }}\">See it</a> <img src=\"cid:logo\" alt=\"Our logo\"></p>\n{{ body_html }}</body></html>\n";

fn source(name: &str, subject: &str, html: &str) -> Source {
    let content = Content { subject: Some(Text::new(subject)), html: Some(Text::new(html)), ..Content::default() };
    Source {
        name: name.parse().unwrap(),
        kind: Kind::Email,
        version: 1,
        subject_rule: SubjectRule::Submitted,
        variables: Vec::new(),
        contents: vec![(None, content)],
    }
}

fn library() -> Library {
    let order = source("order", "Order {{ order.number }} f\u{fc}r {{ name }}", NEWSLETTER);
    let plain = source("plain", "Hi {{ name }}", "<p>Hi {{ name }}</p>");
    let mut fixed = source("fixed", "Always this", "<p>x</p>");
    fixed.subject_rule = SubjectRule::Template;
    let (mut one, mut two) = (source("news", "One", "<p>1</p>"), source("news", "Two", "<p>2</p>"));
    (one.version, two.version) = (1, 2);
    let owned = Owned {
        tenant: Name::default_tenant(),
        id: id::new(NOW, &Random::seeded(1)),
        name: "news".parse().unwrap(),
        kind: Kind::Email,
        active: Some(2),
        versions: vec![one, two],
    };
    Library::build(vec![order, plain, fixed], vec![owned]).map_err(|wrong| format!("{wrong:?}")).unwrap().0
}

fn variables(json: Value) -> Map<String, Value> {
    let Value::Object(map) = json else { panic!("an object") };
    map
}

fn named(name: &str, given: Value) -> TemplateWish {
    let (name, version) = name.split_once('@').map_or((name, None), |(name, v)| (name, Some(v.parse().unwrap())));
    TemplateWish {
        which: Which::Named { name: name.parse().unwrap(), version },
        locale: None,
        variables: variables(given),
        by_recipient: None,
        on_error: OnError::Reject,
    }
}

fn inline(given: Value) -> TemplateWish {
    TemplateWish { which: Which::Inline, ..named("x", given) }
}

fn order() -> Value {
    json!({
        "name": "Ada & \"Co\"", "link": "https://shop.example/?a=1&b=2",
        "order": { "number": "A-7", "items": ["Tea <green>", "Caf\u{e9}"] },
    })
}

fn wished(wish: TemplateWish, recipients: &[&str], message: &str) -> Intake {
    let mut intake = submitted("app", "bounce@example.com", recipients, message);
    intake.wishes.template = Some(wish);
    intake
}

const HEADER: &str = "From: App <app@example.com>\r\nTo: a@example.net\r\nX-Own: kept\r\n folded\r\n\
    Date: Sat, 21 Nov 2026 11:59:00 +0000\r\nMessage-ID: <1@example.com>\r\n";

fn bare() -> String {
    format!("{HEADER}\r\n")
}

fn with_parts() -> String {
    format!(
        "{HEADER}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\npreamble\r\n--m\r\n\
         Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html; charset=iso-8859-1\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=FC=DFe</p>\r\n--r\r\nContent-Type: image/png\r\n\
         Content-Transfer-Encoding: base64\r\nContent-ID: <logo>\r\n\r\niVBORw0KGgo=\r\n--r--\r\n--m\r\n\
         Content-Type: application/pdf; name=\"bill.pdf\"\r\nContent-Disposition: attachment; filename=\"bill.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\nJVBERi0x\r\nLjQ=\r\n--m--\r\n"
    )
}

struct Desk {
    house: House,
    submission: Submission,
    templates: Arc<Handle>,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new().await;
        let templates = Arc::new(Handle::new(library()));
        let limits = Limits::new(house.ledger.clock.clone());
        let submission = Submission::new(house.ledger.clone(), limits).with_templates(templates.clone());
        Self { house, submission, templates }
    }

    async fn take(&self, intake: Intake) -> Result<Taken, Reply> {
        self.submission.take(intake, 100).await
    }

    async fn sent(&self, intake: Intake) -> String {
        let taken = self.take(intake).await.unwrap();
        self.house.body(&taken.first).await
    }

    async fn refused(&self, intake: Intake) -> String {
        let reply = self.take(intake).await.unwrap_err();
        self.house.assert_empty().await;
        reply.to_string()
    }
}

/// Without the Received field; and chance's boundaries by their order.
fn golden(body: &str) -> String {
    let mut text = body[body.find("From: ").unwrap()..].to_owned();
    let mut n = 0;
    while let Some(at) = text.find("=_").filter(|_| n < 9) {
        let boundary = text[at..at + 32].to_owned();
        n += 1;
        text = text.replace(&boundary, &format!("BOUNDARY-{n}"));
    }
    text
}

fn assert_golden(name: &str, body: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/template").join(name);
    let text = golden(body);
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
}

fn assert_fits_everywhere(body: &str) {
    assert!(body.is_ascii(), "{body}");
    let written = &body[body.find("MIME-Version").unwrap()..];
    assert!(written.split("\r\n").all(|line| line.len() <= 76 && !line.contains(['\r', '\n'])), "{written}");
}

#[tokio::test]
async fn a_template_makes_the_message_and_keeps_what_was_beside_it() {
    let desk = Desk::new().await;
    let simple = desk.sent(wished(named("order", order()), &["a@example.net"], &bare())).await;
    assert_fits_everywhere(&simple);
    assert_golden("order.eml", &simple);
    let whole = desk.sent(wished(named("order", order()), &["a@example.net"], &with_parts())).await;
    assert_fits_everywhere(&whole);
    assert_golden("order-with-parts.eml", &whole);
    assert!(whole.contains("Content-ID: <logo>\r\n\r\niVBORw0KGgo=\r\n"), "{whole}");
    assert!(whole.contains("filename=\"bill.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0x\r\nLjQ=\r\n"));
    assert!(whole.contains("X-Own: kept\r\n folded\r\n") && !whole.contains("preamble"));
}

#[tokio::test]
async fn a_message_in_the_store_says_what_it_was_made_of_and_what_was_given() {
    let desk = Desk::new().await;
    let given = with_parts();
    let taken = desk.take(wished(named("order", order()), &["a@example.net"], &given)).await.unwrap();
    let message = desk.house.message(&taken.first).await;
    assert_eq!(
        (message.template.as_deref(), message.subject.as_str()),
        (Some("order@1"), "Order A-7 f\u{fc}r Ada & \"Co\"")
    );
    let kept = desk.house.store.body(&taken.first, Form::Submitted).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), given);
    assert_eq!(taken.to_string(), format!("queued as {}", taken.first));
}

#[tokio::test]
async fn versions_are_pinned_and_uses_are_counted() {
    let desk = Desk::new().await;
    let label = async |wish| {
        let id: MessageId = desk.take(wished(wish, &["a@example.net"], &bare())).await.unwrap().first;
        let message = desk.house.message(&id).await;
        (message.template.unwrap(), message.subject)
    };
    assert_eq!(label(named("news", json!({}))).await, ("news@2".into(), "Two".into()));
    assert_eq!(label(named("news@1", json!({}))).await, ("news@1".into(), "One".into()));
    assert_eq!(desk.templates.take_uses().values().copied().collect::<Vec<_>>(), [2]);
    assert!(desk.templates.take_uses().is_empty());
}

#[tokio::test]
async fn whose_subject_it_is() {
    let desk = Desk::new().await;
    let subject = async |name: &str, subject: &str| {
        let message = format!("{HEADER}Subject: {subject}\r\n\r\n");
        let taken =
            desk.take(wished(named(name, json!({ "name": "Ada" })), &["a@example.net"], &message)).await.unwrap();
        desk.house.message(&taken.first).await.subject
    };
    assert_eq!(subject("plain", "=?utf-8?q?Eigener_Gru=C3=9F?=").await, "Eigener Gru\u{df}");
    assert_eq!(subject("plain", " ").await, "Hi Ada");
    assert_eq!(subject("fixed", "Mine").await, "Always this");
}

#[tokio::test]
async fn mistakes_are_told_at_once_and_leave_nothing() {
    let desk = Desk::new().await;
    for (wish, said) in [
        (named("oder", order()), "554 5.6.0 template oder: there is no such template; did you mean \"order\"?"),
        (named("news@7", json!({})), "554 5.6.0 template news: it has no version 7 that is ready; it has 1, 2"),
        (
            named("plain", json!({ "nmae": "x" })),
            "554 5.6.0 template plain@1, subject line 1: variable \"name\" is missing; did you mean it by \"nmae\"?",
        ),
        (
            named("plain", json!({ "name": "Ada\r\nBcc: evil@example.net" })),
            "554 5.6.0 template plain@1, subject: variable \"name\" has a line end in it, and stands in a header",
        ),
    ] {
        assert_eq!(desk.refused(wished(wish, &["a@example.net"], &bare())).await, said);
    }
    let signed = format!("{HEADER}Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n");
    let said = desk.refused(wished(named("plain", json!({ "name": 1 })), &["a@example.net"], &signed)).await;
    assert!(
        said.starts_with("554 5.6.0 template plain@1: the submitted message cannot be put into it: it is signed"),
        "{said}"
    );
    // Nothing of its limits was spent either way: the same may come again.
    desk.take(wished(named("plain", json!({ "name": 1 })), &["a@example.net"], &bare())).await.unwrap();
}

#[tokio::test]
async fn a_sender_may_have_it_held_or_sent_as_it_was_written() {
    let desk = Desk::new().await;
    let message = format!("{HEADER}Subject: mine\r\n\r\ntext\r\n");
    let failing = |on_error| TemplateWish { on_error, ..named("plain", json!({})) };
    let held = desk.take(wished(failing(OnError::Hold), &["a@example.net", "b@example.org"], &message)).await.unwrap();
    let deliveries = desk.house.deliveries(&held.first).await;
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        assert_eq!(delivery.state, State::Held);
        // The message has a subject of its own: it is the body that misses the name.
        assert_eq!(delivery.reason.as_deref(), Some("template plain@1, html line 1: variable \"name\" is missing"));
    }
    assert!(desk.house.body(&held.first).await.ends_with("Subject: mine\r\n\r\ntext\r\n"));
    let sent = desk.take(wished(failing(OnError::Original), &["a@example.net"], &message)).await.unwrap();
    assert!(desk.house.body(&sent.first).await.ends_with("Subject: mine\r\n\r\ntext\r\n"));
    assert_eq!(desk.house.message(&sent.first).await.template, None);
    assert_eq!(desk.house.deliveries(&sent.first).await[0].state, State::Ready);
    let mut events = desk.house.events(&sent.first).await;
    events.sort();
    assert_eq!(events, ["email.queued", "email.template_failed"]);
    // A template that is not there is nobody's bad luck.
    let unknown = TemplateWish { on_error: OnError::Original, ..named("nobody", json!({})) };
    assert_eq!(desk.take(wished(unknown, &["a@example.net"], &message)).await.unwrap_err().code(), 554);
}

#[tokio::test]
async fn each_recipient_gets_a_copy_of_its_own() {
    let desk = Desk::new().await;
    let by = [("b@example.org", json!({ "name": "Bob" })), ("c@example.org", json!({}))];
    let by = by.map(|(address, own)| (address.to_owned(), variables(own)));
    let wish = TemplateWish { by_recipient: Some(by.to_vec()), ..named("plain", json!({ "name": "Friend" })) };
    let recipients = ["a@example.net", "B@Example.ORG", "c@example.org"];
    let taken = desk.take(wished(wish, &recipients, &bare())).await.unwrap();
    assert_eq!(taken.to_string(), format!("queued as {} and 2 more", taken.first));
    assert_eq!((desk.house.fresh.count("messages").await, desk.house.fresh.count("deliveries").await), (3, 3));
    let first = desk.house.deliveries(&taken.first).await;
    assert_eq!((first.len(), first[0].recipient.to_string().as_str()), (1, "a@example.net"));
    assert_eq!(desk.house.message(&taken.first).await.subject, "Hi Friend");
    assert_eq!(desk.house.fresh.count("messages WHERE subject = 'Hi Bob'").await, 1);
    assert_eq!(desk.house.fresh.count("messages WHERE subject = 'Hi Friend'").await, 2);
    // What was given is kept once.
    assert_eq!(desk.house.fresh.count("bodies WHERE form = 'submitted'").await, 1);
}

/// Who comes again with his key hears of all that were made, and none is made again.
#[tokio::test]
async fn a_key_stands_for_all_copies() {
    let desk = Desk::new().await;
    let by = [("b@example.org".to_owned(), variables(json!({ "name": "Bob" })))];
    let wish = TemplateWish { by_recipient: Some(by.to_vec()), ..named("plain", json!({ "name": "Friend" })) };
    let intake = || {
        let mut intake = wished(wish.clone(), &["a@example.net", "b@example.org", "c@example.org"], &bare());
        intake.wishes.idempotency_key = Some("news-1".into());
        intake
    };
    let taken = desk.take(intake()).await.unwrap();
    assert_eq!(taken.more, 2);
    assert_eq!(desk.take(intake()).await, Ok(taken));
    assert_eq!(desk.house.fresh.count("messages").await, 3);
}

#[tokio::test]
async fn one_copy_that_cannot_be_made_and_none_is() {
    let desk = Desk::new().await;
    let by = vec![("b@example.org".to_owned(), variables(json!({ "name": "Bob" })))];
    let wish = TemplateWish { by_recipient: Some(by), ..named("plain", json!({})) };
    let said = desk.refused(wished(wish, &["b@example.org", "c@example.org"], &bare())).await;
    assert!(said.contains("variable \"name\" is missing"), "{said}");
}

#[tokio::test]
async fn a_message_can_be_the_template_itself() {
    let desk = Desk::new().await;
    let message = format!(
        "{HEADER}Subject: Hi {{{{ name }}}}\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\
         Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\
         Content-Type: text/plain; charset=iso-8859-1; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Dear {{{{ name }}}}\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>Dear {{{{ name }}}}</p>\r\n--a--\r\n--m\r\n\
         Content-Type: text/x-own\r\n\r\n{{{{ name }}}} stays\r\n--m--\r\n"
    );
    let made = desk.sent(wished(inline(json!({ "name": "B\u{f6}b & <Co>" })), &["a@example.net"], &message)).await;
    assert_golden("inline.eml", &made);
    assert!(made.contains("{{ name }} stays") && made.contains("format=flowed"), "{made}");
    let html = desk.sent(wished(inline(json!({})), &["a@example.net"], &message.replace("{{ name }}", "you"))).await;
    assert!(html.ends_with(&message[message.find("X-Own").unwrap()..].replace("{{ name }}", "you")), "byte for byte");
}
