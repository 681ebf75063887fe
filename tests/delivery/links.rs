//! Links and opens through the whole house: one body is prepared, each recipient gets a copy of its own, signed,
//! and what stands in it leads where it did before.

use super::signing::{verified, with_both_keys};
use super::sink::{Act, At, Message, Offer};
use super::world::{House, SENDER, World};
use crate::running::{eventually, get};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const TARGET: &str = "https://shop.example/a?b=1&c=%C3%BC#d";

/// A newsletter: text and HTML, in the encoding of this name. No token can hold its boundary: the parser that reads it
/// here ends a part at one in the middle of a line too.
fn newsletter(encoding: &str) -> String {
    let html = format!(
        "<html><body><p style=\"color:red\">Caf\u{e9} = good</p>\r\n<a href=\"{}\">Shop</a>\r\n\
         <a href=\"mailto:a@b.example\">Mail</a> <a href='https://other.example/'>Other</a></body></html>\r\n",
        TARGET.replace('&', "&amp;")
    );
    let body = match encoding {
        "base64" => base64_lines(html.as_bytes()),
        "quoted-printable" => html.replace('=', "=3D").replace('\u{e9}', "=C3=A9"),
        _ => html,
    };
    format!(
        "From: App <app@example.com>\r\nTo: list@far.example\r\nSubject: News\r\nDate: Fri, 21 Nov 2025 08:00:00 +0000\r\n\
         Message-ID: <news@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n\
         --=_b\r\nContent-Type: text/plain\r\n\r\nShop: https://shop.example/plain\r\n--=_b\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--=_b--\r\n"
    )
}

fn base64_lines(bytes: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let text = BASE64_STANDARD.encode(bytes);
    let lines: Vec<_> = text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

/// The HTML of a message, decoded.
fn html(message: &Message) -> String {
    let parsed = mail_parser::MessageParser::new().parse(&message.bytes).unwrap();
    parsed.body_html(0).unwrap().into_owned()
}

/// Everything in HTML that leads to our tracking host.
fn tracked(html: &str, host: &str) -> Vec<String> {
    html.split('"').chain(html.split('\'')).filter(|text| text.starts_with(host)).map(str::to_owned).collect()
}

/// A world whose domain tracks, and where its links lead.
fn tracking(world: &World) -> (SocketAddr, String) {
    let door = tracking_door(world);
    let host = format!("http://{door}");
    world.domain(&format!("tracking = {{ host = \"{host}\" }}"));
    (door, host)
}

fn tracking_door(world: &World) -> SocketAddr {
    let door = crate::ports::loopback();
    world.tables(&format!("[[http]]\nbind = [\"{door}\"]\nserves = [\"tracking\"]"));
    door
}

/// The answer to a request: its head.
fn asked(door: SocketAddr, method: &str, url: &str, body: &str) -> String {
    let path = &url[url.find("/t/").unwrap()..];
    let mut stream = TcpStream::connect(door).unwrap();
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {door}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn location(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{answer}"))
}

fn recipients(house: &House<'_>, to: &[&str], text: &str) {
    let to: Vec<String> = to.iter().map(|to| format!("<{to}>")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    house.submits(&format!("<{SENDER}> BODY=8BITMIME"), &to, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_has_a_copy_of_its_own_and_everything_leads_where_it_did() {
    for encoding in ["8bit", "quoted-printable", "base64"] {
        let world = World::new();
        let records = with_both_keys(&world);
        let (door, host) = tracking(&world);
        let sink = world.mx("far.example", Offer::usual()).await;
        let house = world.open();
        recipients(&house, &["one@far.example", "two@far.example"], &newsletter(encoding));
        let messages = sink.messages(2).await;
        let mut seen = Vec::new();
        for message in &messages {
            assert_eq!(message.recipients().len(), 1, "{encoding}");
            assert_eq!(verified(message, &records), [true, true], "{encoding}: {}", message.text());
            let html = html(message);
            assert!(html.contains("Caf\u{e9} = good") && html.contains("mailto:a@b.example"), "{html}");
            let links = tracked(&html, &host);
            assert_eq!(links.len(), 3, "{html}");
            assert_eq!(location(&asked(door, "GET", &links[0], "")), TARGET);
            assert_eq!(location(&asked(door, "GET", &links[2], "")), "https://other.example/", "{links:?}");
            assert!(asked(door, "GET", &links[1], "").contains("image/gif"), "{links:?}");
            assert!(message.text().contains("Shop: https://shop.example/plain"), "the text part is not touched");
            seen.extend(links);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 6, "no two recipients share a token");
        let clicks = eventually(|| Some(house.events("email.clicked")).filter(|all| all.len() == 4));
        let clicks = clicks.unwrap_or_else(|| panic!("{:?}", house.events("email.clicked"))).join("\n");
        assert!(clicks.contains("one@far.example") && clicks.contains("two@far.example"), "{clicks}");
    }
}

/// What waited in the store, and was read back by another start, is filled and signed like all else.
#[tokio::test(flavor = "multi_thread")]
async fn links_survive_a_restart_and_a_host_without_8bitmime() {
    let world = World::new();
    let records = with_both_keys(&world);
    let (door, host) = tracking(&world);
    let sink = world.mx("far.example", Offer::usual().without("8BITMIME")).await;
    sink.once(At::Mail, Act::say("451 4.7.1 later"));
    world.delivery("retry = [\"1s\"]");
    let mut house = world.open();
    recipients(&house, &["one@far.example"], &newsletter("8bit"));
    house.tried("one@far.example", 1);
    house.daemon.crash();
    let house = world.again();
    let message = sink.message().await;
    assert!(message.bytes.is_ascii());
    assert_eq!(verified(&message, &records), [true, true], "{}", message.text());
    let links = tracked(&html(&message), &host);
    assert_eq!(location(&asked(door, "GET", &links[0], "")), TARGET);
    house.comes_to("one@far.example", "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_it_says_so_in_the_message() {
    let world = World::new();
    let (_, host) = tracking(&world);
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    let plain = newsletter("8bit");
    let wish = "X-Gatepost-Track-Clicks: none\r\nX-Gatepost-Track-Opens: no\r\n";
    recipients(&house, &["one@far.example"], &format!("{wish}{plain}"));
    let message = sink.message().await;
    assert!(!message.text().contains(&host) && !message.text().contains("X-Gatepost"), "{}", message.text());
    assert!(message.text().ends_with(&plain), "not one byte differs");
}

/// RFC 8058: one click, no cookie, no login; from then on nothing of that stream comes any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_mailing_can_be_ended_with_one_click() {
    let world = World::new();
    let records = with_both_keys(&world);
    // RFC 8058 3.1 wants https: a proxy would stand before us.
    let (door, host) = (tracking_door(&world), "https://t.example.com");
    world.domain(&format!("tracking = {{ host = \"{host}\", check = false }}"));
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    let text = format!("X-Gatepost-Stream: bulk\r\n{}", newsletter("quoted-printable"));
    recipients(&house, &["one@far.example", "two@far.example"], &text);
    let messages = sink.messages(2).await;
    let of_one = messages.iter().find(|message| message.recipients() == ["one@far.example"]).unwrap();
    assert_eq!(verified(of_one, &records), [true, true]);
    let text_of_one = of_one.text();
    let field = text_of_one.split("List-Unsubscribe: <").nth(1).unwrap_or_else(|| panic!("{text_of_one}"));
    let url = field.split('>').next().unwrap();
    assert!(url.starts_with(host) && text_of_one.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    // Looking changes nothing.
    assert!(asked(door, "GET", url, "").starts_with("HTTP/1.1 200 "));
    let answer = asked(door, "POST", url, "List-Unsubscribe=One-Click");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Every node knows it by heart within two seconds.
    let metrics = house.daemon.address("http");
    let known = || get(metrics, "/metrics").1.contains("gatepost_suppressions 1\n").then_some(());
    eventually(known).unwrap_or_else(|| panic!("{}", house.daemon.all()));
    recipients(&house, &["one@far.example", "two@far.example"], &text);
    house.event_comes("email.suppressed", "one@far.example");
    assert_eq!(sink.message().await.recipients(), ["two@far.example"]);
    // Another stream is another matter.
    recipients(&house, &["one@far.example"], &newsletter("8bit"));
    assert_eq!(sink.message().await.recipients(), ["one@far.example"]);
}
