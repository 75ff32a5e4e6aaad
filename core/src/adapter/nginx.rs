//! The web server's access log of a self-hosted CRM, as JSON: the last resort, where the CRM itself tells nothing.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes,
    row::Row,
    rules,
    web_rules::{self, Request, Rule},
};
use crate::event::{Action, Channel, Event, Outcome, Place};

/// Files of pages, by the ends of their names.
const STATIC: &[&str] = &[
    ".js",
    ".css",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".svg",
    ".ico",
    ".webp",
    ".woff",
    ".woff2",
    ".ttf",
    ".eot",
    ".map",
    ".txt",
    ".webmanifest",
];
/// What machines ask for.
const HEALTH: &[&str] =
    &["/health", "/healthz", "/healthcheck", "/ping", "/ready", "/readyz", "/livez", "/status", "/nginx_status", "/stub_status"];

struct AccessLog {
    rules: Vec<Rule>,
}

pub(super) fn open(binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(AccessLog { rules: web_rules::open(binding.rules.as_ref())? }))
}

impl Format for AccessLog {
    fn event(&self, mut element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        // Before its fields lose their dashes: the same line has the same identity.
        let hash = if Row(&element).text("request_id").is_none_or(|id| id == "-") { Some(rules::row_hash(&element)) } else { None };
        let plain = element.get("ssl_protocol").is_some_and(|p| p == "-");
        element.retain(|_, value| value.as_str() != Some("-"));
        let row = Row(&element);
        let binding = around.binding;
        let uri = row.text("request_uri").ok_or_else(|| Fault::missing("request_uri"))?;
        let method = row.text("request_method").unwrap_or_default();
        let request = Request::new(method, uri);
        let meaning = web_rules::meaning(&self.rules, &request);
        if meaning.is_none() && is_noise(&request) {
            return Ok(None);
        }
        let time = row.epoch("msec").map_or_else(|| time(row, binding), Ok)?;
        let id = hash.map_or_else(|| row.required("request_id"), Ok)?;
        let ip = address(row, &binding.trusted_proxies);
        let by = row.first(&["crm_user", "remote_user"]).map(str::to_owned).or_else(|| ip.as_deref().map(|ip| format!("ip:{ip}")));
        let action = meaning.as_ref().map_or(Action::Other, |m| m.action);
        let mut event = rules::event(id, time, around.source(), rules::actor(by, None), action, binding);
        event.object = meaning.and_then(|m| rules::object(m.kind, m.id));
        let agent = row.owned("http_user_agent");
        let program = request.path.contains("/api/") && agent.as_deref().is_some_and(|a| !a.starts_with("Mozilla/"));
        event.channel = Some(if program { Channel::Api } else { Channel::Ui });
        let tls = row.text("ssl_protocol").and_then(rules::tls);
        let tls = tls.or_else(|| (plain && row.text("scheme") == Some("http")).then(|| "none".to_owned()));
        event.client = Some(Place { ip, user_agent: agent, tls, ..Place::default() }).filter(|p| *p != Place::default());
        let status = row.count("status");
        match status {
            Some(code @ (401 | 403)) => (event.outcome, event.reason) = (Outcome::Denied, Some(format!("HTTP {code}"))),
            Some(code @ 400..) => (event.outcome, event.reason) = (Outcome::Failure, Some(format!("HTTP {code}"))),
            _ => {}
        }
        if status.is_some_and(|code| (200..300).contains(&code)) {
            event.bytes = row.count("body_bytes_sent");
        }
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        for name in ["request_uri", "http_referer"] {
            if let Some(Value::String(uri)) = event.attrs.get_mut(name) {
                mask(uri);
            }
        }
        Ok(Some(event))
    }
}

fn time(row: Row<'_>, binding: &Binding) -> Result<crate::event::Timestamp, Fault> {
    let local = row.text("time_local").and_then(|text| rules::patterned(text, "%d/%b/%Y:%H:%M:%S %z", None));
    let name = if row.has("time_iso8601") { "time_iso8601" } else { "time" };
    local.map_or_else(|| row.local_time(name, binding), Ok)
}

fn is_noise(request: &Request<'_>) -> bool {
    let path = request.path.to_ascii_lowercase();
    STATIC.iter().any(|end| path.ends_with(end)) || HEALTH.contains(&path.trim_end_matches('/'))
}

/// Who asked: whoever a trusted proxy says, the last of them that is no proxy; else who stands at the other end.
fn address(row: Row<'_>, trusted: &[IpNet]) -> Option<String> {
    let remote = row.text("remote_addr").and_then(rules::ip)?;
    let is_trusted = |text: &str| text.parse::<IpAddr>().is_ok_and(|ip| trusted.iter().any(|net| net.contains(&ip)));
    if !is_trusted(&remote) {
        return Some(remote);
    }
    let forwarded = row.text("http_x_forwarded_for").unwrap_or_default();
    for hop in forwarded.rsplit(',') {
        // What is no address ends the chain: whatever stands before it may be made up.
        let Some(ip) = rules::ip(hop) else { break };
        if !is_trusted(&ip) {
            return Some(ip);
        }
    }
    Some(remote)
}

/// Takes the values of secret parameters out of an address.
fn mask(uri: &mut String) {
    let Some((path, query)) = uri.split_once('?') else { return };
    let is_secret = |part: &str| part.split_once('=').is_some_and(|(name, _)| rules::is_secret(name) || name.eq_ignore_ascii_case("sid"));
    if !query.split('&').any(is_secret) {
        return;
    }
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if is_secret(part) => format!("{name}=***"),
        _ => part.to_owned(),
    });
    *uri = format!("{path}?{}", parts.collect::<Vec<_>>().join("&"));
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn secrets_leave_the_address() {
        let check = |uri: &str, expected: &str| {
            let mut masked = uri.to_owned();
            mask(&mut masked);
            assert_eq!(masked, expected);
        };
        check("/x?module=A&access_token=abc&b=1", "/x?module=A&access_token=***&b=1");
        check("/x?module=A&record=1", "/x?module=A&record=1");
        check("/x", "/x");
    }
}
