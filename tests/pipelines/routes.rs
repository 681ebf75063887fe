//! Where mail to our recipients goes, and which rule decided.

use super::{HOUSE, address, assembled, config, hostname};
use gatepost::base::clock::Time;
use gatepost::base::id;
use gatepost::base::random::Random;
use gatepost::model::directory::{Directory, DirectoryRows, EntryKind, EntryRow};
use gatepost::model::people::Tenant;
use gatepost::policy::routes::{Act, NotNow, Resolution, resolve};

fn house() -> Directory {
    assembled(&config(HOUSE), &DirectoryRows::default())
}

/// `rule: act act`, or why not.
fn shown(directory: &Directory, recipient: &str) -> String {
    match resolve(directory, &hostname(), &address(recipient)) {
        Resolution::Accept(decision) => {
            let acts: Vec<_> = decision.acts.iter().map(Act::word).collect();
            format!("{}, {}: {}", decision.tenant, decision.rule, acts.join(" "))
        }
        Resolution::Reject(reason) => format!("reject: {}", reason.as_str()),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_recipient_has_its_rule() {
    let house = house();
    for (recipient, expected) in [
        ("someone@example.net", "Unserved"),
        ("someone@sub.example.com", "Unserved"),
        ("someone@example.com.evil.example", "Unserved"),
        ("someone@example.com", "Unknown"),
        ("support@example.com", "default, mailbox \"support\": ticket"),
        ("Support@EXAMPLE.com", "default, mailbox \"support\": ticket"),
        ("support+t0ken@example.com", "default, mailbox \"support\": ticket"),
        ("support+vip@example.com", "default, mailbox \"vip\": ticket"),
        ("anything@reply.example.com", "default, reply domain of mailbox \"support\": ticket"),
        ("sales@example.com", "default, route \"sales@example.com\": ticket relay"),
        ("sales+x@example.com", "default, route \"sales@example.com\": ticket relay"),
        // Behind the route without the tag, and yet it is meant.
        ("sales+de@example.com", "default, route \"sales+de@example.com\": store"),
        ("SALES+DE@example.com", "default, route \"sales+de@example.com\": store"),
        ("\"sales+x\"@example.com", "Unknown"),
        ("+x@example.com", "Unknown"),
        ("gone@example.com", "reject: we closed in May"),
        ("gone+x@example.com", "reject: we closed in May"),
        ("\"at @ home\"@example.com", "default, route \"\\\"at @ home\\\"@example.com\": store"),
        ("\"support@example.com\"@example.net", "Unserved"),
        ("anyone@acme.example", "acme, route \"*@acme.example\": store"),
        ("anyone@news.example.com", "reject: nobody reads this"),
    ] {
        assert_eq!(shown(&house, recipient), expected, "{recipient}");
    }
}

#[test]
fn postmaster_is_always_reached() {
    let house = house();
    for (recipient, expected) in [
        ("postmaster@example.com", "default, postmaster: store"),
        ("PostMaster@example.com", "default, postmaster: store"),
        // Whatever its domain's routes say.
        ("postmaster@news.example.com", "default, postmaster: store"),
        ("postmaster@acme.example", "acme, route \"*@acme.example\": store"),
        ("postmaster@reply.example.com", "default, postmaster: store"),
        // Our host is no mail domain of ours: its postmaster alone is.
        ("postmaster@mail.example.com", "default, postmaster: store"),
        ("someone@mail.example.com", "Unserved"),
        ("postmaster@other.example.com", "Unserved"),
    ] {
        assert_eq!(shown(&house, recipient), expected, "{recipient}");
    }
    let own =
        config("[[domain]]\nname = \"mail.example.com\"\ntenant = \"acme\"\n[[domain]]\nname = \"example.com\"\n");
    assert_eq!(
        shown(&assembled(&own, &DirectoryRows::default()), "postmaster@mail.example.com"),
        "acme, postmaster: store"
    );
    let named = config(
        "[[domain]]\nname = \"example.com\"\n[[route]]\nrecipient = \"postmaster@example.com\"\n\
         actions = [{ reject = \"no\" }]",
    );
    let named = assembled(&named, &DirectoryRows::default());
    assert_eq!(shown(&named, "postmaster@example.com"), "default, postmaster: store");
}

#[test]
fn only_its_very_own_route_refuses_a_mailbox() {
    let text = |recipient: &str| {
        format!(
            "[[domain]]\nname = \"example.com\"\n[[mailbox]]\nname = \"m\"\naddress = \"m@example.com\"\n\
             reply_domain = \"r.example.com\"\n[[route]]\nrecipient = '{recipient}'\nactions = [{{ reject = \"no\" }}]"
        )
    };
    for (route, recipient, expected) in [
        ("*@example.com", "m@example.com", "default, mailbox \"m\": ticket"),
        ("*@example.com", "m+x@example.com", "default, mailbox \"m\": ticket"),
        ("*@example.com", "other@example.com", "reject: no"),
        ("/.*/", "m@example.com", "default, mailbox \"m\": ticket"),
        ("*@r.example.com", "t@r.example.com", "default, reply domain of mailbox \"m\": ticket"),
        ("t@r.example.com", "t@r.example.com", "reject: no"),
        ("m@example.com", "m@example.com", "reject: no"),
    ] {
        let house = assembled(&config(&text(route)), &DirectoryRows::default());
        assert_eq!(shown(&house, recipient), expected, "{route} and {recipient}");
    }
}

#[test]
fn the_first_route_that_matches_decides() {
    let house = config(
        "[[domain]]\nname = \"example.com\"\n\
         [[route]]\nrecipient = '/[ab]@example\\.com/'\nactions = [{ hold = true }]\n\
         [[route]]\nrecipient = \"a@example.com\"\nactions = [{ store = true }]\n\
         [[route]]\nrecipient = \"*@example.com\"\nactions = [{ discard = true }]\n",
    );
    let house = assembled(&house, &DirectoryRows::default());
    assert!(shown(&house, "a@example.com").ends_with(": hold"));
    // A pattern describes what an address is without its tag, too.
    assert!(shown(&house, "b+x@example.com").ends_with(": hold"));
    assert!(shown(&house, "c@example.com").ends_with(": discard"));
    // Anchored: a part of an address is not the address.
    assert!(shown(&house, "xa@example.com").ends_with(": discard"));
}

#[test]
fn a_forward_takes_groups_into_its_local_part() {
    let house = house();
    let forwarded = |recipient: &str| match resolve(&house, &hostname(), &address(recipient)) {
        Resolution::Accept(decision) => match decision.acts.as_slice() {
            [Act::Forward(target)] => target.to_string(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(forwarded("list-ann@example.com"), "ann@lists.example.net");
    assert_eq!(forwarded("List-Ann-x+tag@example.com"), "Ann@lists.example.net");
    assert_eq!(forwarded("away@example.com"), "someone@example.net");
    // What makes no address there is nobody here.
    let long = config(
        "[[domain]]\nname = \"example.com\"\n[[route]]\nrecipient = '/(?<all>.*)@example\\.com/'\n\
         actions = [{ forward = \"all-of-${all}@example.net\" }]",
    );
    let long = assembled(&long, &DirectoryRows::default());
    assert!(shown(&long, "a@example.com").ends_with(": forward"));
    assert_eq!(shown(&long, &format!("{}@example.com", "a".repeat(64))), "Unknown");
    assert_eq!(shown(&long, "\"a@evil.example\"@example.com"), "Unknown");
}

#[test]
fn what_is_switched_off_or_gone_is_for_later() {
    let tenant = |name: &str, disabled_at| Tenant {
        id: id::new(Time::from_micros(1_000), &Random::System),
        name: name.into(),
        created_at: Time::default(),
        disabled_at,
        deleted_at: None,
    };
    let tenants = vec![tenant("default", None), tenant("acme", Some(Time::from_micros(5)))];
    let row = |kind, name: &str, definition: &str, off: bool| EntryRow {
        kind,
        id: format!("row_{name}"),
        tenant: tenants[0].id.clone(),
        name: name.into(),
        definition: definition.into(),
        disabled_at: off.then_some(Time::from_micros(5)),
    };
    let route = |name: &str, recipient: &str, actions: &str, off| {
        row(EntryKind::Route, name, &format!(r#"{{"recipient": "{recipient}", "actions": [{actions}]}}"#), off)
    };
    let entries = vec![
        row(EntryKind::Mailbox, "off", r#"{"address": "off@example.com"}"#, true),
        route("a", "a@example.com", r#"{"store": true}"#, true),
        route("b", "b@example.com", r#"{"ticket": "nowhere"}"#, false),
        route("c", "c@example.com", r#"{"relay": "nowhere"}"#, false),
        route("d", "d@example.com", r#"{"ticket": "off"}"#, false),
        // Nothing of it reaches what another tenant has.
        route("e", "/.*/", r#"{"discard": true}"#, false),
    ];
    let house =
        assembled(&config(HOUSE), &DirectoryRows { version: 1, tenants: tenants.clone(), entries, keys: vec![] });
    for (recipient, why) in [
        ("off@example.com", None),
        ("a@example.com", Some(NotNow::RouteOff)),
        ("b@example.com", Some(NotNow::MailboxGone)),
        ("c@example.com", Some(NotNow::RelayGone)),
        ("d@example.com", Some(NotNow::MailboxOff)),
        ("someone@acme.example", Some(NotNow::DomainOff)),
    ] {
        let found = resolve(&house, &hostname(), &address(recipient));
        match why {
            Some(why) => {
                assert_eq!(found, Resolution::NotNow(why), "{recipient}");
                assert!(found.answer().unwrap_err().is_temporary());
            }
            // The first route that matches decides, also over a mailbox.
            None => assert!(matches!(found, Resolution::Accept(decision) if decision.acts == [Act::Discard])),
        }
    }
}

#[test]
fn what_nobody_does_yet_is_for_later() {
    let house = config(
        "[[domain]]\nname = \"example.com\"\n\
         [[route]]\nrecipient = \"a@example.com\"\nactions = [{ store = true }, { forward = \"b@example.net\" }]\n\
         [[route]]\nrecipient = \"b@example.com\"\nactions = [{ http = \"https://b.example/in\" }]\n\
         [[route]]\nrecipient = \"c@example.com\"\nactions = [{ reply = \"sorry\" }]\n",
    );
    let house = assembled(&house, &DirectoryRows::default());
    for (recipient, word) in [("a@example.com", "forward"), ("b@example.com", "http"), ("c@example.com", "reply")] {
        let reply = resolve(&house, &hostname(), &address(recipient)).answer().unwrap_err();
        assert_eq!(reply.code(), 450);
        assert!(reply.to_string().starts_with("450 4.3.0 ") && reply.text().contains(word), "{reply}");
    }
}
