//! Assembles a snapshot: the file's parts first, then the store's rows, each against what is there
//! already. In this order every reference points backwards: relays, domains, credentials, mailboxes,
//! routes.

use super::entry::{self, Consequence, Entry, Trouble, Webhook};
use super::judge;
use super::keys::LiveKey;
use super::rows::{DirectoryRows, EntryKind, EntryRow, Key};
use super::snapshot::{Directory, folded};
use crate::base::clock::Time;
use crate::base::id::TenantId;
use crate::base::secret::Secret;
use crate::base::settings::{Finding, Value, read_json};
use crate::mail::domain_name::DomainName;
use crate::model::credential::{Covers, Credential};
use crate::model::destination::{Destination, DestinationRules};
use crate::model::domain::{Domain, Via};
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::relay::Relay;
use crate::model::route::{Action, Recipient, Route};
use crate::model::source::Source;
use crate::model::stream::Stream;
use crate::model::tenant::TenantLimits;

/// The file's share of a directory: checked already, as a whole, by the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    pub tenants: &'a [TenantLimits],
    pub relays: &'a [Relay],
    pub sources: &'a [Source],
    pub destinations: &'a [Destination],
    pub domains: &'a [Domain],
    pub streams: &'a [Stream],
    pub credentials: &'a [Credential],
    pub mailboxes: &'a [Mailbox],
    pub routes: &'a [Route],
}

impl Directory {
    /// The snapshot, and what of the store is not in it, or not as it was meant.
    pub fn assemble(parts: &Parts<'_>, rows: &DirectoryRows) -> (Self, Vec<Trouble>) {
        let mut assembly = Assembly::default();
        assembly.made.version = rows.version;
        assembly.take_tenants(rows);
        let limits = parts.tenants.iter().map(|tenant| (tenant.name.clone(), tenant.clone()));
        assembly.made.tenant_limits.extend(limits);
        let sources = parts.sources.iter().map(|source| (source.name.clone(), source.clone()));
        assembly.made.sources.extend(sources);
        let streams = parts.streams.iter().map(|stream| (stream.name.clone(), stream.clone()));
        for (name, stream) in streams {
            assembly.made.streams.insert((stream.tenant.clone(), name), stream);
        }
        assembly.made.destinations = DestinationRules::new(parts.destinations.to_vec());
        for kind in EntryKind::ALL_IN_ORDER {
            assembly.take_file(kind, parts);
            for row in rows.entries.iter().filter(|row| row.kind == kind) {
                if let Err(why) = assembly.take_row(row) {
                    assembly.left_out(row, why);
                }
            }
        }
        for key in &rows.keys {
            if let Err(why) = assembly.take_key(key) {
                let id = Some(key.id.to_string());
                let consequence = Consequence::LeftOut;
                assembly.troubles.push(Trouble { what: "key", name: key.name.clone(), id, consequence, why });
            }
        }
        assembly.made.note_who_takes_mail();
        assembly.made.note_who_is_suspended();
        (assembly.made, assembly.troubles)
    }
}

impl EntryKind {
    const ALL_IN_ORDER: [Self; 6] =
        [Self::Relay, Self::Domain, Self::Credential, Self::Mailbox, Self::Route, Self::Webhook];
}

#[derive(Default)]
struct Assembly {
    made: Directory,
    troubles: Vec<Trouble>,
}

/// Why an entry is left out.
type Why = String;

impl Assembly {
    fn take_tenants(&mut self, rows: &DirectoryRows) {
        for tenant in &rows.tenants {
            match tenant.name.parse::<Name>() {
                Ok(name) => {
                    self.made.tenant_names.insert(tenant.id.clone(), name.clone());
                    self.made.tenants.insert(name, tenant.clone());
                }
                Err(why) => self.troubles.push(Trouble {
                    what: "tenant",
                    name: tenant.name.clone(),
                    id: Some(tenant.id.to_string()),
                    consequence: Consequence::LeftOut,
                    why: why.to_string(),
                }),
            }
        }
    }

    fn take_file(&mut self, kind: EntryKind, parts: &Parts<'_>) {
        match kind {
            EntryKind::Relay => {
                for relay in parts.relays {
                    let entry = self.of_file(&Name::default_tenant(), relay);
                    // A relay of the file is nobody's own: a tenant that is switched off stops no other.
                    let entry = Entry { disabled_at: None, ..entry };
                    self.made.relays.add(relay.name.clone(), entry);
                }
            }
            EntryKind::Domain => {
                for domain in parts.domains {
                    let entry = self.of_file(&domain.tenant, domain);
                    self.made.domains.add(domain.name.clone(), entry);
                }
            }
            EntryKind::Credential => {
                for credential in parts.credentials {
                    let entry = self.of_file(&credential.tenant, credential);
                    self.add_credential(entry);
                }
            }
            EntryKind::Mailbox => {
                for mailbox in parts.mailboxes {
                    let entry = self.of_file(&mailbox.tenant, mailbox);
                    let at = self.add_mailbox(entry);
                    self.made.mailboxes_of_file.insert(mailbox.name.clone(), at);
                }
            }
            EntryKind::Route => {
                for route in parts.routes {
                    let tenant = domain_of(route).and_then(|name| self.made.domain(name)).map(|d| d.tenant.clone());
                    let tenant = tenant.unwrap_or_else(Name::default_tenant);
                    let entry = Entry { disabled_at: None, ..self.of_file(&tenant, route) };
                    self.made.routes.push(entry);
                }
            }
            // The file has no table for them yet.
            EntryKind::Webhook => {}
        }
    }

    fn of_file<T: Clone>(&self, tenant: &Name, value: &T) -> Entry<T> {
        let disabled_at = self.made.tenant(tenant).and_then(|tenant| tenant.disabled_at);
        Entry { source: entry::Source::File, tenant: tenant.clone(), disabled_at, value: value.clone() }
    }

    fn take_row(&mut self, row: &EntryRow) -> Result<(), Why> {
        let tenant = self.tenant_of(&row.tenant)?;
        match row.kind {
            EntryKind::Relay => self.take_relay(row, tenant),
            EntryKind::Domain => self.take_domain(row, tenant),
            EntryKind::Credential => self.take_credential(row, tenant),
            EntryKind::Mailbox => self.take_mailbox(row, tenant),
            EntryKind::Route => self.take_route(row, tenant),
            EntryKind::Webhook => self.take_webhook(row, tenant),
        }
    }

    fn tenant_of(&self, id: &TenantId) -> Result<Name, Why> {
        self.made.tenant_names.get(id).cloned().ok_or_else(|| format!("there is no tenant {id} (any more)"))
    }

    fn take_relay(&mut self, row: &EntryRow, tenant: Name) -> Result<(), Why> {
        let relay: Relay = read(row, &[("name", &row.name)])?;
        is_called(relay.name.as_str(), row)?;
        judge::relay(&relay)?;
        free(self.made.relays.get(&relay.name))?;
        let name = relay.name.clone();
        let entry = self.of_store(row, tenant, relay);
        self.made.relays.add(name, entry);
        Ok(())
    }

    fn take_domain(&mut self, row: &EntryRow, tenant: Name) -> Result<(), Why> {
        let domain: Domain = read(row, &[("name", &row.name), ("tenant", tenant.as_str())])?;
        if row.name.parse().as_ref() != Ok(&domain.name) {
            return Err(format!("its definition calls it {:?}", domain.name.as_str()));
        }
        belongs(&domain.tenant, &tenant)?;
        judge::domain(&domain)?;
        free(self.made.domains.get(&domain.name))?;
        if let Via::Relay(relay) = &domain.relay
            && self.made.relay(&tenant, relay).is_none()
        {
            self.kept(row, format!("its tenant has no relay {:?}, so mail from it waits", relay.as_str()));
        }
        if let Some(source) = domain.source.as_ref().filter(|source| self.made.source(source).is_none()) {
            self.kept(row, format!("there is no source {:?}, so mail from it waits", source.as_str()));
        }
        let name = domain.name.clone();
        let entry = self.of_store(row, tenant, domain);
        self.made.domains.add(name, entry);
        Ok(())
    }

    fn take_credential(&mut self, row: &EntryRow, tenant: Name) -> Result<(), Why> {
        let mut credential: Credential = read(row, &[("username", &row.name), ("tenant", tenant.as_str())])?;
        is_called(credential.username.as_str(), row)?;
        belongs(&credential.tenant, &tenant)?;
        judge::credential(&credential)?;
        free(self.made.credentials.get(credential.username.as_str()))?;
        // A domain may be deleted, or given to another tenant, after the credential was made.
        let own = |covers: &Covers| match covers {
            Covers::Any => true,
            Covers::Domain(name) => self.is_own(name, &tenant),
        };
        let (own, foreign): (Vec<_>, Vec<_>) = credential.domains.into_iter().partition(own);
        credential.domains = own;
        for covers in foreign {
            if let Covers::Domain(name) = covers {
                self.kept(row, format!("it may not send from {name}, which is no domain of its tenant"));
            }
        }
        let unknown = credential.stream.take_if(|name| self.made.stream(&tenant, name).is_none());
        if let Some(name) = unknown {
            self.kept(row, format!("its tenant has no stream {:?}, so its mail is transactional", name.as_str()));
        }
        let entry = self.of_store(row, tenant, credential);
        self.add_credential(entry);
        Ok(())
    }

    fn take_mailbox(&mut self, row: &EntryRow, tenant: Name) -> Result<(), Why> {
        let mailbox: Mailbox = read(row, &[("name", &row.name), ("tenant", tenant.as_str())])?;
        is_called(mailbox.name.as_str(), row)?;
        belongs(&mailbox.tenant, &tenant)?;
        free(self.made.mailbox(&tenant, &mailbox.name))?;
        if !self.is_own(mailbox.address.domain(), &tenant) {
            return Err(format!("{} is no domain of its tenant", mailbox.address.domain()));
        }
        if self.made.mailbox_at(&mailbox.address).is_some() {
            return Err(format!("another mailbox has the address {}", mailbox.address));
        }
        let foreign = |name: &&DomainName| self.made.domain(name).is_some_and(|domain| domain.tenant != tenant);
        if let Some(name) = mailbox.reply_domain.as_ref().filter(foreign) {
            return Err(format!("{name} belongs to another tenant"));
        }
        let entry = self.of_store(row, tenant, mailbox);
        self.add_mailbox(entry);
        Ok(())
    }

    fn take_route(&mut self, row: &EntryRow, tenant: Name) -> Result<(), Why> {
        let route: Route = read(row, &[])?;
        judge::route(&route)?;
        if let Some(name) = domain_of(&route)
            && !self.is_own(name, &tenant)
            && !self.is_reply_domain_of(name, &tenant)
        {
            return Err(format!("{name} is no domain of its tenant"));
        }
        for action in &route.actions {
            match action {
                Action::Ticket(name) if self.made.mailbox(&tenant, name).is_none() => {
                    self.kept(row, format!("its tenant has no mailbox {:?}", name.as_str()));
                }
                Action::Relay(name) if self.made.relay(&tenant, name).is_none() => {
                    self.kept(row, format!("its tenant has no relay {:?}", name.as_str()));
                }
                _ => {}
            }
        }
        let entry = self.of_store(row, tenant, route);
        self.made.routes.push(entry);
        Ok(())
    }

    fn take_webhook(&mut self, row: &EntryRow, tenant: Name) -> Result<(), Why> {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&row.definition)
            .map_err(|_| "its definition is no JSON object")?;
        let webhook = Webhook { name: row.name.clone(), definition: Secret::new(row.definition.clone()) };
        let entry = self.of_store(row, tenant, webhook);
        self.made.webhooks.add(row.id.clone(), entry);
        Ok(())
    }

    fn take_key(&mut self, key: &Key) -> Result<(), Why> {
        let tenant = self.tenant_of(&key.tenant)?;
        let disabled_at = self.made.tenant(&tenant).and_then(|tenant| tenant.disabled_at);
        self.made.keys.insert(key.id.clone(), LiveKey::read(key, &tenant, disabled_at)?);
        Ok(())
    }

    fn of_store<T>(&self, row: &EntryRow, tenant: Name, value: T) -> Entry<T> {
        let of_tenant: Option<Time> = self.made.tenant(&tenant).and_then(|tenant| tenant.disabled_at);
        let disabled_at = row.disabled_at.or(of_tenant);
        Entry { source: entry::Source::Store { id: row.id.clone() }, tenant, disabled_at, value }
    }

    fn add_credential(&mut self, entry: Entry<Credential>) {
        let login = entry.value.username.to_string();
        let id = entry.source.id().map(str::to_owned);
        let networks = entry.value.networks.clone();
        let at = self.made.credentials.add(login.clone(), entry);
        for network in networks {
            if let Err(owner) = self.made.networks.add(network, at)
                && owner != at
            {
                let owner = &self.made.credentials.all()[owner].value.username;
                let why = format!("the network {network} is credential {:?}'s already", owner.as_str());
                let (name, consequence) = (login.clone(), Consequence::Kept);
                self.troubles.push(Trouble { what: "credential", name, id: id.clone(), consequence, why });
            }
        }
    }

    fn add_mailbox(&mut self, entry: Entry<Mailbox>) -> usize {
        let key = (entry.tenant.clone(), entry.value.name.clone());
        let address = folded(&entry.value.address);
        let reply_domain = entry.value.reply_domain.clone();
        let at = self.made.mailboxes.add(key, entry);
        if let Some(domain) = reply_domain {
            self.made.reply_domains.entry(domain).or_insert(at);
        }
        self.made.addresses.entry(address).or_insert(at);
        at
    }

    fn is_own(&self, name: &DomainName, tenant: &Name) -> bool {
        self.made.domain(name).is_some_and(|domain| domain.tenant == *tenant)
    }

    fn is_reply_domain_of(&self, name: &DomainName, tenant: &Name) -> bool {
        let mut own = self.made.mailboxes.all().iter().filter(|mailbox| mailbox.tenant == *tenant);
        self.made.reply_domains.contains_key(name)
            && own.any(|mailbox| mailbox.value.reply_domain.as_ref() == Some(name))
    }

    fn left_out(&mut self, row: &EntryRow, why: Why) {
        self.trouble(row, Consequence::LeftOut, why);
    }

    fn kept(&mut self, row: &EntryRow, why: Why) {
        self.trouble(row, Consequence::Kept, why);
    }

    fn trouble(&mut self, row: &EntryRow, consequence: Consequence, why: Why) {
        let (what, name, id) = (row.kind.word(), row.name.clone(), Some(row.id.clone()));
        self.troubles.push(Trouble { what, name, id, consequence, why });
    }
}

/// The domain that a route names, if it names one.
fn domain_of(route: &Route) -> Option<&DomainName> {
    match &route.recipient {
        Recipient::Address(address) => Some(address.domain()),
        Recipient::Domain(domain) => Some(domain),
        Recipient::Pattern(_) => None,
    }
}

/// The definition of a row; `given` is what the row itself says.
fn read<T: Value>(row: &EntryRow, given: &[(&str, &str)]) -> Result<T, Why> {
    read_json(&row.definition, given).map_err(|findings| {
        let more = findings.len().saturating_sub(1);
        let first = findings.first().map(sentence).unwrap_or_else(|| "it cannot be read".to_owned());
        if more > 0 { format!("{first} (and {more} more)") } else { first }
    })
}

fn sentence(finding: &Finding) -> String {
    let mut text = finding.message.clone();
    for (sign, part) in [(": ", &finding.label), ("; ", &finding.help)] {
        if let Some(part) = part {
            text.push_str(sign);
            text.push_str(part);
        }
    }
    text
}

/// The name in a definition is the one of its row: by that it is found, and taken only once.
fn is_called(name: &str, row: &EntryRow) -> Result<(), Why> {
    if name == row.name { Ok(()) } else { Err(format!("its definition calls it {name:?}")) }
}

fn belongs(said: &Name, tenant: &Name) -> Result<(), Why> {
    if said == tenant {
        return Ok(());
    }
    Err(format!("it belongs to tenant {:?}, and its definition says {:?}", tenant.as_str(), said.as_str()))
}

fn free<T>(taken: Option<&Entry<T>>) -> Result<(), Why> {
    match taken.map(|entry| &entry.source) {
        None => Ok(()),
        Some(entry::Source::File) => Err("the configuration file has one of this name, and the file wins".to_owned()),
        Some(entry::Source::Store { id }) => Err(format!("{id} has this name already")),
    }
}
