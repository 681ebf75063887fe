//! From the store into memory: what is due is claimed, lane by lane, a few of each destination, as long as there
//! is room. Everything else stays where it is.

use super::Dispatch;
use super::happenings::{FeedFailed, MailGone};
use super::settle::{End, Known, Settled};
use crate::base::clock::Time;
use crate::base::id::MessageId;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::deliver::outcome::network;
use crate::mail::status::Status;
use crate::model::delivery::{Claim, Delivery, State};
use crate::model::message::Message;
use crate::model::outcome::category::STORE;
use crate::model::outcome::{Blame, Kind, Outcome, Why};
use crate::queue::fair::Rank;
use crate::queue::ready::{Item, Mail, Place, Stream};
use crate::queue::{details, finish, schedule};
use crate::store::queue::Lane;
use crate::store::{Change, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How far each lane has been read in this pass: everything behind this destination is still to be seen.
#[derive(Default)]
pub(super) struct Feed {
    passes: HashMap<Lane, Pass>,
}

struct Pass {
    after: String,
    mark: u64,
}

/// A row that can come in, and its place.
struct Seated {
    delivery: Delivery,
    place: Place,
}

/// Feeds until the daemon drains.
pub(super) async fn feed(dispatch: Arc<Dispatch>) {
    let mut feed = Feed::default();
    loop {
        let again = match feed.round(&dispatch).await {
            Ok(again) => again,
            Err(error) => {
                FeedFailed { error: &error }.record();
                false
            }
        };
        dispatch.ledger.ready.stirred.ring();
        if dispatch.is_draining() {
            return;
        }
        if !again {
            let wait = feed.pause(&dispatch).await;
            tokio::select! {
                _ = dispatch.ledger.ready.space.rung_within(wait) => {}
                () = dispatch.shutdown.reached(Phase::Draining) => return,
            }
        }
    }
}

impl Feed {
    /// How long nothing becomes due by itself. Where other nodes leave mail in the store it is looked for often.
    async fn pause(&self, dispatch: &Dispatch) -> Duration {
        let look = if dispatch.ledger.store.is_shared() { limits::FEED_EVERY } else { limits::FEED_EVERY_ALONE };
        let now = dispatch.now();
        let Ok(due) = dispatch.ledger.store.next_due().await else { return limits::FEED_EVERY };
        let next = due.into_iter().chain(dispatch.ledger.ready.next_opening(now)).min();
        next.map_or(look, |next| next.since(now).clamp(limits::FEED_PAUSE_MIN, look))
    }

    /// One page of every lane. True when there is more to be read and room for it.
    async fn round(&mut self, dispatch: &Dispatch) -> Result<bool, StoreError> {
        dispatch.ledger.store.promote_due(dispatch.now()).await?;
        let mut lanes = all_lanes(dispatch).await?;
        self.passes.retain(|lane, _| lanes.contains(lane));
        let directory = dispatch.ledger.directory.load_full();
        lanes.sort_by_cached_key(|lane| Rank::of(&directory, &lane.tenant, &lane.stream));
        let (mut is_over, mut fed) = (true, 0);
        for lane in lanes {
            if !dispatch.ledger.ready.has_room() || dispatch.is_draining() {
                return Ok(false);
            }
            let (ended, taken) = self.page(dispatch, lane).await?;
            is_over &= ended;
            fed += taken;
        }
        if is_over {
            dispatch.ledger.ready.surveyed();
        }
        Ok(!is_over || fed > 0)
    }

    /// One page of a lane: whether the lane was read to its end, and how many came in.
    async fn page(&mut self, dispatch: &Dispatch, lane: Lane) -> Result<(bool, usize), StoreError> {
        let ready = &dispatch.ledger.ready;
        let stream = Stream { tenant: lane.tenant.clone(), name: lane.stream.clone() };
        let pass = self.passes.entry(lane.clone()).or_insert_with(|| Pass { after: String::new(), mark: ready.mark() });
        let from_start = pass.after.is_empty();
        let rows = dispatch.ledger.store.ready_page(&lane, &pass.after, limits::FEED_ROWS).await?;
        let is_full = rows.len() == limits::FEED_ROWS;
        let last = rows.last().map(|row| row.destination.clone());
        let seated = seat(dispatch, &stream, rows, is_full, pass.mark);
        let whole = !is_full;
        match last {
            Some(last) if is_full => pass.after = last,
            _ => {
                if from_start || whole {
                    ready.caught_up_everywhere(&stream, pass.mark);
                }
                self.passes.remove(&lane);
            }
        }
        let taken = seated.len();
        dispatch.claim(seated).await?;
        Ok((whole, taken))
    }
}

async fn all_lanes(dispatch: &Dispatch) -> Result<Vec<Lane>, StoreError> {
    let mut lanes: Vec<Lane> = Vec::new();
    loop {
        let more = dispatch.ledger.store.ready_lanes(lanes.last()).await?;
        let is_full = more.len() >= limits::LANES_PAGE_ROWS as usize;
        lanes.extend(more);
        if !is_full || lanes.len() >= limits::FEED_LANES_MAX {
            return Ok(lanes);
        }
    }
}

/// Places for the rows of a page, as far as there are any; what stays in the store is noted.
fn seat(dispatch: &Dispatch, stream: &Stream, rows: Vec<Delivery>, is_full: bool, mark: u64) -> Vec<Seated> {
    let (ready, now) = (&dispatch.ledger.ready, dispatch.now());
    let last = rows.last().map(|row| row.destination.clone());
    let (mut seated, mut stay) = (Vec::with_capacity(rows.len()), HashSet::new());
    let mut seen = HashSet::new();
    for delivery in rows {
        seen.insert(delivery.destination.clone());
        // What expired meanwhile only ends, and its sender hears of it: no suspension keeps it from that.
        let is_over = schedule::is_expired(now, delivery.expires_at);
        if stay.contains(&delivery.destination) && !is_over {
            continue;
        }
        let place = match is_over {
            true => ready.claimed_at_its_end(&delivery.destination, &delivery.tenant),
            false => ready.claimed(&delivery.destination, &delivery.tenant, now),
        };
        match place {
            Some(place) => seated.push(Seated { delivery, place }),
            None => {
                stay.insert(delivery.destination);
            }
        }
    }
    for destination in seen {
        // The page may have ended in the middle of its last destination.
        let may_go_on = is_full && Some(&destination) == last.as_ref();
        if stay.contains(&destination) || may_go_on {
            ready.left(&destination, stream);
        } else {
            ready.caught_up(&destination, stream, mark);
        }
    }
    seated
}

impl Dispatch {
    /// Takes them in the store, and then into memory. Whom another node was quicker to take is let go.
    async fn claim(&self, seated: Vec<Seated>) -> Result<(), StoreError> {
        if seated.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let claims = seated.iter().map(|seat| self.claim_of(&seat.delivery, now)).collect();
        let written = self.ledger.store.write(Change { claims, ..Change::default() }).await?;
        let claimed: HashSet<_> = written.claimed.into_iter().collect();
        let taken = seated.into_iter().filter(|seat| claimed.contains(&seat.delivery.id)).map(|seat| {
            let claim = self.claim_of(&seat.delivery, now);
            let delivery = Delivery {
                state: State::Leased,
                attempts: claim.attempts,
                due_at: claim.due_at,
                lease: Some(claim.lease),
                ..seat.delivery
            };
            Seated { delivery, place: seat.place }
        });
        self.bring_in(taken.collect()).await;
        Ok(())
    }

    fn claim_of(&self, delivery: &Delivery, now: Time) -> Claim {
        let attempts = delivery.attempts + 1;
        Claim {
            delivery: delivery.id.clone(),
            lease: self.ledger.lease.clone(),
            attempts,
            due_at: self.ledger.next_try(attempts, now, delivery.expires_at),
            at: now,
        }
    }

    /// Reads their messages and puts them on their ways. What cannot be read now goes back.
    async fn bring_in(&self, seated: Vec<Seated>) {
        let mut settled = Vec::new();
        let mut wanted: Vec<MessageId> = seated.iter().map(|seat| seat.delivery.message.clone()).collect();
        wanted.sort();
        wanted.dedup();
        let mut mails: HashMap<MessageId, Read> = HashMap::new();
        for ids in wanted.chunks(limits::MAILS_AT_ONCE) {
            self.read_mails(ids, &mut mails).await;
        }
        for Seated { delivery, place } in seated {
            // Invariant: every message of these was read above, to one end or the other.
            let Some(read) = mails.get(&delivery.message) else { continue };
            let mail = match read {
                Read::Mail(mail) => mail.clone(),
                Read::Unread(unread) => {
                    settled.push(self.unread(delivery, place, unread));
                    continue;
                }
            };
            if schedule::is_expired(self.now(), delivery.expires_at) {
                let end = End::Untried(network::expired(None, delivery.created_at));
                settled.push(Settled { delivery, known: Some(Known::Whole(mail)), end, place: Some(place) });
                continue;
            }
            match self.ledger.course(&delivery, &mail.message, &mail.params) {
                Some(course) => {
                    let rank = self.ledger.rank(&delivery);
                    self.ledger.ready.enter(Item { delivery, mail, course, rank, place }, self.now());
                }
                None => {
                    let row = Row::Known(Known::Whole(mail));
                    let nowhere = Unread { why: "its destination is none".to_owned(), lasts: Lasts::ForGood, row };
                    settled.push(self.unread(delivery, place, &nowhere));
                }
            }
        }
        self.settler.settle(settled).await;
    }
}

/// What reading a message came to.
enum Read {
    Mail(Arc<Mail>),
    Unread(Unread),
}

/// A message that cannot be sent, at least now.
struct Unread {
    why: String,
    lasts: Lasts,
    row: Row,
}

#[derive(Clone, Copy)]
enum Lasts {
    ForNow,
    ForGood,
}

/// What is known of a message that cannot be sent.
enum Row {
    Known(Known),
    Gone,
    /// The store does not say for the moment.
    Unread,
}

impl Dispatch {
    async fn read_mails(&self, ids: &[MessageId], into: &mut HashMap<MessageId, Read>) {
        match self.ledger.store.mails(ids).await {
            Ok(found) => {
                for (message, prepared) in found {
                    into.insert(message.id.clone(), self.mail(message, prepared));
                }
            }
            Err(error) if error.is_temporary() => {
                FeedFailed { error: &error }.record();
                let unread = || Unread { why: unreadable(&error), lasts: Lasts::ForNow, row: Row::Unread };
                into.extend(ids.iter().map(|id| (id.clone(), Read::Unread(unread()))));
            }
            // One of them is damaged, and the others are not to wait for it.
            Err(_) => {
                for id in ids {
                    self.read_alone(id, into).await;
                }
            }
        }
        for id in ids.iter().filter(|id| !into.contains_key(id)).cloned().collect::<Vec<_>>() {
            let (why, row) = ("its message is not there any more".to_owned(), self.row(&id).await);
            into.insert(id, Read::Unread(Unread { why, lasts: Lasts::ForGood, row }));
        }
    }

    async fn read_alone(&self, id: &MessageId, into: &mut HashMap<MessageId, Read>) {
        match self.ledger.store.mail(id).await {
            Ok(Some((message, prepared))) => {
                into.insert(id.clone(), self.mail(message, prepared));
            }
            Ok(None) => {}
            Err(error) => {
                FeedFailed { error: &error }.record();
                // Until its time is over somebody may bring it back from a copy.
                let (why, row) = (unreadable(&error), self.row(id).await);
                into.insert(id.clone(), Read::Unread(Unread { why, lasts: Lasts::ForNow, row }));
            }
        }
    }

    /// Whose a message is that cannot be read, and whom to tell.
    async fn row(&self, id: &MessageId) -> Row {
        match self.ledger.store.message(id).await {
            Ok(Some(message)) => Row::Known(Known::Row(Arc::new(message))),
            Ok(None) => Row::Gone,
            Err(error) => {
                FeedFailed { error: &error }.record();
                if error.is_temporary() { Row::Unread } else { Row::Gone }
            }
        }
    }

    fn mail(&self, message: Message, prepared: Vec<u8>) -> Read {
        let unread =
            |message, why, lasts| Read::Unread(Unread { why, lasts, row: Row::Known(Known::Row(Arc::new(message))) });
        let params = match details::params(&message.details) {
            Ok(params) => params,
            Err(why) => return unread(message, format!("its message is damaged: {why}"), Lasts::ForGood),
        };
        let finish = match finish::finish(&message.details) {
            Ok(finish) => finish,
            Err(why) => return unread(message, format!("its message is damaged: {why}"), Lasts::ForGood),
        };
        let mut room = self.ledger.ready.room.share();
        if !room.grow_to(prepared.len()) {
            return unread(message, "there is no memory for its message now".to_owned(), Lasts::ForNow);
        }
        Read::Mail(Arc::new(Mail::new(message, params, Arc::new(prepared), room).to_finish(finish)))
    }

    /// A delivery whose message cannot be sent. It keeps its place until that is on disk.
    fn unread(&self, delivery: Delivery, place: Place, unread: &Unread) -> Settled {
        let Unread { why: text, lasts, row } = unread;
        MailGone { delivery: &delivery.id, why: text }.record();
        let class = match lasts {
            Lasts::ForNow => 4,
            Lasts::ForGood => 5,
        };
        let (status, category) = (Status::new(class, 3, 0), STORE.to_owned());
        let why = Why { blame: Blame::Us, kind: Kind::Soft, category, status, code: None, text: text.clone() };
        let until = self.now().plus(limits::UNREAD_PAUSE);
        let (known, end) = match (row, lasts) {
            (Row::Unread, _) => (None, End::Unread(until, why)),
            (Row::Known(known), Lasts::ForNow) => (Some(known.clone()), End::PutOff(until, why)),
            (Row::Known(known), Lasts::ForGood) => (Some(known.clone()), End::Untried(Outcome::Never(why))),
            (Row::Gone, Lasts::ForNow) => (None, End::PutOff(until, why)),
            (Row::Gone, Lasts::ForGood) => (None, End::Untried(Outcome::Never(why))),
        };
        Settled { delivery, known, end, place: Some(place) }
    }
}

fn unreadable(error: &StoreError) -> String {
    format!("its message could not be read: {error}")
}
