//! Asking the running instance to do something: it alone appends to a log of its own.

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, header};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::{Serialize, de::DeserializeOwned};

use super::{Usage, dead_letters::store, replay};
use crate::{
    ops::config::{Config, Secret, Store},
    pipeline::service::CONSOLE,
    store::state,
};

/// Who asks: as said, else the account that runs this.
pub(super) fn who(by: Option<String>) -> Result<String, Usage> {
    by.or_else(crate::ops::config::account)
        .ok_or_else(|| Usage("--by: USER is not set, so say who asks for it, as in --by anna".to_owned()))
}

/// Of the account that writes the store.
pub(super) fn password(config: &Config) -> Option<Secret> {
    match &config.store {
        Store::Server(server) => Some(server.password.clone()),
        #[cfg(feature = "embedded")]
        Store::Embedded(_) => crate::store::embedded::access(&config.data).map(|a| a.writer_password),
        #[cfg(not(feature = "embedded"))]
        Store::Embedded(_) => None,
    }
}

/// The instance that runs here.
pub(super) struct Running {
    /// Its store.
    pub(super) client: clickhouse::Client,
    console: String,
    password: Secret,
}

impl Running {
    /// Finds it; `orders`: what only a running instance can put into its log.
    pub(super) async fn find(config: &Config, orders: &str) -> anyhow::Result<Self> {
        let none = || format!("no Filin runs here: start it, its log takes {orders} only from the running instance");
        let client = match &config.store {
            Store::Embedded(_) => replay::live(config).with_context(none)?,
            // A server is there without us; whether anybody runs beside it, the answer tells.
            Store::Server(_) => store(config).await?.0,
        };
        let console = state::meta(&client, CONSOLE).await?.with_context(none)?;
        let password = password(config).context("the running instance's password is not there")?;
        Ok(Self { client, console, password })
    }

    /// Posts an order.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, order: &impl Serialize) -> anyhow::Result<T> {
        post(&self.console, &self.password, path, order).await?.context("the running instance does not answer: try again")
    }
}

/// Posts JSON to the instance at `console`; none when nobody answers there.
pub(super) async fn post<T: DeserializeOwned>(
    console: &str,
    password: &Secret,
    path: &str,
    body: &impl Serialize,
) -> anyhow::Result<Option<T>> {
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut token = header::HeaderValue::try_from(format!("Bearer {}", password.expose())).context("the password is no header")?;
    token.set_sensitive(true);
    let request = Request::post(format!("http://{console}{path}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, token)
        .body(Full::new(serde_json::to_vec(body)?.into()))?;
    let response = match client.request(request).await {
        Ok(response) => response,
        Err(e) if e.is_connect() => return Ok(None),
        Err(e) => return Err(e).context("the running instance broke off; ask again"),
    };
    let status = response.status();
    let body = response.into_body().collect().await.context("the running instance broke off; ask again")?.to_bytes();
    if status != StatusCode::OK {
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        anyhow::bail!("the running instance answered {status}: {}", said["message"].as_str().unwrap_or("no Filin answers there"));
    }
    serde_json::from_slice(&body).context("the answer of the running instance cannot be read").map(Some)
}
