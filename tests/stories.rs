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
    auth_any_case,
    auth_authzid,
    auth_bad_base64,
    auth_cancel,
    auth_in_a_transaction,
    auth_in_the_clear_is_on_the_trace,
    auth_is_forgotten_at_starttls,
    auth_lasts,
    auth_login,
    auth_login_with_initial_username,
    auth_long_lines,
    auth_needs_ehlo,
    auth_not_in_clear,
    auth_not_on_mx,
    auth_parameter,
    auth_pipelined,
    auth_plain,
    auth_plain_in_a_line_of_its_own,
    auth_plain_malformed,
    auth_scram,
    auth_scram_malformed,
    auth_scram_unknown_user,
    auth_scram_wrong_password,
    auth_tells_nobody_who_exists,
    auth_twice,
    auth_unknown_mechanism,
    auth_wrong_password,
    body_8bitmime,
    bounds_chunks,
    bounds_dots_are_not_counted,
    bounds_messages,
    bounds_recipients,
    bounds_size,
    chunking_after_an_error,
    chunking_bad_size,
    chunking_binarymime,
    chunking_far_too_large,
    chunking_first_things_first,
    chunking_many_chunks,
    chunking_nothing_between,
    chunking_one_chunk,
    chunking_rset,
    chunking_with_all_behind_it,
    command_any_case,
    command_arguments,
    command_bare_cr,
    command_bare_lf,
    command_errors_have_an_end,
    command_help,
    command_keepalives_have_an_end,
    command_line_of_512,
    command_line_without_end,
    command_long_mail,
    command_not_ascii,
    command_quit_at_once,
    command_trailing_blanks,
    command_trailing_tab,
    command_unknown,
    command_vrfy_tells_nothing,
    control_headers_are_kept_and_not_sent,
    control_headers_not_on_mx,
    control_headers_one_key_one_message,
    control_headers_wrong_are_named,
    data_bare_lf_on_submission,
    data_bytes_untouched,
    data_client_goes_away,
    data_dots,
    data_empty_message,
    data_loop,
    data_many_hops_are_no_loop,
    data_no_body,
    data_not_a_header,
    data_raw_utf8_in_a_header,
    data_received,
    data_received_hides_a_trick,
    data_smuggling_byte_by_byte,
    data_smuggling_mx,
    data_text_line_of_1000,
    dsn_bad_values,
    dsn_parameters,
    futurerelease,
    futurerelease_not_on_mx,
    hello_address_literals,
    hello_again_forgets_the_mail,
    hello_ehlo_implicit_tls,
    hello_ehlo_loopback,
    hello_ehlo_mx,
    hello_ehlo_mx_in_tls,
    hello_ehlo_submission,
    hello_ehlo_submission_in_tls,
    hello_greeting,
    hello_helo,
    hello_needs_a_name,
    hello_no_tls_at_all,
    limit_of_a_credential,
    login_from_elsewhere,
    mail_dots,
    mail_null_mx_sender,
    mail_null_sender,
    mail_parameter_twice,
    mail_sender_domain_that_is_not,
    mail_space_after_colon,
    mail_syntax_errors,
    mail_unknown_parameter,
    network_credential,
    network_credential_and_login,
    network_credential_elsewhere,
    network_credential_not_in_clear,
    network_credential_not_on_mx,
    order_a_refused_message_forgets_all,
    order_hello_first,
    order_mail_rcpt_data,
    order_nested_mail,
    order_refusals_keep_the_mail,
    order_rset,
    order_three_messages,
    pipelining_all_at_once,
    pipelining_byte_by_byte,
    pipelining_many_rset,
    pipelining_no_recipient_left,
    pipelining_one_bad_recipient,
    proxy_before_tls,
    proxy_byte_by_byte,
    proxy_conveys_the_client,
    proxy_from_a_stranger,
    proxy_loopback_is_the_client_not_the_balancer,
    proxy_must_say_something,
    proxy_that_names_nobody,
    proxy_version_2,
    proxy_xclient,
    rcpt_atext_specials,
    rcpt_case,
    rcpt_domain_in_both_forms,
    rcpt_hundred,
    rcpt_lengths,
    rcpt_postmaster,
    rcpt_quoted_local_part,
    rcpt_recipients_are_secret,
    rcpt_relay_is_refused,
    rcpt_source_route,
    rcpt_syntax_errors,
    rcpt_the_same_twice,
    rcpt_unknown,
    requiretls,
    size_declared,
    smtputf8_delivered,
    smtputf8_without_parameter,
    starttls_behind_a_message,
    starttls_clear_words,
    starttls_drops_what_was_slipped_in,
    starttls_forgets_everything,
    starttls_mail,
    starttls_old_versions,
    starttls_with_argument,
    submission_completes_the_message,
    submission_foreign_from,
    submission_foreign_sender,
    submission_from_nobody,
    submission_keeps_what_is_there,
    submission_needs_login,
    submission_one_author,
    submission_tenants_apart,
    submission_unknown_colleague,
    submission_utf8_and_tls,
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

/// What an admin has written down of a conversation is a story: pasted in here, it tells itself again.
#[test]
fn a_recorded_conversation_can_be_told_again() {
    let told = "given recorded
connect mx
S: 220 …
C: EHLO client.example
S* 250 …
C| WH\\xffT \\{now\\}?\\r\\n
S: 501 …
C: STARTTLS
S: 220 …
TLS
C: EHLO client.example
S* 250 …
C: MAIL FROM:<someone@far.example>
C: RCPT TO:<nobody@example.com>
S: 250 …
S: 550 …
C: QUIT
S: 221 …
S closes";
    play::try_to_tell("the conversation", told).unwrap();
    let folder = house::House::given("recorded").data("transcripts");
    let written = || {
        let file = std::fs::read_dir(&folder).ok()?.next()?.ok()?;
        std::fs::read_to_string(file.path()).ok().filter(|text| text.contains("\nS: 221 2.0.0"))
    };
    let recorded = crate::running::eventually(written).expect("a transcript");
    assert!(recorded.contains("\nconnect mx\n") && recorded.contains("\nTLS\n"), "{recorded}");
    play::try_to_tell("the record", &format!("given recorded\n{recorded}")).unwrap_or_else(|why| {
        panic!("{why}\n{recorded}");
    });
}
