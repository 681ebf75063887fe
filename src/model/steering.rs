//! What operators ask of destinations, and what holds since then: on every node, until somebody asks for
//! something else.

use crate::base::clock::Time;
use crate::model::rate::Rate;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing is sent there until then, or until somebody says so.
    Suspend { until: Option<Time>, reason: Option<String> },
    /// Whatever kept mail from there is over: an operator's word, a receiver's, or that nobody answered.
    Resume,
    /// Instead of the pace that the receiver and the configuration make; none: that again.
    Rate(Option<Rate>),
}

/// What holds for one destination, as it stands in the rows of deliveries: `mx:gmail.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steering {
    pub destination: String,
    pub suspended: Option<ByHand>,
    pub rate: Option<Rate>,
    /// When it was resumed last: what a receiver had asked for before that is over on every node.
    pub resumed_at: Option<Time>,
}

/// A suspension by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    pub since: Time,
    /// None: until it is resumed.
    pub until: Option<Time>,
    pub reason: Option<String>,
}

impl Steering {
    /// The suspension that is in force now.
    pub fn suspension(&self, now: Time) -> Option<&ByHand> {
        self.suspended.as_ref().filter(|by_hand| by_hand.until.is_none_or(|until| until > now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_suspension_ends_at_its_time_or_never() {
        let now = Time::default().plus(Duration::from_secs(100));
        let steering = |until| Steering {
            destination: "mx:gmail.com".to_owned(),
            suspended: Some(ByHand { since: Time::default(), until, reason: None }),
            rate: None,
            resumed_at: None,
        };
        assert!(steering(None).suspension(now).is_some());
        assert!(steering(Some(now.plus(Duration::from_micros(1)))).suspension(now).is_some());
        assert!(steering(Some(now)).suspension(now).is_none());
    }
}
