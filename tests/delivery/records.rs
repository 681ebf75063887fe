//! What has to lead back to us, seen from outside: a tracking host behind a proxy that speaks TLS, and a return path
//! in a zone that changes. The daemon looks by itself; `gatepost dns` makes it look at once.

use super::sink::Showing;
use super::world::{House, World};
use crate::running::{Ran, eventually};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Where a reverse proxy leads.
#[derive(Clone, Debug)]
enum Leads {
    /// It has not been set up: clients wait.
    Nowhere,
    To(SocketAddr),
    /// It answers by itself, with this status.
    Answers(u16),
}

/// A reverse proxy for HTTPS.
struct Proxy {
    port: u16,
    leads: watch::Sender<Leads>,
}

impl Proxy {
    async fn with(tls: Arc<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (leads, led) = watch::channel(Leads::Nowhere);
        tokio::spawn(async move {
            let tls = TlsAcceptor::from(tls);
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, mut led) = (tls.clone(), led.clone());
                tokio::spawn(async move {
                    let leads = led.wait_for(|leads| !matches!(leads, Leads::Nowhere)).await.unwrap().clone();
                    let Ok(mut inside) = tls.accept(stream).await else { return };
                    match leads {
                        Leads::Nowhere => {}
                        Leads::To(address) => {
                            let mut behind = TcpStream::connect(address).await.unwrap();
                            let _ = copy_bidirectional(&mut inside, &mut behind).await;
                        }
                        Leads::Answers(status) => {
                            let _ = inside.read(&mut [0; 4_096]).await;
                            let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n");
                            let _ = inside.write_all(answer.as_bytes()).await;
                            let _ = inside.shutdown().await;
                        }
                    }
                });
            }
        });
        Self { port, leads }
    }
}

/// Everything that `example.com` needs but what a story is about.
const ZONE: &str = "mail.example.com. A 127.0.0.1\n\
    example.com. TXT \"v=spf1 a:mail.example.com ~all\"\n\
    _dmarc.example.com. TXT \"v=DMARC1; p=none\"";

fn dns(world: &World, code: i32) -> Value {
    let ran = world.yard.run(&["dns", "example.com", "--json"]);
    assert_eq!(ran.code, Some(code), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn explains(world: &World) -> String {
    let Ran { out, err, .. } = world.yard.run(&["explain", "--from", "app@example.com", "--to", "a@b.example"]);
    assert!(err.is_empty(), "{err}");
    out
}

fn status_of<'a>(answer: &'a Value, purpose: &str) -> &'a str {
    let records = answer["records"].as_array().unwrap();
    records.iter().find(|record| record["purpose"] == purpose).unwrap()["status"].as_str().unwrap()
}

fn events(house: &House<'_>, kind: &str) -> usize {
    house.events(kind).len()
}

/// Waits for so many of them: they are written behind the line of the log.
fn comes(house: &House<'_>, kind: &str, times: usize) {
    let there = || (events(house, kind) == times).then_some(());
    eventually(there).unwrap_or_else(|| panic!("{kind}: {:?}", house.events(kind)));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_tracked_once_our_own_answer_comes_back_and_no_longer() {
    let world = World::new();
    let proxy = Proxy::with(world.authority.server("t.example.com", Showing::Good)).await;
    world.zone(ZONE);
    // The proxy's machine is not ours: only the answer shows that it leads here.
    world.zone("t.example.com. A 127.0.0.7\nt.example.com. A 127.0.0.1");
    world.zone("mail.example.com. AAAA ::1");
    world.domain(&format!("tracking = {{ host = \"https://t.example.com:{}\" }}", proxy.port));
    let house = world.open();
    assert!(explains(&world).contains("it would leave untracked: "), "{}", explains(&world));

    proxy.leads.send_replace(Leads::To(house.daemon.address("http")));
    dns(&world, 0);
    house.daemon.said("its tracking host leads here, and is used from now on");
    comes(&house, "domain.tracking_ready", 1);
    assert_eq!(events(&house, "domain.tracking_lost"), 0);
    let answer = dns(&world, 0);
    assert_eq!((&answer["status"], &answer["tracking"]["ready"]), (&"verified".into(), &true.into()), "{answer}");
    assert!(explains(&world).contains("links and opens are tracked by https://t.example.com"));

    // A proxy that fails for a moment proves nothing.
    proxy.leads.send_replace(Leads::Answers(502));
    assert_eq!(dns(&world, 0)["tracking"]["ready"], true);

    // One that leads elsewhere does.
    proxy.leads.send_replace(Leads::Answers(404));
    let answer = dns(&world, 1);
    let why = answer["tracking"]["reason"].as_str().unwrap();
    assert!(why.contains("somebody else answers there (404)"), "{answer}");
    let line = house.daemon.said("its tracking host leads here no more: its mail leaves untracked");
    assert!(line.contains("gatepost dns example.com"), "{line}");
    comes(&house, "domain.tracking_lost", 1);
    assert!(explains(&world).contains("it would leave untracked: somebody else answers there"));

    proxy.leads.send_replace(Leads::To(house.daemon.address("http")));
    dns(&world, 0);
    comes(&house, "domain.tracking_ready", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_not_ready() {
    let world = World::new();
    let proxy = Proxy::with(world.authority.server("other.example.com", Showing::Good)).await;
    world.zone(ZONE);
    world.zone("t.example.com. CNAME mail.example.com.");
    world.domain(&format!("tracking = {{ host = \"https://t.example.com:{}\" }}", proxy.port));
    let house = world.open();
    proxy.leads.send_replace(Leads::To(house.daemon.address("http")));
    let answer = dns(&world, 1);
    let line = house.daemon.said("its certificate is not valid");
    assert!(line.contains("its tracking host does not lead here yet: its mail leaves untracked"), "{line}");
    assert_eq!((status_of(&answer, "tracking"), &answer["tracking"]["ready"]), ("found", &false.into()));
    assert_eq!(events(&house, "domain.tracking_lost"), 0, "it never was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_path_is_used_while_its_records_lead_here() {
    let world = World::new();
    world.zone(ZONE);
    world.zone("rp.example.com. MX 10 mail.example.com.\nrp.example.com. TXT \"v=spf1 a:mail.example.com ~all\"");
    world.domain("return_path = \"recipient\"");
    let house = world.open();
    comes(&house, "domain.return_path_ready", 1);
    assert_eq!(dns(&world, 0)["return_path"]["ready"], true);
    assert!(explains(&world).contains("bounces come back to rp.example.com"));

    // A server that fails makes nothing wrong.
    world.yard.write("world.zone", &format!("{ZONE}\nrp.example.com. SERVFAIL\n"));
    house.daemon.reloads();
    let answer = dns(&world, 1);
    assert_eq!((status_of(&answer, "return_path_mx"), &answer["return_path"]["ready"]), ("unknown", &true.into()));

    world.yard.write("world.zone", &format!("{ZONE}\nrp.example.com. MX 10 elsewhere.example.\n"));
    house.daemon.reloads();
    let answer = dns(&world, 1);
    assert_eq!((status_of(&answer, "return_path_mx"), status_of(&answer, "return_path_spf")), ("wrong", "missing"));
    assert_eq!(answer["return_path"]["ready"], false);
    house.daemon.said("its return path leads here no more: its mail leaves with the sender's own return path");
    comes(&house, "domain.return_path_lost", 1);
    let why = &house.events("domain.return_path_lost")[0];
    assert!(why.contains("the MX of rp.example.com is wrong") && why.contains("the TXT of rp.example.com is missing"));
}
