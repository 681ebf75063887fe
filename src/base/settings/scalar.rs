//! Values that stand on one line: numbers, words, times, addresses. In a file each has one form (a
//! text, a whole number, true or false); in an environment variable it is always text.

use super::finding::nearest;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a value is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Integer,
    Bool,
}

/// Why a text is not the value it should be. Never repeats the text: it may have come from a place
/// that is not to be shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    pub why: Option<String>,
    pub help: Option<String>,
}

impl Wrong {
    pub fn because(why: impl std::fmt::Display) -> Self {
        Self { why: Some(why.to_string()), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn word(text: &str, words: &[&str]) -> Self {
        let help = nearest(text, words.iter().copied()).map(|near| format!("did you mean \"{near}\"?"));
        Self { why: None, help }
    }
}

pub trait Scalar: Sized + Clone + PartialEq {
    const FORM: Form = Form::Text;
    /// What is expected: "a port number".
    const EXPECTS: &'static str;
    /// The words it takes, when they are a fixed list.
    const WORDS: &'static [&'static str] = &[];
    /// Is it the name of a file of this machine?
    const NAMES_A_FILE: bool = false;

    fn parse(text: &str) -> Result<Self, Wrong>;

    /// As it is written in a file.
    fn write(&self) -> String;

    /// A relative path is meant from the directory of the file it stands in.
    fn within(self, _directory: &Path) -> Self {
        self
    }

    /// Does it hold something that must not be shown (a URL with a password)?
    fn is_secret(_text: &str) -> bool {
        false
    }
}

/// A TOML basic string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Scalar for String {
    const EXPECTS: &'static str = "a text";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.chars().any(char::is_control) {
            return Err(Wrong::because("it holds a control character"));
        }
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Scalar for bool {
    const FORM: Form = Form::Bool;
    const EXPECTS: &'static str = "true or false";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong::default())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// In these settings every 16-bit number is a port.
impl Scalar for u16 {
    const FORM: Form = Form::Integer;
    const EXPECTS: &'static str = "a port number from 1 to 65535";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().ok().filter(|port| *port != 0).ok_or_else(Wrong::default)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Scalar for u32 {
    const FORM: Form = Form::Integer;
    const EXPECTS: &'static str = "a whole number";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong::because("it is negative or too large"))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Scalar for u64 {
    const FORM: Form = Form::Integer;
    const EXPECTS: &'static str = "a whole number";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong::because("it is negative or too large"))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Scalar for Duration {
    const EXPECTS: &'static str = "a time like \"30s\", \"5m\", \"2h30m\" or \"5d\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let (mut rest, mut total, mut units) = (text, 0_u64, UNITS.iter());
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, behind) = rest.split_at(digits);
            let letters = behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let (unit, behind) = behind.split_at(letters);
            let number: u64 = number.parse().map_err(|_| Wrong::because("it needs a number before each unit"))?;
            // Units go from large to small, each once: `units` is only ever advanced.
            let (_, millis) = units
                .find(|(name, _)| *name == unit)
                .ok_or_else(|| Wrong::because("its units are w, d, h, m, s and ms, in this order"))?;
            total = number
                .checked_mul(*millis)
                .and_then(|millis| total.checked_add(millis))
                .ok_or_else(|| Wrong::because("it is too long"))?;
            rest = behind;
        }
        if text.is_empty() { Err(Wrong::default()) } else { Ok(Duration::from_millis(total)) }
    }

    fn write(&self) -> String {
        let mut rest = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return quoted("0s");
        }
        let mut text = String::new();
        // Weeks are read but not written: nobody thinks of "5d" and "7d" in two units.
        for (name, millis) in &UNITS[1..] {
            if rest >= *millis {
                text.push_str(&format!("{}{name}", rest / millis));
                rest %= millis;
            }
        }
        quoted(&text)
    }
}

impl Scalar for SocketAddr {
    const EXPECTS: &'static str = "an IP address with a port, like \"0.0.0.0:25\" or \"[::1]:25\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| {
            let port = |text: &str| text.parse::<u16>().is_ok();
            if let Ok(address) = text.parse::<IpAddr>() {
                Wrong::because("the port is missing").help(format!("write {}", SocketAddr::new(address, 25).write()))
            } else if port(text.trim_start_matches(['*', ':'])) {
                let port = text.trim_start_matches(['*', ':']);
                Wrong::because("the address is missing").help(format!("for all addresses write \"0.0.0.0:{port}\""))
            } else if text.rsplit_once(':').is_some_and(|(_, rest)| port(rest)) {
                Wrong::because("this is no IP address").help("names are not looked up here: write the address")
            } else {
                Wrong::default()
            }
        })
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Scalar for IpAddr {
    const EXPECTS: &'static str = "an IP address";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| match text.parse::<SocketAddr>() {
            Ok(address) => Wrong::because("there is no port here").help(format!("write {}", address.ip().write())),
            Err(_) => Wrong::default(),
        })
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A plain address is the network of that one address. Host bits must be zero: `10.1.0.0/8` is more
/// often a mistaken prefix than a meant one.
impl Scalar for IpNet {
    const EXPECTS: &'static str = "a network like \"10.0.0.0/8\" or an IP address";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(IpNet::from(address));
        }
        let net: IpNet = text.parse().map_err(|_| Wrong::default())?;
        if net.addr() == net.network() {
            return Ok(net);
        }
        Err(Wrong::because("the address has bits behind the prefix").help(format!("did you mean \"{}\"?", net.trunc())))
    }

    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Scalar for PathBuf {
    const EXPECTS: &'static str = "the path of a file or directory";
    const NAMES_A_FILE: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.contains('\0') { Err(Wrong::because("it holds a NUL byte")) } else { Ok(PathBuf::from(text)) }
    }

    fn write(&self) -> String {
        quoted(&self.to_string_lossy())
    }

    fn within(self, directory: &Path) -> Self {
        directory.join(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds) in [("30s", 30), ("2h30m", 9000), ("5d", 432_000), ("0s", 0), ("1w", 604_800)] {
            assert_eq!(Duration::parse(text).unwrap().as_secs(), seconds, "{text}");
        }
        assert_eq!(Duration::parse("1500ms").unwrap().write(), "\"1s500ms\"");
        assert_eq!(Duration::from_secs(432_000).write(), "\"5d\"");
        for wrong in ["", "5", "m", "5x", "1m1h", "1m1m", "-1s", "1.5h", "1 m", "é", "99999999999999999w"] {
            assert!(Duration::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_take_plain_addresses_and_no_stray_bits() {
        assert_eq!(IpNet::parse("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(IpNet::parse("2001:db8::/32").unwrap().prefix_len(), 32);
        assert_eq!(IpNet::parse("10.1.0.0/8").unwrap_err().help.unwrap(), "did you mean \"10.0.0.0/8\"?");
        assert!(IpNet::parse("10.0.0.0/33").is_err());
    }

    #[test]
    fn socket_addresses_say_what_is_missing() {
        let help = |text| SocketAddr::parse(text).unwrap_err().help;
        assert!(SocketAddr::parse("[::]:25").is_ok());
        assert_eq!(help("127.0.0.1").unwrap(), "write \"127.0.0.1:25\"");
        assert_eq!(help(":587").unwrap(), "for all addresses write \"0.0.0.0:587\"");
        assert_eq!(help("*:587"), help(":587"));
        assert!(help("localhost:25").unwrap().contains("write the address"));
        assert_eq!(help("127.0.0.1:99999"), None);
    }

    #[test]
    fn text_is_quoted_as_toml_wants() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000A\"");
    }
}
