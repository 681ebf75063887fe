//! What it means that there is no way: for now or for good, and in which words.

use super::look::{LeftOut, Weight};
use crate::mail::domain_name::DomainName;
use crate::mail::status::Status;
use crate::model::outcome::{Blame, Kind, Why, category};

/// RFC 3463 X.4.3: whom to ask could not be found out.
pub(super) fn not_now(text: String) -> Why {
    Why::found(Blame::Network, Kind::Soft, category::DNS, Status::new(4, 4, 3), text)
}

pub(super) fn no_such_domain(domain: &DomainName) -> Why {
    Why::found(
        Blame::Network,
        Kind::Hard,
        category::BAD_DOMAIN,
        Status::new(5, 1, 2),
        format!("the domain {domain} does not exist"),
    )
}

/// RFC 7505 5: 556 5.1.10.
pub(super) fn takes_no_mail(domain: &DomainName) -> Why {
    let text = format!("{domain} takes no mail and says so (null MX, RFC 7505)");
    Why { code: Some(556), ..Why::found(Blame::Remote, Kind::Hard, category::NO_MAIL, Status::new(5, 1, 10), text) }
}

pub(super) fn no_usable_mx(domain: &DomainName) -> Why {
    let text = format!("{domain} has MX records, and none of them names a host");
    Why::found(Blame::Network, Kind::Hard, category::BAD_DOMAIN, Status::new(5, 4, 4), text)
}

/// A relay that is ourselves: its settings can be mended while the mail waits.
pub(super) fn relay_loops(text: String) -> Why {
    Why::found(Blame::Us, Kind::Soft, category::LOOP, Status::new(4, 4, 6), text)
}

/// The mildest reason decides: as long as one host may be there another time, mail waits.
pub(super) fn nobody_left(domain: &DomainName, left: &[(DomainName, LeftOut)]) -> Why {
    let reasons: Vec<_> = left.iter().map(|(name, left)| format!("{name}: {}", left.why)).collect();
    let reasons = reasons.join("; ");
    let any = |has: fn(&Weight) -> bool| left.iter().any(|(_, left)| has(&left.weight));
    if any(|weight| matches!(weight, Weight::Insecure(_))) {
        let text = format!("no mail host of {domain} can be trusted for now ({reasons})");
        return Why::found(Blame::Policy, Kind::Soft, category::TLS, Status::new(4, 7, 5), text);
    }
    if any(|weight| *weight == Weight::Transient) {
        return not_now(format!("no mail host of {domain} can be found for now ({reasons})"));
    }
    if any(|weight| *weight == Weight::Ours) {
        let text = format!("mail for {domain} loops back to us ({reasons})");
        return Why::found(Blame::Us, Kind::Hard, category::LOOP, Status::new(5, 4, 6), text);
    }
    if any(|weight| *weight == Weight::Refused) {
        let text = format!("no mail host of {domain} is safe enough ({reasons})");
        return Why::found(Blame::Policy, Kind::Hard, category::TLS, Status::new(5, 7, 10), text);
    }
    let text = format!("{domain} has no mail host that can be reached ({reasons})");
    Why::found(Blame::Network, Kind::Hard, category::BAD_DOMAIN, Status::new(5, 4, 4), text)
}
