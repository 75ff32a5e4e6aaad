//! `/openapi.json`: the description of this API for programs.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// Written by hand; a test compares it with the routes and the answers.
pub(super) const DOCUMENT: &str = include_str!("../../schemas/openapi.json");

pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
