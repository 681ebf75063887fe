//! Bodies of every size and kind come back as they were given.

use crate::mails::Mails;
use crate::stores::{Fresh, on_both};
use futures_util::future::{join, join_all};
use gatepost::base::limits::{BODY_CHUNK_BYTES, BODY_INLINE_BYTES_MAX, BODY_PACK_BYTES_MIN};
use gatepost::base::random::Random;
use gatepost::model::message::Form;
use gatepost::store::Store;
use gatepost::store::change::Written;
use gatepost::store::mail::Body;

on_both! {
    a_body_of_any_size_comes_back
    a_large_body_is_kept_in_chunks_and_a_small_one_in_its_row
    both_forms_may_be_large
    a_large_body_goes_beside_small_mails
    a_body_may_hold_any_byte
}

/// Bytes that no compressor shortens, the same ones for the same size.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    Random::seeded(bytes as u64).fill(&mut noise);
    noise
}

/// Bytes that shrink to almost nothing.
fn flat(bytes: usize) -> Vec<u8> {
    b"the same line again and again\r\n".iter().copied().cycle().take(bytes).collect()
}

async fn round_trip(store: &Store, mails: &Mails, bytes: Vec<u8>) {
    let mail = mails.mail(bytes.clone());
    let size = bytes.len();
    assert_eq!(store.write(mail.accept).await, Ok(Written::default()), "{size} bytes");
    let stored = store.body(&mail.message, Form::Prepared).await.unwrap_or_else(|e| panic!("{size} bytes: {e}"));
    assert!(stored.as_ref() == Some(&bytes), "{size} bytes came back otherwise");
    assert_eq!(store.message(&mail.message).await.unwrap().unwrap().size, size as u64);
}

async fn a_body_of_any_size_comes_back(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let borders = [BODY_PACK_BYTES_MIN, BODY_CHUNK_BYTES, BODY_INLINE_BYTES_MAX, 2 * BODY_INLINE_BYTES_MAX];
    let around = borders.iter().flat_map(|border| [border - 1, *border, border + 1]);
    for size in [0, 1, 2, 511].into_iter().chain(around).chain([5 << 20, (5 << 20) + 1]) {
        round_trip(&store, &mails, noise(size)).await;
        round_trip(&store, &mails, flat(size)).await;
    }
}

async fn a_large_body_is_kept_in_chunks_and_a_small_one_in_its_row(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    round_trip(&store, &mails, noise(BODY_INLINE_BYTES_MAX)).await;
    round_trip(&store, &mails, flat(5 << 20)).await;
    assert_eq!(fresh.count("body_chunks").await, 0);
    assert_eq!(fresh.count("bodies WHERE codec = 'zstd' AND LENGTH(bytes) < 10000").await, 1);
    round_trip(&store, &mails, noise(5 << 20)).await;
    assert_eq!(fresh.count("body_chunks").await, 10);
    assert_eq!(fresh.count("bodies WHERE chunks = 10 AND LENGTH(bytes) = 0").await, 1);
    round_trip(&store, &mails, noise((5 << 20) + 1)).await;
    assert_eq!(fresh.count("body_chunks").await, 21);
}

async fn both_forms_may_be_large(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let (prepared, submitted) = (noise(2 << 20), noise(3 << 20));
    let mut mail = mails.mail(prepared.clone());
    mail.accept.bodies.push(Body::new(mail.message.clone(), Form::Submitted, submitted.clone()));
    store.write(mail.accept).await.unwrap();
    assert!(store.body(&mail.message, Form::Prepared).await.unwrap() == Some(prepared));
    assert!(store.body(&mail.message, Form::Submitted).await.unwrap() == Some(submitted));
}

async fn a_large_body_goes_beside_small_mails(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let bytes = noise(5 << 20);
    let large = mails.mail(bytes.clone());
    let small: Vec<_> = (0..200).map(|n| mails.mail(format!("small {n}").into_bytes())).collect();
    let ended = std::cell::RefCell::new(Vec::new());
    let write_large = async {
        assert_eq!(store.write(large.accept.clone()).await, Ok(Written::default()));
        ended.borrow_mut().push("large");
    };
    let write_small = join_all(small.iter().map(|mail| async {
        assert_eq!(store.write(mail.accept.clone()).await, Ok(Written::default()));
        ended.borrow_mut().push("small");
    }));
    join(write_large, write_small).await;
    assert!(store.body(&large.message, Form::Prepared).await.unwrap() == Some(bytes));
    // Its ten chunks are ten transactions: a mail that came with it did not wait for the last of them.
    assert_eq!(ended.borrow()[..100], ["small"; 100]);
    assert_eq!(fresh.count("messages").await, 201);
}

async fn a_body_may_hold_any_byte(fresh: &Fresh) {
    let (store, mails) = fresh.with_mails().await;
    let all: Vec<u8> = (0..=255).collect();
    round_trip(&store, &mails, all.clone()).await;
    round_trip(&store, &mails, all.repeat(200)).await;
    round_trip(&store, &mails, vec![0; 40_000]).await;
    round_trip(&store, &mails, b"'; DROP TABLE bodies; --\0\xff\xfe".to_vec()).await;
}
