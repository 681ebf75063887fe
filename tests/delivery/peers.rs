//! Debian's Postfix and Exim as next hop: as the mail host of a domain, and as a smarthost with STARTTLS and
//! accounts. What arrived is read out of their queues, where it stays: nothing of theirs goes anywhere.
//!
//! Each is first given the message by Python's smtplib: a peer that could not take it would prove nothing.

use super::sink::Authority;
use super::world::{SENDER, World};
use crate::clients::exim::{Exim, readable};
use crate::clients::watched::Watched;
use crate::peers::{Postfix, Programs};
use crate::running::{Ran, Yard};
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

const USER: &str = "us";
const PASSWORD: &str = "pass = word";
const NAME: &str = "smart.example";

const MESSAGE: &str = "From: App <app@example.com>\r\n\
    To: someone@far.example\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Date: Fri, 21 Nov 2025 08:00:00 +0000\r\n\
    Message-ID: <to-a-real-server@example.com>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\
    \r\n\
    .\r\n\
    ..two dots, then a line that ends with blanks  \r\n\
    Grüße aus Köln\r\n\
    \r\n\
    .hidden\r\n\
    \r\n";

/// What a peer has in its queue.
struct Taken {
    /// With the traces of whoever had it before.
    message: String,
    /// What it keeps of the envelope and of how it came, in its own words.
    about: String,
}

impl Taken {
    fn ends_with_the_message(&self) {
        assert!(self.message.replace('\n', "\r\n").ends_with(MESSAGE), "{}", self.message);
    }

    fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.about.contains(word), "{word}?\n{}", self.about);
        }
    }
}

/// A peer that takes mail.
enum Peer<'a> {
    Postfix(Watched, PathBuf),
    Exim(Watched, Box<Exim<'a>>, String),
}

/// Who may give it mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Anybody, as at a mail host.
    Open,
    /// Who logs in, inside TLS.
    Account,
}

impl<'a> Peer<'a> {
    fn postfix(yard: &Yard, authority: &Authority, at: SocketAddr, door: Door) -> Self {
        let folder = yard.path("postfix");
        std::fs::create_dir(&folder).unwrap();
        let (certificate, key) = pair(yard, authority);
        let mut main = format!(
            "smtpd_recipient_restrictions = CHECKS\nsmtpd_relay_restrictions =\nrelay_domains = far.example\n\
             strict_smtputf8 = yes\nsmtputf8_enable = yes\nsmtpd_tls_security_level = may\n\
             smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
            certificate.display(),
            key.display()
        );
        let hold = "check_client_access static:HOLD";
        match door {
            Door::Open => main = main.replace("CHECKS", &format!("{hold}, permit_mynetworks, reject")),
            Door::Account => {
                main = main.replace("CHECKS", &format!("{hold}, permit_sasl_authenticated, reject"));
                main += &format!(
                    "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_local_domain = {NAME}\nsmtpd_tls_auth_only = yes\n"
                );
                accounts(yard);
            }
        }
        let postfix = Postfix::below(&folder, at, &main);
        Self::Postfix(Watched::start(&postfix), folder)
    }

    fn exim(yard: &'a Yard, authority: &Authority, at: SocketAddr, door: Door) -> Self {
        let (certificate, key) = pair(yard, authority);
        let who = if door == Door::Open { "accept" } else { "accept authenticated = *" };
        let configuration = format!(
            "local_interfaces = <; {}\ndaemon_smtp_ports = {}\nqueue_only = true\nacl_smtp_rcpt = rcpt\n\
             chunking_advertise_hosts = *\ndsn_advertise_hosts = *\nsmtputf8_advertise_hosts = *\n\
             accept_8bitmime = true\nlog_selector = +8bitmime +received_recipients\n\
             tls_advertise_hosts = *\ntls_certificate = {}\ntls_privatekey = {}\n\
             begin acl\nrcpt:\n  {who}\n\
             begin authenticators\n\
             plain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n\
             \x20 server_advertise_condition = ${{if def:tls_in_cipher}}\n\
             \x20 server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n\
             \x20 server_set_id = $auth2\n\
             cram:\n  driver = cram_md5\n  public_name = CRAM-MD5\n\
             \x20 server_advertise_condition = ${{if def:tls_in_cipher}}\n\
             \x20 server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}\n  server_set_id = $auth1\n",
            at.ip(),
            at.port(),
            certificate.display(),
            key.display()
        );
        let exim = Exim::unpack(yard);
        let mut command = exim.command(&configuration);
        // A daemon, in front.
        command.arg("-bdf");
        let watched = Watched::watch(&command, yard.path("spool/mainlog"));
        watched.says("daemon started", 1);
        Self::Exim(watched, Box::new(exim), configuration)
    }

    /// The message whose reply was this.
    fn taken(&self, reply: &str) -> Taken {
        match self {
            Self::Postfix(watched, folder) => {
                let id = reply.trim().rsplit("queued as ").next().unwrap().to_owned();
                let reads = |words: &[&str]| {
                    let mut postcat = Programs::find().command("postcat");
                    let ran = Ran::of(postcat.arg("-c").arg(folder.join("etc")).args(words).args(["-q", &id]));
                    assert_eq!(ran.code, Some(0), "{id}: {}", ran.err);
                    ran.out
                };
                let about = reads(&["-e"]) + &watched.log();
                Taken { message: reads(&["-h", "-b"]), about }
            }
            Self::Exim(watched, exim, configuration) => {
                let id = reply.trim().rsplit("id=").next().unwrap().to_owned();
                let log = watched.says(&format!(" {id} <= "), 1);
                let ran = Ran::of(exim.command(configuration).args(["-Mvc", &id]));
                let header = Ran::of(exim.command(configuration).args(["-Mvh", &id]));
                assert_eq!(ran.code, Some(0), "{}", ran.err);
                Taken { message: ran.out, about: log + &header.out }
            }
        }
    }

    /// How it says what RFC 3461 and RFC 6152 made us ask for.
    fn kept_every_wish(&self, taken: &Taken) {
        match self {
            Self::Postfix(..) => taken.says(&[
                "named_attribute: encoding=8bit",
                "named_attribute: envelope_id=QQ+314159",
                "named_attribute: ret_flags=2",
                "named_attribute: notify_flags=6",
                "named_attribute: dsn_orig_rcpt=rfc822;origin+al@example.net",
            ]),
            Self::Exim(..) => {
                taken.says(&[" M8S=8", "-dsn_envid QQ+2B314159", "-dsn_ret 2", "rfc822;origin+2Bal@example.net"])
            }
        }
    }
}

fn pair(yard: &Yard, authority: &Authority) -> (PathBuf, PathBuf) {
    let (certificate, key) = authority.pair(NAME);
    (readable(yard, "smart.pem", &certificate), readable(yard, "smart.key", &key))
}

/// What Cyrus SASL should do, where Debian's Postfix looks for it, and a database with one account. The database is Berkeley's,
/// which Perl can write: user, realm and property with NUL between them.
fn accounts(yard: &Yard) {
    let folder = yard.path("postfix/etc/sasl");
    std::fs::create_dir_all(&folder).unwrap();
    let database = folder.join("sasldb2");
    let script = format!(
        r#"use DB_File; use Fcntl; tie my %h, "DB_File", "{}", O_CREAT|O_RDWR, 0644, $DB_HASH or die $!;
        $h{{"{USER}\0{NAME}\0userPassword"}} = "{PASSWORD}";"#,
        database.display()
    );
    let ran = Ran::of(Command::new("perl").args(["-e", &script]));
    assert_eq!(ran.code, Some(0), "Debian's package perl is needed: {}", ran.err);
    // Postfix' smtpd reads it as its owner, and keeps a lock beside.
    chown(&folder, Some(1), Some(1)).unwrap();
    chown(&database, Some(1), Some(1)).unwrap();
    let settings = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\nmech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\n",
        database.display()
    );
    std::fs::write(folder.join("smtpd.conf"), settings).unwrap();
}

// --- the peers themselves, by Python ----------------------------------------------------------------------

/// Gives a peer the message with every wish; its last reply.
fn python(world: &World, at: SocketAddr, login: Option<&str>) -> String {
    let message = world.yard.write("message.eml", MESSAGE);
    let authority = world.yard.write("authority.pem", &world.authority.pem());
    let logs_in = login.map_or(String::new(), |mechanism| {
        let method = format!("auth_{}", mechanism.to_lowercase().replace('-', "_"));
        format!(
            "t = ssl.create_default_context(cafile={authority:?})\ns._host = '{NAME}'\ns.starttls(context=t); s.ehlo()\n\
             s.user, s.password = '{USER}', '{PASSWORD}'\ns.auth('{mechanism}', s.{method})\n"
        )
    });
    let script = format!(
        "import smtplib, ssl\ns = smtplib.SMTP('{}', {}, timeout=20)\ns.ehlo('client.example')\n{logs_in}\
         assert s.mail('{SENDER}', ['BODY=8BITMIME', 'RET=HDRS', 'ENVID=QQ+2B314159'])[0] == 250\n\
         code, text = s.rcpt('one@far.example', ['NOTIFY=SUCCESS,FAILURE', 'ORCPT=rfc822;origin+2Bal@example.net'])\n\
         assert code == 250, text\ncode, text = s.data(open({message:?}, 'rb').read())\nassert code == 250, text\n\
         print(text.decode())\n",
        at.ip(),
        at.port()
    );
    let ran = Ran::of(Command::new("python3").args(["-c", &script]));
    let log = std::fs::read_to_string(world.yard.path("postfix/log")).unwrap_or_default();
    assert_eq!(ran.code, Some(0), "{}\n{}\n{log}", ran.out, ran.err);
    ran.out
}

fn is_a_peer(peer: &Peer<'_>, world: &World, at: SocketAddr, login: Option<&str>) {
    let taken = peer.taken(&python(world, at, login));
    taken.ends_with_the_message();
    peer.kept_every_wish(&taken);
}

#[test]
fn postfix_is_a_peer() {
    let world = World::new();
    let at = crate::ports::loopback();
    is_a_peer(&Peer::postfix(&world.yard, &world.authority, at, Door::Open), &world, at, None);
}

#[test]
fn postfix_is_a_smarthost() {
    let world = World::new();
    let at = crate::ports::loopback();
    let peer = Peer::postfix(&world.yard, &world.authority, at, Door::Account);
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        is_a_peer(&peer, &world, at, Some(mechanism));
    }
}

#[test]
fn exim_is_a_peer() {
    let world = World::new();
    let at = crate::ports::loopback();
    is_a_peer(&Peer::exim(&world.yard, &world.authority, at, Door::Open), &world, at, None);
}

#[test]
fn exim_is_a_smarthost() {
    let world = World::new();
    let at = crate::ports::loopback();
    let peer = Peer::exim(&world.yard, &world.authority, at, Door::Account);
    for mechanism in ["PLAIN", "CRAM-MD5"] {
        is_a_peer(&peer, &world, at, Some(mechanism));
    }
}

// --- and by us --------------------------------------------------------------------------------------------

type Makes = for<'a> fn(&'a Yard, &Authority, SocketAddr, Door) -> Peer<'a>;

/// The message with every wish, and one with addresses that are not ASCII.
fn we_deliver(makes: Makes, door: Door, lines: &str) {
    let world = World::new();
    let at = world.address();
    world.zone(&format!("{NAME}. A {}", at.ip()));
    world.zone(&format!("far.example. MX 10 {NAME}."));
    let peer = makes(&world.yard, &world.authority, at, door);
    let state = match door {
        Door::Open => "delivered",
        Door::Account => {
            world.tables(&format!("[[relay]]\nname = \"upstream\"\nhost = \"{NAME}\"\nport = {}\n{lines}", at.port()));
            world.domain("relay = \"upstream\"");
            "sent"
        }
    };
    let house = world.open();
    let wishes = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;origin+2Bal@example.net";
    let from = format!("<{SENDER}> BODY=8BITMIME RET=HDRS ENVID=QQ+2B314159");
    house.submits(&from, &[&format!("<one@far.example> {wishes}")], MESSAGE);
    house.submits(&format!("<{SENDER}> SMTPUTF8 BODY=8BITMIME"), &["<größe@far.example>"], MESSAGE);
    house.comes_to("one@far.example", state);
    house.comes_to("größe@far.example", state);
    let reply = |recipient: &str| house.tries(recipient).remove(0).reply.unwrap();
    let taken = peer.taken(&reply("one@far.example"));
    taken.ends_with_the_message();
    peer.kept_every_wish(&taken);
    let international = peer.taken(&reply("größe@far.example"));
    international.ends_with_the_message();
    international.says(&["größe@far.example"]);
}

#[test]
fn we_deliver_to_postfix_as_a_mail_host() {
    we_deliver(Peer::postfix, Door::Open, "");
}

#[test]
fn we_deliver_to_exim_as_a_mail_host() {
    we_deliver(|yard, authority, at, door| Peer::exim(yard, authority, at, door), Door::Open, "");
}

#[test]
fn we_send_through_postfix_with_an_account() {
    for auth in ["auto", "plain", "login", "cram-md5", "scram-sha-256"] {
        let lines = format!("username = \"{USER}\"\npassword = \"{PASSWORD}\"\nauth = \"{auth}\"");
        we_deliver(Peer::postfix, Door::Account, &lines);
    }
}

#[test]
fn we_send_through_exim_with_an_account() {
    for auth in ["auto", "plain", "cram-md5"] {
        let lines = format!("username = \"{USER}\"\npassword = \"{PASSWORD}\"\nauth = \"{auth}\"");
        we_deliver(|yard, authority, at, door| Peer::exim(yard, authority, at, door), Door::Account, &lines);
    }
}
