//! Tracked links as those who follow them meet them: raw requests to a real listener, on both stores.

#[path = "track/keys.rs"]
mod keys;
#[path = "track/scene.rs"]
mod scene;
#[path = "track/unsubscribe.rs"]
mod unsubscribe;

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, LinkId};
use gatepost::base::metrics::Metrics;
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::content::token::{Keyring, LeadsTo, MacKey};
use gatepost::http::settings::Serves;
use gatepost::net::unix_http;
use gatepost::store::dialect::Engine;
use gatepost::store::links::new_link;
use scene::{FORM, House, ONE_CLICK, Sent, asks, context, data, listener, sealed, url};
use std::collections::HashSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

on_both! {
    a_click_leads_to_the_very_url_and_is_written_down
    a_look_at_the_head_leads_there_and_is_not_counted
    an_image_is_one_pixel_and_means_opened
    a_damaged_token_leads_nowhere_and_is_told_nothing
    other_methods_are_not_taken
    a_long_destination_stands_in_the_store
    links_outlive_their_messages
    links_are_followed_without_a_store
    a_suspended_sender_leads_nobody_anywhere
}

const AS_IT_STANDS: [&str; 4] = [
    "https://example.com",
    "https://example.com/docs/",
    "HTTPS://Example.com:8443/A/../b?x=1&y=2&amp;z=%20%zz+#top?x",
    "http://example.com?a|b,c!d$e*f@g'h^{i}`j\"k<l>",
];

async fn a_click_leads_to_the_very_url_and_is_written_down(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let other_letters = [
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://bücher.example/straße?q=grün#öl", "https://xn--bcher-kva.example/stra%C3%9Fe?q=gr%C3%BCn#%C3%B6l"),
    ];
    let urls: Vec<_> = AS_IT_STANDS.iter().map(|url| (*url, *url)).chain(other_letters).collect();
    for (leads_to, location) in &urls {
        let token = house.token(&sent, url(leads_to));
        // What trackers and readers append behind the path changes nothing.
        for path in [token.clone(), format!("{token}?utm_source=x&y")] {
            let head = format!("GET /t/{path} HTTP/1.1\r\nHost: t.example.com\r\nUser-Agent: Mozilla/5.0 (X11)");
            let answer = house.asks(&head, "").await;
            assert_eq!((answer.status, answer.field("Location")), (302, Some(*location)), "{leads_to}");
            assert!(answer.body.len() < 100, "tiny");
            answer.is_private();
        }
    }
    let events = house.events(&sent).await;
    assert_eq!(events.len(), 2 * urls.len());
    let told: Vec<_> = events.iter().map(data).collect();
    for (leads_to, _) in urls {
        assert_eq!(told.iter().filter(|data| data["url"] == leads_to).count(), 2, "{leads_to} in {told:?}");
    }
    for (event, data) in events.iter().zip(told) {
        assert_eq!((event.kind.as_str(), &event.tenant), ("email.clicked", &Some(house.mails.tenant.clone())));
        assert_eq!((&event.delivery, data["link"].as_u64()), (&Some(sent.delivery.clone()), Some(3)));
        let who = [&data["recipient"], &data["ip"], &data["user_agent"]].map(|value| value.as_str().unwrap());
        assert_eq!(who, ["someone@example.net", "127.0.0.0/24", "Mozilla/5.0 (X11)"]);
    }
}

async fn a_look_at_the_head_leads_there_and_is_not_counted(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let there = "https://example.com/#frag";
    for (leads_to, location) in [(url(there), Some(there)), (LeadsTo::Pixel, None), (LeadsTo::Unsubscribe, None)] {
        let token = house.token(&sent, leads_to);
        let answer = house.asks(&format!("HEAD /t/{token} HTTP/1.1\r\nHost: t.example.com"), "").await;
        assert_eq!((answer.status, answer.field("Location")), (location.map_or(200, |_| 302), location));
        assert_eq!(answer.body, b"");
        answer.is_private();
    }
    assert_eq!(house.events(&sent).await, []);
}

async fn an_image_is_one_pixel_and_means_opened(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let answer = house.get(&house.token(&sent, LeadsTo::Pixel)).await;
    assert_eq!((answer.status, answer.field("Content-Type")), (200, Some("image/gif")));
    assert_eq!((answer.body.len(), &answer.body[..10]), (43, &b"GIF89a\x01\0\x01\0"[..]));
    answer.is_private();
    let [event] = house.events(&sent).await.try_into().expect("one");
    assert_eq!((event.kind.as_str(), &event.delivery), ("email.opened", &Some(sent.delivery)));
    let data = data(&event);
    assert!(data.get("url").is_none() && data.get("link").is_none(), "{data}");
}

async fn a_damaged_token_leads_nowhere_and_is_told_nothing(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let token = house.token(&sent, url("https://example.com/"));
    let foreign = Keyring::new(vec![MacKey { number: 1, secret: Secret::new(vec![1; 32]) }]).unwrap();
    let mut wrong = vec![
        String::new(),
        "x".to_owned(),
        "a/b".to_owned(),
        "../t/x".to_owned(),
        token[1..].to_owned(),
        format!("{token}A"),
        format!("{token}/"),
        format!("{token}."),
        token.replacen(&token[..1], &format!("%{:02X}", token.as_bytes()[0]), 1),
        sealed(&foreign, &sent, url("https://example.com/")),
        "A".repeat(20_000),
    ];
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        wrong.push(String::from_utf8(bytes).unwrap());
    }
    let mut pages = HashSet::new();
    for token in wrong {
        for method in ["GET", "POST"] {
            let head = format!("{method} /t/{token} HTTP/1.1\r\nHost: t.example.com\r\n{FORM}");
            let answer = house.asks(&head, ONE_CLICK).await;
            assert_eq!((answer.status, answer.field("Location")), (404, None), "{token}");
            assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
            answer.is_private();
            pages.insert(answer.text());
        }
    }
    assert_eq!(pages.len(), 1, "one page for whatever is wrong: {pages:?}");
    assert!(!pages.iter().any(|page| page.contains("example") || page.contains("MAC") || page.contains("key")));
    assert_eq!(house.events(&sent).await, []);
}

async fn other_methods_are_not_taken(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let (click, stop) = (house.token(&sent, url("https://example.com/")), house.token(&sent, LeadsTo::Unsubscribe));
    let pixel = house.token(&sent, LeadsTo::Pixel);
    for (method, token, allowed) in [
        ("PUT", &click[..], "GET, HEAD, POST"),
        ("DELETE", &stop, "GET, HEAD, POST"),
        ("OPTIONS", &stop, "GET, HEAD, POST"),
        ("PATCH", "damaged", "GET, HEAD, POST"),
        ("POST", &click, "GET, HEAD"),
        ("POST", &pixel, "GET, HEAD"),
    ] {
        let answer = house.asks(&format!("{method} /t/{token} HTTP/1.1\r\nHost: t\r\n{FORM}"), ONE_CLICK).await;
        assert_eq!((answer.status, answer.field("Allow")), (405, Some(allowed)), "{method}");
        answer.is_private();
    }
    assert_eq!((house.events(&sent).await, house.suppressions().await), (vec![], vec![]));
}

async fn a_long_destination_stands_in_the_store(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let row = async |destination: &str| {
        let (id, now): (LinkId, _) = (id::new(Clock::System.now(), &Random::System), Clock::System.now());
        house.store.write(new_link(&id, &house.mails.tenant, destination, now)).await.unwrap();
        house.token(&sent, LeadsTo::Row(id))
    };
    let long = format!("https://example.com/?q={}#end", "x&".repeat(3_900));
    let token = row(&long).await;
    for _ in 0..2 {
        let answer = house.get(&token).await;
        assert_eq!((answer.status, answer.field("Location")), (302, Some(long.as_str())));
    }
    let wrong = ["javascript:alert(1)", "https://a@b.example/", "https://a.example/\r\nSet-Cookie: x=y", "/path", ""];
    for wrong in wrong {
        let answer = house.get(&row(wrong).await).await;
        assert_eq!((answer.status, answer.field("Location")), (404, None), "{wrong:?}");
        answer.is_private();
    }
    let nowhere = house.token(&sent, LeadsTo::Row(id::new(Clock::System.now(), &Random::System)));
    assert_eq!(house.get(&nowhere).await.status, 404);
    let events = house.events(&sent).await;
    assert_eq!((events.len(), data(&events[0])["url"].as_str()), (2, Some(long.as_str())));
}

async fn links_outlive_their_messages(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    for table in ["messages", "bodies", "deliveries", "events", "tenants"] {
        fresh.sql(&format!("DELETE FROM {table}")).await;
    }
    assert_eq!(house.get(&house.token(&sent, url("https://example.com/"))).await.status, 302);
    assert_eq!(house.get(&house.token(&sent, LeadsTo::Pixel)).await.status, 200);
    let stop = house.token(&sent, LeadsTo::Unsubscribe);
    assert_eq!(house.get(&stop).await.status, 200);
    assert_eq!(house.posts(&stop, ONE_CLICK).await.status, 404, "nobody knows whom it was sent to");
    let events = house.events(&sent).await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.tenant.is_none() && data(event)["recipient"].is_null()));
}

async fn links_are_followed_without_a_store(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let sent = house.mail().await;
    let row = house.token(&sent, LeadsTo::Row(id::new(Clock::System.now(), &Random::System)));
    house.sightings.close().await;
    house.store.close().await;
    assert_eq!(house.get(&house.token(&sent, url("https://example.com/"))).await.status, 302);
    assert_eq!(house.get(&house.token(&sent, LeadsTo::Pixel)).await.status, 200);
    let stop = house.token(&sent, LeadsTo::Unsubscribe);
    assert_eq!(house.get(&stop).await.status, 200);
    for answer in [house.posts(&stop, ONE_CLICK).await, house.get(&row).await] {
        assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("10")), "{}", answer.text());
        assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
        answer.is_private();
    }
}

async fn a_suspended_sender_leads_nobody_anywhere(fresh: &Fresh) {
    let house = House::on(fresh).await;
    let (sent, stranger) = (house.mail().await, Sent::unknown());
    let leads_to = "https://evil.example/?<login>&x";
    let token = house.token(&sent, url(leads_to));
    house.looks_again().await;
    assert_eq!(house.get(&token).await.status, 302);
    fresh.sql("UPDATE tenants SET disabled_at = 1").await;
    house.looks_again().await;
    for _ in 0..2 {
        let answer = house.get(&token).await;
        assert_eq!((answer.status, answer.field("Location")), (403, None));
        answer.is_private();
        let page = answer.text();
        assert!(page.contains("https://evil.example/?&lt;login&gt;&amp;x") && !page.contains("href"), "{page}");
    }
    assert_eq!(house.get(&house.token(&sent, LeadsTo::Pixel)).await.status, 200);
    let stop = house.token(&sent, LeadsTo::Unsubscribe);
    assert_eq!(house.posts(&stop, ONE_CLICK).await.status, 200, "to unsubscribe is always possible");
    // Of a message that nobody knows nobody knows the sender either.
    assert_eq!(house.get(&house.token(&stranger, url(leads_to))).await.status, 302);
    fresh.sql("UPDATE tenants SET disabled_at = NULL").await;
    house.looks_again().await;
    assert_eq!(house.get(&token).await.status, 302);
}

#[tokio::test]
async fn only_a_listener_that_serves_tracking_knows_links() {
    let context = context();
    for serves in [&[][..], &[Serves::Api, Serves::Console, Serves::Metrics]] {
        let listener = listener(&context, serves);
        let answer = asks(listener.address(), "GET /t/x HTTP/1.1\r\nHost: t", "").await;
        assert_eq!((answer.status, answer.field("Content-Type")), (404, Some("application/json")));
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let owner = nix::unistd::Uid::effective().as_raw();
    let _control = gatepost::http::control::open(&socket, owner, &context).unwrap();
    let answer = unix_http::ask(&socket, hyper::Method::GET, "/t/x", String::new()).await.unwrap();
    assert_eq!(answer.status, 404);
    assert!(String::from_utf8(answer.body).unwrap().contains("unknown_path"));
}

#[tokio::test]
async fn before_the_store_is_open_people_are_asked_to_come_back() {
    let listener = listener(&context(), &[Serves::Tracking]);
    let answer = asks(listener.address(), "GET /t/x HTTP/1.1\r\nHost: t", "").await;
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("10")));
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    answer.is_private();
}

/// While nothing can be written, links are followed as ever; what waits has a bound, and what was taken is written in
/// the end.
#[tokio::test]
async fn nobody_waits_for_a_sighting_to_be_written() {
    const CLICKS: usize = 4_400;
    let fresh = Fresh::on(Engine::Sqlite);
    let house = House::on(&fresh).await;
    let sent = house.mail().await;
    let token = house.token(&sent, url("https://example.com/"));
    let held = fresh.hold_writes().await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let request = format!("GET /t/{token} HTTP/1.1\r\nHost: t.example.com\r\n\r\n");
    for _ in 0..CLICKS / 100 {
        stream.write_all(request.repeat(100).as_bytes()).await.unwrap();
        let (mut read, mut seen) = (Vec::new(), 0);
        while seen < 100 {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
            seen = read.windows(27).filter(|bytes| *bytes == b"This link leads elsewhere.\n").count();
        }
    }
    held.release().await;
    house.sightings.close().await;
    let written = fresh.count("events WHERE kind = 'email.clicked'").await as usize;
    // What the channel holds, and a batch or two that the clerk had taken.
    assert!((4_096..CLICKS).contains(&written), "{written} of {CLICKS}");
    let page = Metrics::start().render();
    assert!(page.contains("gatepost_tracking_lost_total{why=\"too many wait\"}"), "{page}");
}
