use super::*;
use crate::base::id;
use crate::base::random::Random;
use proptest::prelude::*;
use std::time::Duration;

const NOW: Time = Time::from_micros(1_795_262_400_000_000);

fn ready(max: usize) -> Arc<Ready> {
    let ready = Ready::new(max, Budget::new(1 << 20, "test"));
    ready.surveyed();
    ready
}

fn stream() -> Stream {
    Stream { tenant: id::new(NOW, &Random::System), name: "transactional".into() }
}

#[test]
fn a_place_is_held_until_it_is_dropped() {
    let (ready, stream) = (ready(10), stream());
    let place = ready.direct("mx:a.example", &stream, NOW);
    assert!(place.is_some());
    assert_eq!(ready.in_memory(), (1, 9));
    drop(place);
    assert_eq!(ready.in_memory(), (0, 10));
    assert!(ready.counts().destinations.is_empty() && ready.counts().tenants.is_empty());
}

#[test]
fn nobody_is_let_in_before_the_store_was_looked_through() {
    let ready = Ready::new(10, Budget::new(1 << 20, "test"));
    let stream = stream();
    assert!(ready.direct("mx:a.example", &stream, NOW).is_none());
    ready.caught_up_everywhere(&stream, ready.mark());
    ready.surveyed();
    assert!(ready.direct("mx:a.example", &stream, NOW).is_some());
    ready.close();
    assert!(ready.direct("mx:b.example", &stream, NOW).is_none());
    ready.surveyed();
    assert!(ready.direct("mx:c.example", &stream, NOW).is_none(), "a daemon that drains stays closed");
}

#[test]
fn nobody_overtakes_what_waits_for_the_same_destination() {
    let (ready, stream) = (ready(10), stream());
    ready.shut("mx:a.example", Some(shut(NOW.plus(Duration::from_secs(60)))));
    assert!(ready.direct("mx:a.example", &stream, NOW).is_none());
    ready.shut("mx:a.example", None);
    assert!(ready.direct("mx:a.example", &stream, NOW).is_none(), "an older one is in the store");
    assert!(ready.direct("mx:b.example", &stream, NOW).is_some());
    let mark = ready.mark();
    ready.left("mx:a.example", &stream);
    ready.caught_up("mx:a.example", &stream, mark);
    assert!(ready.direct("mx:a.example", &stream, NOW).is_none(), "one was left after the store was read");
    ready.caught_up("mx:a.example", &stream, ready.mark());
    assert!(ready.direct("mx:a.example", &stream, NOW).is_some());
}

fn shut(until: Time) -> Shut {
    Shut { until, cause: Cause::Unreachable, why: "nobody answers".into() }
}

/// Neither opens what the other keeps shut, in whichever order they come.
#[test]
fn an_operator_and_the_servers_shut_a_destination_apart() {
    let (ready, stream) = (ready(10), stream());
    let (soon, late) = (NOW.plus(Duration::from_secs(60)), NOW.plus(Duration::from_secs(600)));
    ready.suspend("mx:a.example", Some(late));
    ready.shut("mx:a.example", Some(shut(soon)));
    assert_eq!(ready.next_opening(NOW), Some(late));
    ready.sweep(soon);
    assert!(ready.is_shut("mx:a.example", soon) && ready.shut_of("mx:a.example", soon).is_none());
    ready.shut("mx:a.example", Some(shut(late)));
    ready.suspend("mx:a.example", None);
    assert!(ready.claimed("mx:a.example", &stream.tenant, soon).is_none());
    assert!(ready.claimed_at_its_end("mx:a.example", &stream.tenant).is_some(), "what is over need not wait");
    ready.shut("mx:a.example", None);
    assert!(ready.claimed("mx:a.example", &stream.tenant, soon).is_some());
    assert!(ready.counts().destinations.is_empty());
}

#[test]
fn a_shut_ends_by_itself() {
    let (ready, stream) = (ready(10), stream());
    let until = NOW.plus(Duration::from_secs(60));
    ready.shut("mx:a.example", Some(shut(until)));
    assert!(ready.claimed("mx:a.example", &stream.tenant, NOW).is_none());
    assert!(ready.claimed("mx:a.example", &stream.tenant, until).is_some());
    ready.sweep(until);
    assert!(ready.counts().destinations.is_empty());
}

#[test]
fn too_many_destinations_to_tell_apart_count_as_all() {
    let (ready, stream) = (ready(10), stream());
    for n in 0..=limits::BEHIND_DESTINATIONS_MAX {
        ready.left(&format!("mx:d{n}.example"), &stream);
    }
    assert!(ready.direct("mx:other.example", &stream, NOW).is_none());
    ready.caught_up_everywhere(&stream, ready.mark());
    assert!(ready.direct("mx:other.example", &stream, NOW).is_some());
}

#[test]
fn whoever_fills_the_memory_leaves_room_for_somebody_new() {
    let (ready, greedy) = (ready(1_000), stream());
    let mut places = Vec::new();
    for destination in 0..20 {
        while let Some(place) = ready.claimed(&format!("mx:d{destination}.example"), &greedy.tenant, NOW) {
            places.push(place);
        }
    }
    let (held, free) = ready.in_memory();
    assert!(held <= 667 && free > 300, "{held} held, {free} free");
    assert!(ready.claimed("mx:new.example", &stream().tenant, NOW).is_some());
}

fn mail(prepared: &[u8]) -> Mail {
    let message = Message {
        id: id::new(NOW, &Random::System),
        tenant: id::new(NOW, &Random::System),
        origin: crate::model::message::Origin::Submitted,
        submitter: None,
        peer: None,
        sender: crate::mail::envelope::ReversePath::Null,
        from_domain: "example.com".parse().unwrap(),
        subject: String::new(),
        header_id: String::new(),
        stream: "transactional".into(),
        size: prepared.len() as u64,
        sandboxed_at: None,
        template: None,
        details: "{}".into(),
        created_at: NOW,
    };
    let room = Budget::new(1 << 20, "test").share();
    Mail::new(message, MailParams::default(), Arc::new(prepared.to_vec()), room)
}

#[test]
fn another_form_of_a_message_is_kept_while_there_is_room() {
    let (mail, room) = (mail(b"original"), Budget::new(10, "test"));
    assert!(mail.converted().is_none());
    let crowded = mail.keep_converted(Ok(Some(vec![b'x'; 11])), &room).unwrap();
    assert_eq!((crowded.len(), room.taken()), (11, 0), "used for this try, and not kept");
    assert!(mail.converted().is_none());
    mail.keep_converted(Ok(Some(b"first".to_vec())), &room).unwrap();
    // Somebody else was at it at the same time.
    let second = mail.keep_converted(Ok(Some(b"2nd".to_vec())), &room).unwrap();
    assert_eq!((second.as_slice(), room.taken()), (&b"2nd"[..], 5));
    assert_eq!(mail.converted().unwrap().unwrap().as_slice(), b"first");
    drop(mail);
    assert_eq!(room.taken(), 0);
}

#[test]
fn what_cannot_be_converted_and_what_need_not_be_is_remembered_too() {
    let (signed, plain, room) = (mail(b"signed"), mail(b"plain"), Budget::new(10, "test"));
    assert_eq!(signed.keep_converted(Err(Unconvertible::Signed), &room), Err(Unconvertible::Signed));
    assert_eq!(signed.converted(), Some(Err(Unconvertible::Signed)));
    let same = plain.keep_converted(Ok(None), &room).unwrap();
    assert!(Arc::ptr_eq(&same, &plain.prepared) && room.taken() == 0);
    assert!(Arc::ptr_eq(&plain.converted().unwrap().unwrap(), &plain.prepared));
}

proptest! {
    #[test]
    fn counts_are_the_places_that_are_held(steps in prop::collection::vec((0..5usize, 0..3usize, any::<bool>()), 1..200)) {
        let ready = ready(16);
        let tenants: Vec<_> = (0..3).map(|_| stream().tenant).collect();
        let mut places: Vec<Place> = Vec::new();
        for (destination, tenant, comes) in steps {
            if comes {
                places.extend(ready.claimed(&format!("mx:d{destination}.example"), &tenants[tenant], NOW));
            } else if !places.is_empty() {
                places.swap_remove(destination % places.len());
            }
            prop_assert_eq!(ready.in_memory().0, places.len());
            prop_assert!(places.len() <= 16);
            let counts = ready.counts();
            prop_assert_eq!(counts.tenants.values().sum::<usize>(), places.len());
            prop_assert_eq!(counts.destinations.values().map(|of| of.places).sum::<usize>(), places.len());
        }
        drop(places);
        prop_assert!(ready.counts().destinations.is_empty());
    }
}
