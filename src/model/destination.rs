//! Rules for mail to certain places: how fast, over how many connections, from where, how private, and
//! where to instead. The first rule that matches decides, alone. Pure: what a name has in the DNS is asked
//! elsewhere and comes in.

use super::host::Host;
use super::name::Name;
use super::rate::Rate;
use super::relay::Protocol;
use crate::base::limits;
use crate::base::settings::{Scalar, Wrong, quoted, settings, words};
use crate::mail::domain_name::DomainName;
use std::collections::HashMap;

settings! {
    /// A rule for mail to certain places; of several that match, the first one decides.
    pub struct Destination in "[[destination]]" {
        /// Where it holds: recipients' domains (gmail.com; *.example.net for those below it; * for all),
        /// domains whose mail servers have such names (mx:*.google.com), or a [[relay]] (relay:upstream).
        live r#match: Vec<Place> = required("[\"inside.example\", \"*.inside.example\"]"),
        /// How many messages are sent there at most; absent: as many as are taken.
        live rate: Option<Rate> = optional("\"100/minute\""),
        /// Connections to each such destination at a time, at most; absent: [delivery]
        /// connections_per_destination.
        live connections: Option<u32> = optional("5") within Some(1)..=Some(limits::CONNECTIONS_MAX),
        /// Recipients of one message that are sent in one transaction, at most; absent: [delivery]
        /// recipients_per_transaction.
        live recipients_per_transaction: Option<u32> = optional("20")
            within Some(1)..=Some(limits::TRANSACTION_RECIPIENTS_MAX),
        /// The [[source]] whose addresses mail leaves from to there; absent: the sending domain's.
        live source: Option<Name> = optional("\"pool\""),
        /// The least that the connection must be (none: in clear, even where TLS is offered). A policy of the
        /// place itself, DANE or MTA-STS, is kept whatever stands here.
        live tls: Tls = default(Tls::Opportunistic),
        /// What is spoken there; lmtp needs a host.
        live protocol: Protocol = default(Protocol::Smtp),
        /// Where this mail goes instead of the domain's own mail servers.
        live host: Option<Host> = optional("\"mail.inside.example\""),
        /// The port there; absent: [delivery] port, and 24 with lmtp.
        live port: Option<u16> = optional("25"),
    }
}

words! {
    /// How private a connection must be.
    pub enum Tls {
        /// Always in clear.
        None = "none",
        /// When it is offered, with any certificate.
        Opportunistic = "opportunistic",
        /// With any certificate, or no mail.
        Required = "required",
        /// With a certificate that is valid for the host's name, or no mail.
        Verified = "verified",
    }
}

/// The port of LMTP where none is said: RFC 2033 has none, 24 is what IANA keeps for private mail systems.
pub const LMTP_PORT: u16 = 24;

/// Names, as a rule speaks of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// This one.
    One(DomainName),
    /// All below it, not itself.
    Below(DomainName),
    All,
}

/// Where a rule holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Recipients' domains.
    Domain(Names),
    /// Names of mail servers: of any host that the domain's MX records name.
    Mx(Names),
    Relay(Name),
}

impl Names {
    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.strip_prefix("*.") {
            _ if text == "*" => Ok(Self::All),
            Some(parent) => parent.parse().map(Self::Below).map_err(Wrong::because),
            None if text.contains('*') => {
                Err(Wrong::because("a * stands alone or before the first dot").help("write \"*.example.net\""))
            }
            None => text.parse().map(Self::One).map_err(|why| {
                let wrong = Wrong::because(why);
                if text.contains('@') { wrong.help("write the domain behind the @") } else { wrong }
            }),
        }
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(name) => name.fmt(f),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::All => f.write_str("*"),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Domain(names) => names.fmt(f),
            Self::Mx(names) => write!(f, "mx:{names}"),
            Self::Relay(name) => write!(f, "relay:{name}"),
        }
    }
}

impl Scalar for Place {
    const EXPECTS: &'static str = "a domain like \"gmail.com\" or \"*.outlook.com\", \"mx:\" with the name of a mail server, or \"relay:\" with a relay's";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.split_once(':') {
            Some(("mx", names)) => Names::parse(names.trim_start()).map(Self::Mx),
            Some(("relay", name)) => name.trim_start().parse().map(Self::Relay).map_err(Wrong::because),
            Some((word, _)) => Err(match crate::base::settings::nearest(word, ["mx", "relay"].into_iter()) {
                Some(near) => Wrong::default().help(format!("did you mean \"{near}:\"?")),
                None => Wrong::because("before the : stands mx or relay"),
            }),
            None => Names::parse(text).map(Self::Domain),
        }
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Destination {
    /// What the rule is called where it is spoken of: its places.
    pub fn label(&self) -> String {
        let places: Vec<_> = self.r#match.iter().map(Place::to_string).collect();
        places.join(", ")
    }

    /// Does this rule send mail elsewhere than to the MX hosts of its domain? Then they are not asked for.
    pub fn has_own_host(&self) -> bool {
        self.host.is_some()
    }
}

/// The rules in their order, found without reading them all: a file may have one for each of thousands of
/// domains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DestinationRules {
    rules: Vec<Destination>,
    domains: Index,
    hosts: Index,
    relays: HashMap<Name, usize>,
}

/// The first rule for each name.
#[derive(Clone, Debug, Default, PartialEq)]
struct Index {
    one: HashMap<DomainName, usize>,
    below: HashMap<DomainName, usize>,
    all: Option<usize>,
}

impl Index {
    fn add(&mut self, names: &Names, rule: usize) {
        match names {
            Names::One(name) => drop(self.one.entry(name.clone()).or_insert(rule)),
            Names::Below(parent) => drop(self.below.entry(parent.clone()).or_insert(rule)),
            Names::All => drop(self.all.get_or_insert(rule)),
        }
    }

    fn first(&self, name: &DomainName) -> Option<usize> {
        let below = name.parents().filter_map(|parent| self.below.get(&parent));
        self.one.get(name).into_iter().chain(below).chain(&self.all).min().copied()
    }
}

impl DestinationRules {
    pub fn new(rules: Vec<Destination>) -> Self {
        let mut made = Self::default();
        for (at, rule) in rules.iter().enumerate() {
            for place in &rule.r#match {
                match place {
                    Place::Domain(names) => made.domains.add(names, at),
                    Place::Mx(names) => made.hosts.add(names, at),
                    Place::Relay(name) => drop(made.relays.entry(name.clone()).or_insert(at)),
                }
            }
        }
        made.rules = rules;
        made
    }

    pub fn all(&self) -> &[Destination] {
        &self.rules
    }

    /// The rule for mail to this domain as far as its name decides: asked before its mail servers are known,
    /// for a rule may name another host.
    pub fn for_domain(&self, domain: &DomainName) -> Option<&Destination> {
        self.domains.first(domain).map(|at| &self.rules[at])
    }

    /// The rule for mail to this domain, whose mail servers these are: the first that matches by either.
    pub fn for_hosts<'a>(
        &self,
        domain: &DomainName,
        hosts: impl IntoIterator<Item = &'a DomainName>,
    ) -> Option<&Destination> {
        let by_host = hosts.into_iter().filter_map(|host| self.hosts.first(host));
        self.domains.first(domain).into_iter().chain(by_host).min().map(|at| &self.rules[at])
    }

    pub fn for_relay(&self, relay: &Name) -> Option<&Destination> {
        self.relays.get(relay).map(|at| &self.rules[*at])
    }

    /// Of a rule's place: the earlier rule that takes all of it, if one does.
    pub fn hidden_by(&self, place: &Place, rule: usize) -> Option<usize> {
        let first = match place {
            Place::Domain(names) => self.domains.first_around(names),
            Place::Mx(names) => self.hosts.first_around(names),
            Place::Relay(name) => self.relays.get(name).copied(),
        };
        first.filter(|first| *first < rule)
    }
}

impl Index {
    /// The first rule that holds for everything these names can be.
    fn first_around(&self, names: &Names) -> Option<usize> {
        match names {
            Names::One(name) => self.first(name),
            Names::Below(parent) => {
                let around = std::iter::once(parent.clone()).chain(parent.parents());
                let below: Vec<_> = around.filter_map(|parent| self.below.get(&parent).copied()).collect();
                below.into_iter().chain(self.all).min()
            }
            Names::All => self.all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::read_json;

    fn rules(each: &[&str]) -> DestinationRules {
        let read = |places: &&str| {
            let places: Vec<_> = places.split(' ').collect();
            read_json::<Destination>(&serde_json::json!({ "match": places }).to_string(), &[]).unwrap()
        };
        DestinationRules::new(each.iter().map(read).collect())
    }

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_read_and_written() {
        for text in
            ["gmail.com", "*.outlook.com", "*", "mx:*.google.com", "mx:mx.example.net", "mx:*", "relay:upstream"]
        {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Place::parse("BÜCHER.example").unwrap().to_string(), "xn--bcher-kva.example");
        for wrong in ["", "a*.example", "**", "*.", "mx:", "relay:", "relay:a b", "mail:example.com", "x@example.com"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Place::parse("relai:x").unwrap_err().help.unwrap(), "did you mean \"relay:\"?");
        assert_eq!(Place::parse("a@b.example").unwrap_err().help.unwrap(), "write the domain behind the @");
    }

    #[test]
    fn the_first_rule_that_matches_decides_however_narrow_a_later_one_is() {
        let rules = rules(&["gmail.com", "*.example.net mx:*.google.com", "mail.example.net", "*"]);
        let of = |domain: &str| rules.for_domain(&name(domain)).unwrap().label();
        assert_eq!(of("gmail.com"), "gmail.com");
        assert_eq!(of("mail.example.net"), "*.example.net, mx:*.google.com");
        assert_eq!(of("deep.down.example.net"), "*.example.net, mx:*.google.com");
        assert_eq!(of("example.net"), "*", "* before a dot is for what is below");
        assert_eq!(of("notexample.net"), "*");
    }

    #[test]
    fn mail_servers_decide_with_the_domain_in_one_order() {
        let rules = rules(&["vip.example", "mx:*.google.com", "shop.example", "mx:mx.shop.example"]);
        let of = |domain: &str, hosts: &[&str]| {
            let hosts: Vec<_> = hosts.iter().map(|host| name(host)).collect();
            rules.for_hosts(&name(domain), &hosts).map(Destination::label)
        };
        assert_eq!(of("vip.example", &["aspmx.l.google.com"]).unwrap(), "vip.example");
        assert_eq!(of("shop.example", &["mx.shop.example", "aspmx.l.google.com"]).unwrap(), "mx:*.google.com");
        assert_eq!(of("shop.example", &["mx.shop.example"]).unwrap(), "shop.example");
        assert_eq!(of("other.example", &["mx.other.example"]), None);
        assert_eq!(of("other.example", &["google.com"]), None);
    }

    #[test]
    fn a_relay_has_its_own_rules_and_no_domain_s() {
        let rules = rules(&["*", "relay:upstream", "relay:upstream"]);
        assert_eq!(rules.for_relay(&"upstream".parse().unwrap()).unwrap().label(), "relay:upstream");
        assert!(rules.for_relay(&"other".parse().unwrap()).is_none());
    }

    #[test]
    fn a_place_that_an_earlier_rule_takes_whole_is_found() {
        let rules = rules(&[
            "*.example.net",
            "a.example.net *.b.example.net *.net",
            "mx:*",
            "mx:mx.example",
            "relay:r",
            "relay:r",
        ]);
        let hidden = |place: &str, rule| rules.hidden_by(&Place::parse(place).unwrap(), rule);
        assert_eq!(hidden("*.example.net", 0), None);
        assert_eq!(hidden("a.example.net", 1), Some(0));
        assert_eq!(hidden("*.b.example.net", 1), Some(0));
        assert_eq!(hidden("*.net", 1), None, "only a part of it is taken");
        assert_eq!(hidden("mx:mx.example", 3), Some(2));
        assert_eq!(hidden("relay:r", 5), Some(4));
    }
}
