//! MTA-STS (RFC 8461), against a web server and a clock that stands still.

use super::scene::{all_tls, clock, found, hosts, lost, name, with_policies, zone};
use crate::policies::Policies;
use gatepost::base::clock::Clock;
use gatepost::base::limits;
use gatepost::deliver::find::{Demand, Finder, PolicyUsed};
use gatepost::deliver::report::{PolicyType, ResultType};
use gatepost::deliver::sts::policy::Mode;
use gatepost::dns::Resolver;
use std::time::Duration;

const HOSTS: &str = "a.example MX 10 mx.a.example\na.example MX 20 mx.other.example\nb.example MX 10 mx.a.example\n\
                     b.example MX 20 mx.other.example\nmx.a.example A 192.0.2.1\nmx.other.example A 192.0.2.2\n\
                     mta-sts.a.example A 192.0.2.10\nmta-sts.b.example A 192.0.2.10\n";

fn announcing(domain: &str, id: &str) -> String {
    format!("{HOSTS}_mta-sts.{domain} TXT \"v=STSv1; id={id}\"\n")
}

fn policy(mode: &str, mx: &str, max_age: u32) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n")
}

struct Scene {
    policies: Policies,
    resolver: Resolver,
    clock: Clock,
    finder: Finder,
}

async fn scene(text: &str, answer: &str) -> Scene {
    let policies = Policies::serving(&["mta-sts.a.example", "mta-sts.b.example"]).await;
    policies.has(answer);
    let (resolver, clock) = (Resolver::new(zone(text)), clock());
    let finder = with_policies(resolver.clone(), &policies, clock.clone());
    Scene { policies, resolver, clock, finder }
}

const DAY: u32 = 86_400;

#[tokio::test]
async fn trap_47_enforce_leaves_out_hosts_that_do_not_match_and_verifies_the_others() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "mx.a.example", DAY)).await;
    let way = found(&scene.finder, "a.example").await;
    assert_eq!((hosts(&way), all_tls(&way)), (vec!["10 mx.a.example".to_owned()], vec!["roots"]));
    assert_eq!(way.way.left_out[0].0, "mx.other.example");
    let PolicyUsed::Sts { mode: Mode::Enforce, id, .. } = &way.policy else { panic!("{:?}", way.policy) };
    assert_eq!(id, "1");
    let learned = way.trail.learned.clone().unwrap();
    assert_eq!(
        (learned.domain.as_str(), learned.policy_id.as_str(), learned.max_age_seconds),
        ("a.example", "1", 86_400)
    );
    let rule = way.rule_at(&way.way.hosts[0]);
    assert_eq!((rule.policy, rule.text[0].as_str(), rule.text.len()), (PolicyType::Sts, "version: STSv1", 4));
    assert_eq!(way.trail.failures, [(Some(name("mx.other.example")), ResultType::ValidationFailure)]);
    // Known now, it is neither fetched nor learnt again.
    assert_eq!(found(&scene.finder, "a.example").await.trail.learned, None);
    assert_eq!(scene.policies.asked(), 1);
}

#[tokio::test]
async fn trap_47_when_no_host_matches_mail_waits() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "mx.elsewhere.example", DAY)).await;
    let none = lost(&scene.finder, "a.example").await;
    assert_eq!(none.why.status.to_string(), "4.7.5", "{none:?}");
    assert!(none.trail.learned.is_some(), "what was learnt is kept although there is no way");
}

#[tokio::test]
async fn trap_47_testing_never_blocks_and_is_told_to_the_reports() {
    let scene = scene(&announcing("a.example", "1"), &policy("testing", "mx.a.example", DAY)).await;
    let way = found(&scene.finder, "a.example").await;
    assert_eq!(all_tls(&way), ["opportunistic", "opportunistic"]);
    assert_eq!(way.trail.failures, [(Some(name("mx.other.example")), ResultType::ValidationFailure)]);
    assert_eq!(way.rule_at(&way.way.hosts[0]).policy, PolicyType::Sts);
}

#[tokio::test]
async fn trap_47_none_is_no_policy() {
    let scene = scene(&announcing("a.example", "1"), "version: STSv1\nmode: none\nmax_age: 100\n").await;
    let way = found(&scene.finder, "a.example").await;
    assert_eq!((all_tls(&way), way.policy), (vec!["opportunistic", "opportunistic"], PolicyUsed::None));
}

#[tokio::test]
async fn trap_47_a_policy_stays_in_force_to_its_end_whatever_dns_and_web_server_say() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "*.a.example", DAY)).await;
    found(&scene.finder, "a.example").await;
    scene.policies.fails();
    for records in [
        // Gone, unknown, announced anew, and announced twice.
        HOSTS.to_owned(),
        format!("{HOSTS}_mta-sts.a.example SERVFAIL\n"),
        announcing("a.example", "2"),
        format!("{}_mta-sts.a.example TXT \"v=STSv1; id=3\"\n", announcing("a.example", "2")),
    ] {
        scene.resolver.swap(zone(&records));
        scene.clock.advance(Duration::from_secs(DAY as u64 / 5));
        assert_eq!(all_tls(&found(&scene.finder, "a.example").await), ["roots"], "{records}");
    }
    scene.clock.advance(Duration::from_secs(DAY as u64 / 5));
    assert_eq!(all_tls(&found(&scene.finder, "a.example").await), ["opportunistic", "opportunistic"], "its end");
}

#[tokio::test]
async fn a_new_id_brings_a_new_policy_and_half_its_life_a_fresh_one() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "mx.a.example", DAY)).await;
    found(&scene.finder, "a.example").await;
    scene.policies.has(&policy("testing", "mx.a.example", DAY));
    assert_eq!(all_tls(&found(&scene.finder, "a.example").await), ["roots"], "the id is the old one");
    scene.resolver.swap(zone(&announcing("a.example", "2")));
    let way = found(&scene.finder, "a.example").await;
    assert_eq!((all_tls(&way).len(), way.trail.learned.unwrap().policy_id), (2, "2".to_owned()));
    scene.clock.advance(Duration::from_secs(DAY as u64 / 2));
    let again = found(&scene.finder, "a.example").await.trail.learned.unwrap();
    assert_eq!(again.fetched_at, scene.clock.now().micros());
    assert_eq!(scene.policies.asked(), 3);
}

#[tokio::test]
async fn a_failed_fetch_is_not_repeated_for_five_minutes() {
    let scene = scene(&announcing("a.example", "1"), "").await;
    scene.policies.fails();
    for id in ["1", "1", "2"] {
        scene.resolver.swap(zone(&announcing("a.example", id)));
        let way = found(&scene.finder, "a.example").await;
        assert_eq!(all_tls(&way), ["opportunistic", "opportunistic"], "what was never known cannot be in force");
        assert_eq!(way.trail.failures, [(None, ResultType::StsPolicyFetchError)]);
    }
    assert_eq!(scene.policies.asked(), 1);
    scene.policies.has(&policy("enforce", "*.a.example", DAY));
    scene.clock.advance(limits::STS_FETCH_PAUSE);
    assert_eq!(all_tls(&found(&scene.finder, "a.example").await), ["roots"]);
    assert_eq!(scene.policies.asked(), 2);
}

#[tokio::test]
async fn many_mails_at_once_fetch_a_policy_once() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "*.a.example", DAY)).await;
    let finds = (0..50).map(|_| found(&scene.finder, "a.example"));
    let ways = futures_util::future::join_all(finds).await;
    assert!(ways.iter().all(|way| all_tls(way) == ["roots"]));
    assert_eq!(ways.iter().filter(|way| way.trail.learned.is_some()).count(), 1);
    assert_eq!(scene.policies.asked(), 1);
}

#[tokio::test]
async fn trap_47_what_is_no_policy_is_not_taken_for_one() {
    let good = policy("enforce", "mx.a.example", DAY);
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    for (head, body, result) in [
        (
            "HTTP/1.1 301 Moved\r\nContent-Type: text/plain\r\nLocation: https://mta-sts.a.example/\r\n",
            &good,
            ResultType::StsPolicyFetchError,
        ),
        ("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n", &good, ResultType::StsPolicyFetchError),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", &good, ResultType::StsPolicyFetchError),
        ("HTTP/1.1 200 OK\r\n", &good, ResultType::StsPolicyFetchError),
        (ok, &format!("{good}{}", "x: y\n".repeat(20_000)), ResultType::StsPolicyFetchError),
        (ok, &good.replace("STSv1", "STSv2"), ResultType::StsPolicyInvalid),
        (ok, &String::new(), ResultType::StsPolicyInvalid),
    ] {
        let scene = scene(&announcing("a.example", "1"), "").await;
        scene.policies.says(head, body);
        let way = found(&scene.finder, "a.example").await;
        assert_eq!((all_tls(&way).len(), way.trail.failures), (2, vec![(None, result)]), "{head}");
        assert_eq!(scene.policies.asked(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_policy_server_with_a_certificate_for_another_name_is_not_believed() {
    let policies = Policies::serving(&["a.example", "mta-sts.b.example"]).await;
    policies.has(&policy("enforce", "*.a.example", DAY));
    let finder = with_policies(Resolver::new(zone(&announcing("a.example", "1"))), &policies, clock());
    let way = found(&finder, "a.example").await;
    assert_eq!(way.trail.failures, [(None, ResultType::StsWebpkiInvalid)]);
    assert_eq!((all_tls(&way).len(), policies.asked()), (2, 0));
}

#[tokio::test]
async fn what_was_learnt_is_remembered_over_a_restart_and_only_to_its_end() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "*.a.example", DAY)).await;
    let learned = found(&scene.finder, "a.example").await.trail.learned.unwrap();
    let row = serde_json::to_string(&learned).unwrap();
    scene.policies.fails();
    let after = with_policies(scene.resolver.clone(), &scene.policies, scene.clock.clone());
    after.sts.remember(serde_json::from_str(&row).unwrap());
    assert_eq!(all_tls(&found(&after, "a.example").await), ["roots"]);
    scene.clock.advance(Duration::from_secs(DAY.into()));
    let later = with_policies(scene.resolver.clone(), &scene.policies, scene.clock.clone());
    later.sts.remember(learned.clone());
    later.sts.remember(gatepost::deliver::sts::Learned { text: "damaged".to_owned(), ..learned });
    assert_eq!(all_tls(&found(&later, "a.example").await).len(), 2);
}

#[tokio::test]
async fn trap_48_dane_goes_before_mta_sts() {
    let key = "0000000000000000000000000000000000000000000000000000000000000001";
    let zone = format!("$PROVEN example\n{}_25._tcp.mx.a.example TLSA 3 1 1 {key}\n", announcing("a.example", "1"));
    for mx in ["*.a.example", "mx.elsewhere.example"] {
        let scene = scene(&zone, &policy("enforce", mx, DAY)).await;
        let way = found(&scene.finder, "a.example").await;
        assert_eq!((hosts(&way), all_tls(&way)), (vec!["10 mx.a.example".to_owned()], vec!["dane"]), "{mx}");
    }
    // Records that cannot be used are no way around what MTA-STS demands.
    let scene = scene(&zone.replace("3 1 1", "1 1 1"), &policy("enforce", "*.a.example", DAY)).await;
    assert_eq!(all_tls(&found(&scene.finder, "a.example").await), ["roots"]);
}

#[tokio::test]
async fn trap_49_domains_that_share_hosts_do_not_share_policies_or_connections() {
    let scene = scene(&announcing("a.example", "1"), &policy("enforce", "mx.a.example", DAY)).await;
    let (a, b) = (found(&scene.finder, "a.example").await, found(&scene.finder, "b.example").await);
    assert_eq!((all_tls(&a), all_tls(&b)), (vec!["roots"], vec!["opportunistic", "opportunistic"]));
    assert_ne!(a.way.key(), b.way.key());
    // With the same demands on the same hosts they may share.
    scene.resolver.swap(zone(&format!("{}_mta-sts.b.example TXT \"v=STSv1; id=9\"\n", announcing("a.example", "1"))));
    assert_eq!(found(&scene.finder, "b.example").await.way.key(), a.way.key());
}

#[tokio::test]
async fn requiretls_believes_a_name_that_mta_sts_vouches_for() {
    let scene = scene(&announcing("a.example", "1"), &policy("testing", "mx.a.example", DAY)).await;
    let way = scene.finder.find(&name("a.example"), Demand::RequireTls).await.unwrap();
    assert_eq!((hosts(&way), all_tls(&way)), (vec!["10 mx.a.example".to_owned()], vec!["roots"]));
}

#[tokio::test]
async fn trap_32_a_policy_is_that_of_the_domain_in_its_a_label_form() {
    let zone_text = "bücher.example MX 10 mx.bücher.example\nmx.bücher.example A 192.0.2.1\n\
                     mta-sts.bücher.example A 192.0.2.9\n_mta-sts.bücher.example TXT \"v=STSv1; id=1\"\n";
    let policies = Policies::serving(&["mta-sts.xn--bcher-kva.example"]).await;
    policies.has(&policy("enforce", "*.BÜCHER.example", DAY));
    let finder = with_policies(Resolver::new(zone(zone_text)), &policies, clock());
    assert_eq!(all_tls(&found(&finder, "Bücher.example").await), ["roots"]);
}
