//! The API of the queue as an operator meets it: over a real control socket, on both stores, with the rows of
//! mail that waits.

use crate::mails::Mails;
use crate::stores::{Fresh, on_both};
use arc_swap::ArcSwap;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id::{self, DeliveryId, MessageId};
use gatepost::base::metrics::Metrics;
use gatepost::base::random::Random;
use gatepost::base::ready::Readiness;
use gatepost::base::secret::Secret;
use gatepost::config::load::load_text;
use gatepost::config::{Config, Environment};
use gatepost::http::control::{self, OpenControl};
use gatepost::http::destinations::{Asked, Order, Standing, Suspension};
use gatepost::http::explain::{About, Explained, Explanation, Outcome, Step};
use gatepost::http::{Context, Queue, status};
use gatepost::model::delivery::State;
use gatepost::model::directory::{Directory, DirectoryHandle, Parts};
use gatepost::model::people::Tenant;
use gatepost::net::unix_http;
use gatepost::policy::readiness::echo::Echo;
use gatepost::queue::ledger::Ledger;
use gatepost::store::{Change, people};
use hyper::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FILE: &str = r#"
[[relay]]
name = "upstream"
host = "smtp.provider.example"

[[domain]]
name = "example.com"
"#;

const NOW: Time = Time::from_micros(1_800_000_000_000_000);

fn config() -> Config {
    let environment = Environment::default().on_machine("mail.example.com");
    load_text("gatepost.toml", FILE.to_owned(), Path::new(""), &environment).config.expect("a good file")
}

/// A house with mail that waits, and the door to it.
struct House {
    ledger: Arc<Ledger>,
    mails: Mails,
    /// What dispatch was told.
    orders: Arc<Mutex<Vec<(String, Order)>>>,
    socket: PathBuf,
    _control: OpenControl,
    _folder: tempfile::TempDir,
}

impl House {
    async fn on(fresh: &Fresh) -> Self {
        let (store, mut mails) = fresh.with_mails().await;
        let store = Arc::new(store);
        mails.clock = Clock::set(NOW);
        let tenant =
            |name: &str, id| Tenant { id, name: name.into(), created_at: NOW, disabled_at: None, deleted_at: None };
        let default = tenant("default", mails.tenant.clone());
        let other = tenant("other", id::new(NOW, &Random::System));
        for tenant in [default, other] {
            store.write(Change::of(people::new_tenant(&tenant))).await.unwrap();
        }
        let config = config();
        let parts = Parts { relays: &config.relay, domains: &config.domain, ..Parts::default() };
        let directory = Directory::assemble(&parts, &store.directory_rows().await.unwrap()).0;
        let ledger = Arc::new(Ledger {
            keyring: crate::stores::keyring(),
            keys: Default::default(),
            store,
            directory: Arc::new(DirectoryHandle::new(directory)),
            settings: Arc::new(ArcSwap::from_pointee(config.delivery)),
            ready: crate::stores::ready(),
            lease: crate::stores::lease(),
            clock: mails.clock.clone(),
            random: Random::System,
        });
        let orders = Arc::new(Mutex::new(Vec::new()));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join(control::FILE_NAME);
        let context = context(&ledger, &orders);
        let control = control::open(&socket, nix::unistd::Uid::effective().as_raw(), &context).unwrap();
        Self { ledger, mails, orders, socket, _control: control, _folder: folder }
    }

    /// One mail that waits.
    async fn waits(&self, recipient: &str, state: State) -> (MessageId, DeliveryId) {
        let mut mail = self.mails.mail(b"Subject: x\r\n\r\ntext\r\n".to_vec());
        let delivery = &mut mail.accept.deliveries[0];
        delivery.recipient = recipient.parse().unwrap();
        delivery.destination = format!("mx:{}", delivery.recipient.domain());
        delivery.state = state;
        delivery.due_at = NOW.plus(Duration::from_secs(300));
        if state == State::Deferred {
            delivery.reason = Some("451 4.7.1 greylisted".into());
        }
        if state != State::Leased {
            delivery.lease = None;
        }
        self.ledger.store.write(mail.accept).await.unwrap();
        (mail.message, mail.delivery)
    }

    async fn asks(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let answer = unix_http::ask(&self.socket, method, path, body.to_owned()).await.unwrap();
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.asks(Method::GET, path, "").await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A second after what was before.
    async fn post(&self, path: &str, body: Value) -> Value {
        self.ledger.clock.advance(Duration::from_secs(1));
        let (status, answer) = self.asks(Method::POST, path, &body.to_string()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    /// Status, code and field of a refusal, whose message is not empty.
    async fn refused(&self, method: Method, path: &str, body: &str) -> (u16, String, String) {
        let (status, answer) = self.asks(method, path, body).await;
        let word = |key: &str| answer["error"][key].as_str().unwrap_or_default().to_owned();
        assert!(!word("message").is_empty() && !word("request_id").is_empty(), "{path}: {answer}");
        (status, word("code"), word("param"))
    }

    async fn state(&self, id: &DeliveryId) -> State {
        self.ledger.store.entry(id).await.unwrap().unwrap().delivery.state
    }
}

fn context(ledger: &Arc<Ledger>, orders: &Arc<Mutex<Vec<(String, Order)>>>) -> Context {
    let context = Context {
        readiness: Readiness::default(),
        metrics: Metrics::start(),
        status: Arc::new(|| unreachable!("nobody asks for the status here")),
        settings: Arc::new(|| status::Settings { generation: 1, settings: Vec::new() }),
        queue: Arc::default(),
        tracking: Arc::default(),
        echo: Echo::under(&Secret::new(vec![7; 32])),
        clock: ledger.clock.clone(),
        random: Random::System,
    };
    let suspended = || Standing {
        suspended: Some(Suspension { until: None, reason: Some("they asked".into()), by: "root".into() }),
        ..Standing::default()
    };
    let heard = orders.clone();
    let queue = Queue {
        templates: Arc::default(),
        ledger: ledger.clone(),
        explain: Arc::new(|question| {
            let explanation = Explanation {
                object: Explained::Explanation,
                from: question.from.to_string(),
                to: question.to.to_string(),
                outcome: Outcome::Sent,
                steps: vec![Step::new(About::Sender, "a sender").by("a rule")],
                destination: Some(format!("mx:{}", question.to.domain())),
                hosts: Vec::new(),
            };
            Box::pin(async { Ok(explanation) })
        }),
        stand: Some(Arc::new(move |names| {
            let stand = |name: &String| if name == "mx:slow.example" { suspended() } else { Standing::default() };
            names.iter().map(stand).collect()
        })),
        steer: Some(Arc::new(move |Asked { destination, order, by }| {
            assert!(!by.is_empty());
            heard.lock().unwrap().push((destination, order));
            Box::pin(async { Ok(Standing { rate: Some("10/minute".into()), ..Standing::default() }) })
        })),
        records: None,
        keys: None,
    };
    assert!(context.queue.set(queue).is_ok());
    context
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn the_queue_is_read_page_by_page(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let mut waiting = Vec::new();
    for n in 0..7 {
        waiting.push(house.waits(&format!("a{n}@example.net"), State::Ready).await.1.to_string());
    }
    waiting.sort();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("/api/v1/queue?limit=3{after}")).await;
        assert_eq!(page["object"], "list");
        assert!(page["data"].as_array().unwrap().len() <= 3);
        found.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break assert_eq!(page["has_more"], false),
        }
        assert_eq!(page["has_more"], true);
    }
    assert_eq!(found, waiting);
    let row = &house.get("/api/v1/queue?limit=1").await["data"][0];
    for (key, value) in [
        ("object", json!("delivery")),
        ("tenant", json!("default")),
        ("status", json!("queued")),
        ("from", json!("bounce@example.com")),
        ("destination", json!("mx:example.net")),
        ("tags", json!(["order"])),
        ("attempts", json!(1)),
        ("reason", json!(null)),
        ("next_at", json!(NOW.plus(Duration::from_secs(300)).to_string())),
    ] {
        assert_eq!(row[key], value, "{key}");
    }
}

async fn filters_narrow_it_and_never_mean_everything_by_mistake(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let (_, gmail) = house.waits("a@gmail.example", State::Deferred).await;
    let (_, held) = house.waits("b@example.net", State::Held).await;
    let found = async |query: &str| ids(&house.get(&format!("/api/v1/queue?{query}")).await);
    for query in
        ["state=deferred", "domain=gmail.example", "destination=gmail.example", "destination=mx%3AGMAIL.example"]
    {
        assert_eq!(found(query).await, [gmail.to_string()], "{query}");
    }
    assert_eq!(found("state=held&from=example.com&tag=order&tenant=default").await, [held.to_string()]);
    for query in
        ["tag=other", "from=example.net", "tenant=other", "relay=upstream", "domain=mail.example", "state=sent"]
    {
        assert!(found(query).await.is_empty(), "{query}");
    }
    assert_eq!(found("state=any").await.len(), 2);
    for (query, status, code, param) in [
        ("stat=held", 400, "unknown_field", "stat"),
        ("state=hold", 400, "invalid_field", "state"),
        ("state=held&state=ready", 400, "duplicate_field", ""),
        ("limit=0", 400, "invalid_field", "limit"),
        ("limit=101", 400, "invalid_field", "limit"),
        ("tenant=nobody", 404, "unknown_tenant", "tenant"),
        ("tenant=a%20b", 400, "invalid_field", "tenant"),
        ("domain=a%00b", 400, "invalid_field", "domain"),
        ("destination=mail:x", 400, "invalid_field", "destination"),
        ("destination=gmail.example&relay=upstream", 400, "invalid_field", "relay"),
        ("from=a@example.com", 400, "invalid_field", "from"),
        ("state=%FF", 400, "invalid_field", "state"),
    ] {
        let (is, said, of) = house.refused(Method::GET, &format!("/api/v1/queue?{query}"), "").await;
        assert_eq!((is, said.as_str()), (status, code), "{query}");
        assert!(param.is_empty() || of == param, "{query}: {of}");
    }
}

async fn a_life_is_shown_by_message_or_by_delivery(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let (message, delivery) = house.waits("anna@gmail.example", State::Deferred).await;
    for id in [message.to_string(), delivery.to_string()] {
        let email = house.get(&format!("/api/v1/emails/{id}")).await;
        assert_eq!((email["object"].as_str(), email["id"].as_str()), (Some("email"), Some(message.as_str())));
        assert_eq!(email["deliveries"][0]["id"], delivery.as_str());
        let story = email["deliveries"][0]["story"].as_str().unwrap();
        assert!(story.contains("greylisted") && story.contains("Next: it is tried again"), "{story}");
        assert!(email["story"].as_str().unwrap().contains("was submitted by app@example.com"));
        assert_eq!(email["timeline"][0]["kind"], "email.queued");
        assert_eq!(email["truncated"], false);
    }
    let nobody: MessageId = id::new(NOW, &Random::System);
    for id in [nobody.as_str(), "em_x", "..%2F..", "x"] {
        let (status, code, _) = house.refused(Method::GET, &format!("/api/v1/emails/{id}"), "").await;
        assert_eq!((status, code.as_str()), (404, "unknown_email"), "{id}");
    }
}

async fn an_action_is_counted_before_it_is_done(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let (_, one) = house.waits("a@gmail.example", State::Deferred).await;
    let (message, two) = house.waits("b@gmail.example", State::Ready).await;
    let (_, other) = house.waits("c@example.net", State::Ready).await;
    let hold = json!({ "action": "hold", "filter": { "destination": "gmail.example" }, "note": "they asked" });
    let preview = house.post("/api/v1/queue/actions", hold.clone()).await;
    assert_eq!(
        preview,
        json!({ "object": "queue_action", "action": "hold", "confirmed": false, "matched": 2, "at_least": false })
    );
    assert_eq!(house.state(&one).await, State::Deferred, "nothing was done");

    let mut confirmed = hold;
    confirmed["confirm"] = true.into();
    let done = house.post("/api/v1/queue/actions", confirmed).await;
    assert_eq!((done["done"].as_u64(), done["next"].as_str()), (Some(2), None));
    assert_eq!([house.state(&one).await, house.state(&two).await], [State::Held, State::Held]);
    assert_eq!(house.state(&other).await, State::Ready);
    let held = house.get("/api/v1/queue?state=held&limit=1").await;
    assert!(held["data"][0]["reason"].as_str().unwrap().ends_with(": they asked"), "{held}");

    let released = json!({ "action": "release", "id": message.as_str(), "confirm": true });
    assert_eq!(house.post("/api/v1/queue/actions", released).await["done"], 1);
    assert_eq!([house.state(&one).await, house.state(&two).await], [State::Held, State::Ready]);

    let retried = json!({ "action": "retry", "id": one.as_str(), "confirm": true });
    let refused = house.post("/api/v1/queue/actions", retried).await;
    assert_eq!((refused["refused"].as_u64(), refused["refusals"][0]["status"].as_str()), (Some(1), Some("held")));

    let rerouted = json!({ "action": "reroute", "to": "upstream", "id": other.as_str(), "confirm": true });
    assert_eq!(house.post("/api/v1/queue/actions", rerouted).await["done"], 1);
    assert_eq!(ids(&house.get("/api/v1/queue?relay=upstream").await), [other.to_string()]);

    let all = json!({ "action": "cancel", "filter": {}, "confirm": true });
    assert_eq!(house.post("/api/v1/queue/actions", all).await["done"], 3);
    assert!(ids(&house.get("/api/v1/queue").await).is_empty());
    let timeline = house.get(&format!("/api/v1/emails/{message}")).await;
    let kinds: Vec<_> = timeline["timeline"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["email.queued", "email.held", "email.released", "email.canceled"]);
}

async fn an_order_that_is_not_clear_changes_nothing(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let (_, delivery) = house.waits("a@gmail.example", State::Ready).await;
    let nobody: DeliveryId = id::new(NOW, &Random::System);
    for (body, status, code, param) in [
        (json!({ "action": "cancel", "confirm": true }), 400, "missing_field", "filter"),
        (json!({ "filter": {}, "confirm": true }), 400, "missing_field", "action"),
        (
            json!({ "action": "cancel", "filter": { "destinatoin": "x" }, "confirm": true }),
            400,
            "unknown_field",
            "filter.destinatoin",
        ),
        (json!({ "action": "cancel", "fliter": {}, "confirm": true }), 400, "missing_field", "filter"),
        (json!({ "action": "cancel", "filter": {}, "confirm": "yes" }), 400, "invalid_field", "confirm"),
        (json!({ "action": "cancle", "filter": {}, "confirm": true }), 400, "invalid_field", "action"),
        (json!({ "action": "cancel", "filter": {}, "id": delivery.as_str() }), 400, "invalid_field", "filter"),
        (json!({ "action": "cancel", "id": nobody.as_str(), "confirm": true }), 404, "unknown_email", ""),
        (json!({ "action": "cancel", "id": "dl_x", "confirm": true }), 404, "unknown_email", ""),
        (json!({ "action": "cancel", "filter": {}, "to": "upstream", "confirm": true }), 400, "invalid_field", "to"),
        (json!({ "action": "reroute", "filter": {}, "confirm": true }), 400, "missing_field", "to"),
        (json!({ "action": "reroute", "filter": {}, "to": "sandbox", "confirm": true }), 400, "invalid_field", "to"),
        (json!({ "action": "reroute", "filter": {}, "to": "upstraem", "confirm": true }), 404, "unknown_relay", "to"),
        (json!(["cancel"]), 400, "malformed_body", ""),
    ] {
        let said = house.refused(Method::POST, "/api/v1/queue/actions", &body.to_string()).await;
        assert_eq!(said, (status, code.to_owned(), param.to_owned()), "{body}");
    }
    let large = format!("{{\"action\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(house.refused(Method::POST, "/api/v1/queue/actions", &large).await.0, 413);
    assert_eq!(house.refused(Method::GET, "/api/v1/queue/actions", "").await.1, "method_not_allowed");
    assert_eq!(house.state(&delivery).await, State::Ready);
}

async fn destinations_are_counted_and_steered(fresh: &Fresh) {
    let house = House::on(fresh).await;
    for recipient in ["a@gmail.example", "b@gmail.example"] {
        house.waits(recipient, State::Deferred).await;
    }
    house.waits("c@slow.example", State::Held).await;
    let page = house.get("/api/v1/queue/destinations").await;
    assert_eq!(ids(&page), ["mx:gmail.example", "mx:slow.example"]);
    let (gmail, slow) = (&page["data"][0], &page["data"][1]);
    assert_eq!((gmail["waiting"]["deferred"].as_u64(), gmail["suspended"].is_null()), (Some(2), true));
    assert_eq!(gmail["last_error"], "451 4.7.1 greylisted");
    assert_eq!((slow["waiting"]["held"].as_u64(), slow["suspended"]["by"].as_str()), (Some(1), Some("root")));
    let first = house.get("/api/v1/queue/destinations?limit=1").await;
    assert_eq!((first["next"].as_str(), first["has_more"].as_bool()), (Some("mx:gmail.example"), Some(true)));

    let at = |destination: &str, what: &str| format!("/api/v1/queue/destinations/{destination}/{what}");
    let suspend = json!({ "for": "2h", "reason": "they asked" });
    let answer = house.post(&at("gmail.example", "suspend"), suspend).await;
    assert_eq!((answer["id"].as_str(), answer["rate"].as_str()), (Some("mx:gmail.example"), Some("10/minute")));
    house.post(&at("mx%3Agmail.example", "suspend"), json!({})).await;
    house.post(&at("relay:upstream", "resume"), json!({})).await;
    house.post(&at("gmail.example", "rate"), json!({ "rate": "10/minute" })).await;
    house.post(&at("gmail.example", "rate"), json!({ "rate": null })).await;
    let (until, reason) = (Some(NOW.plus(Duration::from_secs(7_201))), Some("they asked".to_owned()));
    let heard = std::mem::take(&mut *house.orders.lock().unwrap());
    let gmail = |order| ("mx:gmail.example".to_owned(), order);
    assert_eq!(
        heard,
        [
            gmail(Order::Suspend { until, reason }),
            gmail(Order::Suspend { until: None, reason: None }),
            ("relay:upstream".to_owned(), Order::Resume),
            gmail(Order::Rate(Some("10/minute".parse().unwrap()))),
            gmail(Order::Rate(None)),
        ]
    );
    for (path, body, code) in [
        (at("gmail.example", "rate"), "{}", "missing_field"),
        (at("gmail.example", "rate"), "{\"rate\": \"10\"}", "invalid_field"),
        (at("gmail.example", "suspend"), "{\"for\": \"for ever\"}", "invalid_field"),
        (at("gmail.example", "suspend"), "{\"until\": \"2h\"}", "unknown_field"),
        (at("a%20b", "resume"), "{}", "invalid_field"),
        (at("gmail.example", "stop"), "{}", "unknown_path"),
    ] {
        assert_eq!(house.refused(Method::POST, &path, body).await.1, code, "{path} {body}");
    }
    assert!(house.orders.lock().unwrap().is_empty(), "nothing of it was heard");
}

async fn an_explanation_knows_of_suspensions(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let explained = house.get("/api/v1/explain?from=a%40example.com&to=b%40example.net").await;
    assert_eq!((explained["outcome"].as_str(), explained["steps"][0]["rule"].as_str()), (Some("sent"), Some("a rule")));
    let explained = house.get("/api/v1/explain?from=%3C%3E&to=b%40slow.example").await;
    assert_eq!((explained["outcome"].as_str(), explained["from"].as_str()), (Some("waits"), Some("")));
    assert!(
        explained["steps"][1]["text"].as_str().unwrap().contains("suspended until it is resumed by root: they asked")
    );
    for (query, code, param) in [
        ("from=a@example.com", "missing_field", "to"),
        ("to=a@example.com", "missing_field", "from"),
        ("from=a&to=b@example.net", "invalid_field", "from"),
        ("from=a@example.com&to=b@example.net&x=1", "unknown_field", "x"),
    ] {
        let said = house.refused(Method::GET, &format!("/api/v1/explain?{query}"), "").await;
        assert_eq!(said, (400, code.to_owned(), param.to_owned()), "{query}");
    }
}

on_both! {
    the_queue_is_read_page_by_page
    filters_narrow_it_and_never_mean_everything_by_mistake
    a_life_is_shown_by_message_or_by_delivery
    an_action_is_counted_before_it_is_done
    an_order_that_is_not_clear_changes_nothing
    destinations_are_counted_and_steered
    an_explanation_knows_of_suspensions
    suppressions_are_added_found_and_lifted
    lists_of_suppressions_come_in_and_go_out
}

const SUPPRESSIONS: &str = "/api/v1/suppressions";

async fn suppressions_are_added_found_and_lifted(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let add = async |body: Value| {
        let (status, row) = house.asks(Method::POST, SUPPRESSIONS, &body.to_string()).await;
        assert_eq!(status, 201, "{body}: {row}");
        row
    };
    let bob = add(json!({ "address": "Bob@far.example", "note": "asked us to" })).await;
    assert_eq!(
        (&bob["address"], &bob["reason"], &bob["origin"]),
        (&json!("bob@far.example"), &json!("manual"), &json!("api"))
    );
    assert_eq!((&bob["domain"], &bob["expires_at"], &bob["note"]), (&Value::Null, &Value::Null, &json!("asked us to")));
    // The same again is the same, and the stronger of the two.
    let again =
        add(json!({ "address": "bob@far.example", "reason": "complaint", "expires_at": "2090-01-01T00:00:00Z" })).await;
    assert_eq!((&again["id"], &again["reason"], &again["expires_at"]), (&bob["id"], &json!("complaint"), &Value::Null));
    let news = json!({ "address": "*@closed.example", "domain": "example.com", "stream": "news", "tenant": "other" });
    let closed = add(news).await;
    let check = async |query: &str| house.get(&format!("{SUPPRESSIONS}/check?{query}")).await["suppressed"].clone();
    for (query, found) in [
        ("address=BOB%40far.example", true),
        ("address=bob%40far.example&tenant=other", false),
        ("address=x%40closed.example&domain=example.com&stream=news&tenant=other", true),
        ("address=x%40closed.example&domain=example.com&tenant=other", false),
    ] {
        assert_eq!(check(query).await, json!(found), "{query}");
    }
    let listed = house.get(&format!("{SUPPRESSIONS}?tenant=other")).await;
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["id"]), (1, &closed["id"]));
    let (status, lifted) =
        house.asks(Method::DELETE, &format!("{SUPPRESSIONS}/{}", bob["id"].as_str().unwrap()), "").await;
    assert_eq!((status, &lifted["deleted"]), (200, &json!(true)));
    assert_eq!(check("address=bob%40far.example").await, json!(false));
    assert_eq!(fresh.count("events WHERE kind = 'suppression.created'").await, 3);
    assert_eq!(fresh.count("events WHERE kind = 'suppression.deleted'").await, 1);
    for (method, path, body, expected) in [
        (Method::POST, SUPPRESSIONS, "{}", (400, "missing_field", "address")),
        (Method::POST, SUPPRESSIONS, r#"{"address":"nobody"}"#, (400, "invalid_field", "address")),
        (Method::POST, SUPPRESSIONS, r#"{"address":"a@b.c","reason":"mood"}"#, (400, "invalid_field", "reason")),
        (
            Method::POST,
            SUPPRESSIONS,
            r#"{"address":"a@b.c","expires_at":"2001-01-01T00:00:00Z"}"#,
            (400, "invalid_field", "expires_at"),
        ),
        (Method::POST, SUPPRESSIONS, r#"{"address":"a@b.c","tenant":"nobody"}"#, (404, "unknown_tenant", "tenant")),
        (Method::GET, "/api/v1/suppressions?after=x", "", (400, "invalid_field", "after")),
        (Method::GET, "/api/v1/suppressions/check", "", (400, "missing_field", "address")),
        (Method::DELETE, "/api/v1/suppressions/sup_1", "", (404, "unknown_suppression", "")),
    ] {
        let (status, code, param) = house.refused(method, path, body).await;
        assert_eq!((status, code.as_str(), param.as_str()), expected, "{path} {body}");
    }
}

async fn lists_of_suppressions_come_in_and_go_out(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let import = async |path: &str, kind: &str, text: String| {
        let answer = unix_http::send(&house.socket, Method::POST, path, (kind, text)).await.unwrap();
        (answer.status.as_u16(), serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    let path = format!("{SUPPRESSIONS}/import");
    // More than a request of any other kind may have, in more than one slice.
    let many: String = (0..3_000).map(|n| format!("r{n:04}@far.example,,{}\r\n", "x".repeat(40))).collect();
    let (status, done) = import(&path, "text/csv", format!("address,reason,note\r\n{many}")).await;
    assert_eq!((status, &done["imported"], &done["failed"]), (200, &json!(3_000), &json!(0)), "{done}");
    let broken = "reason,address,expires_at\r\nhard_bounce,\"quoted@far.example\",\r\n\r\nmood,a@far.example,\n,nobody,\n\
        ,late@far.example,2001-01-01T00:00:00Z\n,b@far.example,soon\n";
    let (_, done) = import(&path, "text/csv; charset=utf-8", broken.to_owned()).await;
    assert_eq!((&done["imported"], &done["expired"], &done["failed"]), (&json!(1), &json!(1), &json!(3)), "{done}");
    let lines: Vec<u64> =
        done["errors"].as_array().unwrap().iter().map(|wrong| wrong["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 5, 7], "{done}");
    for (kind, text, code) in [
        ("application/json", "{}", "unsupported_media_type"),
        ("text/csv", "email\r\na@b.example\r\n", "malformed_body"),
        ("text/csv", "", "malformed_body"),
    ] {
        let (_, refused) = import(&path, kind, text.to_owned()).await;
        assert_eq!(refused["error"]["code"], code, "{refused}");
    }
    let export =
        unix_http::ask(&house.socket, Method::GET, &format!("{SUPPRESSIONS}/export"), String::new()).await.unwrap();
    let text = String::from_utf8(export.body).unwrap();
    assert_eq!(text.lines().count(), 1 + 3_001);
    // What goes out comes in again, as it is.
    let (_, done) = import(&format!("{path}?tenant=other"), "text/csv", text).await;
    assert_eq!((&done["imported"], &done["failed"]), (&json!(3_001), &json!(0)), "{done}");
    // The list is read to its end, page by page, whatever is lifted meanwhile.
    let (mut seen, mut after) = (Vec::<String>::new(), String::new());
    loop {
        let page = house.get(&format!("{SUPPRESSIONS}?limit=100&after={after}")).await;
        let rows = page["data"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["address"].as_str().unwrap().to_owned()));
        if seen.len() == 300 {
            let last = rows.last().unwrap()["id"].as_str().unwrap();
            assert_eq!(house.asks(Method::DELETE, &format!("{SUPPRESSIONS}/{last}"), "").await.0, 200);
        }
        match page["next"].as_str() {
            Some(next) => after = next.replace('@', "%40"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3_001);
}
