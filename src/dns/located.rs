//! A host as the DNS knows it: where it is, what it is really called, and what of that is proven.

use super::{Answer, Asked, Data, Failure, Proof};
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// IPv4, then IPv6; none when the name exists and has none.
    pub addresses: Vec<IpAddr>,
    /// Of the addresses, and of every alias on the way to them.
    pub proof: Proof,
    /// The name behind all aliases; the one that was asked for when there are none.
    pub canonical: DomainName,
    /// Whether the first alias is proven, when the name is one (RFC 7672 2.1.3).
    pub alias: Option<Proof>,
}

impl Located {
    pub(super) fn of(name: &DomainName, answer: Answer<Vec<Data>>) -> Self {
        let mut located = Self { addresses: Vec::new(), proof: answer.proof, canonical: name.clone(), alias: None };
        let mut aliases = Vec::new();
        for data in answer.value {
            match data {
                Data::Address(ip) => located.addresses.push(ip),
                Data::Alias { owner, target, proof } => aliases.push((owner, target, proof)),
                _ => {}
            }
        }
        for _ in 0..limits::DNS_ALIASES_MAX {
            let Some((_, target, proof)) = aliases.iter().find(|(owner, ..)| *owner == located.canonical) else {
                break;
            };
            located.canonical = target.clone();
            located.alias.get_or_insert(*proof);
        }
        located
    }
}

/// What both families together say. The name does not exist only if both say so: some servers deny a
/// whole name because it has no IPv6 address.
pub(super) fn either_family(v4: Asked, v6: Asked) -> Asked {
    let (mut found, mut proof, mut failures) = (Vec::new(), None, Vec::new());
    let (mut addresses, mut absence) = (0, Proof::Secure);
    for asked in [v4, v6] {
        match asked {
            Ok(answer) => {
                let is_address = |data: &Data| matches!(data, Data::Address(_));
                let has = answer.value.iter().filter(|data| is_address(data)).count();
                if has == 0 {
                    absence = absence.min(answer.proof);
                } else {
                    proof = Some(proof.unwrap_or(Proof::Secure).min(answer.proof));
                }
                addresses += has;
                let aliases = answer.value.iter().filter(|data| matches!(data, Data::Alias { .. }));
                found.extend(aliases.take(limits::DNS_ALIASES_MAX).cloned());
                found.extend(answer.value.into_iter().filter(is_address).take(limits::DNS_RECORDS_MAX));
            }
            Err(failure) => failures.push(failure),
        }
    }
    if addresses == 0 {
        if let Some(temporary) = failures.iter().find(|failure| matches!(failure, Failure::Temporary { .. })) {
            return Err(temporary.clone());
        }
        if failures.len() == 2 {
            return Err(Failure::NoSuchName);
        }
    }
    // The addresses that are there are as proven as they are, whatever the other family says of itself:
    // whoever silences one family must not talk us out of DANE for the other.
    let absence = if failures.is_empty() { absence } else { Proof::Unproven };
    Ok(Answer { value: found, proof: proof.unwrap_or(absence) })
}
