//! What a remote can do, as its answer to EHLO or LHLO says (RFC 5321 4.1.1.1). What it does not offer is not
//! used.

use super::login::Mechanism;
use super::response::Said;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub size: Size,
    pub pipelining: bool,
    pub eight_bit_mime: bool,
    pub smtputf8: bool,
    pub chunking: bool,
    pub binary_mime: bool,
    pub dsn: bool,
    pub require_tls: bool,
    pub enhanced_status: bool,
    pub starttls: bool,
    /// Those of its mechanisms that we know.
    pub auth: Vec<Mechanism>,
    /// RFC 9422 4: recipients of one transaction, and transactions of one connection.
    pub recipients_max: Option<u32>,
    pub transactions_max: Option<u32>,
}

/// RFC 1870 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    #[default]
    NotOffered,
    /// Sizes are heard, and no bound is named.
    Offered,
    Max(u64),
}

impl Capabilities {
    /// Of a whole answer; its first line is a name and a greeting.
    pub fn read(said: &Said) -> Self {
        let mut can = Self::default();
        said.lines().skip(1).for_each(|line| can.add(line));
        can
    }

    fn add(&mut self, line: &str) {
        let line = line.trim();
        let (keyword, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
        // RFC 5321 2.4: in any case of letters.
        match keyword.to_ascii_uppercase().as_str() {
            "SIZE" => self.size = size(rest),
            "PIPELINING" => self.pipelining = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "CHUNKING" => self.chunking = true,
            "BINARYMIME" => self.binary_mime = true,
            "DSN" => self.dsn = true,
            "REQUIRETLS" => self.require_tls = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status = true,
            "STARTTLS" => self.starttls = true,
            // Some say `AUTH=PLAIN` beside or instead of it: a draft's form that lives on.
            "AUTH" => {
                let known = rest.split_ascii_whitespace().filter_map(Mechanism::named);
                let new: Vec<_> = known.filter(|mechanism| !self.auth.contains(mechanism)).collect();
                self.auth.extend(new);
                self.auth.dedup();
            }
            "LIMITS" => rest.split_ascii_whitespace().for_each(|limit| self.add_limit(limit)),
            _ => {}
        }
    }

    /// RFC 9422 3: what is not understood is ignored; a bound of nothing cannot be meant.
    fn add_limit(&mut self, limit: &str) {
        let Some((name, value)) = limit.split_once('=') else { return };
        let value = value.parse().ok().filter(|value| *value > 0);
        if name.eq_ignore_ascii_case("RCPTMAX") {
            self.recipients_max = value;
        } else if name.eq_ignore_ascii_case("MAILMAX") {
            self.transactions_max = value;
        }
    }
}

/// RFC 1870 4: 0 is no bound, and nothing is none that is named.
fn size(text: &str) -> Size {
    match text.trim().parse() {
        Ok(max) if max > 0 => Size::Max(max),
        _ => Size::Offered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::dialogue::response::Responses;

    fn read(text: &str) -> Capabilities {
        let mut responses = Responses::default();
        responses.room(0).extend_from_slice(text.as_bytes());
        Capabilities::read(&responses.take().unwrap().unwrap())
    }

    #[test]
    fn an_answer_to_ehlo_is_read() {
        let can = read(
            "250-mx.example.net PIPELINING\r\n250-size 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n\
             250-BINARYMIME\r\n250-DSN\r\n250-REQUIRETLS\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n\
             250-AUTH PLAIN login X-OWN SCRAM-SHA-256\r\n250-AUTH=PLAIN CRAM-MD5\r\n\
             250 LIMITS RCPTMAX=50 mailmax=7 X=1 RCPTDOMAINMAX=2\r\n",
        );
        let auth = vec![Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256, Mechanism::CramMd5];
        let want = Capabilities {
            size: Size::Max(1000),
            pipelining: false,
            eight_bit_mime: true,
            smtputf8: true,
            chunking: true,
            binary_mime: true,
            dsn: true,
            require_tls: true,
            enhanced_status: true,
            starttls: true,
            auth,
            recipients_max: Some(50),
            transactions_max: Some(7),
        };
        assert_eq!(can, want);
    }

    #[test]
    fn odd_answers_offer_little() {
        assert_eq!(read("250 mx\r\n"), Capabilities::default());
        assert_eq!(read("250-mx\r\n250-SIZE\r\n250 PIPELINING\r\n").size, Size::Offered);
        assert_eq!(read("250-mx\r\n250 SIZE 0\r\n").size, Size::Offered);
        assert_eq!(read("250-mx\r\n250 SIZE 99999999999999999999\r\n").size, Size::Offered);
        assert_eq!(read("250-mx\r\n250-\r\n250 LIMITS RCPTMAX=0 MAILMAX=-1 MAILMAX\r\n"), Capabilities::default());
    }
}
