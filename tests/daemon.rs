//! The daemon as its admin meets it: the real program, its real signals, its log and its files.

#[path = "daemon/reload.rs"]
mod reload;
#[path = "daemon/start.rs"]
mod start;
#[path = "daemon/stop.rs"]
mod stop;
#[path = "daemon/tls.rs"]
mod tls;
