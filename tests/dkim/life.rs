//! The life of the keys that Gatepost makes, on a clock and a DNS of the test's: from the record's first sight to
//! its end, and what signs meanwhile.

use crate::stores::{Fresh, on_both};
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id;
use gatepost::base::limits;
use gatepost::base::random::Random;
use gatepost::config::{Environment, load::load_text};
use gatepost::daemon::signing::Signer;
use gatepost::dns::zone::Zone;
use gatepost::dns::{Resolver, Source};
use gatepost::mail::domain_name::DomainName;
use gatepost::model::directory::{Directory, DirectoryHandle, Parts};
use gatepost::model::dkim::{Algorithm, MadeKey, Stage};
use gatepost::model::people::Tenant;
use gatepost::proof::{PublicKey, Signing};
use gatepost::store::{Store, people};
use gatepost::tend::dkim::{NotMade, Tender, Wish};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

on_both! {
    a_first_key_signs_as_soon_as_its_record_is_seen
    a_rotation_leaves_no_moment_without_a_key
    a_record_that_disappears_is_told_once
    two_nodes_move_a_key_once
    keys_that_cannot_be_used_keep_mail_from_leaving_unsigned
    a_selector_is_given_once
}

const NOW: Time = Time::from_micros(1_700_000_000_000_000);

struct Desk {
    tender: Arc<Tender>,
    signer: Signer,
    clock: Clock,
    zone: std::sync::Mutex<Vec<String>>,
}

async fn tenant(store: &Store, name: &str) {
    if store.tenant(name).await.unwrap().is_none() {
        let (id, name) = (id::new(NOW, &Random::System), name.to_owned());
        let tenant = Tenant { id, name, created_at: NOW, disabled_at: None, deleted_at: None };
        store.write(people::new_tenant(&tenant)).await.unwrap();
    }
}

/// The directory of a file in which example.com belongs to this tenant.
async fn directory(store: &Store, owner: &str) -> Directory {
    tenant(store, owner).await;
    let text = format!(
        "[server]\nhostname = \"mail.example.com\"\n[[domain]]\nname = \"example.com\"\ntenant = \"{owner}\"\n"
    );
    let loaded = load_text("test", text, Path::new("."), &Environment::default());
    let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.findings));
    let parts = Parts { domains: &config.domain, ..Parts::default() };
    Directory::assemble(&parts, &store.directory_rows().await.unwrap()).0
}

fn domain() -> DomainName {
    "example.com".parse().unwrap()
}

impl Desk {
    async fn on(fresh: &Fresh) -> Self {
        let store = Arc::new(fresh.open().await);
        let clock = Clock::set(NOW);
        let signer = Signer::default();
        let tender = Tender {
            directory: Arc::new(DirectoryHandle::new(directory(&store, "acme").await)),
            resolver: Resolver::new(Source::Zone(Zone::default())),
            signing: signer.keys.clone(),
            clock: clock.clone(),
            random: Random::System,
            store,
        };
        Self { tender: Arc::new(tender), signer, clock, zone: std::sync::Mutex::default() }
    }

    async fn makes(&self, selector: &str, algorithm: Algorithm, replaces: Option<&MadeKey>) -> MadeKey {
        let wish = Wish {
            domain: domain(),
            selector: selector.parse().unwrap(),
            algorithm,
            replaces: replaces.map(|key| key.id.clone()),
        };
        self.tender.make(wish).await.unwrap()
    }

    fn publishes(&self, key: &MadeKey) {
        let line = PublicKey::new(key.algorithm, key.public.clone()).zone_line(&key.domain, &key.selector);
        self.zone.lock().unwrap().push(line);
        self.swap();
    }

    fn takes_out(&self, key: &MadeKey) {
        self.zone.lock().unwrap().retain(|line| !line.starts_with(key.selector.as_str()));
        self.swap();
    }

    fn swap(&self) {
        let text = self.zone.lock().unwrap().join("\n");
        self.tender.resolver.swap(Source::Zone(Zone::parse(&text).unwrap()));
    }

    /// Looks at all keys, as the clock and people do; their stages by selector.
    async fn looks(&self) -> Vec<(String, Stage)> {
        let keys = self.tender.store.dkim_keys_of(&domain()).await.unwrap();
        let living = keys.into_iter().filter(|key| key.stage != Stage::Retired).collect();
        self.tender.look(living).await.unwrap();
        self.assembles().await;
        let keys = self.tender.store.dkim_keys_of(&domain()).await.unwrap();
        keys.iter().map(|key| (key.selector.to_string(), key.stage)).collect()
    }

    async fn assembles(&self) {
        self.signer.read(&self.tender.store).await.unwrap();
        self.signer.assemble(&self.tender.directory.load());
    }

    /// The selectors that sign, or why none may be left away; nothing where mail is not signed.
    fn signs(&self) -> String {
        match self.signer.keys.load().of(&domain()) {
            Signing::None => "not at all".to_owned(),
            Signing::With(keys) => keys.iter().map(|key| key.selector().to_string()).collect::<Vec<_>>().join(" "),
            Signing::Unusable(why) => format!("cannot: {why}"),
        }
    }
}

fn stages(of: &[(&str, Stage)]) -> Vec<(String, Stage)> {
    of.iter().map(|(selector, stage)| ((*selector).to_owned(), *stage)).collect()
}

async fn a_first_key_signs_as_soon_as_its_record_is_seen(fresh: &Fresh) {
    let desk = Desk::on(fresh).await;
    let (rsa, ed) = (desk.makes("r", Algorithm::Rsa, None).await, desk.makes("e", Algorithm::Ed25519, None).await);
    assert_eq!(desk.looks().await, stages(&[("e", Stage::Pending), ("r", Stage::Pending)]));
    assert_eq!(desk.signs(), "not at all");
    desk.publishes(&rsa);
    assert_eq!(desk.looks().await, stages(&[("e", Stage::Pending), ("r", Stage::Active)]));
    assert_eq!(desk.signs(), "r");
    // One of the other kind does not wait for it either.
    desk.publishes(&ed);
    assert_eq!(desk.looks().await, stages(&[("e", Stage::Active), ("r", Stage::Active)]));
    assert_eq!(desk.signs(), "r e", "RSA on top");
    for (kind, times) in [("made", 2), ("published", 2), ("active", 2), ("missing", 0)] {
        assert_eq!(fresh.count(&format!("events WHERE kind = 'dkim.{kind}'")).await, times, "{kind}");
    }
    // What was kept is what signs, and what the record says.
    let message = b"From: a@example.com\r\n\r\nbody\r\n";
    let keys = desk.signer.keys.load();
    let Signing::With(keys) = keys.of(&domain()) else { panic!("{}", desk.signs()) };
    let whole = super::signed(message, keys);
    let records = [&rsa, &ed].map(|key| {
        let owner = format!("{}.", gatepost::proof::record::owner(&key.domain, &key.selector));
        (owner, PublicKey::new(key.algorithm, key.public.clone()).record())
    });
    let accepted = std::thread::spawn(move || crate::verifier::Verifier::with_records(records).accepts(&whole, 2));
    assert!(accepted.join().unwrap());
}

async fn a_rotation_leaves_no_moment_without_a_key(fresh: &Fresh) {
    let desk = Desk::on(fresh).await;
    let old = desk.makes("old", Algorithm::Ed25519, None).await;
    desk.publishes(&old);
    desk.looks().await;
    let new = desk.makes("new", Algorithm::Ed25519, Some(&old)).await;
    desk.publishes(&new);
    assert_eq!(desk.looks().await, stages(&[("new", Stage::Published), ("old", Stage::Active)]));
    desk.clock.advance(limits::DKIM_SPREADS_IN - Duration::from_secs(1));
    desk.looks().await;
    assert_eq!(desk.signs(), "old");
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.looks().await, stages(&[("new", Stage::Active), ("old", Stage::Retiring)]));
    assert_eq!(desk.signs(), "new");
    desk.clock.advance(limits::DKIM_RETIRES_IN - Duration::from_secs(1));
    assert_eq!(desk.looks().await[1].1, Stage::Retiring);
    assert!(desk.tender.store.dkim_private(&old.id).await.unwrap().is_some());
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.looks().await, stages(&[("new", Stage::Active), ("old", Stage::Retired)]));
    assert_eq!(desk.signs(), "new");
    assert!(desk.tender.store.dkim_private(&old.id).await.unwrap().is_none(), "nobody needs it any more");
    assert_eq!(fresh.count("events WHERE kind IN ('dkim.retiring', 'dkim.retired')").await, 2);
}

async fn a_record_that_disappears_is_told_once(fresh: &Fresh) {
    let desk = Desk::on(fresh).await;
    let key = desk.makes("gp1", Algorithm::Ed25519, None).await;
    desk.publishes(&key);
    desk.looks().await;
    // No answer is no sign of anything.
    desk.tender.resolver.swap(Source::Zone(Zone::parse("gp1._domainkey.example.com SERVFAIL").unwrap()));
    desk.looks().await;
    assert_eq!(fresh.count("events WHERE kind = 'dkim.missing'").await, 0);
    desk.takes_out(&key);
    for _ in 0..3 {
        assert_eq!(desk.looks().await, stages(&[("gp1", Stage::Active)]));
    }
    assert_eq!(fresh.count("events WHERE kind = 'dkim.missing'").await, 1);
    assert_eq!(desk.signs(), "gp1", "it may come back, and nothing leaves unsigned");
    desk.publishes(&key);
    desk.looks().await;
    assert_eq!(fresh.count("events WHERE kind = 'dkim.found'").await, 1);
    assert_eq!(desk.tender.store.dkim_keys().await.unwrap()[0].missing_at, None);
}

async fn two_nodes_move_a_key_once(fresh: &Fresh) {
    let desk = Desk::on(fresh).await;
    let key = desk.makes("gp1", Algorithm::Ed25519, None).await;
    desk.publishes(&key);
    let looks = (0..4).map(|_| desk.tender.look(vec![key.clone()]));
    for looked in futures_util::future::join_all(looks).await {
        looked.unwrap();
    }
    assert_eq!(desk.looks().await, stages(&[("gp1", Stage::Active)]));
    assert_eq!(fresh.count("events WHERE kind = 'dkim.published'").await, 1);
    assert_eq!(fresh.count("events WHERE kind = 'dkim.active'").await, 1);
}

async fn keys_that_cannot_be_used_keep_mail_from_leaving_unsigned(fresh: &Fresh) {
    let desk = Desk::on(fresh).await;
    let key = desk.makes("gp1", Algorithm::Ed25519, None).await;
    desk.publishes(&key);
    desk.looks().await;
    assert_eq!(desk.signs(), "gp1");
    // The domain changes hands: the key is the other's.
    let theirs = directory(&desk.tender.store, "other").await;
    desk.signer.assemble(&theirs);
    assert!(desk.signs().starts_with("cannot: its DKIM key gp1 was made for another tenant"), "{}", desk.signs());
    // Its private half is gone.
    let store = &desk.tender.store;
    store.write(store.retire_secrets("dkim", key.id.as_str())).await.unwrap();
    let anew = Signer::default();
    anew.read(store).await.unwrap();
    anew.assemble(&desk.tender.directory.load());
    assert!(matches!(anew.keys.load().of(&domain()), Signing::Unusable(why) if why.contains("cannot be opened")));
    // It ended, and nothing took its place.
    let retiring = key.become_at(Stage::Published, NOW).and_then(|key| key.become_at(Stage::Active, NOW)).unwrap();
    let ended = retiring.become_at(Stage::Retiring, NOW).unwrap();
    store.write(store.move_dkim_key(&retiring, &ended, NOW)).await.unwrap();
    desk.assembles().await;
    assert!(desk.signs().starts_with("cannot: its DKIM key gp1 is retired"), "{}", desk.signs());
}

async fn a_selector_is_given_once(fresh: &Fresh) {
    let desk = Desk::on(fresh).await;
    desk.makes("gp1", Algorithm::Ed25519, None).await;
    let wish = |domain: &str, selector: &str| Wish {
        domain: domain.parse().unwrap(),
        selector: selector.parse().unwrap(),
        algorithm: Algorithm::Ed25519,
        replaces: None,
    };
    let long = ["a".repeat(60).as_str(); 4].join(".");
    for (wish, why) in [
        (wish("example.com", "gp1"), "SelectorTaken"),
        (wish("EXAMPLE.com", "GP1"), "SelectorTaken"),
        (wish("other.example", "gp1"), "NoSuchDomain"),
        (wish("example.com", &long), "NameTooLong"),
    ] {
        assert_eq!(format!("{:?}", desk.tender.make(wish).await.unwrap_err()), why);
    }
    for n in 1..limits::DKIM_KEYS_OF_DOMAIN_MAX {
        desk.makes(&format!("n{n}"), Algorithm::Ed25519, None).await;
    }
    assert!(matches!(desk.tender.make(wish("example.com", "more")).await, Err(NotMade::TooMany)));
    let made = desk.tender.store.dkim_keys_of(&domain()).await.unwrap();
    assert_eq!(made.len(), limits::DKIM_KEYS_OF_DOMAIN_MAX);
    // Sealed: a private key stands nowhere in the clear.
    assert_eq!(fresh.count("secrets WHERE purpose = 'dkim'").await, made.len() as i64);
}
