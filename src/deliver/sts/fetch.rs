//! Fetching a policy (RFC 8461 3.3): from `mta-sts.` and the domain, over HTTPS with a valid certificate for
//! that very name, no redirects, as plain text.

use super::Trouble;
use super::policy::Policy;
use crate::base::limits;
use crate::deliver::report::ResultType;
use crate::dns::Resolver;
use crate::mail::domain_name::DomainName;
use crate::net::https::{self, Answer, Get, Https, NoAnswer};
use hyper::StatusCode;

pub(super) async fn policy(
    resolver: &Resolver,
    https: &Https,
    domain: &DomainName,
) -> Result<(Policy, String), Trouble> {
    let trouble = |result, why: String| Trouble { result, why };
    let host: DomainName = format!("mta-sts.{domain}")
        .parse()
        .map_err(|why| trouble(ResultType::StsPolicyFetchError, format!("mta-sts.{domain}: {why}")))?;
    let addresses = resolver
        .addresses(&host)
        .await
        .map_err(|why| trouble(ResultType::StsPolicyFetchError, format!("{host}: {why}")))?;
    let get = Get {
        host: &host,
        addresses: &addresses.value,
        port: https::PORT,
        path: "/.well-known/mta-sts.txt",
        bytes_max: limits::STS_POLICY_BYTES_MAX,
        within: limits::STS_FETCH_MAX,
    };
    let answer = https.get(get).await.map_err(|why| {
        let result = match why {
            NoAnswer::Certificate(_) => ResultType::StsWebpkiInvalid,
            _ => ResultType::StsPolicyFetchError,
        };
        trouble(result, format!("{host}: {why}"))
    })?;
    let text = text_of(answer).map_err(|why| trouble(ResultType::StsPolicyFetchError, format!("{host}: {why}")))?;
    match text.parse() {
        Ok(policy) => Ok((policy, text)),
        Err(why) => Err(trouble(ResultType::StsPolicyInvalid, format!("{host}: {why}"))),
    }
}

fn text_of(answer: Answer) -> Result<String, String> {
    // RFC 8461 3.3: redirects are not followed, and nothing but 200 is a policy.
    if answer.status != StatusCode::OK {
        return Err(format!("it answered {}", answer.status.as_u16()));
    }
    let media_type = answer.content_type.as_deref().unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    // RFC 8461 3.2: so that nobody who may put other files there can make a policy.
    if !media_type.eq_ignore_ascii_case("text/plain") {
        return Err(format!("its type is \"{}\", not text/plain", media_type.escape_debug()));
    }
    String::from_utf8(answer.body).map_err(|_| "it is not UTF-8".to_owned())
}
