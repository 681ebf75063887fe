//! What one SMTP listener lets in, and that it may change while it stands.

use super::{Client, House, door};
use gatepost::base::settings::read_json;
use gatepost::smtpd::Door;
use gatepost::smtpd::settings::Tls;
use std::sync::Arc;

fn with(bounds: &str) -> Door {
    Door { smtp: Arc::new(read_json(bounds, &[]).unwrap()), ..door(Tls::None) }
}

#[tokio::test]
async fn more_room_lets_in_who_waits_and_less_sends_nobody_away() {
    let house = House::new();
    let listener = house.open_as(with(r#"{"connections": 1}"#));
    let mut first = Client::greeted_at(listener.address()).await;
    let mut waiting = Client::at(listener.address()).await;
    assert_eq!(listener.connections(), 1);
    listener.change(with(r#"{"connections": 2}"#));
    assert_eq!(waiting.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");

    listener.change(with(r#"{"connections": 1}"#));
    assert_eq!(first.ask("NOOP").await, "250 2.0.0 OK\r\n");
    assert_eq!(waiting.ask("NOOP").await, "250 2.0.0 OK\r\n");
    let mut third = Client::at(listener.address()).await;
    first.ask("QUIT").await;
    assert_eq!(waiting.ask("QUIT").await, "221 2.0.0 mail.example.com says goodbye\r\n");
    drop((first, waiting));
    assert_eq!(third.reply().await, "220 mail.example.com ESMTP Gatepost\r\n");
    assert_eq!(listener.connections(), 1);
}

#[tokio::test]
async fn what_a_client_may_bring_is_offered_as_it_is_set() {
    let bounds = r#"{"message_bytes_max": 100000, "recipients_max": 123, "messages_per_connection": 7}"#;
    let listener = House::new().open_as(with(bounds));
    let mut client = Client::greeted_at(listener.address()).await;
    let offered = client.ask("EHLO client.example").await;
    for line in ["250-SIZE 100000\r\n", "LIMITS MAILMAX=7 RCPTMAX=123\r\n"] {
        assert!(offered.contains(line), "{offered}");
    }
}
