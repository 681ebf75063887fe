//! What a tracked link leads to: a redirect, an image of one pixel, or the page on which mail is unsubscribed from.
//! The answer comes from the token and the keys in memory, whatever became of the message; that somebody was here
//! is written down later and never waited for. People see these answers: they are pages and not JSON.

mod client;
mod owners;
pub(super) mod page;
mod sightings;
mod unsubscribe;

pub use sightings::Sightings;

use super::error::ApiError;
use super::happenings::Followed;
use super::router::Context;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::content::token::{Keyring, LeadsTo, Opened, destination};
use crate::model::directory::DirectoryHandle;
use crate::store::Store;
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use client::Visitor;
use futures_util::future::BoxFuture;
use owners::Owners;
use sightings::{Kind, Sighting};
use std::sync::{Arc, OnceLock};
use unsubscribe::Unsubscribing;

/// The path before a token.
const PATH: &str = "/t/";

/// What tracked links are answered with.
pub struct Tracking {
    keyring: Arc<ArcSwap<Keyring>>,
    store: Arc<Store>,
    directory: Arc<DirectoryHandle>,
    sightings: Arc<Sightings>,
    /// Makes another key, for this operator.
    rotate: Rotate,
    owners: Owners,
    unsubscribing: Unsubscribing,
}

/// How an operator has a new key made.
pub type Rotate = Arc<dyn Fn(String) -> BoxFuture<'static, Result<NewKey, ApiError>> + Send + Sync>;

/// The key that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    pub number: u16,
    /// RFC 3339: from when on links are made with it.
    pub mints_at: String,
}

/// Empty until the store is open.
pub type TrackingCell = Arc<OnceLock<Tracking>>;

impl Tracking {
    pub fn new(
        keyring: Arc<ArcSwap<Keyring>>,
        store: Arc<Store>,
        directory: Arc<DirectoryHandle>,
        sightings: Arc<Sightings>,
        rotate: Rotate,
    ) -> Self {
        let (owners, unsubscribing) = (Owners::default(), Unsubscribing::default());
        Self { keyring, store, directory, sightings, rotate, owners, unsubscribing }
    }

    /// Has another key made.
    pub(super) async fn rotate(&self, by: String) -> Result<NewKey, ApiError> {
        (self.rotate)(by).await
    }
}

pub(super) fn routes() -> Router<Context> {
    // More than one segment is no token, and is told so by a page.
    Router::new()
        .route(PATH, any(follow))
        .route("/t/{*token}", any(follow))
        .layer(DefaultBodyLimit::max(limits::UNSUBSCRIBE_BODY_BYTES_MAX))
}

/// Is this the route of such a page?
pub(super) fn is_route(pattern: &str) -> bool {
    pattern.starts_with(PATH)
}

async fn follow(State(context): State<Context>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
        return page::wrong_method("GET, HEAD, POST");
    }
    let Some(tracking) = context.tracking.get() else { return page::not_now() };
    // As it was sent: a token has no character that would be escaped.
    let token = request.uri().path().strip_prefix(PATH).unwrap_or_default();
    let Some(opened) = tracking.keyring.load().open(token) else { return unknown() };
    let (is_post, visitor) = (request.method() == Method::POST, Visitor::of(&request));
    match &opened.head.leads_to {
        LeadsTo::Unsubscribe => tracking.unsubscribing.answer(&context, tracking, &opened, request).await,
        _ if is_post => page::wrong_method("GET, HEAD"),
        LeadsTo::Pixel => {
            tracking.saw(&context, Kind::Opened, &opened, None, visitor);
            pixel()
        }
        LeadsTo::Url(url) => tracking.click(&context, &opened, url, visitor).await,
        LeadsTo::Row(id) => match tracking.store.link(id).await {
            // What stands in the store has no MAC: it is asked again.
            Ok(Some(url)) if destination::check(&url).is_ok() => tracking.click(&context, &opened, &url, visitor).await,
            Ok(_) => unknown(),
            Err(error) => page::store_failed(&error),
        },
    }
}

fn unknown() -> Response {
    Followed { what: "unknown" }.record();
    page::unknown()
}

impl Tracking {
    async fn click(&self, context: &Context, opened: &Opened, url: &str, visitor: Visitor) -> Response {
        if self.owners.is_suspended(&opened.head.message, &self.directory, &self.store).await {
            Followed { what: "suspended" }.record();
            return page::suspended(url);
        }
        let Ok(location) = HeaderValue::from_str(&destination::location(url)) else { return unknown() };
        self.saw(context, Kind::Clicked, opened, Some(url), visitor);
        redirect(location)
    }

    /// Notes it, unless only the head was asked for: a program looks where it leads, and nobody follows.
    fn saw(&self, context: &Context, kind: Kind, opened: &Opened, url: Option<&str>, visitor: Visitor) {
        if visitor.is_only_looking {
            Followed { what: "head" }.record();
            return;
        }
        Followed { what: kind.word() }.record();
        self.sightings.note(Sighting {
            kind,
            message: opened.head.message.clone(),
            delivery: opened.delivery.clone(),
            link: opened.head.link,
            url: url.map(str::to_owned),
            at: context.clock.now(),
            network: visitor.network,
            user_agent: visitor.user_agent,
        });
    }
}

const ROBOTS: (HeaderName, &str) = (HeaderName::from_static("x-robots-tag"), "noindex, nofollow");
const NO_STORE: (HeaderName, &str) = (CACHE_CONTROL, "no-store");
/// Where one goes on to learns nothing of the mail that one came from.
const NO_REFERRER: (HeaderName, &str) = (REFERRER_POLICY, "no-referrer");

fn redirect(location: HeaderValue) -> Response {
    let headers = [NO_STORE, ROBOTS, NO_REFERRER, (CONTENT_TYPE, "text/plain; charset=utf-8")];
    // RFC 9110 15.4.3: 302, so that each click comes by here again.
    let mut response = (StatusCode::FOUND, headers, "This link leads elsewhere.\n").into_response();
    response.headers_mut().insert(LOCATION, location);
    response
}

/// One transparent pixel.
const PIXEL: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00\
    ,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

fn pixel() -> Response {
    let anywhere = (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    let headers = [NO_STORE, ROBOTS, NO_REFERRER, anywhere, (CONTENT_TYPE, "image/gif")];
    (headers, Body::from(PIXEL.as_slice())).into_response()
}
