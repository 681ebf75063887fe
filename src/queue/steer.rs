//! What operators do to the queue: hold, release, try now, cancel, send another way. For one message, one
//! delivery, or all that a filter finds; in slices, each one transaction with its events; and only where the
//! state of a delivery allows it. A delivery that is being tried is not torn from its node: what is wanted
//! of it takes effect when the try has ended.

use super::inspect::{Entry, Filter, Subject};
use super::ledger::Ledger;
use crate::base::clock::Time;
use crate::base::id::{self, DeliveryId, TenantId};
use crate::base::limits;
use crate::model::delivery::{NextHop, State, Wish};
use crate::model::directory::Source;
use crate::model::event::Event;
use crate::model::name::Name;
use crate::store::moves::Move;
use crate::store::{Change, Store, StoreError};
use std::collections::HashSet;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Hold,
    Release,
    RetryNow,
    Cancel,
    Reroute(Road),
}

/// Another way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Road {
    /// To the servers of the recipient's domain.
    Direct,
    /// To a smarthost that the configuration names.
    Relay(Name),
}

/// What an action is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    One(Subject),
    Matching(Filter),
}

/// What somebody wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub action: Action,
    /// Who, for the events and the reason.
    pub by: String,
    pub note: Option<String>,
    /// Whose deliveries only; none is an operator of the whole house. What is another's is not found.
    pub tenant: Option<TenantId>,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steered {
    pub done: u64,
    /// Being tried: takes effect after the attempt that is running.
    pub pending: u64,
    /// Were as wanted already.
    pub unchanged: u64,
    /// Their state does not allow it; the first few with the reason.
    pub refused: u64,
    pub refusals: Vec<Refusal>,
    /// Moved on again and again while they were being moved.
    pub missed: u64,
    /// There is more: where to go on.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub delivery: DeliveryId,
    pub state: State,
    pub why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SteerError {
    Store(StoreError),
    /// The configuration has no relay of this name.
    NoSuchRelay(Name),
}

/// How many an action would move or mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exactly(u64),
    /// Counting stopped at `COUNTED_MAX`, or at `COUNT_MAX`.
    MoreThan(u64),
}

/// Does it, going on behind `after` ("" to begin). One call moves at most `STEER_ROWS_MAX` deliveries and
/// ends after `STEER_MAX`: `next` says where the next call goes on.
pub async fn steer(ledger: &Ledger, target: &Target, order: &Order, after: &str) -> Result<Steered, SteerError> {
    let owner = owner(ledger, &order.action)?;
    let (begun, mut after) = (Instant::now(), after.to_owned());
    let (mut steered, mut looked_at) = (Steered::default(), 0);
    loop {
        let (found, next) = page(&ledger.store, target, order.tenant.as_ref(), &after).await?;
        looked_at += found.len() as u64;
        for slice in found.chunks(limits::STEER_ROWS) {
            steer_slice(ledger, (order, &owner), slice.to_vec(), &mut steered).await?;
        }
        let Some(next) = next else { return Ok(steered) };
        if looked_at >= limits::STEER_ROWS_MAX || begun.elapsed() >= limits::STEER_MAX {
            steered.next = Some(next);
            return Ok(steered);
        }
        after = next;
    }
}

/// How many the action would move: what a question "really?" shows.
pub async fn count(
    ledger: &Ledger,
    target: &Target,
    action: &Action,
    tenant: Option<&TenantId>,
) -> Result<Count, SteerError> {
    let (owner, now) = (owner(ledger, action)?, ledger.clock.now());
    let (begun, mut after, mut counted) = (Instant::now(), String::new(), 0);
    loop {
        let (found, next) = page(&ledger.store, target, tenant, &after).await?;
        counted += found.iter().filter(|entry| plan(action, &owner, entry, now).acts()).count() as u64;
        if counted > limits::COUNTED_MAX {
            return Ok(Count::MoreThan(limits::COUNTED_MAX));
        }
        match next {
            None => return Ok(Count::Exactly(counted)),
            Some(_) if begun.elapsed() >= limits::COUNT_MAX => return Ok(Count::MoreThan(counted)),
            Some(next) => after = next,
        }
    }
}

/// Who may use the road that an action names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Everybody,
    /// A relay has an account that is paid for: only its tenant's mail goes there.
    Tenant(TenantId),
}

fn owner(ledger: &Ledger, action: &Action) -> Result<Owner, SteerError> {
    let Action::Reroute(Road::Relay(name)) = action else { return Ok(Owner::Everybody) };
    let directory = ledger.directory.load();
    let relay = directory.relays().iter().find(|relay| relay.value.name == *name && relay.disabled_at.is_none());
    let relay = relay.ok_or_else(|| SteerError::NoSuchRelay(name.clone()))?;
    match relay.source {
        Source::File => Ok(Owner::Everybody),
        Source::Store { .. } => match directory.tenant(&relay.tenant) {
            Some(tenant) => Ok(Owner::Tenant(tenant.id.clone())),
            None => Err(SteerError::NoSuchRelay(name.clone())),
        },
    }
}

/// The next deliveries of a target, and where it goes on.
async fn page(
    store: &Store,
    target: &Target,
    tenant: Option<&TenantId>,
    after: &str,
) -> Result<(Vec<Entry>, Option<String>), StoreError> {
    let rows = limits::QUEUE_ROWS_MAX as usize;
    let (mut found, next) = match target {
        Target::One(Subject::Delivery(id)) => (store.entry(id).await?.into_iter().collect(), None),
        Target::One(Subject::Message(id)) => {
            let found: Vec<Entry> = store.entries_of(id, after, rows).await?;
            let last = found.last().map(|entry| entry.delivery.id.to_string());
            let next = last.filter(|_| found.len() == rows);
            (found, next)
        }
        Target::Matching(filter) => {
            let page = store.list(filter, after, rows).await?;
            (page.items, page.next)
        }
    };
    found.retain(|entry| tenant.is_none_or(|tenant| entry.delivery.tenant == *tenant));
    Ok((found, next))
}

/// How often a delivery that moved meanwhile is looked at again.
const LOOKS: usize = 3;

async fn steer_slice(
    ledger: &Ledger,
    (order, owner): (&Order, &Owner),
    mut entries: Vec<Entry>,
    steered: &mut Steered,
) -> Result<(), StoreError> {
    for _ in 0..LOOKS {
        let now = ledger.clock.now();
        let (mut moves, mut marked) = (Vec::new(), HashSet::new());
        for entry in &entries {
            match plan(&order.action, owner, entry, now) {
                Plan::Already => steered.unchanged += 1,
                Plan::Refused(why) => refuse(steered, entry, why),
                Plan::Go(going) => {
                    if going.to == State::Leased {
                        marked.insert(entry.delivery.id.clone());
                    }
                    moves.push(moving(ledger, order, entry, going, now));
                }
            }
        }
        if moves.is_empty() {
            return Ok(());
        }
        let wanted: Vec<DeliveryId> = moves.iter().map(|moved| moved.delivery.clone()).collect();
        let written = ledger.store.write(Change { moves, ..Change::default() }).await?;
        let is_to_go = |(_, state): &(_, State)| matches!(state, State::Ready | State::Scheduled);
        if written.moved.iter().any(is_to_go) {
            // It goes at once where it can; other nodes find it by themselves.
            ledger.ready.space.ring();
        }
        let moved: HashSet<DeliveryId> = written.moved.into_iter().map(|(delivery, _)| delivery).collect();
        steered.pending += moved.intersection(&marked).count() as u64;
        steered.done += moved.difference(&marked).count() as u64;
        entries.clear();
        for lost in wanted.iter().filter(|delivery| !moved.contains(delivery)) {
            entries.extend(ledger.store.entry(lost).await?);
        }
        if entries.is_empty() {
            return Ok(());
        }
    }
    steered.missed += entries.len() as u64;
    Ok(())
}

fn refuse(steered: &mut Steered, entry: &Entry, why: &'static str) {
    steered.refused += 1;
    if steered.refusals.len() < limits::STEER_REFUSALS_SHOWN {
        let delivery = entry.delivery.id.clone();
        steered.refusals.push(Refusal { delivery, state: entry.delivery.state, why });
    }
}

/// What an action does to one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    Go(Going),
    /// It is as wanted already.
    Already,
    Refused(&'static str),
}

impl Plan {
    fn acts(&self) -> bool {
        matches!(self, Self::Go(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Going {
    to: State,
    wanted: Option<Wish>,
    due_at: Option<Time>,
    destination: Option<String>,
    /// What happened, for the event and in words.
    kind: &'static str,
    deed: &'static str,
}

impl Going {
    fn to(to: State, kind: &'static str, deed: &'static str) -> Plan {
        Plan::Go(Self { to, wanted: None, due_at: None, destination: None, kind, deed })
    }

    fn now(to: State, now: Time, kind: &'static str, deed: &'static str) -> Plan {
        Plan::Go(Self { to, wanted: None, due_at: Some(now), destination: None, kind, deed })
    }

    /// Once the try that is running has ended.
    fn wish(delivery_wants: Option<Wish>, wish: Wish, kind: &'static str, deed: &'static str) -> Plan {
        if delivery_wants == Some(wish) {
            return Plan::Already;
        }
        Plan::Go(Self { to: State::Leased, wanted: Some(wish), due_at: None, destination: None, kind, deed })
    }
}

const OVER: &str = "it is over: nothing more is sent";

fn plan(action: &Action, owner: &Owner, entry: &Entry, now: Time) -> Plan {
    let planned = match action {
        Action::Hold => hold(entry),
        Action::Release => release(entry, now),
        Action::RetryNow => retry(entry, now),
        Action::Cancel => cancel(entry),
        Action::Reroute(road) => reroute(entry, road, owner, now),
    };
    // The model has the last word on what may follow what.
    match planned {
        Plan::Go(going) if going.to != entry.delivery.state && !entry.delivery.state.may_become(going.to) => {
            Plan::Refused("its state does not allow it")
        }
        planned => planned,
    }
}

fn hold(entry: &Entry) -> Plan {
    match entry.delivery.state {
        State::Scheduled | State::Ready | State::Deferred => Going::to(State::Held, "email.held", "held"),
        State::Leased => Going::wish(entry.delivery.wanted, Wish::Hold, "email.hold_requested", "to be held"),
        State::Held => Plan::Already,
        _ => Plan::Refused(OVER),
    }
}

fn cancel(entry: &Entry) -> Plan {
    match entry.delivery.state {
        State::Scheduled | State::Held | State::Ready | State::Deferred => {
            Going::to(State::Cancelled, "email.canceled", "canceled")
        }
        State::Leased => Going::wish(entry.delivery.wanted, Wish::Cancel, "email.cancel_requested", "to be canceled"),
        State::Cancelled => Plan::Already,
        _ => Plan::Refused(OVER),
    }
}

fn release(entry: &Entry, now: Time) -> Plan {
    let delivery = &entry.delivery;
    match delivery.state {
        // What the sandbox took never leaves it: it arrives there.
        State::Held if entry.sandboxed_at.is_some() => Going::to(State::Captured, "email.released", "released"),
        // It was never tried, and its sender wished a time that has not come.
        State::Held if delivery.attempts == 0 && delivery.due_at > now => {
            Going::to(State::Scheduled, "email.released", "released")
        }
        State::Held => Going::now(State::Ready, now, "email.released", "released"),
        State::Leased if delivery.wanted.is_some() => Going::to(State::Leased, "email.released", "released"),
        State::Ready | State::Scheduled | State::Leased | State::Deferred => Plan::Already,
        _ => Plan::Refused(OVER),
    }
}

fn retry(entry: &Entry, now: Time) -> Plan {
    match entry.delivery.state {
        State::Deferred => Going::now(State::Ready, now, "email.retried", "to be tried now"),
        State::Ready | State::Leased => Plan::Already,
        State::Scheduled => Plan::Refused("its sender wished a later time"),
        State::Held => Plan::Refused("it is held: release it"),
        _ => Plan::Refused(OVER),
    }
}

fn reroute(entry: &Entry, road: &Road, owner: &Owner, now: Time) -> Plan {
    let delivery = &entry.delivery;
    if delivery.state.is_final() {
        return Plan::Refused(OVER);
    }
    if entry.sandboxed_at.is_some() {
        return Plan::Refused("it was taken in the sandbox and never leaves it");
    }
    if delivery.destination.starts_with("local:") {
        return Plan::Refused("it is for a mailbox of this house");
    }
    if matches!(owner, Owner::Tenant(tenant) if *tenant != delivery.tenant) {
        return Plan::Refused("the relay is another organisation's");
    }
    let hop = match road {
        Road::Direct => NextHop::Mx,
        Road::Relay(name) => NextHop::Relay(name.clone()),
    };
    let destination = hop.destination(&delivery.recipient);
    if destination == delivery.destination {
        return Plan::Already;
    }
    let (to, due_at) = match delivery.state {
        State::Leased => return Plan::Refused("it is being tried: hold it first, then reroute and release it"),
        // What put it off may not stand on the other road.
        State::Deferred => (State::Ready, Some(now)),
        state => (state, None),
    };
    Plan::Go(Going {
        to,
        wanted: None,
        due_at,
        destination: Some(destination),
        kind: "email.rerouted",
        deed: "sent another way",
    })
}

fn moving(ledger: &Ledger, order: &Order, entry: &Entry, going: Going, now: Time) -> Move {
    let delivery = &entry.delivery;
    let data = serde_json::json!({
        "by": order.by,
        "note": order.note,
        "from": delivery.state.word(),
        "to": going.to.word(),
        "destination": going.destination,
    });
    let note = order.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
    Move {
        delivery: delivery.id.clone(),
        from: delivery.state,
        held_by: delivery.lease.clone(),
        to: going.to,
        wanted: going.wanted,
        reason: (going.to != State::Leased).then(|| format!("{} by {}{note}", going.deed, order.by)),
        due_at: going.due_at,
        destination: going.destination,
        at: now,
        event: Event {
            id: id::new(now, &ledger.random),
            kind: going.kind.to_owned(),
            at: now,
            tenant: Some(delivery.tenant.clone()),
            message: Some(delivery.message.clone()),
            delivery: Some(delivery.id.clone()),
            data: data.to_string(),
        },
    }
}

impl From<StoreError> for SteerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Display for SteerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NoSuchRelay(name) => write!(f, "there is no relay \"{name}\""),
        }
    }
}

impl std::error::Error for SteerError {}
