//! A story as it is written: one step a line. tests/transcripts/README.md explains the notation to its
//! readers; this reads it.

use super::words::{Here, Pattern, bytes};

/// A line that admits that the story is not true yet.
pub const UNMET: &str = "unmet";

pub struct Story {
    /// Which daemon it is told to.
    pub given: String,
    /// Is it told again, with each byte of the client in a packet of its own?
    pub again_byte_by_byte: bool,
    pub steps: Vec<(usize, Step)>,
}

#[derive(Debug)]
pub enum Step {
    Connect(String),
    /// What the client says before it listens again: one write.
    Say(Vec<u8>),
    /// One line of a reply.
    Hear(Pattern),
    /// A whole reply of any number of lines; its first line.
    HearAll(Pattern),
    /// Bytes that are no reply: a TLS alert.
    HearBytes(Vec<u8>),
    Offers(Offers, Vec<Pattern>),
    Tls,
    Scram {
        login: String,
        password: String,
    },
    ClientCloses,
    ServerCloses,
    Stored(usize),
    Then {
        message: usize,
        promise: Promise,
    },
}

/// How the last reply to EHLO is held against a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    Exactly,
    Among,
    No,
}

/// What a message in the store must be.
#[derive(Debug)]
pub enum Promise {
    Sender(String),
    Recipients(Vec<String>),
    /// A field of its header, unfolded; the first of that name.
    Header(String, Pattern),
    NoHeader(String),
    /// All behind the blank line.
    Body(Vec<u8>),
    /// The whole message behind the Received field that we put on top.
    Message(Vec<u8>),
    /// What the store keeps beside it: the parameters of its envelope.
    Envelope(Pattern),
}

impl Story {
    pub fn read(text: &str, here: &Here) -> Result<Self, String> {
        let mut story = Self { given: "house".into(), again_byte_by_byte: false, steps: Vec::new() };
        let mut said: Option<Vec<u8>> = None;
        for (n, line) in text.lines().enumerate() {
            let number = n + 1;
            let at = |why: String| format!("line {number}: {why}: {line}");
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match line {
                UNMET => {}
                "again byte by byte" => story.again_byte_by_byte = true,
                line if line.starts_with("given ") => story.given = line["given ".len()..].to_owned(),
                line => {
                    let read = read_line(line, here).map_err(at)?;
                    // Lines of the client that follow each other are one write.
                    for step in read {
                        match step {
                            Step::Say(bytes) => said.get_or_insert_default().extend(bytes),
                            step => {
                                story.steps.extend(said.take().map(|said| (number - 1, Step::Say(said))));
                                story.steps.push((number, step));
                            }
                        }
                    }
                }
            }
        }
        match said {
            Some(_) => Err("the client speaks last: nobody listens to what it is answered".into()),
            None => Ok(story),
        }
    }
}

fn read_line(line: &str, here: &Here) -> Result<Vec<Step>, String> {
    match several_times(line) {
        Some((who, times, text)) => {
            let line = format!("{who}: {text}");
            (1..=times).map(|n| read_one(&line, &Here { n, ..here.clone() })).collect()
        }
        None => Ok(vec![read_one(line, here)?]),
    }
}

/// `C 20 times: NOOP`, `S 20 times: 250 …`
fn several_times(line: &str) -> Option<(&str, usize, &str)> {
    let (head, text) = line.split_once(" times: ")?;
    let (who, times) = head.split_once(' ')?;
    Some((who, times.parse().ok()?, text))
}

fn read_one(line: &str, here: &Here) -> Result<Step, String> {
    let pattern = |text: &str| Pattern::new(text, here);
    let patterns = |list: &str| list.split(", ").map(pattern).collect::<Result<Vec<_>, _>>();
    Ok(match line.split_once(' ').unwrap_or((line, "")) {
        ("connect", door) => Step::Connect(door.to_owned()),
        ("TLS", "") => Step::Tls,
        ("SCRAM", rest) => {
            let (login, password) = rest.split_once(' ').ok_or("SCRAM needs a login and a password")?;
            Step::Scram { login: login.to_owned(), password: password.to_owned() }
        }
        ("C", "closes") => Step::ClientCloses,
        ("S", "closes") => Step::ServerCloses,
        ("C:", text) => Step::Say([bytes(text, here)?, b"\r\n".to_vec()].concat()),
        ("C|", text) => Step::Say(bytes(text, here)?),
        ("S:", text) => Step::Hear(pattern(text)?),
        ("S*", text) => Step::HearAll(pattern(text)?),
        ("S|", text) => Step::HearBytes(bytes(text, here)?),
        ("offers", list) => match list.split_once(' ') {
            Some(("exactly", list)) => Step::Offers(Offers::Exactly, patterns(list)?),
            Some(("no", list)) => Step::Offers(Offers::No, patterns(list)?),
            _ => Step::Offers(Offers::Among, patterns(list)?),
        },
        ("then", promise) => read_promise(promise, here)?,
        _ => return Err("not a line of a story".into()),
    })
}

fn read_promise(text: &str, here: &Here) -> Result<Step, String> {
    if text == "nothing is stored" {
        return Ok(Step::Stored(0));
    }
    if let Some(count) = text.strip_prefix("stored: ") {
        let count = count.trim_end_matches(" messages").trim_end_matches(" message");
        return Ok(Step::Stored(count.parse().map_err(|_| "how many messages?")?));
    }
    let (message, text) = match text.strip_prefix("message ").and_then(|rest| rest.split_once(": ")) {
        Some((number, rest)) => (number.parse().map_err(|_| "which message?")?, rest),
        None => (1, text),
    };
    let words = |text: &str| text.split(", ").map(str::to_owned).collect();
    let promise = match text.split_once(": ").unwrap_or((text.trim_end_matches(':'), "")) {
        ("sender", address) => Promise::Sender(address.to_owned()),
        ("recipients", list) => Promise::Recipients(words(list)),
        ("body", text) => Promise::Body(bytes(text, here)?),
        ("message", text) => Promise::Message(bytes(text, here)?),
        ("envelope", text) => Promise::Envelope(Pattern::new(text, here)?),
        (field, value) => match (field.strip_prefix("header "), field.strip_prefix("no header ")) {
            (Some(name), _) => Promise::Header(name.to_owned(), Pattern::new(value, here)?),
            (_, Some(name)) => Promise::NoHeader(name.to_owned()),
            _ => return Err("not a promise".into()),
        },
    };
    Ok(Step::Then { message, promise })
}
