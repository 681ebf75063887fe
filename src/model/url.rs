//! Web addresses in settings: an endpoint that mail is posted to, and the origin that tracked links
//! point to. Only what is safe to write into mail and to call: http or https, a host, no password.

use super::host::Host;
use crate::base::limits;
use crate::base::settings::{Scalar, Wrong, quoted};

/// `https://host[:port][/path][?query]`
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpUrl(String);

impl HttpUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// `https://host[:port]`, without a slash at the end: paths are appended to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(HttpUrl);

impl Origin {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_https(&self) -> bool {
        self.0.is_https()
    }

    pub fn host(&self) -> Host {
        let (host, _) = self.authority();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        // Invariant: it was checked when it was parsed.
        Host::parse(bare).expect("an origin has a host")
    }

    pub fn port(&self) -> u16 {
        let (_, port) = self.authority();
        port.and_then(|port| port.parse().ok()).unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Host, in brackets when it is an IPv6 address, and port, as they are written.
    fn authority(&self) -> (&str, Option<&str>) {
        let authority = self.as_str().split_once("://").map_or("", |(_, authority)| authority);
        match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        }
    }
}

/// The scheme with `://`, the host with its port, and the rest.
fn parts(text: &str) -> Result<(&str, &str, &str), Wrong> {
    let behind = ["https://", "http://"].iter().find_map(|scheme| Some((*scheme, text.strip_prefix(scheme)?)));
    let Some((scheme, behind)) = behind else {
        let wrong = Wrong::because("it begins with https:// or http://");
        return Err(if text.contains("://") { wrong } else { wrong.help("write the scheme too: \"https://…\"") });
    };
    if text.len() > limits::URL_BYTES_MAX {
        return Err(Wrong::because(format!("it has at most {} bytes", limits::URL_BYTES_MAX)));
    }
    // RFC 3986 2: these never stand in a URL unescaped; a reader that mends them may be led astray.
    if text.bytes().any(|b| !b.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&b)) {
        return Err(Wrong::because("it holds a space or another character that must be written as %XX"));
    }
    let (authority, rest) = behind.split_at(behind.find(['/', '?', '#']).unwrap_or(behind.len()));
    if rest.contains('#') {
        return Err(Wrong::because("it has a #fragment, which is never sent"));
    }
    Ok((scheme, authority, rest))
}

fn check_authority(authority: &str) -> Result<(), Wrong> {
    if authority.contains('@') {
        return Err(Wrong::because("a name and password before the host are not taken"));
    }
    let bad_host = || Wrong::because("its host is no host name or IP address");
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => {
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad_host())?;
            (None, port.strip_prefix(':').map(Some).or(port.is_empty().then_some(None)).ok_or_else(bad_host)?)
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
            (Some(host), port)
        }
    };
    if let Some(host) = host {
        Host::parse(host).map_err(|_| bad_host())?;
    }
    match port {
        Some(port) => u16::parse(port).map(|_| ()).map_err(|_| Wrong::because("its port is no port number")),
        None => Ok(()),
    }
}

impl Scalar for HttpUrl {
    const EXPECTS: &'static str = "a web address like \"https://app.example.com/mail\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let (_, authority, _) = parts(text)?;
        check_authority(authority)?;
        Ok(Self(text.to_owned()))
    }

    fn write(&self) -> String {
        quoted(&self.0)
    }

    fn is_secret(text: &str) -> bool {
        text.contains('@')
    }
}

impl Scalar for Origin {
    const EXPECTS: &'static str = "the beginning of a web address, like \"https://t.example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let (scheme, authority, rest) = parts(text)?;
        check_authority(authority)?;
        if !matches!(rest, "" | "/") {
            return Err(Wrong::because("it ends after the host"));
        }
        Ok(Self(HttpUrl(format!("{scheme}{authority}"))))
    }

    fn write(&self) -> String {
        quoted(self.as_str())
    }

    fn is_secret(text: &str) -> bool {
        text.contains('@')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_plain_web_addresses() {
        for right in ["https://a.example/in?x=1", "http://127.0.0.1:8080/", "https://[::1]:8443/a", "https://a.example"]
        {
            assert!(HttpUrl::parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https://u:p@a.example/",
            "https://a b.example/",
            "https://a.example\\@b/",
            "https://a.example/#x",
            "https://a.example:0/",
            "https://[::1]x/",
            "https://a.example/\r\nX: y",
        ] {
            assert!(HttpUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_ends_after_the_host() {
        assert_eq!(Origin::parse("https://t.example.com/").unwrap().as_str(), "https://t.example.com");
        assert!(Origin::parse("https://t.example.com/t").is_err());
        assert!(Origin::parse("https://t.example.com?x").is_err());
    }

    #[test]
    fn an_origin_knows_its_host_and_port() {
        for (text, host, port) in [
            ("https://t.example.com", "t.example.com", 443),
            ("http://T.example.com", "t.example.com", 80),
            ("https://t.example.com:8443/", "t.example.com", 8443),
            ("http://127.0.0.1:8025", "127.0.0.1", 8025),
            ("https://[::1]", "::1", 443),
            ("https://[2001:db8::1]:444", "2001:db8::1", 444),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!((origin.host().to_string().as_str(), origin.port()), (host, port), "{text}");
        }
    }
}
