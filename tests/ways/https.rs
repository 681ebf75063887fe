//! The client for other people's web servers: bounded, never redirected, and nobody's way into our network.

use crate::policies::Policies;
use gatepost::mail::domain_name::DomainName;
use gatepost::net::https::{Answer, Get, Https, NoAnswer, Private, Reach};
use std::net::IpAddr;
use std::time::Duration;

async fn get(https: &Https, host: &str, addresses: &[&str], bytes_max: usize) -> Result<Answer, NoAnswer> {
    let host: DomainName = host.parse().unwrap();
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let within = Duration::from_secs(20);
    https.get(Get { host: &host, addresses: &addresses, port: 443, path: "/x?y", bytes_max, within }).await
}

#[tokio::test]
async fn an_answer_comes_whole_from_whom_it_should() {
    let server = Policies::serving(&["web.example"]).await;
    server.has("hello");
    let answer = get(&server.client(), "web.example", &[], 5).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(answer.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    let heard = server.heard.lock().unwrap().to_ascii_lowercase();
    assert!(heard.starts_with("get /x?y http/1.1\r\n") && heard.contains("\r\nhost: web.example\r\n"), "{heard}");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_nobody_is_none() {
    let server = Policies::serving(&["web.example"]).await;
    let reach = Reach { private: Private::Refused, instead: Some(server.at) };
    let stranger = Https::trusting(std::sync::Arc::new(rustls::RootCertStore::empty()), reach);
    for found in [get(&server.client(), "other.example", &[], 5).await, get(&stranger, "web.example", &[], 5).await] {
        assert!(matches!(found, Err(NoAnswer::Certificate(_))), "{found:?}");
    }
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let server = Policies::serving(&["web.example"]).await;
    server.says(&format!("HTTP/1.1 302 Found\r\nLocation: https://web.example:{}/\r\n", server.at.port()), "");
    assert_eq!(get(&server.client(), "web.example", &[], 5).await.unwrap().status.as_u16(), 302);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn an_answer_without_end_has_one() {
    let server = Policies::serving(&["web.example"]).await;
    server.has("123456");
    assert!(matches!(get(&server.client(), "web.example", &[], 5).await, Err(NoAnswer::TooLarge(5))));
    let chunks = "1000\r\n".to_owned() + &"x".repeat(0x1000) + "\r\n";
    *server.answer.lock().unwrap() =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunks.repeat(100)).into_bytes();
    assert!(matches!(get(&server.client(), "web.example", &[], 65_536).await, Err(NoAnswer::TooLarge(_))));
    *server.answer.lock().unwrap() = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes();
    assert!(matches!(get(&server.client(), "web.example", &[], 5).await, Err(NoAnswer::Http(_))));
    *server.answer.lock().unwrap() = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_vec();
    assert!(matches!(get(&server.client(), "web.example", &[], 5).await, Err(NoAnswer::Http(_))), "it broke off");
}

#[tokio::test]
async fn another_port_is_connected_to_and_named() {
    let server = Policies::serving(&["web.example"]).await;
    server.has("hello");
    let inside = Https::trusting(server.roots.clone(), Reach { private: Private::Allowed, instead: None });
    let (host, port) = ("web.example".parse().unwrap(), server.at.port());
    let (addresses, within) = ([server.at.ip()], Duration::from_secs(20));
    let get = Get { host: &host, addresses: &addresses, port, path: "/", bytes_max: 5, within };
    assert_eq!(inside.get(get).await.unwrap().body, b"hello");
    let heard = server.heard.lock().unwrap().to_ascii_lowercase();
    assert!(heard.contains(&format!("\r\nhost: web.example:{port}\r\n")), "{heard}");
}

#[tokio::test]
async fn silence_has_an_end() {
    let server = Policies::serving(&["web.example"]).await;
    let shut = server.gate.acquire_many(u32::MAX).await.unwrap();
    let rest = server.gate.available_permits();
    server.gate.forget_permits(rest);
    let host = "web.example".parse().unwrap();
    let within = Duration::from_millis(300);
    let found =
        server.client().get(Get { host: &host, addresses: &[], port: 443, path: "/", bytes_max: 5, within }).await;
    assert!(matches!(found, Err(NoAnswer::TooSlow(_))), "{found:?}");
    drop(shut);
}

#[tokio::test]
async fn nobodys_dns_sends_us_to_ourselves_or_next_door() {
    let server = Policies::serving(&["web.example"]).await;
    let outside = Https::trusting(server.roots.clone(), Reach::default());
    for inside in ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"] {
        let found = get(&outside, "web.example", &[inside], 5).await;
        assert!(matches!(found, Err(NoAnswer::Forbidden(_))), "{inside}: {found:?}");
    }
    assert!(matches!(get(&outside, "web.example", &[], 5).await, Err(NoAnswer::NoAddress)));
    // Allowed, it is tried: nobody listens on that port of loopback, or whoever does is no web server of ours.
    let inside = Https::trusting(server.roots.clone(), Reach { private: Private::Allowed, instead: None });
    let found = get(&inside, "web.example", &["127.0.0.1"], 5).await;
    assert!(!matches!(found, Ok(_) | Err(NoAnswer::Forbidden(_) | NoAnswer::NoAddress)), "{found:?}");
}
