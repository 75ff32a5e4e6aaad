//! Pages for people: what runs, the newest alerts with their reasons, and one alert with the buttons that answer it. They work without
//! JavaScript; managers are shown by pseudonym.

pub mod digest;
mod door;
mod enrol;
pub mod incident;
mod one;
mod page;
mod reveals;
mod words;
#[cfg(test)]
mod tests;

use axum::{
    extract::{DefaultBodyLimit, Query, State, rejection::QueryRejection},
    http::{HeaderMap, Uri, header},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde::Deserialize;

use crate::{
    api::{Api, Asker, Error, at_least},
    engine::Severity,
    ops::clock,
    store::{
        actions,
        query::{Filter, Place, Sort},
    },
};

pub(crate) fn routes() -> [(&'static str, MethodRouter<Api>); 10] {
    [
        ("/", get(landing)),
        ("/login", get(door::show).post(door::enter).layer(DefaultBodyLimit::max(1 << 14))),
        ("/logout", post(door::leave).layer(DefaultBodyLimit::max(1 << 14))),
        ("/password", get(enrol::show_change).post(enrol::change).layer(DefaultBodyLimit::max(1 << 14))),
        ("/enrol", get(enrol::show).post(enrol::take).layer(DefaultBodyLimit::max(1 << 14))),
        ("/alerts/{id}", get(one::show).post(one::act).layer(DefaultBodyLimit::max(1 << 16))),
        ("/reveals", get(reveals::show).post(reveals::act).layer(DefaultBodyLimit::max(1 << 16))),
        ("/assets/filin.css", get(async || asset("text/css; charset=utf-8", include_str!("assets/filin.css")))),
        ("/assets/filin.js", get(async || asset("text/javascript; charset=utf-8", include_str!("assets/filin.js")))),
        ("/assets/filin.svg", get(async || asset("image/svg+xml", include_str!("assets/filin.svg")))),
    ]
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], text).into_response()
}

/// Alerts on one page.
const SHOWN: u32 = 50;

/// What a page was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    lang: Option<words::Lang>,
    tenant: Option<String>,
    manager: Option<String>,
    severity: Option<Severity>,
    state: Option<actions::State>,
    sort: Option<Sort>,
    after: Option<String>,
}

/// The language that was chosen, else the one that the browser prefers.
fn language(headers: &HeaderMap, chosen: Option<words::Lang>) -> words::Lang {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    chosen.unwrap_or_else(|| words::Lang::from_header(accepted))
}

async fn landing(State(api): State<Api>, asker: Asker, uri: Uri, asked: Result<Query<Asked>, QueryRejection>) -> Result<Response, Error> {
    // A link that somebody shortened or typed shows the page, not an error.
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let lang = language(&asker.headers, asked.lang);
    let reader = match door::let_in(&api, &asker, lang, &uri) {
        Ok(reader) => reader,
        Err(led) => return *led,
    };
    let filter = Filter {
        tenant: asked.tenant.clone().filter(|t| !t.is_empty()),
        manager: asked.manager.clone().filter(|m| !m.is_empty()),
        severities: asked.severity.map(at_least).unwrap_or_default(),
        since: None,
        state: asked.state,
        sort: asked.sort.unwrap_or_default(),
        after: asked.after.as_deref().and_then(Place::parse),
        limit: SHOWN,
    };
    let status = reader.who.sees(&api.status.borrow());
    // Before the store is up the page says what is missing instead of asking it.
    let stored = if status.ready() { tokio::try_join!(reader.alerts(filter), reader.counts()).ok() } else { None };
    let host = asker.headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("127.0.0.1:8687").to_owned();
    let page = page::Page { lang, who: reader.who, asked, now: clock::now(), status, host, stored };
    let language = (header::CONTENT_LANGUAGE, lang.tag());
    Ok(([language, (header::VARY, "accept-language")], Html(page.html().into_string())).into_response())
}
