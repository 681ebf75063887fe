//! The one integration binary: one link, one PostgreSQL for all of it.

#[path = "../support/faults.rs"]
mod faults;
#[path = "../support/mails.rs"]
mod mails;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/source.rs"]
mod source;
#[path = "../support/stores.rs"]
mod stores;
#[path = "../support/worker.rs"]
mod worker;

mod config;
#[path = "../deployment.rs"]
mod deployment;
mod doors;
#[path = "../house.rs"]
mod house;
#[path = "../licences.rs"]
mod licences;
#[path = "../rfcs.rs"]
mod rfcs;
#[path = "../store_both.rs"]
mod store_both;
#[path = "../store_faults.rs"]
mod store_faults;
