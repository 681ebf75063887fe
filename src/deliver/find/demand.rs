//! What TLS has to be at one host: DANE, MTA-STS and REQUIRETLS, and which of them decides.

use super::Demand;
use super::look::{Dane, LeftOut, Weight};
use crate::deliver::report::ResultType;
use crate::deliver::sts::policy::{Mode, Policy};
use crate::deliver::way::{Begin, Tls, Trust};
use crate::dns::Proof;
use crate::mail::domain_name::DomainName;

/// Everything that speaks of this host.
pub(super) struct Said<'a> {
    pub name: &'a DomainName,
    /// Of the answer that named it.
    pub proof: Proof,
    pub dane: Dane,
    pub policy: Option<&'a Policy>,
    pub demand: Demand,
}

/// With the rule that decided, as a sentence.
pub(super) fn tls(said: Said<'_>) -> Result<(Tls, &'static str), LeftOut> {
    let roots = || Tls::Required { begin: Begin::Starttls, trust: Trust::Roots };
    let mode = said.policy.map_or(Mode::None, |policy| policy.mode);
    let matches = said.policy.is_some_and(|policy| policy.allows(said.name));
    // RFC 8461 2: DANE goes first, and MTA-STS never undoes what it says.
    if let Dane::Usable { records, names } = said.dane {
        let trust = Trust::Dane { records, names };
        return Ok((
            Tls::Required { begin: Begin::Starttls, trust },
            "DANE: its certificate must be the one in the DNS",
        ));
    }
    if mode == Mode::Enforce && !matches {
        // RFC 8461 5.1: put off rather than refused, for the policy may be about to change.
        let why = "its name is not in the domain's MTA-STS policy";
        return Err(LeftOut::because(Weight::Insecure(ResultType::ValidationFailure), why));
    }
    if mode == Mode::Enforce {
        return Ok((roots(), "MTA-STS: TLS with a valid certificate for its name"));
    }
    if said.demand == Demand::RequireTls {
        // RFC 8689 4.2.1: the name of the host must be vouched for, and then the host must prove it.
        return match said.proof == Proof::Secure || matches {
            true => Ok((roots(), "REQUIRETLS: TLS with a valid certificate for its name")),
            false => {
                let why = "neither DNSSEC nor MTA-STS vouches for its name, and the sender requires that (RFC 8689)";
                Err(LeftOut::because(Weight::Refused, why))
            }
        };
    }
    Ok(match said.dane {
        // RFC 7672 2.2: with any certificate, and never in the clear.
        Dane::Unusable => (
            Tls::Required { begin: Begin::Starttls, trust: Trust::Anyone },
            "DANE with no usable record: TLS, whatever its certificate",
        ),
        _ => (Tls::Opportunistic, "TLS if it offers it"),
    })
}
