//! Opens and clicks on their way into the store: through a bounded channel, in batches, by one task. Whoever looks at
//! a mail never waits for it, and what does not fit is dropped and counted.

use crate::base::backoff::Backoff;
use crate::base::clock::{Clock, Time};
use crate::base::id::{self, DeliveryId, MessageId};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::base::wake::Bell;
use crate::http::happenings::SightingsLost;
use crate::model::event::Event;
use crate::store::waiting::Entry;
use crate::store::{Change, Store, StoreError};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Opened,
    Clicked,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "open",
            Self::Clicked => "click",
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Opened => "email.opened",
            Self::Clicked => "email.clicked",
        }
    }
}

/// Somebody, or some program, looked.
#[derive(Debug)]
pub(super) struct Sighting {
    pub kind: Kind,
    pub message: MessageId,
    pub delivery: DeliveryId,
    pub link: u16,
    pub url: Option<String>,
    pub at: Time,
    pub network: Option<String>,
    pub user_agent: Option<String>,
}

/// Takes them and writes them down.
pub struct Sightings {
    to_clerk: mpsc::Sender<Sighting>,
    closing: Bell,
    clerk: Mutex<Option<JoinHandle<()>>>,
}

impl Sightings {
    /// Must be called inside the runtime.
    pub fn start(store: Arc<Store>, clock: Clock, random: Random) -> Arc<Self> {
        let (to_clerk, waiting) = mpsc::channel(limits::SIGHTINGS_WAITING_MAX);
        let closing = Bell::default();
        let clerk = Clerk { store, clock, random, waiting, closing: closing.clone(), is_closing: false };
        let clerk = Mutex::new(Some(tokio::spawn(clerk.work())));
        Arc::new(Self { to_clerk, closing, clerk })
    }

    /// Takes it if there is room, and never waits.
    pub(super) fn note(&self, sighting: Sighting) {
        let why = match self.to_clerk.try_send(sighting) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(_)) => "too many wait",
            Err(mpsc::error::TrySendError::Closed(_)) => "stopping",
        };
        SightingsLost { count: 1, why, error: None }.record();
    }

    /// Takes no more, and returns when what was taken is written, or was tried a last time.
    pub async fn close(&self) {
        self.closing.ring();
        let clerk = self.clerk.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(clerk) = clerk {
            // Invariant: the clerk does not panic; were it so, there would be nothing to wait for.
            let _ = clerk.await;
        }
    }
}

struct Clerk {
    store: Arc<Store>,
    clock: Clock,
    random: Random,
    waiting: mpsc::Receiver<Sighting>,
    closing: Bell,
    is_closing: bool,
}

impl Clerk {
    async fn work(mut self) {
        let mut batch = Vec::with_capacity(limits::SIGHTINGS_AT_ONCE);
        loop {
            tokio::select! {
                taken = self.waiting.recv_many(&mut batch, limits::SIGHTINGS_AT_ONCE) => if taken == 0 { return },
                () = self.closing.rung() => self.shut(),
            }
            if !batch.is_empty() {
                self.write_down(&batch).await;
                batch.clear();
            }
        }
    }

    /// What waits is still handed out after this, and then nothing.
    fn shut(&mut self) {
        self.is_closing = true;
        self.waiting.close();
    }

    /// Until it is written, or can not be.
    async fn write_down(&mut self, batch: &[Sighting]) {
        let mut pauses =
            Backoff::new(limits::SIGHTINGS_PAUSE_FIRST, limits::SIGHTINGS_PAUSE_LONGEST, self.random.clone());
        let ids: Vec<_> = batch.iter().map(|_| id::new(self.clock.now(), &self.random)).collect();
        loop {
            let Err(error) = self.try_write(batch, &ids).await else { return };
            if self.is_closing || !error.is_temporary() {
                let count = batch.len() as u64;
                SightingsLost { count, why: "not written", error: Some(&error) }.record();
                return;
            }
            if self.closing.rung_within(pauses.pause()).await {
                self.shut();
            }
        }
    }

    async fn try_write(&self, batch: &[Sighting], ids: &[id::EventId]) -> Result<(), StoreError> {
        let mut addressees: HashMap<&DeliveryId, Option<Entry>> = HashMap::new();
        for Sighting { delivery, .. } in batch {
            if !addressees.contains_key(delivery) {
                addressees.insert(delivery, self.store.entry(delivery).await?);
            }
        }
        let events = batch.iter().zip(ids).map(|(sighting, id)| {
            let addressee = addressees.get(&sighting.delivery).and_then(Option::as_ref);
            event(sighting, id, addressee)
        });
        // With the same ids a second time, should the first have come through after all.
        self.store.write(Change { events: events.collect(), ..Change::default() }).await.map(|_| ())
    }
}

/// Of a delivery that the store does not know any more only the ids are left.
fn event(sighting: &Sighting, id: &id::EventId, addressee: Option<&Entry>) -> Event {
    let mut data = json!({
        "recipient": addressee.map(|entry| entry.delivery.recipient.to_string()),
        "ip": sighting.network,
        "user_agent": sighting.user_agent,
    });
    if let Some(url) = &sighting.url {
        data["url"] = url.as_str().into();
        data["link"] = sighting.link.into();
    }
    if addressee.is_some_and(|entry| entry.sandboxed_at.is_some()) {
        data["sandbox"] = true.into();
    }
    Event {
        id: id.clone(),
        kind: sighting.kind.event().to_owned(),
        at: sighting.at,
        tenant: addressee.map(|entry| entry.delivery.tenant.clone()),
        message: Some(sighting.message.clone()),
        delivery: Some(sighting.delivery.clone()),
        data: data.to_string(),
    }
}
