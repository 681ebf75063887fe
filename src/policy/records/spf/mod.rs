//! SPF records (RFC 7208), read and evaluated for addresses of our own. This asks another question than a
//! receiver does, who wants one word for one connection: why does our mail not pass, and what would mend it?

mod amend;
mod evaluate;
mod record;

pub(super) use amend::amended;
pub(super) use evaluate::{By, Evaluation, Verdict};
pub(super) use record::{Mechanism, Qualifier, SpfRecord, is_spf};
