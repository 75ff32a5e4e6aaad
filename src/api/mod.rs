//! HTTP: events in, alerts out, probes, metrics. Everything that a request needs is in [`Api`], which the runner fills.

mod access;
mod actions;
mod alerts;
mod asker;
mod body;
mod clients;
mod error;
mod events;
mod gate;
mod ingest;
mod invites;
mod letters;
mod live;
pub(crate) mod login;
mod managers;
mod openapi;
mod orders;
mod oversight;
mod reveals;
mod serve;
mod status;
mod stored;
mod who;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use tokio::sync::{Semaphore, watch};

pub use access::Access;
pub(crate) use actions::perform;
pub use actions::{Act, Acted, ActionOrder, Undone};
pub(crate) use alerts::at_least;
pub use alerts::{Alert, Counts, Manager, Page, Story};
pub(crate) use asker::Asker;
pub use asker::Peer;
pub use body::Limits;
pub use error::Error;
pub(crate) use gate::Reading;
pub use gate::{Door, Look, ManagerOf, Reader, Seen, Witness};
pub use ingest::{Batch, DEFAULT_FORMAT, FIRST_LINE, Ingest, ORIGIN, RawLine, Refused, Rejection, Taken};
pub use invites::{InviteOrder, RevokeOrder, Revoked};
pub use letters::{Again, Left, Retried, Retries, Retry};
pub use login::{Invite, Login};
pub use orders::{MuteOrder, Obey, Orders, Reloaded, ResetOrder};
pub use reveals::{Names, RevealOrder, Reveals, Told, Unveil, Whom};
pub use serve::serve;
pub use status::{SourceStatus, Status, TenantStatus};
pub use stored::Stored;
pub(crate) use who::{Right, Who};

use crate::{
    ops::{clock, config::Secret, metrics::Metrics},
    store::login::Keys,
};
use gate::Gate;

/// What answers are made from.
#[derive(Clone)]
pub struct Parts {
    /// Takes events; none: this instance has another role.
    pub ingest: Option<Arc<dyn Ingest>>,
    /// Reads alerts; none: this instance has another role.
    pub reader: Option<Arc<dyn Reader>>,
    /// Writes down who read what; none: nobody does.
    pub witness: Option<Arc<dyn Witness>>,
    /// Tells names; none: this instance has another role.
    pub names: Option<Arc<dyn Unveil>>,
    /// Reads dead letters again; none: this instance has another role.
    pub retry: Retries,
    /// Takes orders; none: this instance has another role.
    pub orders: Orders,
    /// Does what people ask of alerts; none: this instance has another role.
    pub act: Option<Arc<dyn Act>>,
    /// What the service does now.
    pub status: watch::Receiver<Status>,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// Who may ask what.
    pub access: Access,
    /// What is taken at once.
    pub limits: Limits,
    /// Marks forms.
    pub forms: Keys,
    /// Lets people log in; none: nobody does, here.
    pub login: Option<Arc<Login>>,
}

/// State of all handlers. Clones share it.
#[derive(Clone)]
pub struct Api {
    ingest: Option<Arc<dyn Ingest>>,
    gate: Gate,
    retry: Retries,
    orders: Orders,
    act: Option<Arc<dyn Act>>,
    pub(crate) status: watch::Receiver<Status>,
    metrics: Metrics,
    pub(crate) access: Arc<Access>,
    limits: Limits,
    pub(crate) forms: Keys,
    pub(crate) login: Option<Arc<Login>>,
    /// Places for bodies being unpacked and taken.
    places: Arc<Semaphore>,
    /// Room for bodies.
    room: Arc<body::Room>,
    /// Places for those who listen.
    listeners: Arc<Semaphore>,
}

impl Api {
    /// Who asks, where they may read at all.
    pub(crate) fn who(&self, asker: &Asker) -> Result<Who, Error> {
        let mut who = self.access.who(asker, clock::now())?;
        who.form = self.forms.form(&who.of_form());
        Ok(who)
    }

    /// What they may read.
    pub(crate) fn reader(&self, asker: &Asker) -> Result<Reading<'_>, Error> {
        self.gate.open(self.who(asker)?)
    }

    /// Who asks for something to be done, where they may. Whoever can write the store is obeyed as well: that is how the command line asks.
    fn doer(&self, asker: &Asker, password: Option<&Secret>, right: Right) -> Result<Who, Error> {
        access::check_origin(&asker.headers)?;
        if password.is_some_and(|p| !p.expose().is_empty() && access::shows(&asker.headers, p)) {
            return Ok(Who::store());
        }
        let who = self.who(asker)?;
        who.must(right)?;
        Ok(who)
    }
}

fn routes() -> [(&'static str, MethodRouter<Api>); 25] {
    [
        ("/v1/events", post(ingest::post).get(events::list)),
        ("/v1/alerts", get(alerts::list)),
        ("/v1/alerts/stream", get(live::stream)),
        ("/v1/alerts/{id}", get(alerts::one)),
        ("/v1/alerts/{id}/events", get(events::of_alert)),
        ("/v1/alerts/{id}/actions", post(actions::post).layer(DefaultBodyLimit::max(1 << 16))),
        ("/v1/managers", get(alerts::managers)),
        ("/v1/managers/{manager}", get(managers::one)),
        ("/v1/clients/{id}/access", get(clients::access)),
        ("/v1/controls", get(oversight::controls)),
        ("/v1/coverage", get(oversight::coverage)),
        ("/v1/policy", get(oversight::policy)),
        ("/v1/dead-letters/retry", post(letters::retry).layer(DefaultBodyLimit::max(letters::BODY_BYTES))),
        ("/v1/mutes", get(oversight::mutes).post(orders::mute).layer(DefaultBodyLimit::max(1 << 16))),
        ("/v1/policy/reload", post(orders::reload)),
        ("/v1/state/reset", post(orders::reset).layer(DefaultBodyLimit::max(1 << 16))),
        ("/v1/access/invites", post(invites::invite).layer(DefaultBodyLimit::max(1 << 16))),
        ("/v1/access/revocations", post(invites::revoke).layer(DefaultBodyLimit::max(1 << 16))),
        ("/v1/reveals", get(reveals::list).post(reveals::ask).layer(DefaultBodyLimit::max(1 << 16))),
        ("/v1/reveals/{id}/allow", post(reveals::allow)),
        ("/v1/status", get(status::status)),
        ("/healthz", get(status::healthz)),
        ("/readyz", get(status::readyz)),
        ("/metrics", get(status::metrics)),
        ("/openapi.json", get(openapi::document)),
    ]
}

/// API, console and metrics.
pub fn router(parts: Parts) -> Router {
    let api = Api {
        ingest: parts.ingest,
        gate: Gate::new(parts.reader, parts.witness, parts.names),
        retry: parts.retry,
        orders: parts.orders,
        act: parts.act,
        status: parts.status,
        metrics: parts.metrics,
        access: Arc::new(parts.access),
        limits: parts.limits,
        forms: parts.forms,
        login: parts.login,
        places: Arc::new(Semaphore::new(parts.limits.at_once)),
        room: Arc::new(body::Room::of(&parts.limits)),
        listeners: Arc::new(Semaphore::new(live::LISTENERS)),
    };
    let mut router = Router::new();
    let mut paths = vec![UNKNOWN];
    for (path, handlers) in routes().into_iter().chain(crate::console::routes()) {
        paths.push(path);
        router = router.route(path, handlers);
    }
    api.metrics.start_routes(&paths);
    router
        .fallback(async || Error::NotFound("there is no such page: /openapi.json lists what there is"))
        .method_not_allowed_fallback(async || Error::Method)
        .layer(middleware::from_fn_with_state(api.clone(), around))
        .with_state(api)
}

/// The label of requests to no route.
const UNKNOWN: &str = "unknown";

/// On every answer. Pages load their own style and script and nothing else.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; object-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Our own forms say where they come from; other sites hear nothing.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// Around every request: is it meant for us, does it end in time, how did it end.
async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let watch = clock::Stopwatch::start();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (peer, headers) = (asker::peer(request.extensions()), request.headers());
    let by_proxy = api.access.check_proxy(peer, headers).inspect_err(|_| api.metrics.foreign_proxy());
    let allowed = by_proxy.and_then(|()| api.access.check_site(request.method(), request.uri().path(), headers));
    let mut response = match allowed {
        Err(e) => e.into_response(),
        Ok(()) => match tokio::time::timeout(api.limits.answer, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Error::Unavailable { code: "timeout", message: "this took too long: ask again".to_owned() }.into_response(),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    if api.access.encrypted {
        // Whoever came by TLS once does not come without it for a year.
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    api.metrics.request(route.as_ref().map_or(UNKNOWN, MatchedPath::as_str), response.status().as_u16(), watch.elapsed());
    response
}
