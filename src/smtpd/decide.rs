//! One client's decisions: what the session asks is put to the rooms that know, with all that is known of
//! the connection.

use super::door::{Deciders, Door};
use super::settings::{BareLineEnds, Kind, PlainAuth};
use super::starttls::Secured;
use crate::base::limits;
use crate::dns::{Failure, Mx};
use crate::mail::domain_name::DomainName;
use crate::mail::envelope::{Envelope, Recipient, ReversePath};
use crate::mail::received::{Hop, Protocol};
use crate::model::intake::Intake;
use crate::model::message::Origin;
use crate::receive::pipeline::Received;
use crate::receive::sender::Reachable;
use crate::smtp::data::LineEnds;
use crate::smtp::extension::{Admission, Auth, Channel, Offer, Role};
use crate::smtp::reply::Reply;
use crate::smtp::session::{Answer, Ask, Session};
use crate::submit::pipeline::Taken;
use crate::submit::submitter::Submitter;
use crate::submit::whence::Whence;
use crate::{receive, submit};
use std::net::IpAddr;
use std::sync::Arc;

const READ: Reply = Reply::new(250, 0, 0, "the report was read");
/// RFC 4954 6
const NO_LONGER: Reply = Reply::new(530, 7, 0, "this login is not valid any more, connect and log in again");

/// What is known of a client, and who it turned out to be.
pub(super) struct Client {
    door: Arc<Door>,
    deciders: Arc<Deciders>,
    whence: Whence,
    secured: Option<Secured>,
    submitter: Option<Submitter>,
}

impl Client {
    /// `address` as conveyed by a listed proxy, if there is one.
    pub fn new(door: Arc<Door>, deciders: Arc<Deciders>, address: IpAddr) -> Self {
        let whence = Whence::of(address, &door.proxies);
        Self { door, deciders, whence, secured: None, submitter: None }
    }

    /// Asked before the greeting: is this client sent away?
    pub fn banned(&self) -> Option<Reply> {
        match self.door.kind {
            Kind::Submission => self.deciders.logins.banned(self.whence),
            Kind::Mx => None,
        }
    }

    pub fn secured(&mut self, secured: Secured) {
        self.secured = Some(secured);
    }

    /// What the door offers this client on this channel. A host of a credential's network needs no login; who
    /// logged in on another channel is forgotten (RFC 3207 4.2).
    pub fn offer(&mut self, channel: Channel) -> Offer {
        let door = self.door.clone();
        let may_send = channel == Channel::Tls || self.may_send_in_the_clear();
        let (role, admission, normally) = match door.kind {
            Kind::Mx => (Role::Mx, Admission::Open, LineEnds::Refuse),
            Kind::Submission => {
                self.submitter = may_send.then(|| self.deciders.logins.network(self.whence)).flatten();
                let known = self.submitter.is_some();
                let admission = if known { Admission::Open } else { Admission::AfterLogin };
                (Role::Submission, admission, LineEnds::Normalise)
            }
        };
        let auth = match role {
            Role::Mx => Auth::Never,
            Role::Submission if channel == Channel::Tls || self.may_log_in_in_the_clear() => {
                Auth::Offered { scram: self.deciders.logins.scram_offered() }
            }
            Role::Submission => Auth::NeedsTls,
        };
        Offer {
            hostname: door.hostname.clone(),
            role,
            channel,
            auth,
            admission,
            line_ends: match door.bare_line_ends {
                None => normally,
                Some(BareLineEnds::Refuse) => LineEnds::Refuse,
                Some(BareLineEnds::Normalise) => LineEnds::Normalise,
            },
            message_bytes_max: door.smtp.message_bytes_max as usize,
            recipients_max: door.smtp.recipients_max as usize,
            recipients_per_connection: door.smtp.recipients_per_connection,
            messages_max: door.smtp.messages_per_connection,
            hold_max: (role == Role::Submission).then_some(limits::HOLD_MAX),
        }
    }

    fn may_log_in_in_the_clear(&self) -> bool {
        match self.door.plain_auth {
            PlainAuth::Tls => false,
            PlainAuth::Loopback => self.is_on_this_machine(),
            PlainAuth::Networks => self.is_on_this_machine() || self.is_in_a_network(),
        }
    }

    fn may_send_in_the_clear(&self) -> bool {
        match self.door.plain_auth {
            PlainAuth::Tls => false,
            PlainAuth::Loopback => self.is_on_this_machine(),
            PlainAuth::Networks => true,
        }
    }

    /// A proxy on this machine that names nobody may speak for anybody.
    fn is_on_this_machine(&self) -> bool {
        matches!(self.whence, Whence::Client(address) if address.is_loopback())
    }

    fn is_in_a_network(&self) -> bool {
        let Whence::Client(address) = self.whence else { return false };
        let directory = self.deciders.directory.load();
        directory.credential_at(address).is_some_and(|entry| entry.disabled_at.is_none())
    }

    pub async fn decide(&mut self, ask: Ask, session: &Session) -> Answer {
        match ask {
            Ask::Keys(login) => Answer::Keys(self.deciders.logins.keys(&login).await),
            Ask::Login(claim) => Answer::Login(match self.deciders.logins.check(claim, self.whence).await {
                // A login beats a network.
                Ok(submitter) => {
                    self.submitter = Some(submitter);
                    Ok(())
                }
                Err(reply) => Err(reply),
            }),
            Ask::Sender(sender, _) => Answer::Sender(self.judge_sender(&sender).await),
            Ask::Recipient(recipient) => Answer::Recipient(self.judge_recipient(&recipient, session)),
            Ask::Message(envelope, message) => Answer::Message(self.accept(envelope, message, session).await),
        }
    }

    async fn judge_sender(&self, sender: &ReversePath) -> Result<(), Reply> {
        match (self.door.kind, &self.submitter) {
            (Kind::Mx, _) => receive::sender::check(sender, async |domain| self.reachable(domain).await).await,
            (Kind::Submission, None) => Err(NO_LONGER),
            (Kind::Submission, Some(submitter)) => {
                self.check_still_stands(submitter)?;
                self.deciders.submission.check_sender(submitter.login(), sender)
            }
        }
    }

    /// What was revoked is dead within its connections, too.
    fn check_still_stands(&self, submitter: &Submitter) -> Result<(), Reply> {
        if self.deciders.logins.still_stands(submitter) { Ok(()) } else { Err(NO_LONGER) }
    }

    /// Our own domains take mail here, whatever our view of the DNS says of them.
    async fn reachable(&self, domain: &DomainName) -> Reachable {
        if self.deciders.directory.load().serves(domain) {
            return Reachable::Yes;
        }
        match self.deciders.resolver.mx(domain).await.map(|answer| answer.value) {
            Ok(Mx::Null) => Reachable::NullMx,
            Ok(Mx::Hosts(_) | Mx::Implicit) => Reachable::Yes,
            Err(Failure::NoSuchName) => Reachable::Nowhere,
            Err(Failure::Temporary { .. }) => Reachable::Unknown,
        }
    }

    fn judge_recipient(&self, recipient: &Recipient, session: &Session) -> Result<(), Reply> {
        let hostname = &self.door.hostname;
        match (self.door.kind, &self.submitter, session.envelope()) {
            (Kind::Mx, _, Some(envelope)) => self.deciders.reception.check_recipient(hostname, envelope, recipient),
            (Kind::Submission, Some(submitter), Some(envelope)) => {
                submit::recipient::check(&self.deciders.directory.load(), hostname, &recipient.address)?;
                self.deciders.submission.check_room(submitter.login(), envelope)
            }
            (Kind::Submission | Kind::Mx, ..) => Err(NO_LONGER),
        }
    }

    async fn accept(&self, envelope: Envelope, message: Vec<u8>, session: &Session) -> Result<Reply, Reply> {
        let hops_max = self.door.smtp.received_max as usize;
        let intake = Intake {
            wishes: Default::default(),
            origin: if self.door.kind == Kind::Mx { Origin::Arrived } else { Origin::Submitted },
            submitter: self.submitter.as_ref().map(|submitter| submitter.login().to_owned()),
            hop: self.hop(session, envelope.params.smtputf8),
            envelope,
            message,
        };
        let accepted = match (self.door.kind, &self.submitter) {
            (Kind::Mx, _) => match self.deciders.reception.accept(intake, hops_max).await? {
                Received::Queued(first) => Ok(Taken { first, more: 0 }),
                Received::Read => return Ok(READ),
            },
            (Kind::Submission, None) => Err(NO_LONGER),
            (Kind::Submission, Some(submitter)) => {
                self.check_still_stands(submitter)?;
                self.deciders.submission.take(intake, hops_max).await
            }
        };
        accepted.map(|taken| Reply::with(250, 0, 0, taken.to_string()))
    }

    fn hop(&self, session: &Session, utf8: bool) -> Hop {
        let hello = session.hello();
        Hop {
            hello: hello.map(|hello| hello.name.clone()),
            address: Some(self.whence.address()),
            by: self.door.hostname.clone(),
            protocol: Protocol {
                esmtp: hello.is_some_and(|hello| hello.esmtp),
                tls: self.secured.is_some(),
                authenticated: self.submitter.as_ref().is_some_and(Submitter::is_authenticated),
                utf8,
            },
            tls: self.secured.clone(),
            at: self.deciders.clock.now(),
        }
    }
}
