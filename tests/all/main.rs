//! The one integration binary: one link, one PostgreSQL for all of it.

#[path = "../support/mails.rs"]
mod mails;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/source.rs"]
mod source;

mod config;
#[path = "../daemon.rs"]
mod daemon;
#[path = "../deployment.rs"]
mod deployment;
#[path = "../directory.rs"]
mod directory;
mod doors;
#[path = "../house.rs"]
mod house;
#[path = "../licences.rs"]
mod licences;
#[path = "../rfcs.rs"]
mod rfcs;
#[path = "../store_backup.rs"]
mod store_backup;
