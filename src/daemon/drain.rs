//! SIGTERM: take nothing new, let what runs come to its end, then close in the order in which parts
//! lean on each other. Health is answered to the last.

use super::happenings::{Draining, Stopped};
use super::house::{House, STAYING};
use super::way_out::WayOut;
use super::{notify, templates};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::http::control::OpenControl;
use crate::http::track::Sightings;
use crate::model::delivery::Lease;
use crate::store::Store;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What stands behind the doors.
pub struct Behind {
    pub store: Arc<Store>,
    pub lease: Lease,
    pub way_out: Arc<WayOut>,
    pub sightings: Arc<Sightings>,
}

pub async fn drain(house: &House, behind: Option<Behind>, control: OpenControl) {
    house.readiness.fails(STAYING, "stopping");
    house.shutdown.go_to(Phase::Draining);
    notify::tell(notify::State::Stopping);
    let at_most = house.running.load().config.server.drain;
    let (smtp, http): (Vec<_>, Vec<_>) =
        std::mem::take(&mut *house.doors()).into_iter().partition(|door| door.is_smtp());
    let connections = smtp.iter().map(|door| door.connections()).sum();
    Draining { at_most, connections }.record();

    // Both at once: what comes in while the last of ours leaves is kept in the store.
    let doors = async {
        let mut leaving: JoinSet<_> = smtp.into_iter().map(|door| door.drain(at_most)).collect();
        let (mut finished, mut cut) = (0, 0);
        while let Some(Ok(drained)) = leaving.join_next().await {
            finished += drained.finished;
            cut += drained.cut;
        }
        (finished, cut)
    };
    let deliveries = async {
        if let Some(Behind { way_out, .. }) = &behind {
            way_out.drain(at_most).await;
        }
    };
    let ((finished, cut), ()) = tokio::join!(doors, deliveries);
    if let Some(Behind { store, lease, sightings, .. }) = behind {
        write_sightings(&sightings).await;
        save_limits(house, &store).await;
        save_uses(house, &store).await;
        say_goodbye(&store, &lease).await;
        store.close().await;
    }
    let mut last: JoinSet<_> = http.into_iter().map(|door| door.drain(limits::LAST_WORDS_MAX)).collect();
    last.spawn(control.drain(limits::LAST_WORDS_MAX));
    while last.join_next().await.is_some() {}
    house.shutdown.go_to(Phase::Stopped);
    Stopped { finished, cut }.record();
}

/// Links are followed to the last; who comes after this is not counted.
async fn write_sightings(sightings: &Sightings) {
    if tokio::time::timeout(limits::LAST_WORDS_MAX, sightings.close()).await.is_err() {
        tracing::warn!("opens and clicks of the last seconds were not written down: the store did not answer");
    }
}

/// What was spent since the last round; a failure is told where it happens.
async fn save_limits(house: &House, store: &Store) {
    if tokio::time::timeout(limits::LAST_WORDS_MAX, house.limits.save(store)).await.is_err() {
        tracing::warn!("what was spent of the limits in the last seconds was not saved: the store did not answer");
    }
}

/// The same of how often templates were used.
async fn save_uses(house: &House, store: &Store) {
    if tokio::time::timeout(limits::LAST_WORDS_MAX, templates::save_uses(&house.templates, store)).await.is_err() {
        tracing::warn!("how often templates were used in the last seconds was not saved: the store did not answer");
    }
}

/// A store that is down is not waited for: others will notice our silence.
async fn say_goodbye(store: &Store, lease: &Lease) {
    let why = match tokio::time::timeout(limits::LAST_WORDS_MAX, store.stop_node(lease)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", limits::LAST_WORDS_MAX.as_secs()),
    };
    tracing::warn!(why, "the store was not told that this node stops; others will notice its silence");
}
