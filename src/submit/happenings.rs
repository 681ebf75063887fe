//! What can happen to a login, and to a template: each with its line and its number.

use super::throttle::Ban;
use super::view::Unusable;
use crate::base::metrics::{LOGIN_BANS, LOGINS, TEMPLATE_FAILURES, TEMPLATE_SECONDS, TEMPLATES_RENDERED};
use crate::base::observe::Happening;
use crate::content::template::Mistake;
use crate::model::wishes::OnError;
use std::net::IpAddr;
use std::time::Duration;

/// How somebody became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    Checked,
    /// The same password was right within the last minute.
    Remembered,
    Scram,
    Network,
}

pub(super) struct LoginAccepted<'a> {
    pub login: &'a str,
    pub address: IpAddr,
    pub how: Accepted,
}

impl Happening for LoginAccepted<'_> {
    fn record(self) {
        let Self { login, address, how } = self;
        let how = match how {
            Accepted::Checked => "checked",
            Accepted::Remembered => "remembered",
            Accepted::Scram => "scram",
            Accepted::Network => "network",
        };
        metrics::counter!(LOGINS, "outcome" => how).increment(1);
        tracing::debug!(login, %address, how, "logged in");
    }
}

/// Why somebody did not become known. To the client the first two are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unusable(Unusable),
    Wrong,
    Busy,
    Banned,
}

pub(super) struct LoginRefused<'a> {
    /// None when it may be anything, a password in the wrong field too.
    pub login: Option<&'a str>,
    pub address: IpAddr,
    pub why: Refusal,
    /// How long the answer waits.
    pub delay: Duration,
}

impl Happening for LoginRefused<'_> {
    fn record(self) {
        let Self { login, address, why, delay } = self;
        let why = match why {
            Refusal::Unusable(Unusable::Unknown) => "unknown",
            Refusal::Unusable(Unusable::Disabled) => "disabled",
            Refusal::Unusable(Unusable::Elsewhere) => "not from this address",
            Refusal::Wrong => "wrong password",
            Refusal::Busy => "too many at once",
            Refusal::Banned => "banned",
        };
        metrics::counter!(LOGINS, "outcome" => why).increment(1);
        tracing::info!(login, %address, why, delay_ms = delay.as_millis() as u64, "login refused");
    }
}

/// Addresses failed so often that they are sent away.
pub(super) struct Banned(pub Ban);

impl Happening for Banned {
    fn record(self) {
        let Ban { network, until } = self.0;
        metrics::counter!(LOGIN_BANS).increment(1);
        tracing::warn!(%network, %until, "too many failed logins: sent away");
    }
}

/// A template made a message, or a copy for each recipient.
pub(super) struct TemplateRendered {
    pub copies: usize,
    pub took: Duration,
}

impl Happening for TemplateRendered {
    fn record(self) {
        let Self { copies, took } = self;
        metrics::counter!(TEMPLATES_RENDERED).increment(copies as u64);
        metrics::histogram!(TEMPLATE_SECONDS).record(took.as_secs_f64());
    }
}

/// A template could not make a message.
pub(super) struct TemplateFailed<'a> {
    pub mistake: &'a Mistake,
    pub on_error: OnError,
}

impl Happening for TemplateFailed<'_> {
    fn record(self) {
        let Self { mistake, on_error } = self;
        let instead = match on_error {
            OnError::Reject => "refused",
            OnError::Hold => "held",
            OnError::Original => "sent as it was written",
        };
        metrics::counter!(TEMPLATE_FAILURES, "instead" => instead).increment(1);
        tracing::info!(%mistake, instead, "a template could not make a message");
    }
}
