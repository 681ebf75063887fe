//! The small steps that every mail or every reload pays, each by itself.
//!
//!     cargo bench --bench micro

#[path = "../tests/support/mails.rs"]
#[allow(dead_code)] // Its mails are for the tests and the other bench.
mod mails;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use gatepost::base::clock::Clock;
use gatepost::base::id::{self, DeliveryId, MessageId, TenantId};
use gatepost::base::password::PasswordHash;
use gatepost::base::random::Random;
use gatepost::base::scram::{ITERATIONS, ScramKeys};
use gatepost::base::secret::Secret;
use gatepost::config::{Environment, load::load_text};
use gatepost::content::rewrite::{Clicks, PixelPlace, Plan, Target, rewrite};
use gatepost::content::template::{Asked, Content, Kind, Library, Source, SubjectRule, Submitted, Text, Values};
use gatepost::content::token::{Head, Keyring, Leads, LeadsTo, MacKey, Saying};
use gatepost::deliver::outcome::{self, Phase, Replies};
use gatepost::mail::address::Address;
use gatepost::mail::address_list::addresses;
use gatepost::mail::compose;
use gatepost::mail::envelope::{Envelope, MailParams, Recipient, ReversePath};
use gatepost::mail::header::Header;
use gatepost::mail::received::{Hop, Protocol};
use gatepost::model::dkim::Algorithm;
use gatepost::model::intake::Intake;
use gatepost::model::message::{Form, Origin};
use gatepost::model::name::Name;
use gatepost::model::stream::Stream;
use gatepost::model::suppression::index::Index;
use gatepost::outward::complete::{Client, Given, Lacking, Leaves, complete};
use gatepost::policy::return_path::{ReturnPaths, Returned};
use gatepost::proof::{self, BodyHash, PrivateKey, SigningKey};
use gatepost::smtp::dialogue::capabilities::Capabilities;
use gatepost::smtp::dialogue::response::Responses;
use gatepost::smtp::dialogue::transaction::{self, Answer, Haste, Mail, Next, Transaction};
use gatepost::store::mail::Body;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

// As in the daemon: the figures are of the same allocator, which here counts too.
#[global_allocator]
static ALLOCATOR: divan::AllocProfiler<mimalloc::MiMalloc> = divan::AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

#[divan::bench]
fn new_id() -> MessageId {
    id::new(Clock::System.now(), &Random::System)
}

#[divan::bench(args = ["someone@example.com", "\"quoted @ one\"@xn--bcher-kva.example", "δοκιμή@παράδειγμα.δοκιμή"])]
fn parse_address(text: &str) -> Address {
    black_box(text).parse().unwrap()
}

/// What an answer means: one that a rule of the table's end fits, and one that none fits.
#[divan::bench(args = [
    "5.1.1 <bob@example.net>: Recipient address rejected: User unknown in virtual mailbox table",
    "4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. For e-mail delivery \
     information, see https://postmaster.live.com (S775)",
    "2.9.9 nothing that anyone would know by its words, and long enough to be a line of a reply as they come",
])]
fn classify_reply(bencher: Bencher, text: &str) {
    let replies = Replies::built_in();
    let status = text.split(' ').next().and_then(|word| word.parse().ok());
    let answer = outcome::Answer {
        phase: Phase::Recipient,
        host: "hotmail-com.olc.protection.outlook.com",
        code: 550,
        status,
        text,
    };
    bencher.bench(|| replies.classify(black_box(&answer)));
}

fn keyring() -> Keyring {
    let random = Random::seeded(1);
    let key = |number| MacKey { number, secret: Secret::new(random.bytes::<32>().to_vec()) };
    Keyring::new(vec![key(1), key(2)]).unwrap()
}

/// A link of this many bytes, and the keys for it.
fn link(bytes: usize) -> (Keyring, Head, DeliveryId) {
    let random = Random::seeded(1);
    let leads_to = LeadsTo::Url(format!("https://example.com/{}", "a".repeat(bytes - 20)));
    let head = Head { message: id::new(Clock::System.now(), &random), link: 1, leads_to };
    (keyring(), head, id::new(Clock::System.now(), &random))
}

/// Once for each link of a message.
#[divan::bench(args = [60, 200, 690])]
fn draft_link(bencher: Bencher, bytes: usize) {
    let (keyring, head, _) = link(bytes);
    bencher.bench(|| keyring.draft(black_box(&head.saying())));
}

/// Once for each link and recipient.
#[divan::bench(args = [60, 200, 690])]
fn seal_link(bencher: Bencher, bytes: usize) {
    let (keyring, head, delivery) = link(bytes);
    let mut token = keyring.draft(&head.saying()).unwrap().into_bytes();
    bencher.bench_local(|| keyring.seal(black_box(&mut token), black_box(&delivery)));
}

/// Once for each click.
#[divan::bench(args = [60, 200, 690])]
fn open_link(bencher: Bencher, bytes: usize) {
    let (keyring, head, delivery) = link(bytes);
    let mut token = keyring.draft(&head.saying()).unwrap().into_bytes();
    keyring.seal(&mut token, &delivery).unwrap();
    let token = String::from_utf8(token).unwrap();
    bencher.bench(|| keyring.open(black_box(&token)));
}

/// What a body costs the thread that hands it in: below the bound it is moved, above it compressed.
#[divan::bench(args = [10 << 10, 64 << 10, 1 << 20])]
fn pack_body(bencher: Bencher, bytes: usize) {
    let random = Random::seeded(1);
    let message: MessageId = id::new(Clock::System.now(), &random);
    let body = mails::body(&random, bytes);
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(|| body.clone())
        .bench_values(|body| Body::new(message.clone(), Form::Prepared, body));
}

/// A header as a busy application sends it: the fields that every pipeline asks for, in one pass.
const HEADER: &[u8] = b"Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example with ESMTPS id 7\r\n\
    DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=gp1; h=from:to:subject;\r\n\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NM\r\n\
    From: \"Shop, The\" <shop@example.com>\r\nTo: Someone <someone@example.net>\r\nSubject: Your order has been sent\r\n\
    Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1795262400.7@example.com>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/alternative; boundary=\"=_b\"\r\nList-Unsubscribe: <https://example.com/u/7>\r\n\r\nbody\r\n";

#[divan::bench]
fn read_header() -> usize {
    Header::read(black_box(HEADER)).bytes
}

#[divan::bench]
fn read_authors() -> usize {
    addresses(black_box(b" \"Shop, The\" <shop@example.com>")).unwrap().len()
}

fn hop() -> Hop {
    Hop {
        hello: Some("app.example.com".into()),
        address: Some("192.0.2.1".parse().unwrap()),
        by: "mail.example.com".parse().unwrap(),
        protocol: Protocol { esmtp: true, tls: true, authenticated: true, utf8: false },
        tls: Some(("TLSv1.3", "TLS13_AES_256_GCM_SHA384".into())),
        at: Clock::System.now(),
    }
}

#[divan::bench]
fn write_received(bencher: Bencher) {
    let hop = hop();
    let id: MessageId = id::new(hop.at, &Random::System);
    let only: Address = "someone@example.net".parse().unwrap();
    bencher.bench(|| black_box(&hop).field(&id, Some(&only)));
}

/// What each recipient costs who is not suppressed, among so many who are.
#[divan::bench(args = [1, 10_000, 1_000_000])]
fn miss_the_suppressed(bencher: Bencher, many: usize) {
    let (index, now) = (Index::default(), Clock::System.now());
    let tenant: TenantId = id::new(now, &Random::System);
    index.replace((0..many).map(|n| index.mark(&tenant, &format!("r{n}@example.net"))).collect(), now);
    let addresses: Vec<Address> = (0..1_024).map(|n| format!("Someone.Else{n}@example.org").parse().unwrap()).collect();
    let mut next = addresses.iter().cycle();
    bencher.bench_local(|| index.may_hold(&tenant, black_box(next.next().unwrap()), now));
}

/// What a return path costs: once a transaction to write, once a report to read.
#[divan::bench]
fn write_return_path(bencher: Bencher) {
    let paths = ReturnPaths::new(Arc::new(arc_swap::ArcSwap::from_pointee(keyring())), |_| true);
    let (domain, returned) =
        ("example.com".parse().unwrap(), Returned::Delivery(id::new(Clock::System.now(), &Random::System)));
    bencher.bench(|| paths.address(&domain, black_box(&returned)));
}

/// What a login costs that nobody remembers.
#[divan::bench]
fn check_password(bencher: Bencher) {
    let hash = PasswordHash::make("secret", &Random::System);
    bencher.bench(|| black_box(&hash).opens_with(black_box("secret")));
}

/// What a password in plain costs once.
#[divan::bench]
fn derive_scram_keys() -> ScramKeys {
    ScramKeys::derive(black_box("secret"), &[7; 16], NonZeroU32::new(ITERATIONS).unwrap())
}

/// Reading and checking the quickstart, as each start does.
#[divan::bench]
fn load_configuration() {
    let text = include_str!("../conf/quickstart.toml").to_owned();
    let loaded = load_text("quickstart", text, Path::new("."), &Environment::default());
    assert!(loaded.config.is_some());
}

/// What one 10 KB message to one recipient costs of our own on a warm connection: commands, dots and replies,
/// without the sockets.
#[divan::bench]
fn send_a_message(bencher: Bencher) {
    let (sender, params, can) = (
        ReversePath::Address("app@example.com".parse().unwrap()),
        MailParams::default(),
        Capabilities { pipelining: true, ..Capabilities::default() },
    );
    let recipient = Recipient { address: "someone@there.example".parse().unwrap(), notify: None, original: None };
    let message = b"Lines of a message have about as many bytes as this one, and a few more.\r\n".repeat(140);
    let mail = Mail { sender: &sender, params: &params, recipients: &[&recipient], top: b"", message: &message };
    let (mut out, mut responses) = (Vec::new(), Responses::default());
    bencher.counter(BytesCount::of_slice(&message)).bench_local(|| {
        let haste = Haste::HearFirst;
        let mut transaction = Transaction::new(black_box(mail), &can, transaction::Protocol::Smtp, haste).unwrap();
        for replies in [&b"250 2.1.0 fine\r\n250 2.1.5 fine\r\n354 go ahead\r\n"[..], b"250 2.0.0 queued as 1\r\n"] {
            out.clear();
            if let Next::SayMessage { pieces, .. } = transaction.next(&mut out) {
                pieces.for_each(|piece| {
                    black_box(piece);
                });
            }
            responses.room(0).extend_from_slice(replies);
            while let Some(said) = responses.take().unwrap() {
                transaction.hear(said.into()).unwrap();
            }
        }
        let answers = transaction.finish();
        assert!(answers.iter().all(Answer::is_accepted));
        answers
    });
}

/// The hash of a body: once for a message, whatever it has of keys and recipients.
#[divan::bench(args = [10 << 10, 1 << 20])]
fn hash_body(bencher: Bencher, bytes: usize) {
    let line = "<p>Lines of a message have <b>about as many</b> bytes as this one, and a few more.</p>\r\n";
    let message = format!("From: shop@example.com\r\n\r\n{}", line.repeat(bytes / line.len()));
    bencher.counter(BytesCount::of_str(&message)).bench(|| BodyHash::of(black_box(message.as_bytes())));
}

/// One signature without the hash of the body, beside the bare signature in it.
#[divan::bench(args = [Algorithm::Rsa, Algorithm::Ed25519])]
fn sign_message(bencher: Bencher, algorithm: &Algorithm) {
    let private = PrivateKey::generate(*algorithm).unwrap();
    let key = SigningKey::new("example.com".parse().unwrap(), "gp1".parse().unwrap(), private);
    let (keys, now) = ([Arc::new(key)], Clock::System.now());
    let body = BodyHash::of(HEADER);
    bencher.bench(|| proof::sign(black_box(HEADER), &body, &keys, now, None).unwrap());
}

#[divan::bench]
fn sign_bare_rsa(bencher: Bencher) {
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, HEADER);
    let mut signature = vec![0; pair.public_modulus_len()];
    bencher
        .bench_local(|| pair.sign_digest(&aws_lc_rs::signature::RSA_PKCS1_SHA256, black_box(&digest), &mut signature));
}

/// 10 KB of HTML with 14 links: found, judged, rewritten, and a pixel put in. Tokens come ready made.
#[divan::bench(args = ["7bit", "quoted-printable", "base64"])]
fn rewrite_links(bencher: Bencher, encoding: &str) {
    let message = newsletter(encoding);
    let token = "A".repeat(120);
    let counter = BytesCount::of_slice(&message);
    bencher.counter(counter).with_inputs(|| message.clone()).bench_local_values(|message| {
        let mut draft = |_: u16, _: Target<'_>| Some(token.clone());
        let mut plan = Plan {
            host: "https://t.example.com",
            clicks: Clicks::Html,
            pixel: Some(PixelPlace::Bottom),
            exclude: &[],
            sensitive: &["reset-password".to_owned(), "token=".to_owned()],
            never: &[],
            draft: &mut draft,
        };
        rewrite(black_box(message), &mut plan).slots.len()
    });
}

fn newsletter(encoding: &str) -> Vec<u8> {
    let block = |number: usize| {
        let cell =
            "<td style=\"padding:0 12px;font-family:Arial,sans-serif;font-size:14px\">Some words of text.</td>\r\n";
        format!(
            "<tr>{}<td><a href=\"https://shop.example.com/products/{number}?utm_source=news&amp;utm_campaign=c\" \
             style=\"color:#06c\">Read more</a></td></tr>\r\n",
            cell.repeat(5)
        )
    };
    let rows: String = (0..14).map(block).collect();
    let html = format!("<html><head><title>News</title></head><body><table>\r\n{rows}</table></body></html>\r\n");
    let body = match encoding {
        "base64" => {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(html);
            text.as_bytes().chunks(76).map(|line| [line, b"\r\n"].concat()).collect::<Vec<_>>().concat()
        }
        "quoted-printable" => html
            .lines()
            .flat_map(|line| {
                let escaped = line.replace('=', "=3D").into_bytes();
                let lines: Vec<Vec<u8>> = escaped.chunks(60).map(<[u8]>::to_vec).collect();
                [soft(&lines), b"\r\n".to_vec()].concat()
            })
            .collect(),
        _ => html.into_bytes(),
    };
    let header = format!(
        "From: news@shop.example.com\r\nTo: bob@b.example\r\nSubject: News\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    [header.into_bytes(), body].concat()
}

/// Pieces of a line with soft breaks where none of them cuts an escape in two.
fn soft(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut line = Vec::new();
    for piece in pieces {
        let is_open = line.ends_with(b"=") || line.ends_with(b"=3");
        line.extend_from_slice(piece);
        if !is_open && !line.ends_with(b"=") && !line.ends_with(b"=3") {
            line.extend_from_slice(b"=\r\n");
        }
    }
    line.strip_suffix(b"=\r\n").map(<[u8]>::to_vec).unwrap_or(line)
}

/// A newsletter of 10 KB with 14 links, as a compiled template, and what it is filled with.
struct Newsletter {
    library: Library,
    values: Values,
}

impl Newsletter {
    fn new() -> Self {
        let row = "<tr><td style=\"padding:4px\"><a href=\"{{ item.link }}\">{{ item.name }}</a></td><td>{{ item.price }}</td></tr>\n";
        let filler =
            "<p style=\"margin:0 0 16px\">Some words of a newsletter, as long as they are written these days.</p>\n";
        let table = format!("<table>{{% for item in items %}}{row}{{% endfor %}}</table>");
        let html = format!("<html><body><h1>Hello {{{{ name }}}}</h1>{}{table}</body></html>", filler.repeat(85));
        let text = "Hello {{ name }}\n\n{% for item in items %}{{ item.name }}: {{ item.price }}\n{% endfor %}";
        let content = Content {
            subject: Some(Text::new("News for {{ name }}")),
            html: Some(Text::new(html)),
            text: Some(Text::new(text)),
            ..Content::default()
        };
        let source = Source {
            name: "news".parse().unwrap(),
            kind: Kind::Email,
            version: 1,
            subject_rule: SubjectRule::Submitted,
            variables: Vec::new(),
            contents: vec![(None, content)],
        };
        let library = Library::build(vec![source], Vec::new()).unwrap_or_else(|wrong| panic!("{wrong:?}")).0;
        let item = serde_json::json!({ "name": "Tea & more", "link": "https://shop.example/?a=1&b=2", "price": 3.5 });
        let given = serde_json::json!({ "name": "Ada", "items": vec![item; 14] });
        Self { library, values: Values::new(given.as_object().unwrap().clone()) }
    }

    fn message(&self) -> Vec<u8> {
        let (tenant, submitted) = (Name::default_tenant(), Submitted::default());
        let template = self.library.find(black_box(&tenant), &"news".parse().unwrap(), None).unwrap();
        let filled = template.fill(&Asked { locale: None, values: &self.values, submitted: &submitted }).unwrap();
        let (html, text) = (filled.html().unwrap(), filled.text());
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"From: news@example.com\r\nTo: ada@example.net\r\nMIME-Version: 1.0\r\n");
        out.extend_from_slice(compose::unstructured("Subject", &filled.subject).as_bytes());
        let body = compose::Body { text: Some(&text), html: Some(&html), ..compose::Body::default() };
        body.write(&mut out, || "=_0123456789abcdef0123456789abcd".to_owned());
        out
    }
}

/// Rendered by a compiled template, and written as a message in lines of ASCII.
#[divan::bench]
fn render_a_newsletter(bencher: Bencher) {
    let newsletter = Newsletter::new();
    bencher.counter(BytesCount::new(newsletter.message().len())).bench_local(|| newsletter.message());
}

/// All that becomes of a newsletter between its template and the commit: rendered, its header completed, its links
/// prepared with their tokens.
#[divan::bench]
fn dress_a_newsletter(bencher: Bencher) {
    let (newsletter, keyring) = (Newsletter::new(), keyring());
    let id: MessageId = id::new(Clock::System.now(), &Random::System);
    let (domain, stream) =
        ("example.com".parse().unwrap(), Stream::built_in(&Name::default_tenant(), &"bulk".parse().unwrap()));
    let (tenant, stream) = (Name::default_tenant(), stream.unwrap());
    let recipient = Recipient { address: "ada@example.net".parse().unwrap(), notify: None, original: None };
    bencher.counter(BytesCount::new(newsletter.message().len())).bench_local(|| {
        let sender = ReversePath::Address("news@example.com".parse().unwrap());
        let envelope = Envelope { sender, params: MailParams::default(), recipients: vec![recipient.clone()] };
        let message = newsletter.message();
        let intake = Intake {
            origin: Origin::Submitted,
            submitter: None,
            hop: hop(),
            envelope,
            wishes: Default::default(),
            message: Vec::new(),
        };
        let given = Given {
            id: &id,
            domain: &domain,
            tenant: &tenant,
            client: Client::Named,
            stream: Some(&stream),
            leaves: Leaves::ToRecipients,
            unsubscribe: None,
        };
        let lacking = Lacking::of(&Header::read(&message));
        let completed = complete(message, &lacking, &intake, &given);
        let mut draft = |link: u16, target: Target<'_>| {
            let leads_to = match target {
                Target::Pixel => Leads::Pixel,
                Target::Url(url) => Leads::Url(url),
            };
            keyring.draft(&Saying { message: &id, link, leads_to })
        };
        let mut plan = Plan {
            host: "https://t.example.com",
            clicks: Clicks::Html,
            pixel: Some(PixelPlace::Bottom),
            exclude: &[],
            sensitive: &["password".to_owned()],
            never: &[],
            draft: &mut draft,
        };
        let made = rewrite(black_box(completed.message), &mut plan);
        assert_eq!(made.slots.len(), 15);
        made.message.len()
    });
}
