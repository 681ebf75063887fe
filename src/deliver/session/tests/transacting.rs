//! Transactions, and in which state they leave the connection.

use super::*;

const OPEN: &str = "
    S: 220 mx
    C: EHLO us.example
    S: 250-mx
    S: 250 PIPELINING
";

const ENVELOPE: &str = "
    C: MAIL FROM:<us@us.example>
    C: RCPT TO:<a@there.example>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go
";

const MESSAGE: &str = "
    C: a: b
    C:
    C: ..c
    C: .
";

async fn opened(world: &mut World, script: &str) -> (Session, JoinHandle<Vec<SocketAddr>>) {
    let there = world.serve(&[script]);
    (world.open(&way(Tls::Never)).await.unwrap(), there)
}

/// One letter to these against this script behind the opening.
async fn sent(to: &[&str], script: &str) -> Transacted {
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}{script}")).await;
    let transacted = Letter::to(to).send(&mut session).await;
    drop(session);
    there.await.unwrap();
    transacted
}

#[tokio::test]
async fn a_warm_connection_takes_two_round_trips_and_one_with_chunks() {
    // The peer answers nothing before it has heard every line that the script has there.
    let mut world = World::new();
    let (mut session, there) =
        opened(&mut world, &format!("{OPEN}{ENVELOPE}{MESSAGE}S: 250 done\n{ENVELOPE}{MESSAGE}S: 250 done")).await;
    let letter = Letter::to(&["a@there.example"]);
    for n in 1..=2 {
        let transacted = letter.send(&mut session).await;
        assert_eq!((words(&transacted), transacted.after), (vec!["250".into()], After::Reusable));
        assert_eq!(session.transactions(), n);
    }
    drop(session);
    there.await.unwrap();

    let chunk = "
        C: MAIL FROM:<us@us.example>
        C: RCPT TO:<a@there.example>
        C: BDAT 12 LAST
        C: a: b
        C:
        C: .c
        S: 250 ok
        S: 250 ok
        S: 250 done
    ";
    let mut world = World::new();
    let open = OPEN.replace("250 PIPELINING", "250-PIPELINING\n    S: 250 CHUNKING");
    let (mut session, there) = opened(&mut world, &format!("{open}{chunk}{chunk}")).await;
    for _ in 0..2 {
        let transacted = letter.send(&mut session).await;
        assert_eq!((words(&transacted), transacted.after), (vec!["250".into()], After::Reusable));
    }
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn pipelined_mixed_results_are_told_apart_and_rset_is_checked() {
    let script = format!(
        "C: MAIL FROM:<us@us.example>\nC: RCPT TO:<a@there.example>\nC: RCPT TO:<b@there.example>
         C: RCPT TO:<c@there.example>\nC: DATA\nS: 250 ok\nS: 450 4.2.0 later\nS: 250 ok\nS: 550-5.1.1 no\n
         S: 550 5.1.1 body\nS: 354 go\n{MESSAGE}S: 250 done\nC: RSET\nS: 250 ok\nC closes"
    );
    let transacted = sent(&["a@there.example", "b@there.example", "c@there.example"], &script).await;
    assert_eq!(words(&transacted), ["450@recipient", "250", "550@recipient"]);
    let Answer::Refused { response, .. } = &transacted.answers[2] else { panic!() };
    assert_eq!(response.to_string(), "550 5.1.1 no body");
    assert_eq!(transacted.after, After::Reusable);
}

#[tokio::test]
async fn nobody_accepted_and_354_is_answered_with_a_lone_dot() {
    let script = "C* MAIL\nC* RCPT\nC: DATA\nS: 250 ok\nS: 550 no\nS: 354 go\nC: .\nS: 554 nobody\nC: RSET\nS: 250 ok";
    let transacted = sent(&["a@there.example"], script).await;
    assert_eq!((words(&transacted), transacted.after), (vec!["550@recipient".into()], After::Reusable));
}

#[tokio::test]
async fn an_rset_that_is_not_taken_does_not_spoil_the_mail() {
    for (answer, after) in
        [("S: 503 what?", After::Closing), ("S closes", After::Closing), ("S: 250 ok", After::Reusable)]
    {
        let script = format!(
            "C* MAIL\nC* RCPT\nC* RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\nS: 354 go\n{MESSAGE}
             S: 250 done\nC: RSET\n{answer}"
        );
        let transacted = sent(&["a@there.example", "b@there.example"], &script).await;
        assert_eq!((words(&transacted), transacted.after), (vec!["250".into(), "550@recipient".into()], after));
    }
}

#[tokio::test]
async fn cut_after_the_final_dot_is_perhaps_delivered_and_before_it_is_not() {
    let transacted = sent(&["a@there.example"], &format!("{ENVELOPE}{MESSAGE}S closes")).await;
    assert_eq!((words(&transacted), transacted.after), (vec!["lost@message?".into()], After::Closing));
    let transacted = sent(&["a@there.example"], "C* MAIL\nC* RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS closes").await;
    assert_eq!((words(&transacted), transacted.after), (vec!["lost@data".into()], After::Closing));
    // A new connection that ends at its first command is a failure; only an old one is stale.
    let transacted = sent(&["a@there.example"], "C* MAIL\nC* RCPT\nC: DATA\nS closes").await;
    assert_eq!((words(&transacted), transacted.after), (vec!["lost@mail".into()], After::Closing));
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_says_nothing_about_the_message() {
    // It closed or said goodbye while nobody used it; it does so when the next command comes.
    for goodbye in ["S closes", "S: 421 idle\nS closes", "C* MAIL\nS closes", "C* MAIL\nS: 421 idle\nS closes"] {
        let mut world = World::new();
        let script = format!("{OPEN}{ENVELOPE}{MESSAGE}S: 250 done\n{goodbye}");
        let (mut session, there) = opened(&mut world, &script).await;
        let letter = Letter::to(&["a@there.example"]);
        assert_eq!(letter.send(&mut session).await.after, After::Reusable);
        tokio::time::advance(limits::UNHEARD_MAX * 2).await;
        assert_eq!(letter.send(&mut session).await.after, After::Stale, "{goodbye}");
        drop(session);
        there.await.unwrap();
    }
    // But what came later in the dialogue is about it.
    let mut world = World::new();
    let script = format!("{OPEN}{ENVELOPE}{MESSAGE}S: 250 done\nC* MAIL\nS: 550 no\nS: 421 bye\nS closes");
    let (mut session, _there) = opened(&mut world, &script).await;
    let letter = Letter::to(&["a@there.example"]);
    letter.send(&mut session).await;
    let transacted = letter.send(&mut session).await;
    assert_eq!((words(&transacted), transacted.after), (vec!["550@mail".into()], After::Closing));
}

#[tokio::test(start_paused = true)]
async fn a_rested_connection_is_heard_before_a_message_is_said_to_it() {
    let chunk = "C* MAIL\nC* RCPT\nC* BDAT\nC: a: b\nC:\nC: .c\nS: 250 ok\nS: 250 ok\nS: 250 done\n";
    let open = OPEN.replace("250 PIPELINING", "250-PIPELINING\n    S: 250 CHUNKING");
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{open}{chunk}{ENVELOPE}{MESSAGE}S: 250 done")).await;
    let letter = Letter::to(&["a@there.example"]);
    assert_eq!(words(&letter.send(&mut session).await), ["250"]);
    tokio::time::advance(limits::UNHEARD_MAX * 2).await;
    assert_eq!(words(&letter.send(&mut session).await), ["250"]);
    drop(session);
    there.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_final_dot_is_waited_for_ten_minutes() {
    let mut world = World::new();
    let (mut session, _there) = opened(&mut world, &format!("{OPEN}{ENVELOPE}{MESSAGE}C closes")).await;
    let transacted = Letter::to(&["a@there.example"]).send(&mut session).await;
    assert_eq!((words(&transacted), transacted.took), (vec!["lost@message?".into()], Duration::from_secs(600)));
    assert_eq!(transacted.after, After::Closing);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_stops_reading_is_left() {
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}{ENVELOPE}S hangs")).await;
    let mut letter = Letter::to(&["a@there.example"]);
    letter.message = b"0123456789abcdef\r\n".repeat(100_000);
    let transacted = letter.send(&mut session).await;
    assert_eq!((words(&transacted), transacted.after), (vec!["lost@message".into()], After::Closing));
    assert_eq!(transacted.took, limits::PIECE_WAIT);
    there.abort();
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_answers_at_the_last_moment_does_not_hold_us_for_days() {
    let mut world = World::new();
    world.around.patience.transaction = Duration::from_secs(400);
    let (mut session, there) =
        opened(&mut world, &format!("{OPEN}C* MAIL\nC* RCPT\nC* DATA\nS: 250 ok\nS hangs")).await;
    session.patience.command = Duration::from_secs(1_000);
    let transacted = Letter::to(&["a@there.example"]).send(&mut session).await;
    assert_eq!((words(&transacted), transacted.took), (vec!["lost@recipient".into()], Duration::from_secs(400)));
    there.abort();
}

#[tokio::test]
async fn a_session_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}C closes")).await;
    is_send(&world.open(&way(Tls::Never)));
    let letter = Letter::to(&["a@there.example"]);
    is_send(&letter.send(&mut session));
    is_send(&session);
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn what_may_not_be_finished_is_not() {
    // Behind DATA only the end of the connection is no end of the message.
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}{ENVELOPE}C closes")).await;
    let letter = Letter::to(&["a@there.example"]);
    let transacted = letter.send_if(&mut session, Record::Nothing, || false).await;
    assert_eq!((&transacted.answers[..], transacted.after), (&[Answer::Withheld][..], After::Closing));
    drop(session);
    there.await.unwrap();

    // A chunk is not even begun.
    let mut world = World::new();
    let open = OPEN.replace("250 PIPELINING", "250-PIPELINING\n    S: 250 CHUNKING");
    let (mut session, there) = opened(&mut world, &format!("{open}C: RSET\nS: 250 ok\nC closes")).await;
    let transacted = letter.send_if(&mut session, Record::Nothing, || false).await;
    assert_eq!((&transacted.answers[..], transacted.after), (&[Answer::Withheld][..], After::Reusable));
    drop(session);
    there.await.unwrap();

    // A long message has been on its way when the answer changes.
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}{ENVELOPE}")).await;
    let mut long = Letter::to(&["a@there.example"]);
    long.message = b"0123456789abcdef\r\n".repeat(20_000);
    let transacted = long.send_if(&mut session, Record::Nothing, || false).await;
    assert_eq!((&transacted.answers[..], transacted.after), (&[Answer::Withheld][..], After::Closing));
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn a_long_message_goes_in_slices_with_its_dots() {
    let mut letter = Letter::to(&["a@there.example"]);
    letter.message = b".line\r\n..\r\nx\r\n".repeat(30_000);
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}{ENVELOPE}C message\nS: 250 done")).await;
    assert_eq!(words(&letter.send(&mut session).await), ["250"]);
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn lmtp_gives_each_recipient_its_verdict() {
    let mut world = World::new();
    let mut way = way(Tls::Never);
    way.protocol = Protocol::Lmtp;
    let script = format!(
        "{}C* MAIL\nC* RCPT\nC* RCPT\nC* RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\n
         {MESSAGE}S: 250 done\nS: 452 full\nC: RSET\nS: 250 ok",
        OPEN.replace("EHLO", "LHLO")
    );
    let there = world.serve(&[&script]);
    let mut session = world.open(&way).await.unwrap();
    let transacted = Letter::to(&["a@t.example", "b@t.example", "c@t.example"]).send(&mut session).await;
    assert_eq!(words(&transacted), ["250", "550@recipient", "452@message"]);
    assert_eq!(transacted.after, After::Reusable);
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn a_remote_that_wants_few_transactions_gets_no_more() {
    let open = OPEN.replace("250 PIPELINING", "250-PIPELINING\n    S: 250 LIMITS MAILMAX=1 RCPTMAX=5");
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{open}{ENVELOPE}{MESSAGE}S: 250 done")).await;
    assert_eq!(session.capabilities().recipients_max, Some(5));
    assert_eq!(Letter::to(&["a@there.example"]).send(&mut session).await.after, After::Closing);
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn a_bare_line_feed_never_leaves_us() {
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}C closes")).await;
    let mut letter = Letter::to(&["a@there.example"]);
    letter.message = b"a: b\r\n\r\nc\n.\r\nMAIL FROM:<x@y.example>\r\n".to_vec();
    let transacted = letter.send(&mut session).await;
    assert_eq!(transacted.answers, [Answer::Unsendable(Unsendable::BareCrOrLf)]);
    assert_eq!(transacted.after, After::Reusable);
    drop(session);
    there.await.unwrap();
}

#[tokio::test]
async fn what_a_host_cannot_take_is_known_before() {
    let fits = |offers: &'static str, change: fn(&mut Letter)| async move {
        let mut world = World::new();
        let (session, there) = opened(&mut world, &OPEN.replace("PIPELINING", offers)).await;
        let mut letter = Letter::to(&["a@there.example"]);
        change(&mut letter);
        let fits = letter.fits(&session).map_err(|why| why.status.to_string());
        drop(session);
        there.await.unwrap();
        fits
    };
    assert_eq!(fits("SIZE 100", |_| {}).await, Ok(()));
    assert_eq!(fits("SIZE 10", |_| {}).await, Err("5.3.4".into()));
    let eight = |letter: &mut Letter| letter.message = "a: b\r\n\r\n\u{fc}\r\n".into();
    assert_eq!(fits("8BITMIME", eight).await, Ok(()));
    assert_eq!(fits("PIPELINING", eight).await, Err("5.6.3".into()));
    let binary = |letter: &mut Letter| letter.params.body = crate::mail::envelope::BodyType::BinaryMime;
    assert_eq!(fits("CHUNKING", binary).await, Err("5.6.3".into()));
    let utf8 = |letter: &mut Letter| letter.recipients[0].address = "\u{3b4}@there.example".parse().unwrap();
    assert_eq!(fits("8BITMIME", utf8).await, Err("5.6.7".into()));
    // RFC 8689 4.2.1: a promise in the clear is none.
    let tls = |letter: &mut Letter| letter.params.require_tls = true;
    assert_eq!(fits("REQUIRETLS", tls).await, Err("5.7.30".into()));
}

#[tokio::test]
async fn a_dialogue_is_written_down_on_request_and_shows_no_message() {
    let mut world = World::new();
    let (mut session, there) = opened(&mut world, &format!("{OPEN}{ENVELOPE}{MESSAGE}S: 250 done")).await;
    let transacted = Letter::to(&["a@there.example"]).send_if(&mut session, Record::Dialogue, || true).await;
    assert_eq!(
        transacted.dialogue.unwrap(),
        "# to mx.there.example at 192.0.2.1:25\nS: 220 mx\nC: EHLO us.example\nS: 250-mx\nS: 250 PIPELINING\n\
         C: MAIL FROM:<us@us.example>\nC: RCPT TO:<a@there.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n\
         # 16 bytes of a message\nS: 250 done\n"
    );
    drop(session);
    there.await.unwrap();
}
