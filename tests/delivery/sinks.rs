//! The scripted server itself: a tool that is wrong would make every story about it a lie.

use super::sink::{Account, Act, At, Authority, Offer, Replies, Showing, Sink};
use crate::running::Smtp;
use std::io::{Read, Write};
use std::process::Command;

const HELLO: &str = "EHLO client.example";

/// A dialogue in one go: each command, and how its reply begins.
fn says<S: Read + Write>(client: &mut Smtp<S>, dialogue: &[(&str, &str)]) {
    for (command, reply) in dialogue {
        let heard = client.ask(command);
        assert!(heard.starts_with(reply), "{command}: {heard:?}, not {reply}");
    }
}

fn greeted(sink: &Sink) -> Smtp {
    let mut client = Smtp::greeted(sink.address);
    assert!(client.ask(HELLO).starts_with("250-sink.example\r\n"));
    client
}

const ENVELOPE: [(&str, &str); 3] =
    [("MAIL FROM:<a@a.example>", "250"), ("RCPT TO:<b@b.example>", "250"), ("DATA", "354")];

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_a_message_and_undoes_the_dots() {
    let sink = Sink::start(Offer::usual()).await;
    let mut client = greeted(&sink);
    says(&mut client, &ENVELOPE);
    says(&mut client, &[("Subject: x\r\n\r\n..one\r\n...two\r\n.", "250 2.0.0 kept as 0"), ("QUIT", "221")]);
    let message = sink.message().await;
    assert_eq!(message.bytes, b"Subject: x\r\n\r\n.one\r\n..two\r\n");
    assert_eq!((message.sender(), message.recipients()), ("a@a.example", vec!["b@b.example"]));
    assert_eq!(message.field("subject").as_deref(), Some("x"));
    assert_eq!((message.chunks, message.tls, sink.connections()), (0, false, 1));
    sink.left_alone().await;
    sink.blameless();
    // An empty message, and every command in one packet.
    let mut client = greeted(&sink);
    client.say(b"MAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n");
    for code in ["250", "250", "354"] {
        assert!(client.reply().starts_with(code));
    }
    says(&mut client, &[(".", "250")]);
    let message = sink.message().await;
    assert_eq!((message.bytes.len(), message.sender()), (0, ""));
    assert_eq!(sink.commands("mail"), ["MAIL FROM:<a@a.example>", "MAIL FROM:<>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_has_its_way_at_every_moment() {
    let sink = Sink::start(Offer::usual()).await;
    sink.once(At::Greeting, Act::say_and_close("421 4.3.2 not now"));
    let mut client = Smtp::at(sink.address);
    assert_eq!((client.reply().as_str(), client.reply().as_str()), ("421 4.3.2 not now\r\n", ""));

    sink.once(At::Mail, Act::say("451 4.3.0 later"));
    sink.always(At::Rcpt("two@b.example"), Act::say("550 5.1.1 nobody"));
    sink.once(At::Rcpt(""), Act::say("450 4.2.1 busy"));
    let mut client = greeted(&sink);
    says(&mut client, &[("MAIL FROM:<a@a.example>", "451"), ("MAIL FROM:<a@a.example>", "250")]);
    says(&mut client, &[("RCPT TO:<two@b.example>", "550"), ("RCPT TO:<b@b.example>", "450")]);
    says(&mut client, &[("RCPT TO:<b@b.example>", "250"), ("DATA", "354")]);
    sink.once(At::Dot, Act::say("554 5.6.0 no"));
    says(&mut client, &[("x: y\r\n\r\n.", "554")]);
    sink.once(At::Again, Act::say_and_close("421 4.4.2 too long"));
    says(&mut client, &[("MAIL FROM:<a@a.example>", "421")]);
    assert_eq!(client.reply(), "");
    assert_eq!(sink.seen(|seen| (seen.messages.len(), seen.messages[0].kept)), (1, Some(false)));

    sink.relent();
    for (act, kept) in [(Act::KeepAndClose, true), (Act::Close, false), (Act::KeepAndReset, true)] {
        let mut client = greeted(&sink);
        says(&mut client, &ENVELOPE);
        sink.once(At::Dot, act);
        assert_eq!(client.ask("x: y\r\n\r\n."), "");
        let last = sink.seen(|seen| seen.messages.last().and_then(|last| last.kept));
        assert_eq!(last, Some(kept));
    }
    assert_eq!(sink.messages(2).await.len(), 2);
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_lasts_until_it_is_released() {
    let sink = Sink::start(Offer::usual()).await;
    let gate = sink.hold(At::Dot);
    let mut client = greeted(&sink);
    says(&mut client, &ENVELOPE);
    client.say(b"x: y\r\n\r\n.\r\n");
    gate.reached().await;
    assert_eq!(sink.seen(|seen| seen.messages[0].kept), None);
    gate.open();
    assert!(client.reply().starts_with("250"));
    sink.message().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_of_every_kind() {
    let sink = Sink::start(Offer::usual()).await;
    sink.once(At::Noop, Act::line_of(10_000_000, "250"));
    sink.once(At::Noop, Act::Slowly("250 slow".into(), std::time::Duration::from_millis(1)));
    sink.once(At::Noop, Act::Endless);
    let mut client = greeted(&sink);
    assert_eq!(client.ask("NOOP").len(), 10_000_000);
    assert_eq!(client.ask("NOOP"), "250 slow\r\n");
    client.say(b"NOOP\r\n");
    let mut stream = client.into_stream();
    let mut bytes = vec![0; 1 << 20];
    stream.read_exact(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"250-more\r\n250-more\r\n"));
    drop(stream);
    sink.left_alone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_to_a_pipeline_come_together_or_apart() {
    for replies in [Replies::Together, Replies::Apart] {
        let sink = Sink::start(Offer::usual().replies(replies)).await;
        let mut client = greeted(&sink);
        client.say(b"NOOP\r\nNOOP\r\nRSET\r\nQUIT\r\n");
        for code in ["250", "250", "250", "221"] {
            assert!(client.reply().starts_with(code));
        }
        assert_eq!(sink.commands("").len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks() {
    let sink = Sink::start(Offer::usual().with("CHUNKING")).await;
    let mut client = greeted(&sink);
    says(&mut client, &ENVELOPE[..2]);
    client.say(b"BDAT 12\r\nSubject: x\r\n");
    assert!(client.reply().starts_with("250"));
    client.say(b"BDAT 7 LAST\r\n\r\n.\r\n\r\n");
    assert!(client.reply().starts_with("250"));
    let message = sink.message().await;
    assert_eq!((message.bytes.as_slice(), message.chunks), (b"Subject: x\r\n\r\n.\r\n\r\n".as_slice(), 2));
    sink.blameless();
}

/// RFC 2033 4.2
#[tokio::test(flavor = "multi_thread")]
async fn lmtp_answers_for_each_recipient() {
    let sink = Sink::start(Offer::usual().lmtp()).await;
    sink.always(At::Copy("two@b.example"), Act::say("552 5.2.2 full"));
    let mut client = Smtp::greeted(sink.address);
    says(&mut client, &[("LHLO client.example", "250"), ("MAIL FROM:<a@a.example>", "250")]);
    says(&mut client, &[("RCPT TO:<one@b.example>", "250"), ("RCPT TO:<two@b.example>", "250"), ("DATA", "354")]);
    says(&mut client, &[("x: y\r\n\r\n.", "250")]);
    assert_eq!(client.reply(), "552 5.2.2 full\r\n");
    sink.message().await;
}

/// What breaks a rule is seen.
#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_client_are_told() {
    let sink = Sink::start(Offer::of(&["SIZE 1000"])).await;
    let mut client = greeted(&sink);
    says(
        &mut client,
        &[("MAIL FROM:<a@a.example> BODY=8BITMIME", "555"), ("MAIL FROM:<a@a.example> SIZE=2000", "552")],
    );
    says(&mut client, &[("MAIL FROM:<\u{e4}@a.example>", "250"), ("MAIL FROM:<a@a.example>", "503")]);
    says(&mut client, &[("STARTTLS", "502"), ("AUTH PLAIN AAAA", "503"), ("BDAT 0 LAST", "503"), ("WHAT", "500")]);
    says(&mut client, &[("RSET", "250"), ("MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>", "250")]);
    assert!(client.reply().starts_with("250"));
    let long = "x".repeat(1100);
    says(&mut client, &[("DATA", "354"), (&format!("a\nb\r\n\u{e4}\r\n{long}\r\n."), "250")]);
    let faults = sink.seen(|seen| seen.faults.join("\n"));
    for fault in [
        "BODY=8BITMIME was not offered",
        "without SMTPUTF8",
        "MAIL within a mail",
        "STARTTLS was not offered",
        "AUTH was not offered",
        "BDAT without CHUNKING",
        "WHAT is no command",
        "without PIPELINING",
        "a bare CR or LF",
        "8-bit text",
        "more than 1000 bytes",
        "more than SIZE allows",
    ] {
        assert!(faults.contains(fault), "{fault}?\n{faults}");
    }
}

// --- logins and TLS, with clients that are not ours ------------------------------------------------------

/// Python's smtplib for what it knows; it answers "ok", or the exception.
fn python(script: &str) -> String {
    let output = Command::new("python3").args(["-c", script]).output().expect("python3");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_python_and_of_msmtp() {
    for (mechanism, method) in [("PLAIN", "auth_plain"), ("LOGIN", "auth_login"), ("CRAM-MD5", "auth_cram_md5")] {
        let account = Account::new("us", "pass = word", &[mechanism]);
        let sink = Sink::start(Offer::usual().account(account).in_the_clear()).await;
        for (password, code) in [("pass = word", "235"), ("guessed", "535")] {
            let script = format!(
                "import smtplib\ns = smtplib.SMTP('127.0.0.1', {}, timeout=20)\ns.ehlo()\n\
                 s.user, s.password = 'us', '{password}'\n\
                 try: print(s.auth('{mechanism}', s.{method})[0])\n\
                 except smtplib.SMTPAuthenticationError as why: print(why.smtp_code)\n",
                sink.address.port()
            );
            assert_eq!(python(&script), code, "{mechanism} {password}");
        }
        sink.blameless();
    }
    let account = Account::new("us", "pass = word", &["SCRAM-SHA-256"]);
    let sink = Sink::start(Offer::usual().account(account).in_the_clear()).await;
    for (password, well) in [("pass = word", true), ("guessed", false)] {
        let port = sink.address.port();
        let script = format!(
            "printf 'Subject: x\\n\\ny\\n' | msmtp --file=/dev/null --host=127.0.0.1 --port={port} --tls=off \
             --auth=scram-sha-256 --user=us --passwordeval=\"printf %s '{password}'\" --from=a@a.example b@b.example"
        );
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(ran.status.success(), well, "{}", String::from_utf8_lossy(&ran.stderr));
    }
    assert_eq!(sink.message().await.login.as_deref(), Some("us"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_xoauth2() {
    let account = Account::new("us", "token", &["XOAUTH2"]);
    let sink = Sink::start(Offer::usual().account(account).in_the_clear()).await;
    let mut client = greeted(&sink);
    let wrong = python("import base64; print(base64.b64encode(b'user=us\\x01auth=Bearer no\\x01\\x01').decode())");
    says(&mut client, &[(&format!("AUTH XOAUTH2 {wrong}"), "334 "), ("", "535")]);
    let right = python("import base64; print(base64.b64encode(b'user=us\\x01auth=Bearer token\\x01\\x01').decode())");
    says(&mut client, &[(&format!("AUTH XOAUTH2 {right}"), "235")]);
}

/// Each certificate, to a client that believes the authority and no other.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_good_and_bad() {
    let authority = Authority::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    for (showing, said) in [
        (Showing::Good, "ok"),
        (Showing::WrongName, "Hostname mismatch"),
        (Showing::Expired, "certificate has expired"),
        (Showing::OtherAuthority, "certificate signature failure"),
    ] {
        for implicit in [false, true] {
            let tls = authority.server("localhost", showing);
            let offer = if implicit { Offer::usual().implicit_tls(tls) } else { Offer::usual().starttls(tls) };
            let sink = Sink::start(offer).await;
            let connects = if implicit {
                "s = smtplib.SMTP_SSL('localhost', PORT, context=t, timeout=20)"
            } else {
                "s = smtplib.SMTP('localhost', PORT, timeout=20); s.starttls(context=t)"
            };
            let script = format!(
                // A machine without a table of hosts knows no name, not even this one.
                "import smtplib, socket, ssl\nfind = socket.getaddrinfo\n\
                 socket.getaddrinfo = lambda host, *rest, **more: find('127.0.0.1', *rest, **more)\nt = ssl.create_default_context(cafile={:?})\n\
                 try:\n  {}\n  s.sendmail('a@a.example', 'b@b.example', 'x: y\\r\\n\\r\\nz'); print('ok')\n\
                 except ssl.SSLError as why: print(why)\n",
                file.path(),
                connects.replace("PORT", &sink.address.port().to_string())
            );
            let heard = python(&script);
            assert!(heard.contains(said), "{showing:?} {implicit}: {heard}");
            if showing == Showing::Good {
                assert!(sink.message().await.tls);
                assert_eq!(sink.seen(|seen| seen.connections[0].server_name.clone()).as_deref(), Some("localhost"));
            }
        }
    }
}
