//! Recipients that play a server: what a program does with a bounce can be tried without bothering anyone.
//! Their mail never leaves the machine, in live mode neither.

use crate::base::limits;
use crate::deliver::outcome::{Answer, Phase};
use crate::mail::address::Address;
use crate::mail::status::Status;
use std::time::Duration;

/// RFC 6761 6.2: a name below `.test` is nobody's.
pub const DOMAIN: &str = "simulator.gatepost.test";

/// What a recipient plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// It takes the mail, after this time.
    Take {
        after: Duration,
    },
    /// It takes the mail, and somebody calls it spam: an `email.complained` event follows.
    Complain,
    Refuse(Refusal),
}

/// A reply, as if a server had given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    phase: Phase,
    code: u16,
    status: Status,
    text: &'static str,
}

impl Refusal {
    const fn new(phase: Phase, code: u16, status: Status, text: &'static str) -> Self {
        Self { phase, code, status, text }
    }

    /// To be judged like any server's.
    pub fn answer(&self) -> Answer<'static> {
        Answer { phase: self.phase, host: DOMAIN, code: self.code, status: Some(self.status), text: self.text }
    }
}

/// What is said when mail is taken.
pub const TAKEN: &str = "250 2.0.0 taken by the simulator";

/// What this recipient plays; none when it is a real one.
pub fn script(recipient: &Address) -> Option<Script> {
    if !is_played(recipient) {
        return None;
    }
    let name = recipient.local().split('+').next().unwrap_or_default().to_ascii_lowercase();
    Some(match name.as_str() {
        "bounce" => refuse(550, Status::new(5, 1, 1), "simulated bounce: nobody has this address"),
        "defer" => refuse(451, Status::new(4, 2, 0), "simulated delay: the mailbox is busy, try again later"),
        "full" => {
            let text = "simulated bounce: the mailbox is full";
            Script::Refuse(Refusal::new(Phase::Message, 552, Status::new(5, 2, 2), text))
        }
        "block" => Script::Refuse(Refusal::new(
            Phase::Message,
            554,
            Status::new(5, 7, 1),
            "simulated block: the message was refused for its content or its sender",
        )),
        "complaint" => Script::Complain,
        "slow" => Script::Take { after: limits::SIMULATOR_SLOW },
        _ => Script::Take { after: Duration::ZERO },
    })
}

/// Does nobody real stand behind this address?
pub fn is_played(recipient: &Address) -> bool {
    recipient.domain().as_str() == DOMAIN
}

fn refuse(code: u16, status: Status, text: &'static str) -> Script {
    Script::Refuse(Refusal::new(Phase::Recipient, code, status, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::outcome::Replies;
    use crate::model::outcome::{Kind, Outcome};

    fn played(local: &str) -> Script {
        script(&format!("{local}@{DOMAIN}").parse().unwrap()).unwrap()
    }

    #[test]
    fn every_name_plays_its_part() {
        let judged = |local: &str| match played(local) {
            Script::Refuse(refusal) => {
                let judgement = Replies::built_in().classify(&refusal.answer());
                let why = judgement.outcome.why().cloned().unwrap();
                (judgement.outcome.word(), why.kind, why.category, why.status.to_string(), why.code, judgement.action)
            }
            other => panic!("{local}: {other:?}"),
        };
        let never = || "never:remote".to_owned();
        let later = || "later:remote".to_owned();
        for (local, word, kind, category, status, code) in [
            ("bounce", never(), Kind::Hard, "unknown_user", "5.1.1", 550),
            ("BOUNCE+order-7", never(), Kind::Hard, "unknown_user", "5.1.1", 550),
            ("defer", later(), Kind::Soft, "busy", "4.2.0", 451),
            ("full", never(), Kind::Soft, "mailbox_full", "5.2.2", 552),
            ("block+a+b", never(), Kind::Block, "policy", "5.7.1", 554),
        ] {
            // No action: nobody's site is slowed by a play.
            assert_eq!(
                judged(local),
                (word, kind, category.to_owned(), status.to_owned(), Some(code), None),
                "{local}"
            );
        }
        assert_eq!(played("complaint"), Script::Complain);
        assert_eq!(played("slow"), Script::Take { after: Duration::from_secs(10) });
        for taken in ["anything", "bouncer", "\"bounce\"", "+bounce", "deliver+bounce"] {
            assert_eq!(played(taken), Script::Take { after: Duration::ZERO }, "{taken}");
        }
    }

    #[test]
    fn nobody_else_is_played() {
        for real in ["bounce@gatepost.test", "bounce@x.simulator.gatepost.test", "bounce@example.com"] {
            let real: Address = real.parse().unwrap();
            assert_eq!((script(&real), is_played(&real)), (None, false));
        }
        assert!(outcome_is_never(played("bounce")));
    }

    fn outcome_is_never(script: Script) -> bool {
        let Script::Refuse(refusal) = script else { return false };
        matches!(Replies::built_in().classify(&refusal.answer()).outcome, Outcome::Never(_))
    }
}
