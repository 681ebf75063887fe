use super::*;

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn why(found: Found) -> String {
    match found {
        Found::Wrong { why, instead: None } => why,
        other => panic!("{other:?}"),
    }
}

const WANTED: &str = "v=DKIM1; k=rsa; p=QUJDREVG";

#[test]
fn a_key_is_the_same_however_it_is_written() {
    for text in [
        WANTED,
        "v=DKIM1;k=rsa;p=QUJD REVG",
        "p=QUJDREVG",
        "k=rsa; p= QUJD\tREVG ;",
        "v=DKIM1; h=sha1:sha256; s=*; p=QUJDREVG; n=ours",
        "v=DKIM1; s=tlsrpt:email; t=s; p=QUJDREVG",
    ] {
        assert_eq!(dkim(WANTED, &texts(&[text])), Found::RIGHT, "{text}");
    }
}

#[test]
fn a_key_in_test_is_right_with_a_word() {
    for flags in ["y", "y:s", "s : y"] {
        let found = dkim(WANTED, &texts(&[&format!("v=DKIM1; t={flags}; p=QUJDREVG")]));
        assert!(matches!(&found, Found::Right { note: Some(note) } if note.contains("t=y")), "{found:?}");
    }
}

#[test]
fn a_wrong_key_says_what_is_wrong() {
    assert_eq!(dkim(WANTED, &[]), Found::Missing);
    for (text, want) in [
        ("v=DKIM1; k=rsa; p=QUJDREVH", "p= is another key"),
        ("v=DKIM1; k=rsa; p=QUJDREV", "no base64"),
        ("v=DKIM1; k=rsa; p=", "revoked"),
        ("v=DKIM1; k=rsa", "p= is missing"),
        ("k=rsa; v=DKIM1; p=QUJDREVG", "does not stand first"),
        ("v=DKIM2; p=QUJDREVG", "not DKIM1"),
        ("v=DKIM1; k=ed25519; p=QUJDREVG", "ed25519, not rsa"),
        ("v=DKIM1; h=sha1; p=QUJDREVG", "sha256"),
        ("v=DKIM1; s=other; p=QUJDREVG", "email"),
        ("QUJDREVG", "no key record"),
        ("v=DKIM1; p=QUJDREVG; p=QUJDREVG", "twice"),
        ("v=spf1 -all", "v= is not DKIM1"),
        ("\u{200b}v=DKIM1; p=QUJDREVG", ""),
    ] {
        let found = dkim(WANTED, &texts(&[text]));
        if want.is_empty() {
            // An unknown tag of a strange name is passed over, as receivers do (RFC 6376 3.2).
            assert_eq!(found, Found::RIGHT, "{text}");
        } else {
            assert!(why(found.clone()).contains(want), "{text}: {found:?}");
        }
    }
    assert!(why(dkim(WANTED, &texts(&[WANTED, "v=spf1 -all"]))).contains("2 texts"));
}

#[test]
fn a_key_of_another_kind_is_compared_by_its_kind() {
    let wanted = "v=DKIM1; k=ed25519; p=QUJDREVG";
    assert_eq!(dkim(wanted, &texts(&[wanted])), Found::RIGHT);
    assert!(why(dkim(wanted, &texts(&["v=DKIM1; p=QUJDREVG"]))).contains("rsa, not ed25519"));
}

#[test]
fn a_policy_is_legal_or_says_why_not() {
    for text in [
        "v=DMARC1; p=none",
        "v=DMARC1;p=NONE;rua=mailto:a@example.com,mailto:b@example.com!10m;pct=100",
        "v=DMARC1; p=none; sp=reject; adkim=s; aspf=r; fo=1; unknown=x",
    ] {
        assert_eq!(dmarc(&texts(&[text, "some other text"])), Found::RIGHT, "{text}");
    }
    let strict = dmarc(&texts(&["v=DMARC1; p=reject"]));
    assert!(matches!(&strict, Found::Right { note: Some(note) } if note.contains("p=reject")), "{strict:?}");
    assert_eq!(dmarc(&[]), Found::Missing);
    for (list, want) in [
        (&["v=DMARC1"][..], "p= is missing"),
        (&["v=DMARC1; p=monitor"], "p=monitor is none of none, quarantine, reject"),
        (&["v=DMARC1; p=none; sp=x"], "sp=x"),
        (&["v=DMARC1; p=none; adkim=relaxed"], "adkim=relaxed"),
        (&["v=DMARC1; p=none; pct=101"], "pct="),
        (&["v=DMARC1; p=none; rua=a@example.com"], "rua="),
        (&["v=DMARC1; p=none; ruf=mailto:"], "ruf="),
        (&["v=DMARC1; p=none; p=reject"], "twice"),
        (&["p=none; v=DMARC1"], "does not begin with v=DMARC1"),
        (&["v=spf1 -all"], "does not begin"),
        (&["v=DMARC1; p=none", "v=DMARC1; p=reject"], "2 DMARC records"),
    ] {
        let found = dmarc(&texts(list));
        assert!(why(found.clone()).contains(want), "{list:?}: {found:?}");
    }
}

#[test]
fn records_about_tls_are_read() {
    assert_eq!(mta_sts(&texts(&["v=STSv1; id=20260101T000000;"])), Found::RIGHT);
    assert_eq!(mta_sts(&[]), Found::Missing);
    for (text, want) in [("v=STSv1", "id="), ("v=STSv1; id=a-b", "id="), ("v=STSv2; id=1", "v=STSv1")] {
        assert!(why(mta_sts(&texts(&[text]))).contains(want), "{text}");
    }
    assert!(why(mta_sts(&texts(&["v=STSv1; id=1", "v=STSv1; id=2"]))).contains("2 records"));
    for text in ["v=TLSRPTv1; rua=mailto:tls@example.com", "v=TLSRPTv1;rua=https://r.example/x,mailto:a@b.example"] {
        assert_eq!(tls_reports(&texts(&[text])), Found::RIGHT, "{text}");
    }
    assert!(why(tls_reports(&texts(&["v=TLSRPTv1; rua=tls@example.com"]))).contains("rua="));
    assert!(why(tls_reports(&texts(&["v=TLSRPTv1"]))).contains("rua="));
}
