//! A page of a list: `{"object":"list","has_more":…,"data":[…]}`. `next` is the
//! `after` of the next page, when there is one.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    object: &'static str,
    has_more: bool,
    data: Vec<T>,
    /// Where the next page begins; it need not be the last id of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> List<T> {
    pub fn new(data: Vec<T>, next: Option<String>) -> Self {
        Self { object: "list", has_more: next.is_some(), data, next }
    }
}
