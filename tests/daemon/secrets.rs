//! No secret is ever told, in whatever form it is given, wherever it is asked for, whatever goes wrong.

use super::tls::Made;
use crate::postgres::Cluster;
use crate::running::{DOORS, Ran, Smtp, Yard, eventually, get};
use nix::sys::signal::Signal;

/// One of each kind and each form. A piece of one is as bad as the whole: that is looked for too.
const STORE: &str = "Sto-rEpAsS-0001";
const RELAY: &str = "rElAy-pAsS-0002";
const IN_FILE: &str = "fIlE-sEcReT-0003";
const IN_ENVIRONMENT: &str = "eNv-sEcReT-0004";
const CREDENTIAL: &str = "cReDeNtIaL-0005";
const MASTER_KEY: &str = "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e70006";
const SCRAM: &str = "SCRAM-SHA-256$4096:c2FsdDAwMDc=$c3RvcmVkMDAwOHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=:c2VydmVyMDAwOXl5eXl5eXl5eXl5eXl5eXl5eXl5eXk=";
const LOGIN: &str = "lOgIn-sEcReT-0010";

/// The first secret that is told in this text; `more` is one beside those above.
fn told<'a>(text: &str, more: &'a str) -> Option<&'a str> {
    let secrets = [STORE, RELAY, IN_FILE, IN_ENVIRONMENT, CREDENTIAL, MASTER_KEY, SCRAM, LOGIN];
    let of_scram =
        ["c2FsdDAwMDc", "c3RvcmVkMDAwOHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=", "c2VydmVyMDAwOXl5eXl5eXl5eXl5eXl5eXl5eXl5eXk="];
    secrets.into_iter().chain(of_scram).chain([more]).find(|secret| text.contains(&secret[..secret.len() - 3]))
}

/// Everything that was said, to whomever, with where it was said.
struct Heard<'a> {
    yard: &'a Yard,
    private_key: String,
    pages: usize,
}

impl Heard<'_> {
    fn page(&mut self, place: &str, text: &str) {
        if let Some(secret) = told(text, &self.private_key) {
            panic!("{secret} in {place}:\n{text}");
        }
        assert!(!text.is_empty(), "{place} says nothing: it tests nothing");
        self.pages += 1;
    }

    fn command(&mut self, words: &[&str]) -> Ran {
        let mut command = self.yard.command(words);
        let ran = Ran::of(command.envs(environment()).env("GATEPOST_CONFIG", self.yard.path("gatepost.toml")));
        self.page(&format!("{words:?}"), &format!("{}{}.", ran.out, ran.err));
        ran
    }
}

fn environment() -> [(&'static str, &'static str); 4] {
    [("APP_SECRET", IN_ENVIRONMENT), ("APP_SCRAM", SCRAM), ("GATEPOST_MASTER", MASTER_KEY), ("GATEPOST_LOG", "trace")]
}

fn server() -> &'static str {
    "master_key = { env = \"GATEPOST_MASTER\" }\nlog_file = \"gatepost.log\""
}

fn tables(url: &str) -> String {
    format!(
        r#"
[store]
url = "{url}"
[tls]
certificate = "server.pem"
key = "server.key"
{DOORS}
[[relay]]
name = "plain"
host = "smtp.provider.example"
username = "u"
password = "{RELAY}"
[[relay]]
name = "file"
host = "smtp.provider.example"
username = "u"
password = {{ file = "relay.secret" }}
[[domain]]
name = "example.com"
dkim = [{{ selector = "gp1", key = "signing.key" }}]
[[credential]]
username = "plain@example.com"
password = "{CREDENTIAL}"
domains = ["example.com"]
[[credential]]
username = "env@example.com"
password = {{ env = "APP_SECRET" }}
scram = {{ env = "APP_SCRAM" }}
domains = ["example.com"]
"#
    )
}

/// Mistakes beside, around and inside of secrets: what an admin's slip makes of a good file.
fn slips(good: &str) -> Vec<String> {
    let relay = format!("password = \"{RELAY}\"");
    let credential = format!("password = \"{CREDENTIAL}\"");
    [
        (relay.as_str(), format!("passwrod = \"{RELAY}\"")),
        (&relay, format!("password = \"{RELAY}")),
        (&relay, format!("password = [\"{RELAY}\"]")),
        (&relay, format!("password = {{ text = \"{RELAY}\" }}")),
        (&relay, format!("password = {RELAY}")),
        (&relay, format!("password = \"{RELAY}\" password = \"{RELAY}\"")),
        (&relay, format!("password = \"{RELAY}\"\npassword = \"{RELAY}\"")),
        (&relay, format!("tls = \"none\"\npassword = \"{RELAY}\"")),
        (&credential, format!("password = \"{CREDENTIAL}\"\nlimits = \"1/second\"")),
        (&credential, format!("scram = \"{CREDENTIAL}\"")),
        (&credential, format!("password = \"\"\"\n{CREDENTIAL}\n")),
        ("file = \"relay.secret\"", "file = \"nowhere.secret\"".to_owned()),
        ("env = \"APP_SCRAM\"", "env = \"APP_SECRET\"".to_owned()),
        ("[store]\nurl = ", "[store]\nport = 5\nurl = ".to_owned()),
        ("[store]\nurl = \"postgres:", "[store]\nurl = \"postgre:".to_owned()),
        ("[store]\nurl = \"postgres:", "[store]\nurl = \"sqlite:mail.db?x=postgres:".to_owned()),
        ("certificate = \"server.pem\"", "certificate = \"server.key\"".to_owned()),
    ]
    .into_iter()
    .map(|(from, to)| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, &to, 1)
    })
    .collect()
}

#[test]
fn no_secret_is_told_to_anyone() {
    let cluster = Cluster::private();
    // Trusted anyway: a password that is not needed is a secret all the same.
    let url = cluster.create_database().replacen("gatepost@", &format!("gatepost:{STORE}@"), 1);
    let yard = Yard::empty();
    let pair = Made::new("mail.example.com");
    pair.write(&yard, "server");
    yard.write("relay.secret", IN_FILE);
    yard.write("signing.key", crate::config::SIGNING_KEY);
    let good = tables(&url);
    yard.configure_server(server(), &good);
    let private_key = pair.key.lines().nth(1).unwrap().to_owned();
    let mut heard = Heard { yard: &yard, private_key, pages: 0 };

    assert_eq!(heard.command(&["check"]).code, Some(0));
    let mut serve = yard.command(&["serve"]);
    serve.envs(environment());
    let mut daemon = yard.launch_as(serve).ready();
    let (mx, http) = (daemon.address("mx"), daemon.address("http"));

    // What a client says is its secret, too.
    let mut client = Smtp::greeted(mx);
    client.ask("EHLO client.example");
    client.ask(&format!("AUTH PLAIN {LOGIN}"));
    client.ask(LOGIN);
    client.ask("QUIT");
    get(http, &format!("/api/v1/status?key={LOGIN}"));

    for words in [&["status"][..], &["status", "--json"], &["settings"]] {
        assert_eq!(heard.command(words).code, Some(0));
    }
    for path in ["/metrics", "/readyz", "/api/v1/status", "/api/v1/settings"] {
        heard.page(path, &daemon.control(path).1);
    }
    daemon.signal(Signal::SIGUSR1);
    daemon.said(" state ");
    let slips = slips(&good);
    for slip in &slips {
        yard.configure_server(server(), slip);
        daemon.refuses();
        let ran = heard.command(&["check"]);
        assert_eq!(ran.code, Some(78), "{slip}\n{ran:?}");
        heard.command(&["status"]);
        assert_ne!(heard.command(&["serve"]).code, Some(0));
    }
    // Another key, password and database: named as changed, not shown.
    let other = format!("master_key = \"{}\"\nlog_file = \"gatepost.log\"", &MASTER_KEY.replace("0006", "0007"));
    yard.configure_server(&other, &good.replace(RELAY, IN_FILE).replace("/test_", "/other_"));
    daemon.reloads();
    heard.command(&["check"]);
    heard.command(&["settings"]);

    // A database that goes away: what its driver says of it.
    yard.configure_server(server(), &good);
    cluster.stop();
    eventually(|| (get(http, "/readyz").0 == 503).then_some(())).unwrap();
    heard.page("/readyz", &get(http, "/readyz").1);
    heard.command(&["status"]);
    assert_eq!(heard.command(&["check"]).code, Some(78));
    daemon.stops();
    // And one that was never there.
    let mut serve = yard.command(&["serve"]);
    serve.envs(environment());
    let mut waiting = yard.launch_as(serve);
    waiting.said("the store cannot be opened yet");
    heard.command(&["status"]);
    waiting.stops();

    heard.page("the log", &daemon.all());
    heard.page("the log of the second", &waiting.all());
    heard.page("the log file", &std::fs::read_to_string(yard.path("gatepost.log")).unwrap());
    assert!(heard.pages > 3 * slips.len());
}
