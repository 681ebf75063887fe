//! What can happen on the way to another server: each with its line and its number.

use super::Phase;
use crate::base::metrics::{DELIVERY_CONNECTIONS, DELIVERY_FAULTS, DELIVERY_UNOPENED};
use crate::base::observe::Happening;
use crate::deliver::tls::TlsInfo;
use crate::model::host::Host;
use crate::smtp::dialogue::response;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct SessionOpened<'a> {
    pub host: &'a Host,
    pub address: SocketAddr,
    pub tls: Option<&'a TlsInfo>,
    pub took: Duration,
}

impl Happening for SessionOpened<'_> {
    fn record(self) {
        let Self { host, address, tls, took } = self;
        let version = tls.map_or("none", |tls| tls.version);
        let verified = tls.map_or("nobody", |tls| tls.verified.word());
        metrics::counter!(DELIVERY_CONNECTIONS, "tls" => version, "verified" => verified).increment(1);
        tracing::debug!(%host, %address, tls = version, verified, ?took, "connected to a mail server");
    }
}

pub(super) struct HostFailed<'a> {
    pub host: &'a Host,
    pub address: Option<SocketAddr>,
    pub phase: Phase,
    pub why: &'a str,
}

impl Happening for HostFailed<'_> {
    fn record(self) {
        let Self { host, address, phase, why } = self;
        let phase = phase.word();
        metrics::counter!(DELIVERY_UNOPENED, "phase" => phase).increment(1);
        tracing::info!(%host, address = address.map(tracing::field::display), phase, why, "a mail server did not do");
    }
}

/// What a remote said was no reply, or had no end.
pub(super) struct Fault<'a> {
    pub host: &'a Host,
    pub phase: Phase,
    pub fault: response::Fault,
}

impl Happening for Fault<'_> {
    fn record(self) {
        let Self { host, phase, fault } = self;
        let phase = phase.word();
        metrics::counter!(DELIVERY_FAULTS, "phase" => phase).increment(1);
        tracing::info!(%host, phase, why = %fault, "a mail server could not be understood");
    }
}
