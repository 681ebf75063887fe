//! Keys and records in all their forms, and the appendix of the RFC.

use super::{golden, key};
use crate::verifier::Verifier;
use gatepost::model::dkim::Algorithm;
use gatepost::proof::{BadKey, BodyHash, PrivateKey, Published, SigningKey};

/// RFC 8463 A.1, A.2, A.3.
const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const RECORD: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\
    \r\n\
    We lost the game.  Are you hungry yet?\r\n\
    \r\n\
    Joe.\r\n";

#[test]
fn the_key_the_record_and_the_body_hash_of_rfc_8463() {
    let private = PrivateKey::from_text(SEED.as_bytes()).unwrap();
    assert_eq!(private.public().unwrap().record(), RECORD);
    assert_eq!(BodyHash::of(MESSAGE.as_bytes()).as_str(), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    let key = SigningKey::new("football.example.com".parse().unwrap(), "brisbane".parse().unwrap(), private);
    let owner = "brisbane._domainkey.football.example.com.".to_owned();
    let verifier = Verifier::with_records([(owner, RECORD.to_owned())]);
    assert!(verifier.accepts(&super::signed(MESSAGE.as_bytes(), &[key.into()]), 1));
}

#[test]
fn a_key_is_read_however_openssl_writes_it() {
    for (file, algorithm, public) in [
        ("rsa.pem", Algorithm::Rsa, "rsa.p"),
        ("rsa-pkcs1.pem", Algorithm::Rsa, "rsa.p"),
        ("ed25519.pem", Algorithm::Ed25519, "ed25519.p"),
    ] {
        let private = PrivateKey::open(&golden(file)).unwrap();
        assert_eq!(private.algorithm(), algorithm);
        let p = std::fs::read_to_string(golden(public)).unwrap();
        let record = private.public().unwrap().record();
        assert_eq!(record, format!("v=DKIM1; k={algorithm}; p={p}"), "{file}");
    }
}

#[test]
fn what_is_no_key_that_signs_is_refused_in_words() {
    let refused = |text: &str| PrivateKey::from_text(text.as_bytes()).unwrap_err().to_string();
    let short = std::fs::read_to_string(golden("rsa-1024.pem")).unwrap();
    let public = std::fs::read_to_string(golden("rsa.p")).unwrap();
    let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (text, says) in [
        (short.as_str(), "fewer than 2048 bits"),
        (&elliptic, "RSA of 2048 to 4096 bits, or Ed25519"),
        (&public, "not PEM"),
        ("", "not PEM"),
        ("AAAA", "not PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "RSA of 2048 to 4096 bits, or Ed25519"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "damaged PEM"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate"),
    ] {
        let said = refused(text);
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(matches!(PrivateKey::open(&golden("nowhere.pem")), Err(BadKey::Pem(_))));
}

#[test]
fn new_keys_sign_and_are_kept() {
    for algorithm in [Algorithm::Rsa, Algorithm::Ed25519] {
        let made = PrivateKey::generate(algorithm).unwrap();
        let kept = PrivateKey::from_pkcs8(made.to_pkcs8().unwrap().expose()).unwrap();
        let public = made.public().unwrap();
        assert_eq!((kept.algorithm(), kept.public().unwrap()), (algorithm, public.clone()));
        assert_eq!(public.published_in(public.record().as_bytes()), Published::Same);
        assert!(!format!("{made:?}").contains("BEGIN"));
        let key = SigningKey::new("example.com".parse().unwrap(), "new".parse().unwrap(), kept);
        let verifier = Verifier::new([&key]);
        assert!(verifier.accepts(&super::signed(MESSAGE.as_bytes(), &[key.into()]), 1));
    }
}

#[test]
fn a_domain_beyond_ascii_is_written_as_the_dns_has_it() {
    let private = PrivateKey::open(&golden("ed25519.pem")).unwrap();
    let key = SigningKey::new("Bücher.example".parse().unwrap(), "Schlüssel".parse().unwrap(), private);
    let verifier = Verifier::new([&key]);
    let message = super::signed("From: jörg@bücher.example\r\n\r\nschön\r\n".as_bytes(), &[key.into()]);
    let text = String::from_utf8(message.clone()).unwrap();
    assert!(text.contains(" d=xn--bcher-kva.example; s=xn--schlssel-95a;"), "{text}");
    assert!(verifier.accepts(&message, 1));
}

#[test]
fn keys_of_several_domains_sign_side_by_side() {
    let other = SigningKey::new(
        "other.example".parse().unwrap(),
        "a.b".parse().unwrap(),
        PrivateKey::generate(Algorithm::Ed25519).unwrap(),
    );
    let keys = [key("rsa1", "rsa.pem"), key("ed1", "ed25519.pem"), other.into()];
    let verifier = Verifier::new(keys.iter().map(|key| &**key));
    assert!(verifier.accepts(&super::signed(MESSAGE.as_bytes(), &keys), 3));
}
