//! What this node has in memory to be sent. Everything else waits in the store; here is a bounded part of it,
//! shared out so that no destination and no tenant can take the room of the others.
//!
//! A delivery needs a place. The place is taken before the row is written as leased, and goes back when the
//! outcome is on disk: what the store says is leased to us is what holds a place here. Mail that comes in while
//! nothing older waits for its destination takes a place at once and is never read back from the store.

use super::course::Course;
use super::fair::Rank;
use super::finish::Finish;
use super::lane::{Calls, Lane};
use crate::base::budget::{Budget, Share};
use crate::base::clock::Time;
use crate::base::id::TenantId;
use crate::base::limits;
use crate::base::wake::Bell;
use crate::mail::encode::Unconvertible;
use crate::mail::envelope::MailParams;
use crate::model::delivery::Delivery;
use crate::model::message::Message;
use crate::proof::Keys;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A message in memory, for all its deliveries here.
pub struct Mail {
    pub message: Message,
    pub params: MailParams,
    pub prepared: Arc<Vec<u8>>,
    /// What it holds of the memory for mail, until its last delivery is done.
    pub room: Share,
    pub finish: Finish,
    converted: OnceLock<Result<Converted, Unconvertible>>,
    signed: Mutex<Signed>,
}

/// The signatures of a message that is the same for all its recipients, as it is and converted, and the keys they
/// were made with.
#[derive(Default)]
struct Signed {
    as_it_is: Option<(Arc<Keys>, Arc<str>)>,
    converted: Option<(Arc<Keys>, Arc<str>)>,
}

impl Signed {
    fn form(&mut self, is_converted: bool) -> &mut Option<(Arc<Keys>, Arc<str>)> {
        if is_converted { &mut self.converted } else { &mut self.as_it_is }
    }
}

/// A message with all its bodies in lines of ASCII.
struct Converted {
    bytes: Arc<Vec<u8>>,
    _room: Share,
}

impl Mail {
    pub fn new(message: Message, params: MailParams, prepared: Arc<Vec<u8>>, room: Share) -> Self {
        let (finish, converted, signed) = (Finish::default(), OnceLock::new(), Mutex::default());
        Self { message, params, prepared, room, finish, converted, signed }
    }

    /// With this left to do when it goes out.
    pub fn to_finish(self, finish: Finish) -> Self {
        Self { finish, ..self }
    }

    /// Does each recipient get a copy of its own?
    pub fn is_personal(&self) -> bool {
        !self.finish.slots.is_empty()
    }

    /// The signatures made before, if these keys made them.
    pub fn signed(&self, keys: &Arc<Keys>, is_converted: bool) -> Option<Arc<str>> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.form(is_converted).as_ref().filter(|(by, _)| Arc::ptr_eq(by, keys)).map(|(_, fields)| fields.clone())
    }

    pub fn keep_signed(&self, keys: Arc<Keys>, is_converted: bool, fields: Arc<str>) {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner).form(is_converted) = Some((keys, fields));
    }

    /// What came of it when it was written in lines of ASCII; none when nobody did, or it was not kept.
    pub fn converted(&self) -> Option<Result<Arc<Vec<u8>>, Unconvertible>> {
        self.converted.get().map(|made| made.as_ref().map(|converted| converted.bytes.clone()).map_err(|why| *why))
    }

    /// Keeps what came of that for the next who needs it, if there is room; none made is the message itself.
    pub fn keep_converted(
        &self,
        made: Result<Option<Vec<u8>>, Unconvertible>,
        room: &Budget,
    ) -> Result<Arc<Vec<u8>>, Unconvertible> {
        let mut share = room.share();
        let made = made.map(|bytes| match bytes {
            None => (self.prepared.clone(), true),
            Some(bytes) => {
                let has_room = share.grow_to(bytes.len());
                (Arc::new(bytes), has_room)
            }
        });
        let kept = match &made {
            Ok((_, false)) => None,
            Ok((bytes, true)) => Some(Ok(Converted { bytes: bytes.clone(), _room: share })),
            Err(why) => Some(Err(*why)),
        };
        if let Some(kept) = kept {
            // Two may have made it at the same time: one of them is kept.
            let _ = self.converted.set(kept);
        }
        made.map(|(bytes, _)| bytes)
    }
}

/// A delivery that is leased to us, and not settled yet.
pub struct Item {
    pub delivery: Delivery,
    pub mail: Arc<Mail>,
    pub course: Course,
    /// Whether it goes before its tenant's mailings.
    pub rank: Rank,
    pub place: Place,
}

/// Room for one delivery; dropped, it is free again.
pub struct Place {
    ready: Arc<Ready>,
    destination: String,
    tenant: TenantId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.ready.leave(&self.destination, &self.tenant);
    }
}

pub struct Ready {
    counts: Mutex<Counts>,
    courses: Mutex<HashMap<Course, Standing>>,
    /// Deliveries in memory, at most.
    max: AtomicUsize,
    is_closed: AtomicBool,
    pub room: Budget,
    pub calls: Arc<Calls>,
    /// Rung when a course wants to be looked up.
    pub unrouted: Bell,
    /// Rung when there is room again, or something is in the store that could use it.
    pub space: Bell,
    /// Rung when something comes into memory, and when the store was gone through for it: the figures may be others.
    pub stirred: Bell,
}

#[derive(Default)]
struct Counts {
    total: usize,
    tenants: HashMap<TenantId, usize>,
    destinations: HashMap<String, Destination>,
    behind: HashMap<Stream, Behind>,
    /// Counts what was left in the store because it could not come in.
    left: u64,
    /// What waits in the store from before our start is known.
    surveyed: bool,
}

/// One tenant's stream of mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    pub tenant: TenantId,
    pub name: String,
}

/// Where mail of a stream waits in the store, ready to go.
#[derive(Default)]
struct Behind {
    /// The number of the last that was left there.
    destinations: HashMap<String, u64>,
    /// Too many destinations to tell them apart: all of them, since this number.
    everywhere: u64,
}

#[derive(Default)]
struct Destination {
    places: usize,
    /// What its servers did.
    shut: Option<Shut>,
    /// What an operator said: nothing before this.
    suspended_until: Option<Time>,
}

/// Nothing is sent to a destination for a while, because of its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    pub until: Time,
    pub cause: Cause,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// They asked for a pause.
    Throttled,
    /// None of them could be reached.
    Unreachable,
}

impl Cause {
    pub fn word(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
        }
    }
}

/// How far a course is looked up.
enum Standing {
    /// Nobody was asked yet.
    New(Vec<Item>),
    /// Somebody is being asked.
    Asked(Vec<Item>),
    Routed(Arc<Lane>, Time),
}

impl Ready {
    pub fn new(max: usize, room: Budget) -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            courses: Mutex::default(),
            max: AtomicUsize::new(max),
            is_closed: AtomicBool::new(false),
            room,
            calls: Arc::default(),
            unrouted: Bell::default(),
            space: Bell::default(),
            stirred: Bell::default(),
        })
    }

    pub fn resize(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
        self.space.ring();
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn courses(&self) -> MutexGuard<'_, HashMap<Course, Standing>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for mail that comes in now. None when something older of its stream waits for that destination,
    /// when nothing is sent there for the time being, or when its share is taken: then its row is written as
    /// ready, and is behind whatever else waits.
    pub fn direct(self: &Arc<Self>, destination: &str, stream: &Stream, now: Time) -> Option<Place> {
        let max = self.max.load(Ordering::Relaxed);
        let mut counts = self.counts();
        let may = counts.surveyed && counts.is_caught_up(destination, stream);
        if may && counts.take(max, destination, &stream.tenant, Opening::By(now)) {
            drop(counts);
            return Some(self.place(destination, &stream.tenant));
        }
        counts.leave_behind(destination, stream);
        drop(counts);
        self.space.ring();
        None
    }

    /// A place for a delivery from the store; none when its share is taken.
    pub fn claimed(self: &Arc<Self>, destination: &str, tenant: &TenantId, now: Time) -> Option<Place> {
        let max = self.max.load(Ordering::Relaxed);
        self.counts().take(max, destination, tenant, Opening::By(now)).then(|| self.place(destination, tenant))
    }

    /// The same for one whose time is over: it is not sent anywhere, so nothing that is shut keeps it.
    pub fn claimed_at_its_end(self: &Arc<Self>, destination: &str, tenant: &TenantId) -> Option<Place> {
        let max = self.max.load(Ordering::Relaxed);
        let taken = self.counts().take(max, destination, tenant, Opening::DoesNotMatter);
        taken.then(|| self.place(destination, tenant))
    }

    fn place(self: &Arc<Self>, destination: &str, tenant: &TenantId) -> Place {
        self.stirred.ring();
        Place { ready: self.clone(), destination: destination.to_owned(), tenant: tenant.clone() }
    }

    fn leave(&self, destination: &str, tenant: &TenantId) {
        let mut counts = self.counts();
        counts.total -= 1;
        if let Some(places) = counts.tenants.get_mut(tenant) {
            *places -= 1;
            if *places == 0 {
                counts.tenants.remove(tenant);
            }
        }
        if let Some(of) = counts.destinations.get_mut(destination) {
            of.places -= 1;
            if of.is_forgettable() {
                counts.destinations.remove(destination);
            }
        }
        let is_awaited = !counts.behind.is_empty() || !counts.surveyed;
        drop(counts);
        if is_awaited {
            self.space.ring();
        }
    }

    /// Nothing comes in directly any more: the daemon drains.
    pub fn close(&self) {
        self.counts().surveyed = false;
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// How many deliveries are in memory, and how many more may be.
    pub fn in_memory(&self) -> (usize, usize) {
        let total = self.counts().total;
        (total, self.max.load(Ordering::Relaxed).saturating_sub(total))
    }

    /// May more be read from the store? Not into the last of the memory, which mail that comes in may need.
    pub fn has_room(&self) -> bool {
        let (_, free) = self.in_memory();
        free > 0 && self.room.taken() < self.room.limit() / 4 * 3
    }

    /// A point in time for `caught_up`: taken before the store is read.
    pub fn mark(&self) -> u64 {
        self.counts().left
    }

    /// Is something ready left in the store?
    pub fn is_behind(&self) -> bool {
        let counts = self.counts();
        !counts.behind.is_empty() || !counts.surveyed
    }

    /// Something ready of this stream was seen in the store and left there.
    pub fn left(&self, destination: &str, stream: &Stream) {
        self.counts().leave_behind(destination, stream);
    }

    /// The store has been read since this mark: nothing ready of this stream is left for this destination.
    pub fn caught_up(&self, destination: &str, stream: &Stream, mark: u64) {
        let mut counts = self.counts();
        if let Some(behind) = counts.behind.get_mut(stream) {
            if behind.destinations.get(destination).is_some_and(|left| *left <= mark) {
                behind.destinations.remove(destination);
            }
            if behind.is_nothing() {
                counts.behind.remove(stream);
            }
        }
    }

    /// All of the stream has been read since this mark; what is left of it was named since.
    pub fn caught_up_everywhere(&self, stream: &Stream, mark: u64) {
        let mut counts = self.counts();
        if let Some(behind) = counts.behind.get_mut(stream) {
            behind.destinations.retain(|_, left| *left > mark);
            if behind.everywhere <= mark {
                behind.everywhere = 0;
            }
            if behind.is_nothing() {
                counts.behind.remove(stream);
            }
        }
    }

    /// Every destination that was waiting in the store has been seen once: from here on it is known where
    /// nothing older waits.
    pub fn surveyed(&self) {
        self.counts().surveyed = !self.is_closed.load(Ordering::Relaxed);
    }

    /// Its servers let nothing in for a while; None: from now on again, unless an operator has suspended it.
    pub fn shut(&self, destination: &str, shut: Option<Shut>) {
        self.change(destination, |of| of.shut = shut);
    }

    /// An operator lets nothing out there before this; None: from now on again, unless its servers are shut.
    pub fn suspend(&self, destination: &str, until: Option<Time>) {
        self.change(destination, |of| of.suspended_until = until);
    }

    fn change(&self, destination: &str, change: impl FnOnce(&mut Destination)) {
        let mut counts = self.counts();
        let of = counts.destinations.entry(destination.to_owned()).or_default();
        change(of);
        if of.is_forgettable() {
            counts.destinations.remove(destination);
        }
        drop(counts);
        self.space.ring();
    }

    pub fn is_shut(&self, destination: &str, now: Time) -> bool {
        self.counts().destinations.get(destination).is_some_and(|of| of.is_shut(now))
    }

    /// What its servers did to it that is in force now.
    pub fn shut_of(&self, destination: &str, now: Time) -> Option<Shut> {
        let shut = self.counts().destinations.get(destination).and_then(|of| of.shut.clone());
        shut.filter(|shut| shut.until > now)
    }

    /// When the next destination that is shut opens again.
    pub fn next_opening(&self, now: Time) -> Option<Time> {
        let counts = self.counts();
        counts.destinations.values().map(Destination::opens_at).filter(|opens| *opens > now).min()
    }

    /// The lanes that lead to this destination now.
    pub fn lanes_of(&self, destination: &str) -> Vec<Arc<Lane>> {
        let courses = self.courses();
        let lanes = courses.iter().filter_map(|(course, standing)| match standing {
            Standing::Routed(lane, _) if course.leads_to(destination) => Some(lane.clone()),
            _ => None,
        });
        lanes.collect()
    }

    /// Takes in a delivery whose row says that it is leased to us.
    pub fn enter(&self, item: Item, now: Time) {
        let mut courses = self.courses();
        let mut item = item;
        match courses.get_mut(&item.course) {
            Some(Standing::New(waiting) | Standing::Asked(waiting)) => return waiting.push(item),
            Some(Standing::Routed(lane, good_until)) if *good_until > now => match lane.push(item) {
                Ok(()) => return,
                Err(back) => item = back,
            },
            Some(Standing::Routed(..)) | None => {}
        }
        courses.insert(item.course.clone(), Standing::New(vec![item]));
        drop(courses);
        self.unrouted.ring();
    }

    /// Courses that nobody looks up yet; from now on somebody does.
    pub fn take_unrouted(&self) -> Vec<Course> {
        let mut courses = self.courses();
        let mut asked = Vec::new();
        for (course, standing) in courses.iter_mut() {
            if let Standing::New(waiting) = standing {
                asked.push(course.clone());
                *standing = Standing::Asked(std::mem::take(waiting));
            }
        }
        asked
    }

    /// Deliveries of this course take this lane until then. What waits for it goes there.
    pub fn route(&self, course: &Course, lane: &Arc<Lane>, good_until: Time) {
        let waiting = {
            let mut courses = self.courses();
            if courses.len() >= limits::COURSES_MAX {
                courses.retain(|_, standing| !matches!(standing, Standing::Routed(..)));
            }
            let routed = Standing::Routed(lane.clone(), good_until);
            match courses.insert(course.clone(), routed) {
                Some(Standing::New(waiting) | Standing::Asked(waiting)) => waiting,
                Some(Standing::Routed(..)) | None => Vec::new(),
            }
        };
        for item in waiting {
            if let Err(back) = lane.push(item) {
                let mut courses = self.courses();
                match courses.get_mut(course) {
                    Some(Standing::New(waiting) | Standing::Asked(waiting)) => waiting.push(back),
                    _ => {
                        courses.insert(course.clone(), Standing::New(vec![back]));
                        self.unrouted.ring();
                    }
                }
            }
        }
    }

    /// There is no way for this course: what waited for it.
    pub fn give_up(&self, course: &Course) -> Vec<Item> {
        match self.courses().remove(course) {
            Some(Standing::New(waiting) | Standing::Asked(waiting)) => waiting,
            Some(Standing::Routed(..)) | None => Vec::new(),
        }
    }

    /// Every course is looked up anew with its next delivery.
    pub fn forget_routes(&self) {
        self.courses().retain(|_, standing| !matches!(standing, Standing::Routed(..)));
    }

    /// Forgets routes that are out of date, and shuts that are over.
    pub fn sweep(&self, now: Time) {
        self.courses().retain(|_, standing| !matches!(standing, Standing::Routed(_, until) if *until <= now));
        self.counts().destinations.retain(|_, of| {
            of.shut.take_if(|shut| shut.until <= now);
            of.suspended_until.take_if(|until| *until <= now);
            !of.is_forgettable()
        });
    }

    /// Everything that waits and is on no lane: at the end of the day.
    pub fn drain_unrouted(&self) -> Vec<Item> {
        let mut courses = self.courses();
        let drained = courses.drain().filter_map(|(_, standing)| match standing {
            Standing::New(waiting) | Standing::Asked(waiting) => Some(waiting),
            Standing::Routed(..) => None,
        });
        drained.flatten().collect()
    }
}

/// Must its destination be open for it?
#[derive(Clone, Copy)]
enum Opening {
    By(Time),
    DoesNotMatter,
}

impl Opening {
    fn keeps_out(self, of: &Destination) -> bool {
        match self {
            Self::By(now) => of.is_shut(now),
            Self::DoesNotMatter => false,
        }
    }
}

impl Counts {
    fn leave_behind(&mut self, destination: &str, stream: &Stream) {
        self.left += 1;
        if !self.behind.contains_key(stream) {
            self.behind.insert(stream.clone(), Behind::default());
        }
        let Some(behind) = self.behind.get_mut(stream) else { return };
        if let Some(left) = behind.destinations.get_mut(destination) {
            *left = self.left;
        } else if behind.destinations.len() < limits::BEHIND_DESTINATIONS_MAX {
            behind.destinations.insert(destination.to_owned(), self.left);
        } else {
            behind.destinations.clear();
            behind.everywhere = self.left;
        }
    }

    fn is_caught_up(&self, destination: &str, stream: &Stream) -> bool {
        let left = |behind: &Behind| behind.everywhere > 0 || behind.destinations.contains_key(destination);
        !self.behind.get(stream).is_some_and(left)
    }

    /// One destination may hold as much as half of what is still free, one tenant twice as much as is free:
    /// the fuller it gets the smaller are the shares, and there is always room for somebody new.
    fn take(&mut self, max: usize, destination: &str, tenant: &TenantId, opening: Opening) -> bool {
        let free = max.saturating_sub(self.total);
        let of = self.destinations.get(destination);
        let (held, is_shut) = of.map_or((0, false), |of| (of.places, opening.keeps_out(of)));
        let of_tenant = self.tenants.get(tenant).copied().unwrap_or_default();
        if is_shut || free == 0 || held > free / 2 || of_tenant > free * 2 {
            return false;
        }
        self.total += 1;
        *self.tenants.entry(tenant.clone()).or_default() += 1;
        self.destinations.entry(destination.to_owned()).or_default().places += 1;
        true
    }
}

impl Behind {
    fn is_nothing(&self) -> bool {
        self.everywhere == 0 && self.destinations.is_empty()
    }
}

impl Destination {
    /// Long ago, when nothing keeps it shut.
    fn opens_at(&self) -> Time {
        let by_servers = self.shut.as_ref().map(|shut| shut.until);
        by_servers.max(self.suspended_until).unwrap_or_default()
    }

    fn is_shut(&self, now: Time) -> bool {
        self.opens_at() > now
    }

    fn is_forgettable(&self) -> bool {
        self.places == 0 && self.shut.is_none() && self.suspended_until.is_none()
    }
}

#[cfg(test)]
mod tests;
