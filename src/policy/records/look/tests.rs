//! A whole domain against a whole zone: every judgement that takes more than one question.

use super::super::{Key, Kind, Required, Stage, Standing, Taking, needs};
use super::*;
use crate::dns::Source;
use crate::dns::zone::Zone;
use crate::model::domain::{Domain, ReturnPath, Tracking};

const RIGHT: &str = "\
$ORIGIN example.com.
mail A 192.0.2.1
@ TXT \"v=spf1 a:mail.example.com ~all\"
@ MX 10 mail
gp1._domainkey TXT \"v=DKIM1; k=rsa; p=QUJD\" \"REVG\"
_dmarc TXT \"v=DMARC1; p=none\"
rp MX 10 mail
rp TXT \"v=spf1 a:mail.example.com ~all\"
t CNAME mail
_mta-sts TXT \"v=STSv1; id=7\"
mta-sts A 192.0.2.80
_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:postmaster@example.com\"
";

/// The right zone, with all lines of these names replaced.
fn zone(changes: &[(&str, &str)]) -> String {
    let touched = |line: &&str| !changes.iter().any(|(name, _)| line.split(' ').next() == Some(*name));
    let kept: Vec<_> = RIGHT.lines().filter(touched).collect();
    let new: Vec<_> = changes.iter().flat_map(|(_, lines)| lines.lines()).collect();
    [kept, new].concat().join("\n")
}

fn domain(name: &str) -> Domain {
    let tracking = Some(Tracking::of_test("https://t.example.com"));
    Domain { return_path: ReturnPath::Recipient, tracking, ..Domain::of_test(name) }
}

fn by_hostname() -> Leaving {
    Leaving::Here { by_name: true, addresses: vec![] }
}

async fn looked_at(domain: &Domain, leaving: Leaving, zone: &str) -> Vec<Checked> {
    let hostname = "mail.example.com".parse().unwrap();
    let record = "v=DKIM1; k=rsa; p=QUJDREVG".to_owned();
    let keys = [Key { selector: "gp1".parse().unwrap(), record, stage: Stage::Active }];
    let ours = Ours { domain, hostname: &hostname, leaving, taking: Taking::Here, keys: &keys };
    let resolver = Resolver::new(Source::Zone(Zone::parse(zone).unwrap()));
    look(&ours, &needs(&ours).records, &resolver).await
}

fn of(checked: &[Checked], purpose: Purpose) -> &Checked {
    checked.iter().find(|one| one.record.purpose == purpose).unwrap()
}

async fn found(purpose: Purpose, changes: &[(&str, &str)]) -> Checked {
    of(&looked_at(&domain("example.com"), by_hostname(), &zone(changes)).await, purpose).clone()
}

#[track_caller]
fn is_wrong(checked: &Checked, part: &str) {
    assert!(matches!(&checked.found, Found::Wrong { why, .. } if why.contains(part)), "{part}: {checked:?}");
}

#[track_caller]
fn is_unknown(checked: &Checked, part: &str) {
    assert!(matches!(&checked.found, Found::Unknown { why } if why.contains(part)), "{part}: {checked:?}");
}

#[track_caller]
fn is_noted(checked: &Checked, part: &str) {
    assert!(matches!(&checked.found, Found::Right { note: Some(note) } if note.contains(part)), "{part}: {checked:?}");
}

#[tokio::test]
async fn a_domain_with_everything_in_place_is_verified() {
    let checked = looked_at(&domain("example.com"), by_hostname(), RIGHT).await;
    for one in &checked {
        assert_eq!(one.found, Found::RIGHT, "{one:?}");
        assert!(!one.observed.is_empty(), "{one:?}");
    }
    assert_eq!(checked.len(), 10);
    assert_eq!(Standing::of(&checked), Standing::Verified);
}

#[tokio::test]
async fn an_empty_zone_misses_everything_and_blames_nobody() {
    let checked = looked_at(&domain("example.com"), by_hostname(), "mail.example.com A 192.0.2.1\n").await;
    for one in &checked {
        assert_eq!((&one.found, one.observed.len()), (&Found::Missing, 0), "{one:?}");
    }
    assert_eq!(Standing::of(&checked), Standing::Incomplete);
    let recommended: Vec<_> = checked.into_iter().filter(|one| one.record.required == Required::Recommended).collect();
    assert_eq!((recommended.len(), Standing::of(&recommended)), (4, Standing::Verified));
}

#[tokio::test]
async fn servers_that_fail_make_nothing_missing() {
    let silent = "mail.example.com A 192.0.2.1\nexample.com SERVFAIL\ngp1._domainkey.example.com SERVFAIL\n\
                  _dmarc.example.com SERVFAIL\nrp.example.com SERVFAIL\nt.example.com SERVFAIL\n\
                  _mta-sts.example.com SERVFAIL\nmta-sts.example.com SERVFAIL\n_smtp._tls.example.com SERVFAIL\n";
    let checked = looked_at(&domain("example.com"), by_hostname(), silent).await;
    for one in &checked {
        is_unknown(one, "SERVFAIL");
    }
    assert_eq!(Standing::of(&checked), Standing::Unknown);
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_silent_end_at_the_deadline() {
    let checked =
        looked_at(&domain("example.com"), by_hostname(), "mail.example.com A 192.0.2.1\nexample.com TIMEOUT\n").await;
    is_unknown(of(&checked, Purpose::Spf), "12 s");
    is_unknown(of(&checked, Purpose::Mx), "12 s");
}

#[tokio::test]
async fn spf_is_right_when_our_addresses_pass_whatever_else_it_says() {
    let mx = "@ MX 10 mail\n";
    for record in [
        "v=spf1 mx -all",
        "v=spf1 include:_spf.provider.example ip4:192.0.2.0/24 -all",
        "V=SPF1 A:MAIL.EXAMPLE.COM",
        "v=spf1 redirect=rp.example.com",
    ] {
        let provider = "_spf.provider.example. TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n";
        let found =
            found(Purpose::Spf, &[("@", &format!("{mx}{provider}@ TXT \"{record}\"\n@ TXT \"other=thing\""))]).await;
        assert_eq!((&found.found, &found.observed[..]), (&Found::RIGHT, &[record.to_owned()][..]), "{record}");
    }
}

#[tokio::test]
async fn wrong_spf_says_what_would_mend_it() {
    for (records, why, instead) in [
        (
            "@ TXT \"v=spf1 include:_spf.example.com -all\"\n_spf TXT \"v=spf1 -all\"",
            "it forbids 192.0.2.1, which our mail comes from (fail)",
            "v=spf1 a:mail.example.com include:_spf.example.com -all",
        ),
        ("@ TXT \"v=spf1 ~all\"", "does not name 192.0.2.1", "v=spf1 a:mail.example.com ~all"),
        ("@ TXT \"v=spf1 ip4:192.0.2.9\"", "says nothing of 192.0.2.1", "v=spf1 a:mail.example.com ip4:192.0.2.9 ~all"),
        ("@ TXT \"v=spf1 a:mail.example.com +all\"", "anybody", "v=spf1 a:mail.example.com ~all"),
        (
            "@ TXT \"v=spf1 include:_open.example.com -all\"\n_open TXT \"v=spf1 all\"",
            "by what it includes, anybody",
            "v=spf1 a:mail.example.com include:_open.example.com -all",
        ),
        (
            "@ TXT \"v=spf1 mx -all\"\n@ TXT \"v=spf1 a:mail.example.com -all\"",
            "2 SPF records",
            "v=spf1 a:mail.example.com mx -all",
        ),
        ("@ TXT \"v=spf1 ip4:192.0.2 -all\"", "receivers cannot use it", "v=spf1 a:mail.example.com -all"),
        (
            "@ TXT \"v=spf1 a:n1.example a:n2.example a:n3.example a:mail.example.com -all\"",
            "lead nowhere",
            "v=spf1 a:mail.example.com a:n1.example a:n2.example a:n3.example -all",
        ),
    ] {
        let found = found(Purpose::Spf, &[("@", records)]).await;
        is_wrong(&found, why);
        assert!(matches!(&found.found, Found::Wrong { instead: Some(text), .. } if text == instead), "{found:?}");
    }
}

#[tokio::test]
async fn every_address_that_mail_leaves_from_has_to_pass() {
    let leaving = |list: &[&str]| Leaving::Here {
        by_name: false,
        addresses: list.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let spf = async |leaving: Leaving| {
        let zone = zone(&[("@", "@ TXT \"v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 ~all\"")]);
        of(&looked_at(&domain("example.com"), leaving, &zone).await, Purpose::Spf).clone()
    };
    assert_eq!(spf(leaving(&["192.0.2.1", "192.0.2.2"])).await.found, Found::RIGHT);
    is_wrong(&spf(leaving(&["192.0.2.1", "192.0.2.3"])).await, "192.0.2.3");
    is_wrong(&spf(leaving(&["2001:db8::3"])).await, "2001:db8::3");
}

#[tokio::test]
async fn a_hostname_without_an_address_is_said_to_be_the_trouble() {
    let no_host = found(Purpose::Spf, &[("mail", "")]).await;
    is_wrong(&no_host, "mail.example.com, which is server.hostname, has no address");
    is_wrong(&found(Purpose::Mx, &[("mail", "")]).await, "has no address");
    is_unknown(
        &found(Purpose::Spf, &[("mail", "mail SERVFAIL")]).await,
        "mail.example.com: the server answered SERVFAIL",
    );
    is_unknown(&found(Purpose::Mx, &[("mail", "mail SERVFAIL")]).await, "SERVFAIL");
    is_unknown(&found(Purpose::Tracking, &[("mail", "mail SERVFAIL"), ("t", "t A 192.0.2.4")]).await, "SERVFAIL");
}

#[tokio::test]
async fn of_a_relay_it_is_only_seen_that_somebody_may_send() {
    let relay = || Leaving::Relay { name: "upstream".parse().unwrap(), host: "smtp.provider.example".to_owned() };
    let spf = async |text: &str| {
        let zone = zone(&[("@", text)]);
        of(&looked_at(&domain("example.com"), relay(), &zone).await, Purpose::Spf).clone()
    };
    is_noted(&spf("@ TXT \"v=spf1 include:_spf.provider.example ~all\"").await, "only its provider can say");
    is_noted(&spf("@ TXT \"v=spf1 redirect=_spf.provider.example\"").await, "only its provider");
    is_wrong(&spf("@ TXT \"v=spf1 -all\"").await, "lets nobody send");
    is_wrong(&spf("@ TXT \"v=spf1 include:x.example +all\"").await, "anybody");
    assert_eq!(spf("@ MX 10 mail").await.found, Found::Missing);
}

#[tokio::test]
async fn mx_has_to_include_us_by_name_or_by_address() {
    assert_eq!(found(Purpose::Mx, &[("@", "@ MX 5 box\nbox A 192.0.2.1")]).await.found, Found::RIGHT);
    assert_eq!(found(Purpose::Mx, &[("@", "@ MX 5 mail\n@ MX 10 backup")]).await.found, Found::RIGHT);
    let behind =
        found(Purpose::Mx, &[("@", "@ MX 20 mail\n@ MX 10 filter.example.\nfilter.example. A 192.0.2.9")]).await;
    is_noted(&behind, "others are asked before us: filter.example");
    assert_eq!(behind.observed, ["10 filter.example", "20 mail.example.com"]);
    is_wrong(&found(Purpose::Mx, &[("@", "@ MX 10 elsewhere.example.")]).await, "mail goes elsewhere");
    is_wrong(&found(Purpose::Mx, &[("@", "@ MX 0 .")]).await, "no mail is taken");
    is_unknown(&found(Purpose::Mx, &[("@", "@ MX 10 lame\nlame SERVFAIL")]).await, "lame.example.com");
    // One that cannot be asked does not hide another that is us.
    assert!(matches!(
        found(Purpose::Mx, &[("@", "@ MX 10 lame\n@ MX 20 mail\nlame SERVFAIL")]).await.found,
        Found::Right { .. }
    ));
}

#[tokio::test]
async fn a_tracking_host_is_right_when_it_leads_to_us() {
    for (lines, observed) in [
        ("t CNAME mail", &["mail.example.com", "192.0.2.1"][..]),
        ("t A 192.0.2.1", &["192.0.2.1"]),
        ("t CNAME box\nbox A 192.0.2.1", &["box.example.com", "192.0.2.1"]),
    ] {
        let found = found(Purpose::Tracking, &[("t", lines)]).await;
        assert_eq!(
            (&found.found, &found.observed[..]),
            (&Found::RIGHT, &observed.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..])
        );
        assert_eq!(found.record.kind, Kind::Cname);
    }
    is_wrong(&found(Purpose::Tracking, &[("t", "t A 192.0.2.66")]).await, "elsewhere than mail.example.com");
    assert_eq!(found(Purpose::Tracking, &[("t", "t CNAME gone.example.")]).await.found, Found::Missing);
    assert_eq!(found(Purpose::Tracking, &[("t", "t TXT \"x\"")]).await.found, Found::Missing);
    // Both names are aliases of one host.
    let shared = [("t", "t CNAME box\nbox A 192.0.2.9"), ("mail", "mail CNAME box")];
    assert_eq!(found(Purpose::Tracking, &shared).await.found, Found::RIGHT);
}

#[tokio::test]
async fn a_sub_domain_goes_by_the_policy_above_it() {
    let dmarc = async |zone: &str| {
        of(&looked_at(&domain("a.b.example.com"), by_hostname(), zone).await, Purpose::Dmarc).clone()
    };
    is_noted(
        &dmarc("_dmarc.example.com TXT \"v=DMARC1; p=reject\"\n").await,
        "the policy of example.com counts for it",
    );
    is_wrong(
        &dmarc("_dmarc.example.com TXT \"v=DMARC1; p=no\"\n").await,
        "the policy of example.com counts for it, and p=no",
    );
    is_unknown(&dmarc("_dmarc.b.example.com SERVFAIL\n").await, "SERVFAIL");
    assert_eq!(dmarc("_dmarc.com TXT \"v=DMARC1; p=none\"\n").await.found, Found::Missing);
}

#[tokio::test]
async fn texts_that_are_no_text_are_no_panic() {
    let strange = found(Purpose::Spf, &[("@", "@ TXT \"v=spf1 \\255\\000 -all\"")]).await;
    is_wrong(&strange, "not ASCII");
    is_wrong(&found(Purpose::Dkim, &[("gp1._domainkey", "gp1._domainkey TXT \"\\255\"")]).await, "no key record");
}
