use super::*;
use crate::model::outcome::category;
use proptest::prelude::*;
use std::collections::HashSet;

/// One reply as a server gave it, and what it is taken for: `phase code [status] text → end kind category`,
/// with what is done about the site when something is.
type Row = (Phase, &'static str, &'static str, &'static str);

use Phase::{Data, Greeting, Hello, Login, Mail, Message, Recipient, StartTls};

const GOOGLE: &str = "alt1.gmail-smtp-in.l.google.com";
const OUTLOOK: &str = "example-net.mail.protection.outlook.com";
const HOTMAIL: &str = "hotmail-com.olc.protection.outlook.com";
const YAHOO: &str = "mta7.am0.yahoodns.net";
const APPLE: &str = "mx01.mail.icloud.com";
const GMX: &str = "mx00.emig.gmx.net";
const TONLINE: &str = "mx00.t-online.de";
const ORANGE: &str = "smtp-in.orange.fr";
const COMCAST: &str = "mx1a1.comcast.net";
const ANY: &str = "mx.example.net";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // --- nobody there
    (Recipient, ANY, "550 5.1.1 <a@example.net>: Recipient address rejected: User unknown in local recipient table", "never hard unknown_user"),
    (Recipient, ANY, "550 5.1.1 User unknown", "never hard unknown_user"),
    (Recipient, ANY, "550 No such user here", "never hard unknown_user"),
    (Recipient, ANY, "550 Unrouteable address", "never hard unknown_user"),
    (Recipient, ANY, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup", "never hard unknown_user"),
    (Recipient, ANY, "550 unknown user", "never hard unknown_user"),
    (Recipient, ANY, "550 <a@example.net> is not a valid mailbox", "never hard unknown_user"),
    (Recipient, ANY, "550 sorry, no mailbox here by that name (#5.1.1 - chkuser)", "never hard unknown_user"),
    (Recipient, ANY, "511 sorry, no mailbox here by that name", "never hard unknown_user"),
    (Recipient, ANY, "550 5.1.1 The email account that you tried to reach is unknown", "never hard unknown_user"),
    (Recipient, ANY, "554 5.1.1 mailbox does not exist", "never hard unknown_user"),
    (Recipient, ANY, "550 Invalid recipient a@example.net (Mode: normal)", "never hard unknown_user"),
    (Recipient, ANY, "550 5.4.1 Recipient address rejected: Access denied", "never hard unknown_user"),
    (Recipient, ANY, "550 Requested action not taken: mailbox unavailable", "never hard unknown_user"),
    (Recipient, ANY, "550 #5.1.0 Address rejected.", "never hard unknown_user"),
    (Recipient, ANY, "550 5.1.1 Adresse inconnue", "never hard unknown_user"),
    (Recipient, ANY, "550", "never hard unknown_user"),
    (Recipient, ANY, "550 5.1.3 bad address syntax", "never hard bad_address"),
    (Recipient, ANY, "553 5.1.3 what is that", "never hard bad_address"),
    (Recipient, ANY, "551 5.1.6 a has moved to b@example.org", "never hard moved"),
    (Recipient, ANY, "550 5.1.2 no such domain here", "never hard bad_domain"),
    (Recipient, ANY, "550 Host unknown", "never hard unknown_user"),
    (Recipient, ANY, "556 5.1.10 recipient address has null MX", "never hard no_mail"),
    (Recipient, ANY, "521 5.3.2 host does not accept mail", "never soft not_accepting"),
    (Message, ANY, "550 5.1.1 no valid recipients", "never hard unknown_user"),
    (Recipient, GOOGLE, "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces.", "never hard unknown_user"),
    (Recipient, YAHOO, "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [0] - mta1.mail.ne1.yahoo.com", "never hard unknown_user"),
    (Recipient, YAHOO, "552 1 Requested mail action aborted, mailbox not found", "later soft unknown_user"),
    (Recipient, HOTMAIL, "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "never hard unknown_user"),
    (Recipient, OUTLOOK, "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [DB5EUR01FT055.eop-EUR01.prod.protection.outlook.com]", "never hard unknown_user"),
    (Recipient, ORANGE, "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]", "never hard unknown_user"),
    // --- not any more
    (Recipient, ANY, "550 5.2.1 The email account is disabled", "never hard disabled"),
    (Recipient, GOOGLE, "550 5.2.1 The email account that you tried to reach is disabled. Learn more at https://support.google.com/mail/?p=DisabledUser", "never hard disabled"),
    (Recipient, GOOGLE, "550 5.2.1 The email account that you tried to reach is inactive. Learn more at https://support.google.com/mail/?p=DisabledUser", "never hard disabled"),
    (Recipient, ANY, "550 This account has been suspended", "never hard disabled"),
    (Recipient, ANY, "550 Mailbox is inactive", "never hard disabled"),
    (Recipient, ANY, "554 30 Sorry, your message to a@example.net cannot be delivered. This mailbox is disabled (554.30).", "never hard disabled"),
    (Recipient, ANY, "550 5.7.13 user account disabled", "never hard disabled"),
    // --- full
    (Recipient, ANY, "452 4.2.2 The email account that you tried to reach is over quota", "later soft mailbox_full"),
    (Recipient, ANY, "552 5.2.2 Mailbox full", "later soft mailbox_full"),
    (Message, ANY, "552 5.2.2 Mailbox full", "never soft mailbox_full"),
    (Recipient, ANY, "550 5.2.2 user over quota", "never soft mailbox_full"),
    (Recipient, ANY, "552 Quota exceeded (mailbox for user is full)", "later soft mailbox_full"),
    (Message, ANY, "554 5.2.2 mailbox full; STOREDRV.Deliver; quota exceeded", "never soft mailbox_full"),
    (Recipient, GOOGLE, "452-4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp", "later soft mailbox_full"),
    (Recipient, GOOGLE, "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm", "later soft mailbox_full"),
    (Recipient, APPLE, "552 5.2.2 <a@icloud.com>: user is over quota", "later soft mailbox_full"),
    (Message, ANY, "452 4.3.1 Insufficient system storage", "later soft system_full"),
    (Message, ANY, "552 5.3.1 no space left on device", "later soft system_full"),
    (Recipient, ANY, "422 The recipient's mailbox is over its storage limit", "later soft mailbox_full"),
    // --- too large
    (Mail, ANY, "552 5.3.4 Message size exceeds fixed limit", "never soft too_large"),
    (Message, ANY, "552 5.3.4 Error: message file too big", "never soft too_large"),
    (Recipient, ANY, "552 5.3.4 message too big for a@example.net", "never soft too_large"),
    (Recipient, ANY, "552 5.2.3 message larger than this mailbox takes", "never soft too_large"),
    (Message, GOOGLE, "552-5.3.4 Your message exceeded Google's message size limits.", "never soft too_large"),
    (Message, ANY, "554 message size limit exceeded", "never soft too_large"),
    (Message, ANY, "552 too much", "never soft too_large"),
    // --- greylisting
    (Recipient, ANY, "450 4.2.0 <a@example.net>: Recipient address rejected: Greylisted, see http://postgrey.example/help", "later soft greylisted"),
    (Recipient, ANY, "451 4.7.1 Greylisting in action, please come back later", "later soft greylisted"),
    (Recipient, ANY, "451 DT:SPM mx, please try again in 300 seconds", "later soft greylisted"),
    (Message, ANY, "451 4.7.1 Try again later (greylisted)", "later soft greylisted"),
    (Recipient, ANY, "550 Greylisted, retry in a minute", "later soft greylisted"),
    (Recipient, "eu-smtp-inbound-1.mimecast.com", "451 Internal resources are temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451", "later soft greylisted"),
    // --- rates
    (Greeting, ANY, "421 Too many concurrent SMTP connections; please try again later.", "later soft rate slow 5m"),
    (Greeting, ANY, "554 too many connections from your host", "later soft rate slow 5m"),
    (Mail, ANY, "450 4.7.1 Error: too much mail from 192.0.2.1", "later soft rate slow 10m"),
    (Recipient, ANY, "550 5.7.1 sending rate exceeded, slow down", "later soft rate slow 10m"),
    (Mail, ANY, "452 4.3.2 Connection rate limit exceeded.", "later soft rate slow 5m"),
    (Message, GOOGLE, "421-4.7.28 Gmail has detected an unusual rate of mail originating from your IP Netblock [192.0.2.0]. To protect our users from spam, mail has been temporarily rate limited.", "later block rate slow 10m"),
    (Message, GOOGLE, "421-4.7.0 Our system has detected an unusual rate of unsolicited mail originating from your IP address.", "later block rate slow 10m"),
    (Recipient, GOOGLE, "450-4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time.", "later soft recipient_rate"),
    (Recipient, GOOGLE, "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.", "later soft recipient_rate"),
    (Mail, HOTMAIL, "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. For e-mail delivery information see https://postmaster.live.com (S775)", "later block rate slow 30m"),
    (Mail, HOTMAIL, "550 RP-001 The mail server IP connecting to Outlook.com server has exceeded the rate limit allowed.", "later block rate slow 30m"),
    (Mail, YAHOO, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes", "later block reputation suspend 2h"),
    (Mail, YAHOO, "421 4.7.0 [TSS09] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", "later block rate slow 30m"),
    (Greeting, ORANGE, "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]", "later block rate slow 20m"),
    (Greeting, COMCAST, "421 4.1.0 192.0.2.1 Throttled - try again later. Please see http://postmaster.comcast.net/smtp-error-codes.php#RL000010", "later block rate slow 30m"),
    (Recipient, "mx3.qq.com", "550 Mail frequency limited. http://service.mail.qq.com", "later block rate slow 30m"),
    (Recipient, "mxs.mail.ru", "451 Ratelimit exceeded, try again later", "later block rate slow 15m"),
    (Recipient, "mx4.laposte.net", "421 4.7.0 LPN007_405 too many connections", "later block rate slow 20m"),
    // --- blocked, and reputation
    (Greeting, ANY, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", "later block blocklist suspend 1h"),
    (Recipient, ANY, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.spamcop.net", "never block blocklist suspend 1h"),
    (Recipient, ANY, "550 Email blocked by a RBL: listed at b.barracudacentral.org", "never block blocklist suspend 1h"),
    (Mail, HOTMAIL, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).", "never block blocklist suspend 2h"),
    (Recipient, OUTLOOK, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit https://sender.office.com/", "never block blocklist suspend 2h"),
    (Recipient, OUTLOOK, "550 5.7.511 Access denied, banned sender[192.0.2.1].", "never block blocklist suspend 2h"),
    (Message, GOOGLE, "550-5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail.", "never block reputation slow 30m"),
    (Message, GOOGLE, "550-5.7.1 Gmail has detected that this message is likely suspicious due to the very low reputation of the sending domain.", "never block reputation slow 30m"),
    (Greeting, YAHOO, "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", "later block blocklist suspend 4h"),
    (Mail, YAHOO, "553 5.7.2 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.", "never block blocklist suspend 4h"),
    (Greeting, GMX, "554-gmx.net (mxgmx017) Nemesis ESMTP Service not available No SMTP service IP address is block listed.", "later block blocklist suspend 1h"),
    (Greeting, GMX, "554 gmx.net (mxgmx101) Nemesis ESMTP Service not available No SMTP service Bad DNS PTR resource record.", "later block blocklist suspend 1h"),
    (Greeting, TONLINE, "554 IP=192.0.2.1 - A problem occurred. Ask your postmaster for help or to contact tobr@rx.t-online.de to clarify.", "later block reputation suspend 4h"),
    (Mail, COMCAST, "554 resimta-ch2-01v.sys.comcast.net comcast 192.0.2.1 Comcast block for spam. Please see http://postmaster.comcast.net/smtp-error-codes.php#BL000000", "never block blocklist suspend 1h"),
    (Message, APPLE, "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137", "never block policy slow 30m"),
    (Mail, APPLE, "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1", "never block blocklist suspend 1h"),
    (Mail, "mx0a-001.pphosted.com", "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1", "never block blocklist suspend 2h"),
    (Mail, ANY, "554 5.7.1 Your IP address has a poor reputation on Cisco Talos", "never block reputation"),
    (Recipient, ANY, "550 Your IP 192.0.2.1 has been blocked", "never block blocked"),
    (Recipient, ANY, "550 5.7.25 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "never block reverse_dns"),
    (Mail, ANY, "450 4.7.1 Client host rejected: cannot find your hostname, [192.0.2.1]", "later block reverse_dns"),
    (Message, GOOGLE, "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup, or the corresponding forward DNS entry does not match the sending IP.", "never block reverse_dns"),
    (Hello, ANY, "550 HELO rejected: invalid name", "later block hello us"),
    // --- content
    (Message, ANY, "550 5.7.1 This message was classified as SPAM and may not be delivered", "never block spam"),
    (Message, ANY, "554 5.7.1 Message rejected as spam by Content Filtering.", "never block spam"),
    (Message, ANY, "550 High probability of spam", "never block spam"),
    (Message, ANY, "554 5.7.1 Spam message rejected", "never block spam"),
    (Message, "mxs.mail.ru", "550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=xyz", "never block spam"),
    (Message, ANY, "451 4.7.1 temporarily rejected: spam score too high", "later block spam"),
    (Message, ANY, "550 5.7.1 virus infected mail rejected (Eicar-Test-Signature)", "never block malware"),
    (Message, GOOGLE, "552-5.7.0 This message was blocked because its content presents a potential security issue.", "never block malware"),
    (Message, ANY, "550 5.7.1 attachment of this type is not allowed", "never block attachment"),
    (Message, ANY, "554 5.7.1 The message contains a URL listed in SURBL", "never block links"),
    (Message, ANY, "550 5.6.0 what is this", "never soft content"),
    (Message, ANY, "550 5.6.11 Message contains bare LF", "never soft form"),
    (Message, ANY, "554 5.5.2 header From: missing", "never soft form"),
    (Message, ANY, "554 5.7.1 rejected for policy reasons", "never block policy"),
    (Message, ANY, "550 transaction failed", "never block policy"),
    (Message, ANY, "554", "never block policy"),
    // --- authentication
    (Message, GOOGLE, "550-5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.", "never block authentication"),
    (Message, GOOGLE, "550-5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy.", "never block authentication"),
    (Message, OUTLOOK, "550 5.7.515 Access denied, sending domain EXAMPLE.COM does not meet the required authentication level.", "never block authentication"),
    (Message, OUTLOOK, "550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject.", "never block authentication"),
    (Message, YAHOO, "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes", "never block authentication"),
    (Recipient, ANY, "550 5.7.23 SPF validation failed", "never block authentication"),
    (Message, ANY, "550 5.7.20 no passing DKIM signature found", "never block authentication"),
    (Message, ANY, "451 4.7.24 SPF validation error", "later block authentication"),
    (Mail, ANY, "550 5.7.1 Please see http://www.openspf.net/Why: 192.0.2.1 is not allowed to send mail from example.com", "never block authentication"),
    // --- us and our sender
    (Mail, ANY, "550 5.1.8 Sender address rejected: Domain not found", "never block bad_sender"),
    (Mail, ANY, "450 4.1.8 <a@example.com>: Sender address rejected: Domain not found", "later block bad_sender"),
    (Mail, ANY, "550 5.7.27 sender address has null MX", "never block bad_sender"),
    (Mail, ANY, "550 sender verify failed", "never block bad_sender"),
    (Mail, ANY, "530 5.7.0 Must issue a STARTTLS command first", "later block tls_required us"),
    (Mail, ANY, "550 5.7.10 encryption needed", "never block tls_required"),
    (Mail, ANY, "530 5.7.0 Authentication required", "later block login us"),
    (Mail, ANY, "550 5.7.1 you must authenticate first", "never block login us"),
    (Login, ANY, "535 5.7.8 Error: authentication failed", "later block login us"),
    (Login, ANY, "535 bad", "later block login us"),
    (Login, ANY, "454 4.7.0 Temporary authentication failure", "later block login us"),
    (Recipient, ANY, "554 5.7.1 <a@example.net>: Relay access denied", "never soft relay_denied"),
    (Recipient, ANY, "550 5.7.1 Unable to relay for a@example.net", "never soft relay_denied"),
    (Recipient, ANY, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "never soft relay_denied"),
    (Recipient, ANY, "550 5.7.1 you are not permitted to send mail to this group", "never block restricted"),
    (Recipient, ANY, "550 5.7.133 sender not authenticated for group; only members may post", "never block restricted"),
    // --- the dialogue
    (Greeting, ANY, "421 4.3.2 Service shutting down", "later soft busy"),
    (Greeting, ANY, "554 no SMTP service here", "later block policy"),
    (Greeting, ANY, "521 this host does not accept mail", "later block policy"),
    (Hello, ANY, "500 what?", "later soft protocol"),
    (Hello, ANY, "550 go away", "later block policy"),
    (StartTls, ANY, "454 TLS not available due to temporary reason", "later soft tls"),
    (StartTls, ANY, "554 5.7.3 Unable to initialize security subsystem", "later soft tls"),
    (Recipient, ANY, "452 4.5.3 Too many recipients", "later soft too_many_recipients"),
    (Recipient, ANY, "552 too many recipients", "later soft too_many_recipients"),
    (Recipient, ANY, "452", "later soft too_many_recipients"),
    (Recipient, ANY, "503 5.5.1 need MAIL before RCPT", "later soft protocol"),
    (Data, ANY, "421 closing", "later soft not_available"),
    (Message, ANY, "421 4.4.2 Error: timeout exceeded", "later soft busy"),
    (Recipient, ANY, "450 4.2.1 mailbox busy", "later soft mailbox"),
    (Message, ANY, "451 local error in processing", "later soft system"),
    (Message, ANY, "451 4.3.0 Error: queue file write error", "later soft system"),
    (Message, ANY, "554 5.4.6 Too many hops", "never soft loop"),
    (Message, ANY, "554 5.4.14 Hop count exceeded - possible mail loop", "never soft loop"),
    (Mail, ANY, "555 5.5.4 Unsupported option: REQUIRETLS", "never soft protocol"),
    (Mail, ANY, "550 5.7.30 REQUIRETLS support required", "never soft requiretls"),
    (Mail, ANY, "553 5.6.7 non-ASCII address not permitted for SMTPUTF8", "never soft utf8"),
    (Message, ANY, "554 5.6.3 conversion required but not supported", "never soft eight_bit"),
    (Recipient, ANY, "454 4.7.5 certificate is bad", "later block policy"),
    (Recipient, ANY, "550 Temporarily unavailable, try again later", "later soft busy"),
    (Recipient, ANY, "354 go ahead", "later soft protocol"),
];

fn answer(row: &Row) -> (Phase, u16, Option<Status>, String) {
    let (phase, _, line, _) = row;
    let (code, text) = line.split_at(3);
    let text = text.trim_start_matches(['-', ' ']);
    let status = text.split(' ').next().and_then(|word| word.parse().ok());
    (*phase, code.parse().unwrap(), status, text.to_owned())
}

fn shown(judgement: &Judgement) -> String {
    let Some(why) = judgement.outcome.why() else { return "done".to_owned() };
    let end = if matches!(judgement.outcome, Outcome::Later(_)) { "later" } else { "never" };
    let mut shown = format!("{end} {} {}", why.kind.word(), why.category);
    if why.blame == Blame::Us {
        shown.push_str(" us");
    }
    let time = |d: Duration| match d.as_secs() {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds => format!("{}m", seconds / 60),
    };
    match judgement.action {
        Some(Action::Slow(hold)) => shown.push_str(&format!(" slow {}", time(hold))),
        Some(Action::Suspend(during)) => shown.push_str(&format!(" suspend {}", time(during))),
        None => {}
    }
    shown
}

#[test]
fn what_servers_say_is_understood() {
    assert!(ROWS.len() >= 120, "{}", ROWS.len());
    let mut wrong = Vec::new();
    for row in ROWS {
        let (phase, code, status, text) = answer(row);
        let judgement = Replies::built_in().classify(&Answer { phase, host: row.1, code, status, text: &text });
        let got = shown(&judgement);
        if got != row.3 {
            wrong.push(format!("{phase:?} {}\n   is {got}\n not {}", row.2, row.3));
        }
        let class = judgement.outcome.why().unwrap().status.class();
        assert_eq!(class, if got.starts_with("later") { 4 } else { 5 }, "{row:?}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}

fn judge(phase: Phase, code: u16, text: &str) -> Judgement {
    let status = text.split(' ').next().and_then(|word| word.parse().ok());
    Replies::built_in().classify(&Answer { phase, host: ANY, code, status, text })
}

/// Traps 10 and 19 of senders: 552 is temporary for RCPT and lasting after DATA.
#[test]
fn a_552_is_temporary_at_rcpt_and_lasting_after_data() {
    for text in ["", "5.2.2 full", "5.5.3 too many recipients", "whatever"] {
        assert!(matches!(judge(Recipient, 552, text).outcome, Outcome::Later(_)), "{text}");
        let lasting = matches!(judge(Message, 552, text).outcome, Outcome::Never(_));
        assert_eq!(lasting, !text.contains("too many"), "{text}");
    }
}

#[test]
fn a_421_is_later_wherever_it_is_said_and_another_host_may_do() {
    for phase in [Greeting, Hello, StartTls, Login, Mail, Recipient, Data, Message] {
        for text in ["", "5.1.1 user unknown", "4.7.0 no", "mailbox disabled"] {
            let judgement = judge(phase, 421, text);
            assert!(matches!(judgement.outcome, Outcome::Later(_)), "{phase:?} {text}");
            assert_eq!(judgement.about, About::Host);
            assert_ne!(judgement.outcome.why().unwrap().kind, Kind::Hard);
        }
    }
}

/// A blocked server is not a bounced customer: whatever a host says before MAIL, nobody's mail bounces.
#[test]
fn a_lasting_no_before_mail_bounces_nothing() {
    for phase in [Greeting, Hello, StartTls, Login] {
        for code in (500..600).step_by(1) {
            let judgement = judge(phase, code, "5.1.1 user unknown: mailbox does not exist");
            assert!(matches!(judgement.outcome, Outcome::Later(_)), "{phase:?} {code}");
            assert_eq!(judgement.about, About::Host);
        }
    }
}

/// Trap 22: what one host cannot take another one may.
#[test]
fn refusals_of_one_host_are_tried_at_the_next_before_anything_bounces() {
    for text in ["5.3.4 message too big", "5.6.7 no SMTPUTF8 here", "5.7.30 REQUIRETLS support required", "5.6.3 no"] {
        assert_eq!(judge(Mail, 550, text).about, About::Host, "{text}");
    }
    assert_eq!(judge(Recipient, 550, "5.1.1 no such user").about, About::Recipient);
    assert_eq!(judge(Message, 550, "5.7.1 spam").about, About::Message);
}

#[test]
fn what_is_taken_is_done() {
    for (phase, code) in [(Mail, 250), (Recipient, 251), (Recipient, 252), (Message, 250), (Data, 354)] {
        assert_eq!(judge(phase, code, "2.0.0 ok").outcome, Outcome::Done);
    }
}

#[test]
fn the_text_of_a_reply_is_one_short_line() {
    let text = format!("5.1.1 no\r\nsuch\u{0}  user\u{1b}[2J {}", "\u{e9}x ".repeat(2_000));
    let kept = judge(Recipient, 550, &text).outcome.why().unwrap().text.clone();
    assert!(kept.starts_with("5.1.1 no such user [2J \u{e9}x"), "{kept}");
    assert!(kept.len() <= limits::RESPONSE_TEXT_BYTES_MAX && !kept.chars().any(char::is_control));
    let long = judge(Recipient, 550, &"\u{e9}".repeat(3_000)).outcome.why().unwrap().text.clone();
    assert!(long.len() <= limits::RESPONSE_TEXT_BYTES_MAX && long.len() > limits::RESPONSE_TEXT_BYTES_MAX - 4);
    let with = Answer { phase: Recipient, host: ANY, code: 550, status: "5.1.1".parse().ok(), text: "no" };
    assert_eq!(Replies::built_in().classify(&with).outcome.why().unwrap().text, "5.1.1 no");
}

#[test]
fn a_table_of_the_operators_own_decides_in_its_order() {
    let table = Replies::parse(
        r#"
[[reply]]
host = "*.Example.net|other.example"
code = "45x"
status = "4.2.*|*.7.0"
text = "come back"
kind = "block"
category = "mine"
outcome = "never"
blame = "policy"
action = "suspend"
for = "90s"

[[reply]]
code = "4xx"
kind = "soft"
category = "theirs"
"#,
    )
    .unwrap();
    let judge = |host: &str, code: u16, text: &str| {
        let status = text.split(' ').next().and_then(|word| word.parse().ok());
        shown(&table.classify(&Answer { phase: Recipient, host, code, status, text }))
    };
    assert_eq!(judge("MX.example.NET.", 451, "4.2.9 please COME BACK"), "never block mine suspend 1m");
    assert_eq!(judge("other.example", 450, "4.7.0 come back"), "never block mine suspend 1m");
    for (host, code, text) in [
        ("mx.notexample.net", 451, "4.2.9 come back"),
        ("mx.example.net", 461, "4.2.9 come back"),
        ("mx.example.net", 451, "4.3.9 come back"),
        ("mx.example.net", 451, "come back"),
        ("mx.example.net", 451, "4.2.9 go away"),
    ] {
        assert_eq!(judge(host, code, text), "later soft theirs", "{host} {code} {text}");
    }
    assert_eq!(table.len(), 2);
    assert!(!table.is_empty() && Replies::parse("").unwrap().is_empty());
}

#[test]
fn a_broken_table_is_an_error_with_its_line() {
    let entry = |more: &str| format!("# mine\n[[reply]]\ncode = \"550\"\n{more}\n");
    let good = "kind = \"soft\"\ncategory = \"x\"\n";
    for (text, line, why) in [
        ("x = [", Some(1), ""),
        ("# a\n[[replay]]\n", Some(2), "unknown field"),
        (&entry("kind = \"soft\""), Some(2), "missing field `category`"),
        (&entry("kind = \"sotf\"\ncategory = \"x\""), Some(4), "did you mean \"soft\"?"),
        (&entry(&format!("{good}status = \"5.1\"")), Some(6), "no enhanced code"),
        (&entry(&format!("{good}status = \"3.1.1\"")), Some(6), "no enhanced code"),
        (&entry(&format!("{good}text = \"(\"")), Some(6), "no regular expression"),
        (&entry(&format!("{good}text = \"a*\"")), Some(6), "found in every text"),
        (&entry(&format!("{good}text = \"(a{{1000}}){{1000}}\"")), Some(6), "compiles to too much"),
        (&entry(&format!("{good}host = \"*.\"")), Some(6), "no host"),
        (&entry(&format!("{good}outcome = \"done\"")), Some(6), "none of later, never"),
        (&entry(&format!("{good}action = \"slow\"")), Some(6), "needs \"for\""),
        (&entry(&format!("{good}for = \"1m\"")), Some(6), "without \"action\""),
        (&entry(&format!("{good}action = \"slow\"\nfor = \"2d\"")), Some(7), "no time"),
        (&entry(&format!("{good}action = \"slow\"\nfor = \"0s\"")), Some(7), "no time"),
        (&entry("kind = \"soft\"\ncategory = \"Mail Box\""), Some(5), "no category"),
        ("[[reply]]\nkind = \"soft\"\ncategory = \"x\"\n", Some(1), "would be every reply"),
        ("[[reply]]\ncode = \"250\"\nkind = \"soft\"\ncategory = \"x\"\n", Some(2), "no code"),
        ("[[reply]]\ncode = \"5xx|x50\"\nkind = \"soft\"\ncategory = \"x\"\n", Some(2), "no code"),
    ] {
        let bad = Replies::parse(text).err().unwrap_or_else(|| panic!("was taken: {text}"));
        assert_eq!(bad.line, line, "{text}: {bad}");
        assert!(bad.why.contains(why), "{text}: {bad}");
    }
    let file = tempfile::tempdir().unwrap();
    let none = Replies::open(Some(&file.path().join("none.toml"))).err().unwrap();
    assert!(none.to_string().contains("cannot be read"), "{none}");
}

/// The table that is built in is as large as it says, and none of its categories is a slip of the pen.
#[test]
fn the_table_that_is_built_in_is_whole() {
    let replies = Replies::built_in();
    assert!(replies.len() >= 80, "{}", replies.len());
    let seen: HashSet<&str> = ROWS.iter().map(|row| row.3.split(' ').nth(2).unwrap()).collect();
    assert!(seen.len() > 30, "{seen:?}");
}

#[test]
fn what_was_no_answer_never_bounces_by_itself() {
    let since = crate::base::clock::Time::default();
    let lost = network::lost("h", Recipient, "it was closed");
    assert!(matches!(&lost.outcome, Outcome::Later(why) if why.status.class() == 4), "{lost:?}");
    assert_eq!(network::not_configured("the relay \"x\" is gone").status.class(), 4);
    assert!(matches!(network::unsendable("no").outcome, Outcome::Never(why) if why.status.class() == 5));
    let end = network::expired(lost.outcome.why(), since);
    let why = end.why().unwrap();
    assert_eq!((why.status.to_string().as_str(), why.category.as_str()), ("4.4.7", category::EXPIRED));
    assert!(why.text.ends_with("last: h: it was closed (recipient)"), "{}", why.text);
    assert_eq!(network::expired(None, since).word(), "never:us");
}

/// RFC 1047: behind the dot nobody knows, and another host would deliver it twice for certain.
#[test]
fn a_connection_lost_behind_the_dot_is_possibly_delivered() {
    let judgement = network::possibly_delivered("h", "the connection was closed");
    assert_eq!(judgement.outcome.why().unwrap().category, category::POSSIBLY_DELIVERED);
    assert_eq!(judgement.about, About::Message);
    assert!(matches!(judgement.outcome, Outcome::Later(_)));
}

proptest! {
    #[test]
    fn any_reply_has_an_outcome_and_its_class(
        phase in proptest::sample::select(vec![Greeting, Hello, StartTls, Login, Mail, Recipient, Data, Message]),
        code in 0_u16..1_000,
        class in prop_oneof![Just(2_u8), Just(4), Just(5)],
        subject in 0_u16..1_000,
        detail in 0_u16..1_000,
        text in "\\PC{0,300}|(user|mailbox|full|spam|try| |later|rate|blocked|\r\n){0,12}",
        host in "[a-z.]{0,40}",
        has_status: bool,
    ) {
        let status = has_status.then(|| Status::new(class, subject, detail));
        let judgement = Replies::built_in().classify(&Answer { phase, host: &host, code, status, text: &text });
        match &judgement.outcome {
            Outcome::Done => prop_assert!(code / 100 == 2 || code == 354),
            Outcome::Later(why) => {
                prop_assert_eq!(why.status.class(), 4);
                prop_assert!(why.kind != Kind::Hard);
            }
            Outcome::Never(why) => {
                prop_assert_eq!(why.status.class(), 5);
                prop_assert!(code / 100 == 5 && !is_before_mail(phase));
            }
        }
    }
}
