//! A moment as mail writes it.

use crate::base::clock::Time;
use std::fmt;
use time::{Month, OffsetDateTime, Weekday};

/// RFC 5322 3.3: `Sat, 21 Nov 2026 07:48:09 +0000`, always in UTC.
pub struct Date(pub Time);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.micros().div_euclid(1_000_000);
        // Beyond the year 9999 nothing but a test can point: RFC 5322 has no words for it either.
        let t = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{}, {} {} {:04} {:02}:{:02}:{:02} +0000",
            day(t.weekday()),
            t.day(),
            month(t.month()),
            t.year(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }
}

fn day(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

fn month(month: Month) -> &'static str {
    match month {
        Month::January => "Jan",
        Month::February => "Feb",
        Month::March => "Mar",
        Month::April => "Apr",
        Month::May => "May",
        Month::June => "Jun",
        Month::July => "Jul",
        Month::August => "Aug",
        Month::September => "Sep",
        Month::October => "Oct",
        Month::November => "Nov",
        Month::December => "Dec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_reads_as_mail_writes_it() {
        for (micros, text) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (1_793_245_479_123_456, "Thu, 29 Oct 2026 03:44:39 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (i64::MAX, "Thu, 1 Jan 1970 00:00:00 +0000"),
        ] {
            assert_eq!(Date(Time::from_micros(micros)).to_string(), text);
        }
    }
}
