//! What an SMTP client meets before any mail flows.

use super::{Client, House, Tls, any_port, door};
use gatepost::base::limits;
use gatepost::smtpd;
use gatepost::smtpd::settings::{Kind, PlainAuth};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

const FOREVER: Duration = Duration::from_secs(30);

#[tokio::test]
async fn wherever_the_packets_are_cut_the_replies_are_the_same() {
    let listener = House::new().open(Tls::Starttls);
    let long = format!("NOOP {}\r\n", "x".repeat(limits::COMMAND_BYTES_MAX));
    let said = format!("HELO client.example\r\nnoop\r\nMAIL FROM:<a@b.example>\r\n{long}WHAT\r\n\r\nQUIT\r\nNOOP\r\n");
    let mut replies: Option<String> = None;
    for cut in (0..said.len()).filter(|cut| *cut < 70 || cut % 50 == 0 || said.len() - cut < 40) {
        let mut client = Client::at(listener.address()).await;
        let (before, after) = said.as_bytes().split_at(cut);
        client.say(before).await;
        // Giving way lets the other side read the first part by itself.
        tokio::task::yield_now().await;
        client.say(after).await;
        let heard = client.rest().await;
        assert_eq!(replies.get_or_insert_with(|| heard.clone()), &heard, "cut at {cut}");
    }
    assert_eq!(
        replies.unwrap(),
        "220 mail.example.com ESMTP Gatepost\r\n\
         250 mail.example.com\r\n\
         250 2.0.0 OK\r\n\
         530 5.7.0 STARTTLS comes first, then AUTH\r\n\
         500 5.5.2 line too long\r\n\
         500 5.5.2 command not recognised\r\n\
         500 5.5.2 command not recognised\r\n\
         221 2.0.0 mail.example.com says goodbye\r\n"
    );
}

#[tokio::test]
async fn a_line_of_exactly_the_bound_is_taken_and_one_byte_more_is_not() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    let fits = limits::COMMAND_BYTES_MAX - "NOOP \r\n".len();
    assert_eq!(client.ask(&format!("NOOP {}", "x".repeat(fits))).await, "250 2.0.0 OK\r\n");
    assert_eq!(client.ask(&format!("NOOP {}", "x".repeat(fits + 1))).await, "500 5.5.2 line too long\r\n");
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK\r\n");
}

#[tokio::test]
async fn a_line_without_end_costs_the_connection_and_the_reply_still_arrives() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(&vec![b'x'; limits::LINE_SWALLOW_BYTES_MAX + limits::LINGER_BYTES_MAX / 2]).await;
    assert_eq!(client.rest().await, "421 4.5.2 line without end, closing\r\n");
}

#[tokio::test]
async fn nothing_behind_a_bare_line_feed_is_answered() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(b"EHLO a\nMAIL FROM:<forged@b.example>\r\nNOOP\r\n").await;
    assert_eq!(client.rest().await, "521 5.5.2 bare CR or LF received: lines end with CRLF, closing\r\n");
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_one_flush() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(&b"NOOP\r\n".repeat(20)).await;
    let mut first_read = [0; 4096];
    let bytes = client.stream.read(&mut first_read).await.unwrap();
    assert_eq!(first_read[..bytes], b"250 2.0.0 OK\r\n".repeat(20));
}

#[tokio::test]
async fn a_client_that_only_errs_is_sent_away() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(&b"WHAT\r\n".repeat(100)).await;
    let heard = client.rest().await;
    assert_eq!(heard.matches("500 5.5.2").count(), limits::COMMAND_ERRORS_MAX as usize);
    assert!(heard.ends_with("421 4.7.0 too many errors, closing\r\n"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_told_421_after_five_minutes() {
    let listener = House::new().open(Tls::None);
    let started = Instant::now();
    let mut client = Client::greeted_at(listener.address()).await;
    assert_eq!(client.reply().await, "421 4.4.2 mail.example.com closes: that took too long\r\n");
    assert!(started.elapsed() >= limits::COMMAND_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_keep_a_connection() {
    let listener = House::new().open(Tls::None);
    let mut client = Client::greeted_at(listener.address()).await;
    let started = Instant::now();
    let mut bytes = 0;
    loop {
        client.say(b"N").await;
        bytes += 1;
        if let Ok(reply) = tokio::time::timeout(limits::COMMAND_MAX / 3, client.reply()).await {
            assert!(reply.starts_with("421 4.4.2"), "{reply}");
            break;
        }
        assert!(bytes < 9, "still open after {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_drain_says_421_to_the_idle_and_leaves_the_other_door_alone() {
    let house = House::new();
    let (closing, staying) = (house.open(Tls::None), house.open(Tls::None));
    let closed_address = closing.address();
    let mut leaving = Client::greeted_at(closed_address).await;
    let mut guest = Client::greeted_at(staying.address()).await;
    let drained = closing.drain(FOREVER);
    let farewell = async {
        assert_eq!(leaving.reply().await, "421 4.3.2 mail.example.com is closing, come again\r\n");
        drop(leaving);
    };
    let (drained, ()) = tokio::join!(drained, farewell);
    assert_eq!((drained.finished, drained.cut), (1, 0));
    // A program that another test is starting may hold a copy of the socket until it runs.
    while tokio::net::TcpStream::connect(closed_address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(guest.ask("NOOP").await, "250 2.0.0 OK\r\n");
    Client::greeted_at(staying.address()).await;
    assert_eq!(staying.connections(), 2);
}

#[tokio::test]
async fn a_changed_door_meets_new_clients_and_spares_the_old() {
    let listener = House::new().open(Tls::None);
    let mut old = Client::greeted_at(listener.address()).await;
    listener.change(gatepost::smtpd::Door { hostname: "mx2.example.com".parse().unwrap(), ..door(Tls::Starttls) });
    assert!(!old.ask("EHLO a").await.contains("STARTTLS"));
    let mut new = Client::at(listener.address()).await;
    assert_eq!(new.reply().await, "220 mx2.example.com ESMTP Gatepost\r\n");
    assert!(new.ask("EHLO a").await.contains("250-STARTTLS\r\n"));
}

#[tokio::test]
async fn a_conversation_is_written_down_on_request_without_its_passwords() {
    let house = House::new();
    let recorded = smtpd::Door {
        plain_auth: PlainAuth::Loopback,
        transcripts: vec!["127.0.0.0/8".parse().unwrap()],
        ..door(Tls::Starttls)
    };
    let listener = smtpd::open(any_port(), recorded, &house.context).unwrap();
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(b"HELO c\r\nEHLO c\r\nAUTH LOGIN YXBw\r\nc2VjcmV0\r\nQUIT\r\n").await;
    client.rest().await;
    assert_eq!(listener.drain(FOREVER).await.cut, 0);
    // The connection ends when its transcript is there.
    let mut kept = std::fs::read_dir(&house.context.transcripts).unwrap();
    let path = kept.next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\nconnect submission\nS: 220 mail.example.com ESMTP Gatepost\nC: HELO c\nS: 250 mail"),
        "{text}"
    );
    assert!(
        text.contains("\nC: AUTH LOGIN ***\n")
            && text.ends_with("\nC: QUIT\nS: 221 2.0.0 mail.example.com says goodbye\n")
    );
    assert!(!text.contains("YXBw") && !text.contains("c2VjcmV0"), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// A door to the world, in a message to the postmaster, who always takes mail.
async fn in_data(house: &House) -> (smtpd::OpenListener, Client<TcpStream>) {
    let listener = house.open_as(smtpd::Door { kind: Kind::Mx, ..door(Tls::None) });
    let mut client = Client::greeted_at(listener.address()).await;
    client.say(b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n").await;
    for code in ["250 ", "250 ", "250 ", "354 "] {
        let reply = client.reply().await;
        assert!(reply.starts_with(code), "{reply}");
    }
    (listener, client)
}

#[tokio::test]
async fn a_message_beyond_the_memory_of_all_is_refused_for_now_and_gives_it_back() {
    let house = House::new();
    let (_listener, mut client) = in_data(&house).await;
    for _ in 0..40 {
        client.say(&[b'x'; 64 << 10]).await;
        client.say(b"\r\n").await;
    }
    let reply = client.ask("\r\n.").await;
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    assert!(client.ask("NOOP").await.starts_with("250 "));
    assert_eq!(house.context.bodies.taken(), 0);
}

#[tokio::test]
async fn a_message_under_way_is_heard_to_its_end_before_the_door_closes() {
    let house = House::new();
    let (listener, mut client) = in_data(&house).await;
    client.say(b"Subject: late\r\n").await;
    listener.close();
    listener.closed().await;
    // Nobody's tenant is known here: what matters is that there was an answer.
    let reply = client.ask("\r\ntext\r\n.").await;
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert!(client.rest().await.starts_with("421 4.3.2 "));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_only_trickles_is_cut() {
    let house = House::new();
    let (_listener, mut client) = in_data(&house).await;
    let began = Instant::now();
    let trickle = async {
        loop {
            if client.stream.write_all(b"x\r\n").await.is_err() || client.stream.flush().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    let _ = tokio::time::timeout(limits::DATA_GRACE + Duration::from_secs(60), trickle).await;
    let heard = client.rest().await;
    assert!(heard.starts_with("421 4.4.2 "), "{heard}");
    assert!(began.elapsed() >= limits::DATA_GRACE);
}
