//! How a destination becomes a way: the DNS and what of it is proven, the rules about mail hosts, DANE and
//! MTA-STS, each trap of it as a story.

#[path = "ways/dane.rs"]
mod dane;
#[path = "ways/dnssec.rs"]
mod dnssec;
#[path = "ways/hosts.rs"]
mod hosts;
#[path = "ways/https.rs"]
mod https;
#[path = "ways/scene.rs"]
mod scene;
#[path = "ways/sts.rs"]
mod sts;
