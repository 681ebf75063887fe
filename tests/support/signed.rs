//! A DNS with a root of its own on loopback: zones signed with keys made here, unsigned ones beside them, and
//! a hand in between that can make answers late, broken, unsigned or forged. Its root key is the anchor that
//! a resolver under test is given.

use gatepost::dns::settings::Server as Address;
use gatepost::dns::{Anchors, Resolver, Source};
use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_server::proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_server::proto::dnssec::{Algorithm, DigestType, DnssecSigner, SigningKey};
use hickory_server::proto::op::{Message, ResponseCode};
use hickory_server::proto::rr::rdata::NULL;
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_server::proto::serialize::txt::Parser;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

#[derive(Clone, Copy, PartialEq)]
pub enum Signed {
    Yes,
    /// With NSEC3 and opt-out, as large zones are.
    Hashed,
    No,
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Untouched,
    Lost,
    Servfail,
    /// Without any record of DNSSEC.
    Stripped,
    /// With another key's signature: one byte of each is wrong.
    Forged,
}

type Rule = Arc<dyn Fn(&str, RecordType) -> Fate + Send + Sync>;

pub struct Dns {
    pub at: SocketAddr,
    pub asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    anchors: Anchors,
    rule: Arc<Mutex<Rule>>,
    behind: Behind,
    _servers: [Server<Catalog>; 2],
}

/// The servers that know: of the root, and of the zones with these origins.
#[derive(Clone)]
struct Behind {
    top: SocketAddr,
    leaves: SocketAddr,
    origins: Arc<[Name]>,
}

impl Dns {
    /// Zones right below the root: origin, whether it is signed, and its records as in a master file. A zone
    /// has its SOA and NS without being told; `!owner. 1f2e` is a TLSA record of these bytes, whatever they are.
    pub async fn with(zones: &[(&str, Signed, &str)]) -> Self {
        let (mut leaves, mut root) = (Catalog::new(), String::new());
        let mut delegations = Vec::new();
        for (origin, signed, records) in zones {
            let (zone, key) = zone(origin, *signed, records);
            root.push_str(&format!("{origin} 300 IN NS ns.root.\n"));
            delegations.extend(key.map(|key| (full(origin), delegation(&key, &full(origin)))));
            leaves.upsert(LowerName::new(&full(origin)), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
        }
        let (zone, key) = zone_with(".", Signed::Yes, &root, delegations);
        let mut top = Catalog::new();
        top.upsert(LowerName::new(&Name::root()), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
        let anchors = format!(". 300 IN DNSKEY {}\n", key.unwrap()).parse().unwrap();
        let (top, top_at) = serve(top).await;
        let (leaves, leaves_at) = serve(leaves).await;
        let behind =
            Behind { top: top_at, leaves: leaves_at, origins: zones.iter().map(|(at, ..)| full(at)).collect() };
        let untouched: Rule = Arc::new(|_, _| Fate::Untouched);
        let (asked, rule) = (Arc::default(), Arc::new(Mutex::new(untouched)));
        let at = open(&behind, &asked, &rule).await;
        Self { at, asked, anchors, rule, behind, _servers: [top, leaves] }
    }

    /// Another server for the same zones, whose answers fare like this.
    pub async fn beside(&self, rule: impl Fn(&str, RecordType) -> Fate + Send + Sync + 'static) -> SocketAddr {
        let rule: Rule = Arc::new(rule);
        open(&self.behind, &self.asked, &Arc::new(Mutex::new(rule))).await
    }

    /// From now on answers fare like this, by the name (with its root dot) and type asked for.
    pub fn fate(&self, rule: impl Fn(&str, RecordType) -> Fate + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Arc::new(rule);
    }

    pub fn resolver(&self) -> Resolver {
        self.resolver_of(&[self.at])
    }

    pub fn resolver_of(&self, servers: &[SocketAddr]) -> Resolver {
        let servers: Vec<_> = servers.iter().copied().map(Address).collect();
        Resolver::new(Source::trusting(&servers, &self.anchors).unwrap())
    }

    pub fn questions(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

pub fn full(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn delegation(key: &DNSKEY, origin: &Name) -> RData {
    let digest = key.to_digest(origin, DigestType::SHA256).unwrap().as_ref().to_vec();
    let tag = key.calculate_key_tag().unwrap();
    RData::DNSSEC(DNSSECRData::DS(DS::new(tag, Algorithm::ED25519, DigestType::SHA256, digest)))
}

fn zone(origin: &str, signed: Signed, records: &str) -> (InMemoryZoneHandler, Option<DNSKEY>) {
    zone_with(origin, signed, records, Vec::new())
}

fn zone_with(
    origin: &str,
    signed: Signed,
    records: &str,
    more: Vec<(Name, RData)>,
) -> (InMemoryZoneHandler, Option<DNSKEY>) {
    let (raw, records): (Vec<&str>, Vec<&str>) = records.lines().partition(|line| line.starts_with('!'));
    let records = records.join("\n");
    let text = format!(
        "$TTL 300\n{origin} 300 IN SOA ns.root. admin.root. 1 300 300 300 300\n{origin} 300 IN NS ns.root.\n{records}\n"
    );
    let (_, sets) = Parser::new(text, None, Some(full(origin))).parse().unwrap();
    let proof = match signed {
        Signed::Yes => Some(NxProofKind::Nsec),
        Signed::Hashed => {
            Some(NxProofKind::Nsec3 { algorithm: Default::default(), salt: Arc::new([]), iterations: 0, opt_out: true })
        }
        Signed::No => None,
    };
    let mut zone: InMemoryZoneHandler =
        InMemoryZoneHandler::empty(full(origin), ZoneType::Primary, AxfrPolicy::Deny, proof);
    for set in sets.values() {
        for record in set.records_without_rrsigs() {
            zone.upsert_mut(record.clone(), 1);
        }
    }
    for line in raw {
        let (owner, digits) = line[1..].split_once(' ').unwrap();
        let bytes = digits.as_bytes().chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = bytes.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let data = match bytes.is_empty() {
            true => RData::Update0(RecordType::TLSA),
            false => RData::Unknown { code: RecordType::TLSA, rdata: NULL::with(bytes) },
        };
        zone.upsert_mut(Record::from_rdata(full(owner), 300, data), 1);
    }
    for (owner, data) in more {
        zone.upsert_mut(Record::from_rdata(owner, 300, data), 1);
    }
    if signed == Signed::No {
        return (zone, None);
    }
    let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
    let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
    let signer = DnssecSigner::new(dnskey.clone(), Box::new(key), full(origin), Duration::from_secs(86_400));
    zone.add_zone_signing_key_mut(signer).unwrap();
    zone.secure_zone_mut().unwrap();
    (zone, Some(dnskey))
}

async fn serve(catalog: Catalog) -> (Server<Catalog>, SocketAddr) {
    let mut server = Server::new(catalog);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    server.register_listener(listener, Duration::from_secs(5), 64);
    (server, at)
}

type Asked = Arc<Mutex<Vec<(String, RecordType)>>>;

async fn open(behind: &Behind, asked: &Asked, rule: &Arc<Mutex<Rule>>) -> SocketAddr {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = front.local_addr().unwrap();
    tokio::spawn(answer_all(Arc::new(front), behind.clone(), Arc::clone(asked), Arc::clone(rule)));
    at
}

async fn answer_all(front: Arc<UdpSocket>, behind: Behind, asked: Asked, rule: Arc<Mutex<Rule>>) {
    let mut packet = [0; 4096];
    loop {
        let Ok((bytes, from)) = front.recv_from(&mut packet).await else { continue };
        let query = Message::from_vec(&packet[..bytes]).unwrap();
        let (name, kind) = (query.queries[0].name().clone(), query.queries[0].query_type());
        asked.lock().unwrap().push((name.to_ascii(), kind));
        // RFC 4035 3.1.4.1: a delegation is signed by the parent.
        let below = |origin: &&Name| origin.zone_of(&name) && (kind != RecordType::DS || **origin != name);
        let server = if behind.origins.iter().any(|origin| below(&origin)) { behind.leaves } else { behind.top };
        let fate = rule.lock().unwrap().clone()(&name.to_ascii().to_ascii_lowercase(), kind);
        let (front, packet) = (Arc::clone(&front), packet[..bytes].to_vec());
        tokio::spawn(async move {
            if let Some(answer) = suffer(passed_on(server, &packet).await, fate) {
                front.send_to(&answer, from).await.unwrap();
            }
        });
    }
}

/// Over TCP, so that nothing is cut.
async fn passed_on(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_u16(query.len() as u16).await.unwrap();
    stream.write_all(query).await.unwrap();
    let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

fn suffer(answer: Vec<u8>, fate: Fate) -> Option<Vec<u8>> {
    // What the library itself cannot read goes on as it is.
    let Ok(mut answer) = Message::from_vec(&answer) else { return Some(answer) };
    // This server, as no other, proves by NSEC3 that what it answers does not exist.
    let whole = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().num_labels >= record.name.num_labels(),
        _ => true,
    };
    if !answer.answers.is_empty() && answer.answers.iter().all(whole) {
        answer.authorities.clear();
    }
    match fate {
        Fate::Untouched => {}
        Fate::Lost => return None,
        Fate::Servfail => {
            answer.metadata.response_code = ResponseCode::ServFail;
            answer.answers.clear();
            answer.authorities.clear();
        }
        Fate::Stripped => {
            for section in [&mut answer.answers, &mut answer.authorities, &mut answer.additionals] {
                section
                    .retain(|record| !record.record_type().is_dnssec() || record.record_type() == RecordType::DNSKEY);
            }
        }
        Fate::Forged => answer.answers.iter_mut().for_each(forge),
    }
    Some(answer.to_vec().unwrap())
}

/// Somebody else's data under the old signature.
fn forge(record: &mut Record) {
    match &mut record.data {
        RData::A(a) => a.0 = "192.0.2.66".parse().unwrap(),
        RData::MX(mx) => mx.exchange = full("evil.test."),
        RData::TLSA(tlsa) => tlsa.cert_data = vec![0x66; 32],
        _ => {}
    }
}
