//! One transaction and everything a remote server may answer in it, or not answer.

use super::sink::{Act, At, Offer, Replies};
use super::world::{TEXT, World, is_below_our_trace, reports};
use std::time::Duration;

/// RFC 2920 3.1, RFC 5321 4.2.5: everybody has an end of his own, with his own words.
#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_of_one_transaction_has_his_own_end() {
    for replies in [Replies::Together, Replies::Apart] {
        let world = World::new();
        let home = world.home().await;
        let sink = world.mx("far.example", Offer::usual().replies(replies)).await;
        sink.always(At::Rcpt("gone@far.example"), Act::say("550 5.1.1 gone is gone"));
        sink.once(At::Rcpt("busy@far.example"), Act::say("450 4.2.1 busy is busy"));
        let house = world.open();
        house.sends(&["one@far.example", "gone@far.example", "busy@far.example", "two@far.example"]);
        let (first, second) = (sink.message().await, sink.message().await);
        assert_eq!(first.recipients(), ["one@far.example", "two@far.example"]);
        assert_eq!(second.recipients(), ["busy@far.example"]);
        assert_eq!(first.bytes, second.bytes, "a retry sends the same message");
        let report = reports(&home.message().await, "gone@far.example", "failed", "5.1.1");
        assert!(report.contains("gone is gone") && !report.contains("busy is busy"), "{report}");
        for (recipient, state, attempts) in
            [("one", "delivered", 1), ("two", "delivered", 1), ("gone", "bounced", 1), ("busy", "delivered", 2)]
        {
            let recipient = format!("{recipient}@far.example");
            assert_eq!(house.comes_to(&recipient, state).attempts, attempts, "{recipient}");
        }
        let busy = house.tries("busy@far.example");
        assert!(busy[0].reply.as_deref().is_some_and(|reply| reply.contains("busy is busy")), "{busy:?}");
        sink.blameless();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_to_three_providers_through_a_smarthost_is_three_stories() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.host("smart.example", Offer::usual()).await;
    world.smarthost(&sink, "tls = \"none\"");
    sink.always(At::Rcpt("two@b.example"), Act::say("554 5.7.1 not to b"));
    sink.once(At::Rcpt("three@c.example"), Act::say("451 4.7.1 c later"));
    let house = world.open();
    house.sends(&["one@a.example", "two@b.example", "three@c.example"]);
    assert_eq!(sink.message().await.recipients(), ["one@a.example"]);
    assert_eq!(sink.message().await.recipients(), ["three@c.example"]);
    reports(&home.message().await, "two@b.example", "failed", "5.7.1");
    for (recipient, state) in [("one@a.example", "sent"), ("two@b.example", "bounced"), ("three@c.example", "sent")] {
        house.comes_to(recipient, state);
    }
    assert_eq!(sink.kept().len(), 2);
}

/// RFC 2920 3.1: a server may say 354 though it accepted nobody; then a lone dot is due.
#[tokio::test(flavor = "multi_thread")]
async fn a_354_for_nobody_is_answered_by_a_lone_dot() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.once(At::Rcpt(""), Act::say("550 5.1.1 nobody"));
    sink.once(At::Data, Act::say("354 go ahead all the same"));
    let house = world.open();
    house.sends(&["gone@far.example"]);
    reports(&home.message().await, "gone@far.example", "failed", "5.1.1");
    house.sends(&["one@far.example"]);
    is_below_our_trace(&sink.message().await, TEXT);
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pipelining_each_command_waits_for_its_reply() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual().without("PIPELINING")).await;
    let house = world.open();
    house.sends(&["one@far.example", "two@far.example"]);
    is_below_our_trace(&sink.message().await, TEXT);
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_no_ehlo_is_greeted_by_helo() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual().only_helo()).await;
    let house = world.open();
    house.sends(&["one@far.example"]);
    is_below_our_trace(&sink.message().await, TEXT);
    assert_eq!(sink.commands("HELO").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_byte_for_byte_by_chunks_too() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual().with("CHUNKING")).await;
    let house = world.open();
    let long: String = (0..60_000).map(|n| format!("{}line {n}\r\n", if n % 7 == 0 { "." } else { "" })).collect();
    let text = format!("{TEXT}{long}");
    house.submits("<app@example.com>", &["<one@far.example>"], &text);
    is_below_our_trace(&sink.message().await, &text);
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_and_a_message_without_one_arrive() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    let house = world.open();
    let header = &TEXT[..TEXT.find("\r\n\r\n").unwrap() + 2];
    for text in [format!("{header}\r\n"), header.to_owned()] {
        house.submits("<app@example.com>", &["<one@far.example>"], &text);
        let message = sink.message().await;
        assert!(message.text().contains("Message-ID: <story@example.com>\r\n"), "{}", message.text());
    }
    sink.blameless();
}

/// RFC 6152 3: converted, or refused; never as it is.
#[tokio::test(flavor = "multi_thread")]
async fn eight_bits_are_written_in_seven_where_8bitmime_is_unknown() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::of(&["PIPELINING", "SIZE 100000"])).await;
    let house = world.open();
    let text = format!(
        "{}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n",
        &TEXT[..TEXT.find("\r\n\r\n").unwrap() + 2]
    );
    house.submits("<app@example.com> BODY=8BITMIME", &["<one@far.example>"], &text);
    let message = sink.message().await;
    assert!(message.bytes.is_ascii(), "{}", message.text());
    let body = mail_parser::MessageParser::default().parse(&message.bytes[..]).unwrap();
    assert_eq!(body.body_text(0).unwrap().trim_end(), "Grüße");
    sink.blameless();
}

/// RFC 3030 3: what came by BDAT as binary goes by DATA in lines, where nobody offers to take it as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_binary_message_is_written_in_lines_where_binarymime_is_unknown() {
    let world = World::new();
    let (old, chunks) = (
        world.mx("old.example", Offer::of(&["PIPELINING", "SIZE 100000"])).await,
        world.mx("chunks.example", Offer::usual().with("CHUNKING")).await,
    );
    let house = world.open();
    let header = &TEXT[..TEXT.find("\r\n\r\n").unwrap() + 2];
    let kind = "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let picture: Vec<u8> = (0..4_000_u32).map(|n| (n % 256) as u8).chain(*b"\r\n.\r\n\n").collect();
    let message = [header.as_bytes(), kind.as_bytes(), &picture].concat();
    let mut client = house.client();
    for command in
        ["MAIL FROM:<app@example.com> BODY=BINARYMIME", "RCPT TO:<one@old.example>", "RCPT TO:<two@chunks.example>"]
    {
        let reply = client.ask(command);
        assert!(reply.starts_with("250"), "{command}: {reply}");
    }
    client.say(format!("BDAT {} LAST\r\n", message.len()).as_bytes());
    client.say(&message);
    assert!(client.reply().starts_with("250"));
    for (sink, recipient) in [(&old, "one@old.example"), (&chunks, "two@chunks.example")] {
        let message = sink.message().await;
        assert!(message.bytes.is_ascii() && !message.mail.contains("BODY="), "{}\n{}", message.mail, message.text());
        assert!(message.bytes.split(|b| *b == b'\n').all(|line| line.len() <= 999), "{}", message.text());
        let read = mail_parser::MessageParser::default().parse(&message.bytes[..]).unwrap();
        assert!(read.parts[0].contents() == picture, "{}", message.text());
        house.comes_to(recipient, "delivered");
        sink.blameless();
    }
}

/// RFC 6531 3.5: a header has no other form; where nobody knows it, the message goes back.
#[tokio::test(flavor = "multi_thread")]
async fn an_eight_bit_header_goes_back_where_8bitmime_is_unknown() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::of(&["PIPELINING", "SIZE 100000"])).await;
    let house = world.open();
    // A field of its program's own: what may stand in it nobody else knows.
    let text = TEXT.replace("Subject: hello", "Subject: hello\r\nX-Note: Größe") + "für dich\r\n";
    for (number, (words, status)) in
        [(" BODY=8BITMIME SMTPUTF8", "5.6.7"), (" BODY=8BITMIME", "5.6.3")].iter().enumerate()
    {
        let recipient = format!("r{number}@far.example");
        house.submits(&format!("<app@example.com>{words}"), &[&format!("<{recipient}>")], &text);
        reports(&home.message().await, &recipient, "failed", status);
    }
    assert!(sink.kept().is_empty());
    sink.blameless();
}

/// RFC 1847 2.1: a signature holds for the bytes that were signed. RFC 6152 3: then it goes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_message_goes_back_where_8bitmime_is_unknown() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::of(&["PIPELINING", "SIZE 100000"])).await;
    let house = world.open();
    let text = format!(
        "{}MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=s; micalg=pgp-sha256;\r\n \
         protocol=\"application/pgp-signature\"\r\n\r\n--s\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\n\
         made up\r\n--s--\r\n",
        &TEXT[..TEXT.find("\r\n\r\n").unwrap() + 2]
    );
    house.submits("<app@example.com> BODY=8BITMIME", &["<one@far.example>"], &text);
    let report = reports(&home.message().await, "one@far.example", "failed", "5.6.3");
    let unfolded = report.replace("\r\n ", " ").replace("\r\n", " ");
    assert!(
        unfolded.contains("takes no 8-bit text (8BITMIME), and the message cannot be converted: it is signed"),
        "{report}"
    );
    assert_eq!(house.comes_to("one@far.example", "bounced").attempts, 1);
    assert!(sink.kept().is_empty());
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_dsn_are_passed_on_where_they_are_understood() {
    let world = World::new();
    let (with, without) = (
        world.mx("with.example", Offer::usual()).await,
        world.mx("without.example", Offer::usual().without("DSN")).await,
    );
    let house = world.open();
    let notify = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;origin+2Bal@example.net";
    let to = [format!("<one@with.example> {notify}"), format!("<one@without.example> {notify}")];
    house.submits("<app@example.com> RET=HDRS ENVID=QQ+2B314159", &[&to[0], &to[1]], TEXT);
    let message = with.message().await;
    for words in ["RET=HDRS", "ENVID=QQ+2B314159"] {
        assert!(message.mail.contains(words), "{words}? {}", message.mail);
    }
    for words in ["NOTIFY=", "SUCCESS", "FAILURE", "ORCPT=rfc822;origin+2Bal@example.net"] {
        assert!(message.rcpt[0].contains(words), "{words}? {}", message.rcpt[0]);
    }
    without.message().await;
    with.blameless();
    without.blameless();
}

// --- after what went wrong ------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn after_a_refused_message_the_next_one_begins_clean() {
    for (at, reply) in [
        (At::Mail, "550 5.7.1 not from you"),
        (At::Rcpt(""), "550 5.1.1 nobody"),
        (At::Data, "554 5.3.0 no data"),
        (At::Dot, "554 5.6.0 not this"),
    ] {
        let world = World::new();
        let _home = world.home().await;
        world.delivery("retry = [\"1s\"]\nconnections_per_destination = 1");
        let sink = world.mx("far.example", Offer::usual()).await;
        let house = world.open();
        sink.once(at.clone(), Act::say(reply));
        house.sends(&["bad@far.example"]);
        house.comes_to("bad@far.example", "bounced");
        house.sends(&["good@far.example"]);
        assert_eq!(sink.message().await.recipients(), ["good@far.example"], "{at:?}");
        // MAIL within a mail would be a fault.
        sink.blameless();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rset_that_is_refused_bounces_nobody() {
    let world = World::new();
    let _home = world.home().await;
    world.delivery("retry = [\"1s\"]\nconnections_per_destination = 1");
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.always(At::Rset, Act::say("503 5.5.1 what for?"));
    sink.once(At::Dot, Act::say("451 4.3.0 later"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    house.sends(&["two@far.example"]);
    sink.messages(2).await;
    house.comes_to("one@far.example", "delivered");
    house.comes_to("two@far.example", "delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_now_is_tried_again_with_the_same_message_id() {
    for at in [At::Mail, At::Rcpt(""), At::Data, At::Dot] {
        let world = World::new();
        let sink = world.mx("far.example", Offer::usual()).await;
        sink.times(2, at.clone(), Act::say("451 4.3.0 try again"));
        let house = world.open();
        house.sends(&["one@far.example"]);
        is_below_our_trace(&sink.message().await, TEXT);
        assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 3, "{at:?}");
        let outcomes: Vec<_> =
            house.tries("one@far.example").into_iter().map(|one| (one.number, one.outcome)).collect();
        let later = || "later:remote".to_owned();
        assert_eq!(outcomes, [(1, later()), (2, later()), (3, "done".to_owned())]);
    }
}

/// RFC 5321 4.2.1: the first digit decides, and 552 behind RCPT is for now (4.5.3.1.10).
#[tokio::test(flavor = "multi_thread")]
async fn too_many_recipients_is_for_now_and_too_large_is_for_ever() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    sink.once(At::Rcpt("two@far.example"), Act::say("552 5.5.3 too many recipients"));
    let house = world.open();
    house.sends(&["one@far.example", "two@far.example"]);
    assert_eq!((sink.message().await.rcpt.len(), sink.message().await.rcpt.len()), (1, 1));
    sink.once(At::Dot, Act::say("552 5.3.4 too large"));
    house.sends(&["three@far.example"]);
    reports(&home.message().await, "three@far.example", "failed", "5.3.4");
}

// --- silence, noise, and the end of a connection ---------------------------------------------------------

/// RFC 1047: who had the last dot may have the message: try again, and say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_behind_the_dot_is_tried_again_and_marked() {
    for act in [Act::KeepAndClose, Act::KeepAndReset] {
        let world = World::new();
        let sink = world.mx("far.example", Offer::usual()).await;
        sink.once(At::Dot, act);
        let house = world.open();
        house.sends(&["one@far.example"]);
        let (first, second) = (sink.message().await, sink.message().await);
        assert_eq!(first.field("Message-ID"), second.field("Message-ID"));
        house.comes_to("one@far.example", "delivered");
        let tries = house.tries("one@far.example");
        assert!(tries[0].outcome.starts_with("later:"), "{tries:?}");
        let details: String = tries.iter().map(|one| one.details.as_str()).collect();
        let told = format!("{details}{}{}", house.daemon.all(), house.events("email.deferred").join("\n"));
        assert!(told.contains("duplicate"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_before_the_dot_is_tried_again() {
    for at in [At::Greeting, At::Hello, At::Mail, At::Rcpt(""), At::Data] {
        for act in [Act::Close, Act::Reset] {
            let world = World::new();
            let sink = world.mx("far.example", Offer::usual()).await;
            sink.once(at.clone(), act);
            let house = world.open();
            house.sends(&["one@far.example"]);
            sink.message().await;
            house.comes_to("one@far.example", "delivered");
            assert_eq!(sink.kept().len(), 1, "{at:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_in_the_middle_of_a_mail_is_for_now() {
    for at in [At::Hello, At::Mail, At::Rcpt(""), At::Data, At::Dot] {
        let world = World::new();
        let sink = world.mx("far.example", Offer::usual()).await;
        sink.once(at.clone(), Act::say_and_close("421 4.3.2 going down"));
        let house = world.open();
        house.sends(&["one@far.example"]);
        sink.message().await;
        house.comes_to("one@far.example", "delivered");
        assert_eq!(sink.kept().len(), 1, "{at:?}");
    }
}

/// Everything that is read and thrown away has an end.
#[tokio::test(flavor = "multi_thread")]
async fn noise_is_cut_and_tried_again() {
    let noises = [
        Act::Raw(b"\x00\xff\xfe garbage without an end".repeat(10_000)),
        Act::Raw(b"250\r\n2x0 what\r\n".to_vec()),
        Act::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Act::line_of(10_000_000, "250"),
        Act::Endless,
    ];
    for (number, noise) in noises.into_iter().enumerate() {
        for at in [At::Greeting, At::Hello, At::Rcpt(""), At::Dot] {
            if number == 1 && matches!(at, At::Dot) {
                // It begins with a 250, and that is an answer.
                continue;
            }
            let world = World::new();
            let sink = world.mx("far.example", Offer::usual()).await;
            sink.once(at.clone(), noise.clone());
            let house = world.open();
            house.sends(&["one@far.example"]);
            let message = sink.message().await;
            assert_eq!(message.recipients(), ["one@far.example"], "{at:?} {number}");
            house.comes_to("one@far.example", "delivered");
            let log = house.daemon.log();
            assert!(log.iter().all(|line| line.len() < 8_000), "a line of the log without an end");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for() {
    let world = World::new();
    let sink = world.mx("far.example", Offer::usual()).await;
    for (at, reply) in [
        (At::Greeting, "220 sink.example ESMTP"),
        (At::Mail, "250 2.1.0 ok"),
        (At::Dot, "250-2.0.0 kept\n250 2.0.0 indeed"),
    ] {
        sink.once(at, Act::Slowly(reply.to_owned(), Duration::from_millis(5)));
    }
    let house = world.open();
    house.sends(&["one@far.example"]);
    sink.message().await;
    assert_eq!(house.comes_to("one@far.example", "delivered").attempts, 1);
}

/// What a stranger says ends up in reports and in the log: it must not write lines of its own there.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_cannot_write_a_header_or_a_line_of_the_log() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.mx("far.example", Offer::usual()).await;
    let evil = b"550-5.1.1 no\x1b[31m\x07\r\n550 5.1.1 \xff\xfeX-Evil: yes\x0bBcc: a@evil.example\r\n".to_vec();
    sink.always(At::Rcpt(""), Act::Raw(evil));
    let house = world.open();
    house.sends(&["one@far.example"]);
    let report = home.message().await.text();
    assert!(!report.contains('\x1b') && !report.contains("\r\nX-Evil") && !report.contains("\nBcc"), "{report}");
    assert!(!house.daemon.all().contains('\x1b'));
    home.blameless();
}
