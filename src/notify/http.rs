//! One message to one address.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, Uri, header};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// How long a receiver may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Of an answer's body so much is read, so that the connection can be used again.
const ANSWER_BYTES: usize = 64 << 10;

/// How an attempt ended, in words of ours: what a receiver writes may hold what it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It took it.
    Taken,
    /// Nobody answers: others need not be tried now.
    Away(String),
    /// It is busy or broken: this one is tried again.
    Busy(String),
    /// It does not let us in, or there is no such place: tried again for a while, as somebody may be repairing that.
    Shut(String),
    /// It does not want this message: trying again does not help.
    Refused(String),
}

/// Posts JSON.
#[derive(Clone)]
pub(super) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Poster {
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(super) fn open() -> Result<Self, String> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| format!("the system's certificates cannot be read: {e}"))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector) })
    }

    pub(super) async fn post(&self, uri: &Uri, headers: &[(&'static str, String)], body: Bytes) -> Answer {
        let mut request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("filin/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = match request.body(Full::new(body)) {
            Ok(request) => request,
            Err(e) => return Answer::Refused(format!("no request can be made of it: {e}")),
        };
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            // Whether the rest can be read changes nothing.
            Limited::new(response.into_body(), ANSWER_BYTES).collect().await.ok();
            Ok::<_, hyper_util::client::legacy::Error>(status)
        };
        match tokio::time::timeout(ANSWER, exchange).await {
            Err(_) => Answer::Away(format!("no answer within {} s", ANSWER.as_secs())),
            Ok(Err(e)) if e.is_connect() => Answer::Away("cannot connect".to_owned()),
            Ok(Err(_)) => Answer::Busy("the connection broke off".to_owned()),
            Ok(Ok(status)) => understand(status),
        }
    }
}

fn understand(status: StatusCode) -> Answer {
    use StatusCode as S;
    let said = format!("answered {status}");
    match status {
        status if status.is_success() => Answer::Taken,
        S::REQUEST_TIMEOUT | S::TOO_EARLY | S::TOO_MANY_REQUESTS => Answer::Busy(said),
        S::UNAUTHORIZED | S::FORBIDDEN | S::NOT_FOUND | S::METHOD_NOT_ALLOWED | S::PROXY_AUTHENTICATION_REQUIRED => Answer::Shut(said),
        status if status.is_client_error() => Answer::Refused(said),
        // Whoever is sent elsewhere is not followed: the address in the configuration is the one that was meant.
        status if status.is_redirection() => Answer::Shut(said),
        _ => Answer::Busy(said),
    }
}

/// An address, and a path below it.
///
/// # Errors
/// When it is none.
pub(super) fn address(base: &str, path: &str) -> Result<Uri, String> {
    format!("{}{path}", if path.is_empty() { base } else { base.trim_end_matches('/') }).parse().map_err(|e| format!("no address: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_help_is_tried_again() {
        let check = |code: u16, expected: fn(String) -> Answer| {
            let status = StatusCode::from_u16(code).expect("a status");
            assert_eq!(understand(status), expected(format!("answered {status}")));
        };
        assert_eq!(understand(StatusCode::ACCEPTED), Answer::Taken);
        for busy in [408, 425, 429, 500, 502, 503] {
            check(busy, Answer::Busy);
        }
        for shut in [301, 401, 403, 404] {
            check(shut, Answer::Shut);
        }
        for refused in [400, 409, 410, 413, 422] {
            check(refused, Answer::Refused);
        }
    }

    #[tokio::test]
    async fn whoever_is_sent_elsewhere_is_not_followed() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        // A machine of our network that the receiver cannot reach itself.
        let inner = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        inner.set_nonblocking(true).expect("set");
        let (to, at) = (inner.local_addr().expect("bound"), receiver.local_addr().expect("bound"));
        let answers = tokio::spawn(async move {
            for status in [301, 302, 303, 307, 308] {
                let (mut stream, _) = receiver.accept().await.expect("a connection");
                let mut asked = [0; 4096];
                assert!(stream.read(&mut asked).await.expect("a request") > 0);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nlocation: http://{to}/latest/meta-data\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.expect("sent");
            }
        });
        let poster = Poster::open().expect("certificates");
        for _ in 0..5 {
            let answer = poster.post(&address(&format!("http://{at}/hook"), "").expect("one"), &[], Bytes::from_static(b"{}")).await;
            assert!(matches!(&answer, Answer::Shut(said) if !said.contains("meta-data")), "{answer:?}");
        }
        answers.await.expect("answered");
        assert_eq!(inner.accept().map(drop).map_err(|e| e.kind()), Err(std::io::ErrorKind::WouldBlock), "somebody came");
    }

    #[test]
    fn an_address_has_one_slash_and_keeps_its_own_path() {
        assert_eq!(address("http://h:9093/", "/api").expect("one").to_string(), "http://h:9093/api");
        assert_eq!(address("https://h/hook/?k=1", "").expect("one").to_string(), "https://h/hook/?k=1");
    }
}
