//! A smarthost with an account: every way to log in (RFC 4954), and what a refused login means.

use super::sink::{Account, Act, At, Offer};
use super::world::{TEXT, World, is_below_our_trace};

const LOGIN: &str = "tls = \"none\"\nusername = \"us\"\npassword = \"pass = word\"";

async fn logs_in(mechanisms: &[&str], lines: &str, used: &str) {
    let world = World::new();
    let offer = Offer::usual().account(Account::new("us", "pass = word", mechanisms)).in_the_clear();
    let sink = world.host("smart.example", offer).await;
    world.smarthost(&sink, &format!("{LOGIN}\n{lines}"));
    let house = world.open();
    house.sends(&["one@far.example"]);
    let message = sink.message().await;
    assert_eq!(message.login.as_deref(), Some("us"), "{}", sink.transcript());
    is_below_our_trace(&message, TEXT);
    let words = sink.commands("AUTH");
    assert!(words[0].to_ascii_uppercase().starts_with(&format!("AUTH {used}")), "{words:?}");
    house.comes_to("one@far.example", "sent");
    assert!(!house.daemon.all().contains("pass = word"), "a password in the log");
    sink.blameless();
}

#[tokio::test(flavor = "multi_thread")]
async fn plain() {
    logs_in(&["PLAIN"], "", "PLAIN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn login() {
    logs_in(&["LOGIN"], "", "LOGIN").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cram_md5() {
    logs_in(&["CRAM-MD5"], "", "CRAM-MD5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scram_sha_256() {
    logs_in(&["SCRAM-SHA-256"], "", "SCRAM-SHA-256").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_by_xoauth2() {
    logs_in(&["PLAIN", "XOAUTH2"], "auth = \"xoauth2\"", "XOAUTH2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_of_what_is_offered_and_the_one_that_is_named() {
    let all = ["LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"];
    logs_in(&all, "", "SCRAM-SHA-256").await;
    logs_in(&all, "auth = \"login\"", "LOGIN").await;
}

/// It is our account that is wrong, not the recipient: the mail waits for an operator.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_bounces_nobody() {
    for refusal in ["535 5.7.8 who are you?", "454 4.7.0 ask me later", "534 5.7.9 stronger, please"] {
        let world = World::new();
        let home = world.home().await;
        let offer = Offer::usual().account(Account::new("us", "pass = word", &["PLAIN"])).in_the_clear();
        let sink = world.host("smart.example", offer).await;
        sink.times(2, At::Auth, Act::say(refusal));
        world.smarthost(&sink, LOGIN);
        let house = world.open();
        house.sends(&["one@far.example"]);
        sink.message().await;
        house.comes_to("one@far.example", "sent");
        let tries = house.tries("one@far.example");
        assert!(tries[0].outcome.starts_with("later:"), "{tries:?}");
        assert_eq!((sink.kept().len(), home.connections()), (1, 0));
    }
}

/// RFC 4954 6: an account that is not logged in gets 530; that is no word about the recipient either.
#[tokio::test(flavor = "multi_thread")]
async fn a_smarthost_that_wants_a_login_that_we_have_not_bounces_nobody() {
    let world = World::new();
    let home = world.home().await;
    let offer = Offer::usual().account(Account::new("us", "pass = word", &["PLAIN"])).in_the_clear();
    let sink = world.host("smart.example", offer).await;
    world.smarthost(&sink, "tls = \"none\"");
    let house = world.open();
    house.sends(&["one@far.example"]);
    let tries = house.tried("one@far.example", 2);
    assert!(tries.iter().all(|one| one.outcome.starts_with("later:")), "{tries:?}");
    assert_eq!(home.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lmtp_answers_for_each_recipient() {
    let world = World::new();
    let home = world.home().await;
    let sink = world.host("store.example", Offer::usual().lmtp()).await;
    sink.always(At::Copy("full@far.example"), Act::say("552 5.2.2 full"));
    sink.once(At::Copy("busy@far.example"), Act::say("451 4.3.0 busy"));
    world.smarthost(&sink, "tls = \"none\"\nprotocol = \"lmtp\"");
    let house = world.open();
    house.sends(&["one@far.example", "full@far.example", "busy@far.example"]);
    super::world::reports(&home.message().await, "full@far.example", "failed", "5.2.2");
    for (recipient, state, attempts) in [("one", "sent", 1), ("full", "bounced", 1), ("busy", "sent", 2)] {
        assert_eq!(house.comes_to(&format!("{recipient}@far.example"), state).attempts, attempts, "{recipient}");
    }
    assert_eq!(sink.message().await.rcpt.len(), 3);
    assert_eq!(sink.message().await.recipients(), ["busy@far.example"]);
    sink.blameless();
}
