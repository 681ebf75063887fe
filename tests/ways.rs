//! How a destination becomes a way: the DNS and what of it is proven.

#[path = "ways/dnssec.rs"]
mod dnssec;
