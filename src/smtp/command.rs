//! A command line as a value: the verb, and what stands behind it, checked and typed.
//!
//! Two steps, because two rules apply: `Verb::of` tells which command it is, so that the session can say
//! whether it may come now (503); `parse_…` then reads its arguments (501, 555).

use super::reply::Reply;
use super::sasl::Mechanism;
use super::xtext;
use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::{BodyType, MailParams, Notify, OriginalRecipient, Recipient, Ret, ReversePath};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Quit,
    Help,
    Vrfy,
    /// Known, and not done here (RFC 5321 4.2.4: 502).
    Undone,
    Unknown,
}

impl Verb {
    /// The verb of a line, and what stands behind it. RFC 5321 2.4: in any case of letters; 4.1.1: blanks
    /// at the end are tolerated.
    pub fn of(line: &str) -> (Self, &str) {
        let line = line.trim_end_matches([' ', '\t']);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = match word.to_ascii_uppercase().as_str() {
            "EHLO" => Self::Ehlo,
            "HELO" => Self::Helo,
            "STARTTLS" => Self::StartTls,
            "AUTH" => Self::Auth,
            "MAIL" => Self::Mail,
            "RCPT" => Self::Rcpt,
            "DATA" => Self::Data,
            "BDAT" => Self::Bdat,
            "RSET" => Self::Rset,
            "NOOP" => Self::Noop,
            "QUIT" => Self::Quit,
            "HELP" => Self::Help,
            "VRFY" => Self::Vrfy,
            "EXPN" | "ETRN" | "ATRN" | "TURN" | "SEND" | "SOML" | "SAML" => Self::Undone,
            _ => Self::Unknown,
        };
        (verb, rest.trim_start_matches(' '))
    }
}

/// How long a line may be, CRLF included, by its first bytes. RFC 5321 4.5.3.1.4: 512, and each extension
/// adds what its parameters need.
pub fn line_bytes_max(begin: &[u8]) -> usize {
    let is = |verb: &[u8]| begin.get(..verb.len()).is_some_and(|found| found.eq_ignore_ascii_case(verb));
    if is(b"AUTH ") {
        limits::AUTH_LINE_BYTES_MAX
    } else if is(b"MAIL ") || is(b"RCPT ") {
        limits::PATH_LINE_BYTES_MAX
    } else {
        limits::COMMAND_BYTES_MAX
    }
}

/// Which parameters the door knows: those of extensions that it offers now.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// RFC 4954 5: MAIL … AUTH=
    pub auth: bool,
    /// RFC 4865: how far ahead a message may be held; none where it is not offered.
    pub hold_max: Option<Duration>,
    pub now: Time,
}

const NOT_A_MAIL: Reply = Reply::new(501, 5, 4, "the form is MAIL FROM:<address>");
const NOT_A_RCPT: Reply = Reply::new(501, 5, 4, "the form is RCPT TO:<address>");
const TWICE: Reply = Reply::new(501, 5, 4, "a parameter came twice");

/// RFC 5321 4.1.1.2
pub fn parse_mail(rest: &str, known: Known) -> Result<(ReversePath, MailParams), Reply> {
    let (path, words) = path_and_words(rest, "FROM:").ok_or(NOT_A_MAIL)?;
    let mut params = MailParams::default();
    let mut seen = Seen::default();
    for word in words {
        let (key, value) = keyword(word, &mut seen)?;
        read_mail_param(&key, value, known, &mut params)?;
    }
    // RFC 5321 4.5.5
    let sender = match path {
        "" => ReversePath::Null,
        path => ReversePath::Address(parse_address(without_route(path), params.smtputf8)?),
    };
    Ok((sender, params))
}

fn read_mail_param(key: &str, value: Option<&str>, known: Known, params: &mut MailParams) -> Result<(), Reply> {
    let bad = |text| Err(Reply::new(501, 5, 4, text));
    match (key, value) {
        // RFC 1870 6.1: up to twenty digits, more than anybody takes is too large, not nonsense.
        ("SIZE", Some(digits)) => match read_number(digits) {
            Some(size) => params.size = Some(size),
            None => return bad("SIZE takes a number"),
        },
        ("BODY", Some(body)) => {
            params.body = match body.to_ascii_uppercase().as_str() {
                "7BIT" => BodyType::SevenBit,
                "8BITMIME" => BodyType::EightBitMime,
                "BINARYMIME" => BodyType::BinaryMime,
                _ => return bad("BODY is 7BIT, 8BITMIME or BINARYMIME"),
            }
        }
        // RFC 6531 3.4
        ("SMTPUTF8", None) => params.smtputf8 = true,
        ("SMTPUTF8", Some(_)) => return bad("SMTPUTF8 takes no value"),
        // RFC 3461 4.3
        ("RET", Some(ret)) => {
            params.ret = match ret.to_ascii_uppercase().as_str() {
                "FULL" => Some(Ret::Full),
                "HDRS" => Some(Ret::Headers),
                _ => return bad("RET is FULL or HDRS"),
            }
        }
        // RFC 3461 4.4
        ("ENVID", Some(envid)) => match xtext::decode(envid) {
            Some(id) if envid.len() <= limits::ENVID_BYTES_MAX && !id.is_empty() => params.envid = Some(id),
            _ => return bad("ENVID is xtext of at most 100 characters"),
        },
        // RFC 8689 4.1
        ("REQUIRETLS", None) => params.require_tls = true,
        ("REQUIRETLS", Some(_)) => return bad("REQUIRETLS takes no value"),
        // RFC 4954 5: an identity that somebody else has seen. We believe our own logins only.
        ("AUTH", Some(identity)) if known.auth => {
            if identity != "<>" && xtext::decode(identity).is_none() {
                return bad("AUTH is xtext or <>");
            }
        }
        ("HOLDFOR" | "HOLDUNTIL", Some(value)) if known.hold_max.is_some() => {
            if params.hold_until.is_some() {
                return Err(TWICE);
            }
            params.hold_until = Some(read_hold(key, value, known)?);
        }
        ("SIZE" | "BODY" | "RET" | "ENVID", None) => return bad("this parameter takes a value"),
        _ => return Err(unknown_parameter(key)),
    }
    Ok(())
}

/// RFC 4865 4: HOLDFOR in seconds, HOLDUNTIL as a time.
fn read_hold(key: &str, value: &str, known: Known) -> Result<Time, Reply> {
    let until = match key {
        "HOLDFOR" => read_number(value).filter(|_| value.len() <= 9).map(|s| known.now.plus(Duration::from_secs(s))),
        _ => read_time(value),
    };
    let until =
        until.ok_or(Reply::new(501, 5, 4, "HOLDFOR takes seconds, HOLDUNTIL a time like 2030-01-31T12:00:00Z"))?;
    if until.since(known.now) > known.hold_max.unwrap_or_default() {
        return Err(Reply::new(501, 5, 4, "that is further ahead than we hold mail, see EHLO"));
    }
    Ok(until)
}

fn read_time(text: &str) -> Option<Time> {
    use time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok().map(Time::from_micros)
}

/// RFC 5321 4.1.1.3. `hostname`: whose postmaster is meant where no domain is named.
pub fn parse_rcpt(rest: &str, smtputf8: bool, hostname: &DomainName) -> Result<Recipient, Reply> {
    let (path, words) = path_and_words(rest, "TO:").ok_or(NOT_A_RCPT)?;
    // RFC 5321 4.5.1: the one local part that needs no domain.
    let address = match path {
        "" => return Err(NOT_A_RCPT),
        name if name.eq_ignore_ascii_case("postmaster") => parse_address(&format!("{name}@{hostname}"), false)?,
        path => parse_address(without_route(path), smtputf8)?,
    };
    let mut recipient = Recipient { address, notify: None, original: None };
    let mut seen = Seen::default();
    for word in words {
        match keyword(word, &mut seen)? {
            (key, Some(value)) if key == "NOTIFY" => recipient.notify = Some(read_notify(value)?),
            (key, Some(value)) if key == "ORCPT" => recipient.original = Some(read_original(value)?),
            (key, _) => return Err(unknown_parameter(&key)),
        }
    }
    Ok(recipient)
}

/// RFC 3461 4.1: NEVER stands alone.
fn read_notify(value: &str) -> Result<Notify, Reply> {
    const BAD: Reply = Reply::new(501, 5, 4, "NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY");
    if value.eq_ignore_ascii_case("NEVER") {
        return Ok(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in value.split(',') {
        let flag = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut success,
            "FAILURE" => &mut failure,
            "DELAY" => &mut delay,
            _ => return Err(BAD),
        };
        if std::mem::replace(flag, true) {
            return Err(BAD);
        }
    }
    Ok(Notify::On { success, failure, delay })
}

/// RFC 3461 4.2, RFC 6533 3.
fn read_original(value: &str) -> Result<OriginalRecipient, Reply> {
    const BAD: Reply = Reply::new(501, 5, 4, "ORCPT is an address type, a semicolon and xtext");
    let (kind, address) = value.split_once(';').ok_or(BAD)?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let address = xtext::decode(address).filter(|text| !text.is_empty()).ok_or(BAD)?;
    if !is_atom || value.len() > limits::ORCPT_BYTES_MAX {
        return Err(BAD);
    }
    Ok(OriginalRecipient { kind: kind.to_ascii_lowercase(), address })
}

/// RFC 4954 4: the mechanism, and its initial response still in base64.
pub fn parse_auth(rest: &str) -> Result<(Mechanism, Option<&str>), Reply> {
    let (name, initial) = match rest.split_once(' ') {
        Some((name, initial)) => (name, Some(initial.trim())),
        None => (rest, None),
    };
    if name.is_empty() {
        return Err(Reply::new(501, 5, 4, "the form is AUTH mechanism"));
    }
    match Mechanism::named(name) {
        Some(mechanism) => Ok((mechanism, initial)),
        None => Err(Reply::new(504, 5, 4, "no such mechanism here, see EHLO")),
    }
}

/// RFC 3030 2: how many bytes come, and whether they are the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub size: u64,
    pub last: bool,
}

pub fn parse_bdat(rest: &str) -> Option<Chunk> {
    let mut words = rest.split_ascii_whitespace();
    let size = read_number(words.next()?)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some(Chunk { size, last })
}

/// Twenty digits at most; what a u64 cannot hold is as large as it can.
fn read_number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// `FROM:<path> words`, where blanks before the path are a widespread habit.
fn path_and_words<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, impl Iterator<Item = &'a str>)> {
    let found = rest.get(..keyword.len())?;
    if !found.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let path = rest[keyword.len()..].trim_start_matches(' ').strip_prefix('<')?;
    let end = end_of_path(path)?;
    let words = &path[end + 1..];
    if !words.is_empty() && !words.starts_with(' ') {
        return None;
    }
    Some((&path[..end], words.split(' ').filter(|word| !word.is_empty())))
}

/// The `>` that closes the path: one in a quoted local part does not.
fn end_of_path(path: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (i, byte) in path.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(i),
            _ => {}
        }
    }
    None
}

/// RFC 5321 4.1.2, C: a source route is accepted and ignored.
fn without_route(path: &str) -> &str {
    match path.split_once(':') {
        Some((route, address)) if route.starts_with('@') => address,
        _ => path,
    }
}

fn parse_address(text: &str, smtputf8: bool) -> Result<Address, Reply> {
    if !text.is_ascii() && !smtputf8 {
        // RFC 6531 3.5
        return Err(Reply::new(553, 6, 7, "a non-ASCII address needs SMTPUTF8"));
    }
    // RFC 5321 4.1.3: hosts without a name get no mail from here.
    if text.ends_with(']') && text.contains("@[") {
        return Err(Reply::new(501, 1, 3, "mail to and from address literals is not taken here"));
    }
    text.parse().map_err(|why| Reply::with(501, 1, 3, format!("no address: {why}")))
}

/// Which keywords came already.
#[derive(Default)]
struct Seen(Vec<String>);

/// RFC 5321 4.1.1.11: `keyword` or `keyword=value`, in any case of letters, once.
fn keyword<'a>(word: &'a str, seen: &mut Seen) -> Result<(String, Option<&'a str>), Reply> {
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    };
    let key = key.to_ascii_uppercase();
    let is_keyword = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !key.starts_with('-');
    if key.is_empty() || !is_keyword || value == Some("") {
        return Err(Reply::new(501, 5, 4, "a parameter is a keyword, or keyword=value"));
    }
    if seen.0.contains(&key) {
        return Err(TWICE);
    }
    seen.0.push(key.clone());
    Ok((key, value))
}

/// RFC 5321 4.1.1.11
fn unknown_parameter(key: &str) -> Reply {
    Reply::with(555, 5, 4, format!("parameter {key} is not known, or not offered here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: Known =
        Known { auth: true, hold_max: Some(Duration::from_secs(3600)), now: Time::from_micros(1_800_000_000_000_000) };

    fn mail(rest: &str) -> Result<(ReversePath, MailParams), String> {
        parse_mail(rest, KNOWN).map_err(|reply| reply.to_string())
    }

    fn rcpt(rest: &str) -> Result<Recipient, String> {
        parse_rcpt(rest, false, &"mx.example.com".parse().unwrap()).map_err(|reply| reply.to_string())
    }

    #[test]
    fn verbs_come_in_any_case_and_with_blanks_behind() {
        assert_eq!(Verb::of("mAiL FROM:<a@b.example>  "), (Verb::Mail, "FROM:<a@b.example>"));
        assert_eq!(Verb::of("QUIT"), (Verb::Quit, ""));
        assert_eq!(Verb::of("MAILFROM:<a@b>").0, Verb::Unknown);
        assert_eq!(Verb::of("").0, Verb::Unknown);
    }

    #[test]
    fn paths_come_in_all_their_forms() {
        for (said, address) in [
            ("FROM:<a@b.example>", "a@b.example"),
            ("from: <a@b.example>", "a@b.example"),
            ("FROM:<@x.example,@y.example:a@b.example>", "a@b.example"),
            ("FROM:<\"a>@\\\" b\"@b.example> SIZE=5", "\"a>@\\\" b\"@b.example"),
        ] {
            assert_eq!(mail(said).unwrap().0.to_string(), address, "{said}");
        }
        assert_eq!(mail("FROM:<>").unwrap().0, ReversePath::Null);
        assert_eq!(rcpt("TO:<Postmaster>").unwrap().address.to_string(), "Postmaster@mx.example.com");
        for wrong in
            ["FROM:a@b.example", "FROM <a@b.example>", "FROM:<a@b.example", "FROM:<a@b.example>SIZE=1", "TO:<a@b>", ""]
        {
            assert!(mail(wrong).unwrap_err().starts_with("501 5.5.4"), "{wrong}");
        }
        for wrong in ["FROM:<a b@c.example>", "FROM:<a..b@c.example>", "FROM:<a@[192.0.2.1]>", "FROM:<a>"] {
            assert!(mail(wrong).unwrap_err().starts_with("501 5.1.3"), "{wrong}");
        }
        assert!(mail("FROM:<ä@b.example>").unwrap_err().starts_with("553 5.6.7"));
        assert!(mail("FROM:<ä@b.example> SMTPUTF8").is_ok());
        assert!(rcpt("TO:<>").unwrap_err().starts_with("501 5.5.4"));
    }

    #[test]
    fn parameters_are_typed() {
        let (_, params) = mail(
            "FROM:<a@b.example> size=99999999999999999999 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb REQUIRETLS AUTH=<> HOLDFOR=60",
        )
        .unwrap();
        assert_eq!(params.size, Some(u64::MAX));
        assert_eq!((params.body, params.smtputf8, params.ret), (BodyType::EightBitMime, true, Some(Ret::Headers)));
        assert_eq!((params.envid.as_deref(), params.require_tls), (Some("a+b"), true));
        assert_eq!(params.hold_until, Some(KNOWN.now.plus(Duration::from_secs(60))));
        let recipient = rcpt("TO:<a@b.example> NOTIFY=success,DELAY ORCPT=RFC822;x+40y.example").unwrap();
        assert_eq!(recipient.notify, Some(Notify::On { success: true, failure: false, delay: true }));
        assert_eq!(recipient.original.unwrap().address, "x@y.example");
    }

    #[test]
    fn wrong_parameters_are_told_from_unknown_ones() {
        for (word, code) in [
            ("SIZE=", "501"),
            ("SIZE", "501"),
            ("SIZE=-1", "501"),
            ("SIZE=1 SIZE=1", "501"),
            ("BODY=9BIT", "501"),
            ("SMTPUTF8=yes", "501"),
            ("RET=ALL", "501"),
            ("ENVID=a+zz", "501"),
            ("ENVID=a+00", "501"),
            ("REQUIRETLS=1", "501"),
            ("HOLDFOR=3601", "501"),
            ("HOLDUNTIL=tomorrow", "501"),
            ("HOLDFOR=1 HOLDUNTIL=2027-01-15T08:00:10Z", "501"),
            ("FOO", "555"),
            ("FOO=bar", "555"),
            ("NOTIFY=NEVER", "555"),
            ("=x", "501"),
        ] {
            let said = format!("FROM:<a@b.example> {word}");
            assert!(mail(&said).unwrap_err().starts_with(code), "{word}: {:?}", mail(&said));
        }
        for (word, code) in [
            ("NOTIFY=NEVER,SUCCESS", "501"),
            ("NOTIFY=", "501"),
            ("NOTIFY=SUCCESS,SUCCESS", "501"),
            ("ORCPT=a@b", "501"),
            ("ORCPT=rfc822;", "501"),
            ("ORCPT=rfc822;a+1", "501"),
            ("SIZE=1", "555"),
        ] {
            let said = format!("TO:<a@b.example> {word}");
            assert!(rcpt(&said).unwrap_err().starts_with(code), "{word}: {:?}", rcpt(&said));
        }
    }

    #[test]
    fn chunks_are_read() {
        assert_eq!(parse_bdat("10"), Some(Chunk { size: 10, last: false }));
        assert_eq!(parse_bdat("0 last"), Some(Chunk { size: 0, last: true }));
        for wrong in ["", "LAST", "-1", "1 FIRST", "1 LAST x", "123456789012345678901", "0x10"] {
            assert_eq!(parse_bdat(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics_and_no_address_breaks_a_line(rest in "(FROM:|TO:|from: )?<?\\PC{0,40}>?[ A-Z=+;,0-9]{0,20}") {
            if let Ok((sender, _)) = parse_mail(&rest, KNOWN) {
                prop_assert!(!sender.to_string().contains(['\r', '\n', '\0']));
            }
            let _ = parse_rcpt(&rest, true, &"mx.example.com".parse().unwrap());
            let _ = (parse_auth(&rest).is_ok(), parse_bdat(&rest), Verb::of(&rest));
        }
    }
}
