//! Private when it can be, always when it must be (RFC 3207, RFC 7435, RFC 8314).

use super::sink::{Account, Act, At, Authority, Offer, Showing};
use super::world::{TEXT, World, is_below_our_trace};

/// RFC 7435: verifying what nobody asked for would lose mail or send it in the clear.
#[tokio::test(flavor = "multi_thread")]
async fn any_certificate_will_do_where_tls_is_a_courtesy() {
    for showing in [Showing::Good, Showing::WrongName, Showing::Expired, Showing::OtherAuthority] {
        let world = World::new();
        let tls = world.authority.server("mx.far.example", showing);
        let sink = world.mx("far.example", Offer::usual().starttls(tls)).await;
        let house = world.open();
        house.sends(&["one@far.example"]);
        let message = sink.message().await;
        assert!(message.tls, "{showing:?}\n{}", sink.transcript());
        is_below_our_trace(&message, TEXT);
        assert_eq!(sink.seen(|seen| seen.connections[0].server_name.clone()).as_deref(), Some("mx.far.example"));
        house.comes_to("one@far.example", "delivered");
        let tries = house.tries("one@far.example");
        assert!(tries[0].tls.as_deref().is_some_and(|tls| tls.contains("TLS")), "{tries:?}");
        sink.blameless();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_is_followed_by_mail_in_the_clear_where_nothing_forbids_it() {
    for broken in [Act::Raw(b"220 go ahead\r\nthis is no TLS at all\r\n".to_vec()), Act::say("454 4.7.0 TLS is ill")] {
        let world = World::new();
        let tls = world.authority.server("mx.far.example", Showing::Good);
        let sink = world.mx("far.example", Offer::usual().starttls(tls)).await;
        sink.always(At::Starttls, broken);
        let house = world.open();
        house.sends(&["one@far.example"]);
        let message = sink.message().await;
        assert!(!message.tls);
        house.comes_to("one@far.example", "delivered");
    }
}

/// RFC 3207 4.2, the client's side: what stands behind the 220 was said by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn words_slipped_in_behind_the_220_are_thrown_away() {
    let world = World::new();
    let tls = world.authority.server("mx.far.example", Showing::Good);
    let sink = world.mx("far.example", Offer::usual().starttls(tls)).await;
    let injected = "220 go ahead\n250-evil.example\n250 SIZE 1";
    sink.always(At::Starttls, Act::say(injected));
    let house = world.open();
    house.sends(&["one@far.example"]);
    is_below_our_trace(&sink.message().await, TEXT);
    house.comes_to("one@far.example", "delivered");
}

/// RFC 3207 4.2: what was offered in the clear is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn extensions_are_read_again_behind_the_handshake() {
    let world = World::new();
    let tls = world.authority.server("mx.far.example", Showing::Good);
    // Nothing of the first list holds inside: what is used nevertheless is a fault.
    let sink = world.mx("far.example", Offer::usual().with("CHUNKING").starttls(tls).inside(&["SIZE 100000"])).await;
    let house = world.open();
    house.submits("<app@example.com> RET=HDRS ENVID=abc", &["<one@far.example> NOTIFY=FAILURE"], TEXT);
    let message = sink.message().await;
    assert!(message.tls && message.chunks == 0);
    assert_eq!(sink.commands("EHLO").len(), 2);
    sink.blameless();
}

// --- smarthosts, where it must be ----------------------------------------------------------------------

fn login(tls: &str) -> String {
    format!("host = \"smart.example\"\ntls = \"{tls}\"\nusername = \"us\"\npassword = \"pass = word\"")
}

fn account() -> Account {
    Account::new("us", "pass = word", &["PLAIN"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_by_starttls_and_by_tls_from_the_first_byte() {
    for word in ["starttls", "implicit"] {
        let world = World::new();
        let tls = world.authority.server("smart.example", Showing::Good);
        let offer = Offer::usual().account(account());
        let offer = if word == "implicit" { offer.implicit_tls(tls) } else { offer.starttls(tls) };
        let sink = world.host("smart.example", offer).await;
        world.smarthost(&sink, &login(word));
        let house = world.open();
        house.sends(&["one@far.example", "two@near.example"]);
        let message = sink.message().await;
        assert!(message.tls && message.login.as_deref() == Some("us"));
        let mut recipients = message.recipients();
        recipients.sort();
        assert_eq!(recipients, ["one@far.example", "two@near.example"]);
        is_below_our_trace(&message, TEXT);
        house.comes_to("one@far.example", "sent");
        sink.blameless();
    }
}

/// RFC 4954 4, RFC 8314: a password for whoever answers is a password for everybody.
#[tokio::test(flavor = "multi_thread")]
async fn no_password_and_no_mail_for_a_certificate_that_is_not_good() {
    for showing in [Showing::WrongName, Showing::Expired, Showing::OtherAuthority] {
        for word in ["starttls", "implicit"] {
            let world = World::new();
            let tls = world.authority.server("smart.example", showing);
            let offer = Offer::usual().account(account()).in_the_clear();
            let offer = if word == "implicit" { offer.implicit_tls(tls) } else { offer.starttls(tls) };
            let sink = world.host("smart.example", offer).await;
            world.smarthost(&sink, &login(word));
            let house = world.open();
            house.sends(&["one@far.example"]);
            let tries = house.tried("one@far.example", 2);
            assert!(tries.iter().all(|one| one.outcome.starts_with("later:")), "{tries:?}");
            assert_eq!(
                (sink.commands("AUTH"), sink.commands("MAIL")),
                (Vec::new(), Vec::new()),
                "{}",
                sink.transcript()
            );
        }
    }
}

/// An attacker who removes a line of EHLO must not get a password for it.
#[tokio::test(flavor = "multi_thread")]
async fn no_password_and_no_mail_where_starttls_has_gone() {
    for stripped in [true, false] {
        let world = World::new();
        let mut offer = Offer::usual().account(account()).in_the_clear();
        if !stripped {
            offer = offer.starttls(world.authority.server("smart.example", Showing::Good));
        }
        let sink = world.host("smart.example", offer).await;
        sink.always(At::Starttls, Act::say("454 4.7.0 not today"));
        world.smarthost(&sink, &login("starttls"));
        let house = world.open();
        house.sends(&["one@far.example"]);
        let tries = house.tried("one@far.example", 2);
        assert!(tries.iter().all(|one| one.outcome.starts_with("later:")), "{tries:?}");
        assert_eq!((sink.commands("AUTH"), sink.commands("MAIL")), (Vec::new(), Vec::new()), "{}", sink.transcript());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unverified_smarthost_gets_mail_where_the_operator_says_so() {
    let world = World::new();
    let tls = Authority::new().server("somebody.example", Showing::Good);
    let sink = world.host("smart.example", Offer::usual().starttls(tls)).await;
    world.smarthost(&sink, "host = \"smart.example\"\ntls = \"starttls\"\nverify = false");
    let house = world.open();
    house.sends(&["one@far.example"]);
    assert!(sink.message().await.tls);
}
