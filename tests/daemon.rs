//! The daemon as its admin meets it: the real program, its real signals, its log and its files.

#[path = "daemon/check.rs"]
mod check;
#[path = "daemon/database.rs"]
mod database;
#[path = "daemon/directory.rs"]
mod directory;
#[path = "daemon/dkim.rs"]
mod dkim;
#[path = "daemon/dns.rs"]
mod dns;
#[path = "daemon/keys.rs"]
mod keys;
#[path = "daemon/logs.rs"]
mod logs;
#[path = "daemon/mail.rs"]
mod mail;
#[path = "daemon/notify.rs"]
mod notify;
#[path = "daemon/password.rs"]
mod password;
#[path = "daemon/privilege.rs"]
mod privilege;
#[path = "daemon/queue.rs"]
mod queue;
#[path = "daemon/reload.rs"]
mod reload;
#[path = "daemon/secrets.rs"]
mod secrets;
#[path = "daemon/start.rs"]
mod start;
#[path = "daemon/stop.rs"]
mod stop;
#[path = "daemon/tls.rs"]
mod tls;
#[path = "daemon/track.rs"]
mod track;
