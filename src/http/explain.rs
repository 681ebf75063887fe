//! What would become of a message: `GET /api/v1/explain?from=…&to=…`. The daemon finds it out, with the same
//! functions that mail goes through; this room asks and serves it.

use super::destinations::Standing;
use super::error::ApiError;
use crate::mail::address::Address;
use crate::mail::envelope::ReversePath;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::sync::Arc;

/// Asks the daemon; looks names up, so it waits for the DNS. The router's deadline bounds it.
pub type Explain = Arc<dyn Fn(Question) -> BoxFuture<'static, Result<Explanation, ApiError>> + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub from: ReversePath,
    pub to: Address,
}

#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub object: Explained,
    pub from: String,
    pub to: String,
    pub outcome: Outcome,
    /// In the order in which they are decided; each says which rule did.
    pub steps: Vec<Step>,
    /// The queue it would wait in, like `mx:example.net`; none when it would not wait.
    pub destination: Option<String>,
    /// Where it would be tried, the most preferred first.
    pub hosts: Vec<Host>,
}

/// The word in "object".
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Explained {
    Explanation,
}

/// What would become of it, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It would leave.
    Sent,
    /// It would wait, until something changes: a suspension ends, a host can be reached.
    Waits,
    /// Its recipient is not written to any more: it would be taken, and shown as that.
    Suppressed,
    /// It would stay here: a mailbox, the store.
    Kept,
    /// It would be captured by the sandbox.
    Captured,
    /// It would wait for an operator.
    Held,
    /// It would be taken and forgotten.
    Discarded,
    /// It would not be taken.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub about: About,
    /// One sentence, without a full stop.
    pub text: String,
    /// The rule that decided, as the configuration has it: `[[route]] *@example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What a step decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Sender,
    Recipient,
    Suppression,
    Route,
    Destination,
    Relay,
    Source,
    Tls,
    Tracking,
    ReturnPath,
    Signature,
    Sandbox,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    pub host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<u16>,
    pub port: u16,
    /// `none`, `opportunistic`, `required`, `verified`, `dane`; absent of a host that is not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<&'static str>,
    pub addresses: Vec<String>,
    /// Why it is not tried, when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

impl Explanation {
    /// What is done about its destination right now.
    pub fn add(&mut self, standing: &Standing) {
        if let (Some(rate), Some(by)) = (&standing.rate, &standing.rate_by) {
            let why = standing.slowed.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            self.steps.push(Step::new(About::Destination, format!("at the moment it is sent {rate}, by {by}{why}")));
        }
        let Some(suspension) = &standing.suspended else { return };
        self.steps.push(Step::new(About::Destination, format!("it is {suspension}")));
        if self.outcome == Outcome::Sent {
            self.outcome = Outcome::Waits;
        }
    }
}

impl Step {
    pub fn new(about: About, text: impl Into<String>) -> Self {
        Self { about, text: text.into(), rule: None }
    }

    /// Names the rule that decided.
    pub fn by(self, rule: impl Into<String>) -> Self {
        Self { rule: Some(rule.into()), ..self }
    }
}
