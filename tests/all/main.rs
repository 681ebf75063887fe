//! The one integration binary: one link, one PostgreSQL for all of it.

#[path = "../support/faults.rs"]
mod faults;
#[path = "../support/mails.rs"]
mod mails;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/policies.rs"]
mod policies;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/running.rs"]
mod running;
#[path = "../support/signed.rs"]
mod signed;
#[path = "../support/source.rs"]
mod source;
#[path = "../support/stores.rs"]
mod stores;
#[path = "../support/verifier.rs"]
mod verifier;
#[path = "../support/worker.rs"]
mod worker;

#[path = "../clients.rs"]
mod clients;
mod config;
#[path = "../daemon.rs"]
mod daemon;
#[path = "../delivery.rs"]
mod delivery;
#[path = "../deployment.rs"]
mod deployment;
#[path = "../directory.rs"]
mod directory;
#[path = "../dkim.rs"]
mod dkim;
#[path = "../dns.rs"]
mod dns;
mod doors;
#[path = "../footings.rs"]
mod footings;
#[path = "../fuzz_corpora.rs"]
mod fuzz_corpora;
#[path = "../house.rs"]
mod house;
#[path = "../licences.rs"]
mod licences;
#[path = "../limits.rs"]
mod limits;
#[path = "../pipelines.rs"]
mod pipelines;
#[path = "../queue.rs"]
mod queue;
#[path = "../queue_api.rs"]
mod queue_api;
#[path = "../reports.rs"]
mod reports;
#[path = "../rewrite.rs"]
mod rewrite;
#[path = "../rfcs.rs"]
mod rfcs;
#[path = "../sevenbit.rs"]
mod sevenbit;
#[path = "../sim.rs"]
mod sim;
#[path = "../smtp_model.rs"]
mod smtp_model;
#[path = "../store_backup.rs"]
mod store_backup;
#[path = "../store_both.rs"]
mod store_both;
#[path = "../store_crash.rs"]
mod store_crash;
#[path = "../store_faults.rs"]
mod store_faults;
#[path = "../store_model.rs"]
mod store_model;
#[path = "../stories.rs"]
mod stories;
#[path = "../templates.rs"]
mod templates;
#[path = "../track.rs"]
mod track;
#[path = "../ways.rs"]
mod ways;
