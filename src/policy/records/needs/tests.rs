use super::*;
use crate::base::settings::Scalar;
use crate::model::domain::Selector;

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn domain(name: &str) -> Domain {
    Domain::of_test(name)
}

fn here() -> Leaving {
    Leaving::Here { by_name: true, addresses: vec![] }
}

fn tracked(host: &str) -> Option<Tracking> {
    Some(Tracking::of_test(host))
}

/// `purpose host kind value`, with `?` for one that is only recommended and `…` where something has to be filled in.
fn made(domain: &Domain, leaving: Leaving, taking: Taking, keys: &[Key]) -> Vec<String> {
    let hostname = name("mail.example.com");
    let needs = needs(&Ours { domain, hostname: &hostname, leaving, taking, keys });
    let line = |r: &Record| {
        let mark = match (r.required, &r.first) {
            (Required::Required, _) => "",
            (Required::Recommended, None) => "?",
            (Required::Recommended, Some(_)) => "…",
        };
        format!("{}{mark} {} {} {}", r.purpose.word(), r.host, r.kind.word(), r.value)
    };
    needs.records.iter().map(line).chain(needs.notes).collect()
}

#[test]
fn a_domain_that_is_only_sent_from_needs_little() {
    let made = made(&domain("example.com"), here(), Taking::Elsewhere, &[]);
    assert_eq!(
        made,
        ["spf example.com TXT v=spf1 a:mail.example.com ~all", "dmarc? _dmarc.example.com TXT v=DMARC1; p=none",]
    );
}

#[test]
fn a_domain_with_everything_needs_it_all() {
    let mut domain = domain("example.com");
    domain.return_path = ReturnPath::Recipient;
    domain.tracking = tracked("https://t.example.com");
    let key = |selector: &str, stage| Key {
        selector: selector.parse().unwrap(),
        record: format!("v=DKIM1; p={selector}"),
        stage,
    };
    let keys = [key("gp1", Stage::Active), key("gp2", Stage::Pending), key("gp0", Stage::Retiring)];
    let addresses = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let made = made(&domain, Leaving::Here { by_name: false, addresses }, Taking::Here, &keys);
    assert_eq!(
        made,
        [
            "spf example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all",
            "dkim gp1._domainkey.example.com TXT v=DKIM1; p=gp1",
            "dkim? gp2._domainkey.example.com TXT v=DKIM1; p=gp2",
            "dkim? gp0._domainkey.example.com TXT v=DKIM1; p=gp0",
            "dmarc? _dmarc.example.com TXT v=DMARC1; p=none",
            "mx example.com MX 10 mail.example.com",
            "return_path_mx rp.example.com MX 10 mail.example.com",
            "return_path_spf rp.example.com TXT v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all",
            "tracking t.example.com CNAME mail.example.com",
            "mta_sts… _mta-sts.example.com TXT v=STSv1; id=1",
            "mta_sts_host… mta-sts.example.com CNAME …",
            "tls_rpt? _smtp._tls.example.com TXT v=TLSRPTv1; rua=mailto:postmaster@example.com",
        ]
    );
}

#[test]
fn through_a_relay_only_its_provider_knows() {
    let mut domain = domain("example.com");
    domain.return_path = ReturnPath::Message;
    let relay = Leaving::Relay { name: "upstream".parse().unwrap(), host: "smtp.provider.example".to_owned() };
    let made = made(&domain, relay, Taking::Elsewhere, &[]);
    assert_eq!(made[0], "spf… example.com TXT v=spf1 include:… ~all");
    assert!(made.contains(&"return_path_spf… rp.example.com TXT v=spf1 include:… ~all".to_owned()), "{made:?}");
}

#[test]
fn what_the_sandbox_keeps_needs_no_spf_yet() {
    let made = made(&domain("example.com"), Leaving::Nowhere, Taking::Elsewhere, &[]);
    assert_eq!(made[0], "spf? example.com TXT v=spf1 a:mail.example.com ~all");
}

#[test]
fn a_tracking_host_that_needs_no_record_has_none() {
    for (host, want) in [
        ("https://t.example.com:8443", Some("tracking t.example.com CNAME mail.example.com")),
        ("https://mail.example.com", None),
        ("http://localhost:8025", None),
        ("http://127.0.0.1:8025", None),
        ("https://[2001:db8::1]", None),
    ] {
        let mut domain = domain("example.com");
        domain.tracking = tracked(host);
        let made = made(&domain, here(), Taking::Elsewhere, &[]);
        assert_eq!(made.get(2).map(String::as_str), want, "{host}");
    }
    let mut unchecked = domain("example.com");
    unchecked.tracking = tracked("https://t.example.com").map(|tracking| Tracking { check: false, ..tracking });
    assert!(made(&unchecked, here(), Taking::Elsewhere, &[])[2].starts_with("tracking? "));
    let mut apex = domain("example.com");
    apex.tracking = tracked("https://example.com");
    assert!(made(&apex, here(), Taking::Elsewhere, &[])[2].contains("must have the addresses of mail.example.com"));
}

#[test]
fn a_name_that_is_too_long_is_a_note() {
    let long = format!("{}example.com", "a123456789.".repeat(21));
    let key =
        Key { selector: Selector::parse("gp1").unwrap(), record: "v=DKIM1; p=x".to_owned(), stage: Stage::Active };
    let made = made(&domain(&long), here(), Taking::Elsewhere, &[key]);
    assert!(made.iter().any(|line| line.starts_with("there can be no record at gp1._domainkey.a123")), "{made:?}");
}

#[test]
fn an_address_behind_a_translator_is_known_by_the_hostname() {
    let from = |list: &[&str], by_name| Leaving::from(list.iter().map(|text| text.parse().unwrap()), by_name);
    let is = |by_name, list: &[&str]| Leaving::Here {
        by_name,
        addresses: list.iter().map(|text| text.parse().unwrap()).collect(),
    };
    assert_eq!(from(&["192.0.2.1", "192.0.2.1"], false), is(false, &["192.0.2.1"]));
    assert_eq!(from(&["10.0.0.1", "192.0.2.1"], false), is(true, &["192.0.2.1"]));
    assert_eq!(from(&[], false), is(true, &[]));
    assert_eq!(from(&["2001:db8::1"], true), is(true, &["2001:db8::1"]));
}
