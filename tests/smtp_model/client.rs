//! A client that mostly knows what it is doing, and errs on purpose: it looks at the model to see what
//! could come next, so that its dialogues get somewhere.

use super::model::{At, Chunks, Dialogue, Door, Model};
use super::phrases::{Means, Phrase, phrases, said, text};
use std::collections::VecDeque;

/// Splitmix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of(&mut self, phrases: &[Phrase]) -> Phrase {
        phrases[self.below(phrases.len())].clone()
    }

    /// One of the first, which are those that work; or any.
    fn mostly(&mut self, phrases: &[Phrase], good: usize) -> Phrase {
        if self.percent(70) { self.of(&phrases[..good]) } else { self.of(phrases) }
    }
}

pub struct Client {
    pub chance: Chance,
    /// What belongs to a chunk that was announced.
    owed: VecDeque<Phrase>,
}

impl Client {
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), owed: VecDeque::new() }
    }

    /// Nothing is owed any more: the connection is another.
    pub fn forget(&mut self) {
        self.owed.clear();
    }

    pub fn next(&mut self, door: Door, model: &Model) -> Phrase {
        if let Some(phrase) = self.owed.pop_front() {
            return phrase;
        }
        let phrase = match self.chance.percent(25) {
            true => self.chance.of(&phrases().all),
            false => self.sensible(door, model),
        };
        match phrase.means {
            // Its bytes answer a challenge: elsewhere it cannot even be said.
            Means::ScramFinal { .. } if model.at != At::Dialogue(Dialogue::ScramFinal) => text("c2NyYW0="),
            _ => phrase,
        }
    }

    fn sensible(&mut self, door: Door, model: &Model) -> Phrase {
        let (known, chance) = (phrases(), &mut self.chance);
        let needs_login = door.needs_login() && !model.logged_in;
        match &model.at {
            At::Start if model.esmtp.is_none() => chance.mostly(&known.hellos, 3),
            At::Start if door == Door::Submission && !model.tls => said("STARTTLS", Means::StartTls),
            At::Start if !model.tls && chance.percent(10) => said("STARTTLS", Means::StartTls),
            At::Start if needs_login => chance.mostly(&known.auths, 11),
            At::Start => chance.mostly(&known.mails, 10),
            At::Transaction(transaction) if transaction.chunks == Chunks::None => {
                match (transaction.recipients.is_empty(), chance.below(10)) {
                    (true, _) | (false, 0..4) => chance.mostly(&known.rcpts, 5),
                    (false, 4..7) => said("DATA", Means::Data),
                    _ => self.chunk(),
                }
            }
            At::Transaction(_) if chance.percent(80) => self.chunk(),
            At::Transaction(_) => said("RSET", Means::Rset),
            At::Data(..) if chance.percent(60) => chance.mostly(&known.contents, 5),
            At::Data(..) => text("."),
            At::Dialogue(Dialogue::ScramFinal) => chance.of(&known.responses[known.responses.len() - 2..]),
            At::Dialogue(Dialogue::ScramEnd) => text(""),
            At::Dialogue(_) => chance.of(&known.responses),
            At::Chunk { .. } => unreachable!("what is owed comes first"),
        }
    }

    /// The command; its bytes are owed.
    fn chunk(&mut self) -> Phrase {
        let known = phrases();
        for _ in 0..self.chance.below(4) {
            let phrase = match self.chance.below(6) {
                0 => self.chance.of(&known.all),
                1 | 2 => self.chance.of(&known.pieces),
                _ => self.chance.mostly(&known.contents, 5),
            };
            if !matches!(phrase.means, Means::ScramFinal { .. }) {
                self.owed.push_back(phrase);
            }
        }
        let bytes = self.owed.iter().map(|phrase| phrase.wire.len()).sum();
        let last = self.chance.percent(50);
        said(format!("BDAT {bytes}{}", if last { " LAST" } else { "" }), Means::Chunk { bytes, last })
    }
}
