//! Which links are tracked, and why the others are not.

use crate::mail::domain_name::DomainName;
use memchr::memmem;
use std::collections::HashSet;

/// What becomes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Under this number.
    Tracked(u16),
    Skipped(Skip),
}

macro_rules! skips {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $said:literal;)*) => {
        /// Why a link is not tracked. It stays as it was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Skip {
            $($(#[$doc])* $name,)*
        }

        impl Skip {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// One word, for programs.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }

        impl std::fmt::Display for Skip {
            /// A sentence's end, for people.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$name => $said,)* })
            }
        }
    };
}

skips! {
    Empty = "empty", "it leads nowhere";
    Fragment = "fragment", "it leads to a place in the same mail";
    Relative = "relative", "it is relative, and a mail has no address of its own";
    ProtocolRelative = "protocol_relative", "it names no protocol";
    Scheme = "scheme", "it is no link of the web (mailto, tel and others)";
    Malformed = "malformed", "it is no URL as browsers write them";
    UserInfo = "userinfo", "it has a user name in it";
    Backslash = "backslash", "it has a backslash in it, which programs read in two ways";
    Control = "control", "it has control characters in it";
    Placeholder = "placeholder", "a placeholder of a template was left in it";
    Charset = "charset", "it has characters in it that are not written in UTF-8";
    NotAscii = "not_ascii", "it has letters beyond ASCII in it, with which some programs end it";
    UnclearEnd = "unclear_end", "programs differ in where it ends";
    Broken = "broken", "it is broken over lines";
    OwnHost = "own_host", "it leads to the tracking host itself";
    Excluded = "excluded", "its domain is excluded";
    Sensitive = "sensitive", "it has a word in it that is set as sensitive";
    Unsubscribe = "unsubscribe", "it is for unsubscribing, or one of those that are never tracked";
    OptedOut = "opted_out", "the sender wrote that it is not to be tracked";
    /// In text: it was opted out in HTML.
    OptedOutElsewhere = "opted_out_elsewhere", "the sender wrote in the HTML that it is not to be tracked";
    NoToken = "no_token", "no token could be made for it";
}

/// What is tracked in this message and what is not.
pub(super) struct Rules<'a> {
    own: Host<'a>,
    exclude: &'a [DomainName],
    sensitive: &'a [String],
    /// As `comparable` has them.
    never: HashSet<String>,
}

/// Where a URL leads: the host as it is written, and the port it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Host<'a> {
    name: &'a str,
    port: u16,
}

impl<'a> Rules<'a> {
    pub fn new(
        host: &'a str,
        exclude: &'a [DomainName],
        sensitive: &'a [String],
        never: impl Iterator<Item = String>,
    ) -> Self {
        let own = split(host).ok().and_then(|url| url.host()).unwrap_or(Host { name: host, port: 443 });
        Self { own, exclude, sensitive, never: never.map(|url| comparable(&url)).collect() }
    }

    /// May it be tracked?
    pub fn judge(&self, url: &str) -> Result<(), Skip> {
        let parts = split(url)?;
        if url.contains('\\') {
            return Err(Skip::Backslash);
        }
        if url.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            return Err(Skip::Control);
        }
        if has_placeholder(url) {
            return Err(Skip::Placeholder);
        }
        if parts.authority.contains('@') {
            return Err(Skip::UserInfo);
        }
        let host = parts.host().ok_or(Skip::Malformed)?;
        let name = HostName::of(host.name).ok_or(Skip::Malformed)?;
        if self.is_own(host) {
            return Err(Skip::OwnHost);
        }
        if !self.never.is_empty() && self.never.contains(&comparable(url)) {
            return Err(Skip::Unsubscribe);
        }
        if self.exclude.iter().any(|domain| name.is_within(domain)) {
            return Err(Skip::Excluded);
        }
        let visible = parts.rest.split('#').next().unwrap_or_default();
        if self.sensitive.iter().any(|word| !word.is_empty() && contains(visible, word)) {
            return Err(Skip::Sensitive);
        }
        Ok(())
    }

    /// One machine answers on the web's two ports.
    fn is_own(&self, host: Host<'_>) -> bool {
        let is_web = |port: u16| matches!(port, 80 | 443);
        let is_port = host.port == self.own.port || is_web(host.port) && is_web(self.own.port);
        is_port && host.name.trim_end_matches('.').eq_ignore_ascii_case(self.own.name.trim_end_matches('.'))
    }

    /// Does this address lead to one of our own tokens?
    pub fn is_own_token(&self, url: &str) -> bool {
        split(url)
            .is_ok_and(|parts| parts.rest.starts_with("/t/") && parts.host().is_some_and(|host| self.is_own(host)))
    }
}

/// A URL of the web, taken apart.
struct Parts<'a> {
    is_secure: bool,
    authority: &'a str,
    /// Path, query and fragment.
    rest: &'a str,
}

/// RFC 3986 3: only what is absolute and has an authority behind http or https.
fn split(url: &str) -> Result<Parts<'_>, Skip> {
    let first = *url.as_bytes().first().ok_or(Skip::Empty)?;
    match first {
        b'#' => return Err(Skip::Fragment),
        _ if url.starts_with("//") => return Err(Skip::ProtocolRelative),
        _ if has_placeholder(url) => return Err(Skip::Placeholder),
        _ => {}
    }
    let scheme =
        url.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))).next().unwrap_or_default();
    let is_scheme = first.is_ascii_alphabetic() && url[scheme.len()..].starts_with(':');
    if !is_scheme {
        return Err(Skip::Relative);
    }
    let is_secure = scheme.eq_ignore_ascii_case("https");
    if !is_secure && !scheme.eq_ignore_ascii_case("http") {
        return Err(Skip::Scheme);
    }
    // Browsers take `https:/a`, `https:\\a` and `https:a` for the same. Others do not.
    let behind = &url[scheme.len() + 1..];
    if behind.starts_with(['\\']) || behind.starts_with("/\\") {
        return Err(Skip::Backslash);
    }
    let behind = behind.strip_prefix("//").ok_or(Skip::Malformed)?;
    let end = behind.find(['/', '?', '#', '\\']).unwrap_or(behind.len());
    let (authority, rest) = behind.split_at(end);
    Ok(Parts { is_secure, authority, rest })
}

impl<'a> Parts<'a> {
    /// None: there is no host, or no number for a port.
    fn host(&self) -> Option<Host<'a>> {
        let (name, port) = match self.authority.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port),
            _ => (self.authority, ""),
        };
        let unset = if self.is_secure { 443 } else { 80 };
        let port = match port {
            "" => unset,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        (!name.is_empty()).then_some(Host { name, port })
    }
}

/// The name of a host, to be compared.
enum HostName<'a> {
    /// It is compared as it is written: nothing in it has a second form.
    Simple(&'a str),
    Domain(DomainName),
    Address,
}

impl<'a> HostName<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let is_simple = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let bare = name.strip_suffix('.').unwrap_or(name);
        let has_labels = bare.split('.').all(|label| !label.is_empty() && label.len() <= 63);
        if bare.bytes().all(is_simple) && has_labels && !contains(bare, "xn--") {
            return Some(Self::Simple(bare));
        }
        if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse::<std::net::Ipv6Addr>().ok().map(|_| Self::Address);
        }
        name.parse().ok().map(Self::Domain)
    }

    fn is_within(&self, parent: &DomainName) -> bool {
        match self {
            Self::Simple(name) => {
                let above = name.len().checked_sub(parent.as_str().len());
                above.is_some_and(|above| {
                    name.as_bytes()[above..].eq_ignore_ascii_case(parent.as_str().as_bytes())
                        && (above == 0 || name.as_bytes()[above - 1] == b'.')
                })
            }
            Self::Domain(name) => name.is_within(parent),
            Self::Address => false,
        }
    }
}

/// `{{name}}`, `{% if %}`, `*|NAME|*`, `%%name%%`: nobody filled it in, or somebody behind us will.
fn has_placeholder(url: &str) -> bool {
    let bytes = url.as_bytes();
    let mut marks = memmem::find_iter(bytes, b"%%");
    url.contains("{{") || url.contains("{%") || url.contains("*|") || marks.next().is_some() && marks.next().is_some()
}

/// In any case of letters.
fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() {
        return text.as_bytes().windows(word.len()).any(|here| here.eq_ignore_ascii_case(word.as_bytes()));
    }
    text.to_lowercase().contains(&word.to_lowercase())
}

/// Two spellings of one link: scheme and host in small letters (RFC 3986 6.2.2.1), and a slash where there is no
/// path (6.2.3).
pub(super) fn comparable(url: &str) -> String {
    let end = url.find("://").map_or(0, |at| at + 3);
    let end = url[end..].find(['/', '?', '#']).map_or(url.len(), |length| end + length);
    let root = if url[end..].starts_with('/') { "" } else { "/" };
    url[..end].to_ascii_lowercase() + root + &url[end..]
}

/// Services whose redirects are known by their looks: a link of theirs was rewritten before it came here.
pub(super) fn upstream_tracker(url: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str, &str); 14] = [
        ("sendgrid.net", "/ls/click", "SendGrid"),
        ("sendgrid.net", "/wf/click", "SendGrid"),
        ("list-manage.com", "/track/click", "Mailchimp"),
        ("mandrillapp.com", "/track/click", "Mandrill"),
        ("pstmrk.it", "/", "Postmark"),
        ("mjt.lu", "/lnk/", "Mailjet"),
        ("awstrack.me", "/", "Amazon SES"),
        ("rs6.net", "/tn.jsp", "Constant Contact"),
        ("hubspotlinks.com", "/", "HubSpot"),
        ("klclick.com", "/", "Klaviyo"),
        ("sendibm1.com", "/mk/cl/", "Brevo"),
        ("sparkpostmail.com", "/f/a/", "SparkPost"),
        ("exacttarget.com", "/", "Salesforce"),
        ("mailgun.org", "/c/", "Mailgun"),
    ];
    let parts = split(url).ok()?;
    let name = parts.host()?.name;
    let is_below = |domain: &str| {
        let above = name.len().checked_sub(domain.len());
        above.is_some_and(|above| {
            name.is_char_boundary(above)
                && name[above..].eq_ignore_ascii_case(domain)
                && (above == 0 || name[..above].ends_with('.'))
        })
    };
    KNOWN
        .iter()
        .find(|(domain, path, _)| parts.rest.starts_with(path) && is_below(domain))
        .map(|(.., service)| *service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(url: &str) -> Result<(), Skip> {
        let exclude = ["bank.example".parse().unwrap(), "b\u{fc}cher.example".parse().unwrap()];
        let sensitive = ["reset-password".to_owned(), "Token=".to_owned(), String::new()];
        let never = ["https://News.example/unsubscribe?u=1", "https://leave.example?u=1"].map(str::to_owned);
        Rules::new("https://t.example.com:443", &exclude, &sensitive, never.into_iter()).judge(url)
    }

    #[test]
    fn only_absolute_links_of_the_web_are_tracked() {
        for url in [
            "https://a.example",
            "http://a.example/",
            "HTTPS://A.EXAMPLE/x",
            "https://a.example:8443/x?y#z",
            "https://a.example?x=1",
            "https://[2001:db8::1]:80/x",
            "https://192.0.2.1/",
            "https://a_b.example/",
            "https://m\u{fc}ller.example/",
            "https://a.example./x",
            "https://a.example/100%25",
            "https://a.example/a%%20b",
            "https://a.example/@user",
            "https://a.example/x y",
            "https://a.example/#reset-password",
            "https://other.example/unsubscribe?u=1",
            "https://notbank.example/",
            "https://t.example.com:8443/x",
        ] {
            assert_eq!(judged(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn every_other_has_its_reason() {
        for (url, why) in [
            ("", Skip::Empty),
            ("#top", Skip::Fragment),
            ("/x", Skip::Relative),
            ("x.html", Skip::Relative),
            ("?x", Skip::Relative),
            ("1a:b", Skip::Relative),
            ("//a.example/x", Skip::ProtocolRelative),
            ("mailto:a@b.example", Skip::Scheme),
            ("tel:+49", Skip::Scheme),
            ("sms:1", Skip::Scheme),
            ("data:text/html,x", Skip::Scheme),
            ("javascript:alert(1)", Skip::Scheme),
            ("cid:x", Skip::Scheme),
            ("webcal://a.example", Skip::Scheme),
            ("ftp://a.example", Skip::Scheme),
            ("https:a.example", Skip::Malformed),
            ("https:/a.example", Skip::Malformed),
            ("https://", Skip::Malformed),
            ("https:///a.example", Skip::Malformed),
            ("https://:80/", Skip::Malformed),
            ("https://a.example:port/", Skip::Malformed),
            ("https://a.example:99999/", Skip::Malformed),
            ("https://a..example/", Skip::Malformed),
            ("https://a%2eexample/", Skip::Malformed),
            ("https://a b.example/", Skip::Malformed),
            ("https://[::1/", Skip::Malformed),
            ("https://u@a.example/", Skip::UserInfo),
            ("https://u:p@a.example/", Skip::UserInfo),
            ("https://a.example\\@b.example/", Skip::Backslash),
            ("https:\\\\a.example/", Skip::Backslash),
            ("https:/\\a.example/", Skip::Backslash),
            ("https://a.example/\u{1}", Skip::Control),
            ("https://a.example/\u{7f}", Skip::Control),
            ("https://a.example/\u{85}", Skip::Control),
            ("https://a.example/\u{fffd}", Skip::Control),
            ("{{link}}", Skip::Placeholder),
            ("https://{{host}}/x", Skip::Placeholder),
            ("https://a.example/{{ x }}", Skip::Placeholder),
            ("https://a.example/{% x %}", Skip::Placeholder),
            ("*|UNSUB|*", Skip::Placeholder),
            ("https://a.example/?e=*|EMAIL|*", Skip::Placeholder),
            ("https://a.example/?e=%%email%%", Skip::Placeholder),
            ("%%unsubscribe%%", Skip::Placeholder),
            ("https://t.example.com/t/x", Skip::OwnHost),
            ("http://T.Example.com./x", Skip::OwnHost),
            ("https://bank.example/", Skip::Excluded),
            ("https://my.BANK.example/x", Skip::Excluded),
            ("https://bank.example./x", Skip::Excluded),
            ("https://b\u{fc}cher.example/", Skip::Excluded),
            ("https://x.xn--bcher-kva.example/", Skip::Excluded),
            ("https://a.example/Reset-Password/1", Skip::Sensitive),
            ("https://a.example/?x=1&TOKEN=2", Skip::Sensitive),
            ("https://news.example/unsubscribe?u=1", Skip::Unsubscribe),
            ("HTTPS://NEWS.example/unsubscribe?u=1", Skip::Unsubscribe),
            ("https://leave.example/?u=1", Skip::Unsubscribe),
        ] {
            assert_eq!(judged(url), Err(why), "{url}");
            assert!(!why.to_string().is_empty());
        }
        let words: HashSet<&str> = Skip::ALL.iter().map(|skip| skip.word()).collect();
        assert_eq!(words.len(), Skip::ALL.len());
    }

    #[test]
    fn redirects_of_others_are_known() {
        assert_eq!(upstream_tracker("https://u1.ct.sendgrid.net/ls/click?upn=x"), Some("SendGrid"));
        assert_eq!(upstream_tracker("https://click.pstmrk.it/3s/x"), Some("Postmark"));
        assert_eq!(upstream_tracker("https://notpstmrk.it/3s/x"), None);
        assert_eq!(upstream_tracker("https://www.mailgun.org/pricing"), None);
        assert_eq!(upstream_tracker("mailto:x"), None);
    }
}
