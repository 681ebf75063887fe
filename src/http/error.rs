//! The one shape of every error of the API:
//! `{"error":{"type","code","message","param"?,"request_id"}}`, with the real HTTP status.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::base::id::RequestId;

/// The closed set of types: what a program branches on before it looks at the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    InvalidRequest,
    Authentication,
    Permission,
    NotFound,
    Conflict,
    Idempotency,
    RateLimit,
    Unavailable,
    Internal,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Idempotency => "idempotency",
            Self::RateLimit => "rate_limit",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Authentication => StatusCode::UNAUTHORIZED,
            Self::Permission => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict | Self::Idempotency => StatusCode::CONFLICT,
            Self::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    kind: Kind,
    status: StatusCode,
    /// Documented per endpoint; never changes its meaning.
    code: &'static str,
    message: String,
    param: Option<String>,
}

impl ApiError {
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: kind.status(), code, message: message.into(), param: None }
    }

    /// Another status than the kind's own: 405, 413, 422 are all `invalid_request`.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Names the field at fault.
    pub fn with_param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub fn unknown_path() -> Self {
        Self::new(Kind::NotFound, "unknown_path", "there is nothing at this path")
    }

    pub fn wrong_method() -> Self {
        Self::new(Kind::InvalidRequest, "method_not_allowed", "this path does not take that method")
            .with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub fn too_slow() -> Self {
        Self::new(Kind::Unavailable, "too_slow", "this took too long, try again later")
    }

    /// A fault of ours: what it was stands in the log under the request's id, and nowhere else.
    pub fn internal() -> Self {
        Self::new(Kind::Internal, "internal", "this is our fault; the log tells more under this request id")
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The answer for this one request.
    pub(super) fn written_for(&self, request: &RequestId) -> Response {
        let mut error = json!({
            "type": self.kind.as_str(),
            "code": self.code,
            "message": self.message,
            "request_id": request.as_str(),
        });
        if let Some(param) = &self.param {
            error["param"] = param.as_str().into();
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

/// A handler does not know the request's id: the error travels beside an empty answer, and the
/// router's outermost layer writes it out.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
