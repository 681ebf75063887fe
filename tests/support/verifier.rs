//! Is a signature good? As mail-auth says, which shares no line with our signer.

use gatepost::proof::SigningKey;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

/// Knows the records of some keys, and asks nobody for others.
pub struct Verifier {
    records: Records,
    authenticator: MessageAuthenticator,
    runtime: tokio::runtime::Runtime,
}

struct Records(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Records {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

impl Verifier {
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> Self {
        let of = |key: &SigningKey| {
            let owner = format!("{}.", gatepost::proof::record::owner(key.domain(), key.selector()));
            (owner, key.private().public().unwrap().record())
        };
        Self::with_records(keys.into_iter().map(of))
    }

    /// Owners with their last dot.
    pub fn with_records(records: impl IntoIterator<Item = (String, String)>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap();
        let parsed = |(owner, record): (String, String)| {
            (owner.into_boxed_str(), Txt::DomainKey(Arc::new(DomainKey::parse(record.as_bytes()).unwrap())))
        };
        let records = Records(records.into_iter().map(parsed).collect());
        Self { records, authenticator: MessageAuthenticator(resolver), runtime }
    }

    /// What is wrong with each signature of a message, from the top; nothing with a good one.
    pub fn judge(&self, message: &[u8]) -> Vec<Result<(), String>> {
        let message = without_white_lines(message);
        let Some(parsed) = AuthenticatedMessage::parse(&message) else { return Vec::new() };
        let parameters = Parameters::new(&parsed).with_txt_cache(&self.records);
        let results = self.runtime.block_on(self.authenticator.verify_dkim(parameters));
        results
            .iter()
            .map(|one| match one.result() {
                DkimResult::Pass => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .collect()
    }

    pub fn accepts(&self, message: &[u8], signatures: usize) -> bool {
        let judged = self.judge(message);
        judged.len() == signatures && judged.iter().all(Result::is_ok)
    }
}

/// RFC 6376 3.4.4 lets lines of nothing but white space at the end of a body count as empty; this version of
/// mail-auth does not. The message without them has the same hash.
fn without_white_lines(message: &[u8]) -> Vec<u8> {
    let Some(end) = message.windows(4).position(|four| four == b"\r\n\r\n") else { return message.to_vec() };
    let (header, body) = message.split_at(end + 4);
    match body.iter().rposition(|b| !b" \t\r\n".contains(b)) {
        Some(last) => [header, &body[..=last], b"\r\n"].concat(),
        None => header.to_vec(),
    }
}
