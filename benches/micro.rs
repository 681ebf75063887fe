//! The small steps that every mail or every reload pays, each by itself.
//!
//!     cargo bench --bench micro

#[path = "../tests/support/mails.rs"]
#[allow(dead_code)] // Its mails are for the tests and the other bench.
mod mails;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, MessageId};
use gatepost::base::random::Random;
use gatepost::config::{Environment, load::load_text};
use gatepost::mail::address::Address;
use gatepost::model::message::Form;
use gatepost::store::mail::Body;
use std::path::Path;

// As in the daemon: the figures are of the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

#[divan::bench]
fn new_id() -> MessageId {
    id::new(Clock::System.now(), &Random::System)
}

#[divan::bench(args = ["someone@example.com", "\"quoted @ one\"@xn--bcher-kva.example", "δοκιμή@παράδειγμα.δοκιμή"])]
fn parse_address(text: &str) -> Address {
    black_box(text).parse().unwrap()
}

/// What a body costs the thread that hands it in: below the bound it is moved, above it compressed.
#[divan::bench(args = [10 << 10, 64 << 10, 1 << 20])]
fn pack_body(bencher: Bencher, bytes: usize) {
    let random = Random::seeded(1);
    let message: MessageId = id::new(Clock::System.now(), &random);
    let body = mails::body(&random, bytes);
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(|| body.clone())
        .bench_values(|body| Body::new(message.clone(), Form::Prepared, body));
}

/// Reading and checking the quickstart, as each start does.
#[divan::bench]
fn load_configuration() {
    let text = include_str!("../conf/quickstart.toml").to_owned();
    let loaded = load_text("quickstart", text, Path::new("."), &Environment::default());
    assert!(loaded.config.is_some());
}
