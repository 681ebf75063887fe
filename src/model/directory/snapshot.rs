//! The snapshot and how it is asked. Every question is answered from memory.

use super::entry::{Entry, Source, Webhook};
use super::keys::{KeyRefusal, LiveKey};
use super::networks::Networks;
use crate::base::clock::Time;
use crate::base::id::{KeyId, TenantId};
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::model::credential::Credential;
use crate::model::destination::DestinationRules;
use crate::model::domain::Domain;
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::people::Tenant;
use crate::model::relay::Relay;
use crate::model::route::{Recipient, Route};
use crate::model::source;
use crate::model::stream::{self, Stream};
use crate::model::suppression::index::Index;
use crate::model::tenant::TenantLimits;
use arc_swap::{ArcSwap, Guard};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

/// Entries in their order (the file's, then the store's by age), and the way to each by its name.
#[derive(Debug)]
pub(super) struct Shelf<K, T> {
    entries: Vec<Entry<T>>,
    by: HashMap<K, usize>,
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self { entries: Vec::new(), by: HashMap::new() }
    }
}

impl<K: Hash + Eq, T> Shelf<K, T> {
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&Entry<T>>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.by.get(key).map(|at| &self.entries[*at])
    }

    pub fn all(&self) -> &[Entry<T>] {
        &self.entries
    }

    /// Puts an entry behind the others; where it stands.
    pub fn add(&mut self, key: K, entry: Entry<T>) -> usize {
        self.entries.push(entry);
        self.by.insert(key, self.entries.len() - 1);
        self.entries.len() - 1
    }
}

#[derive(Debug, Default)]
pub struct Directory {
    pub(super) version: i64,
    pub(super) tenants: HashMap<Name, Tenant>,
    pub(super) tenant_names: HashMap<TenantId, Name>,
    pub(super) tenant_limits: HashMap<Name, TenantLimits>,
    pub(super) relays: Shelf<Name, Relay>,
    /// Of the file alone: addresses and rules are the operator's.
    pub(super) sources: HashMap<Name, source::Source>,
    pub(super) destinations: DestinationRules,
    /// By tenant and name; of the file alone.
    pub(super) streams: HashMap<(Name, Name), Stream>,
    pub(super) domains: Shelf<DomainName, Domain>,
    pub(super) credentials: Shelf<String, Credential>,
    pub(super) networks: Networks,
    /// By tenant and name.
    pub(super) mailboxes: Shelf<(Name, Name), Mailbox>,
    pub(super) mailboxes_of_file: HashMap<Name, usize>,
    /// By address, in small letters.
    pub(super) addresses: HashMap<String, usize>,
    /// The mailbox whose answers come back to it: the first that names it.
    pub(super) reply_domains: HashMap<DomainName, usize>,
    pub(super) routes: Vec<Entry<Route>>,
    /// Domains of ours with somebody behind an address of theirs.
    pub(super) receiving: HashSet<DomainName>,
    /// Whether any tenant or domain is disabled.
    pub(super) has_suspended: bool,
    pub(super) webhooks: Shelf<String, Webhook>,
    pub(super) keys: HashMap<KeyId, LiveKey>,
}

impl Directory {
    /// The version of the store's rows it was made from: behind the store's own, it is out of date.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The living tenant of this name. One that only the file names may not be in the store yet.
    pub fn tenant(&self, name: &Name) -> Option<&Tenant> {
        self.tenants.get(name)
    }

    /// The name of a living tenant.
    pub fn tenant_named(&self, id: &TenantId) -> Option<&Name> {
        self.tenant_names.get(id)
    }

    /// What the file lets this tenant send; none where it does not say.
    pub fn tenant_limits(&self, name: &Name) -> Option<&TenantLimits> {
        self.tenant_limits.get(name)
    }

    /// A domain of ours, by exactly this name: sub-domains are domains of their own.
    pub fn domain(&self, name: &DomainName) -> Option<&Entry<Domain>> {
        self.domains.get(name)
    }

    pub fn domains(&self) -> &[Entry<Domain>] {
        self.domains.all()
    }

    /// Is mail for this domain taken in? Our domains, and those that answers to tickets come back to.
    pub fn serves(&self, name: &DomainName) -> bool {
        self.domain(name).is_some() || self.reply_domains.contains_key(name)
    }

    /// Is there a mailbox, a reply domain or a route for any address of this domain of ours? One without is
    /// only sent from: its mailboxes are elsewhere, where its MX says.
    pub fn takes_mail(&self, name: &DomainName) -> bool {
        self.receiving.contains(name) || self.reply_domains.contains_key(name)
    }

    /// Is any tenant or domain disabled? Where none is, nobody has to be looked for.
    pub fn has_suspended(&self) -> bool {
        self.has_suspended
    }

    /// Is this tenant disabled, or this domain of ours?
    pub fn is_suspended(&self, tenant: &TenantId, domain: &DomainName) -> bool {
        let tenant = self.tenant_named(tenant).and_then(|name| self.tenant(name));
        tenant.is_some_and(|tenant| tenant.disabled_at.is_some())
            || self.domain(domain).is_some_and(|domain| domain.disabled_at.is_some())
    }

    pub(super) fn note_who_is_suspended(&mut self) {
        self.has_suspended = self.tenants.values().any(|tenant| tenant.disabled_at.is_some())
            || self.domains().iter().any(|domain| domain.disabled_at.is_some());
    }

    pub(super) fn note_who_takes_mail(&mut self) {
        let mut receiving: HashSet<_> = self.mailboxes().iter().map(|m| m.value.address.domain().clone()).collect();
        for domain in self.domains() {
            let may_match = |route: &Entry<Route>| match &route.value.recipient {
                Recipient::Address(address) => address.domain() == &domain.value.name,
                Recipient::Domain(name) => *name == domain.value.name,
                Recipient::Pattern(pattern) => pattern.may_match_in(&domain.value.name),
            };
            if self.routes_for(&domain.tenant).any(may_match) {
                receiving.insert(domain.value.name.clone());
            }
        }
        self.receiving = receiving;
    }

    /// The credential of a login, exactly as it is written.
    pub fn credential(&self, login: &str) -> Option<&Entry<Credential>> {
        self.credentials.get(login)
    }

    /// The credential of the narrowest network around an address: a host with a rule of its own is not
    /// judged by its network's.
    pub fn credential_at(&self, address: IpAddr) -> Option<&Entry<Credential>> {
        self.networks.narrowest(address).map(|at| &self.credentials.all()[at])
    }

    pub fn credentials(&self) -> &[Entry<Credential>] {
        self.credentials.all()
    }

    /// A relay that this tenant may use: the file's, which serve all, and its own.
    pub fn relay(&self, tenant: &Name, name: &Name) -> Option<&Entry<Relay>> {
        self.relays.get(name).filter(|relay| relay.source == Source::File || relay.tenant == *tenant)
    }

    /// The same, for a row that names its tenant by id. Tenants are few.
    pub fn relay_of(&self, tenant: &TenantId, name: &Name) -> Option<&Entry<Relay>> {
        let (tenant, _) = self.tenants.iter().find(|(_, known)| known.id == *tenant)?;
        self.relay(tenant, name)
    }

    pub fn relays(&self) -> &[Entry<Relay>] {
        self.relays.all()
    }

    /// The addresses that mail leaves from, by the name that a domain or a destination gives.
    pub fn source(&self, name: &Name) -> Option<&source::Source> {
        self.sources.get(name)
    }

    /// A stream of this tenant; two need no table.
    pub fn stream(&self, tenant: &Name, name: &Name) -> Option<Cow<'_, Stream>> {
        // The two names are one key; a lookup is rare enough for their copies.
        match self.streams.get(&(tenant.clone(), name.clone())) {
            Some(stream) => Some(Cow::Borrowed(stream)),
            None => Stream::built_in(tenant, name).map(Cow::Owned),
        }
    }

    /// The names of a tenant's streams, those that are always there first.
    pub fn stream_names<'a>(&'a self, tenant: &'a Name) -> impl Iterator<Item = &'a str> {
        let own = self.streams.keys().filter(move |(of, _)| of == tenant).map(|(_, name)| name.as_str());
        [stream::TRANSACTIONAL, stream::BULK].into_iter().chain(own)
    }

    /// What kind of mail stands under this name in a row; none when it is no stream (any more).
    pub fn kind_of_stream(&self, tenant: &TenantId, name: &str) -> Option<stream::Kind> {
        if let Some(kind) = Stream::built_in_kind(name) {
            return Some(kind);
        }
        let key = (self.tenant_names.get(tenant)?.clone(), name.parse().ok()?);
        self.streams.get(&key).map(|stream| stream.kind)
    }

    /// The rules for mail to certain places.
    pub fn destinations(&self) -> &DestinationRules {
        &self.destinations
    }

    pub fn mailbox(&self, tenant: &Name, name: &Name) -> Option<&Entry<Mailbox>> {
        // The two names are one key; a lookup is rare enough for their copies.
        self.mailboxes.get(&(tenant.clone(), name.clone()))
    }

    /// The mailbox that a route's action names: the file's names are one space, each tenant's another.
    pub fn mailbox_of(&self, route: &Entry<Route>, name: &Name) -> Option<&Entry<Mailbox>> {
        match route.source {
            Source::File => self.mailboxes_of_file.get(name).map(|at| &self.mailboxes.all()[*at]),
            Source::Store { .. } => self.mailbox(&route.tenant, name),
        }
    }

    /// The mailbox of an address, in any case of letters: our own desk reads it.
    pub fn mailbox_at(&self, address: &Address) -> Option<&Entry<Mailbox>> {
        self.addresses.get(&folded(address)).map(|at| &self.mailboxes.all()[*at])
    }

    /// The mailbox whose answers come back to this domain.
    pub fn mailbox_answered_at(&self, domain: &DomainName) -> Option<&Entry<Mailbox>> {
        self.reply_domains.get(domain).map(|at| &self.mailboxes.all()[*at])
    }

    pub fn mailboxes(&self) -> &[Entry<Mailbox>] {
        self.mailboxes.all()
    }

    /// All routes in the order in which they are asked.
    pub fn routes(&self) -> &[Entry<Route>] {
        &self.routes
    }

    /// The routes for mail to this tenant's domains, in the order in which they are asked: the file's,
    /// then its own. Another tenant's pattern never sees its mail.
    pub fn routes_for<'a>(&'a self, tenant: &'a Name) -> impl Iterator<Item = &'a Entry<Route>> {
        self.routes.iter().filter(move |route| route.source == Source::File || route.tenant == *tenant)
    }

    pub fn webhook(&self, id: &str) -> Option<&Entry<Webhook>> {
        self.webhooks.get(id)
    }

    pub fn webhooks(&self) -> &[Entry<Webhook>] {
        self.webhooks.all()
    }

    /// A key by its id, whether or not somebody knows its secret.
    pub fn key(&self, id: &KeyId) -> Option<&LiveKey> {
        self.keys.get(id)
    }

    /// The key that this id and secret open now.
    pub fn open_key(&self, id: &KeyId, secret: &str, now: Time) -> Result<&LiveKey, KeyRefusal> {
        self.key(id).ok_or(KeyRefusal::Unknown)?.opens(secret, now)
    }
}

pub(super) fn folded(address: &Address) -> String {
    address.to_string().to_lowercase()
}

/// The one directory of a daemon: read by everybody without a lock, replaced whole.
#[derive(Debug)]
pub struct DirectoryHandle {
    directory: ArcSwap<Directory>,
    suppressed: Index,
}

impl DirectoryHandle {
    pub fn new(directory: Directory) -> Self {
        Self { directory: ArcSwap::from_pointee(directory), suppressed: Index::default() }
    }

    /// The directory as it is now. Hold it for one decision, not for a connection.
    pub fn load(&self) -> Guard<Arc<Directory>> {
        self.directory.load()
    }

    /// The same, to be kept for longer or handed to a task.
    pub fn load_full(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    pub fn replace(&self, directory: Directory) {
        self.directory.store(Arc::new(directory));
    }

    /// Who may be suppressed: before it is read for the first time, everybody.
    pub fn suppressed(&self) -> &Index {
        &self.suppressed
    }
}
