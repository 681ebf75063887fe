//! Where mail goes that arrives: mailboxes and routes.

use super::Survey;
use crate::base::settings::Scalar;
use crate::mail::domain_name::DomainName;
use crate::model::name::Name;
use crate::model::route::{Action, Recipient, Route};
use std::collections::HashMap;

impl Survey<'_> {
    pub(super) fn mailboxes_are_ours(&mut self) {
        let config = self.config;
        let all = config.mailbox.iter().enumerate();
        self.no_two_alike("mailbox", all.clone().map(|(i, mailbox)| (&mailbox.name, format!("mailbox[{i}].name"))));
        let addresses = all.clone().map(|(i, mailbox)| (mailbox.address.to_string(), format!("mailbox[{i}].address")));
        self.no_two_alike("mailbox address", addresses);
        for (i, mailbox) in all {
            self.domain_is_tenants(mailbox.address.domain(), &mailbox.tenant, &format!("mailbox[{i}].address"));
        }
    }

    pub(super) fn routes_lead_somewhere(&mut self) {
        for (i, route) in self.config.route.iter().enumerate() {
            self.route_can_match(i, route);
            for (j, action) in route.actions.iter().enumerate() {
                match action {
                    Action::Ticket(name) => self.mailbox_is_known(name, &format!("route[{i}].actions[{j}].ticket")),
                    Action::Relay(name) => self.relay_is_known(name, &format!("route[{i}].actions[{j}].relay"), &[]),
                    _ => {}
                }
            }
            self.actions_go_together(i, route);
        }
        self.no_route_is_hidden();
    }

    /// Mail for a domain that is not ours is refused before any route is read.
    fn route_can_match(&mut self, i: usize, route: &Route) {
        let domain = match &route.recipient {
            Recipient::Address(address) => address.domain(),
            Recipient::Domain(domain) => domain,
            Recipient::Pattern(_) => return,
        };
        if self.is_ours(domain) || !self.source.is_whole("domain") || !self.source.is_whole("mailbox") {
            return;
        }
        let near = self.near_domain(domain);
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("add a [[domain]] with name = \"{domain}\""),
        };
        self.warning(&format!("route[{i}].recipient"), format!("no mail for \"{domain}\" is taken in"), |finding| {
            finding.label("no [[domain]] has this name, so this route is never read").help(help)
        });
    }

    fn is_ours(&self, name: &DomainName) -> bool {
        self.known.domains.contains_key(name) || self.known.reply_domains.contains(name)
    }

    fn mailbox_is_known(&mut self, name: &Name, path: &str) {
        let config = self.config;
        if self.known.mailboxes.contains(name) || !self.source.is_whole("mailbox") {
            return;
        }
        let known = config.mailbox.iter().map(|mailbox| mailbox.name.as_str());
        self.error(path, format!("unknown mailbox \"{name}\""), |finding| {
            finding.label("no [[mailbox]] has this name").suggest(name.as_str(), known)
        });
    }

    fn actions_go_together(&mut self, i: usize, route: &Route) {
        let path = format!("route[{i}].actions");
        if route.actions.is_empty() && self.source.is_whole(&path) {
            self.error(&path, "a route without an action".to_owned(), |finding| {
                finding.help("to accept and forget, write [{ discard = true }]")
            });
        }
        if let Some(last) = route.lonely_action() {
            let message = format!("\"{}\" stands alone", route.actions[last].word());
            self.error(&format!("{path}[{last}]"), message, |finding| finding.label("the other actions contradict it"));
        }
        if let Some((at, group)) = route.unknown_group() {
            let message = format!("the recipient has no group \"{group}\"");
            self.error(&format!("{path}[{at}].forward"), message, |finding| {
                finding
                    .label("filled in from the recipient's pattern")
                    .help(format!("write the recipient as a /regex/ with (?<{group}>…) in it"))
            });
        }
    }

    fn no_route_is_hidden(&mut self) {
        let mut first: HashMap<String, usize> = HashMap::new();
        for (i, route) in self.config.route.iter().enumerate() {
            let own = route.recipient.write();
            let whole_domain = match &route.recipient {
                Recipient::Address(address) => first.get(&Recipient::Domain(address.domain().clone()).write()),
                _ => None,
            };
            match first.get(&own).or(whole_domain) {
                Some(first) => {
                    let first = self.place(&format!("route[{first}].recipient"));
                    let message = "this route is never reached".to_owned();
                    self.warning(&format!("route[{i}].recipient"), message, |finding| {
                        finding.label("the first route that matches decides").also(first, "this one takes its mail")
                    });
                }
                None => {
                    first.insert(own, i);
                }
            }
        }
    }
}
