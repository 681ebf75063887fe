//! AUTH: where it may be said, how, and what is believed of the answer.

use super::*;
use crate::deliver::way::{Login, Mechanism};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SECURE: &str = "
    TLS
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250 AUTH {auth}
";

const IN: &str = "
    S: 235 2.7.0 in
    C: EHLO us.example
    S: 250-mx
    S: 250 PIPELINING
";

fn login(mechanism: Option<Mechanism>) -> Option<Login> {
    Some(Login { username: "us".into(), password: crate::base::secret::Secret::new("hunter2".to_owned()), mechanism })
}

fn private(mechanism: Option<Mechanism>) -> Way {
    let tls = Tls::Required { begin: Begin::Implicit, trust: Trust::Roots };
    Way { login: login(mechanism), ..way(tls) }
}

/// Opens such a way against this script behind the offer of these mechanisms.
async fn logged_in(way: &Way, offers: &str, script: &str) -> Result<Session, Unopened> {
    let mut world = World::new();
    let there = world.serve(&[&format!("{}{script}", SECURE.replace("{auth}", offers))]);
    let opened = world.open(way).await;
    if opened.is_err() {
        there.await.unwrap();
    }
    opened
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

#[tokio::test]
async fn plain_and_login_say_the_password_and_hear_ehlo_again() {
    let plain = format!("C: AUTH PLAIN {}\n{IN}", base64("\0us\0hunter2"));
    let session = logged_in(&private(None), "LOGIN PLAIN", &plain).await.unwrap();
    assert!(session.capabilities().pipelining, "more is offered to those who are known");

    let words = format!(
        "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: {}\nS: 334 UGFzc3dvcmQ6\nC: {}\n{IN}",
        base64("us"),
        base64("hunter2")
    );
    logged_in(&private(None), "LOGIN", &words).await.unwrap();
}

#[tokio::test]
async fn cram_md5_and_a_token() {
    let cram = "C: AUTH CRAM-MD5\nS: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\nC* dGltIGI5MTNhNjAy";
    let mut way = private(Some(Mechanism::CramMd5));
    let password = crate::base::secret::Secret::new("tanstaaftanstaaf".to_owned());
    way.login = Some(Login { username: "tim".into(), password, mechanism: None });
    logged_in(&way, "CRAM-MD5 PLAIN", &format!("{cram}\n{IN}")).await.unwrap();

    // A long token waits until it is asked for; why it is refused comes as a challenge.
    let token = "t".repeat(600);
    way.login = Some(Login {
        username: "us".into(),
        password: crate::base::secret::Secret::new(token.clone()),
        mechanism: Some(Mechanism::Xoauth2),
    });
    let words = base64(&format!("user=us\x01auth=Bearer {token}\x01\x01"));
    let script = format!(
        "C: AUTH XOAUTH2\nS: 334\nC: {words}\nS: 334 {}\nC:\nS: 535 5.7.8 expired\nC: QUIT\nS: 221 bye",
        base64("{}")
    );
    let unopened = logged_in(&way, "XOAUTH2", &script).await.unwrap_err();
    assert_eq!(unopened.why.code, Some(535));
}

#[tokio::test]
async fn no_password_is_said_to_anybody_unverified() {
    for tls in [Tls::Never, Tls::Opportunistic, required(Trust::Anyone)] {
        let mut world = World::new();
        let way = Way { login: login(None), ..way(tls.clone()) };
        let clear = "S: 220 mx\nC: EHLO us.example\nS: 250-mx\nS: 250-AUTH PLAIN\nS: 250 STARTTLS\n";
        let secured = "C: STARTTLS\nS: 220 go\nTLS\nC: EHLO us.example\nS: 250-mx\nS: 250 AUTH PLAIN\n";
        let secured = if tls == Tls::Never { "" } else { secured };
        let there = world.serve(&[&format!("{clear}{secured}C: QUIT\nS: 221 bye\nC closes")]);
        let unopened = world.open(&way).await.unwrap_err();
        assert_eq!((unopened.why.status.to_string(), unopened.why.blame), ("4.7.11".into(), Blame::Policy));
        there.await.unwrap();
    }
    // A name that only leads to this machine is not this machine's.
    let mut world = World::new();
    let mut elsewhere = Way { login: login(None), ..way(Tls::Never) };
    elsewhere.hosts[0].addresses = vec!["127.0.0.1".parse().unwrap()];
    let script = "S: 220 mx\nC: EHLO us.example\nS: 250-mx\nS: 250 AUTH PLAIN\nC: QUIT\nS: 221 bye\nC closes";
    let there = world.serve(&[script]);
    assert_eq!(world.open(&elsewhere).await.unwrap_err().why.blame, Blame::Policy);
    there.await.unwrap();
}

#[tokio::test]
async fn inside_this_machine_nobody_listens() {
    let mut world = World::new();
    let mut way = Way { login: login(None), ..way(Tls::Never) };
    way.hosts = vec![target("127.0.0.1", 0, Tls::Never)];
    let script = format!(
        "S: 220 mx\nC: EHLO us.example\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN {}\n{IN}",
        base64("\0us\0hunter2")
    );
    let there = world.serve(&[&script]);
    drop(world.open(&way).await.unwrap());
    there.await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_said_to_one_host_only() {
    let mut world = World::new();
    let mut way = private(None);
    let hosts = way.hosts.remove(0);
    way.hosts =
        vec![hosts.clone(), Target { host: Host::Name("mx2.there.example".parse().unwrap()), preference: 20, ..hosts }];
    let script = format!("{}C* AUTH PLAIN\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye", SECURE.replace("{auth}", "PLAIN"));
    let there = world.serve(&[&script]);
    let unopened = world.open(&way).await.unwrap_err();
    there.await.unwrap();
    assert_eq!((unopened.tried.len(), unopened.why.blame, unopened.why.code), (1, Blame::Us, Some(535)));
    assert!(!unopened.why.text.contains("hunter2"));
}

#[tokio::test]
async fn a_mechanism_that_is_not_offered_or_makes_no_sense_is_not_used() {
    let bye = "C: QUIT\nS: 221 bye";
    for (named, offers) in [(Some(Mechanism::ScramSha256), "PLAIN"), (None, "GSSAPI"), (None, "XOAUTH2")] {
        assert_eq!(logged_in(&private(named), offers, bye).await.unwrap_err().why.category, "login");
    }
    let endless =
        format!("C* AUTH LOGIN\nS: 334 YQ==\nC* dXM\nS: 334 YQ==\nC* aHVu\nS: 334 YQ==\nC: *\nS: 501 ok\n{bye}");
    assert_eq!(logged_in(&private(None), "LOGIN", &endless).await.unwrap_err().why.category, "login");
}

#[tokio::test]
async fn scram_with_a_wrong_server_signature_is_no_login() {
    // The peer lets us in and has not proven that it knows the password.
    let salt = base64("saltsaltsalt");
    for (last, script_end) in [
        (format!("S: 334 {}\nC: *\nS: 501 ok\n", base64("v=AAAA")), "C: QUIT\nS: 501 ok"),
        ("S: 235 2.7.0 in\n".to_owned(), "C: QUIT\nS: 221 bye"),
        (format!("S: 235 {}\n", base64("v=AAAA")), "C: QUIT\nS: 221 bye"),
    ] {
        let mut world = World::new();
        world.around.random = Random::seeded(9);
        // What the opening draws before: the order of hosts.
        let twin = Random::seeded(9);
        twin.below(u64::MAX);
        let nonce = STANDARD.encode(twin.bytes::<18>());
        let challenge = base64(&format!("r={nonce}theirs,s={salt},i=4096"));
        let offer = SECURE.replace("{auth}", "SCRAM-SHA-256 PLAIN");
        let script = format!("{offer}C* AUTH SCRAM-SHA-256 \nS: 334 {challenge}\nC* Yz1iaXdz\n{last}{script_end}");
        let there = world.serve(&[&script]);
        let unopened = world.open(&private(None)).await.unwrap_err();
        there.await.unwrap();
        assert!(unopened.why.text.contains("has not proven"), "{}", unopened.why.text);
    }
}

#[tokio::test]
async fn no_password_is_in_a_recorded_dialogue() {
    let script = format!(
        "C: AUTH PLAIN {}\n{IN}C* MAIL\nC* RCPT\nC: DATA\nS: 550 no\nS: 503 no\nS: 503 no\nC: RSET\nS: 250 ok",
        base64("\0us\0hunter2")
    );
    let mut session = logged_in(&private(None), "PLAIN", &script).await.unwrap();
    let letter = Letter::to(&["a@there.example"]);
    let dialogue = letter.send_if(&mut session, Record::Dialogue, || true).await.dialogue.unwrap();
    assert!(
        dialogue.contains("TLS\nS: 220 mx\n") && dialogue.contains("C: AUTH PLAIN ***\nS: 235 2.7.0 in\n"),
        "{dialogue}"
    );
    assert!(!dialogue.contains(&base64("\0us\0hunter2")) && dialogue.ends_with("C: RSET\nS: 250 ok\n"));
}
