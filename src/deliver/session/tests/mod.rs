//! Sessions with scripted servers, through pipes.

mod logging_in;
mod opening;
mod peer;
mod securing;
mod transacting;

use super::*;
use crate::deliver::way::{Begin, Target, Tls, Trust};
use crate::dns::{Source as Names, zone::Zone};
use crate::net::dial::{Knock, Pipes};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ResolvesServerCert, ResolvesServerCertUsingSni};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, crypto};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const HOST: &str = "mx.there.example";

const ZONE: &str = "\
mx.there.example. 60 IN A 192.0.2.1
mx2.there.example. 60 IN A 192.0.2.2
both.there.example. 60 IN A 192.0.2.3
both.there.example. 60 IN AAAA 2001:db8::3
empty.there.example. 60 IN TXT \"nothing\"
";

/// A server's certificates, and everything that was used to make them.
struct Certificates {
    ca: CertificateDer<'static>,
    server: CertificateDer<'static>,
    shown: Arc<CertifiedKey>,
    config: Arc<ServerConfig>,
}

impl Certificates {
    /// A certificate for this name, valid in these years.
    fn valid(name: &str, years: std::ops::Range<i32>) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new([name.to_owned()]).unwrap();
        server.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        server.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let server = server.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap().der().clone();
        let chain = vec![server.clone(), ca_certificate.der().clone()];
        let provider = crypto::aws_lc_rs::default_provider();
        let shown = CertifiedKey::from_der(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()), &provider);
        let shown = Arc::new(shown.unwrap());
        let config = serving(Arc::new(SingleCertAndKey::from(shown.clone())));
        Self { ca: ca_certificate.der().clone(), server, shown, config }
    }

    /// Shown to those who ask for its name (RFC 6066 3), and to nobody else.
    fn shown_to_who_asks_for(mut self, name: &str) -> Self {
        let mut by_name = ResolvesServerCertUsingSni::new();
        by_name.add(name, (*self.shown).clone()).unwrap();
        self.config = serving(Arc::new(by_name));
        self
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        roots
    }
}

fn serving(shown: Arc<dyn ResolvesServerCert>) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_no_client_auth().with_cert_resolver(shown))
}

/// Us, and a network in which nobody is yet.
struct World {
    around: Surroundings,
    door: mpsc::Receiver<Knock>,
    certificates: Certificates,
}

impl World {
    fn new() -> Self {
        Self::with(Certificates::valid(HOST, 2020..2099))
    }

    fn with(certificates: Certificates) -> Self {
        let (dialer, door) = Pipes::new();
        let around = Surroundings {
            dialer,
            resolver: Resolver::new(Names::Zone(Zone::parse(ZONE).unwrap())),
            clock: Clock::default(),
            random: Random::seeded(1),
            hello: "us.example".parse().unwrap(),
            tls: Arc::new(ClientTls::with_roots(certificates.roots()).unwrap()),
            patience: Patience::default(),
        };
        Self { around, door, certificates }
    }

    /// Servers that play these scripts, one connection after the other.
    fn serve(&mut self, scripts: &[&str]) -> JoinHandle<Vec<SocketAddr>> {
        let (_, closed) = mpsc::channel(1);
        let mut door = std::mem::replace(&mut self.door, closed);
        let scripts: Vec<_> = scripts.iter().map(|script| (*script).to_owned()).collect();
        let tls = self.certificates.config.clone();
        tokio::spawn(async move {
            let (mut players, mut addresses) = (tokio::task::JoinSet::new(), Vec::new());
            for script in scripts {
                let knock = door.recv().await.expect("one more connection");
                addresses.push(knock.destination.to);
                match script.as_str() {
                    "refused" => knock.refuse(std::io::ErrorKind::ConnectionRefused),
                    _ => {
                        let (stream, tls) = (knock.accept(), tls.clone());
                        players.spawn(async move { peer::play(stream, &script, &tls).await });
                    }
                }
            }
            while let Some(played) = players.join_next().await {
                played.expect("the script was followed");
            }
            addresses
        })
    }

    async fn open(&self, way: &Way) -> Result<Session, Unopened> {
        Session::open(way, &[], &self.around).await
    }
}

fn target(host: &str, preference: u16, tls: Tls) -> Target {
    let host = host.parse().map(Host::Address).unwrap_or_else(|_| Host::Name(host.parse().unwrap()));
    Target { host, preference, addresses: Vec::new(), tls }
}

fn way(tls: Tls) -> Way {
    Way {
        hosts: vec![target(HOST, 10, tls)],
        port: 25,
        protocol: Protocol::Smtp,
        login: None,
        source: None,
        left_out: Vec::new(),
    }
}

fn required(trust: Trust) -> Tls {
    Tls::Required { begin: Begin::Starttls, trust }
}

/// A letter, and those who shall get it.
struct Letter {
    sender: ReversePath,
    params: MailParams,
    recipients: Vec<Recipient>,
    message: Vec<u8>,
}

impl Letter {
    fn to(recipients: &[&str]) -> Self {
        let recipient = |text: &&str| Recipient { address: text.parse().unwrap(), notify: None, original: None };
        Self {
            sender: ReversePath::Address("us@us.example".parse().unwrap()),
            params: MailParams::default(),
            recipients: recipients.iter().map(recipient).collect(),
            message: b"a: b\r\n\r\n.c\r\n".to_vec(),
        }
    }

    async fn send(&self, session: &mut Session) -> Transacted {
        self.send_if(session, Record::Nothing, || true).await
    }

    async fn send_if(&self, session: &mut Session, record: Record, may_finish: impl Fn() -> bool) -> Transacted {
        let recipients: Vec<_> = self.recipients.iter().collect();
        session.transact(&self.parcel(&recipients, record), may_finish).await
    }

    fn parcel<'a>(&'a self, recipients: &'a [&'a Recipient], record: Record) -> Parcel<'a> {
        let Self { sender, params, message, .. } = self;
        Parcel { sender, params, recipients, top: b"", message, record }
    }

    fn fits(&self, session: &Session) -> Result<(), Why> {
        let recipients: Vec<_> = self.recipients.iter().collect();
        session.lacks(&self.parcel(&recipients, Record::Nothing)).map_or(Ok(()), |lack| Err(session.why_not(lack)))
    }
}

/// Answers as one word each: `250`, `550@recipient`, `lost@message?`.
fn words(transacted: &Transacted) -> Vec<String> {
    let word = |answer: &Answer| match answer {
        Answer::Accepted(response) => response.code.to_string(),
        Answer::Refused { phase, response } => format!("{}@{}", response.code, phase.word()),
        Answer::Lost { phase, possibly_delivered, .. } => {
            format!("lost@{}{}", phase.word(), if *possibly_delivered { "?" } else { "" })
        }
        other => format!("{other:?}"),
    };
    transacted.answers.iter().map(word).collect()
}
