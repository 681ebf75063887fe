//! Words and numbers of a row, back into the types they came from. What does not fit is a damaged row.

use super::error::StoreError;
use crate::base::clock::Time;
use crate::base::id::NotAnId;
use std::str::FromStr;

/// The variant that a stored word names.
pub(super) fn parse<T: Copy, const N: usize>(
    word: &str,
    all: [T; N],
    word_of: fn(T) -> &'static str,
) -> Result<T, StoreError> {
    all.into_iter()
        .find(|variant| word_of(*variant) == word)
        .ok_or_else(|| StoreError::damaged(format!("the word {word:?} is unknown here")))
}

pub(super) fn id<I: FromStr<Err = NotAnId>>(text: &str) -> Result<I, StoreError> {
    text.parse().map_err(|why| StoreError::damaged(format!("{text:?}: {why}")))
}

pub(super) fn maybe_id<I: FromStr<Err = NotAnId>>(text: Option<&str>) -> Result<Option<I>, StoreError> {
    text.map(id).transpose()
}

pub(super) fn value<T: FromStr>(text: &str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|why| StoreError::damaged(format!("{text:?}: {why}")))
}

pub(super) fn size(number: i64) -> Result<usize, StoreError> {
    usize::try_from(number).map_err(|_| StoreError::damaged(format!("{number} is no size")))
}

pub(super) fn time(micros: Option<i64>) -> Option<Time> {
    micros.map(Time::from_micros)
}
