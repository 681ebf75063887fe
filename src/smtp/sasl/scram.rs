//! SCRAM-SHA-256 on the server's side (RFC 5802, RFC 7677), without channel binding: what the client says
//! is read, challenged, and its proof computed against the keys.

use super::{Claim, ScramKeys, login};
use crate::base::limits;
use crate::base::scram::mac;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The client's first message, read.
#[derive(Debug)]
pub(super) struct First {
    login: String,
    /// `n,,` as it was said: it comes back in the final message.
    gs2_header: String,
    /// What is signed of it.
    bare: String,
    /// Both parts.
    nonce: String,
}

impl First {
    /// RFC 5802 7: `gs2-header [m=…,] n=user,r=nonce[,extensions]`.
    pub fn read(response: &[u8], our_nonce: &str) -> Option<Self> {
        let text = std::str::from_utf8(response).ok()?;
        let (binding, rest) = text.split_once(',')?;
        // RFC 5802 6: "y" is a client that could bind to the channel and heard that we do not offer it; "p"
        // is one that binds although we did not.
        if binding != "n" && binding != "y" {
            return None;
        }
        let (acting_for, bare) = rest.split_once(',')?;
        // RFC 5802 5.1: m= is an extension that must be understood. We know none, and what comes behind the
        // nonce may be ignored.
        let mut attributes = bare.split(',');
        let name = attributes.next()?.strip_prefix("n=")?;
        let their_nonce = attributes.next()?.strip_prefix("r=")?;
        let for_itself = acting_for.is_empty() || acting_for.strip_prefix("a=") == Some(name);
        if !for_itself || !is_nonce(their_nonce) {
            return None;
        }
        Some(Self {
            login: login(unescaped(name)?.as_bytes())?,
            gs2_header: format!("{binding},{acting_for},"),
            bare: bare.to_owned(),
            nonce: format!("{their_nonce}{our_nonce}"),
        })
    }

    pub fn login(&self) -> &str {
        &self.login
    }

    /// What we say to it: nonce, salt and iterations.
    pub fn challenge(self, keys: ScramKeys) -> (Challenged, Vec<u8>) {
        let said = format!("r={},s={},i={}", self.nonce, STANDARD.encode(&keys.salt), keys.iterations);
        let words = said.clone().into_bytes();
        (Challenged { first: self, said, keys }, words)
    }
}

/// RFC 5802 7: printable, no comma.
fn is_nonce(text: &str) -> bool {
    (1..=limits::NONCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// RFC 5802 5.1: a comma in a name is written =2C and an equals sign =3D; any other = is wrong.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        text.push(sign);
        text.push_str(rest);
    }
    Some(text)
}

/// A dialogue that waits for the proof.
#[derive(Debug)]
pub(super) struct Challenged {
    first: First,
    said: String,
    keys: ScramKeys,
}

impl Challenged {
    /// RFC 5802 7: `c=gs2-header,r=nonce[,extensions],p=proof`. The claim, and our signature when it holds.
    pub fn conclude(self, response: &[u8]) -> Option<(Claim, Option<Vec<u8>>)> {
        let text = std::str::from_utf8(response).ok()?;
        let (unproven, proof) = text.rsplit_once(",p=")?;
        let proof = Zeroizing::new(STANDARD.decode(proof).ok()?);
        let mut attributes = unproven.split(',');
        let binding = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        // RFC 5802 5.1: the header comes back unchanged, or somebody stands between us.
        let is_ours = binding == self.first.gs2_header.as_bytes()
            && attributes.next()?.strip_prefix("r=")? == self.first.nonce
            && proof.len() == SHA256_OUTPUT_LEN;
        if !is_ours {
            return None;
        }
        let message = format!("{},{},{unproven}", self.first.bare, self.said);
        let proven = self.is_proven(&message, &proof);
        let signature = mac(self.keys.server_key.expose(), message.as_bytes());
        let farewell = proven.then(|| format!("v={}", STANDARD.encode(signature.as_ref())).into_bytes());
        Some((Claim::Proof { login: self.first.login, proven, keys: self.keys }, farewell))
    }

    /// RFC 5802 3: the proof hides the client's key, and the hash of that is what we stored.
    fn is_proven(&self, message: &str, proof: &[u8]) -> bool {
        let signature = mac(self.keys.stored_key.expose(), message.as_bytes());
        let client_key: Zeroizing<Vec<u8>> =
            Zeroizing::new(proof.iter().zip(signature.as_ref()).map(|(p, s)| p ^ s).collect());
        let stored_key = digest(&SHA256, &client_key);
        verify_slices_are_equal(stored_key.as_ref(), self.keys.stored_key.expose()).is_ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::scram::ITERATIONS;
    use crate::smtp::sasl::{Exchange, Mechanism, Progress};
    use std::num::NonZeroU32;
    use std::sync::LazyLock;

    pub fn pencil() -> ScramKeys {
        static KEYS: LazyLock<ScramKeys> = LazyLock::new(|| {
            let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
            ScramKeys::derive("pencil", &salt, NonZeroU32::new(ITERATIONS).unwrap())
        });
        KEYS.clone()
    }

    const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    /// The dialogue of RFC 7677 3, up to our challenge.
    fn challenged(first: &[u8]) -> (Exchange, Vec<u8>) {
        let Progress::Keys(exchange, login) = Exchange::begin(Mechanism::ScramSha256, Some(first), NONCE) else {
            panic!("{}", String::from_utf8_lossy(first))
        };
        assert_eq!(login, "user");
        let Progress::Challenge(exchange, words) = exchange.take_keys(pencil()) else { panic!() };
        (exchange, words)
    }

    #[test]
    fn the_example_of_rfc_7677_goes_through() {
        let (exchange, words) = challenged(FIRST);
        let want = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(String::from_utf8(words).unwrap(), want);
        let Progress::Claim { claim: Claim::Proof { login, proven, keys }, farewell } = exchange.hear(FINAL.as_bytes())
        else {
            panic!()
        };
        assert!(login == "user" && proven && keys.is_same_as(&pencil()));
        assert_eq!(farewell.unwrap(), b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_wrong_proof_is_a_claim_that_does_not_hold() {
        let (exchange, _) = challenged(FIRST);
        let wrong = FINAL.replacen("p=dHzb", "p=dHzc", 1);
        let Progress::Claim { claim: Claim::Proof { proven: false, .. }, farewell: None } =
            exchange.hear(wrong.as_bytes())
        else {
            panic!()
        };
    }

    #[test]
    fn a_final_message_that_does_not_belong_here_is_refused() {
        for (from, to) in [
            ("c=biws", "c=eSws"),
            ("c=biws", "c=biw"),
            ("c=biws,", ""),
            ("$k0,", "$k1,"),
            ("$k0,", "$k0x,"),
            ("r=rOpr", "r="),
            (",p=", ",x="),
            ("p=dHzb", "p="),
            ("dVQ=", "dVQ=="),
        ] {
            let (exchange, _) = challenged(FIRST);
            let wrong = FINAL.replacen(from, to, 1);
            assert!(matches!(exchange.hear(wrong.as_bytes()), Progress::Malformed), "{wrong}");
        }
    }

    #[test]
    fn the_first_message_is_read_as_the_rfc_has_it() {
        let read = |text: &str| First::read(text.as_bytes(), "b").map(|first| first.login);
        for (text, want) in [
            ("n,,n=user,r=a", Some("user")),
            ("y,,n=user,r=a", Some("user")),
            ("n,a=user,n=user,r=a", Some("user")),
            ("n,,n=user,r=a,x=later", Some("user")),
            ("n,,n=a=2Cb=3Dc,r=a", Some("a,b=c")),
            ("n,,n=b\u{fc}cher,r=a", Some("bücher")),
            ("p=tls-exporter,,n=user,r=a", None),
            ("n,a=other,n=user,r=a", None),
            ("n,user,n=user,r=a", None),
            ("n,,m=x,n=user,r=a", None),
            ("n,,n=,r=a", None),
            ("n,,n=user,r=", None),
            ("n,,n=user,r=a b", None),
            ("n,,n=user,r=\u{fc}", None),
            ("n,,n=a=2cb,r=a", None),
            ("n,,n=a=,r=a", None),
            ("n,,n=us\u{1}er,r=a", None),
            ("n,,r=a,n=user", None),
            ("n,,n=user", None),
            ("n,n=user,r=a", None),
            ("n", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), want, "{text}");
        }
        assert_eq!(read(&format!("n,,n=user,r={}", "a".repeat(257))), None);
    }

    #[test]
    fn a_client_that_could_bind_is_answered() {
        // "y" comes back as eSws; the proof is over another text then, and was not computed here.
        let (exchange, _) = challenged(b"y,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let text = FINAL.replacen("c=biws", "c=eSws", 1);
        assert!(matches!(exchange.hear(text.as_bytes()), Progress::Claim { farewell: None, .. }));
    }

    #[test]
    fn nothing_is_heard_while_keys_are_asked_for() {
        let Progress::Keys(exchange, _) = Exchange::begin(Mechanism::ScramSha256, Some(FIRST), NONCE) else { panic!() };
        assert!(matches!(exchange.hear(FINAL.as_bytes()), Progress::Malformed));
        let Progress::Challenge(exchange, _) = Exchange::begin(Mechanism::ScramSha256, None, NONCE) else { panic!() };
        assert!(matches!(exchange.take_keys(pencil()), Progress::Malformed));
    }
}
