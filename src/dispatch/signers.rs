//! Where messages are signed: several in one go, as a commit takes several rows. A signature costs a core a quarter of
//! a millisecond. Made one at a time between packets they pull the work of a busy server apart: every reply and every
//! message wakes its reader alone, commits have few rows, and all that costs a fifth as much again as the signatures.
//!
//! Who wants a signature puts his message to the others that wait, and takes a pen when one is free: then he signs for
//! all who wait, his own or not, and they have it when he is done. Before the pen goes on he lets everybody do what
//! there is to do, so that the next has more than one to sign. With nobody else there he signs his own at once.

use crate::base::clock::Time;
use crate::base::limits;
use crate::mail::domain_name::DomainName;
use crate::proof::{self, BodyHash, Keys, Signing};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, oneshot};

/// The fields that sign a message.
pub(super) type Signature = Result<Arc<str>, Unmade>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmade {
    /// It never can be; reads after "it cannot be signed: ".
    Never(String),
    /// A mistake of ours broke it, of which the log has said more.
    Broken,
}

/// A message to be signed with all keys of its domain.
pub(super) struct Unsigned {
    pub keys: Arc<Keys>,
    pub domain: DomainName,
    pub bytes: Arc<Vec<u8>>,
    pub now: Time,
}

struct Order {
    unsigned: Unsigned,
    signed: oneshot::Sender<Signature>,
}

pub(super) struct Signers {
    /// Bounded by the connections: each waits for one at most.
    waiting: Mutex<VecDeque<Order>>,
    /// One for each thread that tasks run on: more could not write at the same time.
    pens: Semaphore,
}

impl Signers {
    pub fn new(pens: usize) -> Self {
        Self { waiting: Mutex::default(), pens: Semaphore::new(pens) }
    }

    pub async fn sign(&self, unsigned: Unsigned) -> Signature {
        let (signed, mut mine) = oneshot::channel();
        self.waiting().push_back(Order { unsigned, signed });
        loop {
            let pen = tokio::select! {
                biased;
                // Who had it went away with it: no fault of the message.
                signed = &mut mine => return signed.unwrap_or(Err(Unmade::Broken)),
                pen = self.pens.acquire() => pen,
            };
            sign_all(self.next(), Unsigned::sign);
            // Here and not before: to wait first is too polite, mail comes in faster than it goes, and a backlog is
            // dearer than all this.
            tokio::task::yield_now().await;
            drop(pen);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is signed in one go.
    fn next(&self) -> Vec<Order> {
        let (mut waiting, mut next, mut effort) = (self.waiting(), Vec::new(), 0);
        while effort < limits::SIGN_EFFORT_AT_ONCE
            && let Some(order) = waiting.pop_front()
        {
            if !order.signed.is_closed() {
                effort += order.unsigned.effort();
                next.push(order);
            }
        }
        next
    }
}

/// What breaks over one of them is the matter of that one.
fn sign_all(orders: Vec<Order>, sign: impl Fn(&Unsigned) -> Signature) {
    let sign = |order: Order| {
        let made = catch_unwind(AssertUnwindSafe(|| sign(&order.unsigned)));
        (order.signed, made.unwrap_or(Err(Unmade::Broken)))
    };
    let done: Vec<_> = orders.into_iter().map(sign).collect();
    // All at once, so that they go on together. Who went away meanwhile needs none.
    for (signed, signature) in done {
        let _ = signed.send(signature);
    }
}

impl Unsigned {
    pub fn sign(&self) -> Signature {
        let never = |why: &dyn std::fmt::Display| Unmade::Never(why.to_string());
        let Signing::With(keys) = self.keys.of(&self.domain) else { return Err(never(&"it has no key")) };
        let body = BodyHash::of(&self.bytes);
        let fields = proof::sign(&self.bytes, &body, keys, self.now, None).map_err(|why| never(&why))?;
        String::from_utf8(fields).map(Arc::from).map_err(|why| never(&why))
    }

    fn effort(&self) -> usize {
        match self.keys.of(&self.domain) {
            Signing::With(keys) => keys.iter().map(|key| key.effort()).sum(),
            Signing::None | Signing::Unusable(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dkim::Algorithm;
    use crate::proof::{PrivateKey, SigningKey};
    use futures_util::FutureExt;
    use tokio::task::JoinSet;

    const DOMAIN: &str = "example.com";

    fn keys(algorithms: &[Algorithm]) -> Arc<Keys> {
        let mut keys = Keys::default();
        for (n, algorithm) in algorithms.iter().enumerate() {
            let (selector, private) = (format!("s{n}").parse().unwrap(), PrivateKey::generate(*algorithm).unwrap());
            keys.add(Arc::new(SigningKey::new(DOMAIN.parse().unwrap(), selector, private)));
        }
        Arc::new(keys)
    }

    fn message(n: usize) -> Vec<u8> {
        format!("From: a@example.com\r\nSubject: {n}\r\n\r\nbody {n}\r\n").into_bytes()
    }

    fn unsigned(keys: &Arc<Keys>, n: usize) -> Unsigned {
        let now = Time::from_micros(1_795_262_400_000_000);
        Unsigned { keys: keys.clone(), domain: DOMAIN.parse().unwrap(), bytes: Arc::new(message(n)), now }
    }

    /// Ed25519 signs the same twice in the same way: so it shows whose signature it is.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_gets_his_own_signature() {
        let (signers, keys) = (Arc::new(Signers::new(2)), keys(&[Algorithm::Ed25519]));
        let mut tasks = JoinSet::new();
        for n in 0..300 {
            let (signers, unsigned) = (signers.clone(), unsigned(&keys, n));
            tasks.spawn(async move { (n, signers.sign(unsigned).await) });
        }
        while let Some(done) = tasks.join_next().await {
            let (n, signed) = done.unwrap();
            assert_eq!(signed, unsigned(&keys, n).sign(), "{n}");
        }
        assert!(signers.waiting().is_empty());
    }

    #[tokio::test]
    async fn who_holds_the_pen_signs_for_those_who_wait() {
        let (signers, keys) = (Signers::new(1), keys(&[Algorithm::Ed25519]));
        let held = signers.pens.acquire().await.unwrap();
        let mut all: Vec<_> = (0..4).map(|n| Box::pin(signers.sign(unsigned(&keys, n)))).collect();
        assert!(all.iter_mut().all(|one| one.now_or_never().is_none()));
        // One went away.
        drop(all.remove(2));
        drop(held);
        let mut first = all.remove(0);
        assert!((&mut first).now_or_never().is_none(), "he keeps the pen while others do what there is to do");
        assert!(signers.waiting().is_empty());
        assert!(all.into_iter().all(|other| other.now_or_never().is_some_and(|signed| signed.is_ok())));
        assert!(first.await.is_ok());
    }

    #[tokio::test]
    async fn a_pen_is_not_lost_with_its_holder() {
        let (signers, keys) = (Signers::new(1), keys(&[Algorithm::Ed25519]));
        let mut holder = Box::pin(signers.sign(unsigned(&keys, 0)));
        assert!((&mut holder).now_or_never().is_none());
        let mut other = Box::pin(signers.sign(unsigned(&keys, 1)));
        assert!((&mut other).now_or_never().is_none());
        assert_eq!(signers.pens.available_permits(), 0);
        drop(holder);
        assert!(other.await.is_ok());
    }

    #[tokio::test]
    async fn what_breaks_over_one_message_is_no_matter_of_the_others() {
        let keys = keys(&[Algorithm::Ed25519]);
        let (orders, answers): (Vec<_>, Vec<_>) = (0..3)
            .map(|n| {
                let (signed, mine) = oneshot::channel();
                (Order { unsigned: unsigned(&keys, n), signed }, mine)
            })
            .unzip();
        let poison = message(1);
        sign_all(orders, |unsigned| match *unsigned.bytes == poison {
            true => panic!("a mistake of ours, in a test"),
            false => unsigned.sign(),
        });
        let mut signed = Vec::new();
        for answer in answers {
            signed.push(answer.await.unwrap());
        }
        assert!(signed[0].is_ok() && signed[1] == Err(Unmade::Broken) && signed[2].is_ok(), "{signed:?}");
        // And who had it may go away with it.
        let signers = Signers::new(1);
        let held = signers.pens.acquire().await.unwrap();
        let mut waits = Box::pin(signers.sign(unsigned(&keys, 0)));
        assert!((&mut waits).now_or_never().is_none());
        signers.waiting().clear();
        assert_eq!(waits.await, Err(Unmade::Broken));
        drop(held);
    }

    #[test]
    fn long_keys_are_fewer_in_one_go() {
        let go = |keys: &Arc<Keys>| {
            let signers = Signers::new(1);
            let (kept, _): (Vec<_>, Vec<_>) = (0..40)
                .map(|n| {
                    let (signed, mine) = oneshot::channel();
                    signers.waiting().push_back(Order { unsigned: unsigned(keys, n), signed });
                    (mine, ())
                })
                .unzip();
            let first = signers.next().len();
            assert_eq!(signers.waiting().len(), kept.len() - first);
            first
        };
        assert_eq!(go(&keys(&[Algorithm::Rsa])), limits::SIGN_EFFORT_AT_ONCE);
        assert_eq!(go(&keys(&[Algorithm::Rsa, Algorithm::Ed25519])), limits::SIGN_EFFORT_AT_ONCE / 2);
    }
}
