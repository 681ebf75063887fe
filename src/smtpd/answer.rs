//! What is said to a command line, and what happens next. No socket, no clock: lines come in, replies
//! go out as bytes. No mail is taken yet; the session that takes it stands behind the same two calls.

use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::smtp::line::Line;

/// What the connection does after the replies so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Listen,
    /// Flush, then take the client's handshake.
    StartTls,
    /// Flush, then close: the client said so, or has used up our patience.
    Close(Close),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    Quit,
    TooManyErrors,
    TooManyCommands,
    BareCrOrLf,
    EndlessLine,
}

/// How the bytes travel, and what is offered about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Plain,
    PlainOfferingTls,
    Tls,
}

/// One client's conversation with us.
pub struct Answerer {
    hostname: DomainName,
    channel: Channel,
    /// Did the client say EHLO or HELO, on this channel?
    greeted: bool,
    commands: u32,
    errors: u32,
}

impl Answerer {
    pub fn new(hostname: DomainName, channel: Channel) -> Self {
        Self { hostname, channel, greeted: false, commands: 0, errors: 0 }
    }

    pub fn commands(&self) -> u32 {
        self.commands
    }

    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// RFC 3207 4.2: what was said in the clear is forgotten. Only our patience is not.
    pub fn forget_all_for_tls(&mut self) {
        self.channel = Channel::Tls;
        self.greeted = false;
    }

    /// RFC 5321 4.2: the first word is ours. No enhanced code in it, nor in answers to EHLO and HELO
    /// (RFC 2034 4).
    pub fn greet(&self, out: &mut Vec<u8>) {
        say(out, &format!("220 {} ESMTP Gatepost", self.hostname));
    }

    /// RFC 5321 3.8: a server that must shut down says 421, whatever was asked or not.
    pub fn say_closing(&self, out: &mut Vec<u8>) {
        say(out, &format!("421 4.3.2 {} is closing, come again", self.hostname));
    }

    /// RFC 5321 4.5.3.2.7
    pub fn say_too_slow(&self, out: &mut Vec<u8>) {
        say(out, &format!("421 4.4.2 {} closes: no command for too long", self.hostname));
    }

    pub fn answer(&mut self, line: Line<'_>, out: &mut Vec<u8>) -> Then {
        self.commands += 1;
        let from = out.len();
        let then = match line {
            Line::Whole(bytes) => self.answer_command(bytes, out),
            Line::TooLong => refuse(out, "500 5.5.2 line too long"),
            Line::BareCrOrLf => {
                say(out, "521 5.5.2 bare CR or LF received: lines end with CRLF, closing");
                Then::Close(Close::BareCrOrLf)
            }
            Line::Endless => {
                say(out, "421 4.5.2 line without end, closing");
                Then::Close(Close::EndlessLine)
            }
        };
        if out.get(from) == Some(&b'5') {
            self.errors += 1;
        }
        match then {
            Then::Listen => self.check_patience(out),
            then => then,
        }
    }

    fn check_patience(&self, out: &mut Vec<u8>) -> Then {
        if self.errors >= limits::COMMAND_ERRORS_MAX {
            say(out, "421 4.7.0 too many errors, closing");
            Then::Close(Close::TooManyErrors)
        } else if self.commands >= limits::COMMANDS_WITHOUT_MAIL_MAX {
            say(out, "421 4.7.0 too many commands without mail, closing");
            Then::Close(Close::TooManyCommands)
        } else {
            Then::Listen
        }
    }

    fn answer_command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Then {
        // RFC 5321 2.3.1, 4.1.1.1: commands are ASCII (SMTPUTF8 is not offered), without control
        // characters; blanks at the end are tolerated.
        let Some(text) = std::str::from_utf8(line).ok().filter(|t| t.bytes().all(|b| matches!(b, b' '..=b'~'))) else {
            return refuse(out, "500 5.5.2 commands are printable ASCII");
        };
        let (verb, argument) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let argument = argument.trim_start();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.answer_ehlo(argument, out),
            "HELO" => self.answer_helo(argument, out),
            "STARTTLS" => self.answer_starttls(argument, out),
            "MAIL" => self.answer_mail(out),
            "RCPT" | "DATA" => refuse(out, "503 5.5.1 MAIL comes first"),
            "RSET" if argument.is_empty() => reply(out, "250 2.0.0 forgotten"),
            "RSET" => refuse(out, "501 5.5.4 RSET takes no argument"),
            "NOOP" => reply(out, "250 2.0.0 OK"),
            "QUIT" if argument.is_empty() => self.answer_quit(out),
            "QUIT" => refuse(out, "501 5.5.4 QUIT takes no argument"),
            "HELP" => reply(out, "214 2.0.0 EHLO HELO STARTTLS MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"),
            // RFC 5321 3.5.3, 7.3: whether an address exists is told to nobody who only asks.
            "VRFY" if argument.is_empty() => refuse(out, "501 5.5.4 VRFY needs a user or an address"),
            "VRFY" => reply(out, "252 2.1.5 cannot verify, but will take mail and try"),
            // RFC 5321 4.2.4: known, and not done here, is 502; not known is 500.
            "EXPN" | "AUTH" | "BDAT" | "ETRN" | "ATRN" | "TURN" | "SEND" | "SOML" | "SAML" => {
                refuse(out, "502 5.5.1 command not implemented")
            }
            _ => refuse(out, "500 5.5.2 command not recognised"),
        }
    }

    /// RFC 5321 4.1.1.1: EHLO also resets, and may come again.
    fn answer_ehlo(&mut self, name: &str, out: &mut Vec<u8>) -> Then {
        if !is_a_name(name) {
            return refuse(out, "501 5.5.4 EHLO needs the name of your host");
        }
        self.greeted = true;
        // RFC 3207 4.2: STARTTLS is not offered inside TLS.
        let offers: &[&str] = match self.channel {
            Channel::PlainOfferingTls => &["PIPELINING", "ENHANCEDSTATUSCODES", "STARTTLS"],
            Channel::Plain | Channel::Tls => &["PIPELINING", "ENHANCEDSTATUSCODES"],
        };
        say(out, &format!("250-{}", self.hostname));
        for (i, offer) in offers.iter().enumerate() {
            let last = i + 1 == offers.len();
            say(out, &format!("250{}{offer}", if last { ' ' } else { '-' }));
        }
        Then::Listen
    }

    fn answer_helo(&mut self, name: &str, out: &mut Vec<u8>) -> Then {
        if !is_a_name(name) {
            return refuse(out, "501 5.5.4 HELO needs the name of your host");
        }
        self.greeted = true;
        reply(out, &format!("250 {}", self.hostname))
    }

    /// RFC 3207 4
    fn answer_starttls(&mut self, argument: &str, out: &mut Vec<u8>) -> Then {
        match self.channel {
            Channel::Tls => refuse(out, "503 5.5.1 TLS is already on"),
            Channel::Plain => refuse(out, "502 5.5.1 TLS is not offered here"),
            Channel::PlainOfferingTls if !argument.is_empty() => refuse(out, "501 5.5.4 STARTTLS takes no argument"),
            Channel::PlainOfferingTls => {
                say(out, "220 2.0.0 ready for TLS");
                Then::StartTls
            }
        }
    }

    fn answer_mail(&self, out: &mut Vec<u8>) -> Then {
        // RFC 5321 4.1.4: a session begins with EHLO or HELO.
        if !self.greeted {
            return refuse(out, "503 5.5.1 EHLO comes first");
        }
        reply(out, "451 4.3.2 this server takes no mail yet")
    }

    fn answer_quit(&self, out: &mut Vec<u8>) -> Then {
        say(out, &format!("221 2.0.0 {} says goodbye", self.hostname));
        Then::Close(Close::Quit)
    }
}

/// RFC 5321 4.1.4: what the client calls itself need not be true, only be there; one word.
fn is_a_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(' ')
}

fn say(out: &mut Vec<u8>, line: &str) {
    debug_assert!(line.len() + 2 <= limits::REPLY_LINE_BYTES_MAX && !line.contains(['\r', '\n']), "{line:?}");
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn reply(out: &mut Vec<u8>, line: &str) -> Then {
    say(out, line);
    Then::Listen
}

/// A reply that counts as an error of the client.
fn refuse(out: &mut Vec<u8>, line: &str) -> Then {
    debug_assert!(line.starts_with('5'), "{line}");
    reply(out, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answerer(channel: Channel) -> Answerer {
        Answerer::new("mail.example.com".parse().unwrap(), channel)
    }

    fn said(to: &mut Answerer, line: &str) -> (String, Then) {
        let mut out = Vec::new();
        let then = to.answer(Line::Whole(line.as_bytes()), &mut out);
        (String::from_utf8(out).unwrap(), then)
    }

    #[test]
    fn each_command_has_its_reply() {
        let mut answerer = answerer(Channel::Plain);
        for (line, reply) in [
            ("MAIL FROM:<a@b.example>", "503 5.5.1 EHLO comes first\r\n"),
            ("EHLO", "501 5.5.4 EHLO needs the name of your host\r\n"),
            ("helo client.example  ", "250 mail.example.com\r\n"),
            ("EHLO [192.0.2.1]", "250-mail.example.com\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n"),
            ("MAIL FROM:<a@b.example>", "451 4.3.2 this server takes no mail yet\r\n"),
            ("RCPT TO:<a@b.example>", "503 5.5.1 MAIL comes first\r\n"),
            ("RSET", "250 2.0.0 forgotten\r\n"),
            ("RSET now", "501 5.5.4 RSET takes no argument\r\n"),
            ("NOOP and more", "250 2.0.0 OK\r\n"),
            ("VRFY root", "252 2.1.5 cannot verify, but will take mail and try\r\n"),
            ("EXPN staff", "502 5.5.1 command not implemented\r\n"),
            ("STARTTLS", "502 5.5.1 TLS is not offered here\r\n"),
            ("", "500 5.5.2 command not recognised\r\n"),
            ("GET / HTTP/1.1", "500 5.5.2 command not recognised\r\n"),
            ("NOOP\u{0}", "500 5.5.2 commands are printable ASCII\r\n"),
            ("EHLO bücher.example", "500 5.5.2 commands are printable ASCII\r\n"),
        ] {
            assert_eq!(said(&mut answerer, line), (reply.to_owned(), Then::Listen), "{line}");
        }
        let (goodbye, then) = said(&mut answerer, "QUIT");
        assert_eq!((goodbye.as_str(), then), ("221 2.0.0 mail.example.com says goodbye\r\n", Then::Close(Close::Quit)));
    }

    #[test]
    fn tls_makes_it_forget_who_greeted_and_is_not_offered_twice() {
        let mut answerer = answerer(Channel::PlainOfferingTls);
        assert!(said(&mut answerer, "EHLO a").0.ends_with("250 STARTTLS\r\n"));
        assert_eq!(said(&mut answerer, "STARTTLS now").0, "501 5.5.4 STARTTLS takes no argument\r\n");
        assert_eq!(said(&mut answerer, "starttls").1, Then::StartTls);
        answerer.forget_all_for_tls();
        assert_eq!(said(&mut answerer, "MAIL FROM:<>").0, "503 5.5.1 EHLO comes first\r\n");
        assert!(!said(&mut answerer, "EHLO a").0.contains("STARTTLS"));
        assert_eq!(said(&mut answerer, "STARTTLS").0, "503 5.5.1 TLS is already on\r\n");
    }

    #[test]
    fn patience_ends_with_421_also_across_starttls() {
        let mut answerer = answerer(Channel::PlainOfferingTls);
        for n in 1..limits::COMMAND_ERRORS_MAX {
            assert_eq!(said(&mut answerer, "HACK").1, Then::Listen, "error {n}");
        }
        answerer.forget_all_for_tls();
        let (words, then) = said(&mut answerer, "HACK");
        assert!(words.ends_with("421 4.7.0 too many errors, closing\r\n"), "{words}");
        assert_eq!(then, Then::Close(Close::TooManyErrors));
    }

    #[test]
    fn commands_without_mail_end_some_day() {
        let mut answerer = answerer(Channel::Plain);
        for _ in 1..limits::COMMANDS_WITHOUT_MAIL_MAX {
            assert_eq!(said(&mut answerer, "NOOP").1, Then::Listen);
        }
        assert_eq!(said(&mut answerer, "NOOP").1, Then::Close(Close::TooManyCommands));
    }
}
