//! Which path leads where, and what every request gets on its way: an id, a deadline, a net under
//! panics, one shape for errors, a line and a number.

use super::api::{self, QueueCell};
use super::auth::{self, Caller, SuperAdmin};
use super::error::ApiError;
use super::happenings::{HandlerBroke, RequestServed, StrangerRefused};
use super::health;
use super::ready_probe;
use super::settings::Serves;
use super::status::{Settings, Status, VERSION};
use super::track::{self, TrackingCell, page};
use crate::base::clock::Clock;
use crate::base::id::{self, RequestId};
use crate::base::limits;
use crate::base::metrics::Metrics;
use crate::base::observe::{Happening, request_span};
use crate::base::random::Random;
use crate::base::ready::Readiness;
use crate::policy::readiness::echo::Echo;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the handlers work with.
#[derive(Clone)]
pub struct Context {
    pub readiness: Readiness,
    pub metrics: Metrics,
    /// Asked anew for every request.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
    /// The configuration in force.
    pub settings: Arc<dyn Fn() -> Settings + Send + Sync>,
    pub queue: QueueCell,
    pub tracking: TrackingCell,
    /// How a tracking host is known to lead here.
    pub echo: Echo,
    pub clock: Clock,
    pub random: Random,
}

/// Where the router stands: what can be reached from there.
#[derive(Clone, Debug)]
pub(super) enum Place<'a> {
    Control,
    Network(&'a [Serves]),
}

impl Place<'_> {
    fn offers(&self, what: Serves) -> bool {
        match self {
            Self::Control => true,
            Self::Network(serves) => serves.contains(&what),
        }
    }
}

pub(super) fn router(context: &Context, place: &Place<'_>) -> Router {
    let mut routes = Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz));
    if place.offers(Serves::Metrics) {
        routes = routes.route("/metrics", get(health::metrics));
    }
    if place.offers(Serves::Tracking) {
        routes = routes.route(ready_probe::ROUTE, get(ready_probe::ready));
    }
    if place.offers(Serves::Api) {
        routes = routes
            .route("/api/v1/version", get(version))
            .route("/api/v1/status", get(status))
            .route("/api/v1/settings", get(settings))
            .merge(api::routes());
    }
    // Recipients come by an address of the network, and only where it is meant for them.
    if let Place::Network(serves) = place
        && serves.contains(&Serves::Tracking)
    {
        routes = routes.merge(track::routes());
    }
    finish(routes, context)
}

/// The ways of the house, around whatever routes there are.
fn finish(routes: Router<Context>, context: &Context) -> Router {
    routes
        .fallback(async || ApiError::unknown_path())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(DefaultBodyLimit::max(limits::HTTP_BODY_BYTES_MAX))
        .layer(middleware::from_fn(refuse_strangers))
        .layer(middleware::from_fn_with_state(context.clone(), attend))
        .with_state(context.clone())
}

async fn version() -> impl IntoResponse {
    Json(VERSION)
}

async fn status(_: SuperAdmin, State(context): State<Context>) -> impl IntoResponse {
    Json((context.status)())
}

async fn settings(_: SuperAdmin, State(context): State<Context>) -> impl IntoResponse {
    Json((context.settings)())
}

async fn refuse_strangers(request: Request, next: Next) -> Response {
    match request.extensions().get() {
        Some(Caller::Stranger(uid)) => {
            StrangerRefused { uid: *uid }.record();
            auth::stranger().into_response()
        }
        _ => next.run(request).await,
    }
}

/// One request from its head to its answer's head. The id is ours, always: one that the client made
/// up would let it write into our log and collide with another's.
async fn attend(State(context): State<Context>, request: Request, next: Next) -> Response {
    let (started, id): (_, RequestId) = (Instant::now(), id::new(context.clock.now(), &context.random));
    let method = request.method().clone();
    let route = request.extensions().get().map_or("none".to_owned(), |path: &MatchedPath| path.as_str().to_owned());
    let span = request_span(&id);
    async {
        let response = run_within_bounds(request, next).await;
        let mut response = match response.extensions().get::<ApiError>() {
            Some(error) if track::is_route(&route) => page::trouble(error.status()),
            Some(error) => with_headers_of(&response, error.written_for(&id)),
            None => response,
        };
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        RequestServed { method, route, status: response.status(), took: started.elapsed() }.record();
        response
    }
    .instrument(span)
    .await
}

/// Keeps what the router itself said beside the error, such as `Allow` with a 405.
fn with_headers_of(from: &Response, mut to: Response) -> Response {
    for (name, value) in from.headers() {
        if !to.headers().contains_key(name) {
            to.headers_mut().insert(name, value.clone());
        }
    }
    to
}

async fn run_within_bounds(request: Request, next: Next) -> Response {
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limits::HTTP_REQUEST_MAX, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            HandlerBroke { why: words_of(&*panic) }.record();
            ApiError::internal().into_response()
        }
        Err(_) => ApiError::too_slow().into_response(),
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::http::status;
    use crate::policy::readiness::echo::{self, Nonce};
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, StatusCode};
    use serde_json::Value;
    use tower::ServiceExt;

    fn context() -> Context {
        let status = || Status {
            version: "0",
            phase: status::Phase::Running,
            started_at: String::new(),
            uptime_seconds: 7,
            ready: true,
            reasons: vec![],
            config: status::Config {
                file: None,
                generation: 1,
                loaded_at: String::new(),
                refused: None,
                left_out: vec![],
            },
            store: status::Store { engine: "sqlite".into(), state: "up".into(), reason: None },
            directory: Default::default(),
            delivery: None,
            listeners: vec![],
        };
        Context {
            readiness: Readiness::default(),
            metrics: Metrics::start(),
            status: Arc::new(status),
            settings: Arc::new(|| status::Settings { generation: 1, settings: vec![] }),
            queue: QueueCell::default(),
            tracking: TrackingCell::default(),
            echo: Echo::under(&Secret::new(vec![7; 32])),
            clock: Clock::System,
            random: Random::seeded(1),
        }
    }

    async fn asked(router: Router, caller: Caller, method: Method, path: &str) -> (StatusCode, Response, String) {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(caller);
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        (head.status, Response::from_parts(head, Body::empty()), text)
    }

    /// Every error has the shape, the type and code expected, and the id of its header.
    async fn refused(router: Router, caller: Caller, method: Method, path: &str) -> (u16, String, String) {
        let (status, response, body) = asked(router, caller, method, path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let id = response.headers()[&X_REQUEST_ID].to_str().unwrap();
        assert!(id.parse::<RequestId>().is_ok());
        assert_eq!(body["error"]["request_id"], id);
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
        let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
        (status.as_u16(), text("type"), text("code"))
    }

    const ALL: Place<'static> = Place::Network(&[Serves::Api, Serves::Metrics]);

    #[tokio::test]
    async fn errors_have_one_shape() {
        let network = router(&context(), &ALL);
        for (caller, method, path, status, kind, code) in [
            (Caller::Anonymous, Method::GET, "/no/such/path", 404, "not_found", "unknown_path"),
            (Caller::Anonymous, Method::POST, "/healthz", 405, "invalid_request", "method_not_allowed"),
            (Caller::Anonymous, Method::GET, "/api/v1/status", 401, "authentication", "authentication_required"),
            (Caller::Anonymous, Method::GET, "/api/v1/settings", 401, "authentication", "authentication_required"),
            (Caller::Stranger(9), Method::GET, "/healthz", 403, "permission", "wrong_user"),
            (Caller::Stranger(9), Method::GET, "/no/such/path", 403, "permission", "wrong_user"),
        ] {
            let expected = (status, kind.to_owned(), code.to_owned());
            assert_eq!(refused(network.clone(), caller, method, path).await, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn a_wrong_method_is_told_the_right_one() {
        let (_, response, _) = asked(router(&context(), &ALL), Caller::Anonymous, Method::POST, "/healthz").await;
        assert_eq!(response.headers()["allow"], "GET,HEAD");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_tells_nothing_of_our_inside() {
        let broken: Router<Context> = Router::new().route("/breaks", get(async || -> &str { panic!("secret inside") }));
        let router = finish(broken, &context());
        assert_eq!(
            refused(router.clone(), Caller::Anonymous, Method::GET, "/breaks").await,
            (500, "internal".into(), "internal".into())
        );
        let (_, _, body) = asked(router, Caller::Anonymous, Method::GET, "/breaks").await;
        assert!(!body.contains("secret"), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_a_503() {
        let slow: Router<Context> = Router::new().route("/slow", get(async || std::future::pending::<&str>().await));
        let answer = refused(finish(slow, &context()), Caller::Anonymous, Method::GET, "/slow").await;
        assert_eq!(answer, (503, "unavailable".into(), "too_slow".into()));
    }

    #[tokio::test]
    async fn readiness_is_told_with_its_reasons_one_a_line() {
        let context = context();
        let ask =
            async || asked(router(&context, &Place::Network(&[])), Caller::Anonymous, Method::GET, "/readyz").await;
        assert_eq!(ask().await.0, StatusCode::OK);
        context.readiness.fails("store", "not reachable");
        context.readiness.fails("listeners", "one cannot be opened");
        let (status, _, body) = ask().await;
        assert_eq!((status.as_u16(), body.as_str()), (503, "listeners: one cannot be opened\nstore: not reachable\n"));
    }

    #[tokio::test]
    async fn a_tracking_listener_proves_whose_it_is() {
        let (context, nonce) = (context(), Nonce::new(&Random::seeded(1)));
        let router = router(&context, &Place::Network(&[Serves::Tracking]));
        let path = format!("{}{}", echo::PATH, nonce.as_str());
        let (status, response, body) = asked(router, Caller::Anonymous, Method::GET, &path).await;
        assert_eq!((status, body), (StatusCode::OK, context.echo.of(&nonce)));
        assert_eq!(response.headers()["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn a_place_offers_what_it_serves_and_the_control_socket_everything() {
        let status_of = async |place: &Place<'_>, caller, path: &str| {
            asked(router(&context(), place), caller, Method::GET, path).await.0.as_u16()
        };
        let (anyone, root) = (Caller::Anonymous, Caller::Control(0));
        for (place, caller, path, expected) in [
            (Place::Network(&[]), anyone, "/healthz", 200),
            (Place::Network(&[]), anyone, "/metrics", 404),
            (Place::Network(&[]), anyone, "/api/v1/version", 404),
            (Place::Network(&[Serves::Metrics]), anyone, "/metrics", 200),
            (Place::Network(&[Serves::Api]), anyone, "/api/v1/version", 200),
            (Place::Network(&[Serves::Api]), anyone, "/t/ready/0123456789abcdef0123456789abcdef", 404),
            (Place::Network(&[Serves::Tracking]), anyone, "/t/ready/0123456789abcdef0123456789abcdef", 200),
            (Place::Network(&[Serves::Tracking]), anyone, "/t/ready/0123456789ABCDEF0123456789abcdef", 404),
            (Place::Network(&[Serves::Tracking]), anyone, "/t/ready/hello", 404),
            (Place::Control, root, "/metrics", 200),
            (Place::Control, root, "/api/v1/status", 200),
        ] {
            assert_eq!(status_of(&place, caller, path).await, expected, "{place:?} {path}");
        }
    }
}
