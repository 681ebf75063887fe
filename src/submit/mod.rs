//! A transaction from one of our users: who it is, what they may send, as whom and to whom, and what
//! becomes of the message.
//!
//! `login` answers who somebody is; behind it `passwords` knows what logins are checked against, `checks`
//! does the dear part of a check within bounds, `remembered` spares it to who was right a moment ago, and
//! `throttle` slows down and sends away who guesses. `sender` and `recipient` judge the envelope, `pipeline`
//! the message; what it wishes beside that stands in its `control_headers`.
//! the message, which `render` makes of a template where its sender wished that.

mod checks;
pub mod control_headers;
mod happenings;
mod idempotency;
pub mod login;
mod passwords;
pub mod pipeline;
mod recent;
pub mod recipient;
mod remembered;
mod render;
pub mod sender;
mod spending;
pub mod submitter;
mod throttle;
mod view;
pub mod whence;

/// A keyed hash that stands for something secret: equal for equal things, and telling nothing of them.
type Fingerprint = [u8; 32];
