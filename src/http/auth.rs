//! Who is asking. On the control socket the kernel says it; keys and sessions come with the resources
//! that need them.

use super::error::{ApiError, Kind};
use crate::net::socket::Peer;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Root, or the user that the daemon runs as, on the control socket: acts as super_admin.
    Control(u32),
    /// Anybody else on the control socket: told no, whatever was asked.
    Stranger(u32),
    /// From the network, without a key.
    Anonymous,
}

impl Caller {
    /// Who this is, for a daemon that runs as `owner`.
    pub fn of(peer: Peer, owner: u32) -> Self {
        match peer {
            Peer::Address(_) => Self::Anonymous,
            Peer::User(uid) if uid == 0 || uid == owner => Self::Control(uid),
            Peer::User(uid) => Self::Stranger(uid),
        }
    }
}

/// A handler that takes this argument is for super_admin alone.
pub struct SuperAdmin {
    /// Who, for events and reasons: `root`, `uid 990`.
    pub by: String,
}

impl<S: Sync> FromRequestParts<S> for SuperAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Control(0)) => Ok(Self { by: "root".to_owned() }),
            Some(Caller::Control(uid)) => Ok(Self { by: format!("uid {uid}") }),
            Some(Caller::Stranger(_)) => Err(stranger()),
            Some(Caller::Anonymous) | None => Err(ApiError::new(
                Kind::Authentication,
                "authentication_required",
                "this needs an administrator: ask on the control socket",
            )),
        }
    }
}

pub(super) fn stranger() -> ApiError {
    let message = "the control socket is for root and the user that the daemon runs as";
    ApiError::new(Kind::Permission, "wrong_user", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_owner_control() {
        assert_eq!(Caller::of(Peer::User(0), 990), Caller::Control(0));
        assert_eq!(Caller::of(Peer::User(990), 990), Caller::Control(990));
        assert_eq!(Caller::of(Peer::User(1000), 990), Caller::Stranger(1000));
        assert_eq!(Caller::of(Peer::Address("127.0.0.1:9".parse().unwrap()), 990), Caller::Anonymous);
    }
}
