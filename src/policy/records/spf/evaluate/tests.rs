use super::*;
use crate::dns::Source;
use crate::dns::zone::Zone;

const ZONE: &str = "\
$ORIGIN example.
mail A 192.0.2.1
mail AAAA 2001:db8::1
both MX 10 mx1
both MX 20 mail
mx1 A 192.0.2.7
null MX 0 .
inc TXT \"v=spf1 ip4:192.0.2.1 -all\"
soft TXT \"v=spf1 ~all\"
open TXT \"v=spf1 +all\"
bad TXT \"v=spf1 nonsense\"
two TXT \"v=spf1 -all\"
two TXT \"v=spf1 +all\"
plain TXT \"hello\"
loop TXT \"v=spf1 include:loop.example -all\"
chain TXT \"v=spf1 redirect=inc.example\"
there A 127.0.0.2
fails SERVFAIL
";

async fn verdict(address: &str, text: &str) -> Verdict {
    let resolver = Resolver::new(Source::Zone(Zone::parse(ZONE).unwrap()));
    let record = SpfRecord::parse(text).unwrap();
    Evaluation::of(address.parse().unwrap(), &resolver).by(&"both.example".parse().unwrap(), &record).await
}

#[tokio::test]
async fn each_mechanism_matches_what_it_names() {
    for (text, address, want) in [
        ("v=spf1 ip4:192.0.2.0/30 -all", "192.0.2.1", Verdict::Pass(By::Term)),
        ("v=spf1 ip4:192.0.2.0/30 -all", "::ffff:192.0.2.1", Verdict::Pass(By::Term)),
        ("v=spf1 ip4:192.0.2.0/30 -all", "192.0.2.9", Verdict::Fail),
        ("v=spf1 ip6:2001:db8::/64 ~all", "2001:db8::9", Verdict::Pass(By::Term)),
        ("v=spf1 ip6:2001:db8::/64 ~all", "192.0.2.1", Verdict::SoftFail),
        ("v=spf1 a:mail.example -all", "192.0.2.1", Verdict::Pass(By::Term)),
        ("v=spf1 a:mail.example -all", "2001:db8::1", Verdict::Pass(By::Term)),
        ("v=spf1 a:mail.example/24 -all", "192.0.2.200", Verdict::Pass(By::Term)),
        ("v=spf1 a:mail.example//64 -all", "2001:db8::2", Verdict::Pass(By::Term)),
        ("v=spf1 a:mail.example -all", "192.0.2.2", Verdict::Fail),
        ("v=spf1 a ?all", "192.0.2.2", Verdict::Neutral),
        ("v=spf1 mx -all", "192.0.2.7", Verdict::Pass(By::Term)),
        ("v=spf1 mx -all", "192.0.2.1", Verdict::Pass(By::Term)),
        ("v=spf1 mx:null.example -all", "192.0.2.1", Verdict::Fail),
        ("v=spf1 include:inc.example -all", "192.0.2.1", Verdict::Pass(By::Term)),
        ("v=spf1 include:inc.example ?all", "192.0.2.2", Verdict::Neutral),
        ("v=spf1 -include:inc.example +all", "192.0.2.1", Verdict::Fail),
        ("v=spf1 include:open.example -all", "192.0.2.1", Verdict::Pass(By::All)),
        ("v=spf1 redirect=chain.example", "192.0.2.1", Verdict::Pass(By::Term)),
        ("v=spf1 redirect=soft.example", "192.0.2.1", Verdict::SoftFail),
        ("v=spf1 -all redirect=inc.example", "192.0.2.1", Verdict::Fail),
        ("v=spf1 exists:there.example -all", "2001:db8::1", Verdict::Pass(By::Term)),
        ("v=spf1 exists:nowhere.example -all", "192.0.2.1", Verdict::Fail),
        ("v=spf1 ptr -all", "192.0.2.1", Verdict::Fail),
        ("v=spf1", "192.0.2.1", Verdict::Neutral),
        // A macro behind the match is never asked for.
        ("v=spf1 ip4:192.0.2.1 exists:%{i}.x.example -all", "192.0.2.1", Verdict::Pass(By::Term)),
    ] {
        assert_eq!(verdict(address, text).await, want, "{text} {address}");
    }
}

#[tokio::test]
async fn what_no_receiver_can_use_says_why() {
    let eleven = format!("v=spf1 {}-all", "a:mail.example ".repeat(11));
    let ten = format!("v=spf1 {}-all", "a:mail.example ".repeat(10));
    assert_eq!(verdict("192.0.2.2", &ten).await, Verdict::Fail);
    for (text, want) in [
        (eleven.as_str(), "more than 10 lookups"),
        ("v=spf1 include:loop.example -all", "more than 10 lookups"),
        ("v=spf1 include:nowhere.example -all", "which has no SPF"),
        ("v=spf1 include:plain.example -all", "which has no SPF"),
        ("v=spf1 include:a..b -all", "which has no SPF"),
        ("v=spf1 redirect=nowhere.example", "which has no SPF"),
        ("v=spf1 include:bad.example -all", "the record of bad.example is broken"),
        ("v=spf1 include:two.example -all", "two.example has 2 SPF records"),
        ("v=spf1 a:n1.example a:n2.example a:n3.example -all", "more than 2 of its names lead nowhere"),
    ] {
        let verdict = verdict("192.0.2.2", text).await;
        assert!(matches!(&verdict, Verdict::Broken(why) if why.contains(want)), "{text}: {verdict:?}");
    }
    assert_eq!(verdict("192.0.2.2", "v=spf1 a:n1.example a:n2.example -all").await, Verdict::Fail);
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown() {
    for (text, want) in [
        ("v=spf1 a:fails.example -all", "SERVFAIL"),
        ("v=spf1 mx:fails.example -all", "SERVFAIL"),
        ("v=spf1 include:fails.example -all", "SERVFAIL"),
        ("v=spf1 exists:fails.example -all", "SERVFAIL"),
        ("v=spf1 include:%{d}.example -all", "made by receivers"),
        ("v=spf1 exists:%{i}.example -all", "made by receivers"),
    ] {
        let verdict = verdict("192.0.2.2", text).await;
        assert!(matches!(&verdict, Verdict::Unknown(why) if why.contains(want)), "{text}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_term_with_many_mail_hosts_breaks_the_record() {
    let hosts: String = (0..11).map(|n| format!("many.example MX 10 h{n}.example\n")).collect();
    let resolver = Resolver::new(Source::Zone(Zone::parse(&hosts).unwrap()));
    let record = SpfRecord::parse("v=spf1 mx:many.example -all").unwrap();
    let mut evaluation = Evaluation::of("192.0.2.1".parse().unwrap(), &resolver);
    let verdict = evaluation.by(&"a.example".parse().unwrap(), &record).await;
    assert!(matches!(&verdict, Verdict::Broken(why) if why.contains("more than 10 mail hosts")), "{verdict:?}");
}
