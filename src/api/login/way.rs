//! How a log-in's cookie travels: only where nobody on the way can read it.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ops::random;

/// How somebody reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By TLS, ours or that of a proxy which is believed.
    Encrypted,
    /// Within this machine.
    Loopback,
}

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cookie {
    /// The log-in.
    Session,
    /// The form of somebody who is not logged in yet.
    Form,
}

impl Way {
    const fn name(self, cookie: Cookie) -> &'static str {
        match (self, cookie) {
            // A browser takes such a name with Secure, Path=/ and without Domain only: no neighbour can set it.
            (Self::Encrypted, Cookie::Session) => "__Host-filin",
            (Self::Encrypted, Cookie::Form) => "__Host-filin-form",
            (Self::Loopback, Cookie::Session) => "filin-session",
            (Self::Loopback, Cookie::Form) => "filin-form",
        }
    }

    fn read(self, headers: &HeaderMap, cookie: Cookie) -> Option<String> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
        let mut ours = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == self.name(cookie));
        let (_, value) = ours.next()?;
        // Two of one name: somebody else set one of them.
        let legal = ours.next().is_none() && URL_SAFE_NO_PAD.decode(value).is_ok_and(|id| id.len() == random::TOKEN);
        legal.then(|| value.to_owned())
    }

    fn write(self, cookie: Cookie, value: &str, more: &str) -> HeaderValue {
        let secure = if self == Self::Encrypted { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", self.name(cookie));
        HeaderValue::try_from(text).expect("letters and digits")
    }

    /// The id of a log-in that a request shows.
    pub(crate) fn cookie(self, headers: &HeaderMap) -> Option<String> {
        self.read(headers, Cookie::Session)
    }

    /// Gives a browser a log-in. It ends with the browser, if not before.
    pub(crate) fn give(self, id: &str) -> HeaderValue {
        self.write(Cookie::Session, id, "")
    }

    /// Takes it away.
    pub(crate) fn take(self) -> HeaderValue {
        self.write(Cookie::Session, "", "; Max-Age=0")
    }

    /// What ties a form to the browser of somebody who is not logged in; with what gives it, where it is new.
    pub(crate) fn form(self, headers: &HeaderMap) -> std::io::Result<(String, Option<HeaderValue>)> {
        match self.read(headers, Cookie::Form) {
            Some(id) => Ok((id, None)),
            None => random::token().map(|id| (id.clone(), Some(self.write(Cookie::Form, &id, "")))),
        }
    }

    /// The same, when the form comes back.
    pub(crate) fn of_form(self, headers: &HeaderMap) -> Option<String> {
        self.read(headers, Cookie::Form)
    }
}
