//! How long a client may take. Counted for a whole command, and by rate for a message: a deadline per read
//! is one that a byte now and then moves for ever.

use crate::base::limits;
use tokio::time::{Duration, Instant};

pub(super) struct Patience {
    /// When we last said something: the begin of the next command.
    since: Instant,
    /// The least that a message must bring.
    bytes_per_second: f64,
    /// The message that is coming in.
    message: Option<Message>,
}

struct Message {
    began: Instant,
    bytes: u64,
}

impl Patience {
    pub fn new(now: Instant, data_rate_min: u32) -> Self {
        Self { since: now, bytes_per_second: f64::from(data_rate_min.max(1)), message: None }
    }

    /// We said something: what comes next has its own time.
    pub fn begin_again(&mut self, now: Instant) {
        self.since = now;
        self.message = None;
    }

    pub fn heard(&mut self, bytes: usize) {
        if let Some(message) = &mut self.message {
            message.bytes += bytes as u64;
        }
    }

    /// Until when the next bytes must have come.
    pub fn deadline(&mut self, receiving: bool, now: Instant) -> Instant {
        if !receiving {
            return self.since + limits::COMMAND_MAX;
        }
        let message = self.message.get_or_insert(Message { began: now, bytes: 0 });
        let earned = Duration::from_secs_f64(message.bytes as f64 / self.bytes_per_second);
        // RFC 5321 4.5.3.2.5: a pause within data is granted as much time as its client grants us.
        (message.began + limits::DATA_GRACE + earned).min(now + limits::DATA_PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_moves_nothing() {
        let begin = Instant::now();
        let mut patience = Patience::new(begin, 512);
        let (first, later) = (patience.deadline(false, begin), begin + limits::COMMAND_MAX / 2);
        patience.heard(1);
        assert_eq!(patience.deadline(false, later), first);
        patience.begin_again(later);
        assert_eq!(patience.deadline(false, later), later + limits::COMMAND_MAX);
    }

    #[test]
    fn a_message_earns_its_time_by_its_bytes() {
        let begin = Instant::now();
        let mut patience = Patience::new(begin, 512);
        let mut now = begin;
        assert_eq!(patience.deadline(true, now), begin + limits::DATA_GRACE);
        // A byte every ten seconds comes to its end; twice the least rate never does.
        let mut slow = Patience::new(begin, 512);
        while now < slow.deadline(true, now) {
            slow.heard(1);
            now += Duration::from_secs(10);
        }
        assert!(now - begin < limits::DATA_GRACE + Duration::from_secs(20));
        for second in 0..1_000 {
            let now = begin + Duration::from_secs(second);
            assert!(patience.deadline(true, now) > now);
            patience.heard(2 * 512);
        }
    }
}
