//! Who may ask what: `Host` and fetch headers against other sites' pages, tokens against everybody else.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::http::{HeaderMap, HeaderName, Method, header};
use base64::Engine as _;

use super::{asker::Asker, error::Error, login::Way, who::Who};
use crate::{
    event::Timestamp,
    ops::config::{Account, Binding, Config, Proxy, Secret, Source},
};

/// What the listener asks of its clients.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The listener is on loopback.
    pub loopback: bool,
    /// It speaks TLS.
    pub encrypted: bool,
    /// `Host` names accepted beside loopback's.
    pub hosts: Vec<String>,
    /// Tokens of those who push, with what they push.
    pub tokens: Vec<(Secret, Arc<Binding>)>,
    /// Token of those who read.
    pub reader: Option<Secret>,
    /// Those who read and are known by name.
    pub accounts: Vec<Account>,
    /// A proxy before it that is believed.
    pub proxy: Option<Proxy>,
}

impl Access {
    /// What the configuration says, for a listener at an address.
    pub fn new(config: &Config, listen: SocketAddr) -> Self {
        let token = |binding: &Binding| match &binding.from {
            Source::Token(token) => Some((token.clone(), Arc::new(binding.clone()))),
            _ => None,
        };
        Self {
            loopback: listen.ip().is_loopback(),
            encrypted: false,
            hosts: config.http.hosts.clone(),
            tokens: config.bindings.iter().filter_map(token).collect(),
            reader: config.http.reader_token.clone(),
            accounts: config.access.clone(),
            proxy: config.http.proxy.clone(),
        }
    }

    /// Whether a listener at this address may be opened.
    ///
    /// # Errors
    /// Beyond loopback without a token anybody could push events.
    pub fn guard(&self, listen: SocketAddr) -> Result<(), String> {
        if listen.ip().is_loopback() || !self.tokens.is_empty() {
            return Ok(());
        }
        Err(format!("{listen} is beyond loopback: that needs a binding with a token, or anybody could push events"))
    }

    /// Refuses requests that a page of another site made, and names that were made to point at us (DNS rebinding).
    pub(super) fn check_site(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Error> {
        let refuse = |code, message: &str| Err(Error::Forbidden { code, message: message.to_owned() });
        if self.loopback && !host(headers).is_some_and(|host| self.is_ours(&host)) {
            return refuse("foreign_host", "this Host is not served here: use 127.0.0.1 or localhost, or list it in http.hosts");
        }
        let fetch = |name: &'static str| headers.get(HeaderName::from_static(name)).map(axum::http::HeaderValue::as_bytes);
        // A link in a message opens a page; it can read nothing of it.
        let opens_page = method == Method::GET
            && !path.starts_with("/v1/")
            && fetch("sec-fetch-mode") == Some(b"navigate")
            && fetch("sec-fetch-dest") == Some(b"document");
        if fetch("sec-fetch-site") == Some(b"cross-site") && !opens_page {
            return refuse("cross_site", "requests from other sites' pages are refused");
        }
        Ok(())
    }

    fn is_ours(&self, host: &str) -> bool {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()) || self.hosts.iter().any(|h| h == host)
    }

    /// Who pushes: the binding of their token, or nobody in particular where no token is configured.
    pub(super) fn pusher(&self, headers: &HeaderMap) -> Result<Option<Arc<Binding>>, Error> {
        let shown = credential(headers);
        // All are compared, so that time does not tell which one was nearly right.
        let mut found = None;
        for (token, binding) in &self.tokens {
            if token.is(shown.as_deref().unwrap_or_default()) {
                found = Some(Arc::clone(binding));
            }
        }
        match found {
            Some(binding) => Ok(Some(binding)),
            None if self.tokens.is_empty() && self.loopback => Ok(None),
            None => Err(Error::Unauthorized),
        }
    }

    fn believes(&self, peer: Option<IpAddr>) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|proxy| peer.is_some_and(|peer| proxy.is(peer)))
    }

    /// Refuses who says by the proxy's header that they are somebody, and is not the proxy.
    pub(super) fn check_proxy(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<(), Error> {
        let header = self.proxy.as_ref().and_then(|proxy| proxy.header.as_ref());
        if header.is_none_or(|name| !headers.contains_key(name)) || self.believes(peer).is_some() {
            return Ok(());
        }
        let message = "only the proxy may say who asks: come through it, or leave its header out".to_owned();
        Err(Error::Forbidden { code: "foreign_proxy", message })
    }

    /// Whom the proxy says a request is from.
    fn proxied<'a>(&self, asker: &'a Asker) -> Option<Result<&'a str, ()>> {
        let name = self.believes(asker.peer)?.header.as_ref()?;
        let mut all = asker.headers.get_all(name).iter();
        let first = all.next()?;
        // Two names: one of them came from elsewhere.
        let text = if all.next().is_none() { first.to_str().map_err(drop) } else { Err(()) };
        Some(text.map(str::trim)).filter(|text| *text != Ok(""))
    }

    /// How a log-in's cookie would travel; none: where anybody could read it.
    pub(crate) fn way(&self, asker: &Asker) -> Option<Way> {
        let said = || asker.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
        if self.encrypted || self.believes(asker.peer).is_some() && said() {
            return Some(Way::Encrypted);
        }
        self.loopback.then_some(Way::Loopback)
    }

    /// Where somebody is: as a believed proxy says, else the other end of the connection.
    pub(crate) fn place(&self, asker: &Asker) -> Option<IpAddr> {
        let Some(proxy) = self.believes(asker.peer) else { return asker.peer };
        let all = asker.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(','));
        // The last ones are what proxies of ours saw; what stands before, anybody can have written.
        let said: Vec<Option<IpAddr>> = all.map(|ip| ip.trim().parse().ok()).collect();
        let seen = said.into_iter().rev().find(|ip| ip.is_none_or(|ip| !proxy.is(ip)));
        seen.flatten().or(asker.peer)
    }

    /// Who reads: whom the proxy names, who is logged in, one of `[[access]]`, whoever has the reader's token, or anybody on a loopback
    /// listener that asks for no token.
    pub(super) fn who(&self, asker: &Asker, now: Timestamp) -> Result<Who, Error> {
        if let Some(said) = self.proxied(asker) {
            let account = said.ok().and_then(|name| Account::valid(&self.accounts, name, now));
            let message = "the proxy names somebody whom [[access]] does not".to_owned();
            return account.map(Who::proxied).ok_or(Error::Forbidden { code: "nobody_here", message });
        }
        let headers = &asker.headers;
        if let (Some(session), false) = (&asker.session, headers.contains_key(header::AUTHORIZATION))
            && let Some(account) = Account::valid(&self.accounts, &session.name, now)
        {
            return Ok(Who::logged_in(account, &session.id_sha256));
        }
        let shown = credential(headers).unwrap_or_default();
        let hash = Account::hash_of(&shown);
        // All are compared, so that time does not tell which one was nearly right.
        let mut found = None;
        for account in &self.accounts {
            for known in &account.token_sha256 {
                if known.is(hash.as_bytes()) {
                    found = Some(account);
                }
            }
        }
        match (found, &self.reader) {
            (Some(account), _) if account.is_valid(now) => Ok(Who::account(account)),
            (None, Some(token)) if token.is(&shown) => Ok(Who::reader_token()),
            (None, None) if self.accounts.is_empty() && self.loopback => Ok(Who::nobody_in_particular()),
            (None, None) if self.accounts.is_empty() => Err(Error::Forbidden {
                code: "reading_off",
                message: "beyond loopback alerts are read with a token only, and no [[access]] is configured".to_owned(),
            }),
            _ => Err(Error::Unauthorized),
        }
    }
}

/// Refuses what a page of another origin sends to change something. A browser says where a request comes from; other programs do not,
/// and have no cookies or log-ins that a page could borrow.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Error> {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = match (said("sec-fetch-site"), said("origin")) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => {
            origin.split_once("://").is_some_and(|(_, host)| said("host").is_some_and(|h| h.eq_ignore_ascii_case(host)))
        }
        (None, None) => true,
    };
    let message = "only Filin's own pages may send this".to_owned();
    if ours { Ok(()) } else { Err(Error::Forbidden { code: "cross_origin", message }) }
}

/// The name in `Host`, lower case, without its port.
fn host(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(header::HOST).iter();
    let text = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    let name = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => &text[..colon],
        _ => text,
    };
    Some(name.to_ascii_lowercase())
}

/// Whether a request shows this secret.
pub(super) fn shows(headers: &HeaderMap, secret: &Secret) -> bool {
    secret.is(&credential(headers).unwrap_or_default())
}

/// The token that a request shows: a bearer's, or the password of a browser's log-in.
fn credential(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let colon = pair.iter().position(|&b| b == b':')?;
    Some(pair[colon + 1..].to_vec())
}
