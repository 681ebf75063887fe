//! The session on its stage: bytes go in, cut anywhere, decisions are made as the model makes them, and
//! the codes of the replies come out.

use super::client::Chance;
use super::model::{self, Door, Message, Then};
use super::phrases::SCRAM_FIRST;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::random::Random;
use gatepost::mail::domain_name::DomainName;
use gatepost::smtp::data::LineEnds;
use gatepost::smtp::extension::{Admission, Auth, Channel, Offer, Role};
use gatepost::smtp::line::Lines;
use gatepost::smtp::reply::Reply;
use gatepost::smtp::sasl::{Claim, ScramKeys};
use gatepost::smtp::session::{Answer, Ask, Session, Step};
use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

static HOSTNAME: LazyLock<DomainName> = LazyLock::new(|| "mail.example.com".parse().unwrap());

/// One iteration: what is tested here is the dialogue, not the arithmetic.
static KEYS: LazyLock<ScramKeys> = LazyLock::new(|| ScramKeys::derive("right", b"salt", NonZeroU32::MIN));

pub struct Scene {
    door: Door,
    session: Session,
    lines: Lines,
    out: Vec<u8>,
    /// What the session asked to have taken.
    pub handed_over: Vec<Message>,
}

impl Scene {
    pub fn new(door: Door, seed: u64) -> Self {
        let tls = door == Door::Implicit;
        let session = Session::new(offer(door, tls), Clock::set(Time::from_micros(1 << 50)), Random::seeded(seed));
        Self { door, session, lines: Lines::default(), out: Vec::new(), handed_over: Vec::new() }
    }

    /// Says these bytes in pieces; what is not heard any more at a handshake or a close is lost.
    pub fn hear<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Then {
        self.out.clear();
        for piece in pieces {
            self.lines.room(piece.len()).extend_from_slice(piece);
            match self.answer() {
                Then::Listen => {}
                then => return then,
            }
        }
        Then::Listen
    }

    fn answer(&mut self) -> Then {
        let mut step = self.session.proceed(&mut self.lines, &mut self.out);
        loop {
            let ask = match step {
                Step::Hear => return Then::Listen,
                Step::Close(_) => return Then::Close,
                Step::StartTls => {
                    self.lines.discard();
                    self.session.secure(offer(self.door, true));
                    return Then::Tls;
                }
                Step::Ask(ask) => ask,
            };
            let answer = self.decide(ask);
            let next = self.session.take(answer, &mut self.out);
            step = next.unwrap_or_else(|| self.session.proceed(&mut self.lines, &mut self.out));
        }
    }

    fn decide(&mut self, ask: Ask) -> Answer {
        let met = |local: &str| model::decision(local).map_or(Ok(()), |code| Err(reply(code)));
        match ask {
            Ask::Login(Claim::Password { password, .. }) if password.expose() == "right" => Answer::Login(Ok(())),
            Ask::Login(Claim::Proof { proven: true, .. }) => Answer::Login(Ok(())),
            Ask::Login(_) => Answer::Login(Err(reply("535 5.7.8"))),
            Ask::Keys(_) => Answer::Keys(KEYS.clone()),
            Ask::Sender(sender, _) => Answer::Sender(met(sender.address().map_or("", |address| address.local()))),
            Ask::Recipient(recipient) => Answer::Recipient(met(recipient.address.local())),
            Ask::Message(envelope, bytes) => {
                let sender = envelope.sender.to_string();
                let recipients = envelope.recipients.iter().map(|recipient| recipient.address.to_string()).collect();
                let verdict = model::verdict(&sender);
                self.handed_over.push(Message { sender, recipients, bytes });
                Answer::Message(if verdict.starts_with('2') { Ok(reply(verdict)) } else { Err(reply(verdict)) })
            }
        }
    }

    /// The codes of all that was said to the last bytes.
    pub fn replies(&self) -> Vec<String> {
        codes(&self.said())
    }

    pub fn said(&self) -> String {
        String::from_utf8(self.out.clone()).expect("replies are ASCII")
    }

    /// What stands behind the last 334.
    pub fn last_challenge(&self) -> Option<&str> {
        let said = std::str::from_utf8(&self.out).ok()?;
        said.lines().next_back()?.strip_prefix("334 ")
    }
}

fn offer(door: Door, tls: bool) -> Offer {
    let submission = door.is_for_submission();
    Offer {
        hostname: HOSTNAME.clone(),
        role: if submission { Role::Submission } else { Role::Mx },
        channel: if tls { Channel::Tls } else { Channel::PlainOfferingTls },
        auth: match door {
            Door::Mx => Auth::Never,
            Door::Submission if !tls => Auth::NeedsTls,
            _ => Auth::Offered { scram: true },
        },
        admission: if door.needs_login() { Admission::AfterLogin } else { Admission::Open },
        line_ends: if submission { LineEnds::Normalise } else { LineEnds::Refuse },
        message_bytes_max: model::MESSAGE_BYTES_MAX,
        recipients_max: model::RECIPIENTS_MAX,
        recipients_per_connection: u32::MAX,
        messages_max: model::MESSAGES_MAX,
        hold_max: submission.then_some(Duration::from_secs(3600)),
    }
}

/// `550 5.1.1` as a reply.
fn reply(code: &str) -> Reply {
    let numbers: Vec<u16> = code.split([' ', '.']).map(|number| number.parse().unwrap()).collect();
    Reply::new(numbers[0], numbers[2], numbers[3], "decided")
}

/// Each reply as `550 5.1.1`, `354`, or, to EHLO, 250 and the keywords that come and go.
fn codes(said: &str) -> Vec<String> {
    let (mut replies, mut offers) = (Vec::new(), Vec::new());
    for line in said.split_terminator("\r\n") {
        let (code, text) = line.split_at(3);
        let word = text[1..].split(' ').next().unwrap_or_default();
        offers.push(word);
        if text.starts_with('-') {
            continue;
        }
        let is_enhanced = word.split('.').count() == 3 && word.starts_with(['2', '4', '5']);
        let met =
            ["STARTTLS", "REQUIRETLS", "AUTH", "FUTURERELEASE"].into_iter().filter(|offer| offers.contains(offer));
        let words: Vec<&str> = if is_enhanced { vec![word] } else { met.collect() };
        replies.push([vec![code], words].concat().join(" "));
        offers.clear();
    }
    replies
}

/// SCRAM's final message for what the server said first (RFC 5802 3), with the right proof or another.
pub fn scram_final(challenge: &str, right: bool) -> Option<Vec<u8>> {
    let server_first = String::from_utf8(STANDARD.decode(challenge).ok()?).ok()?;
    let nonce = server_first.split(',').next()?.strip_prefix("r=")?;
    let unproven = format!("c=biws,r={nonce}");
    let mut salted = [0; 32];
    aws_lc_rs::pbkdf2::derive(aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256, NonZeroU32::MIN, b"salt", b"right", &mut salted);
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let signature = mac(stored_key.as_ref(), format!("{SCRAM_FIRST},{server_first},{unproven}").as_bytes());
    let mut proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    proof[0] ^= u8::from(!right);
    let line = STANDARD.encode(format!("{unproven},p={}", STANDARD.encode(proof)));
    Some([line.as_bytes(), b"\r\n"].concat())
}

/// Cuts bytes into pieces at any places.
pub fn cut<'a>(bytes: &'a [u8], chance: &mut Chance) -> Vec<&'a [u8]> {
    if bytes.is_empty() || chance.percent(40) {
        return vec![bytes];
    }
    let longest = 1 + chance.below(bytes.len());
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + chance.below(longest)).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
