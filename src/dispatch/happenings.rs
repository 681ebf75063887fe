//! What can happen on the way out: each with its line and its number.

use super::settle::Try;
use crate::base::clock::Time;
use crate::base::id::{DeliveryId, MessageId};
use crate::base::metrics::{
    DELIVERIES_SETTLED, DELIVERY_SECONDS, DESTINATIONS_STEERED, FEED_FAILURES, MESSAGES_CONVERTED, MESSAGES_NOT_SIGNED,
    REPORTS_NOT_SENT, RETURN_PATHS_TURNED, SETTLE_FAILURES, SETTLEMENTS_REFUSED, SITES_DOWN, SITES_SLOWED,
    TRIES_BROKEN,
};
use crate::base::observe::Happening;
use crate::mail::domain_name::DomainName;
use crate::model::delivery::{Delivery, State};
use crate::model::host::Host;
use crate::model::outcome::Why;
use crate::model::steering::{ByHand, Order, Steering};
use crate::policy::return_path::Turned;
use crate::store::StoreError;

/// A try, or what was decided instead of one, came to its end.
pub(super) struct DeliverySettled<'a> {
    pub delivery: &'a Delivery,
    pub state: State,
    pub why: Option<&'a Why>,
    pub took: Option<&'a Try>,
}

impl Happening for DeliverySettled<'_> {
    fn record(self) {
        let Self { delivery, state, why, took } = self;
        let state = state.word();
        metrics::counter!(DELIVERIES_SETTLED, "state" => state).increment(1);
        let Delivery { id, message, recipient, attempts, .. } = delivery;
        let host = took.and_then(|told| told.host.as_deref());
        let tls = took.and_then(|told| told.tls.as_deref());
        let reply = took.and_then(|told| told.reply.as_deref());
        let took_ms = took.map(|told| {
            metrics::histogram!(DELIVERY_SECONDS).record(told.took.as_secs_f64());
            u64::try_from(told.took.as_millis()).unwrap_or(u64::MAX)
        });
        match why {
            None => {
                tracing::info!(%message, delivery = %id, %recipient, state, attempts, host, tls, reply, took_ms, "delivery")
            }
            Some(why) => {
                let (blame, category) = (why.blame.word(), &*why.category);
                tracing::info!(%message, delivery = %id, %recipient, state, attempts, host, tls, blame, category, why = %why.text, took_ms, "delivery");
            }
        }
    }
}

/// A host does not take the message as it is, and is given it in 7-bit lines.
pub(super) struct MessageConverted<'a> {
    pub message: &'a MessageId,
    pub host: &'a Host,
}

impl Happening for MessageConverted<'_> {
    fn record(self) {
        let Self { message, host } = self;
        metrics::counter!(MESSAGES_CONVERTED).increment(1);
        tracing::debug!(%message, %host, "sent in 7-bit lines");
    }
}

/// The store did not take what came of tries. Nothing more is sent until it does; what it refuses for good is
/// written apart.
pub(super) struct NotSettled<'a> {
    pub deliveries: usize,
    pub error: &'a StoreError,
}

impl Happening for NotSettled<'_> {
    fn record(self) {
        let Self { deliveries, error } = self;
        metrics::counter!(SETTLE_FAILURES).increment(1);
        tracing::error!(deliveries, %error, "outcomes could not be stored; nothing more is sent until they are");
    }
}

/// What is in the store of a delivery whose settlement it refuses for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its state and nothing else: no attempt, no event.
    WithoutHistory,
    /// It is leased as before, until this node starts again.
    Leased,
}

/// The store refuses what came of a delivery, and will not think better of it.
pub(super) struct Refused<'a> {
    pub delivery: &'a DeliveryId,
    pub left: Left,
    pub error: &'a StoreError,
}

impl Happening for Refused<'_> {
    fn record(self) {
        let Self { delivery, left, error } = self;
        let (word, text) = match left {
            Left::WithoutHistory => {
                ("settled", "the store refuses the history of a delivery; its state alone is stored")
            }
            Left::Leased => ("leased", "the store refuses the end of a delivery; the next start tries it again"),
        };
        metrics::counter!(SETTLEMENTS_REFUSED, "left" => word).increment(1);
        tracing::error!(%delivery, %error, "{text}");
    }
}

/// What was tried here belongs to somebody else by now: it may have been delivered twice.
pub(super) struct SettledElsewhere<'a> {
    pub delivery: &'a DeliveryId,
}

impl Happening for SettledElsewhere<'_> {
    fn record(self) {
        let Self { delivery } = self;
        tracing::warn!(%delivery, "the lease was lost while it was being tried; it may be delivered twice");
    }
}

/// Our own code broke in the middle of a try.
pub(super) struct TriesBroken {
    pub deliveries: usize,
}

impl Happening for TriesBroken {
    fn record(self) {
        let Self { deliveries } = self;
        metrics::counter!(TRIES_BROKEN).increment(1);
        tracing::error!(deliveries, "a fault of ours broke a try; its deliveries are put off");
    }
}

/// The store refuses a report; the delivery ended without it.
pub(super) struct NotReported<'a> {
    pub message: &'a MessageId,
    pub error: &'a StoreError,
}

impl Happening for NotReported<'_> {
    fn record(self) {
        let Self { message, error } = self;
        metrics::counter!(REPORTS_NOT_SENT).increment(1);
        tracing::error!(%message, %error, "a delivery report could not be sent");
    }
}

/// The store could not be read for deliveries.
pub(super) struct FeedFailed<'a> {
    pub error: &'a StoreError,
}

impl Happening for FeedFailed<'_> {
    fn record(self) {
        let Self { error } = self;
        metrics::counter!(FEED_FAILURES).increment(1);
        tracing::warn!(%error, "the queue could not be read; trying again");
    }
}

/// A delivery without its message.
pub(super) struct MailGone<'a> {
    pub delivery: &'a DeliveryId,
    pub why: &'a str,
}

impl Happening for MailGone<'_> {
    fn record(self) {
        let Self { delivery, why } = self;
        tracing::warn!(%delivery, why, "a delivery cannot be sent");
    }
}

/// A site asked for less.
pub(super) struct SiteSlowed<'a> {
    pub site: &'a str,
    pub rate: f64,
    pub until: Option<Time>,
    pub why: &'a str,
}

impl Happening for SiteSlowed<'_> {
    fn record(self) {
        let Self { site, rate, until, why } = self;
        metrics::counter!(SITES_SLOWED).increment(1);
        match until {
            None => tracing::warn!(site, rate, why, "sending more slowly"),
            Some(until) => tracing::warn!(site, %until, why, "sending nothing there for a while"),
        }
    }
}

/// An operator said how a destination is to be treated.
pub(super) struct DestinationSteered<'a> {
    pub destination: &'a str,
    pub order: &'a Order,
    pub by: &'a str,
}

impl Happening for DestinationSteered<'_> {
    fn record(self) {
        let Self { destination, order, by } = self;
        let word = match order {
            Order::Suspend { .. } => "suspend",
            Order::Resume => "resume",
            Order::Rate(_) => "rate",
        };
        metrics::counter!(DESTINATIONS_STEERED, "order" => word).increment(1);
        tracing::info!(destination, order = word, by, "an operator's order");
    }
}

/// What operators said of a destination holds here from now on, whichever node they told.
pub(super) struct SteeringInForce<'a> {
    pub destination: &'a str,
    /// None: nothing any more.
    pub steering: Option<&'a Steering>,
    pub now: Time,
}

impl Happening for SteeringInForce<'_> {
    fn record(self) {
        let Self { destination, steering, now } = self;
        let rate = steering.and_then(|steering| steering.rate).map(|rate| rate.to_string());
        match steering.and_then(|steering| steering.suspension(now)) {
            None => tracing::info!(destination, rate, "the destination is open by order"),
            Some(ByHand { until, reason, .. }) => {
                let until = until.map(|until| until.to_string());
                tracing::warn!(destination, rate, until, reason, "the destination is suspended by order");
            }
        }
    }
}

/// What operators asked of other nodes could not be read.
pub(super) struct OrdersUnread<'a> {
    pub error: &'a StoreError,
}

impl Happening for OrdersUnread<'_> {
    fn record(self) {
        let Self { error } = self;
        tracing::warn!(%error, "the orders of operators could not be read; going by the last ones");
    }
}

/// No host of a site could be reached.
pub(super) struct SiteDown<'a> {
    pub site: &'a str,
    pub until: Time,
    pub why: &'a str,
}

impl Happening for SiteDown<'_> {
    fn record(self) {
        let Self { site, until, why } = self;
        metrics::counter!(SITES_DOWN).increment(1);
        tracing::warn!(site, %until, why, "cannot be reached; not trying before");
    }
}

/// Mail of a domain that has keys waits, or comes back, because it could not be signed.
pub(super) struct NotSigned<'a> {
    pub message: &'a MessageId,
    pub domain: &'a DomainName,
    pub why: NotSignedWhy<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum NotSignedWhy<'a> {
    /// None of its keys can be used.
    NoKey(&'a str),
    /// No key could sign this.
    Unsignable(&'a str),
}

impl Happening for NotSigned<'_> {
    fn record(self) {
        let Self { message, domain, why } = self;
        match why {
            NotSignedWhy::NoKey(why) => {
                metrics::counter!(MESSAGES_NOT_SIGNED, "why" => "no_key").increment(1);
                tracing::error!(%message, %domain, why, "mail waits: its domain has DKIM keys and none can sign; see `gatepost dkim show`");
            }
            NotSignedWhy::Unsignable(why) => {
                metrics::counter!(MESSAGES_NOT_SIGNED, "why" => "unsignable").increment(1);
                tracing::error!(%message, %domain, why, "a message cannot be signed, and is not sent unsigned");
            }
        }
    }
}

/// The DNS of a return path is not as it was: mail leaves with its own sender's, or with ours again.
pub(super) struct ReturnPathTurned<'a> {
    pub turned: &'a Turned,
}

impl Happening for ReturnPathTurned<'_> {
    fn record(self) {
        let Turned { domain, is_ready } = self.turned;
        metrics::counter!(RETURN_PATHS_TURNED).increment(1);
        match is_ready {
            true => tracing::info!(%domain, "its return path is in use again"),
            false => tracing::warn!(
                %domain,
                "its return path is not used: the DNS does not show MX and SPF of rp.{domain}; mail leaves with its sender's"
            ),
        }
    }
}
