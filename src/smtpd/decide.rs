//! One client's decisions: what the session asks is put to the rooms that know, with all that is known of
//! the connection.

use super::listener::Door;
use super::settings::{Kind, PlainAuth};
use crate::base::limits;
use crate::smtp::data::LineEnds;
use crate::smtp::extension::{Admission, Auth, Channel, Offer, Role};
use crate::smtp::reply::Reply;
use crate::smtp::session::{Answer, Ask, Session};
use std::net::IpAddr;
use std::sync::Arc;

/// What is known of a client, and who it turned out to be.
pub(super) struct Client {
    door: Arc<Door>,
    /// As conveyed by a listed proxy, if there is one.
    address: IpAddr,
}

impl Client {
    pub fn new(door: Arc<Door>, address: IpAddr) -> Self {
        Self { door, address }
    }

    /// What the door offers this client on this channel.
    pub fn offer(&self, channel: Channel) -> Offer {
        let door = &self.door;
        let (role, line_ends) = match door.kind {
            Kind::Submission => (Role::Submission, LineEnds::Normalise),
            Kind::Mx => (Role::Mx, LineEnds::Refuse),
        };
        Offer {
            hostname: door.hostname.clone(),
            role,
            channel,
            auth: self.auth(channel),
            admission: if role == Role::Mx { Admission::Open } else { Admission::AfterLogin },
            line_ends,
            message_bytes_max: door.smtp.message_bytes_max as usize,
            recipients_max: door.smtp.recipients_max as usize,
            messages_max: door.smtp.messages_per_connection,
            hold_max: (role == Role::Submission).then_some(limits::HOLD_MAX),
        }
    }

    fn auth(&self, channel: Channel) -> Auth {
        match (self.door.kind, channel) {
            (Kind::Mx, _) => Auth::Never,
            (Kind::Submission, Channel::Tls) => Auth::Offered { scram: false },
            (Kind::Submission, _) if self.may_log_in_in_the_clear() => Auth::Offered { scram: false },
            (Kind::Submission, _) => Auth::NeedsTls,
        }
    }

    fn may_log_in_in_the_clear(&self) -> bool {
        match self.door.plain_auth {
            PlainAuth::Tls => false,
            PlainAuth::Loopback | PlainAuth::Networks => self.address.is_loopback(),
        }
    }

    pub async fn decide(&mut self, ask: Ask, _session: &Session) -> Answer {
        const NOT_YET: Reply = Reply::new(451, 3, 2, "this server takes no mail yet");
        match ask {
            Ask::Login(_) | Ask::Keys(_) => Answer::Login(Err(Reply::new(454, 7, 0, "this server knows nobody yet"))),
            Ask::Sender(..) => Answer::Sender(Err(NOT_YET)),
            Ask::Recipient(_) => Answer::Recipient(Err(NOT_YET)),
            Ask::Message(..) => Answer::Message(Err(NOT_YET)),
        }
    }
}
