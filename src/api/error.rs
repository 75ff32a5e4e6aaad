//! What a client is told when something is not done. The only place that knows status codes of refusals.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// A refusal: a stable code for programs and a message for people. Details stay in the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request says something that cannot be.
    #[error("{message}")]
    BadRequest {
        /// Stable.
        code: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// No token, or a wrong one.
    #[error("give a valid token: Authorization: Bearer TOKEN")]
    Unauthorized,
    /// Known and not allowed.
    #[error("{message}")]
    Forbidden {
        /// Stable.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(&'static str),
    /// It was decided on what is no longer so.
    #[error("{message}")]
    Conflict {
        /// Stable.
        code: &'static str,
        /// What is so now, and what to do.
        message: String,
    },
    /// The path is there, the method is not.
    #[error("this method is not allowed here")]
    Method,
    /// The body did not come in time.
    #[error("the body did not arrive in time")]
    Slow,
    /// More than is taken at once.
    #[error("{0}")]
    TooLarge(String),
    /// A type or encoding that is not read.
    #[error("{0}")]
    Unsupported(String),
    /// Not now.
    #[error("busy: try again later")]
    Busy(Duration),
    /// Something that is needed is away.
    #[error("{message}")]
    Unavailable {
        /// Stable.
        code: &'static str,
        /// What is away.
        message: String,
    },
}

impl Error {
    /// A 400.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::BadRequest { code, message: message.into() }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest { code, .. } => (StatusCode::BAD_REQUEST, code),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden { code, .. } => (StatusCode::FORBIDDEN, code),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict { code, .. } => (StatusCode::CONFLICT, code),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "slow_body"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Unsupported(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
            Self::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::Unavailable { code, .. } => (StatusCode::SERVICE_UNAVAILABLE, code),
        }
    }
}

/// A refusal as RFC 9457 has it; `code` and `message` say what `type` and `detail` say, for those who read these.
pub(super) fn problem(status: StatusCode, code: &str, detail: &str, more: serde_json::Value) -> Response {
    let mut body = serde_json::json!({
        "type": format!("urn:filin:problem:{code}"),
        "title": status.canonical_reason().unwrap_or("refused"),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
        "message": detail,
    });
    if let (Some(body), serde_json::Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// How long to wait before asking a thing that is away again.
const RETRY: Duration = Duration::from_secs(5);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let mut response = problem(status, code, &self.to_string(), serde_json::Value::Null);
        let headers = response.headers_mut();
        let retry = match self {
            Self::Busy(wait) => Some(wait),
            Self::Unavailable { .. } => Some(RETRY),
            Self::Unauthorized => {
                // Basic, so that a browser asks; the password is the token.
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"filin\""));
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"filin\", charset=\"UTF-8\""));
                None
            }
            _ => None,
        };
        if let Some(wait) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
