//! Looks by the clock whether what mail refers back to leads here: tracking hosts, by asking them for an answer
//! that only we know, and return paths, by their MX and SPF records. What is found goes into
//! `policy::readiness`; each change is an event, and a line in the log that says what to do.
//!
//! What proves nothing (silence, SERVFAIL, a proxy's 502) keeps what was, for a few times.

use super::happenings::{FootingLost, FootingUnready, FootingWon, FootingsCounted};
use crate::base::clock::Clock;
use crate::base::id;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::base::shutdown::{Phase, Shutdown};
use crate::dns::{Failure, Resolver};
use crate::mail::domain_name::DomainName;
use crate::model::directory::{Directory, DirectoryHandle, Entry, Source};
use crate::model::domain::Domain;
use crate::model::event::Event;
use crate::model::host::Host;
use crate::net::https::{Get, Https, NoAnswer};
use crate::policy::readiness::echo::{self, Echo, Nonce};
use crate::policy::readiness::{Footing, Footings, Part, is_checked};
use crate::policy::records::{Found, Leaving, Ours, Purpose, look, needs};
use crate::store::{Change, Store};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What looking takes.
pub struct Parts {
    pub directory: Arc<DirectoryHandle>,
    pub footings: Footings,
    pub resolver: Resolver,
    pub store: Arc<Store>,
    /// This server, as the configuration in force calls it.
    pub hostname: Arc<dyn Fn() -> DomainName + Send + Sync>,
    pub echo: Echo,
    pub ways: Ways,
    pub clock: Clock,
    pub random: Random,
}

/// How tracking hosts are reached. A host that the operator's own file names may be inside; one that the API was
/// told may not send us to our neighbours.
#[derive(Clone)]
pub struct Ways {
    pub of_file: Https,
    pub of_store: Https,
}

pub struct Watch {
    parts: Parts,
    plan: Mutex<Plan>,
}

type Key = (DomainName, Part);

#[derive(Default)]
struct Plan {
    /// The directory that it was made from.
    of: Option<Arc<Directory>>,
    hostname: Option<DomainName>,
    watched: HashMap<Key, Watched>,
}

struct Watched {
    /// What the answer depends on: another one is looked at anew.
    domain: Domain,
    leaving: Leaving,
    due: Instant,
    /// Answers in a row that proved nothing.
    doubts: u32,
}

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Ready,
    /// It is certain that it does not lead here.
    Not(String),
    /// It may, and it may not.
    Doubtful(String),
}

impl Watch {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, plan: Mutex::default() })
    }

    /// Looks until the daemon drains: at once, after each change, and from time to time.
    pub async fn keep(self: Arc<Self>, shutdown: Shutdown) {
        let looking = async {
            loop {
                self.round().await;
                tokio::time::sleep(limits::FOOTING_TICK).await;
            }
        };
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => {}
            () = looking => {}
        }
    }

    /// Looks at everything that is due.
    pub async fn round(&self) {
        self.take_up();
        let due = self.due();
        if due.is_empty() {
            return;
        }
        let looks: Vec<BoxFuture<'_, ()>> =
            due.into_iter().map(|(name, part)| self.look_at(name, part).boxed()).collect();
        futures_util::stream::iter(looks).for_each_concurrent(limits::FOOTING_CHECKS_AT_ONCE, |look| look).await;
        self.count();
    }

    /// Looks at one domain now, by these answers of the DNS: for whoever has just mended it.
    pub async fn look_now(&self, name: &DomainName, resolver: &Resolver) {
        self.take_up();
        for part in Part::ALL {
            self.look_by(name, part, resolver).await;
        }
        self.count();
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans what is new or changed, and forgets what is gone.
    fn take_up(&self) {
        let (directory, hostname) = (self.parts.directory.load_full(), (self.parts.hostname)());
        let mut plan = self.plan();
        let is_known = plan.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &directory));
        if is_known && plan.hostname.as_ref() == Some(&hostname) {
            return;
        }
        let moved = plan.hostname.as_ref() != Some(&hostname);
        let now = Instant::now();
        let mut watched = HashMap::new();
        for entry in directory.domains().iter().filter(|entry| entry.disabled_at.is_none()) {
            for part in Part::ALL.into_iter().filter(|part| is_checked(&entry.value, *part)) {
                let key = (entry.value.name.clone(), part);
                let leaving = Leaving::of(&directory, entry);
                let stays = |old: &Watched| !moved && old.domain == entry.value && old.leaving == leaving;
                let one = match plan.watched.remove(&key) {
                    Some(old) if stays(&old) => old,
                    _ => Watched { domain: entry.value.clone(), leaving, due: now, doubts: 0 },
                };
                watched.insert(key, one);
            }
        }
        self.parts.footings.keep(|name| Part::ALL.iter().any(|part| watched.contains_key(&(name.clone(), *part))));
        *plan = Plan { of: Some(directory), hostname: Some(hostname), watched };
    }

    fn due(&self) -> Vec<Key> {
        let (plan, now) = (self.plan(), Instant::now());
        plan.watched.iter().filter(|(_, one)| one.due <= now).map(|(key, _)| key.clone()).collect()
    }

    async fn look_at(&self, name: DomainName, part: Part) {
        self.look_by(&name, part, &self.parts.resolver).await;
    }

    async fn look_by(&self, name: &DomainName, part: Part, resolver: &Resolver) {
        let directory = self.parts.directory.load_full();
        let Some(entry) = directory.domain(name).filter(|entry| is_checked(&entry.value, part)) else { return };
        let looked = tokio::time::timeout(limits::FOOTING_CHECK_MAX, self.see(&directory, entry, part, resolver)).await;
        let seen = looked.unwrap_or_else(|_| {
            Seen::Doubtful(format!("looking took more than {} s", limits::FOOTING_CHECK_MAX.as_secs()))
        });
        let Some(footing) = self.weigh(entry, part, seen) else { return };
        let before = self.parts.footings.enter(&entry.value, part, footing.clone());
        self.tell(&directory, entry, part, &before, &footing).await;
    }

    async fn see(&self, directory: &Directory, entry: &Entry<Domain>, part: Part, resolver: &Resolver) -> Seen {
        match part {
            Part::Tracking => self.tracking(entry, resolver).await,
            Part::ReturnPath => self.return_path(directory, entry, resolver).await,
        }
    }

    /// Plans the next look. None when what was found is of settings that have changed meanwhile.
    fn weigh(&self, entry: &Entry<Domain>, part: Part, seen: Seen) -> Option<Footing> {
        let before = self.parts.footings.of(&entry.value, part);
        let mut plan = self.plan();
        let watched = plan.watched.get_mut(&(entry.value.name.clone(), part));
        let watched = watched.filter(|watched| watched.domain == entry.value)?;
        watched.doubts = if matches!(seen, Seen::Doubtful(_)) { watched.doubts + 1 } else { 0 };
        let footing = match seen {
            Seen::Ready => Footing::Ready,
            Seen::Doubtful(_) if before.is_ready() && watched.doubts < limits::FOOTING_DOUBTS_MAX => before,
            Seen::Doubtful(why) | Seen::Not(why) => Footing::not_ready(why),
        };
        let settled = footing.is_ready() && watched.doubts == 0;
        let pause = if settled { limits::FOOTING_READY_AGAIN } else { limits::FOOTING_AGAIN };
        watched.due = Instant::now() + spread(pause, &self.parts.random);
        Some(footing)
    }

    // --- looking -----------------------------------------------------------------------------------------

    /// Asks the host for our own answer. Proxies may stand between: that it comes back is what counts.
    async fn tracking(&self, entry: &Entry<Domain>, resolver: &Resolver) -> Seen {
        let Some(tracking) = &entry.value.tracking else { return Seen::Not("there is none".to_owned()) };
        let hostname = (self.parts.hostname)();
        let host = match tracking.host.host() {
            Host::Name(name) if tracking.host.is_https() => name,
            Host::Name(_) => return Seen::Not("its links would be read on their way: make it https".to_owned()),
            Host::Address(_) => {
                return Seen::Not("no certificate can be checked for an address: name a host".to_owned());
            }
        };
        let mend = format!("make it an alias of {hostname}, or of the proxy that leads here");
        let addresses = match resolver.addresses(&host).await {
            Ok(answer) if !answer.value.is_empty() => answer.value,
            Ok(_) | Err(Failure::NoSuchName) => return Seen::Not(format!("{host} has no address in the DNS: {mend}")),
            Err(Failure::Temporary { why }) => return Seen::Doubtful(format!("{host} could not be looked up: {why}")),
        };
        let nonce = Nonce::new(&self.parts.random);
        let path = format!("{}{}", echo::PATH, nonce.as_str());
        let https = match entry.source {
            Source::File => &self.parts.ways.of_file,
            Source::Store { .. } => &self.parts.ways.of_store,
        };
        let (port, bytes_max, within) = (tracking.host.port(), limits::ECHO_BYTES_MAX, limits::ECHO_MAX);
        let answer = https.get(Get { host: &host, addresses: &addresses, port, path: &path, bytes_max, within }).await;
        match answer {
            Ok(answer) if answer.status.is_success() && answer.body == self.parts.echo.of(&nonce).as_bytes() => {
                Seen::Ready
            }
            Ok(answer) if answer.status.is_server_error() => {
                Seen::Doubtful(format!("it answered {}", answer.status.as_u16()))
            }
            Ok(answer) => Seen::Not(format!(
                "somebody else answers there ({}): it has to lead to an [[http]] listener of ours that serves tracking",
                answer.status.as_u16()
            )),
            Err(why @ (NoAnswer::Unreachable(_) | NoAnswer::Tls(_) | NoAnswer::Http(_) | NoAnswer::TooSlow(_))) => {
                Seen::Doubtful(why.to_string())
            }
            Err(why) => Seen::Not(why.to_string()),
        }
    }

    /// Bounces have to come back here, and mail from there must pass.
    async fn return_path(&self, directory: &Directory, entry: &Entry<Domain>, resolver: &Resolver) -> Seen {
        let hostname = (self.parts.hostname)();
        let ours = Ours::of(directory, entry, &hostname, &[]);
        let mut needs = needs(&ours);
        needs.records.retain(|record| matches!(record.purpose, Purpose::ReturnPathMx | Purpose::ReturnPathSpf));
        if needs.records.is_empty() {
            return Seen::Not(needs.notes.join("; "));
        }
        let (mut wrong, mut open) = (Vec::new(), Vec::new());
        for checked in look(&ours, &needs.records, resolver).await {
            let of = format!("{} of {}", checked.record.kind.word(), checked.record.host);
            match checked.found {
                Found::Right { .. } => {}
                Found::Missing => wrong.push(format!("the {of} is missing")),
                Found::Wrong { why, .. } => wrong.push(format!("the {of} is wrong: {why}")),
                Found::Unknown { why } => open.push(format!("the {of} could not be asked: {why}")),
            }
        }
        match (wrong.is_empty(), open.is_empty()) {
            (false, _) => Seen::Not(wrong.join("; ")),
            (true, false) => Seen::Doubtful(open.join("; ")),
            (true, true) => Seen::Ready,
        }
    }

    // --- telling -----------------------------------------------------------------------------------------

    async fn tell(&self, directory: &Directory, entry: &Entry<Domain>, part: Part, before: &Footing, now: &Footing) {
        let domain = &entry.value.name;
        match (before.is_ready(), now) {
            (true, Footing::Ready) => return,
            (false, Footing::Ready) => FootingWon { domain, part }.record(),
            (true, Footing::NotReady(why)) => FootingLost { domain, part, why }.record(),
            // It never was: said once for each reason, and no event.
            (false, Footing::NotReady(why)) => {
                if before != now {
                    FootingUnready { domain, part, why }.record();
                }
                return;
            }
        }
        let word = if now.is_ready() { "ready" } else { "lost" };
        let data = serde_json::json!({ "domain": domain.as_str(), "why": now.why_not() });
        let at = self.parts.clock.now();
        let event = Event {
            id: id::new(at, &self.parts.random),
            kind: format!("domain.{}_{word}", part.word()),
            at,
            tenant: directory.tenant(&entry.tenant).map(|tenant| tenant.id.clone()),
            message: None,
            delivery: None,
            data: data.to_string(),
        };
        if let Err(error) = self.parts.store.write(Change { events: vec![event], ..Change::default() }).await {
            tracing::warn!(%error, %domain, "the event of this change could not be stored");
        }
    }

    fn count(&self) {
        let plan = self.plan();
        let unready = |part: Part| {
            let of_part = plan.watched.iter().filter(|((_, of), _)| *of == part);
            of_part.filter(|(_, one)| !self.parts.footings.of(&one.domain, part).is_ready()).count()
        };
        FootingsCounted { unready: Part::ALL.map(|part| (part, unready(part))) }.record();
    }
}

/// So that what was planned together does not stay together: a tenth earlier or later.
fn spread(pause: Duration, random: &Random) -> Duration {
    let [chance] = random.bytes::<1>();
    pause.mul_f64(0.9 + 0.2 * f64::from(chance) / 255.0)
}
