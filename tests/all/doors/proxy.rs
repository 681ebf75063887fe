//! Behind a balancer: its header comes before everything, and nobody else's is one.

use super::{Client, House, Tls, door};
use gatepost::smtpd::{self, OpenListener};
use tokio::io::AsyncWriteExt;

const LINE: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x9c\x40\x00\x19";

/// A door whose balancers are on this machine.
fn behind_proxies(house: &House, tls: Tls) -> OpenListener {
    let listener = house.open(tls);
    listener.change(smtpd::Door { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..door(tls) });
    listener
}

#[tokio::test]
async fn the_greeting_comes_behind_the_header() {
    let house = House::new();
    let listener = behind_proxies(&house, Tls::None);
    for header in [LINE, BINARY] {
        let mut client = Client::at(listener.address()).await;
        // With the first command in the same packet, which must not get lost.
        client.say(&[header, b"NOOP\r\n"].concat()).await;
        assert_eq!(client.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");
        assert_eq!(client.reply().await, "250 2.0.0 OK\r\n");
    }
}

#[tokio::test]
async fn tls_from_the_first_byte_begins_behind_the_header() {
    let house = House::new();
    let listener = behind_proxies(&house, Tls::Implicit);
    for header in [LINE, BINARY] {
        let mut client = Client::at(listener.address()).await;
        client.stream.write_all(header).await.unwrap();
        let mut client = super::tls::secured_by(client.stream, &house).await;
        assert_eq!(client.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");
    }
}

#[tokio::test]
async fn without_a_right_header_the_door_closes_without_a_word() {
    let house = House::new();
    let listener = behind_proxies(&house, Tls::None);
    for said in [&b"EHLO client.example\r\n"[..], b"PROXY TCP4 here there\r\n", b"\x16\x03\x01"] {
        let mut client = Client::at(listener.address()).await;
        client.say(said).await;
        let mut heard = Vec::new();
        // What was not read makes the kernel reset the connection.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut heard).await;
        assert_eq!(heard, b"", "{said:?}");
    }
}

#[tokio::test]
async fn from_others_the_line_is_an_unknown_command() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(LINE).await;
    assert_eq!(client.reply().await, "500 5.5.2 command not recognised\r\n");
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK\r\n");
}
