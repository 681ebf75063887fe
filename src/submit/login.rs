//! Who is it? The doors ask here: at connect whether somebody is sent away, for SCRAM's keys, whether a
//! claim holds, and before each transaction whether it still does.
//!
//! A login that nobody has looks like any other, in words and in time. Rights and bans are tested each
//! time; only the hashing is spared to who was right a moment ago.

use super::Fingerprint;
use super::checks::Checks;
use super::happenings::{Accepted, Banned, LoginAccepted, LoginRefused, Refusal};
use super::passwords::{Lock, Passwords, keys_given, keys_makeable};
use super::remembered::Remembered;
use super::submitter::{KnownBy, Submitter};
use super::throttle::{Ban, Throttle};
use super::view::{Unusable, View};
use super::whence::Whence;
use crate::base::clock::Clock;
use crate::base::observe::Happening;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::mail::address::Address;
use crate::model::credential::Credential;
use crate::model::directory::DirectoryHandle;
use crate::smtp::reply::Reply;
use crate::smtp::sasl::{Claim, ScramKeys};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// RFC 4954 6. One text for all that can be wrong.
const WRONG: Reply = Reply::new(535, 7, 8, "wrong login or password");
const BUSY: Reply = Reply::new(454, 7, 0, "too many logins at once, try again in a minute");

/// One for all doors.
pub struct Logins {
    directory: Arc<DirectoryHandle>,
    clock: Clock,
    view: ArcSwap<View>,
    passwords: Arc<Passwords>,
    remembered: Remembered,
    checks: Checks,
    throttle: Throttle,
}

impl Logins {
    /// Nodes of one master key show the same SCRAM salts to a login that nobody has.
    pub fn new(directory: Arc<DirectoryHandle>, clock: Clock, random: Random, master_key: &Secret<Vec<u8>>) -> Self {
        Self {
            view: ArcSwap::from_pointee(View::of(directory.load_full())),
            directory,
            clock,
            passwords: Arc::new(Passwords::new(random, master_key)),
            remembered: Remembered::default(),
            checks: Checks::default(),
            throttle: Throttle::default(),
        }
    }

    /// To be asked at connect, too: the reply closes.
    pub fn banned(&self, whence: Whence) -> Option<Reply> {
        let now = self.clock.now();
        let Ban { until, .. } = self.throttle.banned(whence, now)?;
        let minutes = until.since(now).as_secs().div_ceil(60);
        let text = format!("too many failed logins from your address, come again in {minutes} min");
        Some(Reply::with(421, 7, 0, text))
    }

    /// Only where every login that can be used has SCRAM keys: a client that prefers SCRAM would fail with
    /// the right password.
    pub fn scram_offered(&self) -> bool {
        self.view().scram
    }

    /// The keys of a login; made up, the same each time, for one that nobody has.
    pub async fn keys(&self, login: &str) -> ScramKeys {
        let view = self.view();
        let of_nobody = self.passwords.keys_of_nobody(login, &view.shapes);
        let Some(credential) = view.login(login) else { return of_nobody };
        if let Some(keys) = self.keys_at_hand(credential) {
            return keys;
        }
        let Some(secret) = keys_makeable(credential).cloned() else { return of_nobody };
        let (passwords, login) = (self.passwords.clone(), login.to_owned());
        let made = tokio::task::spawn_blocking(move || passwords.keys_of(&login, &secret));
        made.await.unwrap_or(of_nobody)
    }

    /// Does the claim hold? A refusal has waited its time when it comes back, and is then to be said as it
    /// is: 421 closes.
    pub async fn check(&self, claim: Claim, whence: Whence) -> Result<Submitter, Reply> {
        let (Claim::Password { login, .. } | Claim::Proof { login, .. }) = &claim;
        let login = login.clone();
        // Before what is remembered: who is sent away may know the right password.
        let judged = match (self.banned(whence), claim) {
            (Some(reply), _) => {
                self.record_refusal(&login, whence, Refusal::Banned, Duration::ZERO);
                return Err(reply);
            }
            (None, Claim::Password { password, .. }) => self.judge_password(&login, password, whence).await,
            (None, Claim::Proof { proven, keys, .. }) => self.judge_proof(&login, proven, &keys, whence),
        };
        match judged {
            Ok((stored, how)) => {
                let address = whence.address();
                LoginAccepted { login: &login, address, how }.record();
                Ok(Submitter { login, address, known_by: KnownBy::Password { stored } })
            }
            Err(why) => Err(self.refuse(&login, whence, why).await),
        }
    }

    /// The credential of the network around a client: the narrowest, or none when that one is disabled.
    /// For submission only, and where the channel permits it.
    pub fn network(&self, whence: Whence) -> Option<Submitter> {
        // A proxy that names nobody may speak for anybody.
        let Whence::Client(_) = whence else { return None };
        let (view, address) = (self.view(), whence.address());
        let entry = view.directory.credential_at(address).filter(|entry| entry.disabled_at.is_none())?;
        let login = entry.value.username.to_string();
        LoginAccepted { login: &login, address, how: Accepted::Network }.record();
        Some(Submitter { login, address, known_by: KnownBy::Network })
    }

    /// Is the credential still there, enabled, for this address, and with the same password? To be asked
    /// before each transaction: what was revoked is dead within its connections, too.
    pub fn still_stands(&self, submitter: &Submitter) -> bool {
        let (view, Submitter { login, address, known_by }) = (self.view(), submitter);
        match known_by {
            KnownBy::Password { stored } => {
                view.usable(login, *address).is_ok_and(|entry| self.stored(&entry.value) == *stored)
            }
            KnownBy::Network => view
                .directory
                .credential_at(*address)
                .is_some_and(|entry| entry.disabled_at.is_none() && entry.value.username.as_str() == login),
        }
    }

    /// Turns the plain passwords of a new directory into hashes and keys, off the async threads. Nobody
    /// needs to wait for it: what is needed earlier is made then. Must be called inside the runtime.
    pub fn prepare(self: &Arc<Self>) {
        let logins = self.clone();
        tokio::task::spawn_blocking(move || logins.prepare_now());
    }

    fn prepare_now(&self) {
        let view = self.view();
        for (login, secret) in view.plain() {
            // A newer directory has its own turn.
            if !Arc::ptr_eq(&view, &self.view()) {
                return;
            }
            self.passwords.hash_of(login, secret);
            if view.login(login).is_some_and(|credential| keys_makeable(credential).is_some()) {
                self.passwords.keys_of(login, secret);
            }
        }
        self.passwords.keep_only(view.plain());
    }

    /// Why a password is refused, or what it was checked against.
    async fn judge_password(
        &self,
        login: &str,
        password: Secret,
        whence: Whence,
    ) -> Result<(Fingerprint, Accepted), Refusal> {
        let view = self.view();
        let usable = view.usable(login, whence.address());
        let lock = usable.ok().and_then(|entry| Lock::of(&entry.value));
        // What is refused in any case costs the same, and is never remembered nor shared with the real.
        let (kind, stored) = match &lock {
            Some(_) => (&b"check"[..], usable.map_or([0; 32], |entry| self.stored(&entry.value))),
            None => (&b"refusal"[..], [0; 32]),
        };
        let parts = [kind, login.as_bytes(), password.expose().as_bytes(), &stored];
        let fingerprint = self.passwords.fingerprint(&parts);
        if lock.is_some() && self.remembered.knows(&fingerprint, self.clock.now()) {
            return Ok((stored, Accepted::Remembered));
        }
        let refusal = if lock.is_some() { None } else { Some(usable.err().unwrap_or(Unusable::Unknown)) };
        let lock = lock.unwrap_or_else(|| self.passwords.lock_of_nobody(login, &view.works));
        let passwords = self.passwords.clone();
        let work = move || passwords.opens(&lock, password.expose());
        let right = self.checks.run(fingerprint, work).await.map_err(|_| Refusal::Busy)?;
        match (refusal, right) {
            (Some(why), _) => Err(Refusal::Unusable(why)),
            (None, false) => Err(Refusal::Wrong),
            (None, true) => {
                self.remembered.learn(fingerprint, self.clock.now());
                Ok((stored, Accepted::Checked))
            }
        }
    }

    /// The proof was computed below; here stands whether it was against the right keys.
    fn judge_proof(
        &self,
        login: &str,
        proven: bool,
        keys: &ScramKeys,
        whence: Whence,
    ) -> Result<(Fingerprint, Accepted), Refusal> {
        let view = self.view();
        let entry = view.usable(login, whence.address()).map_err(Refusal::Unusable)?;
        // The password may have changed while the dialogue was held up.
        let current = self.keys_at_hand(&entry.value).is_some_and(|current| current.is_same_as(keys));
        if proven && current { Ok((self.stored(&entry.value), Accepted::Scram)) } else { Err(Refusal::Wrong) }
    }

    /// Counts a failure, and waits the time that it costs.
    async fn refuse(&self, login: &str, whence: Whence, why: Refusal) -> Reply {
        if why == Refusal::Busy {
            self.record_refusal(login, whence, why, Duration::ZERO);
            return BUSY;
        }
        let name = self.passwords.fingerprint(&[b"name", login.as_bytes()]);
        let penalty = self.throttle.fail(whence, name, self.clock.now());
        self.record_refusal(login, whence, why, penalty.delay);
        if let Some(ban) = penalty.ban {
            Banned(ban).record();
        }
        // Counted first: who hangs up instead of waiting gains nothing.
        tokio::time::sleep(penalty.delay).await;
        penalty.ban.and_then(|_| self.banned(whence)).unwrap_or(WRONG)
    }

    fn record_refusal(&self, login: &str, whence: Whence, why: Refusal, delay: Duration) {
        let view = self.view();
        // People type passwords into the wrong field: a name is told only when it is one.
        let is_ours = |login: &str| login.parse().is_ok_and(|it: Address| view.directory.domain(it.domain()).is_some());
        let told = view.directory.credential(login).is_some() || is_ours(login);
        LoginRefused { login: told.then_some(login), address: whence.address(), why, delay }.record();
    }

    fn keys_at_hand(&self, credential: &Credential) -> Option<ScramKeys> {
        keys_given(credential).or_else(|| {
            let secret = keys_makeable(credential)?;
            self.passwords.keys_made(credential.username.as_str(), secret)
        })
    }

    /// Stands for all that a credential's login is checked against.
    fn stored(&self, credential: &Credential) -> Fingerprint {
        let part = |secret: &Option<Secret>| secret.clone().unwrap_or(Secret::new(String::new()));
        let (password, scram) = (part(&credential.password), part(&credential.scram));
        let login = credential.username.as_str().as_bytes();
        self.passwords.fingerprint(&[b"stored", login, password.expose().as_bytes(), scram.expose().as_bytes()])
    }

    /// Of the directory as it is now.
    fn view(&self) -> Arc<View> {
        let (view, directory) = (self.view.load_full(), self.directory.load_full());
        if Arc::ptr_eq(&view.directory, &directory) {
            return view;
        }
        let view = Arc::new(View::of(directory));
        self.view.store(view.clone());
        view
    }
}

#[cfg(test)]
mod tests;
