//! What operators asked of destinations: each order touches its own part, and what holds nothing is forgotten.

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::{Clock, Time};
use gatepost::base::limits;
use gatepost::model::steering::{ByHand, Order, Steering};
use gatepost::store::steering::order;
use gatepost::store::{Change, Store};
use std::time::Duration;

on_both! {
    orders_add_up_and_a_resume_leaves_the_rate
    orders_that_hold_nothing_are_forgotten_after_a_while
    all_of_them_are_read
}

async fn orders(store: &Store, destination: &str, asked: Order, at: Time) {
    store.write(order(destination, &asked, at)).await.unwrap();
}

fn suspend(until: Option<Time>, reason: Option<&str>) -> Order {
    Order::Suspend { until, reason: reason.map(str::to_owned) }
}

fn rate(text: &str) -> Order {
    Order::Rate(Some(text.parse().unwrap()))
}

async fn orders_add_up_and_a_resume_leaves_the_rate(fresh: &Fresh) {
    let (one, two) = (fresh.open().await, fresh.open().await);
    let now = Clock::System.now();
    let until = Some(now.plus(Duration::from_secs(60)));
    orders(&one, "mx:gmail.com", suspend(until, Some("they asked")), now).await;
    orders(&two, "mx:gmail.com", rate("100/minute"), now).await;
    let both = Steering {
        destination: "mx:gmail.com".into(),
        suspended: Some(ByHand { since: now, until, reason: Some("they asked".into()) }),
        rate: Some("100/minute".parse().unwrap()),
        resumed_at: None,
    };
    assert_eq!(one.steerings().await.unwrap(), std::slice::from_ref(&both));
    orders(&one, "mx:gmail.com", suspend(None, None), now).await;
    let without_end = Some(ByHand { since: now, until: None, reason: None });
    assert_eq!(two.steerings().await.unwrap(), [Steering { suspended: without_end, ..both.clone() }]);
    orders(&two, "mx:gmail.com", Order::Resume, now).await;
    let resumed = Steering { suspended: None, resumed_at: Some(now), ..both };
    assert_eq!(one.steerings().await.unwrap(), std::slice::from_ref(&resumed));
    orders(&one, "mx:gmail.com", Order::Rate(None), now).await;
    assert_eq!(one.steerings().await.unwrap(), [Steering { rate: None, ..resumed }]);
}

async fn orders_that_hold_nothing_are_forgotten_after_a_while(fresh: &Fresh) {
    let store = fresh.open().await;
    let now = Clock::System.now();
    let long_ago = now.minus(limits::STEERINGS_KEPT * 2);
    orders(&store, "mx:resumed.example", Order::Resume, long_ago).await;
    orders(&store, "mx:over.example", suspend(Some(long_ago), None), long_ago).await;
    orders(&store, "mx:for-ever.example", suspend(None, None), long_ago).await;
    orders(&store, "mx:just-over.example", suspend(Some(now), None), long_ago).await;
    orders(&store, "mx:just-resumed.example", Order::Resume, now).await;
    orders(&store, "mx:slow.example", rate("1/hour"), long_ago).await;
    assert_eq!(store.purge_steerings().await.unwrap(), 2);
    let left: Vec<_> = store.steerings().await.unwrap().into_iter().map(|steering| steering.destination).collect();
    let want = ["mx:for-ever.example", "mx:just-over.example", "mx:just-resumed.example", "mx:slow.example"];
    assert_eq!(left, want);
}

async fn all_of_them_are_read(fresh: &Fresh) {
    let store = fresh.open().await;
    let count = limits::QUEUE_ROWS_MAX as usize * 2;
    let now = Clock::System.now();
    let steps = (0..count).map(|n| order(&format!("mx:d{n:05}.example"), &suspend(None, None), now));
    store.write(steps.fold(Change::default(), Change::with)).await.unwrap();
    assert_eq!(store.steerings().await.unwrap().len(), count);
}
