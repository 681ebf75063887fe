//! A transaction against a remote that is a list of replies.

use super::super::capabilities::Size;
use super::*;
use crate::mail::envelope::{MailParams, Recipient, ReversePath};
use crate::smtp::dialogue::response::Responses;

const FINE: &[u8] = b"Subject: x\r\n\r\n.fine\r\n";

fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    let recipient = |text: &&str| Recipient { address: text.parse().unwrap(), notify: None, original: None };
    addresses.iter().map(recipient).collect()
}

fn everything() -> Capabilities {
    Capabilities {
        size: Size::Max(1 << 20),
        pipelining: true,
        eight_bit_mime: true,
        smtputf8: true,
        chunking: true,
        binary_mime: true,
        dsn: true,
        require_tls: true,
        ..Capabilities::default()
    }
}

fn pipelining() -> Capabilities {
    Capabilities { pipelining: true, ..Capabilities::default() }
}

struct Case<'a> {
    can: Capabilities,
    protocol: Protocol,
    haste: Haste,
    to: &'a [&'a str],
    params: MailParams,
    top: &'a [u8],
    message: &'a [u8],
}

const CASE: Case<'static> = Case {
    can: Capabilities {
        size: Size::NotOffered,
        pipelining: false,
        eight_bit_mime: false,
        smtputf8: false,
        chunking: false,
        binary_mime: false,
        dsn: false,
        require_tls: false,
        enhanced_status: false,
        starttls: false,
        auth: Vec::new(),
        recipients_max: None,
        transactions_max: None,
    },
    protocol: Protocol::Smtp,
    haste: Haste::OneFlush,
    to: &["a@there.example", "b@there.example", "c@there.example"],
    params: MailParams {
        body: BodyType::SevenBit,
        size: None,
        smtputf8: false,
        ret: None,
        envid: None,
        require_tls: false,
        hold_until: None,
    },
    top: b"",
    message: FINE,
};

/// Answers as one word each: `250`, `550@recipient`, `lost@message?`.
fn word(answer: &Answer) -> String {
    match answer {
        Answer::Accepted(response) => response.code.to_string(),
        Answer::Refused { phase, response } => format!("{}@{}", response.code, phase.word()),
        Answer::Lost { phase, possibly_delivered, .. } => {
            format!("lost@{}{}", phase.word(), if *possibly_delivered { "?" } else { "" })
        }
        Answer::Withheld => "withheld".into(),
        Answer::Unsendable(_) => "unsendable".into(),
    }
}

struct Outcome {
    /// What went out between two answers.
    flushes: Vec<String>,
    answers: Vec<String>,
    is_closing: bool,
}

impl Case<'_> {
    /// Runs against these replies; behind the last the connection is lost.
    fn run(&self, replies: &str) -> Outcome {
        let (sender, to) = (ReversePath::Address("us@here.example".parse().unwrap()), recipients(self.to));
        let to: Vec<_> = to.iter().collect();
        let mail =
            Mail { sender: &sender, params: &self.params, recipients: &to, top: self.top, message: self.message };
        let mut transaction = Transaction::new(mail, &self.can, self.protocol, self.haste).unwrap();
        let mut responses = Responses::default();
        replies.split_whitespace().for_each(|code| {
            responses.room(0).extend_from_slice(format!("{code} said\r\n").as_bytes());
        });
        let mut flushes = Vec::new();
        'dialogue: loop {
            let mut out = Vec::new();
            match transaction.next(&mut out) {
                Next::Over => break,
                Next::Say => {}
                Next::SayMessage { pieces, ends } => {
                    if ends != Ends::Never {
                        transaction.finishing();
                    }
                    pieces.for_each(|piece| out.extend_from_slice(piece));
                }
            }
            flushes.push(String::from_utf8(out).unwrap());
            while transaction.awaits().is_some() {
                match responses.take().unwrap() {
                    Some(said) if transaction.hear(said.clone().into()).is_ok() => {}
                    _ => {
                        transaction.lose("gone");
                        break 'dialogue;
                    }
                }
            }
        }
        assert_eq!(responses.take(), Ok(None), "a reply was not heard");
        let is_closing = transaction.is_closing();
        Outcome { flushes, answers: transaction.finish().iter().map(word).collect(), is_closing }
    }

    fn answers(&self, replies: &str) -> Vec<String> {
        self.run(replies).answers
    }
}

#[test]
fn with_pipelining_a_message_takes_two_flushes() {
    let run = Case { can: pipelining(), ..CASE }.run("250 250 250 250 354 250");
    assert_eq!(
        run.flushes,
        [
            "MAIL FROM:<us@here.example>\r\nRCPT TO:<a@there.example>\r\nRCPT TO:<b@there.example>\r\n\
             RCPT TO:<c@there.example>\r\nDATA\r\n",
            "Subject: x\r\n\r\n..fine\r\n.\r\n",
        ]
    );
    assert_eq!(run.answers, ["250", "250", "250"]);
}

#[test]
fn with_chunks_a_small_message_takes_one_flush() {
    let can = Capabilities { chunking: true, ..pipelining() };
    let run = Case { can, to: &["a@there.example"], ..CASE }.run("250 250 250");
    assert_eq!(
        run.flushes,
        ["MAIL FROM:<us@here.example>\r\nRCPT TO:<a@there.example>\r\nBDAT 21 LAST\r\nSubject: x\r\n\r\n.fine\r\n"]
    );
    assert_eq!(run.answers, ["250"]);
}

/// Wherever it is counted and whichever way it goes.
#[test]
fn what_is_on_top_of_a_message_goes_before_it() {
    const TOP: &[u8] = b"DKIM-Signature: v=1\r\n";
    let can = Capabilities { size: Size::Offered, ..pipelining() };
    let case = |can| Case { can, to: &["a@there.example"], top: TOP, ..CASE };
    let dotted = case(can.clone()).run("250 250 354 250").flushes;
    assert!(dotted[0].starts_with("MAIL FROM:<us@here.example> SIZE=42\r\n"), "{dotted:?}");
    assert_eq!(dotted[1], "DKIM-Signature: v=1\r\nSubject: x\r\n\r\n..fine\r\n.\r\n");
    let chunk = case(Capabilities { chunking: true, ..can.clone() }).run("250 250 250").flushes;
    let ends = "\r\nBDAT 42 LAST\r\nDKIM-Signature: v=1\r\nSubject: x\r\n\r\n.fine\r\n";
    assert!(chunk[0].ends_with(ends), "{chunk:?}");
    // With the first of several chunks, and with no other.
    let large = vec![b'x'; limits::MESSAGE_SLICE_BYTES + 5];
    let params = MailParams { body: BodyType::BinaryMime, ..CASE.params };
    let can = Capabilities { chunking: true, binary_mime: true, ..can };
    let chunks = Case { params, message: &large, ..case(can) }.run("250 250 250 250").flushes;
    assert_eq!(chunks[1], "BDAT 26\r\nDKIM-Signature: v=1\r\nxxxxx");
    assert!(chunks[2].starts_with("BDAT 65536 LAST\r\nxxx"), "{}", &chunks[2][..40]);
}

#[test]
fn a_large_message_or_a_rested_connection_waits_for_answers() {
    let large = [b'x'; limits::ONE_FLUSH_BYTES_MAX + 1];
    let can = Capabilities { chunking: true, ..pipelining() };
    let run = Case { can: can.clone(), message: &large, ..CASE }.run("550 503 503 503 503");
    assert!(run.flushes.len() == 1 && run.flushes[0].ends_with("\r\nDATA\r\n"), "{:?}", run.flushes);
    let run = Case { can, haste: Haste::HearFirst, ..CASE }.run("250 250 250 250 354 250");
    assert_eq!(run.flushes.len(), 2);
}

#[test]
fn without_pipelining_every_answer_is_waited_for() {
    let run = CASE.run("250 250 550 250 354 250");
    assert_eq!(run.flushes.len(), 6);
    assert_eq!(run.answers, ["250", "550@recipient", "250"]);
    // What makes no sense any more is not said.
    assert_eq!(CASE.run("550").flushes.len(), 1);
    assert_eq!(CASE.run("250 550 450 552").flushes.len(), 4);
}

#[test]
fn each_recipient_has_its_own_answer() {
    for can in [CASE.can, pipelining()] {
        let case = Case { can, ..CASE };
        assert_eq!(case.answers("250 250 450 550 354 250"), ["250", "450@recipient", "550@recipient"]);
        assert_eq!(case.answers("250 552 251 252 354 552"), ["552@recipient", "552@message", "552@message"]);
    }
    let can = Capabilities { chunking: true, ..pipelining() };
    assert_eq!(Case { can, ..CASE }.answers("250 250 450 550 250"), ["250", "450@recipient", "550@recipient"]);
}

#[test]
fn a_refused_sender_or_message_is_everybodys() {
    let piped = Case { can: pipelining(), ..CASE };
    assert_eq!(piped.answers("550 503 503 503 503"), ["550@mail"; 3]);
    assert_eq!(piped.answers("450 503 503 503 503"), ["450@mail"; 3]);
    // Some take recipients without a sender.
    assert_eq!(piped.answers("550 250 250 250 503"), ["550@mail"; 3]);
    assert_eq!(piped.answers("250 250 250 450 451"), ["451@data", "451@data", "450@recipient"]);
    assert_eq!(piped.answers("250 250 250 450 354 554"), ["554@message", "554@message", "450@recipient"]);
    assert_eq!(CASE.answers("553"), ["553@mail"; 3]);
    assert_eq!(CASE.answers("250 250 250 550 451"), ["451@data", "451@data", "550@recipient"]);
}

#[test]
fn a_354_with_nobody_accepted_is_ended_by_a_lone_dot() {
    let run = Case { can: pipelining(), ..CASE }.run("250 550 550 550 354 554");
    assert_eq!(run.flushes.last().unwrap(), ".\r\n");
    assert_eq!((run.answers, run.is_closing), (vec!["550@recipient".to_owned(); 3], false));
    let run = Case { can: pipelining(), ..CASE }.run("550 503 503 503 354 250");
    assert_eq!((run.flushes.last().unwrap().as_str(), run.answers), (".\r\n", vec!["550@mail".to_owned(); 3]));
    // In LMTP nobody knows how many answers would follow.
    let run = Case { can: pipelining(), protocol: Protocol::Lmtp, ..CASE }.run("250 550 550 550 354");
    assert!(run.is_closing && run.flushes.len() == 1);
}

#[test]
fn lmtp_answers_for_each_accepted_recipient() {
    let lmtp = Case { can: pipelining(), protocol: Protocol::Lmtp, ..CASE };
    assert_eq!(lmtp.answers("250 250 550 250 354 250 452"), ["250", "550@recipient", "452@message"]);
    assert_eq!(lmtp.answers("250 250 250 250 354 550 250 451"), ["550@message", "250", "451@message"]);
    assert_eq!(lmtp.answers("250 250 250 250 354 250"), ["250", "lost@message?", "lost@message?"]);
    assert_eq!(lmtp.answers("250 250 250 250 354 250 421"), ["250", "421@message", "421@message"]);
    let can = Capabilities { chunking: true, ..pipelining() };
    let chunks = Case { can, protocol: Protocol::Lmtp, ..CASE };
    assert_eq!(chunks.answers("250 250 550 250 250 452"), ["250", "550@recipient", "452@message"]);
    assert_eq!(chunks.answers("250 550 550 550 503"), ["550@recipient"; 3]);
}

#[test]
fn a_lost_connection_says_whether_the_message_may_have_arrived() {
    let piped = Case { can: pipelining(), ..CASE };
    assert_eq!(piped.answers(""), ["lost@mail"; 3]);
    assert_eq!(piped.answers("250 550"), ["550@recipient", "lost@recipient", "lost@recipient"]);
    assert_eq!(piped.answers("250 250 250 250"), ["lost@data"; 3]);
    assert_eq!(piped.answers("250 250 550 250 354"), ["lost@message?", "550@recipient", "lost@message?"]);
    // In one flush the message was under way with the first command.
    let can = Capabilities { chunking: true, ..pipelining() };
    assert_eq!(Case { can, ..CASE }.answers("250 550"), ["550@recipient", "lost@recipient?", "lost@recipient?"]);
}

#[test]
fn after_421_nothing_else_is_awaited() {
    let piped = Case { can: pipelining(), ..CASE };
    let run = piped.run("250 250 421");
    assert_eq!((run.answers, run.is_closing), (vec!["421@recipient".to_owned(); 3], true));
    assert_eq!(piped.answers("421"), ["421@mail"; 3]);
    assert_eq!(piped.answers("250 550 250 250 354 421"), ["550@recipient", "421@message", "421@message"]);
}

#[test]
fn an_answer_that_makes_no_sense_ends_all_trust() {
    let piped = Case { can: pipelining(), ..CASE };
    for replies in ["354", "250 334"] {
        assert!(piped.answers(replies).iter().all(|answer| answer.starts_with("lost@")), "{replies}");
    }
    assert_eq!(piped.answers("250 250 250 250 250"), ["lost@data"; 3]);
    assert_eq!(piped.answers("250 250 250 250 354 354"), ["lost@message?"; 3]);
}

#[test]
fn many_recipients_are_said_in_windows() {
    let many: Vec<_> = (0..250).map(|n| format!("r{n}@there.example")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let run = Case { can: everything(), to: &many, ..CASE }.run(&format!("{} 354 250", "250 ".repeat(251)));
    let commands: Vec<_> = run.flushes.iter().map(|flush| flush.matches("\r\n").count()).collect();
    assert_eq!(commands[..3], [100, 100, 52]);
    assert!(run.answers.iter().all(|answer| answer == "250") && run.answers.len() == 250);
    // Nobody is there: the other windows are said, but no message.
    let run = Case { can: everything(), to: &many[..99], ..CASE }.run(&format!("250 {}", "550 ".repeat(99)));
    assert_eq!(run.flushes.len(), 1);
}

#[test]
fn a_binary_message_goes_in_chunks_and_is_never_touched() {
    let message = [&[b'.', b'\n', b'\r', 0, 0x7f][..], &[b'x'; limits::MESSAGE_SLICE_BYTES]].concat();
    let params = MailParams { body: BodyType::BinaryMime, ..MailParams::default() };
    let case = Case { can: everything(), params, message: &message, to: &["a@there.example"], ..CASE };
    let run = case.run("250 250 250 250");
    assert!(run.flushes[0].starts_with("MAIL FROM:<us@here.example> SIZE=65541 BODY=BINARYMIME\r\n"));
    assert_eq!(run.flushes[1], "BDAT 5\r\n.\n\r\0\x7f");
    assert!(run.flushes[2].starts_with("BDAT 65536 LAST\r\nxxx") && run.flushes[2].ends_with('x'));
    assert_eq!((run.flushes.len(), run.answers), (3, vec!["250".to_owned()]));
    assert_eq!(case.answers("250 250 452"), ["452@data"]);
    assert_eq!(case.answers("250 250 250"), ["lost@message?"]);
    assert_eq!(case.answers("250 250"), ["lost@data"]);
    let small = Case { message: b"\n", params: case.params.clone(), can: everything(), ..CASE };
    assert!(small.run("250 250 250 250 250").flushes[0].ends_with("BDAT 1 LAST\r\n\n"));
}

#[test]
fn a_message_without_its_last_line_end_gets_one() {
    let can = Capabilities { size: Size::Offered, chunking: true, ..pipelining() };
    let case = Case { can, message: b"a: b\r\n\r\nc", to: &["a@there.example"], ..CASE };
    let run = case.run("250 250 250");
    assert!(run.flushes[0].contains(" SIZE=11\r\n") && run.flushes[0].ends_with("BDAT 11 LAST\r\na: b\r\n\r\nc\r\n"));
}

#[test]
fn what_cannot_be_sent_is_not_begun() {
    let (sender, to) = (ReversePath::Null, recipients(&["a@b.example"]));
    let (to, can) = (to.iter().collect::<Vec<_>>(), everything());
    let params = MailParams::default();
    let mail = |message, recipients| Mail { sender: &sender, params: &params, recipients, top: b"", message };
    let begin = |mail| Transaction::new(mail, &can, Protocol::Smtp, Haste::OneFlush).map(|_| ());
    for bare in [&b"a\nb\r\n"[..], b"a\rb\r\n", b"a\r\n.\n.\r\n", b"a\r"] {
        assert_eq!(begin(mail(bare, &to)), Err(Unsendable::BareCrOrLf));
    }
    assert_eq!(begin(mail(FINE, &[])), Err(Unsendable::NoRecipients));
    assert_eq!(begin(mail(FINE, &to)), Ok(()));
}

mod parameters {
    use super::*;
    use crate::mail::envelope::{Notify, OriginalRecipient, Ret};

    fn envelope(can: &Capabilities, params: &MailParams, recipient: &Recipient, message: &[u8]) -> String {
        let sender = ReversePath::Address("us@here.example".parse().unwrap());
        let mail = Mail { sender: &sender, params, recipients: &[recipient], top: b"", message };
        let haste = Haste::HearFirst;
        let mut out = Vec::new();
        Transaction::new(mail, can, Protocol::Smtp, haste).unwrap().next(&mut out);
        String::from_utf8(out).unwrap().replace("\r\nDATA\r\n", "")
    }

    fn full() -> (MailParams, Recipient) {
        let params = MailParams {
            smtputf8: true,
            ret: Some(Ret::Headers),
            envid: Some("a+b=c d".into()),
            require_tls: true,
            ..MailParams::default()
        };
        let notify = Some(Notify::On { success: true, failure: false, delay: true });
        let original = Some(OriginalRecipient { kind: "rfc822".into(), address: "x+y@z".into() });
        (params, Recipient { address: "a@b.example".parse().unwrap(), notify, original })
    }

    #[test]
    fn everything_that_is_offered_is_said() {
        let (params, recipient) = full();
        let message = "Subject: \u{fc}\r\n\r\nx\r\n".as_bytes();
        assert_eq!(
            envelope(&everything(), &params, &recipient, message),
            "MAIL FROM:<us@here.example> SIZE=18 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n\
             RCPT TO:<a@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@z"
        );
    }

    #[test]
    fn what_is_not_offered_is_not_said() {
        let (params, recipient) = full();
        let said = envelope(&pipelining(), &params, &recipient, "Subject: \u{fc}\r\n\r\n".as_bytes());
        assert_eq!(said, "MAIL FROM:<us@here.example>\r\nRCPT TO:<a@b.example>");
    }

    #[test]
    fn what_is_not_needed_is_not_said_either() {
        let (mut params, mut recipient) = full();
        params.body = BodyType::EightBitMime;
        recipient.notify = Some(Notify::Never);
        recipient.original = None;
        let said = envelope(&everything(), &params, &recipient, FINE);
        assert!(!said.contains("BODY=") && !said.contains("SMTPUTF8") && said.ends_with(" NOTIFY=NEVER"), "{said}");
    }

    #[test]
    fn no_value_breaks_a_line_or_outgrows_it() {
        let (mut params, mut recipient) = full();
        params.envid = Some("x\r\nRSET\0".into());
        recipient.original = Some(OriginalRecipient { kind: "rfc822\r\nRSET".into(), address: "x".into() });
        let said = envelope(&everything(), &params, &recipient, FINE);
        assert_eq!(said.matches("\r\n").count(), 1);
        assert!(said.contains("ENVID=x+0D+0ARSET+00") && !said.contains("ORCPT"), "{said}");
        params.envid = Some("+".repeat(limits::ENVID_BYTES_MAX));
        recipient.original = Some(OriginalRecipient { kind: "rfc822".into(), address: "+".repeat(200) });
        let said = envelope(&everything(), &params, &recipient, FINE);
        assert!(!said.contains("ENVID") && !said.contains("ORCPT"), "{said}");
    }

    #[test]
    fn an_international_original_is_said_in_the_form_that_is_read() {
        let (params, mut recipient) = full();
        recipient.original = Some(OriginalRecipient { kind: "utf-8".into(), address: "\u{3b4}@b".into() });
        let header = "Subject: \u{fc}\r\n\r\n".as_bytes();
        assert!(envelope(&everything(), &params, &recipient, header).ends_with("ORCPT=utf-8;\u{3b4}@b"));
        assert!(envelope(&everything(), &params, &recipient, FINE).ends_with("ORCPT=utf-8;\\x{3B4}@b"));
    }
}

#[test]
fn what_a_host_cannot_do_is_known_before() {
    let lacks = |can: &Capabilities, params: &MailParams, to: &str, message: &[u8]| {
        let to = recipients(&[to]);
        let mail = Mail { sender: &ReversePath::Null, params, recipients: &[&to[0]], top: b"", message };
        mail.lacks(can)
    };
    let (can, plain, eight) = (everything(), MailParams::default(), "a: b\r\n\r\n\u{fc}\r\n".as_bytes());
    let without = |change: fn(&mut Capabilities)| {
        let mut can = everything();
        change(&mut can);
        can
    };
    let (binary, utf8, tls) = (
        MailParams { body: BodyType::BinaryMime, ..MailParams::default() },
        MailParams { smtputf8: true, ..MailParams::default() },
        MailParams { require_tls: true, ..MailParams::default() },
    );
    let to = "a@b.example";
    assert_eq!(lacks(&can, &plain, to, eight), None);
    let small = without(|can| can.size = Size::Max(20));
    assert_eq!(lacks(&small, &plain, to, FINE), Some(Lack::Room { bytes: 21, max: 20 }));
    let seven = without(|can| can.eight_bit_mime = false);
    assert_eq!(lacks(&seven, &plain, to, eight), Some(Lack::EightBitMime));
    assert_eq!(lacks(&seven, &MailParams { body: BodyType::EightBitMime, ..plain.clone() }, to, FINE), None);
    assert_eq!(lacks(&without(|can| can.chunking = false), &binary, to, FINE), Some(Lack::BinaryMime));
    assert_eq!(lacks(&without(|can| can.binary_mime = false), &binary, to, FINE), Some(Lack::BinaryMime));
    let ascii = without(|can| can.smtputf8 = false);
    assert_eq!(lacks(&ascii, &utf8, to, eight), None, "only its body is not ASCII");
    assert_eq!(lacks(&ascii, &utf8, to, "a: \u{fc}\r\n\r\n".as_bytes()), Some(Lack::Smtputf8));
    assert_eq!(lacks(&ascii, &plain, "\u{3b4}@b.example", FINE), Some(Lack::Smtputf8));
    assert_eq!(lacks(&without(|can| can.require_tls = false), &tls, to, FINE), Some(Lack::RequireTls));
}
