//! TLS: begun or not, with whom, and what happens when it fails.

use super::*;
use crate::deliver::way::Tlsa;
use aws_lc_rs::digest::{SHA256, SHA512, digest};

const OFFERED: &str = "
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250-PIPELINING
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go
    TLS
    C: EHLO us.example
    S: 250-mx
    S: 250 CHUNKING
";

/// A handshake that we end: the server does not mind.
const BROKEN_OFF: &str = "
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go
    TLS
";

const CLEAR: &str = "
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250 STARTTLS
    C closes
";

/// A handshake that the server cannot do.
const NO_TLS: &str = "
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 go
    S: 500 what is this?
    S closes
";

async fn met(world: &mut World, tls: Tls, scripts: &[&str]) -> Result<Session, Unopened> {
    let there = world.serve(scripts);
    let opened = world.open(&way(tls)).await;
    // While a session is open its server waits for it.
    if opened.is_err() {
        there.await.unwrap();
    }
    opened
}

#[tokio::test]
async fn opportunistic_tls_takes_any_certificate_and_hears_ehlo_again() {
    let mut world = World::with(Certificates::valid("someone.else.example", 2000..2001));
    let session = met(&mut world, Tls::Opportunistic, &[OFFERED]).await.unwrap();
    let tls = session.tls().unwrap();
    assert_eq!((tls.version, tls.verified), ("TLSv1.3", Verified::Nobody));
    assert!(
        session.capabilities().chunking && !session.capabilities().pipelining,
        "what was said in the clear is gone"
    );
}

#[tokio::test]
async fn a_handshake_that_fails_goes_on_in_the_clear_on_the_same_host_unless_that_is_forbidden() {
    let mut world = World::new();
    let session = met(&mut world, Tls::Opportunistic, &[NO_TLS, CLEAR]).await.unwrap();
    assert_eq!((session.tls(), session.tls_failure()), (None, Some(ResultType::ValidationFailure)));
    assert_eq!(session.host().to_string(), HOST);

    for trust in [Trust::Anyone, Trust::Roots] {
        let mut world = World::new();
        let unopened = met(&mut world, required(trust), &[NO_TLS]).await.unwrap_err();
        assert_eq!((unopened.tried[0].phase, unopened.why.category.as_str()), (Phase::Handshake, "tls"));
        assert_eq!(unopened.tried[0].tls_failure, Some(ResultType::ValidationFailure));
        assert_eq!(unopened.why.status.class(), 4, "it is put off");
    }
}

#[tokio::test]
async fn starttls_that_is_missing_or_refused_defers_where_tls_is_required() {
    let plain = "S: 220 mx\nC: EHLO us.example\nS: 250 mx\nC: QUIT\nS: 221 bye\nC closes";
    let mut world = World::new();
    let unopened = met(&mut world, required(Trust::Anyone), &[plain]).await.unwrap_err();
    assert_eq!(unopened.why.status.to_string(), "4.7.4");
    assert_eq!(unopened.tried[0].tls_failure, Some(ResultType::StarttlsNotSupported));

    let refused = "S: 220 mx\nC: EHLO us.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 not now\n";
    let mut world = World::new();
    let script = format!("{refused}C: QUIT\nS: 221 bye\nC closes");
    let unopened = met(&mut world, required(Trust::Roots), &[&script]).await.unwrap_err();
    assert_eq!((unopened.tried[0].phase, unopened.why.code), (Phase::StartTls, Some(454)));
    assert_eq!(unopened.tried[0].tls_failure, Some(ResultType::StarttlsNotSupported));

    let mut world = World::new();
    let session = met(&mut world, Tls::Opportunistic, &[&format!("{refused}C closes")]).await.unwrap();
    assert_eq!((session.tls(), session.tls_failure()), (None, Some(ResultType::StarttlsNotSupported)));
}

#[tokio::test]
async fn never_is_never() {
    let mut world = World::new();
    let session = met(&mut world, Tls::Never, &[CLEAR]).await.unwrap();
    assert_eq!((session.tls(), session.tls_failure()), (None, None), "nobody wanted it");
}

#[tokio::test]
async fn what_was_injected_behind_the_220_of_starttls_is_not_heard() {
    // A man in the middle adds an answer in the clear; it must not be taken for the one to our EHLO.
    let script = OFFERED.replace("S: 220 go\n", "S| 220 go\\r\\n250-mx\\r\\n250 AUTH PLAIN\\r\\n\n");
    let mut world = World::new();
    let session = met(&mut world, Tls::Opportunistic, &[&script]).await.unwrap();
    assert!(session.tls().is_some() && session.capabilities().auth.is_empty() && session.capabilities().chunking);
}

#[tokio::test]
async fn roots_want_a_chain_a_name_and_a_date() {
    let mut world = World::new();
    let session = met(&mut world, required(Trust::Roots), &[OFFERED]).await.unwrap();
    assert_eq!(session.tls().unwrap().verified, Verified::Roots);

    for (certificates, failure) in [
        (Certificates::valid("other.example", 2020..2099), ResultType::CertificateHostMismatch),
        (Certificates::valid(HOST, 2000..2001), ResultType::CertificateExpired),
    ] {
        let mut world = World::with(certificates);
        let unopened = met(&mut world, required(Trust::Roots), &[BROKEN_OFF]).await.unwrap_err();
        assert_eq!((unopened.why.category.as_str(), unopened.tried[0].tls_failure), ("tls", Some(failure)));
    }
    let mut world = World::new();
    world.around.tls = Arc::new(ClientTls::with_roots(Certificates::valid(HOST, 2020..2099).roots()).unwrap());
    let unopened = met(&mut world, required(Trust::Roots), &[BROKEN_OFF]).await.unwrap_err();
    assert_eq!(unopened.tried[0].tls_failure, Some(ResultType::CertificateNotTrusted));
    let mut world = World::new();
    world.around.tls = Arc::new(ClientTls::with_roots(RootCertStore::empty()).unwrap());
    assert!(met(&mut world, required(Trust::Roots), &[BROKEN_OFF]).await.is_err());
}

#[tokio::test]
async fn implicit_tls_is_there_before_the_greeting() {
    let script = "TLS\nS: 220 mx\nC: EHLO us.example\nS: 250-mx\nS: 250 STARTTLS\nC closes";
    let mut world = World::new();
    let tls = Tls::Required { begin: Begin::Implicit, trust: Trust::Roots };
    let session = met(&mut world, tls, &[script]).await.unwrap();
    assert_eq!(session.tls().unwrap().verified, Verified::Roots);
}

#[tokio::test]
async fn the_second_connection_resumes_what_the_first_began() {
    let mut world = World::new();
    // The first goes to its end, so that the ticket behind the handshake has come.
    let there = world.serve(&[&format!("{OFFERED}C: QUIT\nS: 221 bye\nC closes"), OFFERED]);
    let way = way(required(Trust::Roots));
    let first = world.open(&way).await.unwrap();
    assert!(!first.tls().unwrap().resumed);
    first.quit().await;
    let second = world.open(&way).await.unwrap();
    assert!(second.tls().unwrap().resumed);
    drop(second);
    there.await.unwrap();
}

#[tokio::test]
async fn a_session_with_anyone_is_not_resumed_as_one_with_somebody() {
    let mut world = World::with(Certificates::valid("other.example", 2020..2099));
    let there = world.serve(&[&format!("{OFFERED}C: QUIT\nS: 221 bye\nC closes"), BROKEN_OFF]);
    world.open(&way(Tls::Opportunistic)).await.unwrap().quit().await;
    assert_eq!(world.open(&way(required(Trust::Roots))).await.unwrap_err().why.category, "tls");
    there.await.unwrap();
}

fn dane(records: &[(u8, u8, u8, &[u8])]) -> Trust {
    let record = |(usage, selector, matching, data): &(u8, u8, u8, &[u8])| Tlsa {
        usage: *usage,
        selector: *selector,
        matching: *matching,
        data: data.to_vec(),
    };
    Trust::Dane { records: records.iter().map(record).collect(), names: Vec::new() }
}

fn key_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
    webpki::EndEntityCert::try_from(certificate).unwrap().subject_public_key_info().to_vec()
}

/// Does a server with these certificates do?
async fn does(certificates: Certificates, trust: impl Fn(&Certificates) -> Trust) -> bool {
    let trust = trust(&certificates);
    let mut world = World::with(certificates);
    let there = world.serve(&[OFFERED]);
    let opened = world.open(&way(required(trust))).await;
    let verified = opened.as_ref().ok().and_then(|session| session.tls()).map(|tls| tls.verified);
    assert!(matches!(verified, None | Some(Verified::Dane)));
    drop(opened);
    there.await.unwrap();
    verified.is_some()
}

#[tokio::test]
async fn dane_ee_is_the_certificate_or_its_key_whatever_names_and_dates_it_has() {
    let wrong = || Certificates::valid("other.example", 2000..2001);
    let sha = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
    assert!(does(wrong(), |c| dane(&[(3, 1, 1, &sha(&key_of(&c.server)))])).await);
    assert!(does(wrong(), |c| dane(&[(3, 0, 0, &c.server)])).await);
    assert!(does(wrong(), |c| dane(&[(3, 0, 2, digest(&SHA512, &c.server).as_ref())])).await);
    // A rollover: the old key and the new are both published.
    assert!(does(wrong(), |c| dane(&[(3, 1, 1, &[7; 32]), (3, 1, 0, &key_of(&c.server))])).await);
    assert!(!does(wrong(), |_| dane(&[(3, 1, 1, &[7; 32])])).await);
    assert!(!does(wrong(), |c| dane(&[(3, 1, 1, &sha(&c.server))])).await);
    assert!(!does(wrong(), |c| dane(&[(3, 1, 9, &key_of(&c.server))])).await);
    assert!(!does(wrong(), |c| dane(&[(3, 1, 1, &sha(&key_of(&c.ca)))])).await, "the CA is not the server");
    assert!(!does(wrong(), |_| dane(&[])).await);
    // Valid by every root in the world, and not the one that the DNS names.
    assert!(!does(Certificates::valid(HOST, 2020..2099), |_| dane(&[(3, 1, 1, &[7; 32])])).await);
}

#[tokio::test]
async fn dane_ta_vouches_for_the_host_and_for_today() {
    let valid = || Certificates::valid(HOST, 2020..2099);
    let sha = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
    assert!(does(valid(), |c| dane(&[(2, 1, 1, &sha(&key_of(&c.ca)))])).await);
    assert!(does(valid(), |c| dane(&[(2, 0, 1, &sha(&c.ca))])).await);
    assert!(does(valid(), |c| dane(&[(2, 0, 0, &c.ca)])).await);
    assert!(!does(valid(), |c| dane(&[(2, 0, 1, &sha(&c.server))])).await, "a server does not vouch for itself");
    assert!(!does(Certificates::valid(HOST, 2000..2001), |c| dane(&[(2, 0, 1, &sha(&c.ca))])).await);
    let other = || Certificates::valid("there.example", 2020..2099);
    assert!(!does(other(), |c| dane(&[(2, 0, 1, &sha(&c.ca))])).await);
    // RFC 7672 3.2.2: the name that led here will do.
    let named = |c: &Certificates| match dane(&[(2, 0, 1, &sha(&c.ca))]) {
        Trust::Dane { records, .. } => Trust::Dane { records, names: vec!["there.example".parse().unwrap()] },
        trust => trust,
    };
    assert!(does(other(), named).await);
}

/// RFC 7672 8.1: a host that is an alias is asked for by the name at which its records were found.
#[tokio::test]
async fn dane_asks_for_the_name_that_has_the_records() {
    let base = "host.provider.example";
    let of = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        move |c: &Certificates| match dane(&[(3, 1, 0, &key_of(&c.server))]) {
            Trust::Dane { records, .. } => Trust::Dane { records, names: names.clone() },
            trust => trust,
        }
    };
    let asked = || Certificates::valid(base, 2020..2099).shown_to_who_asks_for(base);
    assert!(does(asked(), of(&[base, HOST, "there.example"])).await);
    let mut world = World::with(asked());
    let tls = required(of(&[HOST, base])(&world.certificates));
    assert!(met(&mut world, tls, &[BROKEN_OFF]).await.is_err(), "this server would show nothing to who asks otherwise");
}

/// RFC 8461 5: a policy in testing mode keeps nothing out, and its report says what it would have kept out.
#[tokio::test]
async fn a_session_with_anyone_can_be_held_to_the_roots_afterwards() {
    for (name, years, failure) in [
        (HOST, 2020..2099, None),
        ("other.example", 2020..2099, Some(ResultType::CertificateHostMismatch)),
        (HOST, 2000..2001, Some(ResultType::CertificateExpired)),
    ] {
        let mut world = World::with(Certificates::valid(name, years));
        let session = met(&mut world, Tls::Opportunistic, &[OFFERED]).await.unwrap();
        assert_eq!(session.failure_by_roots(&world.around), failure);
    }
    let mut world = World::new();
    let session = met(&mut world, Tls::Never, &[CLEAR]).await.unwrap();
    assert_eq!(session.failure_by_roots(&world.around), None);
}

#[tokio::test]
async fn what_failed_on_the_way_to_a_session_is_told_with_it() {
    let mut world = World::new();
    let mut way = way(required(Trust::Anyone));
    way.hosts.push(target("mx2.there.example", 20, required(Trust::Anyone)));
    let there = world.serve(&[NO_TLS, OFFERED]);
    let session = world.open(&way).await.unwrap();
    assert_eq!((session.host().to_string().as_str(), session.tls_failure()), ("mx2.there.example", None));
    let tried: Vec<_> = session.tried().iter().map(|tried| (tried.host.to_string(), tried.tls_failure)).collect();
    assert_eq!(tried, [(HOST.to_owned(), Some(ResultType::ValidationFailure))]);
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn a_promise_of_tls_alone_needs_somebody_known() {
    let script = OFFERED.replace("S: 250 CHUNKING", "S: 250 REQUIRETLS");
    for (tls, fits) in [
        (required(Trust::Roots), Ok(())),
        (required(Trust::Anyone), Err("5.7.30".to_owned())),
        (Tls::Opportunistic, Err("5.7.30".to_owned())),
    ] {
        let mut world = World::new();
        let session = met(&mut world, tls, &[&script]).await.unwrap();
        let mut letter = Letter::to(&["a@there.example"]);
        letter.params.require_tls = true;
        assert_eq!(letter.fits(&session).map_err(|why| why.status.to_string()), fits);
    }
}
