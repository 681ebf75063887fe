//! Why mail has to wait: which limit it is, and when it opens again.

use super::spenders::{Scope, Unit};
use crate::base::clock::Time;
use crate::base::gcra::Closed;
use crate::model::rate::Rate;
use crate::smtp::reply::Reply;
use std::sync::Arc;
use std::time::Duration;

/// Always temporary: what is too much now is welcome later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Over(Over),
    /// There are more limits in use than we hold in memory.
    NoRoom,
}

/// The limit that keeps mail waiting; of several, the one that opens last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    pub scope: Scope,
    /// Whose it is: a login, a domain, a tenant.
    pub name: Arc<str>,
    pub unit: Unit,
    pub rate: Rate,
    pub closed: Closed,
    /// When it was asked.
    pub at: Time,
}

impl Over {
    pub fn opens(&self) -> Time {
        self.closed.opens()
    }
}

impl Refusal {
    /// When to come again, where that is known.
    pub fn opens(&self) -> Option<Time> {
        match self {
            Self::Over(over) => Some(over.opens()),
            Self::NoRoom => None,
        }
    }

    pub fn reply(&self) -> Reply {
        match self {
            Self::Over(over) => Reply::with(450, 7, 1, over.to_string()),
            Self::NoRoom => Reply::new(451, 3, 1, "too many senders at once, try again later"),
        }
    }
}

/// As the client is told: `too many messages for app@example.com (20/second), try again after …`.
impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, rate) = (self.unit.word(), self.rate);
        let who = match self.scope {
            Scope::Credential | Scope::Domain => self.name.to_string(),
            Scope::Tenant => format!("tenant {}", self.name),
        };
        let opens = self.opens();
        // Beyond a day the time of day alone would say too little: several nodes spent at once.
        let when = match opens.since(self.at) < Duration::from_secs(86_400) {
            true => opens.of_day(),
            false => opens.to_string(),
        };
        match self.closed {
            Closed::Until(_) => write!(f, "too many {what} for {who} ({rate}), try again after {when}"),
            Closed::TooMuch { .. } => {
                let most = rate.count;
                write!(f, "too many {what} at once for {who} ({rate}), try again with at most {most} after {when}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_says_which_limit_and_when_it_opens() {
        let at = Time::from_micros(1_793_245_479_000_000);
        let over = Over {
            scope: Scope::Credential,
            name: "app@example.com".into(),
            unit: Unit::Messages,
            rate: "20/second".parse().unwrap(),
            closed: Closed::Until(at.plus(Duration::from_millis(1_500))),
            at,
        };
        let said = |over: Over| Refusal::Over(over).reply().to_string();
        assert_eq!(
            said(over.clone()),
            "450 4.7.1 too many messages for app@example.com (20/second), try again after 03:44:41 UTC"
        );
        let tenant = Over { scope: Scope::Tenant, name: "acme".into(), unit: Unit::Recipients, ..over.clone() };
        assert_eq!(
            said(Over { rate: "5/day".parse().unwrap(), closed: Closed::TooMuch { empty: at }, ..tenant }),
            "450 4.7.1 too many recipients at once for tenant acme (5/day), try again with at most 5 after 03:44:39 UTC"
        );
        let late = Over { closed: Closed::Until(at.plus(Duration::from_secs(100_000))), ..over };
        assert!(said(late).ends_with("try again after 2026-10-30T07:31:19.000Z"));
        assert!(Refusal::NoRoom.reply().is_temporary());
    }
}
