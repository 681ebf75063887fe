//! A SCRAM-SHA-256 client (RFC 5802, RFC 7677), written from the RFC and not from our server.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::num::NonZeroU32;

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|why| format!("{text:?}: {why}"))
}

pub struct Scram {
    password: String,
    first: String,
    server_signature: Option<Vec<u8>>,
}

impl Scram {
    pub fn new(login: &str, password: &str) -> Self {
        let login = login.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={login},r=a-clients-nonce-{:p}", &login);
        Self { password: password.to_owned(), first, server_signature: None }
    }

    pub fn first(&self) -> String {
        base64(format!("n,,{}", self.first).as_bytes())
    }

    /// The answer to the server's first message.
    pub fn answer(&mut self, server_first: &str) -> Result<String, String> {
        let server_first = String::from_utf8(from_base64(server_first)?).map_err(|why| why.to_string())?;
        let value = |name: &str| {
            let found = server_first.split(',').find_map(|part| part.strip_prefix(name));
            found.ok_or_else(|| format!("no {name} in {server_first:?}"))
        };
        let (nonce, salt) = (value("r=")?, from_base64(value("s=")?)?);
        let our_nonce = self.first.rsplit("r=").next().unwrap_or_default();
        if !nonce.starts_with(our_nonce) || nonce.len() <= our_nonce.len() {
            return Err(format!("the nonce of {server_first:?} does not begin with ours and go on"));
        }
        let iterations: NonZeroU32 = value("i=")?.parse().map_err(|_| "no number of iterations")?;
        // RFC 7677 4: at least 4096.
        if iterations.get() < 4096 {
            return Err(format!("{iterations} iterations are too few"));
        }
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, self.password.as_bytes(), &mut salted);
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let all = format!("{},{server_first},{without_proof}", self.first);
        let signature = mac(stored_key.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        self.server_signature = Some(mac(&mac(&salted, b"Server Key"), all.as_bytes()));
        Ok(base64(format!("{without_proof},p={}", base64(&proof)).as_bytes()))
    }

    /// Whether the server has proven that it knows the password too.
    pub fn check(&self, server_final: &str) -> Result<(), String> {
        let wanted = self.server_signature.as_deref().map(|signature| format!("v={}", base64(signature)));
        let said = String::from_utf8_lossy(&from_base64(server_final)?).into_owned();
        if Some(&said) == wanted.as_ref() { Ok(()) } else { Err(format!("{said:?} is not {wanted:?}")) }
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// RFC 7677 3, with its own nonces.
#[test]
fn the_example_of_the_rfc_comes_out() {
    let mut client =
        Scram { password: "pencil".into(), first: "n=user,r=rOprNGfwEbeRWgbNEkqO".into(), server_signature: None };
    let server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let answer = client.answer(&base64(server_first.as_bytes())).unwrap();
    assert_eq!(
        String::from_utf8(from_base64(&answer).unwrap()).unwrap(),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    client.check(&base64(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")).unwrap();
    assert!(client.check(&base64(b"v=AAAA")).is_err());
}
