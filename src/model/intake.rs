//! A message as a door hands it in: what every way into the house becomes before anyone decides on it.

use super::message::Origin;
use super::wishes::Wishes;
use crate::mail::envelope::Envelope;
use crate::mail::received::Hop;

#[derive(Clone)]
pub struct Intake {
    pub origin: Origin,
    /// The login of the credential that sends it; none for mail from the world.
    pub submitter: Option<String>,
    pub hop: Hop,
    pub envelope: Envelope,
    /// What the sender asked for beside it.
    pub wishes: Wishes,
    /// Header and body as they came, every line with CRLF.
    pub message: Vec<u8>,
}
