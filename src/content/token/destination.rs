//! Where a tracked link may lead, and how that is said in a Location field.

use crate::base::limits;
use std::borrow::Cow;

/// Why a URL is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadDestination {
    /// Something else than http or https, or relative.
    NotHttp,
    NoHost,
    /// A name, and perhaps a password, before the host: readers are led astray by them.
    UserInfo,
    /// A control character, a backslash, or a space where none can be: readers disagree about what it means.
    Character,
    TooLong,
}

/// Refuses what must not be redirected to. Whatever passes can be said in a Location.
pub fn check(url: &str) -> Result<(), BadDestination> {
    if url.len() > limits::LINK_BYTES_MAX {
        return Err(BadDestination::TooLong);
    }
    if url.bytes().any(|b| b < b' ' || b == 0x7f || b == b'\\') || url.ends_with(' ') {
        return Err(BadDestination::Character);
    }
    let authority = authority(url).ok_or(BadDestination::NotHttp)?;
    if authority.contains('@') {
        return Err(BadDestination::UserInfo);
    }
    if authority.contains(' ') {
        return Err(BadDestination::Character);
    }
    if authority.is_empty() || authority.starts_with(':') { Err(BadDestination::NoHost) } else { Ok(()) }
}

/// The URL as a Location field says it (RFC 9110 10.2.2), which is ASCII: what stands there as such is not
/// touched, so the reader makes of it what it would have made of the link in the mail. A host of other letters gets
/// its ASCII form (RFC 5890 2.3.2.1); other letters elsewhere, and spaces, are percent-encoded (RFC 3987 3.1).
pub fn location(url: &str) -> Cow<'_, str> {
    if url.bytes().all(|b| b.is_ascii_graphic()) {
        return Cow::Borrowed(url);
    }
    let authority = authority(url).unwrap_or_default();
    let begin = url.len() - behind_scheme(url).map_or(0, str::len);
    let (before, rest) = (&url[..begin], &url[begin + authority.len()..]);
    let mut text = before.to_owned();
    if authority.is_ascii() {
        text.push_str(authority);
    } else {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        match idna::domain_to_ascii(host) {
            Ok(host) => text.push_str(&host),
            Err(_) => encode(host, &mut text),
        }
        if let Some(port) = port {
            text.push(':');
            encode(port, &mut text);
        }
    }
    encode(rest, &mut text);
    Cow::Owned(text)
}

fn encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_graphic() {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn behind_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    (scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")).then_some(rest)
}

/// What stands between the scheme and the path (RFC 3986 3.2).
fn authority(url: &str) -> Option<&str> {
    let rest = behind_scheme(url)?;
    Some(&rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_led_to() {
        for right in [
            "https://example.com",
            "HTTP://example.com:8080/a?b#c",
            "https://[2001:db8::1]/",
            "https://example.com/a@b?c=d@e#f@g",
            "https://example.com/a b",
            "https://bücher.example/straße?q=grün#öl",
            "https://example.com/?a|b^{c}`d\"<e>",
            "https://example.com?x=http://other.example/",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for (wrong, why) in [
            ("", BadDestination::NotHttp),
            ("//example.com/", BadDestination::NotHttp),
            ("/path", BadDestination::NotHttp),
            ("javascript:alert(1)//https://example.com", BadDestination::NotHttp),
            (" https://example.com", BadDestination::NotHttp),
            ("https:/example.com", BadDestination::NotHttp),
            ("ftp://example.com", BadDestination::NotHttp),
            ("https://example.com ", BadDestination::Character),
            ("https://example.com/\r\nSet-Cookie: a=b", BadDestination::Character),
            ("https://example.com/\n", BadDestination::Character),
            ("https://example.com/\0", BadDestination::Character),
            ("https://example.com/\t", BadDestination::Character),
            ("https://example.com\\@evil.example/", BadDestination::Character),
            ("https://exa mple.com/", BadDestination::Character),
            ("https://bank.example@evil.example/", BadDestination::UserInfo),
            ("https://a:b@evil.example?x", BadDestination::UserInfo),
            ("https://", BadDestination::NoHost),
            ("https:///path", BadDestination::NoHost),
            ("https://:80/", BadDestination::NoHost),
            ("https://?q", BadDestination::NoHost),
        ] {
            assert_eq!(check(wrong), Err(why), "{wrong:?}");
        }
        let long = format!("https://example.com/{}", "a".repeat(limits::LINK_BYTES_MAX));
        assert_eq!(check(&long), Err(BadDestination::TooLong));
    }

    #[test]
    fn ascii_is_said_as_it_stands() {
        for url in
            ["HTTPS://Example.COM:443/%7Ea/../b;c=d?e&amp;f=%zz#frag?ment", "http://example.com?a|b^{c}`d\"<e>'(f)*!$,"]
        {
            assert_eq!(location(url), url);
            assert!(matches!(location(url), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn other_letters_are_said_in_ascii_and_mean_the_same() {
        for (url, said) in [
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("https://bücher.example:8443/ü", "https://xn--bcher-kva.example:8443/%C3%BC"),
            ("https://example.com/straße?q=grün#öl", "https://example.com/stra%C3%9Fe?q=gr%C3%BCn#%C3%B6l"),
            ("https://example.com/a b%20c", "https://example.com/a%20b%20c"),
            ("https://例え.テスト?x=例", "https://xn--r8jz45g.xn--zckzah?x=%E4%BE%8B"),
        ] {
            assert_eq!(location(url), said);
            assert_eq!(check(&location(url)), Ok(()));
            assert_eq!(location(said), said, "said twice it is the same");
        }
        assert!(location("https://a\u{fffd}b.example/").is_ascii());
    }
}
