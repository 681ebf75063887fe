//! A stream: one kind of mail that an organisation sends. Somebody waits for what is transactional; a mailing goes
//! behind it, and can be ended by who gets it.

use super::domain::Clicks;
use super::name::Name;
use crate::base::settings::{settings, words};
use crate::mail::domain_name::DomainName;

/// What a message is of that names none, and mail from the world.
pub const TRANSACTIONAL: &str = "transactional";
pub const BULK: &str = "bulk";
pub const INBOUND: &str = "inbound";

settings! {
    /// A kind of mail that an organisation sends. The streams "transactional" and "bulk" are always there; a table
    /// of their name says more about them.
    pub struct Stream in "[[stream]]" {
        /// What control headers, credentials and figures call it.
        live name: Name = required("\"newsletter\""),
        /// The organisation it belongs to.
        live tenant: Name = default(Name::default_tenant()),
        /// Whether somebody waits for its mail (transactional), or it is a mailing (bulk): that goes behind, and
        /// says how to unsubscribe.
        live kind: Kind = required("\"bulk\""),
        /// Whether opens are tracked; absent: as its domain says.
        live opens: Option<bool> = optional("false"),
        /// Which clicks are tracked; absent: as its domain says.
        live clicks: Option<Clicks> = optional("\"html\""),
        /// Its List-Id (RFC 2919), in mailings; absent: its name under the domain that it is sent from.
        live list_id: Option<DomainName> = optional("\"news.example.com\""),
        /// Whether its mailings get a List-Unsubscribe field (RFC 8058) when they bring none.
        live unsubscribe: Offer = default(Offer::Auto),
    }
}

words! {
    /// What kind of mail a stream is.
    pub enum Kind {
        /// Somebody waits for it.
        Transactional = "transactional",
        /// A mailing.
        Bulk = "bulk",
    }
}

words! {
    /// Whether recipients are offered to end a stream.
    pub enum Offer {
        /// In mailings, where a link can lead to us.
        Auto = "auto",
        None = "none",
    }
}

impl Stream {
    /// The kind of the streams that are always there.
    pub fn built_in_kind(name: &str) -> Option<Kind> {
        match name {
            TRANSACTIONAL => Some(Kind::Transactional),
            BULK => Some(Kind::Bulk),
            _ => None,
        }
    }

    /// One that is there without a table.
    pub fn built_in(tenant: &Name, name: &Name) -> Option<Self> {
        let kind = Self::built_in_kind(name.as_str())?;
        let (name, tenant) = (name.clone(), tenant.clone());
        Some(Self { name, tenant, kind, opens: None, clicks: None, list_id: None, unsubscribe: Offer::Auto })
    }

    /// The label under which its mailings are a list where no List-Id is set: what RFC 2919 2 lets stand there.
    pub fn label(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        self.name.as_str().chars().map(letter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_need_no_table() {
        let tenant = Name::default_tenant();
        let built_in = |name: &str| Stream::built_in(&tenant, &name.parse().unwrap()).map(|stream| stream.kind);
        assert_eq!(built_in("transactional"), Some(Kind::Transactional));
        assert_eq!(built_in("bulk"), Some(Kind::Bulk));
        assert_eq!((built_in("inbound"), built_in("Bulk"), built_in("news")), (None, None, None));
    }

    #[test]
    fn a_label_is_one_label() {
        let mut stream = Stream::built_in(&Name::default_tenant(), &"bulk".parse().unwrap()).unwrap();
        stream.name = "News.of_May-".parse().unwrap();
        assert_eq!(stream.label(), "News-of_May-");
    }
}
