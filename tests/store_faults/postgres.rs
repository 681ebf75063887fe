//! PostgreSQL that stops, is cut off, or promises less than we need.

use super::proxy::Proxy;
use crate::mails::Mails;
use crate::postgres::Cluster;
use crate::stores::{Fresh, PATIENCE, until_down, until_up};
use gatepost::model::delivery::State;
use gatepost::store::change::Written;
use gatepost::store::dialect::Location;
use gatepost::store::open::Opening;
use gatepost::store::{Store, StoreError};
use std::time::Instant;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// One lane: what a test cuts is what its command runs on.
async fn one_lane(location: &Location) -> (Store, Mails) {
    let opening = Opening { write_connections: 1, ..Fresh::at(location.clone()).opening() };
    let store = Store::open(opening).await.unwrap();
    let lease = store.start_node("mail.example.com", "0").await.unwrap();
    until_up(&store).await;
    (store, Mails::new(lease))
}

/// COMMIT takes this long for a transaction that writes a message, the first time only.
async fn make_first_commit_slow(fresh: &Fresh, seconds: &str) {
    fresh
        .sql(&format!(
            "CREATE SEQUENCE commits_so_far;
             CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('commits_so_far') = 1 THEN PERFORM pg_sleep({seconds}); END IF; RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION be_slow()"
        ))
        .await;
}

/// The backend that is in COMMIT now.
async fn committing(fresh: &Fresh) -> i64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = "SELECT COALESCE(MAX(CAST(pid AS BIGINT)), 0) FROM pg_stat_activity
                     WHERE state = 'active' AND query = 'COMMIT' AND datname = current_database()";
        match fresh.number(found).await {
            0 => assert!(Instant::now() < deadline, "no backend commits"),
            pid => return pid,
        }
        tokio::task::yield_now().await;
    }
}

async fn assert_written_once(fresh: &Fresh, count: i64) {
    for rows in ["messages", "bodies", "deliveries", "events"] {
        assert_eq!(fresh.count(rows).await, count, "{rows}");
    }
}

/// Killed before the commit was recorded: it is not there, is written again, and answered once.
#[test]
fn a_backend_killed_in_commit_is_found_out() {
    let fresh = Fresh::on(gatepost::store::dialect::Engine::Postgres);
    block_on(async {
        let (store, mails) = one_lane(&fresh.location).await;
        make_first_commit_slow(&fresh, "600").await;
        let mail = mails.mail(b"once".to_vec());
        let kill = async {
            let pid = committing(&fresh).await;
            assert_eq!(fresh.count("messages").await, 0);
            fresh.number(&format!("SELECT CAST(CAST(pg_terminate_backend({pid}) AS INT) AS BIGINT)")).await;
        };
        let (answer, ()) = tokio::join!(store.write(mail.accept.clone()), kill);
        assert_eq!(answer, Ok(Written::default()));
        assert_written_once(&fresh, 1).await;
        until_up(&store).await;
    });
}

/// The connection goes while the server still commits: the question waits for it and finds the mark.
#[test]
fn a_commit_that_outlives_its_connection_is_waited_for() {
    let fresh = Fresh::on(gatepost::store::dialect::Engine::Postgres);
    let Location::Server(url) = &fresh.location else { unreachable!("a server") };
    let proxy = Proxy::to(Cluster::shared().port());
    let through = Location::Server(proxy.url(url));
    block_on(async {
        let (store, mails) = one_lane(&through).await;
        make_first_commit_slow(&fresh, "1.5").await;
        let mail = mails.mail(b"once".to_vec());
        let cut = async {
            committing(&fresh).await;
            proxy.cut_all();
        };
        let (answer, ()) = tokio::join!(store.write(mail.accept.clone()), cut);
        assert_eq!(answer, Ok(Written::default()));
        assert_written_once(&fresh, 1).await;
        // The trigger has met one transaction: it was not written a second time.
        assert_eq!(fresh.number("SELECT last_value FROM commits_so_far").await, 1);
    });
}

/// The answer of COMMIT is lost, and then, so many times, the answer to the question what became of it.
#[test]
fn a_lost_answer_of_commit_is_asked_for_until_it_is_known() {
    let fresh = Fresh::on(gatepost::store::dialect::Engine::Postgres);
    let Location::Server(url) = &fresh.location else { unreachable!("a server") };
    let proxy = Proxy::to(Cluster::shared().port());
    let through = Location::Server(proxy.url(url));
    block_on(async {
        let (store, mails) = one_lane(&through).await;
        for (n, questions) in [0, 1, 2, 3].into_iter().enumerate() {
            let mut cuts = vec!["COMMIT"];
            // The mark is there: taking it again inserts nothing.
            cuts.extend(vec!["INSERT 0 0"; questions]);
            proxy.cut_at(&cuts);
            let mail = mails.mail(b"once".to_vec());
            assert_eq!(store.write(mail.accept.clone()).await, Ok(Written::default()), "{cuts:?}");
            assert_eq!(proxy.cuts_left(), 0, "{cuts:?}");
            assert_written_once(&fresh, n as i64 + 1).await;
        }
    });
}

/// What a settlement was told is not forgotten with the answer of its COMMIT.
#[test]
fn a_stale_lease_is_told_after_a_lost_answer_as_well() {
    let fresh = Fresh::on(gatepost::store::dialect::Engine::Postgres);
    let Location::Server(url) = &fresh.location else { unreachable!("a server") };
    let proxy = Proxy::to(Cluster::shared().port());
    let through = Location::Server(proxy.url(url));
    block_on(async {
        let (store, mails) = one_lane(&through).await;
        let (mine, theirs) = (mails.mail(b"mine".to_vec()), mails.mail(b"theirs".to_vec()));
        store.write(mine.accept.clone()).await.unwrap();
        store.write(theirs.accept.clone()).await.unwrap();
        let settle = mails.settle(&mine, State::Delivered);
        let mut stale = mails.settle(&theirs, State::Delivered);
        stale.settlements[0].lease.epoch -= 1;
        for change in [(settle, vec![]), (stale, vec![theirs.delivery.clone()])] {
            proxy.cut_at(&["COMMIT"]);
            assert_eq!(store.write(change.0).await.unwrap().stale, change.1);
            assert_eq!(proxy.cuts_left(), 0);
        }
        assert_eq!(fresh.count("attempts").await, 2);
        assert_eq!(fresh.count("deliveries WHERE state = 'delivered'").await, 1);
    });
}

/// A change that is refused by the rows is refused, whatever the wire does around it.
#[test]
fn a_connection_cut_before_commit_is_tried_once_more() {
    let fresh = Fresh::on(gatepost::store::dialect::Engine::Postgres);
    let Location::Server(url) = &fresh.location else { unreachable!("a server") };
    let proxy = Proxy::to(Cluster::shared().port());
    let through = Location::Server(proxy.url(url));
    block_on(async {
        let (store, mails) = one_lane(&through).await;
        // Idle connections die unseen: the next mail does not pay for it.
        for n in 1..=5 {
            proxy.cut_all();
            let mail = mails.mail(b"once".to_vec());
            assert_eq!(store.write(mail.accept.clone()).await, Ok(Written::default()));
            assert_written_once(&fresh, n).await;
        }
        proxy.cut_at(&["INSERT 0 1"]);
        assert_eq!(store.write(mails.mail(b"once".to_vec()).accept).await, Ok(Written::default()));
        assert_written_once(&fresh, 6).await;
    });
}

#[test]
fn a_stopped_server_is_told_at_once_and_its_return_is_noticed() {
    let cluster = Cluster::private();
    let fresh = Fresh::at(Location::Server(cluster.create_database()));
    block_on(async {
        let store = fresh.open().await;
        let mails = Mails::new(store.start_node("mail.example.com", "0").await.unwrap());
        until_up(&store).await;
        let mut written = 0;
        for crash in [false, true] {
            let before = mails.mail(b"before".to_vec());
            store.write(before.accept.clone()).await.unwrap();
            if crash {
                cluster.crash()
            } else {
                cluster.stop()
            }
            let begun = Instant::now();
            for _ in 0..20 {
                let error = store.write(mails.mail(b"meanwhile".to_vec()).accept).await.unwrap_err();
                assert!(error.is_temporary(), "{error}");
            }
            assert!(begun.elapsed() < PATIENCE / 4, "twenty refusals took {:?}", begun.elapsed());
            let why = until_down(&store).await;
            assert!(why.contains("not available"), "{why}");
            cluster.start();
            until_up(&store).await;
            let after = mails.mail(b"after".to_vec());
            store.write(after.accept.clone()).await.unwrap();
            written += 2;
            assert_written_once(&fresh, written).await;
            assert!(store.message(&before.message).await.unwrap().is_some());
            assert!(store.message(&after.message).await.unwrap().is_some());
        }
    });
}

/// All backends go at once and the server recovers by itself, while sixteen callers wait.
#[test]
fn a_server_that_restarts_its_backends_loses_no_answer() {
    let cluster = Cluster::private();
    let fresh = Fresh::at(Location::Server(cluster.create_database()));
    block_on(async {
        let (store, mails) = one_lane(&fresh.location).await;
        make_first_commit_slow(&fresh, "600").await;
        let group: Vec<_> = (0..16).map(|_| mails.mail(b"x".to_vec())).collect();
        let writes = futures_util::future::join_all(group.iter().map(|mail| store.write(mail.accept.clone())));
        let kill = async {
            let pid = committing(&fresh).await;
            // Whatever commits now brings the sequence to disk: the second try is not slow again.
            fresh.sql("CREATE TABLE flushed (n INT)").await;
            cluster.signal_backend(i32::try_from(pid).unwrap(), "KILL");
        };
        let (answers, ()) = tokio::join!(writes, kill);
        until_up(&store).await;
        for (mail, answer) in group.iter().zip(answers) {
            let there = store.message(&mail.message).await.unwrap().is_some();
            match answer {
                Ok(_) => assert!(there, "an answered mail is lost"),
                Err(error) => assert!(error.is_temporary() && !there, "{error}, and it is there: {there}"),
            }
        }
        store.write(mails.mail(b"after".to_vec()).accept).await.unwrap();
    });
}

#[test]
fn a_server_that_does_not_flush_is_refused() {
    let cluster = Cluster::private();
    let fresh = Fresh::at(Location::Server(cluster.create_database()));
    let set = |what: &str, expected: &str| {
        cluster.query("postgres", &format!("ALTER SYSTEM SET {what}"));
        cluster.query("postgres", "SELECT pg_reload_conf()");
        let (setting, _) = what.split_once(" = ").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while cluster.query("postgres", &format!("SELECT current_setting('{setting}')")) != [[expected]] {
            assert!(Instant::now() < deadline, "{what} is not taken");
        }
    };
    block_on(async {
        let (store, mails) = one_lane(&fresh.location).await;
        for setting in ["fsync", "full_page_writes"] {
            set(&format!("{setting} = off"), "off");
            let error = fresh.refusal(fresh.opening()).await;
            assert!(matches!(error, StoreError::Refused { .. }), "{error}");
            let said = error.to_string();
            assert!(said.contains(&format!("set {setting} = on")), "{said}");
            set(&format!("{setting} = on"), "on");
        }
        fresh.open().await.close().await;
        store.write(mails.mail(b"x".to_vec()).accept).await.unwrap();
    });
}

#[test]
fn a_default_of_asynchronous_commits_is_overridden() {
    let fresh = Fresh::on(gatepost::store::dialect::Engine::Postgres);
    block_on(async {
        let Location::Server(url) = &fresh.location else { unreachable!("a server") };
        let database = url.rsplit('/').next().unwrap();
        fresh.open().await.close().await;
        fresh.sql(&format!("ALTER DATABASE {database} SET synchronous_commit = off")).await;
        fresh
            .sql(
                "CREATE TABLE seen (setting TEXT);
                 CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
                 CREATE TRIGGER look AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION look()",
            )
            .await;
        let (store, mails) = fresh.with_mails().await;
        store.write(mails.mail(b"x".to_vec()).accept).await.unwrap();
        assert_eq!(fresh.count("seen WHERE setting = 'on'").await, 1);
        assert_eq!(fresh.count("seen").await, 1);
    });
}
