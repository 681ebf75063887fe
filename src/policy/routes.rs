//! Where mail to one of our recipients goes. Asked at RCPT by both doors, and again when deliveries are
//! planned; pure, so that the same question has the same answer, with the rule that decided.
//!
//! A domain that is not ours is out before any route is read. Then the first route decides that matches
//! the address, or the address without its +tag unless something names the whole of it. Mailboxes, reply
//! domains and postmasters need no route, and only a route of their very own can refuse them.

use crate::base::settings::Scalar;
use crate::mail::address::Address;
use crate::mail::domain_name::DomainName;
use crate::model::delivery::NextHop;
use crate::model::directory::{Directory, Entry};
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::route::{Action, Pattern, Reason, Recipient, Route};
use crate::model::url::HttpUrl;
use crate::smtp::reply::Reply;

#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The domain is not ours.
    Unserved,
    /// The domain is ours, and nobody is there by this name.
    Unknown,
    NotNow(NotNow),
    Reject(Reason),
    Accept(Decision),
}

/// Why mail that has its place cannot be taken in at the moment: an admin can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    DomainOff,
    RouteOff,
    MailboxOff,
    MailboxGone,
    RelayGone,
}

const UNKNOWN: Reply = Reply::new(550, 1, 1, "nobody has this address here");
const OFF: Reply = Reply::new(450, 2, 1, "mail to this address is switched off for now, try later");
const UNREADY: Reply = Reply::new(450, 3, 5, "mail to this address cannot be handled for now, try later");

impl Resolution {
    /// What RCPT is answered, or what to do with the mail; nothing for a domain that is not ours.
    pub fn answer(self) -> Result<Option<Decision>, Reply> {
        match self {
            Self::Unserved => Ok(None),
            Self::Unknown => Err(UNKNOWN),
            Self::NotNow(NotNow::DomainOff | NotNow::RouteOff | NotNow::MailboxOff) => Err(OFF),
            Self::NotNow(NotNow::MailboxGone | NotNow::RelayGone) => Err(UNREADY),
            Self::Reject(reason) => Err(Reply::with(550, 7, 1, reason.as_str().to_owned())),
            Self::Accept(decision) => match decision.acts.iter().find(|act| act.has_no_room()) {
                Some(act) => {
                    let text = format!("the action \"{}\" of this address cannot be done yet, try later", act.word());
                    Err(Reply::with(450, 3, 0, text))
                }
                None => Ok(Some(decision)),
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whose mail it is.
    pub tenant: Name,
    pub rule: Rule,
    /// In their order; never empty.
    pub acts: Vec<Act>,
}

impl Decision {
    /// Where copies of the mail go; none when it is forgotten.
    pub fn hops(&self) -> Vec<NextHop> {
        let hop = |act: &Act| match act {
            Act::Ticket(name) => Some(NextHop::Mailbox(name.clone())),
            Act::Relay(name) => Some(NextHop::Relay(name.clone())),
            Act::Store => Some(NextHop::Store),
            Act::Forward(_) | Act::Http(_) | Act::Reply(_) | Act::Hold | Act::Discard => None,
        };
        let mut hops: Vec<_> = self.acts.iter().filter_map(hop).collect();
        if hops.is_empty() && self.is_held() {
            hops.push(NextHop::Store);
        }
        hops
    }

    /// Does everything else wait for a human's decision?
    pub fn is_held(&self) -> bool {
        self.acts.contains(&Act::Hold)
    }
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A route, by its recipient as it is written.
    Route(String),
    Mailbox(Name),
    ReplyDomain(Name),
    Postmaster,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Route(recipient) => write!(f, "route {recipient}"),
            Self::Mailbox(name) => write!(f, "mailbox \"{name}\""),
            Self::ReplyDomain(name) => write!(f, "reply domain of mailbox \"{name}\""),
            Self::Postmaster => f.write_str("postmaster"),
        }
    }
}

/// An action of a route, with everything it needs to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Ticket(Name),
    Forward(Address),
    Http(HttpUrl),
    Relay(Name),
    Reply(Name),
    Store,
    Hold,
    Discard,
}

impl Act {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ticket(_) => "ticket",
            Self::Forward(_) => "forward",
            Self::Http(_) => "http",
            Self::Relay(_) => "relay",
            Self::Reply(_) => "reply",
            Self::Store => "store",
            Self::Hold => "hold",
            Self::Discard => "discard",
        }
    }

    /// Nobody does this yet: better the sender keeps the mail than we.
    fn has_no_room(&self) -> bool {
        matches!(self, Self::Forward(_) | Self::Http(_) | Self::Reply(_))
    }
}

/// What becomes of mail to this address. `hostname` is our own: mail to its postmaster is ours too.
pub fn resolve(directory: &Directory, hostname: &DomainName, address: &Address) -> Resolution {
    let asked = Asked::of(address);
    let Some(place) = Place::of(directory, hostname, &asked) else { return Resolution::Unserved };
    if place.is_off {
        return Resolution::NotNow(NotNow::DomainOff);
    }
    let own = own_rule(directory, &asked);
    match first_route(directory, &place.tenant, &asked) {
        Some((route, fit)) if !gives_way(route, fit, own.as_ref(), &asked) => {
            by_route(directory, &place, route, fit, &asked)
        }
        _ => own.map_or(Resolution::Unknown, |own| own.resolve(&place.tenant)),
    }
}

/// The same for mail that one of ours sends. A domain that takes no mail in here has its mailboxes elsewhere:
/// its users write to each other by way of its MX, as they write to everybody.
pub fn resolve_outgoing(directory: &Directory, hostname: &DomainName, address: &Address) -> Resolution {
    let domain = address.domain();
    if directory.domain(domain).is_some() && !directory.takes_mail(domain) {
        return Resolution::Unserved;
    }
    resolve(directory, hostname, address)
}

/// The recipient, and what it is without its tag.
struct Asked<'a> {
    address: &'a Address,
    text: String,
    base: Option<(Address, String)>,
}

impl<'a> Asked<'a> {
    fn of(address: &'a Address) -> Self {
        let base = without_tag(address).map(|base| {
            let text = base.to_string();
            (base, text)
        });
        Self { address, text: address.to_string(), base }
    }

    fn base(&self) -> Option<&Address> {
        self.base.as_ref().map(|(address, _)| address)
    }

    fn text(&self, fit: Fit) -> &str {
        match (fit, &self.base) {
            (Fit::Base, Some((_, text))) => text,
            _ => &self.text,
        }
    }

    /// RFC 5321 4.5.1: in any case of letters.
    fn is_postmaster(&self) -> bool {
        self.address.local().eq_ignore_ascii_case("postmaster")
    }
}

/// `user+tag@…` is mail to `user@…`; a quoted local part has no tag.
fn without_tag(address: &Address) -> Option<Address> {
    let (user, _) = address.local().split_once('+').filter(|(user, _)| !user.starts_with('"'))?;
    format!("{user}@{}", address.domain()).parse().ok()
}

/// Whose a domain is.
struct Place {
    tenant: Name,
    is_off: bool,
}

impl Place {
    fn of(directory: &Directory, hostname: &DomainName, asked: &Asked<'_>) -> Option<Self> {
        let domain = asked.address.domain();
        if let Some(entry) = directory.domain(domain) {
            return Some(Self { tenant: entry.tenant.clone(), is_off: entry.disabled_at.is_some() });
        }
        if let Some(entry) = directory.mailbox_answered_at(domain) {
            return Some(Self { tenant: entry.tenant.clone(), is_off: entry.disabled_at.is_some() });
        }
        if domain != hostname || !asked.is_postmaster() {
            return None;
        }
        // RFC 5321 4.5.1: also where our host name is no mail domain. Its mail belongs to whoever has the
        // domain that it lies in.
        let around = directory.domains().iter().filter(|entry| hostname.is_within(&entry.value.name));
        let nearest = around.max_by_key(|entry| entry.value.name.as_str().len());
        let tenant = nearest.map_or_else(Name::default_tenant, |entry| entry.tenant.clone());
        Some(Self { tenant, is_off: false })
    }
}

/// How a route and a recipient go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// The route names this very address.
    Exact,
    /// It is among those that the route describes.
    Described,
    /// The route names, or describes, what it is without its tag.
    Base,
}

fn fit(route: &Route, asked: &Asked<'_>) -> Option<Fit> {
    let (whole, base) = match &route.recipient {
        Recipient::Address(named) => {
            (is_same(named, asked.address).then_some(Fit::Exact), asked.base().is_some_and(|base| is_same(named, base)))
        }
        Recipient::Domain(domain) => ((domain == asked.address.domain()).then_some(Fit::Described), false),
        Recipient::Pattern(pattern) => (
            pattern.is_match(&asked.text).then_some(Fit::Described),
            asked.base.as_ref().is_some_and(|(_, text)| pattern.is_match(text)),
        ),
    };
    whole.or(base.then_some(Fit::Base))
}

/// As the directory compares: in any case of letters. RFC 5321 2.4 leaves that to the host that has the
/// mailbox, and here that is us.
fn is_same(a: &Address, b: &Address) -> bool {
    a.domain() == b.domain()
        && (a.local().eq_ignore_ascii_case(b.local()) || a.local().to_lowercase() == b.local().to_lowercase())
}

fn first_route<'a>(directory: &'a Directory, tenant: &'a Name, asked: &Asked<'_>) -> Option<(&'a Entry<Route>, Fit)> {
    let mut by_base = None;
    for route in directory.routes_for(tenant) {
        match fit(&route.value, asked) {
            Some(Fit::Base) => by_base = by_base.or(Some((route, Fit::Base))),
            // Behind a match without the tag only what names the whole address counts.
            Some(Fit::Exact) => return Some((route, Fit::Exact)),
            Some(Fit::Described) if by_base.is_none() => return Some((route, Fit::Described)),
            Some(Fit::Described) | None => {}
        }
    }
    by_base
}

/// What takes mail in without a route.
enum Own<'a> {
    /// At its own address, or with a tag.
    Mailbox {
        entry: &'a Entry<Mailbox>,
        exact: bool,
    },
    ReplyDomain(&'a Entry<Mailbox>),
    Postmaster,
}

fn own_rule<'a>(directory: &'a Directory, asked: &Asked<'_>) -> Option<Own<'a>> {
    if let Some(entry) = directory.mailbox_at(asked.address) {
        return Some(Own::Mailbox { entry, exact: true });
    }
    if asked.is_postmaster() {
        return Some(Own::Postmaster);
    }
    if let Some(entry) = asked.base().and_then(|base| directory.mailbox_at(base)) {
        return Some(Own::Mailbox { entry, exact: false });
    }
    directory.mailbox_answered_at(asked.address.domain()).map(Own::ReplyDomain)
}

impl Own<'_> {
    fn resolve(&self, tenant: &Name) -> Resolution {
        let (rule, act) = match self {
            Self::Mailbox { entry, .. } | Self::ReplyDomain(entry) if entry.disabled_at.is_some() => {
                return Resolution::NotNow(NotNow::MailboxOff);
            }
            Self::Mailbox { entry, .. } => {
                (Rule::Mailbox(entry.value.name.clone()), Act::Ticket(entry.value.name.clone()))
            }
            Self::ReplyDomain(entry) => {
                (Rule::ReplyDomain(entry.value.name.clone()), Act::Ticket(entry.value.name.clone()))
            }
            Self::Postmaster => (Rule::Postmaster, Act::Store),
        };
        Resolution::Accept(Decision { tenant: tenant.clone(), rule, acts: vec![act] })
    }
}

/// Does this route leave the recipient to its own rule?
fn gives_way(route: &Entry<Route>, fit: Fit, own: Option<&Own<'_>>, asked: &Asked<'_>) -> bool {
    let refuses = matches!(route.value.actions.as_slice(), [Action::Reject(_)]);
    match own {
        // RFC 5321 4.5.1: postmaster is reached, whatever a route says.
        Some(_) if refuses && asked.is_postmaster() => true,
        // A mailbox may have a tag in its address: it is named, and the route's is another one.
        Some(Own::Mailbox { exact: true, .. }) if fit == Fit::Base => true,
        Some(Own::Mailbox { .. } | Own::ReplyDomain(_)) => refuses && fit != Fit::Exact,
        Some(Own::Postmaster) | None => false,
    }
}

fn by_route(directory: &Directory, place: &Place, route: &Entry<Route>, fit: Fit, asked: &Asked<'_>) -> Resolution {
    if route.disabled_at.is_some() {
        return Resolution::NotNow(NotNow::RouteOff);
    }
    let mut acts = Vec::with_capacity(route.value.actions.len());
    for action in &route.value.actions {
        match act(directory, &place.tenant, route, action, asked.text(fit)) {
            Ok(act) => acts.push(act),
            Err(instead) => return instead,
        }
    }
    let rule = Rule::Route(route.value.recipient.write());
    match acts.is_empty() {
        // The configuration takes no route without an action.
        true => Resolution::Unknown,
        false => Resolution::Accept(Decision { tenant: place.tenant.clone(), rule, acts }),
    }
}

fn act(
    directory: &Directory,
    tenant: &Name,
    route: &Entry<Route>,
    action: &Action,
    matched: &str,
) -> Result<Act, Resolution> {
    Ok(match action {
        Action::Ticket(name) => match directory.mailbox_of(route, name) {
            None => return Err(Resolution::NotNow(NotNow::MailboxGone)),
            Some(mailbox) if mailbox.disabled_at.is_some() => return Err(Resolution::NotNow(NotNow::MailboxOff)),
            Some(_) => Act::Ticket(name.clone()),
        },
        Action::Relay(name) => match directory.relay(tenant, name) {
            None => return Err(Resolution::NotNow(NotNow::RelayGone)),
            Some(_) => Act::Relay(name.clone()),
        },
        Action::Forward(target) => {
            let captures = pattern(&route.value).and_then(|pattern| pattern.captures(matched));
            let found = |group: &str| captures.as_ref()?.name(group).map(|found| found.as_str());
            // What the pattern found makes no address there: nobody is behind this one.
            Act::Forward(target.address(found).ok_or(Resolution::Unknown)?)
        }
        Action::Http(url) => Act::Http(url.clone()),
        Action::Reply(template) => Act::Reply(template.clone()),
        Action::Store => Act::Store,
        Action::Hold => Act::Hold,
        Action::Discard => Act::Discard,
        Action::Reject(reason) => return Err(Resolution::Reject(reason.clone())),
    })
}

fn pattern(route: &Route) -> Option<&Pattern> {
    match &route.recipient {
        Recipient::Pattern(pattern) => Some(pattern),
        Recipient::Address(_) | Recipient::Domain(_) => None,
    }
}
