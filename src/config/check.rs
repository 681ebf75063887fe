//! What can only be judged across tables: names that must exist, addresses that clash, passwords that
//! would travel in clear, files that are missing. Each check is one function that an admin can read.

mod bounds;
mod destinations;
mod files;
mod recipients;
mod senders;
mod sockets;
mod streams;

use super::Config;
use super::load::Source;
use crate::base::limits;
use crate::base::settings::{Finding, Span, nearest};
use crate::mail::domain_name::DomainName;
use crate::model::name::Name;
use crate::model::source;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

pub(super) fn check(config: &Config, source: &Source) -> Vec<Finding> {
    let mut survey = Survey { config, source, known: Known::of(config), findings: Vec::new() };
    survey.listeners_do_not_clash();
    survey.bodies_fit_the_memory();
    survey.retry_plan_has_steps();
    survey.relays_are_safe();
    survey.sources_have_addresses();
    survey.destinations_are_clear();
    survey.delivery_is_consistent();
    survey.limits_are_clear();
    survey.domains_leave_by_known_relays();
    survey.streams_are_clear();
    survey.credentials_can_be_used();
    survey.networks_are_narrow();
    survey.proxies_are_narrow();
    survey.plain_networks_stay_inside();
    survey.mailboxes_are_ours();
    survey.routes_lead_somewhere();
    survey.files_are_there();
    survey.findings
}

/// A configuration being judged. Places are found by path, so that the settings stay plain data.
struct Survey<'a> {
    config: &'a Config,
    source: &'a Source,
    known: Known<'a>,
    findings: Vec<Finding>,
}

/// What can be referred to, by name: a file may have ten thousand of each.
struct Known<'a> {
    relays: HashSet<&'a Name>,
    sources: HashMap<&'a Name, &'a source::Source>,
    /// With the index of each.
    domains: HashMap<&'a DomainName, usize>,
    mailboxes: HashSet<&'a Name>,
    reply_domains: HashSet<&'a DomainName>,
}

impl<'a> Known<'a> {
    fn of(config: &'a Config) -> Self {
        Self {
            relays: config.relay.iter().map(|relay| &relay.name).collect(),
            sources: config.source.iter().map(|source| (&source.name, source)).collect(),
            domains: config.domain.iter().enumerate().map(|(i, domain)| (&domain.name, i)).collect(),
            mailboxes: config.mailbox.iter().map(|mailbox| &mailbox.name).collect(),
            reply_domains: config.mailbox.iter().filter_map(|mailbox| mailbox.reply_domain.as_ref()).collect(),
        }
    }
}

impl Survey<'_> {
    /// The domain that was probably meant. Not for the hundredth finding: the search compares with
    /// every domain.
    fn near_domain(&self, name: &DomainName) -> Option<&str> {
        if self.findings.len() > limits::CONFIG_SUGGESTIONS_MAX {
            return None;
        }
        nearest(name.as_str(), self.config.domain.iter().map(|domain| domain.name.as_str()))
    }

    fn place(&self, path: &str) -> Span {
        self.source.place(path)
    }

    /// An error at the place of a setting.
    fn error(&mut self, path: &str, message: String, finish: impl FnOnce(Finding) -> Finding) {
        let finding = finish(Finding::error(self.place(path), message));
        self.findings.push(finding);
    }

    fn warning(&mut self, path: &str, message: String, finish: impl FnOnce(Finding) -> Finding) {
        let finding = finish(Finding::warning(self.place(path), message));
        self.findings.push(finding);
    }

    /// Reports every value after the first that is the same; `paths` gives each with its place.
    fn no_two_alike<K: Hash + Eq + std::fmt::Display>(
        &mut self,
        what: &str,
        values: impl Iterator<Item = (K, String)>,
    ) {
        let mut seen: HashMap<K, String> = HashMap::new();
        for (value, path) in values {
            match seen.get(&value) {
                Some(first) => {
                    let first = self.place(first);
                    self.error(&path, format!("{what} \"{value}\" is there twice"), |finding| {
                        finding.label("again here").also(first, "first here")
                    });
                }
                None => {
                    seen.insert(value, path);
                }
            }
        }
    }
}
