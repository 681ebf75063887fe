//! Whom the world may claim to be, before anything is verified: somebody who could be answered.

use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::ReversePath;
use crate::smtp::reply::Reply;

/// What the DNS says of taking mail for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachable {
    /// It has servers, or an address that may be one.
    Yes,
    /// RFC 7505 3: a null MX says that it takes none.
    NullMx,
    /// There is no such domain.
    Nowhere,
    /// The DNS did not say.
    Unknown,
}

const NULL_MX: Reply = Reply::new(550, 7, 27, "the sender's domain takes no mail (null MX), so nobody sends from it");
const NOWHERE: Reply = Reply::new(550, 1, 8, "the sender's domain does not exist");

/// MAIL. A lookup that fails, or takes too long, refuses nobody.
pub async fn check(sender: &ReversePath, lookup: impl AsyncFnOnce(&DomainName) -> Reachable) -> Result<(), Reply> {
    // RFC 5321 4.5.5: reports come from nobody.
    let Some(address) = sender.address() else { return Ok(()) };
    let looked_up = tokio::time::timeout(limits::SENDER_LOOKUP_MAX, lookup(address.domain())).await;
    match looked_up.unwrap_or(Reachable::Unknown) {
        Reachable::Yes | Reachable::Unknown => Ok(()),
        // RFC 7505 4.2: with this very code.
        Reachable::NullMx => Err(NULL_MX),
        Reachable::Nowhere => Err(NOWHERE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_answered_is_refused() {
        let sender = ReversePath::Address("a@b.example".parse().unwrap());
        for (says, reply) in [
            (Reachable::Yes, Ok(())),
            (Reachable::Unknown, Ok(())),
            (Reachable::NullMx, Err(NULL_MX)),
            (Reachable::Nowhere, Err(NOWHERE)),
        ] {
            let lookup = async |domain: &DomainName| {
                assert_eq!(domain.as_str(), "b.example");
                says
            };
            assert_eq!(check(&sender, lookup).await, reply, "{says:?}");
        }
        // Nobody needs no domain, and silence is no refusal.
        assert_eq!(check(&ReversePath::Null, async |_: &DomainName| unreachable!()).await, Ok(()));
        assert_eq!(check(&sender, async |_: &DomainName| std::future::pending().await).await, Ok(()));
    }
}
