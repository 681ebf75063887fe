//! Suppressions, MTA-STS policies and counts of TLS: what is put in is found again, by the right key.

use crate::stores::{Fresh, on_both};
use futures_util::future::join_all;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id::{self, TenantId};
use gatepost::base::random::Random;
use gatepost::mail::address::Address;
use gatepost::model::delivery::State;
use gatepost::model::suppression::index::Index;
use gatepost::model::suppression::{Cause, Suppression, Whence};
use gatepost::model::tls_report::{StsMode, StsPolicy, TlsCount};
use gatepost::policy::suppression::Keeper;
use gatepost::store::Change;
use gatepost::store::policies::{add_tls_results, put_sts_policy};
use gatepost::store::queue::late_bounce;
use gatepost::store::suppressions::{lift_suppression, suppress};
use gatepost::store::{Store, StoreError};
use std::time::Duration;

on_both! {
    a_suppressed_address_is_found_in_its_scope_only
    suppressing_again_keeps_the_date_and_the_stronger_end
    many_recipients_are_asked_for_at_once
    suppressions_are_paged_and_lifted
    a_node_learns_who_was_suppressed_elsewhere
    a_late_bounce_happens_once
    the_latest_policy_is_kept
    tls_is_counted_together
}

const DAY: Duration = Duration::from_secs(86_400);

fn tenant() -> TenantId {
    id::new(Clock::System.now(), &Random::System)
}

fn suppression(tenant: &TenantId, whom: &str) -> Suppression {
    Suppression {
        id: id::new(Clock::System.now(), &Random::System),
        tenant: tenant.clone(),
        domain: String::new(),
        stream: String::new(),
        whom: whom.parse().unwrap(),
        reason: Cause::HardBounce,
        origin: Whence::System,
        note: "550 5.1.1 no such user".into(),
        created_at: Clock::System.now(),
        expires_at: None,
    }
}

async fn is_suppressed(store: &Store, tenant: &TenantId, address: &str, domain: &str, stream: &str) -> bool {
    let (address, now) = (address.parse().unwrap(), Clock::System.now());
    store.suppression_of(tenant, &address, domain, stream, now).await.unwrap().is_some()
}

async fn a_suppressed_address_is_found_in_its_scope_only(fresh: &Fresh) {
    let (store, ours, theirs) = (fresh.open().await, tenant(), tenant());
    let mut all = vec![suppression(&ours, "Jane@Example.NET"), suppression(&ours, "*@closed.example")];
    all.push(Suppression { domain: "shop.example".into(), ..suppression(&ours, "tom@example.net") });
    all.push(Suppression { stream: "bulk".into(), ..suppression(&ours, "ann@example.net") });
    all.push(Suppression { expires_at: Some(Clock::System.now()), ..suppression(&ours, "late@example.net") });
    for suppression in &all {
        store.write(suppress(suppression)).await.unwrap();
    }
    for (address, domain, stream, found) in [
        ("jane@example.net", "shop.example", "bulk", true),
        ("JANE@example.net", "", "", true),
        ("jane@sub.example.net", "shop.example", "bulk", false),
        ("anybody@closed.example", "shop.example", "bulk", true),
        ("anybody@sub.closed.example", "shop.example", "bulk", false),
        ("tom@example.net", "shop.example", "bulk", true),
        ("tom@example.net", "other.example", "bulk", false),
        ("ann@example.net", "shop.example", "bulk", true),
        ("ann@example.net", "shop.example", "transactional", false),
        ("late@example.net", "shop.example", "bulk", false),
        ("nobody@example.net", "shop.example", "bulk", false),
    ] {
        assert_eq!(is_suppressed(&store, &ours, address, domain, stream).await, found, "{address} {domain} {stream}");
        assert!(!is_suppressed(&store, &theirs, address, domain, stream).await, "{address} is ours alone");
    }
}

async fn suppressing_again_keeps_the_date_and_the_stronger_end(fresh: &Fresh) {
    let (store, ours) = (fresh.open().await, tenant());
    let now = Clock::System.now();
    let first = Suppression { expires_at: Some(now.plus(DAY)), ..suppression(&ours, "jane@example.net") };
    store.write(suppress(&first)).await.unwrap();
    let ends = [(Some(now.plus(DAY / 2)), Some(now.plus(DAY))), (Some(now.plus(DAY * 2)), Some(now.plus(DAY * 2)))];
    for (given, kept) in ends.into_iter().chain([(None, None), (Some(now.plus(DAY)), None)]) {
        let again = Suppression {
            created_at: now.plus(DAY),
            expires_at: given,
            reason: Cause::Complaint,
            origin: Whence::Recipient,
            note: "again".into(),
            ..suppression(&ours, "JANE@example.net")
        };
        store.write(suppress(&again)).await.unwrap();
        let [found] = store.suppressions(&ours, None).await.unwrap().try_into().expect("one");
        assert_eq!((found.id, found.created_at, found.expires_at), (first.id.clone(), first.created_at, kept));
        assert_eq!((found.reason, found.origin, &*found.note), (Cause::Complaint, Whence::Recipient, "again"));
    }
}

async fn many_recipients_are_asked_for_at_once(fresh: &Fresh) {
    let (store, ours) = (fresh.open().await, tenant());
    let addresses: Vec<Address> = (0..75).map(|n| format!("r{n}@d{}.example", n % 10).parse().unwrap()).collect();
    for n in [0, 31, 32, 74] {
        store.write(suppress(&suppression(&ours, &addresses[n].to_string()))).await.unwrap();
    }
    let whole = Suppression { expires_at: Some(Clock::System.now().plus(DAY)), ..suppression(&ours, "*@d4.example") };
    store.write(suppress(&whole)).await.unwrap();
    let found = store.suppressions_of(&ours, &addresses, "", "", Clock::System.now()).await.unwrap();
    assert_eq!(found.len(), addresses.len());
    for (n, (address, found)) in addresses.iter().zip(found).enumerate() {
        let expected = [0, 31, 32, 74].contains(&n) || n % 10 == 4;
        assert_eq!(found.is_some(), expected, "{address}");
        // For ever is stricter than for a day.
        assert_eq!(found.is_some_and(|found| found.expires_at.is_some()), n % 10 == 4 && n != 74, "{address}");
    }
    assert_eq!(store.suppressions_of(&ours, &[], "", "", Clock::System.now()).await.unwrap(), []);
}

async fn suppressions_are_paged_and_lifted(fresh: &Fresh) {
    let (store, ours, theirs) = (fresh.open().await, tenant(), tenant());
    for n in 0..130 {
        store.write(suppress(&suppression(&ours, &format!("r{n:03}@example.net")))).await.unwrap();
    }
    let (mut all, mut pages) = (Vec::<Suppression>::new(), 0);
    loop {
        let page = store.suppressions(&ours, all.last()).await.unwrap();
        if page.is_empty() {
            break;
        }
        (pages, all) = (pages + 1, [all, page].concat());
    }
    assert_eq!((pages, all.len()), (2, 130));
    assert!(all.is_sorted_by_key(|found| found.whom.key()));
    let conflict = store.write(lift_suppression(&theirs, &all[0].id)).await.unwrap_err();
    assert!(matches!(conflict, StoreError::Conflict { .. }), "{conflict}");
    store.write(lift_suppression(&ours, &all[0].id)).await.unwrap();
    assert!(!is_suppressed(&store, &ours, "r000@example.net", "", "").await);
}

/// Two nodes on one store: what one suppresses the other knows with its next look, without reading it all.
async fn a_node_learns_who_was_suppressed_elsewhere(fresh: &Fresh) {
    let (here, there, ours) = (fresh.open().await, fresh.open().await, tenant());
    let (index, mut keeper, now) = (Index::default(), Keeper::default(), Clock::System.now());
    let may = |address: &str| index.may_hold(&ours, &address.parse().unwrap(), now);
    // More than one page of them.
    let many: Vec<_> = (0..2_100).map(|n| suppress(&suppression(&ours, &format!("r{n}@example.net")))).collect();
    let change = many.into_iter().fold(Change::default(), Change::with);
    there.write(change).await.unwrap();
    assert!(may("bob@example.net"), "before it was read it holds everybody");
    keeper.refresh(&index, &here, now).await.unwrap();
    assert_eq!(index.len(), 2_100);
    assert!(may("R7@example.net") && may("r2099@example.net") && !may("bob@example.net"));
    there.write(suppress(&suppression(&ours, "Bob@example.net"))).await.unwrap();
    there.write(suppress(&suppression(&ours, "*@closed.example"))).await.unwrap();
    keeper.refresh(&index, &here, now).await.unwrap();
    assert!(may("bob@example.net") && may("x@closed.example") && !may("tom@example.net"));
    // What was lifted stays a question to the store until all of them are read anew.
    let [found] = here.suppressions_at(&ours, &"bob@example.net".parse().unwrap()).await.unwrap().try_into().unwrap();
    there.write(lift_suppression(&ours, &found.id)).await.unwrap();
    keeper.refresh(&index, &here, now).await.unwrap();
    assert!(may("bob@example.net") && !is_suppressed(&here, &ours, "bob@example.net", "", "").await);
    Keeper::default().refresh(&index, &here, now).await.unwrap();
    assert!(!may("bob@example.net") && may("x@closed.example"));
}

/// Of two who read the same report one makes the bounce, with all that goes with it.
async fn a_late_bounce_happens_once(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let mail = mails.mail(b"Subject: x\r\n\r\ntext\r\n".to_vec());
    store.write(mail.accept).await.unwrap();
    let bounce = || {
        let step = late_bounce(&mail.delivery, "550 5.1.1 nobody", Clock::System.now());
        Change::of(step).with(suppress(&suppression(&mails.tenant, "gone@far.example")))
    };
    // It is still being tried.
    let early = store.write(bounce()).await.unwrap_err();
    assert!(matches!(early, StoreError::Conflict { .. }), "{early}");
    assert_eq!(fresh.count("suppressions").await, 0);
    fresh.sql("UPDATE deliveries SET state = 'delivered', finished_at = 1, leased_by = NULL").await;
    let all = join_all((0..6).map(|_| store.write(bounce()))).await;
    assert_eq!(all.iter().filter(|written| written.is_ok()).count(), 1);
    let delivery = store.entry(&mail.delivery).await.unwrap().unwrap().delivery;
    assert_eq!((delivery.state, delivery.reason.as_deref()), (State::Bounced, Some("550 5.1.1 nobody")));
    assert_eq!(fresh.count("suppressions").await, 1);
}

async fn the_latest_policy_is_kept(fresh: &Fresh) {
    let store = fresh.open().await;
    let policy = |domain: &str, id: &str, fetched: i64| StsPolicy {
        domain: domain.parse().unwrap(),
        id: id.into(),
        mode: StsMode::Enforce,
        mx: vec!["mx1.example.net".into(), "*.example.net".into()],
        max_age: Duration::from_secs(604_800),
        fetched_at: Time::from_micros(fetched),
        text: "version: STSv1\r\nmode: enforce\r\n".into(),
    };
    let (old, new, other) =
        (policy("example.net", "1", 10), policy("example.net", "2", 20), policy("a.example", "x", 5));
    for policy in [&new, &old, &other] {
        store.write(put_sts_policy(policy)).await.unwrap();
    }
    assert_eq!(store.sts_policies("").await.unwrap(), [other, new.clone()]);
    assert_eq!(store.sts_policies("a.example").await.unwrap(), [new]);
    assert_eq!(store.sts_policies("example.net").await.unwrap(), []);
}

async fn tls_is_counted_together(fresh: &Fresh) {
    let (one, two) = (fresh.open().await, fresh.open().await);
    let count = |host: usize, count| TlsCount {
        day: 20_778,
        domain: "example.net".into(),
        policy: "sts".into(),
        host: format!("mx{host}.example.net"),
        result: "ok".into(),
        count,
    };
    let (forth, back): (Vec<_>, Vec<_>) =
        ((0..5).map(|n| count(n, 1)).collect(), (0..5).rev().map(|n| count(n, 2)).collect());
    let rounds =
        (0..10).flat_map(|_| [one.write(add_tls_results(forth.clone())), two.write(add_tls_results(back.clone()))]);
    for written in join_all(rounds).await {
        written.unwrap();
    }
    let all: Vec<_> = (0..5).map(|n| count(n, 30)).collect();
    assert_eq!(one.tls_results(20_778, None).await.unwrap(), all);
    assert_eq!(one.tls_results(20_778, Some(&all[2])).await.unwrap(), all[3..]);
    assert_eq!(one.tls_results(20_779, None).await.unwrap(), []);
}
