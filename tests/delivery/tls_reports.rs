//! How TLS went is counted for the reports that domains ask for (RFC 8460): sessions and not messages, each by
//! the rule that it was held to.

use super::sink::{Offer, Showing};
use super::world::{World, store};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// What was counted: domain, policy, host, result, how often. It is written down when the daemon ends.
fn counted(world: &World) -> Vec<(String, String, String, String, i64)> {
    let store = store(world);
    let sql = "SELECT domain, policy, host, result, SUM(count) FROM tls_results GROUP BY 1, 2, 3, 4 ORDER BY 1, 3";
    let mut question = store.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    question.query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn row(domain: &str, policy: &str, host: &str, result: &str, count: i64) -> (String, String, String, String, i64) {
    (domain.into(), policy.into(), host.into(), result.into(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_counts_once_however_many_mails_it_carries_and_in_the_clear_as_a_failure() {
    let world = World::new();
    let tls = world.authority.server("mx.far.example", Showing::OtherAuthority);
    let private = world.mx("far.example", Offer::usual().starttls(tls)).await;
    let _clear = world.mx("near.example", Offer::usual()).await;
    let mut house = world.open();
    for to in ["one@far.example", "two@far.example", "one@near.example"] {
        house.sends(&[to]);
        house.comes_to(to, "delivered");
    }
    assert_eq!(private.connections(), 1);
    house.daemon.stops();
    assert_eq!(
        counted(&world),
        [
            row("far.example", "no-policy-found", "mx.far.example", "ok", 1),
            row("near.example", "no-policy-found", "mx.near.example", "starttls-not-supported", 1),
        ]
    );
}

/// A host whose certificate is not the one in the DNS is counted, and so is the next one that is.
#[tokio::test(flavor = "multi_thread")]
async fn what_dane_refused_and_what_it_took_are_counted_by_host() {
    let world = World::new();
    let mut sinks = Vec::new();
    for name in ["mx1.far.example", "mx2.far.example"] {
        let tls = world.authority.server(name, Showing::Good);
        sinks.push(world.host(name, Offer::usual().starttls(tls)).await);
    }
    let authority = CertificateDer::from_pem_slice(world.authority.pem().as_bytes()).unwrap();
    let hex: String = authority.iter().map(|byte| format!("{byte:02x}")).collect();
    let port = sinks[0].address.port();
    world.zone("$PROVEN far.example.\nfar.example. MX 10 mx1.far.example.\nfar.example. MX 20 mx2.far.example.");
    world.zone(&format!("_{port}._tcp.mx1.far.example. TLSA 3 1 1 {}", "00".repeat(32)));
    world.zone(&format!("_{port}._tcp.mx2.far.example. TLSA 2 0 0 {hex}"));
    let mut house = world.open();
    house.sends(&["one@far.example"]);
    assert!(sinks[1].message().await.tls);
    house.comes_to("one@far.example", "delivered");
    assert!(house.tries("one@far.example")[0].tls.as_deref().is_some_and(|tls| tls.ends_with("(dane)")));
    house.daemon.stops();
    assert_eq!(
        counted(&world),
        [
            row("far.example", "tlsa", "mx1.far.example", "certificate-not-trusted", 1),
            row("far.example", "tlsa", "mx2.far.example", "ok", 1),
        ]
    );
}
