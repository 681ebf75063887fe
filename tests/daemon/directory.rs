//! What the daemon knows by heart: the file's half changes with a reload, the store's half by itself,
//! whoever changed it.

use crate::running::{Daemon, Yard, eventually};
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, DomainId};
use gatepost::base::random::Random;
use gatepost::model::directory::{EntryKind, EntryRow};
use gatepost::store::Store;
use gatepost::store::dialect::Location;
use gatepost::store::directory::{delete_entry, new_entry};
use gatepost::store::open::Opening;
use gatepost::store::seal::parse_master_key;
use nix::sys::signal::Signal;

const ONE_DOMAIN: &str = "[[domain]]\nname = \"one.example\"\ntenant = \"acme\"\n";
const TWO_DOMAINS: &str = "[[domain]]\nname = \"one.example\"\n[[domain]]\nname = \"two.example\"\n";

fn knows(daemon: &Daemon, domains: u64) {
    let known = eventually(|| (daemon.status()["directory"]["domains"] == domains).then_some(()));
    assert!(known.is_some(), "{domains} domains: {}", daemon.status()["directory"]);
}

/// The same store from another process, as another node would open it.
async fn another_node(yard: &Yard) -> Store {
    let key = std::fs::read_to_string(yard.path("data/master.key")).unwrap();
    let opening = Opening {
        location: Location::File(yard.path("data/gatepost.db")),
        read_connections: 1,
        write_connections: 1,
        master_key: parse_master_key(&key).unwrap(),
        clock: Clock::System,
        random: Random::System,
    };
    Store::open(opening).await.unwrap()
}

#[tokio::test]
async fn a_change_by_another_node_is_seen_and_so_is_a_reload() {
    let yard = Yard::with(ONE_DOMAIN);
    let daemon = yard.start();
    knows(&daemon, 1);
    let store = another_node(&yard).await;
    let tenant = store.tenant("acme").await.unwrap().expect("the file's tenant has its row").id;

    let id: DomainId = id::new(Clock::System.now(), &Random::System);
    let entry = EntryRow {
        kind: EntryKind::Domain,
        id: id.to_string(),
        tenant,
        name: "three.example".to_owned(),
        definition: "{}".to_owned(),
        disabled_at: None,
    };
    store.write(new_entry(&entry, Clock::System.now())).await.unwrap();
    knows(&daemon, 2);
    store.write(delete_entry(EntryKind::Domain, id.as_str(), Clock::System.now())).await.unwrap();
    knows(&daemon, 1);
    store.close().await;

    yard.configure(TWO_DOMAINS);
    daemon.signal(Signal::SIGHUP);
    knows(&daemon, 2);
}
