//! Headers as proxies send them, headers as attackers would like to, and both in every cut.

use super::*;
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

const V4: &[u8] = &[203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 0, 25];

fn v6() -> Vec<u8> {
    let (from, to): (Ipv6Addr, Ipv6Addr) = ("2001:db8::7".parse().unwrap(), "2001:db8::1".parse().unwrap());
    [&from.octets()[..], &to.octets(), &[0x9c, 0x40, 0, 25]].concat()
}

/// Every whole header that is right, with what it says.
fn right() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let with_fields = [V4, &[0x01, 0, 2, b'h', b'2', 0x04, 0, 0]].concat();
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
    let mut unix = vec![0; 216];
    unix[0] = b'/';
    vec![
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\r\n".to_vec(), Some("203.0.113.7:40000")),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".to_vec(), Some("255.255.255.255:65535")),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 0 0\r\n".to_vec(), Some("203.0.113.7:0")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n".to_vec(), Some("[2001:db8::7]:40000")),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 40000 25\r\n".to_vec(), Some("203.0.113.7:40000")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (longest.into_bytes(), None),
        (binary(0x21, 0x11, V4), Some("203.0.113.7:40000")),
        (binary(0x21, 0x11, &with_fields), Some("203.0.113.7:40000")),
        (binary(0x21, 0x21, &v6()), Some("[2001:db8::7]:40000")),
        (binary(0x21, 0x00, &[]), None),
        (binary(0x21, 0x12, V4), None),
        (binary(0x21, 0x31, &unix), None),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, V4), None),
        (binary(0x20, 0xff, b"whatever"), None),
        (
            binary(0x21, 0x11, &[V4, &vec![0; limits::PROXY_V2_BYTES_MAX - V2_HEAD - 12]].concat()),
            Some("203.0.113.7:40000"),
        ),
    ]
}

#[test]
fn a_right_header_is_read_and_what_follows_is_left() {
    for (bytes, source) in right() {
        let want = Parsed::Header { consumed: bytes.len(), source: source.map(|source| source.parse().unwrap()) };
        assert_eq!(parse(&bytes), want, "{:?}", String::from_utf8_lossy(&bytes));
        for follows in [&b"\r\n"[..], b"EHLO a\r\n", b"\x16\x03\x01", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n"] {
            assert_eq!(parse(&[&bytes, follows].concat()), want);
        }
    }
}

#[test]
fn every_beginning_of_a_right_header_waits_for_the_rest() {
    for (bytes, _) in right() {
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut]), Parsed::NeedMore, "{cut} of {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_line_must_be_exactly_as_it_should() {
    for (line, flaw) in [
        ("EHLO client.example\r\n", Flaw::Missing),
        ("proxy TCP4 203.0.113.7 192.0.2.1 40000 25\r\n", Flaw::Missing),
        (" PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\r\n", Flaw::Missing),
        ("PROXY\tTCP4", Flaw::Missing),
        ("PROXY\r\n", Flaw::Missing),
        ("PROXY \r\n", Flaw::Malformed),
        ("PROXY  TCP4 203.0.113.7 192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7  192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 40000 25 \r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 40000\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 40000 25 1\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.07 192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113 192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 2001:db8::7 192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 ::1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP6 203.0.113.7 192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP6 fe80::1%eth0 ::1 40000 25\r\n", Flaw::Malformed),
        ("PROXY UDP4 203.0.113.7 192.0.2.1 40000 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 65536 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 040 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 +40 25\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 40 -1\r\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\n", Flaw::Malformed),
        ("PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\rE", Flaw::Malformed),
        ("PROXY UNKNOWN\nEHLO", Flaw::Malformed),
        ("PROXY UNKNOWNS\r\n", Flaw::Malformed),
        ("PROXY UNKNOWN \u{e9}\r\r\n", Flaw::Malformed),
    ] {
        assert_eq!(parse(line.as_bytes()), Parsed::Bad(flaw), "{line:?}");
    }
}

#[test]
fn a_line_of_107_bytes_is_the_longest() {
    let line = |bytes: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(bytes - 16));
    assert!(matches!(parse(line(107).as_bytes()), Parsed::Header { consumed: 107, source: None }));
    assert_eq!(parse(line(108).as_bytes()), Parsed::Bad(Flaw::TooLong));
    assert_eq!(parse(&line(200).as_bytes()[..107]), Parsed::Bad(Flaw::TooLong));
}

#[test]
fn a_binary_header_must_be_exactly_as_it_should() {
    for (bytes, flaw) in [
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), Flaw::Missing),
        (binary(0x11, 0x11, V4), Flaw::Malformed),
        (binary(0x22, 0x11, V4), Flaw::Malformed),
        (binary(0x21, 0x10, V4), Flaw::Malformed),
        (binary(0x21, 0x13, V4), Flaw::Malformed),
        (binary(0x21, 0x41, V4), Flaw::Malformed),
        (binary(0x21, 0x11, &V4[..11]), Flaw::Malformed),
        (binary(0x21, 0x21, &v6()[..35]), Flaw::Malformed),
        (binary(0x21, 0x21, V4), Flaw::Malformed),
        (binary(0x21, 0x11, &[0; limits::PROXY_V2_BYTES_MAX - V2_HEAD + 1]), Flaw::TooLong),
        (binary(0x20, 0x00, &[0; 65_535]), Flaw::TooLong),
    ] {
        assert_eq!(parse(&bytes), Parsed::Bad(flaw), "{bytes:?}");
    }
    // What is wrong is known as soon as it is there.
    assert_eq!(parse(&binary(0x20, 0x00, &[0; 65_535])[..V2_HEAD]), Parsed::Bad(Flaw::TooLong));
    assert_eq!(parse(&binary(0x11, 0x11, V4)[..13]), Parsed::Bad(Flaw::Malformed));
}

/// Hostile bytes that often look right for a while.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let right = prop::sample::select(right().into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>());
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let edited = (right, edits, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(mut bytes, edits, more)| {
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(more);
        bytes
    });
    prop_oneof![edited, prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// One verdict, whatever has arrived: what is whole stays whole, what is bad never becomes good.
    #[test]
    fn a_verdict_stands_however_the_bytes_are_cut(bytes in hostile()) {
        let verdict = parse(&bytes);
        let first = (0..=bytes.len()).map(|cut| parse(&bytes[..cut])).find(|parsed| *parsed != Parsed::NeedMore);
        match (verdict, first) {
            (Parsed::NeedMore, first) => {
                prop_assert_eq!(first, None);
                prop_assert!(bytes.len() < limits::PROXY_V2_BYTES_MAX, "it would wait for more than fits");
            }
            (Parsed::Header { consumed, .. }, first) => {
                prop_assert!(consumed <= bytes.len() && consumed <= limits::PROXY_V2_BYTES_MAX);
                prop_assert_eq!(first, Some(verdict));
            }
            (Parsed::Bad(_), first) => prop_assert!(matches!(first, Some(Parsed::Bad(_))), "{first:?}"),
        }
    }
}

// --- on a socket -------------------------------------------------------------------------------------

const FAR: Duration = Duration::from_secs(30);

async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    let ((ours, peer), theirs) = (ours.unwrap(), theirs.unwrap());
    theirs.set_nodelay(true).unwrap();
    (ours, theirs, peer)
}

fn loopback() -> Vec<IpNet> {
    vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap()]
}

#[tokio::test]
async fn exactly_the_header_is_taken_in_whatever_pieces_it_comes() {
    let proxies = loopback();
    let follows = b"\x16\x03\x01 first flight";
    for (bytes, source) in right().into_iter().filter(|(bytes, _)| bytes.len() < 256) {
        let whole = [&bytes, &follows[..]].concat();
        for cut in 0..whole.len() {
            let (mut ours, mut theirs, peer) = pair().await;
            let speak = async {
                theirs.write_all(&whole[..cut]).await.unwrap();
                // Giving way lets the other side look at the first part by itself.
                tokio::task::yield_now().await;
                theirs.write_all(&whole[cut..]).await.unwrap();
                theirs.shutdown().await.unwrap();
            };
            let (client, ()) = tokio::join!(conveyed(&mut ours, peer, &proxies), speak);
            let want = source.map_or(peer, |source| source.parse().unwrap());
            assert_eq!(client.unwrap(), want, "cut at {cut}");
            let mut rest = Vec::new();
            ours.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, follows, "cut at {cut} of {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[tokio::test]
async fn from_others_no_byte_is_taken() {
    let (mut ours, mut theirs, peer) = pair().await;
    let said = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\r\n";
    theirs.write_all(said).await.unwrap();
    for proxies in [vec![], vec!["203.0.113.0/24".parse().unwrap()]] {
        assert_eq!(conveyed(&mut ours, peer, &proxies).await.unwrap(), peer);
    }
    let mut heard = vec![0; said.len()];
    ours.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, said);
}

#[tokio::test]
async fn who_should_send_a_header_and_does_not_is_refused() {
    for (said, why) in [
        (&b"EHLO client.example\r\n"[..], "no PROXY header"),
        (b"PROXY TCP4 here\r\n", "malformed PROXY header"),
        (&[b'P'; 1][..], "gone before its PROXY header"),
        (b"", "gone before its PROXY header"),
    ] {
        let (mut ours, mut theirs, peer) = pair().await;
        theirs.write_all(said).await.unwrap();
        theirs.shutdown().await.unwrap();
        assert_eq!(conveyed(&mut ours, peer, &loopback()).await.unwrap_err().in_words(), why);
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_end_is_waited_for_until_the_deadline() {
    let (mut ours, mut theirs, peer) = pair().await;
    theirs.write_all(b"PROXY TCP4 203.0.113.7 ").await.unwrap();
    let began = Instant::now();
    let refused = conveyed(&mut ours, peer, &loopback()).await.unwrap_err();
    assert!(matches!(refused, Refused::Late), "{refused:?}");
    assert!(began.elapsed() >= limits::PROXY_HEADER_MAX && began.elapsed() < FAR);
}

#[test]
fn a_proxy_on_a_dual_stack_socket_is_the_same_proxy() {
    assert!(is_proxy("::ffff:10.1.2.3".parse().unwrap(), &loopback()));
    assert!(!is_proxy("::1".parse().unwrap(), &loopback()));
}
