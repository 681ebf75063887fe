//! The Received field that every host writes on top of a message (RFC 5321 4.4).

use super::address::Address;
use super::date::Date;
use super::domain_name::DomainName;
use crate::base::clock::Time;
use crate::base::id::MessageId;
use crate::base::limits;
use std::fmt::Write;
use std::net::IpAddr;

/// How a message came into our hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// What the client called itself in EHLO or HELO, printable; none when it never said.
    pub hello: Option<String>,
    /// Its address, as conveyed by a listed proxy if there is one.
    pub address: Option<IpAddr>,
    pub by: DomainName,
    pub protocol: Protocol,
    /// Version and cipher suite, as in `TLSv1.3` and `TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<(&'static str, String)>,
    pub at: Time,
}

/// RFC 3848, RFC 6531 3.7.3: the word after "with".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub esmtp: bool,
    pub tls: bool,
    pub authenticated: bool,
    pub utf8: bool,
}

impl Protocol {
    pub fn word(self) -> &'static str {
        match (self.utf8, self.tls, self.authenticated) {
            _ if !self.esmtp => "SMTP",
            (false, false, false) => "ESMTP",
            (false, false, true) => "ESMTPA",
            (false, true, false) => "ESMTPS",
            (false, true, true) => "ESMTPSA",
            (true, false, false) => "UTF8SMTP",
            (true, false, true) => "UTF8SMTPA",
            (true, true, false) => "UTF8SMTPS",
            (true, true, true) => "UTF8SMTPSA",
        }
    }
}

impl Hop {
    /// The field with its line end. `only` is the recipient when there is exactly one: among several
    /// nobody is told of the others (RFC 5321 7.2).
    pub fn field(&self, id: &MessageId, only: Option<&Address>) -> String {
        self.written(id, only, Client::Named)
    }

    /// The same without the client: RFC 5321 7.6 knows of sites that hide who is behind them.
    pub fn field_without_client(&self, id: &MessageId, only: Option<&Address>) -> String {
        self.written(id, only, Client::Hidden)
    }

    fn written(&self, id: &MessageId, only: Option<&Address>, client: Client) -> String {
        let mut field = Folded::begin("Received:");
        // RFC 5321 4.4: who was written here came from nowhere, by no protocol.
        let is_from_here = self.hello.is_none() && self.address.is_none();
        if !is_from_here && client == Client::Named {
            self.write_from(&mut field);
        }
        field.add(format_args!("by {}", self.by));
        if !is_from_here {
            field.add(format_args!("with {}", self.protocol.word()));
        }
        if let Some((version, suite)) = &self.tls {
            field.add(format_args!("({} {})", plain(version), plain(suite)));
        }
        // RFC 6531 3.7.3: an address beyond ASCII stands here only when the transaction was UTF8SMTP.
        let named = only.filter(|address| self.protocol.utf8 || address.local().is_ascii());
        match named {
            Some(address) => {
                field.add(format_args!("id {id}"));
                field.add(format_args!("for <{address}>;"));
            }
            None => field.add(format_args!("id {id};")),
        }
        field.add(format_args!("{}", Date(self.at)));
        field.end()
    }

    /// RFC 5321 4.4: the name that the client gave, and its address as we saw it. A name that is none is
    /// only quoted, behind the address.
    fn write_from(&self, field: &mut Folded) {
        let hello = self.hello.as_deref().unwrap_or_default();
        let claimed = hello.parse::<DomainName>().ok().map(|name| name.to_string()).or_else(|| literal(hello));
        match (&claimed, self.address) {
            (Some(name), _) => field.add(format_args!("from {name}")),
            (None, Some(address)) => field.add(format_args!("from {}", Literal(address))),
            (None, None) => field.add(format_args!("from unknown")),
        }
        if let Some(address) = self.address {
            field.add(format_args!("({})", Literal(address)));
        }
        if claimed.is_none() && !hello.is_empty() {
            field.add(format_args!("(helo={})", plain(hello)));
        }
    }
}

/// Whether a Received field says from whom.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Named,
    Hidden,
}

/// RFC 5321 4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
struct Literal(IpAddr);

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.to_canonical() {
            IpAddr::V4(address) => write!(f, "[{address}]"),
            IpAddr::V6(address) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// A client may call itself by an address literal; written anew, so that nothing else slips through.
fn literal(hello: &str) -> Option<String> {
    let inner = hello.strip_prefix('[')?.strip_suffix(']')?;
    let address = match inner.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => IpAddr::V6(inner[5..].parse().ok()?),
        _ => IpAddr::V4(inner.parse().ok()?),
    };
    Some(Literal(address).to_string())
}

/// What may stand in a comment as it is: a hostile name ends neither the comment nor the line.
fn plain(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_graphic() && !"()\\\"<>;".contains(c) { c } else { '?' };
    text.chars().take(limits::HELLO_SHOWN_MAX).map(keep).collect()
}

/// A field written word by word. RFC 5322 2.1.1: lines of at most 78 characters where the words let it,
/// and never above 998.
struct Folded {
    text: String,
    line_from: usize,
}

impl Folded {
    const LINE: usize = 78;

    fn begin(name: &str) -> Self {
        let mut text = String::with_capacity(256);
        text.push_str(name);
        Self { text, line_from: 0 }
    }

    fn add(&mut self, words: std::fmt::Arguments<'_>) {
        let space = self.text.len();
        // Invariant: writing to a String cannot fail.
        let _ = write!(self.text, " {words}");
        if self.text.len() - self.line_from > Self::LINE && space > self.line_from + 1 {
            self.text.replace_range(space..space + 1, "\r\n\t");
            self.line_from = space + 2;
        }
    }

    fn end(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id;
    use crate::base::random::Random;
    use crate::mail::header::{Ending, Header};
    use proptest::prelude::*;

    fn hop(hello: Option<&str>) -> Hop {
        Hop {
            hello: hello.map(str::to_owned),
            address: Some("192.0.2.1".parse().unwrap()),
            by: "mail.example.com".parse().unwrap(),
            protocol: Protocol { esmtp: true, tls: true, authenticated: true, utf8: false },
            tls: Some(("TLSv1.3", "TLS13_AES_256_GCM_SHA384".to_owned())),
            at: Time::from_micros(1_793_245_479_123_456),
        }
    }

    fn id() -> MessageId {
        id::new(Time::from_micros(1_793_245_479_123_456), &Random::seeded(1))
    }

    #[test]
    fn a_field_says_who_gave_it_to_whom_and_when() {
        let id = id();
        let address: Address = "someone@example.net".parse().unwrap();
        assert_eq!(
            hop(Some("App.example")).field(&id, Some(&address)),
            format!(
                "Received: from app.example ([192.0.2.1]) by mail.example.com with ESMTPSA\r\n\
                 \t(TLSv1.3 TLS13_AES_256_GCM_SHA384) id {id}\r\n\
                 \tfor <someone@example.net>; Thu, 29 Oct 2026 03:44:39 +0000\r\n"
            )
        );
        let mut bare = hop(None);
        (bare.tls, bare.protocol.tls, bare.protocol.authenticated) = (None, false, false);
        assert_eq!(
            bare.field(&id, None),
            format!(
                "Received: from [192.0.2.1] ([192.0.2.1]) by mail.example.com with ESMTP\r\n\
                 \tid {id}; Thu, 29 Oct 2026 03:44:39 +0000\r\n"
            )
        );
        let hidden = hop(Some("pc.of.jane")).field_without_client(&id, None);
        assert!(hidden.starts_with("Received: by mail.example.com with ESMTPSA"), "{hidden}");
        assert!(!hidden.contains("jane") && !hidden.contains("192.0.2.1"));
        bare.address = None;
        assert!(bare.field(&id, None).starts_with("Received: by mail.example.com id "));
    }

    #[test]
    fn a_name_is_a_name_or_only_quoted() {
        for (hello, from) in [
            ("m\u{fc}nchen.example", "from xn--mnchen-3ya.example ([192.0.2.1])"),
            ("[192.0.2.7]", "from [192.0.2.7] ([192.0.2.1])"),
            ("[ipv6:2001:DB8::1]", "from [IPv6:2001:db8::1] ([192.0.2.1])"),
            ("192.0.2.7", "from [192.0.2.1] ([192.0.2.1]) (helo=192.0.2.7)"),
            ("my pc", "from [192.0.2.1] ([192.0.2.1]) (helo=my?pc)"),
            ("x) by evil.example (", "from [192.0.2.1] ([192.0.2.1]) (helo=x??by?evil.example??)"),
            ("a\r\nBcc: b", "from [192.0.2.1] ([192.0.2.1]) (helo=a??Bcc:?b)"),
        ] {
            let field = hop(Some(hello)).field(&id(), None).replace("\r\n\t", " ");
            assert!(field.starts_with(&format!("Received: {from} by ")), "{field}");
        }
    }

    #[test]
    fn nobody_is_named_beyond_ascii_without_utf8smtp() {
        let address: Address = "\u{3b4}@example.net".parse().unwrap();
        let mut hop = hop(None);
        assert!(!hop.field(&id(), Some(&address)).contains("for"));
        hop.protocol.utf8 = true;
        assert!(hop.field(&id(), Some(&address)).contains("for <\u{3b4}@example.net>;"));
        assert_eq!(hop.protocol.word(), "UTF8SMTPSA");
        hop.protocol.esmtp = false;
        assert_eq!(hop.protocol.word(), "SMTP");
    }

    proptest! {
        #[test]
        fn nothing_said_breaks_out_of_the_field(
            hello in prop_oneof![any::<String>(), "[()\\\\\"<>;\r\n\t a-z.:\\[\\]]{0,600}"],
            local in "[ -~]{1,62}",
        ) {
            let address = format!("\"{}\"@example.net", local.replace(['"', '\\'], "x")).parse::<Address>().ok();
            let field = hop(Some(&hello)).field(&id(), address.as_ref());
            let message = format!("{field}\r\n");
            let header = Header::read(message.as_bytes());
            prop_assert_eq!((header.received, header.bytes, header.ending), (1, field.len(), Ending::EmptyLine));
            prop_assert!(field.is_ascii());
            prop_assert!(field.lines().all(|line| line.len() <= 998));
            prop_assert!(field.lines().all(|line| line.len() <= 78 || !line.trim().contains(' ') || line.contains('"')
                || line.contains("helo=") || line.contains("from ")));
            let quoted = field.matches(['(', ')']).count();
            prop_assert!(address.is_some_and(|a| a.local().contains(['(', ')'])) || quoted.is_multiple_of(2));
        }
    }
}
