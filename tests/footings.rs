//! Whoever looks whether tracking hosts and return paths lead here, look by look: what makes something ready, what
//! ends it at once, and what only makes doubtful. The DNS is a zone, the host a web server of the test.

use crate::policies::Policies;
use crate::stores::Fresh;
use gatepost::base::clock::Clock;
use gatepost::base::limits;
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::config::Environment;
use gatepost::config::load::load_text;
use gatepost::dns::zone::Zone;
use gatepost::dns::{Resolver, Source};
use gatepost::mail::domain_name::DomainName;
use gatepost::model::directory::{Directory, DirectoryHandle, DirectoryRows, Parts as Files};
use gatepost::policy::readiness::echo::Echo;
use gatepost::policy::readiness::{Footing, Footings, Part};
use gatepost::store::Store;
use gatepost::store::dialect::Engine;
use gatepost::tend::records::{Parts, Watch, Ways};
use std::path::Path;
use std::sync::{Arc, Mutex};

const MAIL: &str = "mail.example.com. A 192.0.2.1\n";
const RIGHT: &str = "mail.example.com. A 192.0.2.1\nt.example.com. CNAME mail.example.com.\n\
    rp.example.com. MX 10 mail.example.com.\nrp.example.com. TXT \"v=spf1 a:mail.example.com -all\"\n";

fn directory(file: &str) -> Directory {
    let environment = Environment::default().on_machine("mail.example.com");
    let config = load_text("gatepost.toml", file.to_owned(), Path::new(""), &environment).config.expect("a good file");
    let files = Files {
        tenants: &config.tenant,
        relays: &config.relay,
        sources: &config.source,
        destinations: &config.destination,
        streams: &[],
        domains: &config.domain,
        credentials: &config.credential,
        mailboxes: &config.mailbox,
        routes: &config.route,
    };
    Directory::assemble(&files, &DirectoryRows::default()).0
}

fn domain(lines: &str) -> String {
    format!("[[domain]]\nname = \"example.com\"\n{lines}\n")
}

struct House {
    watch: Arc<Watch>,
    directory: Arc<DirectoryHandle>,
    footings: Footings,
    store: Arc<Store>,
    hostname: Arc<Mutex<DomainName>>,
    web: Policies,
    fresh: Fresh,
}

impl House {
    async fn with(lines: &str) -> Self {
        let fresh = Fresh::on(Engine::Sqlite);
        let (store, web) = (Arc::new(fresh.open().await), Policies::serving(&["t.example.com"]).await);
        let directory = Arc::new(DirectoryHandle::new(directory(&domain(lines))));
        let (footings, hostname) = (Footings::default(), Arc::new(Mutex::new("mail.example.com".parse().unwrap())));
        let called = hostname.clone();
        let watch = Watch::new(Parts {
            directory: directory.clone(),
            footings: footings.clone(),
            resolver: resolver(RIGHT),
            store: store.clone(),
            hostname: Arc::new(move || DomainName::clone(&called.lock().unwrap())),
            echo: Echo::under(&Secret::new(vec![1; 32])),
            ways: Ways { of_file: web.client(), of_store: web.client() },
            clock: Clock::System,
            random: Random::seeded(1),
        });
        Self { watch, directory, footings, store, hostname, web, fresh }
    }

    /// Looks by this zone, and says how it stands then.
    async fn sees(&self, zone: &str, part: Part) -> Footing {
        self.watch.look_now(&"example.com".parse().unwrap(), &resolver(zone)).await;
        self.stands(part)
    }

    fn stands(&self, part: Part) -> Footing {
        let directory = self.directory.load();
        self.footings.of(&directory.domains()[0].value, part)
    }

    async fn events(&self, kind: &str) -> i64 {
        self.fresh.count(&format!("events WHERE kind = '{kind}'")).await
    }

    async fn ends(self) {
        self.store.close().await;
    }
}

fn resolver(zone: &str) -> Resolver {
    Resolver::new(Source::Zone(Zone::parse(zone).unwrap()))
}

#[track_caller]
fn says(footing: &Footing, part: &str) {
    assert!(footing.why_not().is_some_and(|why| why.contains(part)), "{part}: {footing:?}");
}

#[tokio::test]
async fn a_return_path_outlives_doubts_and_no_certain_end() {
    let house = House::with("return_path = \"message\"").await;
    says(&house.stands(Part::ReturnPath), "not been checked");
    assert!(house.sees(RIGHT, Part::ReturnPath).await.is_ready());
    assert_eq!(house.events("domain.return_path_ready").await, 1);
    let fails = format!("{MAIL}rp.example.com. SERVFAIL\n");
    for _ in 1..limits::FOOTING_DOUBTS_MAX {
        assert!(house.sees(&fails, Part::ReturnPath).await.is_ready());
    }
    // An answer between them ends the count.
    assert!(house.sees(RIGHT, Part::ReturnPath).await.is_ready());
    for _ in 1..limits::FOOTING_DOUBTS_MAX {
        assert!(house.sees(&fails, Part::ReturnPath).await.is_ready());
    }
    says(&house.sees(&fails, Part::ReturnPath).await, "could not be asked: the server answered SERVFAIL");
    assert_eq!(house.events("domain.return_path_lost").await, 1);
    assert!(house.sees(RIGHT, Part::ReturnPath).await.is_ready());
    says(
        &house.sees(MAIL, Part::ReturnPath).await,
        "the MX of rp.example.com is missing; the TXT of rp.example.com is missing",
    );
    assert_eq!((house.events("domain.return_path_lost").await, house.events("domain.return_path_ready").await), (2, 2));
    house.ends().await;
}

#[tokio::test]
async fn what_is_wrong_of_a_return_path_is_said() {
    let house = House::with("return_path = \"message\"").await;
    for (zone, why) in [
        (MAIL.to_owned(), "is missing"),
        (
            RIGHT.replace("rp.example.com. MX 10 mail", "rp.example.com. MX 10 other"),
            "the MX of rp.example.com is wrong: mail goes elsewhere",
        ),
        (RIGHT.replace("a:mail.example.com -all", "-all"), "the TXT of rp.example.com is wrong: it forbids 192.0.2.1"),
        (format!("{MAIL}rp.example.com. SERVFAIL\n"), "SERVFAIL"),
    ] {
        says(&house.sees(&zone, Part::ReturnPath).await, why);
    }
    assert_eq!(house.fresh.count("events").await, 0, "it was never ready");
    house.ends().await;
}

#[tokio::test]
async fn a_host_that_answers_for_somebody_else_is_never_ready() {
    let house = House::with("tracking = { host = \"https://t.example.com\" }").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    house.web.says(head, &"0".repeat(64));
    says(&house.sees(RIGHT, Part::Tracking).await, "somebody else answers there (200)");
    let heard = house.web.heard.lock().unwrap().clone();
    assert!(heard.starts_with("GET /t/ready/") && heard.contains("host: t.example.com\r\n"), "{heard}");
    house.web.says("HTTP/1.1 302 Found\r\nLocation: https://t.example.com/\r\n", "");
    says(&house.sees(RIGHT, Part::Tracking).await, "(302)");
    house.web.says(head, &"x".repeat(limits::ECHO_BYTES_MAX + 1));
    says(&house.sees(RIGHT, Part::Tracking).await, "larger than");
    house.web.fails();
    says(&house.sees(RIGHT, Part::Tracking).await, "it answered 503");
    house.ends().await;
}

#[tokio::test]
async fn a_host_that_is_not_there_says_what_to_do() {
    let house = House::with("tracking = { host = \"https://t.example.com\" }").await;
    says(
        &house.sees(MAIL, Part::Tracking).await,
        "t.example.com has no address in the DNS: make it an alias of mail.example.com",
    );
    says(&house.sees("t.example.com. TXT \"x\"\n", Part::Tracking).await, "has no address");
    says(&house.sees("t.example.com. SERVFAIL\n", Part::Tracking).await, "could not be looked up");
    assert_eq!(house.web.asked(), 0);
    house.ends().await;
    for (host, why) in [
        ("http://t.example.com", "make it https"),
        ("https://192.0.2.1", "name a host"),
        ("https://other.example.com", "its certificate is not valid"),
    ] {
        let house = House::with(&format!("tracking = {{ host = \"{host}\" }}")).await;
        let zone = format!("{RIGHT}other.example.com. A 192.0.2.1\n");
        says(&house.sees(&zone, Part::Tracking).await, why);
        assert_eq!(house.web.asked(), 0, "{host}");
        house.ends().await;
    }
}

#[tokio::test]
async fn a_round_looks_at_what_is_new_or_changed_and_at_nothing_twice() {
    let house = House::with("tracking = { host = \"https://t.example.com\" }\nreturn_path = \"recipient\"").await;
    house.web.says("HTTP/1.1 404 No\r\n", "");
    house.watch.round().await;
    assert!(house.stands(Part::ReturnPath).is_ready());
    says(&house.stands(Part::Tracking), "somebody else");
    assert_eq!(house.web.asked(), 1);
    house.watch.round().await;
    assert_eq!(house.web.asked(), 1, "it is not due");

    // The same settings in another directory are no news.
    let same = "tracking = { host = \"https://t.example.com\" }\nreturn_path = \"recipient\"";
    house.directory.replace(directory(&domain(same)));
    house.watch.round().await;
    assert_eq!(house.web.asked(), 1);
    let other = "tracking = { host = \"https://t.example.com\", opens = false }\nreturn_path = \"recipient\"";
    house.directory.replace(directory(&domain(other)));
    house.watch.round().await;
    assert_eq!(house.web.asked(), 2);

    // Another name of ours is another question.
    *house.hostname.lock().unwrap() = "new.example.com".parse().unwrap();
    house.watch.round().await;
    assert_eq!(house.web.asked(), 3);
    says(&house.stands(Part::ReturnPath), "mail goes elsewhere");
    house.ends().await;
}

#[tokio::test]
async fn a_domain_that_came_back_is_looked_at_again() {
    let house = House::with("return_path = \"message\"").await;
    house.watch.round().await;
    assert!(house.stands(Part::ReturnPath).is_ready());
    house.directory.replace(directory(""));
    house.watch.round().await;
    house.directory.replace(directory(&domain("return_path = \"message\"")));
    says(&house.stands(Part::ReturnPath), "not been checked");
    house.watch.round().await;
    assert!(house.stands(Part::ReturnPath).is_ready());
    house.ends().await;
}
