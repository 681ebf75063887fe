//! So many messages in so much time: `100/minute`.

use crate::base::settings::{Scalar, Wrong, nearest, quoted};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Never zero: who may send nothing is disabled, not limited.
    pub count: u32,
    pub per: Per,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    Second,
    Minute,
    Hour,
    Day,
}

impl Per {
    const ALL: [(&'static str, Per); 4] =
        [("second", Self::Second), ("minute", Self::Minute), ("hour", Self::Hour), ("day", Self::Day)];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }
}

impl Rate {
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / self.per.duration().as_secs_f64()
    }
}

/// Where a list of rates has a second one for the same time, if it does: only the smaller would ever be
/// felt, so one of them was meant for another.
pub fn second_of_a_kind(rates: &[Rate]) -> Option<usize> {
    (1..rates.len()).find(|at| rates[..*at].iter().any(|before| before.per == rates[*at].per))
}

impl std::str::FromStr for Rate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        let (count, unit) = text.split_once('/').ok_or(BadRate::NoSlash)?;
        let count = count.parse().ok().filter(|count| *count > 0).ok_or(BadRate::BadCount)?;
        let per = Per::ALL.into_iter().find(|(name, _)| *name == unit).ok_or(BadRate::BadUnit)?.1;
        Ok(Self { count, per })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRate {
    NoSlash,
    BadCount,
    BadUnit,
}

impl std::fmt::Display for BadRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "a rate has the form number/unit",
            Self::BadCount => "before the / stands a whole number above zero",
            Self::BadUnit => "after the / stands second, minute, hour or day",
        })
    }
}

impl std::error::Error for BadRate {}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.count, self.per.as_str())
    }
}

impl Scalar for Rate {
    const EXPECTS: &'static str = "a rate like \"100/minute\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|why| {
            let wrong = Wrong::because(why);
            let unit = text.split_once('/').map_or("", |(_, unit)| unit);
            match nearest(unit, Per::ALL.into_iter().map(|(name, _)| name)) {
                Some(near) if why == BadRate::BadUnit => wrong.help(format!("did you mean \"{near}\"?")),
                _ => wrong,
            }
        })
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rate_for_each_time() {
        let rates = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Rate>>();
        assert_eq!(second_of_a_kind(&[]), None);
        assert_eq!(second_of_a_kind(&rates(&["1/second", "1/minute", "1/hour", "1/day"])), None);
        assert_eq!(second_of_a_kind(&rates(&["1/second", "1/minute", "2/second"])), Some(2));
    }

    #[test]
    fn rates_are_read_and_written() {
        for text in ["100/minute", "20/second", "10000/day", "1/hour"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for (wrong, why) in [
            ("100", BadRate::NoSlash),
            ("0/minute", BadRate::BadCount),
            ("-1/minute", BadRate::BadCount),
            ("4294967296/minute", BadRate::BadCount),
            ("1/week", BadRate::BadUnit),
            ("1 / minute", BadRate::BadCount),
        ] {
            assert_eq!(wrong.parse::<Rate>(), Err(why), "{wrong}");
        }
    }
}
