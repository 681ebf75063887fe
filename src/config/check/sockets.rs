//! Addresses that two listeners cannot both have, and the plan of retries.

use super::Survey;
use crate::base::limits;
use crate::base::settings::Value;
use std::net::SocketAddr;
use std::time::Duration;

impl Survey<'_> {
    pub(super) fn listeners_do_not_clash(&mut self) {
        let config = self.config;
        let smtp = config.listener.iter().enumerate().map(|(i, listener)| ("listener", i, &listener.bind));
        let http = config.http.iter().enumerate().map(|(i, listener)| ("http", i, &listener.bind));
        let mut seen: Vec<(SocketAddr, String)> = Vec::new();
        for (table, i, bind) in smtp.chain(http) {
            if bind.is_empty() && self.source.is_whole(&format!("{table}[{i}].bind")) {
                self.error(&format!("{table}[{i}].bind"), "a listener without an address".to_owned(), |finding| {
                    finding.label("\"bind\" needs at least one address")
                });
            }
            if seen.len() + bind.len() > limits::LISTENERS_MAX {
                let message = format!("more than {} addresses to listen on", limits::LISTENERS_MAX);
                return self.error(&format!("{table}[{i}].bind"), message, |finding| finding);
            }
            for (j, address) in bind.iter().enumerate() {
                let path = format!("{table}[{i}].bind[{j}]");
                self.does_not_clash(*address, &path, &seen);
                seen.push((*address, path));
            }
        }
    }

    fn does_not_clash(&mut self, address: SocketAddr, path: &str, seen: &[(SocketAddr, String)]) {
        let found = seen.iter().map(|(other, path)| (clash(address, *other), other, path));
        let Some((clash, other, first)) = found.filter(|(clash, ..)| *clash != Clash::No).max_by_key(|(c, ..)| *c)
        else {
            return;
        };
        let first = self.place(first);
        match clash {
            Clash::Certain if address == *other => self.error(path, format!("two listeners on {address}"), |f| {
                f.label("again here").also(first, "first here")
            }),
            Clash::Certain => self.error(path, format!("{address} clashes with {other}"), |finding| {
                finding.label("one of them is every address of the machine").also(first, "the other")
            }),
            _ => self.warning(path, format!("{address} may clash with {other}"), |finding| {
                finding
                    .label("[::] takes IPv4 connections too, unless the system is told otherwise")
                    .also(first, "the other")
            }),
        }
    }

    pub(super) fn retry_plan_has_steps(&mut self) {
        let (delivery, source) = (&self.config.delivery, self.source);
        if delivery.retry.is_empty() && source.is_whole("delivery.retry") {
            let label = "\"retry\" needs at least one time";
            self.error("delivery.retry", "a delivery that is never tried again".to_owned(), |f| f.label(label));
        }
        if delivery.retry.len() > limits::RETRY_STEPS_MAX {
            let message = format!("\"retry\" has at most {} steps", limits::RETRY_STEPS_MAX);
            self.error("delivery.retry", message, |finding| finding.help("the last one repeats"));
        }
        for (i, pause) in delivery.retry.iter().enumerate() {
            if *pause < Duration::from_secs(1) {
                let message = format!("a pause of {} between attempts", pause.write().unwrap_or_default());
                self.error(&format!("delivery.retry[{i}]"), message, |f| f.label("at least \"1s\""));
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Clash {
    No,
    /// It depends on the system (IPV6_V6ONLY).
    Maybe,
    Certain,
}

fn clash(a: SocketAddr, b: SocketAddr) -> Clash {
    // Port 0 is "any free one".
    if a.port() != b.port() || a.port() == 0 {
        return Clash::No;
    }
    let (any_a, any_b) = (a.ip().is_unspecified(), b.ip().is_unspecified());
    if a.ip() == b.ip() || (a.is_ipv4() == b.is_ipv4() && (any_a || any_b)) {
        Clash::Certain
    } else if (a.is_ipv6() && any_a) || (b.is_ipv6() && any_b) {
        Clash::Maybe
    } else {
        Clash::No
    }
}
