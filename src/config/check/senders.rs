//! Who may send, and by which way it leaves: relays, domains, credentials.

use super::Survey;
use crate::base::scram::ScramKeys;
use crate::mail::domain_name::DomainName;
use crate::model::credential::{Covers, Credential, Reach, reach, stored, widest};
use crate::model::domain::Via;
use crate::model::name::Name;
use crate::model::relay::{Auth, Protocol, Relay};
use crate::smtpd::settings::{Kind, Listener, PlainAuth, Tls as ListenerTls};
use std::net::IpAddr;

impl Survey<'_> {
    pub(super) fn relays_are_safe(&mut self) {
        let config = self.config;
        let names = config.relay.iter().enumerate().map(|(i, relay)| (&relay.name, format!("relay[{i}].name")));
        self.no_two_alike("relay", names);
        for (i, relay) in config.relay.iter().enumerate() {
            if Via::RESERVED.contains(&relay.name.as_str()) {
                let message = format!("\"{}\" cannot be the name of a relay", relay.name);
                self.error(&format!("relay[{i}].name"), message, |f| {
                    f.label("this word has its own meaning in \"relay\"")
                });
            }
            self.relay_password_is_safe(i, relay);
        }
    }

    fn relay_password_is_safe(&mut self, i: usize, relay: &Relay) {
        let at = |key: &str| format!("relay[{i}].{key}");
        let given = |key: &str| self.source.is_given(&at(key));
        match (given("username"), given("password")) {
            (true, false) => {
                let message = format!("relay \"{}\" has a username but no password", relay.name);
                self.error(&at("username"), message, |finding| finding.label("needs a password"));
            }
            (false, true) => {
                let message = format!("relay \"{}\" has a password but no username", relay.name);
                self.error(&at("password"), message, |finding| finding.label("needs a username"));
            }
            _ => {}
        }
        if relay.auth != Auth::Auto && !given("username") {
            let message = format!("relay \"{}\" says how to log in, but not as whom", relay.name);
            self.error(&at("auth"), message, |finding| finding.label("needs a username and a password"));
        }
        if relay.protocol == Protocol::Lmtp && !given("port") {
            let message = format!("relay \"{}\" speaks LMTP on the port of submission", relay.name);
            self.warning(&at("protocol"), message, |finding| {
                finding.label("the port is 587 where none is given").help("give its port; 24 is usual")
            });
        }
        if let Some(exposure) = relay.exposure() {
            let message = format!("the password of relay \"{}\" could be read on the way", relay.name);
            self.error(&at(exposure.key()), message, |f| f.label(exposure.why()).help(exposure.remedy()));
        }
    }

    pub(super) fn domains_leave_by_known_relays(&mut self) {
        let config = self.config;
        let names = config.domain.iter().enumerate().map(|(i, domain)| (&domain.name, format!("domain[{i}].name")));
        self.no_two_alike("domain", names);
        for (i, domain) in config.domain.iter().enumerate() {
            if let Via::Relay(name) = &domain.relay {
                self.relay_is_known(name, &format!("domain[{i}].relay"), &Via::RESERVED);
            }
            if let Some(source) = &domain.source {
                self.source_is_known(source, &format!("domain[{i}].source"));
            }
            let selectors = domain.dkim.iter().enumerate();
            self.no_two_alike(
                "selector",
                selectors.map(|(j, key)| (&key.selector, format!("domain[{i}].dkim[{j}].selector"))),
            );
        }
    }

    /// Reports a relay that no [[relay]] has; `words` could stand in its place, too.
    pub(super) fn relay_is_known(&mut self, name: &Name, path: &str, words: &[&'static str]) {
        let config = self.config;
        if self.known.relays.contains(name) || !self.source.is_whole("relay") {
            return;
        }
        let known = words.iter().copied().chain(config.relay.iter().map(|relay| relay.name.as_str()));
        self.error(path, format!("unknown relay \"{name}\""), |finding| {
            finding.label("no [[relay]] has this name").suggest(name.as_str(), known)
        });
    }

    pub(super) fn credentials_can_be_used(&mut self) {
        let config = self.config;
        let all = config.credential.iter().enumerate();
        self.no_two_alike("credential", all.clone().map(|(i, c)| (&c.username, format!("credential[{i}].username"))));
        for (i, credential) in all {
            self.credential_has_one_proof(i, credential);
            self.secrets_have_their_form(i, credential);
            self.only_logins_are_limited(i, credential);
            for (j, covers) in credential.domains.iter().enumerate() {
                if let Covers::Domain(name) = covers {
                    self.domain_is_tenants(name, &credential.tenant, &format!("credential[{i}].domains[{j}]"));
                }
            }
            let domains = format!("credential[{i}].domains");
            if credential.domains.is_empty() && self.source.is_whole(&domains) {
                let message = format!("credential \"{}\" may send from no domain", credential.username);
                self.error(&domains, message, |finding| finding.help("\"*\" is any domain of its tenant"));
            }
        }
    }

    /// A password (or SCRAM) or networks: a login that also opened by address would surprise.
    fn credential_has_one_proof(&mut self, i: usize, credential: &Credential) {
        let at = |key: &str| format!("credential[{i}].{key}");
        // What is written counts, not what could be read: a mistake in it has been reported.
        let given = |key: &str| self.source.is_given(&at(key));
        let wrong = |key: &str| given(key) && !self.source.is_whole(&at(key));
        let networks = !credential.networks.is_empty() || wrong("networks");
        let login = credential.password.is_some() || credential.scram.is_some();
        if login && networks {
            let message = format!("credential \"{}\" has a password and networks", credential.username);
            let login = self.place(&at(if credential.password.is_some() { "password" } else { "scram" }));
            self.error(&at("networks"), message, |finding| {
                finding.label("opens without the password").also(login, "this").help("make two credentials of it")
            });
        } else if !login && !networks && !given("password") && !given("scram") {
            let message = format!("credential \"{}\" has neither a password nor networks", credential.username);
            self.error(&at("username"), message, |finding| {
                finding.label("nobody can use it").help("add password, scram or networks")
            });
        } else if !login && !networks {
            let key = if given("password") { "password" } else { "scram" };
            let message = format!("the {key} of credential \"{}\" is empty", credential.username);
            self.error(&at(key), message, |finding| finding.label("nobody can use it"));
        }
    }

    /// A hash that was cut off on its way into the file would otherwise be taken for a password.
    fn secrets_have_their_form(&mut self, i: usize, credential: &Credential) {
        if let Some(Err(why)) = credential.password.as_ref().map(stored) {
            let message = format!("the password of credential \"{}\" cannot be used", credential.username);
            self.error(&format!("credential[{i}].password"), message, |finding| {
                let help = "a hash has the form $argon2id$v=19$m=…,t=…,p=…$salt$hash; `gatepost password` writes one";
                finding.label(why).help(help)
            });
        }
        if credential.scram.as_ref().is_some_and(|scram| ScramKeys::read(scram.expose()).is_none()) {
            let message = format!("the scram of credential \"{}\" is none", credential.username);
            self.error(&format!("credential[{i}].scram"), message, |finding| {
                finding
                    .label("it has the form SCRAM-SHA-256$iterations:salt$stored key:server key")
                    .help("`gatepost password` writes one")
            });
        }
    }

    /// A network's own `from` would only look like a limit.
    fn only_logins_are_limited(&mut self, i: usize, credential: &Credential) {
        let from = format!("credential[{i}].from");
        if !credential.from.is_empty() && !credential.networks.is_empty() {
            let message =
                format!("credential \"{}\" has networks, and limits where a login comes from", credential.username);
            let networks = self.place(&format!("credential[{i}].networks"));
            self.error(&from, message, |finding| {
                finding.label("there is no login").also(networks, "these say already who may send")
            });
        }
    }

    /// Reports a domain that is not listed, or belongs to another tenant.
    pub(super) fn domain_is_tenants(&mut self, name: &DomainName, tenant: &Name, path: &str) {
        let config = self.config;
        match self.known.domains.get(name).map(|i| (*i, &config.domain[*i])) {
            Some((_, domain)) if domain.tenant == *tenant => {}
            Some((i, domain)) => {
                let owner = self.place(&format!("domain[{i}].name"));
                let message = format!("domain \"{name}\" belongs to tenant \"{}\", not \"{tenant}\"", domain.tenant);
                self.error(path, message, |finding| finding.also(owner, "the domain"));
            }
            None if !self.source.is_whole("domain") => {}
            None => {
                let near = self.near_domain(name).map(str::to_owned);
                self.error(path, format!("domain \"{name}\" is not listed"), |finding| {
                    let finding = finding.label("no [[domain]] has this name");
                    match near {
                        Some(near) => finding.help(format!("did you mean \"{near}\"?")),
                        None => finding.help(format!("add a [[domain]] with name = \"{name}\"")),
                    }
                });
            }
        }
    }

    pub(super) fn networks_are_narrow(&mut self) {
        for (i, credential) in self.config.credential.iter().enumerate() {
            for (j, network) in credential.networks.iter().enumerate() {
                let path = format!("credential[{i}].networks[{j}]");
                if reach(network) == Reach::World {
                    let message = format!("credential \"{}\" would let the whole world send", credential.username);
                    self.error(&path, message, |finding| finding.label("this is an open relay"));
                } else if reach(network) == Reach::Wide {
                    let message =
                        format!("the network {network} of credential \"{}\" is very wide", credential.username);
                    let label = format!("wider than a /{}", widest(network));
                    self.warning(&path, message, |finding| finding.label(label));
                }
            }
        }
    }

    /// Whoever may send a PROXY header chooses the address that bans, limits and networks are judged by.
    pub(super) fn proxies_are_narrow(&mut self) {
        for (i, listener) in self.config.listener.iter().enumerate() {
            for (j, network) in listener.proxies.iter().enumerate() {
                let path = format!("listener[{i}].proxies[{j}]");
                if reach(network) == Reach::World {
                    let message = "everybody would be a proxy of this listener".to_owned();
                    self.error(&path, message, |finding| {
                        finding.label("anyone could claim any address").help("name your balancers")
                    });
                } else if reach(network) == Reach::Wide {
                    let message = format!("the network {network} of proxies is very wide");
                    self.warning(&path, message, |finding| {
                        finding.label("each of its hosts may claim any address").help("name your balancers")
                    });
                }
            }
        }
    }

    pub(super) fn plain_networks_stay_inside(&mut self) {
        let config = self.config;
        let Some(i) = config.credential.iter().position(|credential| !credential.networks.is_empty()) else { return };
        let credential = self.place(&format!("credential[{i}].networks"));
        for (i, _) in config.listener.iter().enumerate().filter(|(_, listener)| is_plain_outside(listener)) {
            let message = "hosts of a network can send in clear on a listener open to the outside".to_owned();
            self.warning(&format!("listener[{i}].plain_auth"), message, |finding| {
                finding
                    .label("their mail can be read and changed on the way")
                    .also(credential, "the first such credential")
                    .help("bind this listener to an inside address, or require TLS")
            });
        }
    }
}

fn is_plain_outside(listener: &Listener) -> bool {
    listener.kind == Kind::Submission
        && listener.plain_auth == PlainAuth::Networks
        && listener.tls != ListenerTls::Implicit
        && listener.bind.iter().any(|address| is_outside(address.ip()))
}

/// An address that others than our own networks may reach; 0.0.0.0 and :: are all of them.
fn is_outside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_private() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unique_local() && !address.is_unicast_link_local(),
    }
}
