//! What an entry of the store may not be, whatever the file says: the rules that the configuration's own
//! checks apply to the file, as far as they concern one entry alone. Each answer is why it is left out.

use crate::base::scram::ScramKeys;
use crate::model::credential::{Credential, Reach, reach, stored};
use crate::model::domain::{Domain, Via};
use crate::model::rate::{Rate, second_of_a_kind};
use crate::model::relay::{Auth, Relay};
use crate::model::route::Route;

pub(super) fn relay(relay: &Relay) -> Result<(), String> {
    if Via::RESERVED.contains(&relay.name.as_str()) {
        return Err(format!("{:?} has its own meaning and cannot be the name of a relay", relay.name.as_str()));
    }
    if relay.username.is_some() != relay.password.is_some() {
        return Err("it has only one of username and password".to_owned());
    }
    if relay.auth != Auth::Auto && relay.username.is_none() {
        return Err("it says how to log in, and has no username".to_owned());
    }
    match relay.exposure() {
        Some(exposure) => {
            Err(format!("its password could be read on the way: {}; {}", exposure.why(), exposure.remedy()))
        }
        None => Ok(()),
    }
}

pub(super) fn domain(domain: &Domain) -> Result<(), String> {
    limits(&domain.limits, &domain.recipient_limits)
}

/// Each list has at most one rate for each time, so at most four.
fn limits(messages: &[Rate], recipients: &[Rate]) -> Result<(), String> {
    for (rates, key) in [(messages, "limits"), (recipients, "recipient_limits")] {
        if let Some(at) = second_of_a_kind(rates) {
            return Err(format!("its {key} have two per {}: only the smaller one counts", rates[at].per.as_str()));
        }
    }
    Ok(())
}

pub(super) fn credential(credential: &Credential) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    match (credential.is_login(), !credential.networks.is_empty()) {
        (true, true) => return refuse("it has a password and networks: it would open without the password"),
        (false, false) => return refuse("it has neither a password nor networks: nobody can use it"),
        _ => {}
    }
    if !credential.from.is_empty() && !credential.is_login() {
        return refuse("it limits where a login comes from, and has none");
    }
    if let Some(Err(why)) = credential.password.as_ref().map(stored) {
        return Err(format!("its password cannot be used: {why}"));
    }
    if credential.scram.as_ref().is_some_and(|scram| ScramKeys::read(scram.expose()).is_none()) {
        return refuse("its scram has not the form SCRAM-SHA-256$iterations:salt$stored key:server key");
    }
    if credential.networks.iter().any(|network| reach(network) == Reach::World) {
        return refuse("it would let the whole world send: this is an open relay");
    }
    limits(&credential.limits, &credential.recipient_limits)
}

pub(super) fn route(route: &Route) -> Result<(), String> {
    if route.actions.is_empty() {
        return Err("it has no action".to_owned());
    }
    if let Some((_, group)) = route.unknown_group() {
        return Err(format!("it forwards to ${{{group}}}, and its recipient is no pattern with a group of this name"));
    }
    match route.lonely_action() {
        Some(action) => {
            Err(format!("\"{}\" stands alone: its other actions contradict it", route.actions[action].word()))
        }
        None => Ok(()),
    }
}
