//! The directory, from outside: what a node knows by heart, from the file and from the store; which of
//! the two wins; and that no tenant reaches what is another's.

use crate::postgres::Cluster;
use gatepost::base::clock::{Clock, Time};
use gatepost::base::id::{self, KeyId, TenantId};
use gatepost::base::random::Random;
use gatepost::base::secret::Secret;
use gatepost::config::load::load_text;
use gatepost::config::{Config, Environment};
use gatepost::model::directory::{
    Consequence, Directory, DirectoryHandle, DirectoryRows, EntryKind, EntryRow, Key, KeyRefusal, Parts, Source,
};
use gatepost::model::name::Name;
use gatepost::model::people::Tenant;
use gatepost::store::dialect::Location;
use gatepost::store::open::Opening;
use gatepost::store::{Change, Store, directory, people};
use proptest::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

const FILE: &str = r#"
[[relay]]
name = "upstream"
host = "smtp.provider.example"
username = "user"
password = "hunter2"

[[tenant]]
name = "acme"
limits = ["1000/day"]

[[domain]]
name = "example.com"
relay = "upstream"

[[domain]]
name = "example.org"
tenant = "acme"

[[credential]]
username = "app@example.com"
password = "hunter2"
domains = ["example.com"]

[[credential]]
username = "office"
networks = ["10.0.0.0/8"]
domains = ["*"]

[[mailbox]]
name = "support"
address = "Support@example.com"
reply_domain = "reply.example.com"

[[route]]
recipient = "support@example.com"
actions = [{ ticket = "support" }]

[[route]]
recipient = "*@example.org"
actions = [{ discard = true }]

[[source]]
name = "pool"
addresses = [{ address = "192.0.2.1", hello = "out1.example.com" }, { address = "2001:db8::1" }]

[[destination]]
match = ["gmail.com", "mx:*.google.com"]
connections = 5
source = "pool"

[[destination]]
match = ["relay:upstream"]
rate = "100/minute"
"#;

fn config() -> Config {
    let environment = Environment::default().on_machine("mail.example.com");
    load_text("gatepost.toml", FILE.to_owned(), Path::new(""), &environment).config.expect("a good file")
}

fn parts(config: &Config) -> Parts<'_> {
    Parts {
        tenants: &config.tenant,
        relays: &config.relay,
        sources: &config.source,
        destinations: &config.destination,
        domains: &config.domain,
        streams: &config.stream,
        credentials: &config.credential,
        mailboxes: &config.mailbox,
        routes: &config.route,
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(micros: i64) -> Time {
    Time::from_micros(micros)
}

/// Rows of a store, as an API would have made them.
struct Rows {
    rows: DirectoryRows,
}

impl Rows {
    /// With the tenants `default`, `acme` and `rival`.
    fn new() -> Self {
        let tenant = |(n, name): (i64, &str)| Tenant {
            id: id::new(at(n * 1_000), &Random::seeded(n as u64)),
            name: name.into(),
            created_at: at(n),
            disabled_at: None,
            deleted_at: None,
        };
        let tenants = [(1, "default"), (2, "acme"), (3, "rival")].into_iter().map(tenant).collect();
        Self { rows: DirectoryRows { version: 7, tenants, ..Default::default() } }
    }

    fn tenant(&self, name: &str) -> TenantId {
        self.rows.tenants.iter().find(|tenant| tenant.name == name).unwrap().id.clone()
    }

    fn with(mut self, kind: EntryKind, tenant: &str, name: &str, definition: &str) -> Self {
        let id = format!("row_{}", self.rows.entries.len());
        let tenant = self.tenant(tenant);
        let (name, definition) = (name.to_owned(), definition.to_owned());
        self.rows.entries.push(EntryRow { kind, id, tenant, name, definition, disabled_at: None });
        self
    }

    fn assemble(&self) -> (Directory, Vec<String>) {
        let (directory, troubles) = Directory::assemble(&parts(&config()), &self.rows);
        (directory, troubles.iter().map(ToString::to_string).collect())
    }
}

/// SHA-256 of "hunter2", in hex.
const HASH: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

fn key(tenant: &TenantId) -> Key {
    Key {
        id: id::new(at(1), &Random::System),
        tenant: tenant.clone(),
        name: "deploy".into(),
        secret_hash: HASH.into(),
        scopes: r#"["emails.send"]"#.into(),
        domains: r#"["example.com"]"#.into(),
        networks: r#"["10.0.0.0/8"]"#.into(),
        created_at: at(1),
        expires_at: Some(at(1_000)),
    }
}

#[test]
fn a_tenant_has_the_limits_of_the_file() {
    let (directory, _) = Rows::new().assemble();
    let limits = directory.tenant_limits(&name("acme")).map(|tenant| tenant.limits.as_slice());
    assert_eq!(limits, Some(&["1000/day".parse().unwrap()][..]));
    assert!(directory.tenant_limits(&name("rival")).is_none());
}

// --- lookups --------------------------------------------------------------------------------------

#[test]
fn what_the_file_says_is_found() {
    let (directory, troubles) = Directory::assemble(&parts(&config()), &DirectoryRows::default());
    assert_eq!(troubles, []);
    let domain = directory.domain(&"example.com".parse().unwrap()).unwrap();
    assert!(domain.source.is_read_only());
    assert_eq!((domain.tenant.as_str(), domain.disabled_at), ("default", None));
    assert!(directory.domain(&"sub.example.com".parse().unwrap()).is_none());
    assert!(directory.serves(&"reply.example.com".parse().unwrap()));
    assert!(!directory.serves(&"example.net".parse().unwrap()));
    assert!(directory.credential("app@example.com").is_some());
    assert!(directory.credential("App@example.com").is_none());
    let office = directory.credential_at("10.9.9.9".parse().unwrap()).unwrap();
    assert_eq!(office.value.username.as_str(), "office");
    assert!(directory.credential_at("192.0.2.1".parse().unwrap()).is_none());
    // The file's relays serve every tenant.
    assert!(directory.relay(&name("acme"), &name("upstream")).is_some());
    let support = directory.mailbox_at(&"support@EXAMPLE.com".parse().unwrap()).unwrap();
    assert_eq!(Some(support), directory.mailbox(&name("default"), &name("support")));
    assert_eq!(Some(support), directory.mailbox_of(&directory.routes()[0], &name("support")));
    let tenants: Vec<_> = directory.routes().iter().map(|route| route.tenant.as_str()).collect();
    assert_eq!(tenants, ["default", "acme"]);
}

#[test]
fn what_the_store_adds_is_found_beside_it() {
    let rows = Rows::new()
        .with(EntryKind::Relay, "acme", "own", r#"{"host": "smtp.acme.example"}"#)
        .with(EntryKind::Domain, "acme", "acme.example", r#"{"name": "ACME.example", "relay": "own"}"#)
        .with(EntryKind::Credential, "acme", "crm", r#"{"password": "x", "domains": ["acme.example"]}"#)
        .with(EntryKind::Credential, "acme", "printer", r#"{"networks": ["10.1.2.3"], "domains": ["*"]}"#)
        .with(EntryKind::Mailbox, "acme", "support", r#"{"address": "help@acme.example"}"#)
        .with(EntryKind::Route, "acme", "r", r#"{"recipient": "*@acme.example", "actions": [{"ticket": "support"}]}"#)
        .with(EntryKind::Webhook, "acme", "w", r#"{"url": "https://acme.example/in", "secret": "hunter2"}"#);
    let (directory, troubles) = rows.assemble();
    assert_eq!(troubles, [""; 0]);
    assert_eq!(directory.version(), 7);
    let domain = directory.domain(&"acme.example".parse().unwrap()).unwrap();
    assert_eq!((domain.source.clone(), domain.tenant.as_str()), (Source::Store { id: "row_1".into() }, "acme"));
    assert_eq!(domain.value.tenant.as_str(), "acme");
    // The narrowest network wins, wherever it stands.
    let sender = |address: &str| directory.credential_at(address.parse().unwrap()).unwrap().value.username.to_string();
    assert_eq!((sender("10.1.2.3"), sender("10.1.2.4")), ("printer".into(), "office".into()));
    // Two mailboxes of one name: each tenant's route means its own.
    let route = directory.routes().last().unwrap();
    assert_eq!(directory.mailbox_of(route, &name("support")).unwrap().value.address.to_string(), "help@acme.example");
    let webhook = directory.webhook("row_6").unwrap();
    assert!(webhook.value.definition.expose().contains("hunter2") && !format!("{directory:?}").contains("hunter2"));
}

#[test]
fn no_tenant_reaches_what_is_anothers() {
    let rows = Rows::new()
        .with(EntryKind::Relay, "acme", "own", r#"{"host": "smtp.acme.example"}"#)
        .with(EntryKind::Route, "rival", "all", r#"{"recipient": "/.*/", "actions": [{"discard": true}]}"#)
        .with(EntryKind::Credential, "rival", "crm", r#"{"password": "x", "domains": ["example.com", "*"]}"#)
        .with(EntryKind::Mailbox, "rival", "m", r#"{"address": "sales@example.com"}"#)
        .with(EntryKind::Route, "rival", "r", r#"{"recipient": "a@example.com", "actions": [{"discard": true}]}"#)
        .with(EntryKind::Domain, "rival", "rival.example", r#"{"relay": "own"}"#);
    let (directory, troubles) = rows.assemble();
    assert!(directory.relay(&name("acme"), &name("own")).is_some());
    assert!(directory.relay(&name("rival"), &name("own")).is_none());
    let of = |tenant: &str| directory.routes_for(&name(tenant)).filter(|route| !route.source.is_read_only()).count();
    assert_eq!((of("acme"), of("rival")), (0, 1));
    assert_eq!(directory.credential("crm").unwrap().value.domains.len(), 1, "only its own domains are left");
    assert_eq!(
        troubles,
        [
            "domain \"rival.example\" (row_5) is used, but look at it: its tenant has no relay \"own\", so mail from it \
             waits",
            "credential \"crm\" (row_2) is used, but look at it: it may not send from example.com, which is no domain \
             of its tenant",
            "mailbox \"m\" (row_3) is left out: example.com is no domain of its tenant",
            "route \"r\" (row_4) is left out: example.com is no domain of its tenant",
        ]
    );
}

#[test]
fn ways_out_are_the_operators_and_a_tenant_may_only_name_them() {
    let rows = Rows::new()
        .with(EntryKind::Domain, "acme", "good.example", r#"{"source": "pool"}"#)
        .with(EntryKind::Domain, "acme", "lost.example", r#"{"source": "pol"}"#)
        .with(EntryKind::Relay, "acme", "half", r#"{"host": "smtp.acme.example", "auth": "plain"}"#);
    let (directory, troubles) = rows.assemble();
    let source = |domain: &str| directory.domain(&domain.parse().unwrap()).unwrap().value.source.clone().unwrap();
    assert_eq!(directory.source(&source("good.example")).unwrap().addresses.len(), 2);
    assert!(directory.source(&source("lost.example")).is_none());
    assert_eq!(
        troubles,
        [
            "relay \"half\" (row_2) is left out: it says how to log in, and has no username",
            "domain \"lost.example\" (row_1) is used, but look at it: there is no source \"pol\", so mail from it waits",
        ]
    );
    let rules = directory.destinations();
    assert_eq!(rules.for_domain(&"gmail.com".parse().unwrap()).unwrap().connections, Some(5));
    assert!(rules.for_domain(&"example.org".parse().unwrap()).is_none());
    assert!(rules.for_relay(&name("upstream")).unwrap().rate.is_some());
}

#[test]
fn what_is_disabled_is_found_and_says_so() {
    let mut rows = Rows::new().with(EntryKind::Credential, "acme", "a", r#"{"password": "x", "domains": ["*"]}"#).with(
        EntryKind::Credential,
        "rival",
        "b",
        r#"{"networks": ["10.1.0.0/16"], "domains": ["*"]}"#,
    );
    rows.rows.tenants[1].disabled_at = Some(at(5));
    rows.rows.entries[1].disabled_at = Some(at(6));
    let (directory, _) = rows.assemble();
    assert_eq!(directory.credential("a").unwrap().disabled_at, Some(at(5)), "its tenant is disabled");
    assert_eq!(directory.domain(&"example.org".parse().unwrap()).unwrap().disabled_at, Some(at(5)), "in the file too");
    // A host whose rule is switched off is not let in by its neighbours'.
    assert_eq!(directory.credential_at("10.1.0.1".parse().unwrap()).unwrap().disabled_at, Some(at(6)));
}

// --- the file wins --------------------------------------------------------------------------------

#[test]
fn the_file_wins_over_the_store() {
    let rows = Rows::new()
        .with(EntryKind::Relay, "acme", "upstream", r#"{"host": "evil.example"}"#)
        .with(EntryKind::Domain, "acme", "Example.com", "{}")
        .with(EntryKind::Credential, "acme", "app@example.com", r#"{"password": "x", "domains": ["*"]}"#)
        .with(EntryKind::Credential, "acme", "net", r#"{"networks": ["10.0.0.0/8"], "domains": ["*"]}"#)
        .with(EntryKind::Mailbox, "default", "support", r#"{"address": "other@example.com"}"#)
        .with(EntryKind::Mailbox, "default", "other", r#"{"address": "SUPPORT@example.com"}"#);
    let (directory, troubles) = rows.assemble();
    let alone = Directory::assemble(&parts(&config()), &DirectoryRows::default()).0;
    assert_eq!(directory.relays(), alone.relays());
    assert_eq!(directory.domains(), alone.domains());
    assert_eq!(directory.mailboxes(), alone.mailboxes());
    assert_eq!(directory.credential("app@example.com"), alone.credential("app@example.com"));
    let host = "10.0.0.1".parse().unwrap();
    assert_eq!(directory.credential_at(host), alone.credential_at(host));
    let wins = "the configuration file has one of this name, and the file wins";
    assert_eq!(
        troubles,
        [
            format!("relay \"upstream\" (row_0) is left out: {wins}"),
            format!("domain \"Example.com\" (row_1) is left out: {wins}"),
            format!("credential \"app@example.com\" (row_2) is left out: {wins}"),
            "credential \"net\" (row_3) is used, but look at it: the network 10.0.0.0/8 is credential \"office\"'s already"
                .into(),
            format!("mailbox \"support\" (row_4) is left out: {wins}"),
            "mailbox \"other\" (row_5) is left out: another mailbox has the address SUPPORT@example.com".into(),
        ]
    );
}

#[test]
fn what_cannot_be_read_is_left_out_with_its_reason() {
    use EntryKind::*;
    for (kind, row, definition, why) in [
        (Domain, "a.example", "{", "this is no JSON"),
        (Domain, "a.example", "[]", "takes a table"),
        (Domain, "a.example", r#"{"relai": "direct"}"#, "did you mean \"relay\"?"),
        (Domain, "a.example", r#"{"name": "b.example"}"#, "its definition calls it \"b.example\""),
        (Domain, "a.example", r#"{"tenant": "rival"}"#, "it belongs to tenant \"acme\", and its definition says"),
        (Domain, "a.example", r#"{"dkim": [{"selector": "s", "key": "/etc/key"}]}"#, "takes no file in the store"),
        (Domain, "-", "{}", "\"name\" takes"),
        (Relay, "direct", r#"{"host": "a.example"}"#, "has its own meaning"),
        (Relay, "r", r#"{"host": "a.example", "username": "u"}"#, "only one of username and password"),
        (
            Relay,
            "r",
            r#"{"host": "a.example", "username": "u", "password": "hunter2", "tls": "none"}"#,
            "its password could be read on the way",
        ),
        (Relay, "r", r#"{"host": "a.example", "password": {"file": "/etc/shadow"}}"#, "takes no file"),
        (Relay, "r", r#"{"host": {"env": "HOME"}}"#, "takes no variable"),
        (Credential, "c", r#"{"domains": ["*"]}"#, "neither a password nor networks"),
        (Credential, "c", r#"{"domains": ["*"], "password": "x", "networks": ["10.0.0.1"]}"#, "without the password"),
        (Credential, "c", r#"{"domains": ["*"], "networks": ["0.0.0.0/0"]}"#, "this is an open relay"),
        (
            Credential,
            "c",
            r#"{"domains": ["*"], "password": "$argon2id$hunter2"}"#,
            "its password cannot be used: its version is not v=19",
        ),
        (Credential, "c", r#"{"domains": ["*"], "scram": "hunter2"}"#, "has not the form SCRAM"),
        (
            Credential,
            "c",
            r#"{"domains": ["*"], "password": "x", "recipient_limits": ["1/day", "2/day"]}"#,
            "its recipient_limits have two per day",
        ),
        (Domain, "acme.example", r#"{"limits": ["1/day", "1/hour", "9/hour"]}"#, "its limits have two per hour"),
        (Credential, "c", r#"{"password": ["hunter2"], "domains": ["*"]}"#, "takes a secret"),
        (Route, "r", r#"{"recipient": "/(/", "actions": [{"hold": true}]}"#, "no regular expression"),
        (Route, "r", r#"{"recipient": "/a/", "actions": []}"#, "it has no action"),
        (Route, "r", r#"{"recipient": "/a/", "actions": [{"discard": true}, {"hold": true}]}"#, "stands alone"),
        (Mailbox, "m", r#"{"address": "a@b@c"}"#, "\"address\" takes"),
        (Mailbox, "m", r#"{"address": "a@example.org", "reply_domain": "example.com"}"#, "belongs to another tenant"),
        (Webhook, "w", "[]", "no JSON object"),
    ] {
        let (directory, troubles) = Rows::new().with(kind, "acme", row, definition).assemble();
        assert_eq!(troubles.len(), 1, "{definition}: {troubles:?}");
        assert!(troubles[0].contains(why) && troubles[0].contains("is left out"), "{definition}: {}", troubles[0]);
        assert!(!troubles[0].contains("hunter2"), "{}", troubles[0]);
        let found = [
            directory.domains().len(),
            directory.relays().len(),
            directory.credentials().len(),
            directory.routes().len(),
            directory.mailboxes().len(),
            directory.webhooks().len(),
        ];
        assert_eq!(found, [2, 1, 2, 2, 1, 0], "{definition}");
    }
}

#[test]
fn entries_of_no_tenant_and_tenants_of_no_name_are_left_out() {
    let mut rows = Rows::new().with(EntryKind::Domain, "acme", "a.example", "{}");
    rows.rows.tenants[1].name = "a name in words".into();
    let (directory, troubles) = rows.assemble();
    assert!(directory.domain(&"a.example".parse().unwrap()).is_none());
    assert!(troubles[0].contains("tenant \"a name in words\""), "{troubles:?}");
    assert!(troubles[1].contains("there is no tenant ten_"), "{troubles:?}");
}

// --- keys -----------------------------------------------------------------------------------------

#[test]
fn a_key_opens_with_its_secret_until_it_expires() {
    let mut rows = Rows::new();
    let key = key(&rows.tenant("acme"));
    rows.rows.keys.push(key.clone());
    let (directory, troubles) = rows.assemble();
    assert_eq!(troubles, [""; 0]);
    let open = |secret: &str, now: i64| directory.open_key(&key.id, secret, at(now)).map(|key| key.tenant.to_string());
    assert_eq!(open("hunter2", 999), Ok("acme".into()));
    assert_eq!(open("hunter2", 1_000), Err(KeyRefusal::Expired));
    for wrong in ["", "hunter", "Hunter2", HASH] {
        assert_eq!(open(wrong, 999), Err(KeyRefusal::WrongSecret));
    }
    let other: KeyId = id::new(at(9), &Random::System);
    assert_eq!(directory.open_key(&other, "hunter2", at(1)).err(), Some(KeyRefusal::Unknown));
    let found = directory.key(&key.id).unwrap();
    assert_eq!((found.scopes.as_slice(), found.networks.len()), (["emails.send".to_owned()].as_slice(), 1));

    rows.rows.tenants[1].disabled_at = Some(at(3));
    assert_eq!(rows.assemble().0.open_key(&key.id, "hunter2", at(9)).err(), Some(KeyRefusal::Disabled));
}

#[test]
fn a_key_that_cannot_be_read_opens_nothing() {
    let rows = Rows::new();
    let tenant = rows.tenant("acme");
    let damage: [fn(&mut Key); 6] = [
        |key| key.secret_hash = "abc".into(),
        |key| key.secret_hash = "é".repeat(32),
        |key| key.scopes = "emails.send".into(),
        |key| key.domains = r#"["not a domain"]"#.into(),
        |key| key.networks = r#"["10.0.0.0/40"]"#.into(),
        |key| key.tenant = id::new(at(9), &Random::System),
    ];
    for damage in damage {
        let mut key = key(&tenant);
        damage(&mut key);
        let rows = DirectoryRows { keys: vec![key.clone()], ..rows.rows.clone() };
        let (directory, troubles) = Directory::assemble(&Parts::default(), &rows);
        assert_eq!(directory.open_key(&key.id, "hunter2", at(9)).err(), Some(KeyRefusal::Unknown));
        assert_eq!((troubles.len(), troubles[0].consequence), (1, Consequence::LeftOut));
    }
}

// --- the handle, and several nodes ----------------------------------------------------------------

#[test]
fn a_new_directory_replaces_the_old_one_whole() {
    let handle = DirectoryHandle::new(Directory::default());
    let before = handle.load_full();
    handle.replace(Directory::assemble(&parts(&config()), &DirectoryRows::default()).0);
    assert!(before.domains().is_empty(), "who holds the old one keeps it");
    assert_eq!(handle.load().domains().len(), 2);
}

async fn open(location: &Location) -> Store {
    let opening = Opening {
        location: location.clone(),
        read_connections: 2,
        write_connections: 1,
        master_key: Secret::new(vec![7; 32]),
        clock: Clock::System,
        random: Random::System,
    };
    Store::open(opening).await.unwrap()
}

/// What a daemon does each second, without the second.
async fn refresh(handle: &DirectoryHandle, store: &Store) -> bool {
    if store.directory_version().await.unwrap() == handle.load().version() {
        return false;
    }
    let rows = store.directory_rows().await.unwrap();
    handle.replace(Directory::assemble(&Parts::default(), &rows).0);
    true
}

async fn until_it_refreshed(handle: &DirectoryHandle, store: &Store) {
    let until = Instant::now() + Duration::from_secs(20);
    while !refresh(handle, store).await {
        assert!(Instant::now() < until, "the change never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_see_each_others_changes() {
    let url = tokio::task::spawn_blocking(|| Cluster::shared().create_database()).await.unwrap();
    let location = Location::parse(&url, Path::new("/")).unwrap();
    let (one, two) = (open(&location).await, open(&location).await);
    let handle = DirectoryHandle::new(Directory::default());
    assert!(!refresh(&handle, &two).await, "nothing has changed yet");

    let now = Clock::System.now();
    let tenant = Tenant {
        id: id::new(now, &Random::System),
        name: "acme".into(),
        created_at: now,
        disabled_at: None,
        deleted_at: None,
    };
    one.write(Change::of(people::new_tenant(&tenant)).with(directory::changed(now))).await.unwrap();
    let key = Key { expires_at: None, ..key(&tenant.id) };
    one.write(directory::new_key(&key)).await.unwrap();
    let row = EntryRow {
        kind: EntryKind::Domain,
        id: "dom_1".into(),
        tenant: tenant.id.clone(),
        name: "acme.example".into(),
        definition: "{}".into(),
        disabled_at: None,
    };
    one.write(directory::new_entry(&row, now)).await.unwrap();
    until_it_refreshed(&handle, &two).await;
    assert!(handle.load().open_key(&key.id, "hunter2", now).is_ok());
    assert!(handle.load().domain(&"acme.example".parse().unwrap()).is_some());
    assert_eq!(handle.load().tenant(&name("acme")), Some(&tenant));
    assert!(!refresh(&handle, &two).await, "nothing has changed since");

    one.write(directory::revoke_key(&key.id, now)).await.unwrap();
    until_it_refreshed(&handle, &two).await;
    assert_eq!(handle.load().open_key(&key.id, "hunter2", now).err(), Some(KeyRefusal::Unknown));
    one.write(directory::delete_entry(EntryKind::Domain, "dom_1", now)).await.unwrap();
    until_it_refreshed(&handle, &two).await;
    assert!(handle.load().domains().is_empty());
    one.close().await;
    two.close().await;
}

// --- anything at all ------------------------------------------------------------------------------

/// JSON that is often nearly a definition.
fn nearly_a_definition() -> impl Strategy<Value = String> {
    let words = proptest::sample::select(vec![
        "name",
        "username",
        "password",
        "scram",
        "domains",
        "networks",
        "host",
        "port",
        "tls",
        "relay",
        "recipient",
        "actions",
        "ticket",
        "address",
        "tenant",
        "limits",
        "tracking",
        "dkim",
        "env",
        "file",
        "default",
        "*",
        "/a/",
        "10.0.0.0/8",
        "a@example.com",
        "example.com",
        "100/minute",
        "x",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        words.clone().prop_map(|word| format!("{word:?}")),
        any::<String>().prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let entry = (words.clone(), inner.clone()).prop_map(|(key, value)| format!("{key:?}: {value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(entry, 0..8).prop_map(|entries| format!("{{{}}}", entries.join(", "))),
        ]
    })
}

proptest! {
    #[test]
    fn no_definition_makes_assembling_panic(
        definition in prop_oneof![nearly_a_definition(), any::<String>()],
        called in prop_oneof![Just("x".to_owned()), Just("example.com".to_owned()), any::<String>()],
    ) {
        for kind in EntryKind::ALL {
            let (directory, troubles) = Rows::new().with(kind, "acme", &called, &definition).assemble();
            // Whatever it was, the file's own entries stand.
            prop_assert!(directory.credential("app@example.com").is_some());
            for trouble in troubles {
                prop_assert!(!trouble.is_empty());
            }
        }
    }
}
