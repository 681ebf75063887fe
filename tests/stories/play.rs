//! One telling of a story: what the client says is said, what the server should say is held against
//! what it says, and at the end the promises against the store.

use super::house::House;
use super::kept::{self, Kept};
use super::scram::Scram;
use super::script::{Offers, Step, Story, UNMET};
use super::wire::Wire;
use super::words::{Here, Pattern};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells the story of this name, and once more in single bytes if it asks for that. One that is unmet must
/// not be true yet: whoever makes it true takes that line away.
pub fn tell(name: &str) {
    let path = super::transcripts().join(format!("{name}.smtp"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    match (try_to_tell(name, &text), text.lines().any(|line| line == UNMET)) {
        (Ok(()), false) | (Err(_), true) => {}
        (Ok(()), true) => panic!("{name} is met now: remove its line `{UNMET}`"),
        (Err(why), false) => panic!("{why}"),
    }
}

/// Answers where it is not true, with all that was said until then.
pub fn try_to_tell(name: &str, text: &str) -> Result<(), String> {
    let first = Telling::of(name, text, false);
    if first.story.again_byte_by_byte {
        Telling::of(name, text, true).play()?;
    }
    first.play()
}

struct Telling {
    name: String,
    here: Here,
    byte_by_byte: bool,
    story: Story,
    house: Arc<House>,
    wire: Option<Wire>,
    /// The lines of the last reply that was heard as a whole.
    offered: Vec<String>,
    /// What was said so far, as it stands in a story.
    transcript: String,
}

impl Telling {
    fn of(name: &str, text: &str, byte_by_byte: bool) -> Self {
        let (me, other) = addresses_of_ones_own();
        let here = Here { me, other, n: 1 };
        let story = Story::read(text, &here).unwrap_or_else(|why| panic!("{name}.smtp: {why}"));
        let house = House::given(&story.given);
        let name = if byte_by_byte { format!("{name}, byte by byte") } else { name.to_owned() };
        Self { name, here, byte_by_byte, story, house, wire: None, offered: Vec::new(), transcript: String::new() }
    }

    fn play(mut self) -> Result<(), String> {
        for (line, step) in std::mem::take(&mut self.story.steps) {
            self.take(&step).map_err(|why| {
                let (name, said, log) = (&self.name, &self.transcript, self.house.log_about(&self.here.me));
                format!("{name}, line {line}\n{said}>>> {step:?}\n<<< {why}\nlog:\n{log}")
            })?;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Connect(door) => {
                let to = self.house.door(door)?;
                let wire = Wire::connect(&self.here.me, to, self.byte_by_byte).map_err(|why| why.to_string())?;
                self.wire = Some(wire);
                Ok(())
            }
            Step::Stored(count) => {
                let kept = self.kept().len();
                if kept == *count { Ok(()) } else { Err(format!("stored: {kept} messages")) }
            }
            Step::Then { message, promise } => {
                let kept = self.kept();
                let message = kept.get(message - 1).ok_or_else(|| format!("stored: {} messages", kept.len()))?;
                message.check(promise)
            }
            Step::Offers(how, list) => self.check_offers(*how, list),
            Step::Scram { login, password } => self.log_in(Scram::new(login, password)),
            step => self.speak(step),
        }
    }

    fn speak(&mut self, step: &Step) -> Result<(), String> {
        let wire = self.wire.as_mut().ok_or("connect to a door first")?;
        match step {
            Step::Say(bytes) => {
                self.transcript.push_str(&format!("C| {}\n", kept::shown(bytes)));
                wire.say(bytes);
            }
            Step::Hear(pattern) => {
                let line = wire.line()?;
                self.transcript.push_str(&format!("S: {line}\n"));
                if !pattern.fits(&line) {
                    return Err(line);
                }
            }
            Step::HearAll(pattern) => return self.hear_all(pattern),
            Step::HearBytes(bytes) => {
                let heard = wire.exactly(bytes.len())?;
                if heard != *bytes {
                    return Err(kept::shown(&heard));
                }
            }
            Step::Tls => wire.shake_hands(&self.house.trust)?,
            Step::ClientCloses => wire.close(),
            Step::ServerCloses => {
                let rest = wire.end()?;
                if !rest.is_empty() {
                    return Err(format!("it goes on: {}", kept::shown(&rest)));
                }
            }
            step => return Err(format!("{step:?} is not said")),
        }
        Ok(())
    }

    fn hear_all(&mut self, first: &Pattern) -> Result<(), String> {
        let wire = self.wire.as_mut().ok_or("connect to a door first")?;
        self.offered.clear();
        loop {
            let line = wire.line()?;
            self.transcript.push_str(&format!("S: {line}\n"));
            let more = line.get(3..4) == Some("-");
            self.offered.push(line);
            if !more {
                break;
            }
        }
        let (code, text) = self.offered[0].split_at_checked(4).ok_or("no code")?;
        let head = format!("{} {text}", &code[..3]);
        if first.fits(&head) { Ok(()) } else { Err(head) }
    }

    fn kept(&self) -> Vec<Kept> {
        kept::from([&self.here.me, &self.here.other], &self.house.database())
    }

    fn check_offers(&self, how: Offers, list: &[Pattern]) -> Result<(), String> {
        let offered: Vec<&str> = self.offered.iter().skip(1).map(|line| &line[4..]).collect();
        let met = |pattern: &Pattern| offered.iter().any(|offer| pattern.fits(offer));
        let listed = |offer: &&str| list.iter().any(|pattern| pattern.fits(offer));
        let fits = match how {
            Offers::Exactly => list.iter().all(met) && offered.iter().all(listed) && list.len() == offered.len(),
            Offers::Among => list.iter().all(met),
            Offers::No => !list.iter().any(met),
        };
        if fits { Ok(()) } else { Err(offered.join(", ")) }
    }

    /// The whole dialogue but the reply at its end.
    fn log_in(&mut self, mut scram: Scram) -> Result<(), String> {
        self.say(&format!("AUTH SCRAM-SHA-256 {}", scram.first()))?;
        let answer = scram.answer(&self.challenge()?)?;
        self.say(&answer)?;
        match self.challenge() {
            Ok(server_final) => {
                scram.check(&server_final)?;
                self.say("")
            }
            // Refused: the story says with what.
            Err(_) => Ok(()),
        }
    }

    fn say(&mut self, line: &str) -> Result<(), String> {
        self.speak(&Step::Say(format!("{line}\r\n").into_bytes()))
    }

    /// What stands behind 334; another reply stays to be heard.
    fn challenge(&mut self) -> Result<String, String> {
        let wire = self.wire.as_mut().ok_or("connect to a door first")?;
        let line = wire.line()?;
        match line.strip_prefix("334 ") {
            Some(challenge) => {
                self.transcript.push_str(&format!("S: {line}\n"));
                Ok(challenge.to_owned())
            }
            None => {
                wire.take_back(&line);
                Err(line)
            }
        }
    }
}

/// All of 127.0.0.0/8 is this machine: what came from these came from one telling of a story. One to
/// connect from, and one of the upper half for a client behind a balancer.
fn addresses_of_ones_own() -> (String, String) {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let [_, b, c, d] = (TAKEN.fetch_add(1, Ordering::Relaxed) + (1 << 16) + 1).to_be_bytes();
    (format!("127.{b}.{c}.{d}"), format!("127.{}.{c}.{d}", b | 0x80))
}
