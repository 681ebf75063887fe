//! A transaction from a user we know: who it is, and what they may do.
//!
//! `login` answers who somebody is; behind it `passwords` knows what logins are checked against, `checks`
//! does the dear part of a check within bounds, `remembered` spares it to who was right a moment ago, and
//! `throttle` slows down and sends away who guesses.

mod checks;
mod happenings;
pub mod login;
mod passwords;
mod recent;
mod remembered;
pub mod submitter;
mod throttle;
mod view;
pub mod whence;

/// A keyed hash that stands for something secret: equal for equal things, and telling nothing of them.
type Fingerprint = [u8; 32];
