//! Everything that a client of the model may say: the bytes of it, and what the RFCs make of them when
//! they are a command.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::LazyLock;

#[derive(Clone, Debug)]
pub struct Phrase {
    pub wire: Vec<u8>,
    pub means: Means,
}

/// What a line is where a command is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    Ehlo,
    Helo,
    Mail(Mail),
    Rcpt(Rcpt),
    Data,
    Chunk {
        bytes: usize,
        last: bool,
    },
    /// More than anybody swallows.
    HugeChunk,
    Rset,
    StartTls,
    Quit,
    Auth(Auth),
    /// The same reply in every state: NOOP, and all that is wrong by its form.
    Always(&'static str),
    /// No command, and the end of all trust.
    Bare,
    /// SCRAM's final message: its bytes depend on the server's challenge. With the right password?
    ScramFinal {
        right: bool,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    pub sender: &'static str,
    pub binary: bool,
    pub utf8: bool,
    /// Wrong by its form or its bounds, wherever it comes.
    pub wrong: Option<&'static str>,
    pub requires_tls: bool,
    /// With a parameter that only submitters may use.
    pub submitter: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rcpt {
    pub address: &'static str,
    pub wrong: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
    Scram,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The initial response, decoded.
    With(Mechanism, Option<Vec<u8>>),
    Wrong(&'static str),
}

pub const SCRAM_FIRST: &str = "n=user,r=a-nonce";

pub fn said(line: impl AsRef<[u8]>, means: Means) -> Phrase {
    Phrase { wire: [line.as_ref(), b"\r\n"].concat(), means }
}

fn mail(rest: &str, mail: Mail) -> Phrase {
    said(format!("MAIL FROM:{rest}"), Means::Mail(mail))
}

fn wrong_mail(line: &str, reply: &'static str) -> Phrase {
    said(line, Means::Mail(Mail { wrong: Some(reply), ..Mail::default() }))
}

fn rcpt(rest: &str, address: &'static str) -> Phrase {
    said(format!("RCPT TO:{rest}"), Means::Rcpt(Rcpt { address, wrong: None }))
}

fn wrong_rcpt(line: &str, reply: &'static str) -> Phrase {
    said(line, Means::Rcpt(Rcpt { address: "", wrong: Some(reply) }))
}

fn auth(name: &str, mechanism: Mechanism, initial: Option<&[u8]>) -> Phrase {
    let line = match initial {
        None => format!("AUTH {name}"),
        Some(b"") => format!("AUTH {name} ="),
        Some(bytes) => format!("AUTH {name} {}", STANDARD.encode(bytes)),
    };
    said(line, Means::Auth(Auth::With(mechanism, initial.map(<[u8]>::to_vec))))
}

pub const NOT_A_COMMAND: &str = "500 5.5.2";

/// A line of text, or of a dialogue: as a command it is not known.
pub fn text(line: impl AsRef<[u8]>) -> Phrase {
    said(line, Means::Always(NOT_A_COMMAND))
}

pub fn encoded(response: &[u8]) -> Phrase {
    text(STANDARD.encode(response))
}

fn bare(wire: &[u8]) -> Phrase {
    Phrase { wire: wire.to_vec(), means: Means::Bare }
}

/// The client's phrases by what they are good for; `all` is any of them, for whoever wants to err.
pub struct Phrases {
    pub hellos: Vec<Phrase>,
    pub mails: Vec<Phrase>,
    pub rcpts: Vec<Phrase>,
    pub contents: Vec<Phrase>,
    pub auths: Vec<Phrase>,
    pub responses: Vec<Phrase>,
    /// Not lines, and never said but inside a chunk.
    pub pieces: Vec<Phrase>,
    pub all: Vec<Phrase>,
}

pub fn phrases() -> &'static Phrases {
    static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
        let (hellos, mails, rcpts) = (hellos(), mails(), rcpts());
        let (contents, auths, responses) = (contents(), auths(), responses());
        let groups = [&hellos, &mails, &rcpts, &contents, &auths, &responses, &others()];
        let all = groups.into_iter().flatten().cloned().collect();
        Phrases { hellos, mails, rcpts, contents, auths, responses, pieces: pieces(), all }
    });
    &PHRASES
}

fn hellos() -> Vec<Phrase> {
    let no_name = || Means::Always("501 5.5.4");
    vec![
        said("EHLO client.example", Means::Ehlo),
        said("ehlo [192.0.2.1]  ", Means::Ehlo),
        said("EHLO client.example", Means::Ehlo),
        said("HELO client.example", Means::Helo),
        said("EHLO", no_name()),
        said("HELO a b", no_name()),
    ]
}

/// Who is called no, later or away is met with that by whoever decides.
fn mails() -> Vec<Phrase> {
    let from = |sender| Mail { sender, ..Mail::default() };
    vec![
        mail("<a@far.example>", from("a@far.example")),
        mail("<>", from("")),
        said("mail from: <b@far.example> size=10  ", Means::Mail(from("b@far.example"))),
        mail("<\"c d\"@far.example> BODY=8BITMIME RET=FULL ENVID=x", from("\"c d\"@far.example")),
        mail("<@hop.example:e@far.example>", from("e@far.example")),
        mail("<bin@far.example> BODY=BINARYMIME", Mail { binary: true, ..from("bin@far.example") }),
        mail("<ü@far.example> SMTPUTF8", Mail { utf8: true, ..from("ü@far.example") }),
        mail("<tls@far.example> REQUIRETLS", Mail { requires_tls: true, ..from("tls@far.example") }),
        mail("<f@far.example> HOLDFOR=60", Mail { submitter: true, ..from("f@far.example") }),
        mail("<g@far.example> AUTH=<>", Mail { submitter: true, ..from("g@far.example") }),
        mail("<no@far.example>", from("no@far.example")),
        mail("<later@far.example>", from("later@far.example")),
        mail("<away@far.example>", from("away@far.example")),
        mail("<refused@far.example>", from("refused@far.example")),
        mail("<deferred@far.example>", from("deferred@far.example")),
        wrong_mail("MAIL FROM:<a@far.example> SIZE=401", "552 5.3.4"),
        wrong_mail("MAIL FROM:<a@far.example> SIZE=99999999999999999999", "552 5.3.4"),
        wrong_mail("MAIL FROM:<a@far.example> SIZE=x", "501 5.5.4"),
        wrong_mail("MAIL FROM:<a@far.example> BODY=9BIT", "501 5.5.4"),
        wrong_mail("MAIL FROM:<a@far.example> COLOUR=red", "555 5.5.4"),
        wrong_mail("MAIL FROM:<a b@far.example>", "501 5.1.3"),
        wrong_mail("MAIL FROM:<ü@far.example>", "553 5.6.7"),
        wrong_mail("MAIL FROM:a@far.example", "501 5.5.4"),
        wrong_mail("MAIL", "501 5.5.4"),
    ]
}

fn rcpts() -> Vec<Phrase> {
    vec![
        rcpt("<a@our.example>", "a@our.example"),
        rcpt("<b@our.example>", "b@our.example"),
        said("rcpt to: <c@OUR.example> notify=never", Means::Rcpt(Rcpt { address: "c@our.example", wrong: None })),
        rcpt("<\"d>\"@our.example> ORCPT=rfc822;x", "\"d>\"@our.example"),
        rcpt("<Postmaster>", "Postmaster@mail.example.com"),
        rcpt("<ü@our.example>", "ü@our.example"),
        rcpt("<no@our.example>", "no@our.example"),
        rcpt("<later@our.example>", "later@our.example"),
        rcpt("<away@our.example>", "away@our.example"),
        wrong_rcpt("RCPT TO:<>", "501 5.5.4"),
        wrong_rcpt("RCPT TO:<a@our.example", "501 5.5.4"),
        wrong_rcpt("RCPT TO:<a..b@our.example>", "501 5.1.3"),
        wrong_rcpt("RCPT TO:<a@our.example> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        wrong_rcpt("RCPT TO:<a@our.example> COLOUR=red", "555 5.5.4"),
    ]
}

fn contents() -> Vec<Phrase> {
    vec![
        text("Subject: x"),
        text(""),
        text("some words of text"),
        text(".."),
        text(".stuffed"),
        text("x".repeat(100)),
        text("x".repeat(390)),
        said(b"\xff\xfe", Means::Always("501 5.5.2")),
        bare(b"a\nb\r\n"),
        bare(b"a\rb\r\n"),
        bare(b"a\r\r\n"),
        bare(b"\n.\n"),
        bare(b"\n.\r\n"),
        bare(b".\n"),
        bare(b"\r.\r\n"),
        bare(b".\r\r\n"),
        bare(b".\rb\r\n"),
    ]
}

fn pieces() -> Vec<Phrase> {
    [&b"ab\r"[..], b"\ncd", b"\r", b"\n", b".", b".\r", b"\0\xff", b"Subject: x\r\n\r\n.\r\n"].map(bare).to_vec()
}

fn auths() -> Vec<Phrase> {
    let first = format!("n,,{SCRAM_FIRST}");
    let wrong = |line: &str, reply| said(line, Means::Auth(Auth::Wrong(reply)));
    vec![
        auth("PLAIN", Mechanism::Plain, None),
        auth("plain", Mechanism::Plain, Some(b"\0user\0right")),
        auth("PLAIN", Mechanism::Plain, Some(b"\0user\0wrong")),
        auth("PLAIN", Mechanism::Plain, Some(b"user\0user\0right")),
        auth("PLAIN", Mechanism::Plain, Some(b"boss\0user\0right")),
        auth("PLAIN", Mechanism::Plain, Some(b"")),
        auth("LOGIN", Mechanism::Login, None),
        auth("LOGIN", Mechanism::Login, Some(b"user")),
        auth("SCRAM-SHA-256", Mechanism::Scram, None),
        auth("Scram-Sha-256", Mechanism::Scram, Some(first.as_bytes())),
        auth("SCRAM-SHA-256", Mechanism::Scram, Some(first.as_bytes())),
        auth("SCRAM-SHA-256", Mechanism::Scram, Some(b"p=x,,n=user,r=a-nonce")),
        wrong("AUTH", "501 5.5.4"),
        wrong("AUTH CRAM-MD5", "504 5.5.4"),
        wrong("AUTH PLAIN !", "501 5.5.2"),
    ]
}

fn responses() -> Vec<Phrase> {
    vec![
        encoded(b"\0user\0right"),
        encoded(b"\0user\0wrong"),
        encoded(b"\0user"),
        encoded(b"user"),
        encoded(b"right"),
        encoded(b"wrong"),
        encoded(format!("n,,{SCRAM_FIRST}").as_bytes()),
        encoded(b"c=biws,r=another,p=AAAA"),
        text("*"),
        text("!"),
        text(""),
        Phrase { wire: Vec::new(), means: Means::ScramFinal { right: true } },
        Phrase { wire: Vec::new(), means: Means::ScramFinal { right: false } },
    ]
}

fn others() -> Vec<Phrase> {
    let always = |line: &str, reply| said(line, Means::Always(reply));
    vec![
        said("DATA", Means::Data),
        always("DATA now", "501 5.5.4"),
        text("."),
        said("BDAT 0", Means::Chunk { bytes: 0, last: false }),
        said("bdat 0 last", Means::Chunk { bytes: 0, last: true }),
        said("BDAT 99999999999999999999 LAST", Means::HugeChunk),
        said("RSET", Means::Rset),
        always("RSET now", "501 5.5.4"),
        said("STARTTLS", Means::StartTls),
        always("STARTTLS now", "501 5.5.4"),
        said("QUIT", Means::Quit),
        always("QUIT now", "501 5.5.4"),
        always("NOOP", "250 2.0.0"),
        always("noop with words", "250 2.0.0"),
        always("HELP", "214 2.0.0"),
        always("VRFY somebody", "252 2.1.5"),
        always("VRFY", "501 5.5.4"),
        always("EXPN all", "502 5.5.1"),
        always("GET / HTTP/1.1", NOT_A_COMMAND),
        always(&format!("NOOP {}", "x".repeat(506)), NOT_A_COMMAND),
        always(&"A".repeat(13_000), NOT_A_COMMAND),
    ]
}
