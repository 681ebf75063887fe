//! What the DNS has to say of our domains: put together for the API from the directory, the keys and what was seen
//! of tracking hosts; and for `gatepost dns` where no daemon runs.

use super::house::House;
use crate::base::clock::{Clock, Time};
use crate::base::random::Random;
use crate::config::Config;
use crate::dns::{Resolver, Source};
use crate::http::domains::{Domain as Shown, Freshness, Look, Stand};
use crate::mail::domain_name::DomainName;
use crate::model::directory::{Directory, DirectoryRows, Entry, Parts as Files};
use crate::model::dkim::{self, MadeKey};
use crate::model::domain::{Domain, ReturnPath};
use crate::net::https::{Https, Private, Reach};
use crate::net::roots;
use crate::policy::readiness::{Footings, Part, is_checked};
use crate::policy::records::{self, Checked, Found, Key, Ours, Purpose, Stage};
use crate::proof::{PrivateKey, PublicKey};
use crate::store::Store;
use crate::tend::records::{Parts, Watch, Ways};
use std::sync::Arc;

/// Begins to look at tracking hosts and return paths by the clock; answers how the API asks.
pub(super) fn open(house: &Arc<House>, store: &Arc<Store>, resolver: &Resolver) -> Look {
    let watch = watch(house, store, resolver);
    tokio::spawn(watch.clone().keep(house.shutdown.clone()));
    look(house.clone(), watch, resolver.clone())
}

fn watch(house: &Arc<House>, store: &Arc<Store>, resolver: &Resolver) -> Arc<Watch> {
    let of = house.clone();
    let reaching = |private| Https::trusting(roots::trusted(), Reach { private, instead: None });
    Watch::new(Parts {
        directory: house.directory.clone(),
        footings: house.footings.clone(),
        resolver: resolver.clone(),
        store: store.clone(),
        hostname: Arc::new(move || of.running.load().config.server.hostname.clone()),
        echo: house.echo.clone(),
        ways: Ways { of_file: reaching(Private::Allowed), of_store: reaching(Private::Refused) },
        clock: Clock::System,
        random: Random::System,
    })
}

fn look(house: Arc<House>, watch: Arc<Watch>, resolver: Resolver) -> Look {
    Arc::new(move |name, freshness| {
        let (house, watch, resolver) = (house.clone(), watch.clone(), resolver.clone());
        Box::pin(async move {
            let resolver = match freshness {
                Freshness::Recent => resolver,
                Freshness::Now => afresh(&house.running.load().config, resolver),
            };
            if freshness == Freshness::Now {
                watch.look_now(&name, &resolver).await;
            }
            let (directory, running) = (house.directory.load_full(), house.running.load_full());
            let made = house.signer.made_for(&name);
            let hostname = &running.config.server.hostname;
            let asked = Asked { hostname, footings: Some(&house.footings), made: &made };
            Ok(asked.about(&directory, &name, &resolver, house.clock.now()).await)
        })
    })
}

/// One that remembers nothing: whoever has just made a record is not told what was there before. A zone file is read
/// at each reload and not before.
fn afresh(config: &Config, remembering: Resolver) -> Resolver {
    if config.dns.zone_file.is_some() {
        return remembering;
    }
    match Source::open(&config.dns) {
        Ok(source) => Resolver::new(source),
        Err(error) => {
            tracing::warn!(%error, "the DNS could not be asked anew; going by what is remembered");
            remembering
        }
    }
}

/// The same without a daemon: of the configuration's domains, and without what only a running node can see. Must be
/// called inside a runtime.
pub async fn look_alone(config: &Config, name: &DomainName) -> Result<Option<Shown>, String> {
    let files = Files {
        tenants: &config.tenant,
        relays: &config.relay,
        sources: &config.source,
        destinations: &config.destination,
        domains: &config.domain,
        streams: &config.stream,
        credentials: &config.credential,
        mailboxes: &config.mailbox,
        routes: &config.route,
    };
    // What is wrong in it was shown when it was loaded.
    let (directory, _) = Directory::assemble(&files, &DirectoryRows::default());
    let resolver = Resolver::new(Source::open(&config.dns).map_err(|why| why.to_string())?);
    let asked = Asked { hostname: &config.server.hostname, footings: None, made: &[] };
    Ok(asked.about(&directory, name, &resolver, Clock::System.now()).await)
}

/// By what a domain is looked at.
struct Asked<'a> {
    hostname: &'a DomainName,
    /// None where no daemon runs that could have seen anything.
    footings: Option<&'a Footings>,
    /// The keys that the store has for it.
    made: &'a [MadeKey],
}

impl Asked<'_> {
    async fn about(&self, directory: &Directory, name: &DomainName, resolver: &Resolver, now: Time) -> Option<Shown> {
        let entry = directory.domain(name)?;
        let (mut keys, unread) = keys_of(&entry.value);
        keys.extend(self.made.iter().filter_map(made_key));
        let ours = Ours::of(directory, entry, self.hostname, &keys);
        let mut needs = records::needs(&ours);
        needs.notes.extend(unread);
        let mut checked = records::look(&ours, &needs.records, resolver).await;
        checked.iter_mut().for_each(|one| self.consider_proxies(entry, one));
        let mut shown = Shown::of(name, &checked, needs.notes, now);
        if let Some(footings) = self.footings {
            let domain = &entry.value;
            let tracking = domain.tracking.as_ref();
            shown.tracking = tracking.map(|t| Stand::of(t.host.as_str().to_owned(), &footings.tracking(domain)));
            let return_path = (domain.return_path != ReturnPath::Keep).then(|| footings.return_path(domain));
            shown.return_path = return_path.map(|footing| Stand::of(format!("rp.{name}"), &footing));
        }
        Some(shown)
    }

    /// A tracking host that leads elsewhere is right where a proxy there passes on to us, and only that it does so
    /// shows it.
    fn consider_proxies(&self, entry: &Entry<Domain>, checked: &mut Checked) {
        let elsewhere = checked.record.purpose == Purpose::Tracking && matches!(checked.found, Found::Wrong { .. });
        if !elsewhere {
            return;
        }
        let domain = &entry.value;
        match self.footings {
            _ if !is_checked(domain, Part::Tracking) => {
                let note = "it leads elsewhere, and tracking.check = false takes it as it is";
                checked.found = Found::Right { note: Some(note.to_owned()) };
            }
            Some(footings) if footings.tracking(domain).is_ready() => {
                let note = "it leads elsewhere, and from there to us";
                checked.found = Found::Right { note: Some(note.to_owned()) };
            }
            Some(_) => {}
            None => {
                let why = "it leads elsewhere, and only a running daemon can see whether from there to us";
                checked.found = Found::Unknown { why: why.to_owned() };
            }
        }
    }
}

/// A key that Gatepost made; none when its record need not stand any more.
fn made_key(key: &MadeKey) -> Option<Key> {
    let stage = match key.stage {
        dkim::Stage::Pending | dkim::Stage::Published => Stage::Pending,
        dkim::Stage::Active => Stage::Active,
        dkim::Stage::Retiring => Stage::Retiring,
        dkim::Stage::Retired => return None,
    };
    let record = PublicKey::new(key.algorithm, key.public.clone()).record();
    Some(Key { selector: key.selector.clone(), record, stage })
}

/// The keys that the file names, which sign at once; and which of them cannot be read.
fn keys_of(domain: &Domain) -> (Vec<Key>, Vec<String>) {
    let (mut keys, mut unread) = (Vec::new(), Vec::new());
    for key in &domain.dkim {
        match PrivateKey::open(&key.key).and_then(|private| private.public()) {
            Ok(public) => {
                keys.push(Key { selector: key.selector.clone(), record: public.record(), stage: Stage::Active });
            }
            Err(why) => unread.push(format!("the record of key {} is not known: {why}", key.selector)),
        }
    }
    (keys, unread)
}
