use super::*;
use crate::base::clock::Clock;
use crate::base::id;
use crate::base::random::Random;
use crate::base::secret::Secret;
use proptest::prelude::*;

fn ring(numbers: &[u16]) -> Keyring {
    let key = |number: &u16| MacKey { number: *number, secret: Secret::new(vec![*number as u8; 32]) };
    Keyring::new(numbers.iter().map(key).collect()).unwrap()
}

fn head(leads_to: LeadsTo) -> Head {
    Head { message: id::new(Clock::System.now(), &Random::System), link: 7, leads_to }
}

fn delivery() -> DeliveryId {
    id::new(Clock::System.now(), &Random::System)
}

fn sealed(ring: &Keyring, head: &Head, delivery: &DeliveryId) -> String {
    let mut token = ring.draft(&head.saying()).unwrap().into_bytes();
    ring.seal(&mut token, delivery).unwrap();
    String::from_utf8(token).unwrap()
}

/// One of each kind, with all three lengths of padding.
fn kinds() -> Vec<LeadsTo> {
    let url = |text: &str| LeadsTo::Url(text.to_owned());
    vec![
        LeadsTo::Pixel,
        LeadsTo::Unsubscribe,
        LeadsTo::Row(id::new(Clock::System.now(), &Random::System)),
        url("https://example.com/a"),
        url("https://example.com/ab"),
        url("https://example.com/abc#frag"),
        url("https://bücher.example/?q=grün"),
    ]
}

#[test]
fn a_token_says_what_went_into_it() {
    let ring = ring(&[1]);
    for kind in kinds() {
        let (head, delivery) = (head(kind), delivery());
        let draft = ring.draft(&head.saying()).unwrap();
        let token = sealed(&ring, &head, &delivery);
        assert_eq!(draft.len(), token.len());
        let shared = token.len() - TAIL_CHARS;
        assert_eq!(draft[..shared], token[..shared], "recipients share the head");
        assert_eq!(draft[shared..], "A".repeat(TAIL_CHARS));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(ring.open(&token), Some(Opened { head, delivery }));
        assert_eq!(ring.open(&draft), None, "a draft opens nothing");
    }
    assert_eq!(sealed(&ring, &head(LeadsTo::Pixel), &delivery()).len(), 28 + TAIL_CHARS);
}

#[test]
fn any_bit_of_any_character_counts() {
    let ring = ring(&[1, 2]);
    for kind in kinds() {
        let token = sealed(&ring, &head(kind), &delivery());
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                // What is not text any more cannot come as a path.
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert_eq!(ring.open(&changed), None, "bit {bit} of character {at}");
            }
            for other in "AZaz09-_+/=. \n%é\0".chars().filter(|other| !token[at..].starts_with(*other)) {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert_eq!(ring.open(&changed), None, "{other:?} at {at}");
            }
        }
    }
}

#[test]
fn a_token_has_one_length_and_one_alphabet() {
    let ring = ring(&[1]);
    for kind in kinds() {
        let token = sealed(&ring, &head(kind), &delivery());
        for cut in 0..token.len() {
            assert_eq!(ring.open(&token[..cut]), None);
            assert_eq!(ring.open(&token[cut + 1..]), None);
        }
        for (wrong, why) in [
            (format!("{token}A"), "longer"),
            (format!("{token}AAAA"), "longer by a group"),
            (format!("AAAA{token}"), "longer before"),
            (format!("{token}="), "padded"),
            (format!("{token}=="), "padded"),
            (format!(" {token}"), "a space"),
            (format!("{token}\n"), "a line"),
            (token.to_uppercase(), "upper case"),
            (token.to_lowercase(), "lower case"),
            (token.repeat(2), "twice"),
            (token.repeat(100), "many times"),
        ] {
            assert_eq!(ring.open(&wrong), None, "{why}");
        }
        let standard = token.replace('-', "+").replace('_', "/");
        assert!(standard == token || ring.open(&standard).is_none(), "the other alphabet");
    }
    // The last character of a tail carries four bits: the other two are zeros or it is no token.
    let token = sealed(&ring, &head(LeadsTo::Pixel), &delivery());
    let last = token.bytes().last().unwrap();
    for other in (b'0'..=b'z').filter(|other| *other != last) {
        assert_eq!(ring.open(&format!("{}{}", &token[..token.len() - 1], char::from(other))), None);
    }
}

fn written_head(head: &Head) -> Vec<u8> {
    let mut bytes = [0xff; HEAD_BYTES_MAX];
    let length = write_head(&head.saying(), 1, &mut bytes);
    bytes[..length].to_vec()
}

#[test]
fn there_is_one_way_to_write_a_head() {
    let plain = written_head(&head(LeadsTo::Url("https://example.com/".into())));
    assert!(read_head(&plain).is_some());
    let with = |bytes: &[u8]| [&plain[..], bytes].concat();
    assert_eq!(read_head(&with(&[0, 0, 0])), None, "more padding than needed");
    assert_eq!(read_head(&with(&[0])), None, "no multiple of three");
    assert_eq!(read_head(&with(&[0, 0, 0, b'a', 0, 0])), None, "zeros within");
    let mut fixed = written_head(&head(LeadsTo::Pixel));
    assert!(read_head(&fixed).is_some());
    for kind in 0..=u8::MAX {
        fixed[0] = kind;
        assert_eq!(read_head(&fixed).is_some(), matches!(kind, PIXEL | UNSUBSCRIBE), "{kind}");
    }
    assert_eq!(read_head(&[&fixed[..], &[0, 0, 0]].concat()), None, "a pixel leads nowhere");
    let row = written_head(&head(kinds().swap_remove(2)));
    for (at, value) in [(row.len() - 1, 1), (row.len() - 2, 1)] {
        let mut padded = row.clone();
        padded[at] = value;
        assert_eq!(read_head(&padded), None, "padding is zeros");
    }
    assert_eq!(read_head(&row[..row.len() - 3]), None);
    let mut latin = plain.clone();
    latin[FIXED_BYTES + 10] = 0xff;
    assert_eq!(read_head(&latin), None, "not UTF-8");
}

#[test]
fn a_retired_key_opens_and_an_unknown_one_does_not() {
    let (head, delivery) = (head(LeadsTo::Url("https://example.com/".into())), delivery());
    let token = sealed(&ring(&[1]), &head, &delivery);
    let later = ring(&[1, 2, 3]);
    assert_eq!(later.mints_with(), 3);
    assert!(later.open(&token).is_some(), "links never die");
    assert_eq!(ring(&[2, 3]).open(&token), None, "of an unknown key");
    let same_number = Keyring::new(vec![MacKey { number: 1, secret: Secret::new(vec![9; 32]) }]).unwrap();
    assert_eq!(same_number.open(&token), None, "of another key with this number");
    // Drafted before a rotation, sealed after it.
    let mut drafted = ring(&[1]).draft(&head.saying()).unwrap().into_bytes();
    later.seal(&mut drafted, &delivery).unwrap();
    assert_eq!(String::from_utf8(drafted).unwrap(), token);
    let of_later = sealed(&later, &head, &delivery);
    assert_ne!(of_later, token);
    // A new key mints when it is told to, and the old ones stay.
    let waiting = later.minting(2).unwrap();
    assert_eq!((waiting.mints_with(), waiting.open(&of_later).is_some()), (2, true));
    assert!(later.minting(9).is_none() && Keyring::new(Vec::new()).is_err());
}

#[test]
fn what_was_not_drafted_is_not_sealed() {
    let (ring, delivery) = (ring(&[1]), delivery());
    let draft = ring.draft(&head(LeadsTo::Pixel).saying()).unwrap();
    let seal = |text: &str| ring.seal(&mut text.to_owned().into_bytes(), &delivery);
    assert_eq!(seal(&draft), Ok(()));
    for wrong in ["", "A", &draft[1..], &draft[4..], &format!("AAAA{draft}"), &draft.replace('A', "=")] {
        assert_eq!(seal(wrong), Err(BadToken::NotDrafted), "{wrong}");
    }
    let unknown = self::ring(&[300]).draft(&head(LeadsTo::Pixel).saying()).unwrap();
    assert_eq!(seal(&unknown), Err(BadToken::UnknownKey(300)));
}

#[test]
fn no_token_leads_where_none_may() {
    let ring = ring(&[1]);
    let draft = |url: &str| ring.draft(&head(LeadsTo::Url(url.to_owned())).saying());
    for wrong in
        ["", "javascript:alert(1)", "https://a@b.example/", "https://a.example\\b", "https://a.example/\r\nX: y"]
    {
        assert_eq!(draft(wrong), None, "{wrong:?}");
    }
    let of = |bytes: usize| format!("https://example.com/{}", "x".repeat(bytes - 20));
    assert_eq!(draft(&of(URL_BYTES_MAX + 1)), None);
    let longest = of(URL_BYTES_MAX);
    let token = sealed(&ring, &head(LeadsTo::Url(longest.clone())), &delivery());
    assert_eq!(ring.open(&token).unwrap().head.leads_to, LeadsTo::Url(longest));
}

#[test]
fn a_key_is_not_shown() {
    let shown = format!("{:?} {:?}", ring(&[1, 2]), MacKey { number: 1, secret: Secret::new(vec![77; 4]) });
    assert_eq!(shown, "keys [1, 2], 2 mints MacKey { number: 1, secret: *** }");
}

/// As many round trips as a large mailing has links. Where nothing is optimised, a tenth of them.
#[test]
fn a_million_links_come_back_byte_for_byte() {
    let rounds = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let (ring, random) = (ring(&[1, 2]), Random::seeded(11));
    let mut head = head(LeadsTo::Pixel);
    for n in 0..rounds {
        let length = 1 + random.below(if n % 16 == 0 { 640 } else { 120 }) as usize;
        let mut url = String::from("https://example.com/");
        let mut chance = vec![0; length];
        random.fill(&mut chance);
        url.extend(chance.iter().map(|byte| match 33 + byte % 94 {
            b'\\' => 'ß',
            graphic => char::from(graphic),
        }));
        url.truncate(url.floor_char_boundary(URL_BYTES_MAX));
        (head.link, head.leads_to) = (n as u16, LeadsTo::Url(url));
        let delivery = DeliveryId::from_bytes(random.bytes());
        let opened = ring.open(&sealed(&ring, &head, &delivery)).unwrap();
        assert_eq!((&opened.head, &opened.delivery), (&head, &delivery));
    }
}

#[test]
fn a_return_path_is_short_and_opens_in_any_case() {
    let ring = ring(&[1, 300]);
    let returned = [Returned::Message(head(LeadsTo::Pixel).message), Returned::Delivery(delivery())];
    for of in returned {
        let local = ring.return_path(&of);
        assert!(local.starts_with("b-") && local.len() == 58, "{local}");
        assert!(local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(format!("{local}@example.com").parse::<crate::mail::address::Address>().is_ok());
        assert_eq!(ring.open_return_path(&local), Some(of.clone()));
        assert_eq!(ring.open_return_path(&local.to_uppercase()), Some(of.clone()));
        for at in 0..local.len() {
            for bit in 0..7 {
                let mut bytes = local.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                let same = changed.eq_ignore_ascii_case(&local);
                assert_eq!(ring.open_return_path(&changed).is_some(), same, "{changed}");
            }
            assert_eq!(ring.open_return_path(&local[..at]), None);
        }
        assert_eq!(ring.open_return_path(&format!("{local}0")), None);
        assert_eq!(self::ring(&[2]).open_return_path(&local), None, "of an unknown key");
    }
}

#[test]
fn a_token_is_no_return_path_and_the_other_way_round() {
    // The same bytes under the same key number: only the purpose differs.
    let (ring, delivery) = (ring(&[1]), delivery());
    let local = ring.return_path(&Returned::Delivery(delivery.clone()));
    let token = sealed(&ring, &head(LeadsTo::Pixel), &delivery);
    assert_eq!(ring.open(&local[2..]), None);
    assert_eq!(ring.open_return_path(&format!("b-{}", &token[..56])), None);
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_it_panic(text in ".{0,1200}", raw in proptest::collection::vec(any::<u8>(), 0..1200)) {
        let ring = ring(&[0, 0x4142]);
        prop_assert_eq!(ring.open(&text), None);
        prop_assert_eq!(ring.open_return_path(&text), None);
        prop_assert_eq!(ring.open_return_path(&format!("b-{text}")), None);
        let mut token = raw.clone();
        let _ = ring.seal(&mut token, &DeliveryId::from_bytes([1; 16]));
        let _ = read_head(&raw);
        let _ = destination::location(&text);
        let _ = destination::check(&text);
    }

    #[test]
    fn what_looks_like_a_token_is_none(text in "[A-Za-z0-9_-]{71,300}") {
        prop_assert_eq!(ring(&[0, 1, 2, 3]).open(&text), None);
    }
}
