//! How mail goes out: rules for destinations, addresses to leave from, and bounds of delivery that
//! contradict each other.

use super::Survey;
use crate::base::limits;
use crate::base::settings::Value;
use crate::model::destination::{Destination, DestinationRules, Place, Tls};
use crate::model::name::Name;
use crate::model::relay::Protocol;
use crate::model::source::Source;

impl Survey<'_> {
    pub(super) fn sources_have_addresses(&mut self) {
        let config = self.config;
        let names = config.source.iter().enumerate().map(|(i, source)| (&source.name, format!("source[{i}].name")));
        self.no_two_alike("source", names);
        for (i, source) in config.source.iter().enumerate() {
            self.source_can_be_used(i, source);
        }
    }

    fn source_can_be_used(&mut self, i: usize, source: &Source) {
        let path = format!("source[{i}].addresses");
        if source.addresses.is_empty() && self.source.is_whole(&path) {
            self.error(&path, format!("source \"{}\" has no address", source.name), |finding| {
                finding.help("write addresses = [{ address = \"192.0.2.1\", hello = \"out1.example.com\" }]")
            });
        }
        if source.addresses.len() > limits::SOURCE_ADDRESSES_MAX {
            let message =
                format!("source \"{}\" has more than {} addresses", source.name, limits::SOURCE_ADDRESSES_MAX);
            self.error(&path, message, |finding| finding.help("make several sources of it"));
        }
        let each = source.addresses.iter().enumerate();
        let addresses = each.clone().map(|(j, from)| (from.address.to_canonical(), format!("{path}[{j}].address")));
        self.no_two_alike("address", addresses);
        for (j, from) in each {
            let address = from.address.to_canonical();
            if address.is_unspecified() || address.is_multicast() {
                let message = format!("no mail can leave from {address}");
                self.error(&format!("{path}[{j}].address"), message, |f| f.label("this is the address of no host"));
            }
        }
        if !source.addresses.is_empty() && source.addresses.iter().all(|from| from.address.to_canonical().is_ipv6()) {
            let message = format!("source \"{}\" has no IPv4 address", source.name);
            self.warning(&path, message, |finding| {
                finding.label("many mail servers have nothing else: mail to them will wait").help("add one")
            });
        }
    }

    /// Reports a source that no [[source]] has.
    pub(super) fn source_is_known(&mut self, name: &Name, path: &str) {
        let config = self.config;
        if self.known.sources.contains_key(name) || !self.source.is_whole("source") {
            return;
        }
        let known = config.source.iter().map(|source| source.name.as_str());
        let none = config.source.is_empty();
        self.error(path, format!("unknown source \"{name}\""), |finding| {
            let finding = finding.label("no [[source]] has this name").suggest(name.as_str(), known);
            if none { finding.help(format!("add a [[source]] with name = \"{name}\"")) } else { finding }
        });
    }

    pub(super) fn destinations_are_clear(&mut self) {
        let rules = DestinationRules::new(self.config.destination.clone());
        for (i, rule) in self.config.destination.iter().enumerate() {
            let path = format!("destination[{i}].match");
            if rule.r#match.is_empty() && self.source.is_whole(&path) {
                self.error(&path, "a rule for no destination".to_owned(), |finding| {
                    finding.help("\"*\" is every domain that no earlier rule names")
                });
            }
            let each = rule.r#match.iter().enumerate();
            self.no_two_alike("destination", each.clone().map(|(j, place)| (place, format!("{path}[{j}]"))));
            for (j, place) in each {
                if let Place::Relay(name) = place {
                    self.relay_is_known(name, &format!("{path}[{j}]"), &[]);
                }
                if let Some(first) = rules.hidden_by(place, i) {
                    self.is_never_reached(place, &format!("{path}[{j}]"), first);
                }
            }
            if let Some(source) = &rule.source {
                self.source_is_known(source, &format!("destination[{i}].source"));
            }
            self.next_hop_is_whole(i, rule);
            self.places_fit_the_rule(i, rule);
        }
    }

    fn is_never_reached(&mut self, place: &Place, path: &str, first: usize) {
        let first = self.place(&format!("destination[{first}].match"));
        self.warning(path, format!("this rule is never reached for \"{place}\""), |finding| {
            finding.label("the first rule that matches decides").also(first, "this one takes its mail")
        });
    }

    /// Where a rule's mail goes, and that its addresses lead there.
    fn next_hop_is_whole(&mut self, i: usize, rule: &Destination) {
        let at = |key: &str| format!("destination[{i}].{key}");
        if rule.protocol == Protocol::Lmtp && rule.host.is_none() && !self.source.is_given(&at("host")) {
            // RFC 2033 5: LMTP is not for the way between domains.
            let message = "LMTP is not spoken to the mail servers of the world".to_owned();
            self.error(&at("protocol"), message, |f| f.label("needs a host of your own").help("add host = \"…\""));
        }
        let source = rule.source.as_ref().and_then(|name| self.known.sources.get(name).copied());
        if let (Some(host), Some(source)) = (&rule.host, source)
            && !source.addresses.is_empty()
            && !source.reaches(host)
        {
            let addresses = self.place(&at("source"));
            let message = format!("source \"{}\" has no address to reach {host} from", source.name);
            self.error(&at("host"), message, |finding| {
                finding.label("an address of the other family").also(addresses, "its source")
            });
        }
    }

    /// A host is instead of MX records, and a relay has a host, a port, TLS and a protocol itself.
    fn places_fit_the_rule(&mut self, i: usize, rule: &Destination) {
        let at = |key: &str| format!("destination[{i}].{key}");
        let by_mx = rule.r#match.iter().position(|place| matches!(place, Place::Mx(_)));
        if let (Some(j), true) = (by_mx, rule.has_own_host()) {
            let place = self.place(&at(&format!("match[{j}]")));
            self.error(&at("host"), "a host of its own for what its mail servers decide".to_owned(), |finding| {
                finding.label("where this goes, no mail server is asked for").also(place, "found by mail server")
            });
        }
        let Some(j) = rule.r#match.iter().position(|place| matches!(place, Place::Relay(_))) else { return };
        let said = [
            ("host", rule.host.is_some()),
            ("port", rule.port.is_some()),
            ("tls", rule.tls != Tls::Opportunistic),
            ("protocol", rule.protocol != Protocol::Smtp),
        ];
        for (key, _) in said.into_iter().filter(|(_, said)| *said) {
            let place = self.place(&at(&format!("match[{j}]")));
            self.error(&at(key), format!("a relay has its own \"{key}\""), |finding| {
                finding
                    .label("set it in the [[relay]]")
                    .also(place, "a relay")
                    .help("or give the relay a rule of its own")
            });
        }
    }

    /// Bounds that another one makes void.
    pub(super) fn delivery_is_consistent(&mut self) {
        let config = self.config;
        let delivery = &config.delivery;
        let text = |time: &std::time::Duration| time.write().unwrap_or_default();
        if let Some(warning) = Some(delivery.delay_report).filter(|report| *report >= delivery.expire)
            && self.source.is_given("delivery.delay_report")
        {
            let expire = self.place("delivery.expire");
            let message = format!("nobody is ever warned after {}", text(&warning));
            self.warning("delivery.delay_report", message, |finding| {
                finding.label("by then the message has bounced").also(expire, "how long it is tried")
            });
        }
        let all = delivery.connections;
        let own = config.destination.iter().enumerate();
        let own = own.map(|(i, rule)| (format!("destination[{i}].connections"), rule.connections));
        let relays = config.relay.iter().enumerate();
        let relays = relays.map(|(i, relay)| (format!("relay[{i}].connections"), relay.connections));
        let each = ("delivery.connections_per_destination".to_owned(), Some(delivery.connections_per_destination));
        for (path, one) in std::iter::once(each).chain(own).chain(relays) {
            if one.is_some_and(|one| one > all) && self.source.is_given(&path) {
                let place = self.place("delivery.connections");
                self.warning(&path, format!("there are never more than {all} connections"), |finding| {
                    finding.label("for this one alone").also(place, "for all together")
                });
            }
        }
    }
}
