//! Gatepost: one program between an organisation and the world's mail.
//!
//! This file is the plan of the house. A module imports only from floors below its own; rooms of
//! one floor do not know each other. What two rooms need sinks a floor, what joins them rises one.
//! `tests/house.rs` reads the floors from the comments here and fails on any other import.
#![forbid(unsafe_code)]

// floor 0: what every room stands on
pub mod base;

// floor 1: the words of mail, as values
pub mod mail;

// floor 2: plain records and pure functions; no store, no clock of their own
pub mod content;
pub mod dns;
pub mod model;
pub mod net;
pub mod smtp;

// floor 3: the rooms that touch one piece of the world each
pub mod certs;
pub mod deliver;
pub mod proof;
pub mod store;

// floor 4: the life of a delivery, and what decides about it
pub mod policy;
pub mod queue;

// floor 5: the only way out, and the only way in: what is accepted is committed here
pub mod inward;
pub mod outward;

// floor 6: transactions, and work by the clock
pub mod dispatch;
pub mod receive;
pub mod submit;
pub mod tend;

// floor 7: the doors
pub mod http;
pub mod smtpd;

// floor 8: the configuration, which fills the settings of the rooms below
pub mod config;

// floor 9: the only place where the parts meet
pub mod daemon;

// floor 10: the commands
pub mod cli;
