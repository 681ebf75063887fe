//! AUTH, the server's side (RFC 4954), written from the RFCs and not from our client: PLAIN, LOGIN, CRAM-MD5,
//! SCRAM-SHA-256 and XOAUTH2, each checking the one account that there is.

use super::wire::Wire;
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::num::NonZeroU32;
use std::process::Command;

const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
const SALT: &[u8] = b"salt of a sink";
const CHALLENGE: &str = "<1896.697170952@sink.example>";

#[derive(Clone)]
pub struct Account {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) mechanisms: Vec<String>,
}

impl Account {
    pub fn new(username: &str, password: &str, mechanisms: &[&str]) -> Self {
        let mechanisms = mechanisms.iter().map(|one| (*one).to_owned()).collect();
        Self { username: username.to_owned(), password: password.to_owned(), mechanisms }
    }

    /// Whoever it is that has come; none when the password or the dialogue is wrong.
    pub(super) async fn check(&self, wire: &mut Wire, words: &str) -> io::Result<Option<String>> {
        let (mechanism, initial) = words.split_once(' ').map_or((words, None), |(word, rest)| (word, Some(rest)));
        let mechanism = mechanism.to_ascii_uppercase();
        if !self.mechanisms.contains(&mechanism) {
            wire.fault(&format!("AUTH {mechanism} was not offered"));
            return Ok(None);
        }
        let initial = initial.map(|word| if word == "=" { Vec::new() } else { decoded(word) });
        let right = match mechanism.as_str() {
            "PLAIN" => {
                let told = answer(wire, initial, b"").await?;
                told == format!("\0{}\0{}", self.username, self.password).as_bytes()
            }
            "LOGIN" => {
                let username = answer(wire, initial, b"Username:").await?;
                let password = answer(wire, None, b"Password:").await?;
                username == self.username.as_bytes() && password == self.password.as_bytes()
            }
            "CRAM-MD5" => {
                let told = answer(wire, None, CHALLENGE.as_bytes()).await?;
                told == format!("{} {}", self.username, self.hmac_md5()).as_bytes()
            }
            "XOAUTH2" => {
                let told = answer(wire, initial, b"").await?;
                let right = format!("user={}\x01auth=Bearer {}\x01\x01", self.username, self.password);
                if told != right.as_bytes() {
                    // The reason comes as a challenge, which the client answers with an empty line.
                    answer(wire, None, br#"{"status":"401","schemes":"bearer"}"#).await?;
                }
                told == right.as_bytes()
            }
            "SCRAM-SHA-256" => self.scram(wire, initial).await?,
            other => panic!("a sink knows no {other}"),
        };
        Ok(right.then(|| self.username.clone()))
    }

    /// RFC 5802 3, RFC 7677.
    async fn scram(&self, wire: &mut Wire, initial: Option<Vec<u8>>) -> io::Result<bool> {
        let first = text(answer(wire, initial, b"").await?);
        let Some(bare) = first.strip_prefix("n,,").or(first.strip_prefix("y,,")) else { return Ok(false) };
        let part = |name: &str| bare.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
        let (username, nonce) = (part("n=").replace("=2C", ",").replace("=3D", "="), part("r="));
        let ours = format!("{nonce}and-the-sinks");
        let server_first = format!("r={ours},s={},i={ITERATIONS}", STANDARD.encode(SALT));
        let last = text(answer(wire, None, server_first.as_bytes()).await?);
        let Some((without_proof, proof)) = last.split_once(",p=") else { return Ok(false) };
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, SALT, self.password.as_bytes(), &mut salted);
        let all = format!("{bare},{server_first},{without_proof}");
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(digest::digest(&digest::SHA256, &client_key).as_ref(), all.as_bytes());
        let due: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let binding = STANDARD.encode(&first.as_bytes()[..3]);
        let same_nonce = without_proof == format!("c={binding},r={ours}");
        if username != self.username || !same_nonce || decoded(proof) != due {
            return Ok(false);
        }
        let server = STANDARD.encode(mac(&mac(&salted, b"Server Key"), all.as_bytes()));
        let empty = answer(wire, None, format!("v={server}").as_bytes()).await?;
        Ok(empty.is_empty())
    }

    /// By a program that is not ours.
    fn hmac_md5(&self) -> String {
        let key: String = self.password.bytes().map(|byte| format!("{byte:02x}")).collect();
        let script = format!("printf %s '{CHALLENGE}' | openssl dgst -md5 -mac HMAC -macopt hexkey:{key}");
        let output = Command::new("sh").args(["-c", &script]).output().expect("Debian's package openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text(output.stdout).trim().rsplit(' ').next().unwrap_or_default().to_owned()
    }
}

/// What the client says to this challenge, unless it has said it already.
async fn answer(wire: &mut Wire, initial: Option<Vec<u8>>, challenge: &[u8]) -> io::Result<Vec<u8>> {
    if let Some(initial) = initial {
        return Ok(initial);
    }
    wire.say(&format!("334 {}", STANDARD.encode(challenge))).await?;
    let line = wire.line().await?;
    Ok(decoded(text(line).trim_end()))
}

fn decoded(word: &str) -> Vec<u8> {
    STANDARD.decode(word).unwrap_or_else(|_| format!("no base64: {word}").into_bytes())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}
