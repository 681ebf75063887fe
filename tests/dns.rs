//! The resolver against servers on loopback: a real one with a zone, and one that answers what a test
//! tells it to, or nothing.

use gatepost::base::limits;
use gatepost::dns::settings::{Server as Address, Settings};
use gatepost::dns::{Failure, Mx, Proof, Resolver, Source};
use gatepost::mail::domain_name::DomainName;
use hickory_server::Server;
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, MX, SOA, TXT};
use hickory_server::proto::rr::{LowerName, Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn full(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A resolver that asks these servers.
fn asking(servers: &[SocketAddr]) -> Resolver {
    let settings = Settings { servers: servers.iter().map(|at| Address(*at)).collect(), zone_file: None };
    Resolver::new(Source::open(&settings).unwrap())
}

// --- a real server ------------------------------------------------------------------------------------

fn records() -> Vec<(&'static str, RData)> {
    let mx = |preference, host: &str| RData::MX(MX::new(preference, full(host)));
    let soa = SOA::new(full("ns.test."), full("admin.test."), 1, 60, 60, 60, 60);
    let mut records = vec![
        ("test.", RData::SOA(soa)),
        ("mail.test.", mx(20, "b.test.")),
        ("mail.test.", mx(10, "A.test.")),
        ("mail.test.", mx(5, "192.0.2.7.")),
        ("null.test.", mx(0, ".")),
        ("a.test.", RData::A(A::new(192, 0, 2, 1))),
        ("a.test.", RData::A(A::new(192, 0, 2, 2))),
        ("a.test.", RData::AAAA("2001:db8::1".parse::<AAAA>().unwrap())),
        ("alias.test.", RData::CNAME(CNAME(full("a.test.")))),
        ("text.test.", RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all".into()]))),
    ];
    records.extend((0..300).map(|n| ("many.test.", mx(999 - n, &format!("mx{n}.a-long-name-to-fill-a-packet.test.")))));
    records
}

/// The server, which lives as long as this, and where it is.
async fn served() -> (Server<Catalog>, SocketAddr) {
    let empty = InMemoryZoneHandler::empty;
    let mut zone: InMemoryZoneHandler = empty(full("test."), ZoneType::Primary, AxfrPolicy::Deny, None);
    for (owner, data) in records() {
        assert!(zone.upsert_mut(Record::from_rdata(full(owner), 60, data), 1), "{owner}");
    }
    let mut catalog = Catalog::new();
    catalog.upsert(LowerName::new(&full("test.")), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
    let mut server = Server::new(catalog);
    // Both transports on one port, which the other may hold for somebody else.
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let at = udp.local_addr().unwrap();
    server.register_socket(udp);
    server.register_listener(tcp, Duration::from_secs(5), 64);
    (server, at)
}

#[tokio::test]
async fn mail_hosts_and_addresses_come_from_a_real_server() {
    let (_server, at) = served().await;
    let resolver = asking(&[at]);
    let hosts = Mx::Hosts(vec![(10, name("a.test")), (20, name("b.test"))]);
    let mail = resolver.mx(&name("mail.test")).await.unwrap();
    assert_eq!((mail.value, mail.proof), (hosts, Proof::Unproven), "one host that is none does not spoil the others");
    assert_eq!(resolver.mx(&name("null.test")).await.unwrap().value, Mx::Null);
    assert_eq!(resolver.mx(&name("a.test")).await.unwrap().value, Mx::Implicit);
    assert_eq!(resolver.mx(&name("nowhere.test")).await, Err(Failure::NoSuchName));
    let mut addresses = resolver.addresses(&name("alias.test")).await.unwrap().value;
    addresses.sort();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
    assert_eq!(resolver.addresses(&name("text.test")).await.unwrap().value, [] as [IpAddr; 0]);
    assert_eq!(resolver.addresses(&name("nowhere.test")).await, Err(Failure::NoSuchName));
    assert_eq!(resolver.txt(&name("text.test")).await.unwrap().value, [b"v=spf1 -all"]);
    // Not its zone: refused, which says nothing about the name.
    assert!(matches!(resolver.mx(&name("example.org")).await, Err(Failure::Temporary { .. })));
}

#[tokio::test]
async fn an_answer_too_large_for_a_packet_comes_whole_and_is_bounded() {
    let (_server, at) = served().await;
    let Mx::Hosts(hosts) = asking(&[at]).mx(&name("many.test")).await.unwrap().value else { panic!() };
    assert_eq!(hosts.len(), limits::DNS_RECORDS_MAX);
    assert_eq!(hosts[0], (700, name("mx299.a-long-name-to-fill-a-packet.test")));
}

// --- a server that does as it is told -----------------------------------------------------------------

/// What it sends back, in bytes behind the id of the question.
#[derive(Clone, Copy, Debug)]
enum Says {
    Nothing,
    /// A response code, the question, and no record.
    Code(u8),
    /// NOERROR with the name servers of somebody else: ask there.
    Referral,
    /// One record of the type that was asked for, with these bytes.
    Record(&'static [u8]),
    Garbage,
}

/// The names and types it was asked for, in order.
type Heard = Arc<Mutex<Vec<(String, u16)>>>;

async fn told(says: Says) -> (SocketAddr, Heard) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (at, heard) = (socket.local_addr().unwrap(), Heard::default());
    let hears = heard.clone();
    tokio::spawn(async move {
        let mut packet = [0; 1500];
        loop {
            let Ok((bytes, from)) = socket.recv_from(&mut packet).await else { continue };
            let question = question(&packet[..bytes]);
            hears.lock().unwrap().push((
                asked_name(question),
                u16::from_be_bytes([question[question.len() - 4], question[question.len() - 3]]),
            ));
            if let Some(answer) = answer(&packet[..2], question, says) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    (at, heard)
}

/// RFC 1035 4.1.2: labels, then type and class.
fn question(packet: &[u8]) -> &[u8] {
    let mut end = 12;
    while packet[end] != 0 {
        end += 1 + usize::from(packet[end]);
    }
    &packet[12..end + 5]
}

fn asked_name(question: &[u8]) -> String {
    let (mut name, mut at) = (String::new(), 0);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        name.push_str(std::str::from_utf8(&question[at + 1..end]).unwrap());
        name.push('.');
        at = end;
    }
    name
}

fn answer(id: &[u8], question: &[u8], says: Says) -> Option<Vec<u8>> {
    let head = |code: u8, answers: u8, authorities: u8| {
        let counts = [0, 1, 0, answers, 0, authorities, 0, 0];
        [id, &[0x81, 0x80 | code], &counts, question].concat()
    };
    // A pointer to the name in the question.
    let record = |kind: &[u8], data: &[u8]| {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&[0xc0, 12], kind, &[0, 1, 0, 0, 0, 60], &length, data].concat()
    };
    let kind = &question[question.len() - 4..question.len() - 2];
    match says {
        Says::Nothing => None,
        Says::Code(code) => Some(head(code, 0, 0)),
        Says::Referral => Some([head(0, 0, 1), record(&[0, 2], b"\x02ns\x04test\x00")].concat()),
        Says::Record(data) => Some([head(0, 1, 0), record(kind, data)].concat()),
        Says::Garbage => Some([id, b"\x81\x80\xff\xff\xff\xff rubbish"].concat()),
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_about_a_name_and_what_says_nothing_about_it() {
    for (says, want) in [
        (Says::Code(0), Some(Ok(Mx::Implicit))),
        (Says::Code(3), Some(Err(Failure::NoSuchName))),
        (Says::Record(b"\x00\x0a\x02mx\x04test\x00"), Some(Ok(Mx::Hosts(vec![(10, name("mx.test"))])))),
        (Says::Record(b"\x00\x00\x00"), Some(Ok(Mx::Null))),
        (Says::Record(b"\x00\x0a\x04a\xff\x00b\x04test\x00"), Some(Ok(Mx::Hosts(vec![])))),
        // Too short to be an MX record.
        (Says::Record(b"\x00"), None),
        (Says::Record(b""), None),
        (Says::Code(1), None),
        (Says::Code(2), None),
        (Says::Code(5), None),
        (Says::Referral, None),
        (Says::Garbage, None),
        (Says::Nothing, None),
    ] {
        let (at, _) = told(says).await;
        let began = Instant::now();
        let found = asking(&[at]).mx(&name("mail.test")).await.map(|answer| answer.value);
        match want {
            Some(want) => assert_eq!(found, want, "{says:?}"),
            None => assert!(matches!(found, Err(Failure::Temporary { .. })), "{says:?}: {found:?}"),
        }
        assert!(
            began.elapsed() <= limits::DNS_LOOKUP_MAX + Duration::from_millis(10),
            "{says:?}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn a_name_is_asked_for_as_it_is_and_only_once() {
    let (at, heard) = told(Says::Code(3)).await;
    let resolver = asking(&[at]);
    for asked in ["mail", "mail.test", "_dmarc.mail.test"] {
        assert_eq!(resolver.mx(&name(asked)).await, Err(Failure::NoSuchName));
    }
    let names: Vec<_> = heard.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["mail.", "mail.test.", "_dmarc.mail.test."], "no search list, no repetition");

    let (at, heard) = told(Says::Record(b"\x00\x0a\x02mx\x04test\x00")).await;
    let resolver = asking(&[at]);
    for _ in 0..3 {
        resolver.mx(&name("mail.test")).await.unwrap();
    }
    assert_eq!(heard.lock().unwrap().len(), 1, "the rest came from the cache");
}

#[tokio::test(start_paused = true)]
async fn the_next_server_is_asked_when_one_is_silent_or_fails() {
    let good = Says::Record(b"\x00\x0a\x02mx\x04test\x00");
    let (silent, broken, closed) = (Says::Nothing, Says::Code(2), Says::Code(5));
    for servers in [
        vec![silent, good],
        vec![broken, good],
        vec![closed, good],
        vec![good, broken],
        vec![broken, silent, good],
        vec![closed, broken, good, silent],
    ] {
        let mut at = Vec::new();
        for says in &servers {
            at.push(told(*says).await.0);
        }
        let found = asking(&at).mx(&name("mail.test")).await;
        assert_eq!(found.unwrap().value, Mx::Hosts(vec![(10, name("mx.test"))]), "{servers:?}");
    }
    // Nobody answers, and nobody is asked for ever.
    let mut at = Vec::new();
    for says in [broken, silent, silent, closed, silent, silent, silent, silent] {
        at.push(told(says).await.0);
    }
    let began = Instant::now();
    assert!(matches!(asking(&at).mx(&name("mail.test")).await, Err(Failure::Temporary { .. })));
    assert!(began.elapsed() <= limits::DNS_LOOKUP_MAX + Duration::from_millis(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_zone_file_answers_instead_of_all_servers() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("zone.txt");
    std::fs::write(&file, "$ORIGIN test.\n@ MX 10 mx\nmx 60 IN A 127.0.0.1\n").unwrap();
    let settings = Settings { servers: vec![Address("127.0.0.1:9".parse().unwrap())], zone_file: Some(file.clone()) };
    let resolver = Resolver::new(Source::open(&settings).unwrap());
    assert_eq!(resolver.mx(&name("test")).await.unwrap().value, Mx::Hosts(vec![(10, name("mx.test"))]));
    std::fs::write(&file, "$ORIGIN test.\n@ MX mx\n").unwrap();
    let Err(bad) = Source::open(&settings) else { panic!("a bad line was taken") };
    assert!(bad.to_string().ends_with("zone.txt:2: MX takes a preference and a host"), "{bad}");
}
