use super::*;
use proptest::prelude::*;

/// A report with these status fields, as most programs write it.
fn report(kind: &str, encoding: &str, status: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@far.example\r\nTo: b-x@rp.example.com\r\nSubject: Undelivered\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\nMIME-Version: 1.0\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: {kind}\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n{status}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Subject: hello\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

fn read_one(status: &str) -> About {
    let read = read(&report("message/delivery-status", "7bit", status)).unwrap_or_else(|| panic!("{status}"));
    assert_eq!(read.recipients.len(), 1, "{read:?}");
    read.recipients[0].clone()
}

#[test]
fn postfix_says_it_so() {
    let read = read(&report(
        "message/delivery-status",
        "7bit",
        "Reporting-MTA: dns; mx.far.example\r\nX-Postfix-Queue-ID: 4AB\r\nX-Postfix-Sender: rfc822; b-x@rp.example.com\r\n\
         Arrival-Date: Sat, 21 Nov 2026 12:00:00 +0000 (UTC)\r\n\r\n\
         Final-Recipient: rfc822; gone@far.example\r\nOriginal-Recipient: rfc822;Gone@far.example\r\n\
         Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; in.far.example\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 <gone@far.example>: Recipient address\r\n    rejected: User unknown\r\n",
    ))
    .unwrap();
    assert_eq!(read.by.as_deref(), Some("mx.far.example"));
    let [about] = &read.recipients[..] else { panic!("{read:?}") };
    assert_eq!(about.action, Action::Failed);
    assert_eq!(about.recipient.as_deref(), Some("gone@far.example"));
    assert_eq!(about.original.as_deref(), Some("Gone@far.example"));
    assert_eq!((about.status, about.is_reply), (Some(Status::new(5, 1, 1)), true));
    assert_eq!(about.remote.as_deref(), Some("in.far.example"));
    let said = "550 5.1.1 <gone@far.example>: Recipient address rejected: User unknown";
    assert_eq!(about.diagnostic.as_deref(), Some(said));
}

/// Trap 54.
#[test]
fn a_delay_is_no_bounce_whatever_its_status_and_its_zone_says() {
    let about = read_one(
        "Reporting-MTA: dns; mx\r\nArrival-Date: Sat, 21 Nov 2026 12:00:00 XYZT (Nowhere/Z\u{f6}ne)\r\n\r\n\
         Final-Recipient: rfc822;slow@far.example\r\nAction: delayed (will be tried again)\r\nStatus: 5.4.7\r\n\
         Will-Retry-Until: some day, MESZ\r\n",
    );
    assert_eq!(about.action, Action::Delayed);
}

#[test]
fn every_action_is_known_in_any_case_and_without_one_the_status_speaks() {
    for (said, action) in [
        ("FAILED", Action::Failed),
        ("delivered", Action::Delivered),
        ("Relayed (to host)", Action::Relayed),
        ("expanded", Action::Expanded),
    ] {
        assert_eq!(read_one(&format!("Final-Recipient: rfc822; a@b.example\r\nAction: {said}\r\n")).action, action);
    }
    let by_status = |status: &str| read_one(&format!("Final-Recipient: a;b@c.d\r\nStatus: {status}\r\n")).action;
    assert_eq!((by_status("5.0.0"), by_status("4.2.2 (full)")), (Action::Failed, Action::Delayed));
    for silent in ["Final-Recipient: rfc822; a@b.example\r\n", "Action: failed\r\n", "Action: exploded\r\n", ""] {
        assert_eq!(read(&report("message/delivery-status", "7bit", silent)), None, "{silent}");
    }
}

#[test]
fn several_recipients_are_read_with_or_without_the_line_between_them() {
    for between in ["\r\n", "", "\r\n \r\n\r\n"] {
        let status = format!(
            "Reporting-MTA: dns;mx\r\n{between}Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n{between}\
             Final-Recipient: rfc822; c@d.example\r\nAction: delayed\r\n"
        );
        let read = read(&report("message/delivery-status", "7bit", &status)).unwrap();
        let told: Vec<_> = read.recipients.iter().map(|about| (about.recipient.as_deref(), about.action)).collect();
        let expected = [(Some("a@b.example"), Action::Failed), (Some("c@d.example"), Action::Delayed)];
        assert_eq!(told, expected, "{between:?}");
    }
}

/// RFC 6533: in UTF-8, or in the escapes of the old kind; and trap 54's reports beyond ASCII.
#[test]
fn addresses_beyond_ascii_are_read_in_both_forms() {
    let old = read_one("Final-Recipient: utf-8; j\\x{F6}rg\\x{2B}x@b.example\r\nAction: failed\r\n");
    assert_eq!(old.recipient.as_deref(), Some("j\u{f6}rg+x@b.example"));
    let status =
        "Final-Recipient: utf-8; j\u{f6}rg@b.example\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 n\u{f6}\r\n";
    let new = read(&report("message/global-delivery-status", "8bit", status)).unwrap();
    assert_eq!(new.recipients[0].recipient.as_deref(), Some("j\u{f6}rg@b.example"));
    let broken = read_one("Final-Recipient: utf-8; j\\x{110000}\\x{zz}\\x{F6@b.example\r\nAction: failed\r\n");
    assert_eq!(broken.recipient.as_deref(), Some("j\\x{110000}\\x{zz}\\x{F6@b.example"));
    // Latin-1, and a charset that does not exist.
    let mut latin = report(
        "message/delivery-status; charset=x-klingon",
        "8bit",
        "Final-Recipient: rfc822; a@b.c\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 n@\r\n",
    );
    let at = latin.windows(3).position(|w| w == b"n@\r").unwrap();
    latin[at + 1] = 0xf6;
    assert_eq!(read(&latin).unwrap().recipients[0].action, Action::Failed);
}

#[test]
fn a_status_may_be_encoded_though_it_should_not() {
    let status = "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, status);
    let read = read(&report("message/delivery-status", "base64", &encoded)).unwrap();
    assert_eq!(read.recipients[0].recipient.as_deref(), Some("a@b.example"));
}

#[test]
fn what_we_compose_ourselves_is_read() {
    use super::super::{Diagnostic, Report, Returned, Told};
    use crate::base::clock::Time;
    use crate::mail::envelope::OriginalRecipient;
    let told = [Told {
        original: Some(OriginalRecipient { kind: "rfc822".into(), address: "Bob@example.net".into() }),
        recipient: "bob@example.net".parse().unwrap(),
        action: Action::Failed,
        status: Status::new(5, 1, 1),
        remote: Some("mx.example.net".into()),
        diagnostic: Some(Diagnostic::Smtp("550 5.1.1 nobody".into())),
        last_attempt: None,
        retry_until: None,
        what: String::new(),
        advice: String::new(),
    }];
    let composed = Report {
        from: "MAILER-DAEMON@example.com".parse().unwrap(),
        to: "app@example.com".parse().unwrap(),
        reporting_mta: &"mail.example.com".parse().unwrap(),
        message_id: "1@example.com".into(),
        boundary: "=_em_7".into(),
        at: Time::default(),
        envelope_id: None,
        arrived: Time::default(),
        original_id: "<1@example.com>",
        subject: "hello",
        told: &told,
        message: b"Subject: hello\r\n\r\ntext\r\n",
        returned: Returned::Full,
        smtputf8: false,
    }
    .compose();
    let read = read(&composed.bytes).unwrap();
    assert_eq!(read.by.as_deref(), Some("mail.example.com"));
    assert_eq!(read.recipients[0].diagnostic.as_deref(), Some("550 5.1.1 nobody"));
    assert_eq!(read.recipients[0].original.as_deref(), Some("Bob@example.net"));
}

#[test]
fn what_is_no_report_has_words() {
    let vacation =
        b"From: bob@far.example\r\nSubject: =?utf-8?q?Bin_im_Urlaub?=\r\nAuto-Submitted: auto-replied\r\n\r\n\
        Hello,\r\n\r\n  I am away.\r\n";
    assert_eq!(read(vacation), None);
    let said = words(vacation);
    assert_eq!((said.subject.as_str(), said.text.as_str()), ("Bin im Urlaub", "Hello, I am away."));
    let long = format!("Subject: x\r\n\r\n{}\r\n", "word ".repeat(10_000));
    assert!(words(long.as_bytes()).text.len() <= limits::RETURNED_TEXT_BYTES_MAX);
}

#[test]
fn a_report_of_thousands_is_read_up_to_the_bound() {
    let one = "Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n";
    let status = one.repeat(limits::REPORT_RECIPIENTS_MAX + 100);
    let read = read(&report("message/delivery-status", "7bit", &status)).unwrap();
    assert_eq!(read.recipients.len(), limits::REPORT_RECIPIENTS_MAX);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = (read(&bytes), words(&bytes));
    }

    #[test]
    fn no_status_makes_it_panic_and_what_is_read_is_one_line(
        status in "((Final-Recipient|Original-Recipient|Action|Status|Diagnostic-Code|Reporting-MTA|Remote-MTA|X)[ :;]{0,3}\
            (rfc822;|utf-8;|smtp;|failed|delayed|5.1.1|\\\\x\\{|[<>@a-z\u{e9}\\}]|\\PC){0,12}(\r\n|\n|\r\n\t|\r\n\r\n)){0,12}",
        kind in "message/delivery-status|message/global-delivery-status|Message/Delivery-Status; charset=\\PC{0,8}",
    ) {
        if let Some(read) = read(&report(&kind, "8bit", &status)) {
            for about in &read.recipients {
                for text in [&about.original, &about.recipient, &about.remote, &about.diagnostic].into_iter().flatten() {
                    prop_assert!(!text.contains(['\r', '\n']), "{text:?}");
                }
            }
        }
    }
}
