//! A webhook that takes OCSF Detection Findings, signed.
//!
//! `Filin-Signature: t=SECONDS,v1=HEX`: HEX is HMAC-SHA-256, by the secret, of `SECONDS.` and the body as it stands. Whoever takes it
//! refuses what is older than some minutes and remembers `Idempotency-Key` for a while: it comes at least once.

use hmac::{Hmac, Mac};
use hyper::Uri;
use sha2::Sha256;

use super::{
    Answer, Notice,
    http::{Poster, address},
    ocsf,
};
use crate::ops::{
    clock,
    config::{self, Secret},
};

/// The header that says which alert version it is.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that says whose it is, and when it was sent.
pub const SIGNATURE: &str = "filin-signature";

/// Who takes findings.
pub struct Webhook {
    poster: Poster,
    uri: Uri,
    secret: Option<Secret>,
}

impl Webhook {
    pub(super) fn open(webhook: &config::Webhook) -> Result<Self, String> {
        // Its address may hold a secret and is not repeated.
        let uri = address(webhook.url.expose(), "").map_err(|e| format!("alerts.webhook: {e}"))?;
        Ok(Self { poster: Poster::open()?, uri, secret: webhook.secret.clone() })
    }

    /// Sends a finding.
    pub async fn send(&self, notice: &Notice) -> Answer {
        let now = clock::now();
        let body = ocsf::finding(notice, now).to_string();
        let mut headers = vec![(IDEMPOTENCY_KEY, notice.key())];
        if let Some(secret) = &self.secret {
            headers.push((SIGNATURE, signature(secret.expose().as_bytes(), now.millis() / 1000, body.as_bytes())));
        }
        self.poster.post(&self.uri, &headers, body.into()).await
    }
}

/// What stands in [`SIGNATURE`].
pub fn signature(secret: &[u8], at_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC takes keys of any length");
    mac.update(format!("{at_s}.").as_bytes());
    mac.update(body);
    format!("t={at_s},v1={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    /// Reference: `printf '1700000000.{}' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn is_what_openssl_says() {
        let expected = "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(super::signature(b"secret", 1_700_000_000, b"{}"), expected);
    }
}
