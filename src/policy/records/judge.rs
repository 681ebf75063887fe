//! Is what stands in the DNS what a record is for? Compared by meaning. Pure: the answers come as values.

use super::Found;
use super::tags::{Tags, begins};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A key record (RFC 6376 3.6.1): the same key, that receivers may use for mail.
pub(super) fn dkim(wanted: &str, texts: &[String]) -> Found {
    let text = match texts {
        [] => return Found::Missing,
        [one] => one,
        // RFC 6376 3.6.2.2: of several, receivers take any or none.
        _ => return Found::wrong(format!("{} texts stand at its name, and receivers may take any", texts.len())),
    };
    let (wanted, there) = match (Tags::parse(wanted), Tags::parse(text)) {
        (Ok(wanted), Ok(there)) => (wanted, there),
        (_, Err(why)) | (Err(why), _) => return Found::wrong(format!("it is no key record: {why}")),
    };
    // RFC 6376 3.6.1: absent it is DKIM1; given it stands first.
    if there.get("v").is_some() && there.first() != Some(("v", "DKIM1")) {
        return Found::wrong("v= is not DKIM1, or does not stand first");
    }
    let kind = |tags: &Tags| tags.get("k").unwrap_or("rsa").to_owned();
    if kind(&there) != kind(&wanted) {
        return Found::wrong(format!("it is a key of the kind {}, not {}", kind(&there).escape_debug(), kind(&wanted)));
    }
    let Some(key) = there.get("p") else { return Found::wrong("it has no key: p= is missing") };
    // RFC 6376 3.6.1: that is how a key is revoked.
    if bare(key).is_empty() {
        return Found::wrong("p= is empty: the key is revoked");
    }
    if bare(key) != bare(wanted.get("p").unwrap_or_default()) {
        let broken = STANDARD.decode(bare(key)).is_err();
        return Found::wrong(if broken { "p= is damaged: it is no base64" } else { "p= is another key" });
    }
    let names = |tag: &str, one: &str| {
        there.get(tag).is_none_or(|list| list.split(':').any(|word| matches!(word.trim(), "*") || word.trim() == one))
    };
    if !names("h", "sha256") {
        return Found::wrong("h= does not allow sha256, which we sign with");
    }
    if !names("s", "email") {
        return Found::wrong("s= does not allow email");
    }
    let flags = there.get("t").unwrap_or_default();
    if flags.split(':').any(|flag| flag.trim() == "y") {
        return Found::noted(
            "t=y: receivers treat its mail as if it were not signed; take the flag out after the test",
        );
    }
    Found::RIGHT
}

/// RFC 6376 3.6.1: base64 with white space in it is the same key.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_whitespace()).collect()
}

/// A policy record at the domain's own name (RFC 7489 6.3). What begins with another version is not meant.
pub(super) fn dmarc(texts: &[String]) -> Found {
    let meant: Vec<_> = texts.iter().filter(|text| begins(text, "DMARC1")).collect();
    let text = match &meant[..] {
        [] if texts.is_empty() => return Found::Missing,
        [] => return Found::wrong("it does not begin with v=DMARC1"),
        [one] => one,
        // RFC 7489 6.6.3.
        _ => {
            return Found::wrong(format!("there are {} DMARC records, and receivers use none of several", meant.len()));
        }
    };
    let tags = match Tags::parse(text) {
        Ok(tags) => tags,
        Err(why) => return Found::wrong(format!("it is no policy: {why}")),
    };
    let Some(policy) = tags.get("p") else { return Found::wrong("it has no policy: p= is missing") };
    let policies = ["none", "quarantine", "reject"];
    let alignments = ["r", "s"];
    for (tag, words) in
        [("p", &policies[..]), ("sp", &policies), ("np", &policies), ("adkim", &alignments), ("aspf", &alignments)]
    {
        if let Some(value) = tags.get(tag)
            && !words.iter().any(|word| value.eq_ignore_ascii_case(word))
        {
            return Found::wrong(format!("{tag}={} is none of {}", value.escape_debug(), words.join(", ")));
        }
    }
    if tags.get("pct").is_some_and(|pct| pct.parse::<u8>().map_or(true, |pct| pct > 100)) {
        return Found::wrong("pct= is no number from 0 to 100");
    }
    for tag in ["rua", "ruf"] {
        if tags.get(tag).is_some_and(|list| !list.split(',').all(is_report_address)) {
            return Found::wrong(format!("{tag}= is no list of addresses like mailto:dmarc@example.com"));
        }
    }
    if policy.eq_ignore_ascii_case("none") {
        return Found::RIGHT;
    }
    Found::noted(format!("p={}: mail that neither SPF nor DKIM proves is not delivered", policy.to_ascii_lowercase()))
}

/// RFC 7489 6.2: a URI, perhaps with a size behind an exclamation mark. Receivers report by mail.
fn is_report_address(uri: &str) -> bool {
    let uri = uri.trim();
    let uri = uri.split_once('!').map_or(uri, |(uri, _)| uri);
    match uri.split_once(':') {
        Some((scheme, address)) if scheme.eq_ignore_ascii_case("mailto") => {
            address.parse::<crate::mail::address::Address>().is_ok()
        }
        Some((scheme, rest)) => scheme.eq_ignore_ascii_case("https") && rest.starts_with("//"),
        None => false,
    }
}

/// RFC 8461 3.1: exactly one record, and its id.
pub(super) fn mta_sts(texts: &[String]) -> Found {
    let tags = match one_of(texts, "STSv1") {
        Ok(tags) => tags,
        Err(found) => return found,
    };
    let is_id = |id: &str| (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    match tags.get("id") {
        Some(id) if is_id(id) => Found::RIGHT,
        _ => Found::wrong("id= is not 1 to 32 letters and digits"),
    }
}

/// RFC 8460 3: exactly one record, and where reports go.
pub(super) fn tls_reports(texts: &[String]) -> Found {
    let tags = match one_of(texts, "TLSRPTv1") {
        Ok(tags) => tags,
        Err(found) => return found,
    };
    match tags.get("rua") {
        Some(list) if list.split(',').all(is_report_address) => Found::RIGHT,
        _ => Found::wrong("rua= is no list of addresses like mailto:tls@example.com"),
    }
}

/// The one record of this version among the texts of a name.
fn one_of(texts: &[String], version: &str) -> Result<Tags, Found> {
    let meant: Vec<_> = texts.iter().filter(|text| begins(text, version)).collect();
    match &meant[..] {
        [] if texts.is_empty() => Err(Found::Missing),
        [] => Err(Found::wrong(format!("it does not begin with v={version}"))),
        [one] => Tags::parse(one).map_err(Found::wrong),
        _ => Err(Found::wrong(format!("there are {} records of v={version}, and of several none counts", meant.len()))),
    }
}

#[cfg(test)]
mod tests;
