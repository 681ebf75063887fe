//! The HTTP doors over real connections.

use super::{Client, Web, any_port, web, web_context};
use gatepost::base::limits;
use gatepost::http::settings::Serves;
use std::net::SocketAddr;
use std::time::Duration;

const FOREVER: Duration = Duration::from_secs(30);

/// Status line, head and body of one request on its own connection.
async fn get(address: SocketAddr, path: &str) -> (String, String, String) {
    let mut client = Client::at(address).await;
    client
        .say(format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    let answer = client.rest().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, head) = head.split_once("\r\n").unwrap();
    (status.to_owned(), head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn probes_scrapers_and_strangers_get_what_is_theirs() {
    let web = Web::default();
    let listener = web::open(any_port(), &[Serves::Api, Serves::Metrics], &web.context()).unwrap();
    let at = listener.address();
    assert_eq!(get(at, "/healthz").await.0, "HTTP/1.1 200 OK");
    web.readiness.fails("store", "not reachable");
    let (status, _, body) = get(at, "/readyz").await;
    assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 503 Service Unavailable", "store: not reachable\n"));
    web.readiness.holds("store");
    assert_eq!(get(at, "/readyz").await.0, "HTTP/1.1 200 OK");
    let (_, head, body) = get(at, "/metrics").await;
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    let own = format!("gatepost_connections_opened_total{{door=\"http\",address=\"{at}\"}} 4");
    assert!(body.contains(&own), "{body}");
    let (status, head, body) = get(at, "/api/v1/status").await;
    assert_eq!(status, "HTTP/1.1 401 Unauthorized");
    assert!(head.contains("x-request-id: req_") && body.contains("\"request_id\":\"req_"), "{head} {body}");
}

#[tokio::test]
async fn what_a_door_serves_changes_for_new_connections() {
    let listener = web::open(any_port(), &[], &web_context()).unwrap();
    assert_eq!(get(listener.address(), "/metrics").await.0, "HTTP/1.1 404 Not Found");
    listener.change(&[Serves::Metrics]);
    assert_eq!(get(listener.address(), "/metrics").await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_drain_ends_idle_connections_at_once_used_or_not() {
    let listener = web::open(any_port(), &[], &web_context()).unwrap();
    let mut used = Client::at(listener.address()).await;
    used.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    while used.line().await != "ok\n" {}
    let unused = Client::at(listener.address()).await;
    while listener.connections() < 2 {
        tokio::task::yield_now().await;
    }
    let drained = listener.drain(FOREVER).await;
    assert_eq!((drained.finished, drained.cut), (2, 0));
    assert_eq!((used.rest().await, unused.rest().await), (String::new(), String::new()));
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let listener = web::open(any_port(), &[], &web_context()).unwrap();
    let many = "X-A: b\r\n".repeat(limits::HTTP_HEADERS_MAX + 1);
    let long = format!("X-A: {}\r\n", "b".repeat(limits::HTTP_HEAD_BYTES_MAX));
    for headers in [many, long] {
        let mut client = Client::at(listener.address()).await;
        client.say(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).await;
        assert_eq!(client.line().await, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_not_waited_for() {
    let listener = web::open(any_port(), &[], &web_context()).unwrap();
    let mut client = Client::at(listener.address()).await;
    client.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\n").await;
    client.rest().await;
}
