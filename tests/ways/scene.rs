//! What every story of a way needs: a zone, a web server of policies if it tells of one, and a finder.

use crate::policies::Policies;
use gatepost::base::clock::{Clock, Time};
use gatepost::deliver::find::{Demand, Finder, Found, Lost, Own};
use gatepost::deliver::sts::Sts;
use gatepost::deliver::way::{Target, Tls, Trust};
use gatepost::dns::zone::Zone;
use gatepost::dns::{Resolver, Source};
use gatepost::mail::domain_name::DomainName;
use gatepost::net::https::{Https, Private, Reach};
use rustls::RootCertStore;
use std::sync::Arc;

pub fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

pub fn zone(text: &str) -> Source {
    Source::Zone(Zone::parse(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}")))
}

pub fn clock() -> Clock {
    Clock::set(Time::from_micros(1_793_245_479_000_000))
}

pub fn own() -> Own {
    Own::new(vec![name("mail.us.example")], &["192.0.2.250:25".parse().unwrap()], 25)
}

/// A finder that knows no web server.
pub fn finder(resolver: Resolver) -> Finder {
    let nobody = Https::trusting(Arc::new(RootCertStore::empty()), Reach { private: Private::Refused, instead: None });
    let sts = Sts::new(resolver.clone(), nobody, clock());
    Finder::new(resolver, sts, own())
}

pub fn in_zone(text: &str) -> Finder {
    finder(Resolver::new(zone(text)))
}

pub fn with_policies(resolver: Resolver, policies: &Policies, clock: Clock) -> Finder {
    let sts = Sts::new(resolver.clone(), policies.client(), clock);
    Finder::new(resolver, sts, own())
}

pub async fn found(finder: &Finder, domain: &str) -> Found {
    finder.find(&name(domain), Demand::Ordinary).await.unwrap_or_else(|lost| panic!("{domain}: {lost:?}"))
}

pub async fn lost(finder: &Finder, domain: &str) -> Lost {
    match finder.find(&name(domain), Demand::Ordinary).await {
        Ok(found) => panic!("{domain}: {found:?}"),
        Err(lost) => *lost,
    }
}

/// `10 mx.example` for each host of the way.
pub fn hosts(found: &Found) -> Vec<String> {
    found.way.hosts.iter().map(|target| format!("{} {}", target.preference, target.host)).collect()
}

/// What TLS has to be, in a word.
pub fn tls(target: &Target) -> &'static str {
    match &target.tls {
        Tls::Never => "never",
        Tls::Opportunistic => "opportunistic",
        Tls::Required { trust: Trust::Anyone, .. } => "anyone",
        Tls::Required { trust: Trust::Roots, .. } => "roots",
        Tls::Required { trust: Trust::Dane { .. }, .. } => "dane",
    }
}

/// Of every host of the way.
pub fn all_tls(found: &Found) -> Vec<&'static str> {
    found.way.hosts.iter().map(tls).collect()
}
