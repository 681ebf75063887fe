//! What the SMTP doors promise, told by their clients: each file of tests/transcripts is one story and
//! one test, `cargo test stories::data_dots`. How they are written stands in the README beside them.
//!
//! Real sockets, real TLS, the real program with its store; one daemon for each `given`, shared by all
//! stories that name it, each client at an address of its own.

#[path = "stories/house.rs"]
mod house;
#[path = "stories/kept.rs"]
mod kept;
#[path = "stories/play.rs"]
mod play;
#[path = "stories/scram.rs"]
mod scram;
#[path = "stories/script.rs"]
mod script;
#[path = "stories/wire.rs"]
mod wire;
#[path = "stories/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;

fn transcripts() -> PathBuf {
    crate::source::root().join("tests/transcripts")
}

macro_rules! stories {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                play::tell(stringify!($name));
            }
        )*
        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}

stories! {
    auth_not_in_clear,
    auth_not_on_mx,
    auth_unknown_mechanism,
    command_bare_cr,
    command_bare_lf,
    command_errors_have_an_end,
    command_help,
    command_keepalives_have_an_end,
    command_line_of_512,
    command_line_without_end,
    command_not_ascii,
    command_quit_at_once,
    command_unknown,
    command_vrfy_tells_nothing,
    futurerelease_not_on_mx,
    hello_address_literals,
    hello_ehlo_mx,
    hello_ehlo_mx_in_tls,
    hello_ehlo_submission,
    hello_greeting,
    hello_no_tls_at_all,
    order_hello_first,
    pipelining_many_rset,
    proxy_before_tls,
    proxy_byte_by_byte,
    proxy_from_a_stranger,
    proxy_loopback_is_the_client_not_the_balancer,
    proxy_must_say_something,
    proxy_version_2,
    starttls_clear_words,
    starttls_drops_what_was_slipped_in,
    starttls_old_versions,
    starttls_with_argument,
    submission_needs_login,
    tls_clear_words_at_an_implicit_door,
    tls_old_versions_implicit,
}

#[test]
fn every_story_is_told() {
    let files = std::fs::read_dir(transcripts()).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|kind| kind == "smtp"));
    let written: BTreeSet<String> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let listed: BTreeSet<String> = LISTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(written, listed, "tests/transcripts on the left, `stories!` on the right");
    assert_eq!(LISTED.len(), listed.len(), "a story is listed twice");
}

/// A story that could not fail would be no test: each kind of line is held against the wrong one.
#[test]
fn a_story_that_is_not_true_is_not_told() {
    for (told, because) in [
        ("connect mx\nS: 221 …", "220 mail.example.com"),
        ("connect mx\nS: 220 …\nC: QUIT\nS: 221 …\nS: 250 …", "has ended"),
        ("connect mx\nS: 220 …\nC: QUIT\nS closes", "it goes on"),
        ("connect mx\nS: 220 …\nC: EHLO a\nS* 250 …\noffers exactly PIPELINING", "SIZE"),
        ("connect mx\nS: 220 …\nC: EHLO a\nS* 250 …\noffers no STARTTLS", "STARTTLS"),
        ("connect mx\nS: 220 …\nC: EHLO a\nS* 250 …\noffers STARTTLS, BIGMAIL", "STARTTLS"),
        ("connect mx\nS: 220 …\nTLS", "message"),
        ("connect mx\nS| 221", "220"),
        ("connect attic", "no door attic"),
        ("then stored: 1 message", "stored: 0"),
        ("then sender: <>", "stored: 0"),
    ] {
        let why = play::try_to_tell("no story", told).expect_err(told);
        assert!(why.contains(because), "{told}: {why}");
    }
}
