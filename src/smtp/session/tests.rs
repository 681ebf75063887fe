//! The session by itself: what no story over a socket can see, or can see only slowly.

use super::*;
use crate::base::clock::Time;
use crate::smtp::data::LineEnds;

fn offer(role: Role) -> Offer {
    Offer {
        hostname: "mail.example.com".parse().unwrap(),
        role,
        channel: Channel::PlainOfferingTls,
        auth: Auth::Never,
        admission: Admission::Open,
        line_ends: LineEnds::Refuse,
        message_bytes_max: 1000,
        recipients_max: 3,
        recipients_per_connection: 5,
        messages_max: 2,
        hold_max: None,
    }
}

/// Says all of this at once; every decision is Ok, but for addresses that begin with "no".
fn talk(session: &mut Session, lines: &mut Lines, said: &[u8]) -> (String, Option<Close>) {
    lines.room(said.len()).extend_from_slice(said);
    let mut out = Vec::new();
    let mut close = None;
    let mut step = session.proceed(lines, &mut out);
    loop {
        let answer = match step {
            Step::Hear | Step::StartTls => break,
            Step::Close(why) => {
                close = Some(why);
                break;
            }
            Step::Ask(ask) => match ask {
                Ask::Login(_) => Answer::Login(Ok(())),
                Ask::Keys(_) => unreachable!("no SCRAM here"),
                Ask::Sender(..) => Answer::Sender(Ok(())),
                Ask::Recipient(recipient) if recipient.address.local().starts_with("no") => {
                    Answer::Recipient(Err(Reply::new(550, 1, 1, "nobody")))
                }
                Ask::Recipient(_) => Answer::Recipient(Ok(())),
                Ask::Message(..) => Answer::Message(Ok(Reply::new(250, 0, 0, "queued"))),
            },
        };
        step = session.take(answer, &mut out).unwrap_or_else(|| session.proceed(lines, &mut out));
    }
    (String::from_utf8(out).unwrap(), close)
}

fn codes(said: &str) -> String {
    let mut session = Session::new(offer(Role::Mx), Clock::set(Time::default()), Random::seeded(1));
    let (heard, _) = talk(&mut session, &mut Lines::default(), said.as_bytes());
    let finals = heard.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    finals.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
}

#[test]
fn commands_come_in_their_order_or_are_told_so() {
    for (said, heard) in [
        ("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nQUIT\r\n", "503 503 503 221"),
        ("EHLO c\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n", "250 250 503 250 250"),
        ("EHLO c\r\nMAIL FROM:<>\r\nDATA\r\nRCPT TO:<no@d.example>\r\nDATA\r\n", "250 250 503 550 554"),
        ("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nEHLO c\r\nDATA\r\n", "250 250 250 250 503"),
        ("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nDATA\r\nx\r\n.\r\nRSET\r\n", "250 250 250 354 250 250"),
        (
            "EHLO\r\nEHLO a b\r\nFOO\r\nEXPN x\r\nVRFY\r\nVRFY x\r\nNOOP x\r\nHELP\r\n",
            "501 501 500 502 501 252 250 214",
        ),
        ("AUTH PLAIN\r\nSTARTTLS now\r\n\u{e4}\u{80}\r\n", "502 501 501"),
    ] {
        assert_eq!(codes(said), heard, "{said}");
    }
}

#[test]
fn chunks_have_their_errors() {
    let mail = "EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\n";
    for (said, heard) in [
        ("BDAT 4\r\nQUITBDAT 4 LAST\r\nQUIT", "250 250"),
        ("BDAT 0 LAST\r\nRSET\r\n", "250 250"),
        ("BDAT 3\r\na\r\nDATA\r\nRCPT TO:<b@d.example>\r\nMAIL FROM:<>\r\nRSET\r\n", "250 503 503 503 250"),
        ("BDAT 3\r\na\nbBDAT 2 LAST\r\nxyRSET\r\n", "550 503 250"),
        ("BDAT 1001\r\n", ""),
        ("BDAT x\r\nBDAT 2 LAST\r\nxy", "501 250"),
        ("BDAT 2\r\nxyBDAT\r\nBDAT 2 LAST\r\nxyRSET\r\nDATA\r\n", "250 501 503 250 503"),
    ] {
        let expected = format!("250 250 250 {heard}");
        assert_eq!(codes(&format!("{mail}{said}")), expected.trim_end(), "{said}");
    }
    assert_eq!(codes("EHLO c\r\nBDAT 4 LAST\r\nRSETQUIT\r\n"), "250 503 221");
    let too_large = format!("{mail}BDAT 1001 LAST\r\n{}BDAT 1 LAST\r\nxDATA\r\n", "x".repeat(1001));
    assert_eq!(codes(&too_large), "250 250 250 552 503 503");
    assert_eq!(codes("EHLO c\r\nBDAT 99999999999999999999\r\n"), "250 552");
}

#[test]
fn bounds_are_polite() {
    let many: String = (0..5).map(|i| format!("RCPT TO:<{i}@d.example>\r\n")).collect();
    assert_eq!(codes(&format!("EHLO c\r\nMAIL FROM:<>\r\n{many}")), "250 250 250 250 250 452 452");
    let message = "MAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nDATA\r\n.\r\n";
    assert_eq!(codes(&format!("EHLO c\r\n{}", message.repeat(3))), "250 250 250 354 250 250 250 354 250 421");
    let of_connection =
        "MAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nRCPT TO:<b@d.example>\r\nRCPT TO:<c@d.example>\r\nRSET\r\n";
    assert_eq!(codes(&format!("EHLO c\r\n{}", of_connection.repeat(2))), "250 250 250 250 250 250 250 250 250 452 250");
    assert_eq!(codes("EHLO c\r\nMAIL FROM:<> SIZE=1001\r\nMAIL FROM:<> SIZE=1000\r\n"), "250 552 250");
    assert!(codes(&"FOO\r\n".repeat(30)).ends_with("500 421"));
}

#[test]
fn memory_that_is_short_refuses_for_now() {
    let mut session = Session::new(offer(Role::Mx), Clock::set(Time::default()), Random::seeded(1));
    let mut lines = Lines::default();
    talk(&mut session, &mut lines, b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nDATA\r\nabc\r\n");
    assert!(session.receiving().unwrap() >= 5);
    session.run_short();
    assert_eq!(session.receiving(), Some(0));
    let (heard, _) = talk(&mut session, &mut lines, b"more\r\n.\r\nQUIT\r\n");
    assert!(heard.starts_with("452 4.3.1 "), "{heard}");
    assert!(heard.contains("\r\n221 "), "{heard}");
}

#[test]
fn tls_forgets_everything_but_our_patience() {
    let mut session = Session::new(offer(Role::Mx), Clock::set(Time::default()), Random::seeded(1));
    let mut lines = Lines::default();
    let (heard, _) = talk(&mut session, &mut lines, b"EHLO c\r\nMAIL FROM:<>\r\nSTARTTLS\r\nRSET\r\n");
    assert!(heard.ends_with("220 2.0.0 ready for TLS\r\n"), "{heard}");
    assert_eq!(lines.discard(), 6);
    session.secure(Offer { channel: Channel::Tls, ..offer(Role::Mx) });
    let (heard, _) = talk(&mut session, &mut lines, b"MAIL FROM:<>\r\nEHLO c\r\nSTARTTLS\r\n");
    assert!(heard.starts_with("503 ") && !heard.contains("STARTTLS\r\n") && heard.contains("REQUIRETLS"), "{heard}");
    assert!(heard.ends_with("503 5.5.1 TLS is already on\r\n"));
    assert_eq!(session.commands(), 6);
}

#[test]
fn the_wrong_answer_ends_one_connection_politely() {
    let mut session = Session::new(offer(Role::Mx), Clock::set(Time::default()), Random::seeded(1));
    let (mut lines, mut out) = (Lines::default(), Vec::new());
    lines.room(0).extend_from_slice(b"EHLO c\r\nMAIL FROM:<>\r\n");
    assert!(matches!(session.proceed(&mut lines, &mut out), Step::Ask(Ask::Sender(..))));
    let step = session.take(Answer::Recipient(Ok(())), &mut out);
    assert!(matches!(step, Some(Step::Close(Close::Decided))));
    assert!(String::from_utf8(out).unwrap().ends_with("421 4.3.0 internal error, closing\r\n"));
}
