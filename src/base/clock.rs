//! Time as a value. Rooms get a `Clock` and never ask the system, so that a test can let a week of
//! retries pass in a millisecond.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::time::Instant;

/// A moment, in microseconds since 1970-01-01T00:00:00Z: the form in which it is stored and bound.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros_of(by)))
    }

    pub const fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros_of(by)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `14:20:05 UTC`, the first whole second not before this: for people who are told when to come again
    /// within a day.
    pub fn of_day(self) -> String {
        let second = (self.0.saturating_add(999_999).div_euclid(1_000_000)).rem_euclid(86_400);
        format!("{:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60)
    }
}

const fn micros_of(duration: Duration) -> i64 {
    let micros = duration.as_micros();
    if micros > i64::MAX as u128 { i64::MAX } else { micros as i64 }
}

/// RFC 3339 in UTC with milliseconds: the one form of time in logs, commands and the API.
impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000) {
            Ok(t) => write!(
                f,
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                t.year(),
                u8::from(t.month()),
                t.day(),
                t.hour(),
                t.minute(),
                t.second(),
                t.millisecond()
            ),
            // Beyond the year 9999 nothing but a damaged row or a test can point.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Where time comes from: the system, a test's hand, or the runtime's timers.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    Set(Arc<AtomicI64>),
    /// So long after this moment as the runtime's own clock has gone since: where that one is paused and runs
    /// ahead whenever nobody has anything to do, a week of retries passes in seconds.
    Runtime(Time, Instant),
}

/// What a runtime that runs ahead does while a thread outside is at work for somebody inside.
#[derive(Clone, Copy, Debug)]
pub enum Meanwhile {
    /// Its time stands still.
    Still,
    /// Its time goes on like everybody's, which these two begin and end: no thread has to wait for that, and it costs
    /// some milliseconds in days.
    Going { begin: fn(), end: fn() },
}

thread_local! {
    static AHEAD: Cell<Option<Meanwhile>> = const { Cell::new(None) };
    /// How many hold time back.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Held while a thread outside of the runtime (a database's) is at work for somebody inside. A runtime that runs
/// ahead would take that for idleness; everywhere else this is nothing.
pub struct Outside {
    held: Held,
}

enum Held {
    Nothing,
    Still { _held: mpsc::Sender<()> },
    Going { end: fn() },
}

impl Outside {
    pub fn hold() -> Self {
        let held = match AHEAD.get() {
            None => Held::Nothing,
            Some(Meanwhile::Still) => {
                let (held, released) = mpsc::channel::<()>();
                // No runtime runs ahead of its blocking tasks.
                tokio::task::spawn_blocking(move || released.recv().is_ok());
                Held::Still { _held: held }
            }
            Some(Meanwhile::Going { begin, end }) => {
                if HELD.replace(HELD.get() + 1) == 0 {
                    begin();
                }
                Held::Going { end }
            }
        };
        Self { held }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let Held::Going { end } = self.held
            && HELD.replace(HELD.get() - 1) == 1
        {
            end();
        }
    }
}

impl Clock {
    /// A clock that stands still until `advance` is called.
    pub fn set(at: Time) -> Self {
        Self::Set(Arc::new(AtomicI64::new(at.micros())))
    }

    /// A clock that goes with the timers of the runtime of this thread.
    pub fn of_runtime(from: Time, meanwhile: Meanwhile) -> Self {
        AHEAD.set(Some(meanwhile));
        Self::Runtime(from, Instant::now())
    }

    pub fn now(&self) -> Time {
        match self {
            Self::System => {
                // A system clock before 1970 reads as 1970: every stored time stays positive.
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Time(micros_of(since))
            }
            Self::Set(micros) => Time(micros.load(Ordering::SeqCst)),
            Self::Runtime(from, since) => from.plus(since.elapsed()),
        }
    }

    /// Moves a set clock; the system's goes by itself.
    pub fn advance(&self, by: Duration) {
        if let Self::Set(micros) = self {
            micros.fetch_add(micros_of(by), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_rfc_3339() {
        assert_eq!(Time::from_micros(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time::from_micros(1_793_245_479_123_456).to_string(), "2026-10-29T03:44:39.123Z");
        assert_eq!(Time::from_micros(i64::MAX).to_string(), "9223372036854775807us");
    }

    #[test]
    fn a_time_of_day_is_the_next_whole_second() {
        for (micros, text) in [
            (0, "00:00:00 UTC"),
            (1, "00:00:01 UTC"),
            (1_793_245_479_123_456, "03:44:40 UTC"),
            (1_793_245_479_000_000, "03:44:39 UTC"),
            (86_399_000_001, "00:00:00 UTC"),
        ] {
            assert_eq!(Time::from_micros(micros).of_day(), text);
        }
        Time::from_micros(i64::MAX).of_day();
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let end = Time::from_micros(i64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(Time::default().since(end), Duration::ZERO);
        assert_eq!(Time::default().plus(Duration::MAX), end);
    }

    #[test]
    fn a_set_clock_moves_only_by_hand() {
        let clock = Clock::set(Time::from_micros(5));
        let twin = clock.clone();
        clock.advance(Duration::from_micros(7));
        assert_eq!(twin.now(), Time::from_micros(12));
    }
}
