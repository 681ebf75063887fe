//! The SMTP session against a model of it: random dialogues of commands, errors, messages, chunks, TLS and
//! logins, in packets that are cut anywhere. Whatever is said, both must answer with the same codes and
//! hand over the same messages. A divergence names its seed and prints the dialogue.

#[path = "smtp_model/chunks.rs"]
mod chunks;
#[path = "smtp_model/client.rs"]
mod client;
#[path = "smtp_model/line_ends.rs"]
mod line_ends;
#[path = "smtp_model/login.rs"]
mod login;
#[path = "smtp_model/model.rs"]
mod model;
#[path = "smtp_model/phrases.rs"]
mod phrases;
#[path = "smtp_model/scene.rs"]
mod scene;

use client::Client;
use model::{At, Dialogue, Door, Message, Model, Then};
use phrases::{Means, Phrase};
use proptest::prelude::*;
use scene::{Scene, cut, scram_final};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Every reply the model knows: a run in which one never comes has tested less than it says.
const REPLIES: &[&str] = &[
    "214 2.0.0",
    "220 2.0.0",
    "221 2.0.0",
    "235 2.7.0",
    "250",
    "250 2.0.0",
    "250 2.1.0",
    "250 2.1.5",
    "250 STARTTLS AUTH FUTURERELEASE",
    "250 REQUIRETLS",
    "250 REQUIRETLS AUTH FUTURERELEASE",
    "250 STARTTLS",
    "250 STARTTLS FUTURERELEASE",
    "252 2.1.5",
    "334",
    "354",
    "421 4.3.2",
    "421 4.7.0",
    "450 4.2.1",
    "451 4.3.0",
    "452 4.5.3",
    "500 5.5.2",
    "501 5.1.3",
    "501 5.5.2",
    "501 5.5.4",
    "501 5.7.0",
    "502 5.5.1",
    "503 5.5.1",
    "504 5.5.4",
    "521 5.5.2",
    "530 5.7.0",
    "530 5.7.10",
    "535 5.7.8",
    "538 5.7.11",
    "550 5.1.1",
    "550 5.5.2",
    "552 5.3.4",
    "553 5.6.7",
    "554 5.5.1",
    "554 5.7.1",
    "555 5.5.4",
];

#[derive(Default)]
struct Tally {
    sequences: u64,
    phrases: u64,
    messages: u64,
    replies: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.phrases += other.phrases;
        self.messages += other.messages;
        for (reply, count) in other.replies {
            *self.replies.entry(reply).or_default() += count;
        }
    }
}

/// One dialogue from its seed; where the two part, answers what was said.
fn agree(seed: u64, tally: &mut Tally, mut record: Option<&mut String>) -> Result<(), String> {
    let mut client = Client::new(seed);
    let door = Door::ALL[client.chance.below(5)];
    let (mut model, mut scene) = (Model::new(door), Scene::new(door, seed));
    let length = if client.chance.below(500) == 0 { 300 } else { 1 + client.chance.below(40) };
    let (mut said, mut then) = (0, Then::Listen);
    while said < length && then != Then::Close {
        let (mut segment, mut expected) = (Vec::new(), Vec::new());
        then = Then::Listen;
        for _ in 0..=client.chance.below(5) {
            let Some(phrase) = answerable(client.next(door, &model), &scene, segment.is_empty()) else { break };
            segment.extend_from_slice(&phrase.wire);
            said += 1;
            if then == Then::Listen {
                let heard = model.hear(&phrase);
                expected.extend(heard.replies);
                then = heard.then;
            }
            if let Some(record) = &mut record {
                let _ = writeln!(record, "C| {}", shortened(&phrase.wire));
            }
        }
        if then != Then::Listen {
            client.forget();
        }
        let pieces = cut(&segment, &mut client.chance);
        let ended = scene.hear(pieces.into_iter());
        let replies = scene.replies();
        if let Some(record) = &mut record {
            let _ = writeln!(record, "S: {}\n   {} by the model", replies.join(", "), expected.join(", "));
        }
        let same =
            replies.len() == expected.len() && replies.iter().zip(&expected).all(|(a, b)| b.split('|').any(|b| a == b));
        if !same || ended != then || scene.handed_over != model.handed_over {
            return Err(format!("{door:?}: {ended:?} and {then:?}, {:?}, {:?}", scene.handed_over, model.handed_over));
        }
        for reply in expected {
            *tally.replies.entry(reply).or_default() += 1;
        }
    }
    tally.sequences += 1;
    tally.phrases += said as u64;
    tally.messages += model.handed_over.len() as u64;
    Ok(())
}

/// With the bytes that answer the last challenge, where it does; that must have been heard first.
fn answerable(mut phrase: Phrase, scene: &Scene, speaks_first: bool) -> Option<Phrase> {
    if let Means::ScramFinal { right } = phrase.means {
        let challenge = scene.last_challenge().filter(|_| speaks_first)?;
        phrase.wire = scram_final(challenge, right).expect("the server's first message");
    }
    Some(phrase)
}

fn shortened(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() > 120 { format!("{}… ({} bytes)", &text[..100], bytes.len()) } else { text }
}

/// So many dialogues, over all cores.
fn agree_on(sequences: u64) -> Tally {
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get() as u64);
    let run = |first: u64| -> Result<Tally, String> {
        let mut tally = Tally::default();
        for seed in (first..sequences).step_by(threads as usize) {
            agree(seed, &mut tally, None).map_err(|why| {
                let mut dialogue = String::new();
                let _ = agree(seed, &mut Tally::default(), Some(&mut dialogue));
                format!("seed {seed}, {why}\n{dialogue}")
            })?;
        }
        Ok(tally)
    };
    let mut all = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || run(first))).collect();
        for worker in workers {
            all.add(worker.join().expect("no panic").unwrap_or_else(|divergence| panic!("{divergence}")));
        }
    });
    all
}

fn agree_widely(sequences: u64) {
    let started = std::time::Instant::now();
    let Tally { sequences, phrases, messages, replies } = agree_on(sequences);
    let took = started.elapsed();
    // Not through print!, which a passing test swallows.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("\n{sequences} dialogues of {phrases} phrases, {messages} messages, in {took:.1?}: {replies:?}\n")
            .as_bytes(),
    );
    let never: Vec<_> = REPLIES.iter().filter(|reply| !replies.contains_key(*reply)).collect();
    assert!(never.is_empty(), "never heard: {never:?}");
    let unlisted: Vec<_> = replies.keys().filter(|reply| !REPLIES.contains(reply) && !reply.contains('|')).collect();
    assert!(unlisted.is_empty(), "add to REPLIES: {unlisted:?}");
}

#[test]
fn the_session_and_its_model_agree() {
    agree_widely(100_000);
}

/// `make model`
#[test]
#[ignore = "minutes"]
fn the_session_and_its_model_agree_for_long() {
    agree_widely(1_000_000);
}

/// What a client says up to a handshake or the end, as one piece.
fn monologue(seed: u64) -> (Door, Vec<u8>) {
    let mut client = Client::new(seed);
    let door = Door::ALL[client.chance.below(5)];
    let (mut model, mut bytes) = (Model::new(door), Vec::new());
    for _ in 0..40 {
        let phrase = client.next(door, &model);
        // A proof answers a challenge that nobody has heard yet.
        if matches!(phrase.means, Means::ScramFinal { .. }) || model.at == At::Dialogue(Dialogue::ScramFinal) {
            break;
        }
        bytes.extend_from_slice(&phrase.wire);
        if model.hear(&phrase).then != Then::Listen {
            break;
        }
    }
    (door, bytes)
}

fn said_to<'a>(door: Door, pieces: impl Iterator<Item = &'a [u8]>) -> (Then, String, Vec<Message>) {
    let mut scene = Scene::new(door, 1);
    let then = scene.hear(pieces);
    (then, scene.said(), scene.handed_over)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_bytes_are_cut_the_replies_are_the_same(seed: u64, cuts in prop::collection::vec(0_usize..4_000, 0..30)) {
        let (door, bytes) = monologue(seed);
        let whole = said_to(door, std::iter::once(&bytes[..]));
        let mut ends: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).chain([0, bytes.len()]).collect();
        ends.sort_unstable();
        let pieces = ends.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
        prop_assert_eq!(&said_to(door, pieces), &whole, "{}", shortened(&bytes));
        prop_assert_eq!(&said_to(door, bytes.chunks(1)), &whole, "byte by byte: {}", shortened(&bytes));
    }
}
