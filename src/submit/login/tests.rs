//! Logins against a directory that a test writes, with a clock set by hand.

use super::*;
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::scram::ITERATIONS;
use crate::base::settings::Scalar;
use crate::model::credential::{Covers, Login};
use crate::model::directory::{Directory, DirectoryRows, Parts};
use crate::model::domain::Domain;
use crate::model::name::Name;
use crate::model::people::Tenant;
use futures_util::future::join_all;
use std::num::NonZeroU32;
use tokio::time::Instant;

/// A cheap hash of "secret".
fn cheap() -> &'static str {
    "$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$0zrySGHlVW1DxIHhk+otnepNDvdEEgGyUJRc40wYQLk"
}

fn credential(username: &str, password: Option<&str>) -> Credential {
    Credential {
        username: Login::parse(username).unwrap(),
        password: password.map(|text| Secret::new(text.to_owned())),
        scram: None,
        domains: vec![Covers::Any],
        tenant: Name::default_tenant(),
        limits: Vec::new(),
        recipient_limits: Vec::new(),
        networks: Vec::new(),
        from: Vec::new(),
        sandbox: false,
        stream: None,
        opens: None,
        clicks: None,
        compatible: Vec::new(),
        ignore_suppression: false,
    }
}

fn directory(credentials: &[Credential], disabled_tenant: Option<&str>) -> Directory {
    let tenants = disabled_tenant.map(|name| Tenant {
        id: crate::base::id::new(Time::from_micros(1), &Random::seeded(1)),
        name: name.to_owned(),
        created_at: Time::from_micros(1),
        disabled_at: Some(Time::from_micros(2)),
        deleted_at: None,
    });
    let rows = DirectoryRows { tenants: tenants.into_iter().collect(), ..DirectoryRows::default() };
    let domains: [Domain; 0] = [];
    let parts = Parts { credentials, domains: &domains, ..Parts::default() };
    let (directory, troubles) = Directory::assemble(&parts, &rows);
    assert!(troubles.is_empty(), "{troubles:?}");
    directory
}

struct Bench {
    logins: Arc<Logins>,
    handle: Arc<DirectoryHandle>,
    clock: Clock,
}

impl Bench {
    fn new(credentials: &[Credential]) -> Self {
        let clock = Clock::set(Time::from_micros(1_000_000_000_000));
        let handle = Arc::new(DirectoryHandle::new(directory(credentials, None)));
        let key = Secret::new(b"master key".to_vec());
        let logins = Logins::new(handle.clone(), clock.clone(), Random::seeded(1), &key);
        Self { logins: Arc::new(logins), handle, clock }
    }

    fn reload(&self, credentials: &[Credential]) {
        self.handle.replace(directory(credentials, None));
    }

    async fn password(&self, login: &str, password: &str, from: &str) -> Result<Submitter, Reply> {
        let claim = Claim::Password { login: login.to_owned(), password: Secret::new(password.to_owned()) };
        self.logins.check(claim, client(from)).await
    }

    /// With our own keys in the client's place: it proves whatever it likes.
    async fn proof(&self, login: &str, keys: ScramKeys, from: &str) -> Result<Submitter, Reply> {
        let claim = Claim::Proof { login: login.to_owned(), proven: true, keys };
        self.logins.check(claim, client(from)).await
    }

    fn checks(&self) -> usize {
        self.logins.checks.begun()
    }
}

fn client(address: &str) -> Whence {
    Whence::Client(address.parse().unwrap())
}

fn keys_of(password: &str, iterations: u32) -> ScramKeys {
    ScramKeys::derive(password, b"some salt", NonZeroU32::new(iterations).unwrap())
}

const HOME: &str = "192.0.2.1";

#[tokio::test(start_paused = true)]
async fn every_form_of_a_password_opens_and_nothing_else_does() {
    let of_keys = Credential { scram: Some(keys_of("secret", 4096).line()), ..credential("keys", None) };
    let bench = Bench::new(&[credential("hash", Some(cheap())), credential("plain", Some("secret")), of_keys.clone()]);
    for login in ["hash", "plain", "keys"] {
        let submitter = bench.password(login, "secret", HOME).await.unwrap();
        assert_eq!((submitter.login(), submitter.address().to_string().as_str()), (login, HOME));
        assert!(submitter.is_authenticated() && bench.logins.still_stands(&submitter));
        let entry = bench.handle.load_full();
        assert_eq!(submitter.credential(&entry).unwrap().value.username.as_str(), login);
        for wrong in ["Secret", "secret ", "", cheap(), of_keys.scram.as_ref().unwrap().expose()] {
            // Each from an address of its own: nobody is to be sent away here.
            let from = format!("198.51.100.{}", wrong.len());
            assert_eq!(bench.password(login, wrong, &from).await, Err(WRONG), "{login} {wrong}");
        }
    }
    for nobody in ["HASH", "nobody", "", "hash\0"] {
        assert_eq!(bench.password(nobody, "secret", HOME).await, Err(WRONG), "{nobody:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_right_is_remembered_for_a_minute_and_what_changed_is_not() {
    let bench = Bench::new(&[credential("app", Some(cheap())), credential("other", Some(cheap()))]);
    let is_right = || bench.password("app", "secret", HOME);
    is_right().await.unwrap();
    bench.clock.advance(limits::LOGIN_REMEMBERED - Duration::from_secs(1));
    is_right().await.unwrap();
    assert_eq!(bench.checks(), 1);
    assert_eq!(bench.password("app", "wrong", HOME).await, Err(WRONG));
    bench.password("other", "secret", HOME).await.unwrap();
    assert_eq!(bench.checks(), 3, "another password or login is another");
    bench.clock.advance(Duration::from_secs(1));
    is_right().await.unwrap();
    assert_eq!(bench.checks(), 4, "the minute is over");
    // Nothing is remembered of what was wrong.
    assert_eq!(bench.password("app", "wrong", HOME).await, Err(WRONG));
    assert_eq!(bench.checks(), 5);
    // A reload that changes nothing of it costs nothing; one that changes it, does.
    bench.reload(&[credential("app", Some(cheap()))]);
    is_right().await.unwrap();
    assert_eq!(bench.checks(), 5);
    bench.reload(&[credential("app", Some("another"))]);
    assert_eq!(is_right().await, Err(WRONG));
    bench.reload(&[]);
    assert_eq!(is_right().await, Err(WRONG));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_logins_of_one_application_cost_one_check() {
    let bench = Bench::new(&[credential("app", Some(cheap()))]);
    let many = join_all((0..1000).map(|_| bench.password("app", "secret", HOME))).await;
    assert!(many.iter().all(Result::is_ok));
    assert_eq!(bench.checks(), 1);
    let addresses: Vec<_> = (0..10).map(|n| format!("198.51.100.{n}")).collect();
    let wrong = join_all(addresses.iter().map(|from| bench.password("app", "wrong", from))).await;
    assert!(wrong.iter().all(|answer| *answer == Err(WRONG)));
    assert_eq!(bench.checks(), 2, "equal mistakes of the same moment, too");
}

#[tokio::test(start_paused = true)]
async fn nobody_costs_and_hears_the_same_as_a_wrong_password() {
    let bench = Bench::new(&[credential("app", Some(cheap()))]);
    let cost = Lock::of(&credential("app", Some(cheap()))).unwrap().work();
    assert_eq!(bench.logins.passwords.lock_of_nobody("nobody", &bench.logins.view().works).work(), cost);
    assert_eq!(bench.password("nobody", "secret", HOME).await, bench.password("app", "wrong", HOME).await);
    assert_eq!(bench.checks(), 2);
}

#[tokio::test(start_paused = true)]
async fn networks_disabling_and_bans_are_tested_each_time() {
    let inside = Credential { from: vec!["10.1.0.0/16".parse().unwrap()], ..credential("app", Some(cheap())) };
    let bench = Bench::new(std::slice::from_ref(&inside));
    let submitter = bench.password("app", "secret", "10.1.2.3").await.unwrap();
    bench.password("app", "secret", "::ffff:10.1.2.4").await.unwrap();
    assert_eq!(bench.password("app", "secret", "10.2.0.1").await, Err(WRONG), "remembered, but not for there");
    assert_eq!(bench.checks(), 2, "and not cheaper than a wrong password");
    assert!(bench.logins.still_stands(&submitter));
    let elsewhere = Credential { from: vec!["10.3.0.0/16".parse().unwrap()], ..inside.clone() };
    bench.reload(&[elsewhere]);
    assert!(!bench.logins.still_stands(&submitter));
    assert_eq!(bench.password("app", "secret", "10.1.2.3").await, Err(WRONG));

    let of_tenant = Credential { tenant: Name::parse("acme").unwrap(), ..credential("app", Some(cheap())) };
    bench.reload(std::slice::from_ref(&of_tenant));
    let submitter = bench.password("app", "secret", HOME).await.unwrap();
    bench.handle.replace(directory(&[of_tenant], Some("acme")));
    assert_eq!(bench.password("app", "secret", HOME).await, Err(WRONG), "its tenant is disabled");
    assert!(!bench.logins.still_stands(&submitter));
}

#[tokio::test(start_paused = true)]
async fn failures_wait_longer_and_end_in_a_ban_that_the_right_password_does_not_lift() {
    let bench = Bench::new(&[credential("app", Some(cheap()))]);
    bench.password("app", "secret", HOME).await.unwrap();
    let mut waited = Vec::new();
    for n in 1..limits::LOGIN_FAILURES_BAN {
        let begun = Instant::now();
        assert_eq!(bench.password("app", &format!("guess {n}"), HOME).await, Err(WRONG));
        waited.push(begun.elapsed());
    }
    assert!(waited[0] < limits::LOGIN_DELAY_FIRST && waited[2] >= limits::LOGIN_DELAY_FIRST, "{waited:?}");
    assert!(*waited.last().unwrap() >= limits::LOGIN_DELAY_LONGEST);
    assert!(bench.logins.banned(client(HOME)).is_none());
    // Others with the same login do not wait.
    let begun = Instant::now();
    bench.password("app", "secret", "192.0.2.7").await.unwrap();
    assert!(begun.elapsed() < limits::LOGIN_DELAY_FIRST);

    let last = bench.password("app", "one too many", HOME).await.unwrap_err();
    assert!(last.closes(), "{last}");
    assert_eq!(last.to_string(), "421 4.7.0 too many failed logins from your address, come again in 15 min");
    assert_eq!(bench.logins.banned(client(HOME)), Some(last.clone()));
    let before = bench.checks();
    assert_eq!(bench.password("app", "secret", HOME).await, Err(last), "remembered, and still sent away");
    assert_eq!(bench.checks(), before);
    assert!(bench.logins.banned(client("192.0.2.7")).is_none());
    bench.clock.advance(limits::LOGIN_BAN);
    bench.password("app", "secret", HOME).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_instead_of_waiting_is_counted_all_the_same() {
    let bench = Bench::new(&[credential("app", Some(cheap()))]);
    for n in 0..limits::LOGIN_FAILURES_BAN {
        let login = format!("guess {n}");
        tokio::select! {
            biased;
            _ = bench.password(&login, "secret", HOME) => {}
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
    assert!(bench.logins.banned(client(HOME)).is_some());
}

#[tokio::test(start_paused = true)]
async fn too_many_checks_at_once_are_put_off_and_not_counted_as_failures() {
    let mut bench = Bench::new(&[credential("app", Some(cheap()))]);
    let logins = Arc::get_mut(&mut bench.logins).unwrap();
    logins.checks = Checks::new(1, 0);
    let answer = bench.password("app", "secret", HOME).await.unwrap_err();
    assert!(answer.is_temporary() && !answer.closes(), "{answer}");
    assert_eq!(answer.to_string(), "454 4.7.0 too many logins at once, try again in a minute");
    for _ in 0..2 * limits::LOGIN_FAILURES_BAN {
        assert_eq!(bench.password("app", "secret", HOME).await, Err(BUSY));
    }
    assert!(bench.logins.banned(client(HOME)).is_none());
}

#[tokio::test(start_paused = true)]
async fn scram_is_offered_where_everybody_has_keys() {
    let hash = credential("hash", Some(cheap()));
    let both = Credential { scram: Some(keys_of("secret", 4096).line()), ..hash.clone() };
    let network = Credential { networks: vec!["10.0.0.0/8".parse().unwrap()], ..credential("net", None) };
    let plain = credential("plain", Some("secret"));
    let bench = Bench::new(&[]);
    for (credentials, offered) in [
        (vec![both.clone()], true),
        (vec![both.clone(), plain.clone(), network], true),
        (vec![both, hash.clone()], false),
        (vec![plain, hash.clone()], false),
    ] {
        bench.reload(&credentials);
        assert_eq!(bench.logins.scram_offered(), offered, "{credentials:?}");
    }
    // A login that nobody can use stands in nobody's way.
    let of_tenant = Credential { tenant: Name::parse("acme").unwrap(), ..hash };
    bench.handle.replace(directory(&[of_tenant], Some("acme")));
    assert!(bench.logins.scram_offered());
}

#[tokio::test(start_paused = true)]
async fn a_proof_holds_for_the_keys_of_this_login_as_they_are_now() {
    let given = Credential { scram: Some(keys_of("secret", 5000).line()), ..credential("given", None) };
    let bench = Bench::new(&[given.clone(), credential("plain", Some("secret"))]);
    let keys = bench.logins.keys("given").await;
    assert!(keys.is_same_as(&keys_of("secret", 5000)) && keys.iterations == 5000);
    let submitter = bench.proof("given", keys.clone(), HOME).await.unwrap();
    assert!(submitter.is_authenticated() && bench.logins.still_stands(&submitter));

    let plain = bench.logins.keys("plain").await;
    assert!(plain.opens_with("secret") && plain.iterations == ITERATIONS);
    bench.proof("plain", plain.clone(), HOME).await.unwrap();
    assert_eq!(bench.proof("plain", keys.clone(), HOME).await, Err(WRONG), "another's keys");
    let unproven = Claim::Proof { login: "given".to_owned(), proven: false, keys: keys.clone() };
    assert_eq!(bench.logins.check(unproven, client(HOME)).await, Err(WRONG));

    let nobody = bench.logins.keys("nobody").await;
    assert_eq!(bench.logins.keys("nobody").await.salt, nobody.salt);
    assert!([5000, ITERATIONS].contains(&nobody.iterations));
    assert_eq!(bench.proof("nobody", nobody.clone(), HOME).await, Err(WRONG), "even if it could be proven");

    // The password changed while the dialogue was held up.
    bench.reload(&[Credential { scram: Some(keys_of("new", 5000).line()), ..given.clone() }]);
    assert_eq!(bench.proof("given", keys, HOME).await, Err(WRONG));
    assert_eq!(bench.proof("plain", plain, HOME).await, Err(WRONG));
    assert!(!bench.logins.still_stands(&submitter));
    // Keys that a login shows do not say that it went, nor that another came.
    bench.reload(&[]);
    assert_eq!(bench.logins.keys("nobody").await.salt, nobody.salt);
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_plain_is_prepared_ahead_and_forgotten_with_it() {
    let (one, two) = (credential("one", Some("secret")), credential("two", Some("secret")));
    let hashed = credential("hashed", Some(cheap()));
    let bench = Bench::new(&[one.clone(), hashed]);
    let secret = Secret::new("secret".to_owned());
    let made = |login| bench.logins.passwords.keys_made(login, &secret).is_some();
    bench.logins.prepare_now();
    assert!(made("one") && !made("two"));
    bench.reload(&[two]);
    bench.logins.prepare_now();
    assert!(!made("one") && made("two"));
}

#[tokio::test(start_paused = true)]
async fn a_network_is_known_by_its_narrowest_and_never_through_a_silent_proxy() {
    let network = |name: &str, network: &str, tenant: &str| Credential {
        networks: vec![network.parse().unwrap()],
        tenant: Name::parse(tenant).unwrap(),
        ..credential(name, None)
    };
    let all = [network("office", "10.0.0.0/8", "default"), network("printer", "10.1.2.3/32", "acme")];
    let bench = Bench::new(&all);
    let printer = bench.logins.network(client("10.1.2.3")).unwrap();
    assert!(printer.login() == "printer" && !printer.is_authenticated());
    let office = bench.logins.network(client("::ffff:10.9.9.9")).unwrap();
    assert_eq!((office.login(), office.address().to_string().as_str()), ("office", "10.9.9.9"));
    assert_eq!(bench.logins.network(client("192.0.2.1")), None);
    assert_eq!(bench.logins.network(Whence::Proxy("10.1.2.3".parse().unwrap())), None);
    // A network has no password, not even an empty one.
    assert_eq!(bench.password("office", "", "10.9.9.9").await, Err(WRONG));
    assert!(bench.logins.still_stands(&printer) && bench.logins.still_stands(&office));

    bench.handle.replace(directory(&all, Some("acme")));
    assert_eq!(bench.logins.network(client("10.1.2.3")), None, "disabled, and not passed on to the next best");
    assert!(!bench.logins.still_stands(&printer) && bench.logins.still_stands(&office));
    bench.reload(&all[1..]);
    assert!(bench.logins.still_stands(&printer) && !bench.logins.still_stands(&office));
}
