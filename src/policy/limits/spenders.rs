//! Who spends: a credential, the domain it sends from, and their tenant, each with the limits that the
//! directory gives it. Borrowed for one decision.

use crate::model::credential::Credential;
use crate::model::directory::Entry;
use crate::model::domain::Domain;
use crate::model::rate::Rate;
use crate::model::tenant::TenantLimits;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Credential,
    Domain,
    Tenant,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Credential, Self::Domain, Self::Tenant];

    pub fn word(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Domain => "domain",
            Self::Tenant => "tenant",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    Messages,
    /// Each recipient of each message.
    Recipients,
}

impl Unit {
    pub const ALL: [Self; 2] = [Self::Messages, Self::Recipients];

    pub fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
        }
    }
}

/// How much is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    pub messages: u32,
    pub recipients: u32,
}

impl Amount {
    pub fn of(self, unit: Unit) -> u32 {
        match unit {
            Unit::Messages => self.messages,
            Unit::Recipients => self.recipients,
        }
    }
}

/// Everybody whose limits one message spends from. Nobody, for mail that we made ourselves: an answer to
/// a bounce must not cost its domain what its people may send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spenders<'a> {
    credential: Option<Spender<'a>>,
    domain: Option<Spender<'a>>,
    tenant: Option<Spender<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Spender<'a> {
    pub scope: Scope,
    pub name: &'a str,
    messages: &'a [Rate],
    recipients: &'a [Rate],
}

impl<'a> Spender<'a> {
    /// Its limits, each with what it counts.
    pub fn limits(self) -> impl Iterator<Item = (Unit, Rate)> + 'a {
        let messages = self.messages.iter().map(|rate| (Unit::Messages, *rate));
        messages.chain(self.recipients.iter().map(|rate| (Unit::Recipients, *rate)))
    }
}

impl<'a> Spenders<'a> {
    /// The login, or the network, that gave us the mail.
    pub fn with_credential(mut self, credential: &'a Entry<Credential>) -> Self {
        let Credential { username, limits, recipient_limits, .. } = &credential.value;
        let (scope, name) = (Scope::Credential, username.as_str());
        self.credential = Some(Spender { scope, name, messages: limits, recipients: recipient_limits });
        self
    }

    /// The domain of the envelope's sender.
    pub fn with_domain(mut self, domain: &'a Entry<Domain>) -> Self {
        let Domain { name, limits, recipient_limits, .. } = &domain.value;
        let (scope, name) = (Scope::Domain, name.as_str());
        self.domain = Some(Spender { scope, name, messages: limits, recipients: recipient_limits });
        self
    }

    /// What the directory says of their tenant, if it does.
    pub fn with_tenant(mut self, tenant: Option<&'a TenantLimits>) -> Self {
        self.tenant = tenant.map(|TenantLimits { name, limits, recipient_limits, .. }| Spender {
            scope: Scope::Tenant,
            name: name.as_str(),
            messages: limits,
            recipients: recipient_limits,
        });
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Spender<'a>> + use<'a> {
        [self.credential, self.domain, self.tenant].into_iter().flatten()
    }
}
