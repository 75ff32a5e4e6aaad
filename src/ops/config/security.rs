//! What a configuration leaves open that could be closed: `filin check --security`.

use serde::Serialize;

use super::{Config, Store};

/// Something that could be closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weakness {
    /// The key of the configuration.
    pub path: String,
    /// What is open, to whom, and what closes it.
    pub message: String,
}

/// The weak points of a configuration, in the order in which it is read.
pub fn weaknesses(config: &Config) -> Vec<Weakness> {
    let mut found = Vec::new();
    let mut weak = |path: &str, message: String| found.push(Weakness { path: path.to_owned(), message });
    let http = &config.http;
    if !http.listen.ip().is_loopback() {
        weak(
            "http.listen",
            format!("{} is read by whoever listens on the way: keep it on 127.0.0.1 and let people in by [http.tls]", http.listen),
        );
    }
    if config.access.is_empty() && http.reader_token.is_none() {
        weak("access", "on loopback alerts are read and answered without a token by every account of this machine, and nobody is named: add [[access]]".to_owned());
    }
    if http.reader_token.is_some() {
        weak("http.reader_token", "is one token for all: who read what is not known; give each person an [[access]]".to_owned());
    }
    let far = [Some(http.listen), http.tls.as_ref().map(|tls| tls.listen)].into_iter().flatten().any(|at| !at.ip().is_loopback());
    if far && http.login.is_none() && http.proxy.as_ref().is_none_or(|proxy| proxy.header.is_none()) {
        weak(
            "http.login",
            "is off: beyond loopback people come in by a token alone, without second factor and end; turn it on, or let a proxy say who \
             they are ([http.proxy])"
                .to_owned(),
        );
    }
    let wide = |net: &&ipnet::IpNet| net.prefix_len() + 8 < net.max_prefix_len();
    for net in http.proxy.iter().filter(|proxy| proxy.header.is_some()).flat_map(|proxy| &proxy.from).filter(wide) {
        weak("http.proxy.from", format!("every machine of {net} can say who asks: name the proxy's own address"));
    }
    for account in config.access.iter().filter(|a| a.expires.is_none() && !a.token_sha256.is_empty()) {
        weak(&format!("access.{}", account.name), "has no `expires`: a token that is forgotten works for ever".to_owned());
    }
    if let Some(kafka) = &config.kafka {
        let said = |key: &str| kafka.librdkafka.get(key).map(|v| v.expose().to_ascii_lowercase());
        let protocol = said("security.protocol").unwrap_or_else(|| "plaintext".to_owned());
        let far = kafka.brokers.iter().filter(|b| !is_near(b)).cloned().collect::<Vec<_>>().join(", ");
        if !far.is_empty() && !protocol.ends_with("ssl") {
            weak("kafka.librdkafka", format!("to {far} events travel unencrypted: set \"security.protocol\" to sasl_ssl or ssl"));
        }
        let shown = ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"].iter().any(|key| said(key).is_some());
        if !far.is_empty() && !protocol.starts_with("sasl") && !shown {
            weak(
                "kafka.librdkafka",
                "the brokers are not told who asks, so anybody could write events: use SASL or a client certificate".to_owned(),
            );
        }
        if said("enable.ssl.certificate.verification").is_some_and(|v| v == "false") {
            weak("kafka.librdkafka", "certificates of the brokers are not verified: anybody could be one".to_owned());
        }
        if said("ssl.endpoint.identification.algorithm").is_some_and(|v| v == "none") {
            weak("kafka.librdkafka", "names of the brokers are not compared with their certificates".to_owned());
        }
    }
    if let Store::Server(server) = &config.store
        && is_open(&server.url)
    {
        weak("clickhouse.url", "what is stored travels unencrypted: use https://".to_owned());
    }
    for url in config.alerts.alertmanager.iter().filter(|url| is_open(url)) {
        weak("alerts.alertmanager", format!("alerts travel unencrypted to {url}: use https://"));
    }
    if let Some(hook) = &config.alerts.webhook {
        if is_open(hook.url.expose()) {
            weak("alerts.webhook", "alerts travel unencrypted: use https://".to_owned());
        }
        if hook.secret.is_none() {
            weak("alerts.webhook.secret", "is missing: who takes the findings cannot know that they are Filin's".to_owned());
        }
    }
    if config.privacy.names_in_messages {
        weak(
            "privacy.names_in_messages",
            "names of the watched go wherever messages go: needed there, or would the pseudonym do?".to_owned(),
        );
    }
    if config.canary.is_none() {
        weak("canary", "is off: that a control stopped working would be noticed by a thief first".to_owned());
    }
    if config.backup.is_none() {
        weak("backup", "is missing: nothing is backed up by the service; name two places in [backup]".to_owned());
    }
    found
}

/// Whether an address is this machine's.
fn is_near(host_and_port: &str) -> bool {
    let host = host_and_port.rsplit_once(':').map_or(host_and_port, |(host, _)| host).trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether what goes to an address can be read on the way.
fn is_open(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    // What stands before `@` is no part of the host.
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    !is_near(host) && !is_near(&format!("{host}:80"))
}
