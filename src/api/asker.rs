//! Whoever asks, as far as a request tells: its headers, where it comes from, the log-in that its cookie stands for.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use super::{Api, access::check_origin, error::Error, login::Session};
use crate::ops::clock;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What a request tells about whom it is from.
pub(crate) struct Asker {
    pub(crate) headers: HeaderMap,
    /// The other end of the connection; none: not known, so nothing that it says of others is believed.
    pub(crate) peer: Option<IpAddr>,
    /// Their log-in, where they have one that holds.
    pub(crate) session: Option<Session>,
}

impl Asker {
    /// Looks whether their log-in holds still.
    pub(super) async fn renew(&mut self, api: &Api) -> Result<(), Error> {
        self.session = None;
        if let Some(login) = &api.login
            && let Some(id) = api.access.way(self).and_then(|way| way.cookie(&self.headers))
        {
            // A page that looks again by itself is nobody at work.
            let at_work = self.headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
            self.session = login.session(&id, clock::now(), at_work).await?;
        }
        Ok(())
    }

    /// Refuses what a page of another origin sent.
    pub(crate) fn is_of_our_page(&self) -> Result<(), Error> {
        check_origin(&self.headers)
    }
}

impl FromRequestParts<Api> for Asker {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let mut asker = Self { headers: parts.headers.clone(), peer: peer(&parts.extensions), session: None };
        asker.renew(api).await?;
        Ok(asker)
    }
}

/// Where a request comes from.
pub(super) fn peer(extensions: &axum::http::Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|Peer(address)| address.ip().to_canonical())
}
