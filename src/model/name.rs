//! The name of a tenant, a relay, a mailbox or a template: rooms of this floor give it too, so it lives below.

pub use crate::base::name::{BadName, Name};
