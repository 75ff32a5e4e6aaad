//! One batch to the server: packed, retried until it is answered, cut in two when it is too large.

use std::{io::Write, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode, Uri,
    header::{self, HeaderMap, HeaderValue},
};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;

use super::read::odd_quotes;
use crate::{
    api::{FIRST_LINE, ORIGIN},
    ops::{clock::Stopwatch, config::Secret},
    source::file::TooLong,
};

/// Consecutive lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// Header of the rows, sent before them.
    pub(super) header: Option<Bytes>,
    /// The lines are one JSON document.
    pub(super) document: bool,
    /// Name of the block they stand in; none of a stream.
    pub(super) source: Option<Arc<str>>,
    /// Number of the first line in the file, from 0.
    pub(super) first: u64,
    /// Each with its line end.
    pub(super) lines: Vec<Bytes>,
    /// Lines that were not read, as they are too long; in their place stand blank ones.
    pub(super) too_long: Vec<(u64, String)>,
}

impl Batch {
    /// Number of the first line of the body in the file, from 0. A header stands where the line before the first one stood.
    fn start(&self) -> u64 {
        self.first.saturating_sub(self.header.is_some().into())
    }

    /// Whether there is nothing to send or to say.
    pub(super) fn is_empty(&self) -> bool {
        self.too_long.is_empty() && self.is_blank()
    }

    fn is_blank(&self) -> bool {
        self.lines.iter().all(|line| line.trim_ascii().is_empty())
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.iter().map(Bytes::len).sum()
    }

    /// Where to cut it in two: not within a row whose quotes are open. None when it is one piece.
    fn middle(&self) -> Option<usize> {
        let half = self.lines.len() / 2;
        if self.document || half == 0 {
            return None;
        }
        let (mut open, mut best) = (false, None);
        for (i, line) in self.lines.iter().enumerate().take(self.lines.len() - 1) {
            open ^= self.header.is_some() && odd_quotes(line);
            if !open {
                best = Some(i + 1);
                if i + 1 >= half {
                    break;
                }
            }
        }
        best
    }

    fn pack(&self) -> anyhow::Result<Bytes> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        self.header.iter().chain(&self.lines).try_for_each(|line| encoder.write_all(line))?;
        Ok(encoder.finish()?.into())
    }
}

/// What the server said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) accepted: u64,
    pub(super) rejected: Vec<Rejected>,
    code: String,
    message: String,
}

/// A line that the server did not take.
#[derive(Debug, Deserialize)]
pub(super) struct Rejected {
    /// Line of the file, from 0; of a JSON document its element. The server counts from 1, from the start of the body.
    pub(super) line: u64,
    pub(super) code: String,
    pub(super) message: String,
}

/// A server that takes events.
pub(super) struct Server {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    token: Option<HeaderValue>,
    /// How long to go on when nothing is taken.
    patience: Duration,
}

/// Waits between attempts: the first and the longest.
const WAIT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// An answer names rejected lines, so it is no longer than the batch by much.
const ANSWER_BYTES: usize = 64 << 20;
/// A batch is answered when it is durable.
const ANSWER: Duration = Duration::from_secs(150);

enum Attempt {
    Taken(Answer),
    TooLarge,
    /// Worth trying again, after this long at least.
    Later(String, Option<Duration>),
}

impl Server {
    pub(super) fn new(to: &str, format: &str, tenant: Option<&str>, token: Option<&Secret>, patience: Duration) -> anyhow::Result<Self> {
        let base: Uri = to.parse().with_context(|| format!("{to:?} is no address"))?;
        ensure!(matches!(base.scheme_str(), Some("http" | "https")) && base.host().is_some(), "{to:?} is no http:// or https:// address");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("format", format);
        tenant.map(|tenant| query.append_pair("tenant", tenant));
        let uri = format!("{}/v1/events?{}", to.trim_end_matches('/'), query.finish()).parse().context("no address can be made of this")?;
        let token = token.map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .context("the system's certificates cannot be read")?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, uri, token: token.transpose().context("the token is no header")?, patience })
    }

    /// Where events go, for people.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Whether a token would go over the network as it is.
    pub(super) fn shows_token(&self) -> bool {
        let host = self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.token.is_some() && self.uri.scheme_str() == Some("http") && !local
    }

    /// Sends a batch until all of it is answered. `waiting` is told why it takes so long.
    ///
    /// # Errors
    /// When the server refuses the push as such, or takes nothing for too long.
    pub(super) async fn send(&self, batch: &Batch, waiting: &mut dyn FnMut(&str)) -> anyhow::Result<Answer> {
        let too_long = |(line, message): &(u64, String)| Rejected { line: *line, code: TooLong::CODE.to_owned(), message: message.clone() };
        let mut all = Answer { rejected: batch.too_long.iter().map(too_long).collect(), ..Answer::default() };
        let mut parts = if batch.is_blank() { Vec::new() } else { vec![batch.clone()] };
        while let Some(mut part) = parts.pop() {
            if let Some(answer) = self.persist(&part, waiting).await? {
                all.accepted += answer.accepted;
                all.rejected.extend(answer.rejected.into_iter().map(|r| Rejected { line: part.start() + r.line.saturating_sub(1), ..r }));
            } else if let Some(middle) = part.middle() {
                let lines = part.lines.split_off(middle);
                let first = part.first + u64::try_from(middle)?;
                parts.extend([Batch { first, lines, ..part.clone() }, part]);
            } else {
                let message = "the server does not take so much at once".to_owned();
                all.rejected.push(Rejected { line: part.first, code: "too_large".to_owned(), message });
            }
        }
        Ok(all)
    }

    /// None when it is too large.
    async fn persist(&self, batch: &Batch, waiting: &mut dyn FnMut(&str)) -> anyhow::Result<Option<Answer>> {
        let (body, watch) = (batch.pack()?, Stopwatch::start());
        let mut wait = WAIT.0;
        loop {
            let (why, at_least) = match self.attempt(batch, body.clone()).await? {
                Attempt::Taken(answer) => return Ok(Some(answer)),
                Attempt::TooLarge => return Ok(None),
                Attempt::Later(why, at_least) => (why, at_least),
            };
            let pause = at_least.unwrap_or_default().max(wait);
            if watch.elapsed() + pause > self.patience {
                bail!("{} takes nothing: {why}", self.authority());
            }
            waiting(&why);
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(WAIT.1);
        }
    }

    async fn attempt(&self, batch: &Batch, body: Bytes) -> anyhow::Result<Attempt> {
        let mut request = Request::post(&self.uri)
            .header(header::CONTENT_TYPE, if batch.document { "application/json" } else { "application/x-ndjson" })
            .header(header::CONTENT_ENCODING, "gzip")
            .header(header::USER_AGENT, concat!("filin/", env!("CARGO_PKG_VERSION")));
        if let Some(source) = &batch.source {
            request = request.header(ORIGIN, &**source).header(FIRST_LINE, batch.start());
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let exchange = async {
            let response = self.client.request(request.body(Full::new(body))?).await.map_err(anyhow::Error::new)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|e| anyhow::anyhow!(e))?.to_bytes();
            anyhow::Ok((head, body))
        };
        let (head, body) = match tokio::time::timeout(ANSWER, exchange).await {
            Err(_) => return Ok(Attempt::Later("no answer in time".to_owned(), None)),
            Ok(Err(e)) => return Ok(Attempt::Later(chain(&e), None)),
            Ok(Ok(answered)) => answered,
        };
        understand(head.status, &head.headers, &body)
    }
}

fn understand(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> anyhow::Result<Attempt> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let said = answer.as_ref().map_or(String::new(), |a| format!(": {} ({})", a.message, a.code));
    match (status, answer) {
        (StatusCode::OK, Some(answer)) => Ok(Attempt::Taken(answer)),
        // Nothing of it could be read: every line is named.
        (StatusCode::BAD_REQUEST, Some(answer)) if !answer.rejected.is_empty() => Ok(Attempt::Taken(answer)),
        (StatusCode::PAYLOAD_TOO_LARGE, _) => Ok(Attempt::TooLarge),
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _) => Ok(Attempt::Later(format!("busy{said}"), retry_after(headers))),
        (status, _) if status.is_server_error() => Ok(Attempt::Later(format!("answered {status}{said}"), retry_after(headers))),
        (StatusCode::UNAUTHORIZED, _) => bail!("the server wants a valid token: set FILIN_INGEST_TOKEN"),
        (StatusCode::OK, None) => bail!("this is no Filin: its answer cannot be read"),
        (status, _) => bail!("the server answered {status}{said}"),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// An error with its causes, each once.
fn chain(e: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in e.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}
