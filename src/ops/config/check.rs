//! From what was written to what runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    Account, Alerts, Backup, Binding, Canary, Config, Control, Duty, Embedded, Escalation, Flags, Http, Kafka, Known, Login, Mistakes,
    Pipeline, Place, Prior, Privacy, Proxy, Reference, Retention, Role, Secret, Server, Sigma, Source, Store, Tenant, Tls, Webhook, file,
    value::{Kept, List, Size, Span, span_text},
};
use crate::event::{Access, Budget, DEFAULT_TENANT, is_own};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Rules of the user's, all together, bytes: they travel in one record of the log, and Kafka takes 1 MB.
const MAX_SIGMA: u64 = 512 << 10;

/// Turns the file into what runs. Where something is wrong a default stands in and a mistake is added.
pub(super) fn check(file: file::File, flags: &Flags, known: &Known<'_>, home: &Path, mistakes: &mut Mistakes) -> Config {
    let no_effect = no_effect(&file, known);
    let mut c = Checker { mistakes };
    let by_token_only = !file.http.login.enabled.unwrap_or_default() && file.http.proxy.header.is_none();
    let kafka = c.kafka(file.kafka);
    let bindings = c.bindings(file.bindings, known);
    let data = file.embedded.data.clone().filter(|path| !path.as_os_str().is_empty());
    let data = data.unwrap_or_else(|| if flags.demo { home.with_file_name("filin-demo") } else { home.to_owned() });
    let config = Config {
        roles: c.roles(&flags.roles),
        demo: flags.demo,
        // The embedded engine takes a relative folder for one inside its own.
        data: std::path::absolute(&data).unwrap_or(data),
        http: c.http(file.http),
        access: c.access(file.access, by_token_only),
        reference: c.reference(file.reference),
        store: c.store(file.clickhouse, file.embedded),
        tenants: c.tenants(file.tenants, known),
        log_retention: c.span("log.retention", file.log.retention, 30 * DAY, DAY..=3650 * DAY),
        retention: c.retention(&file.retention, file.log.retention),
        pipeline: c.pipeline(&file.pipeline),
        alerts: c.alerts(file.alerts, known),
        controls: c.controls(file.controls, known),
        sigma: c.sigma(file.sigma),
        privacy: c.privacy(file.privacy),
        geo_database: file.geo.database,
        canary: c.canary(&file.canary),
        backup: c.backup(file.backup),
        no_effect,
        kafka,
        bindings,
    };
    c.together(&config);
    config
}

/// Keys that are checked and kept, and do nothing in this version.
fn no_effect(file: &file::File, known: &Known<'_>) -> Vec<String> {
    let mut all = Vec::new();
    let mut note = |given: bool, path: String| {
        if given {
            all.push(path);
        }
    };
    note(file.clickhouse.cluster.is_some(), "clickhouse.cluster".to_owned());
    for (id, t) in &file.tenants {
        let mut note = |given: bool, key: &str| note(given, format!("tenants.{id}.{key}"));
        note(!t.units.is_empty(), "units");
    }
    for (id, control) in &file.controls {
        let idle = control.parameters.keys().filter(|key| ![known.switches(id), known.settings(id)].concat().contains(&key.as_str()));
        idle.for_each(|key| note(true, format!("controls.{id}.{key}")));
    }
    note(file.geo.database.is_some(), "geo.database".to_owned());
    all
}

/// A network, or an address alone.
fn network(text: &str) -> Option<ipnet::IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(ipnet::IpNet::from))
}

struct Checker<'a> {
    mistakes: &'a mut Mistakes,
}

impl Checker<'_> {
    fn roles(&mut self, given: &[String]) -> BTreeSet<Role> {
        let mut roles = BTreeSet::new();
        for word in given {
            match Role::from_word(word) {
                Some(role) => drop(roles.insert(role)),
                None => self.mistakes.add("--role", format!("{word:?} is none of normalise, score, web")),
            }
        }
        if roles.is_empty() { Role::ALL.iter().copied().collect() } else { roles }
    }

    fn http(&mut self, http: file::Http) -> Http {
        let reader_token = self.token("http.reader_token", http.reader_token, http.reader_token_file.as_deref());
        let hosts = http.hosts.0.iter().map(|host| host.to_ascii_lowercase()).collect();
        let public_url = self.text("http.public_url", http.public_url);
        if let Some(url) = &public_url {
            self.url("http.public_url", url);
        }
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        let tls = self.tls(http.tls);
        let (login, proxy) = (self.login(&http.login), self.proxy(http.proxy));
        Http { listen: self.address("http.listen", http.listen, 8687), public_url, hosts, reader_token, tls, login, proxy }
    }

    fn login(&mut self, login: &file::Login) -> Option<Login> {
        let minute = Duration::from_secs(60);
        let idle = self.span("http.login.idle", login.idle, 30 * minute, minute..=DAY);
        let longest = self.span("http.login.longest", login.longest, 12 * HOUR, minute..=7 * DAY);
        if longest < idle {
            self.mistakes.add("http.login.longest", "is shorter than http.login.idle");
        }
        login.enabled.unwrap_or_default().then_some(Login { idle, longest })
    }

    fn proxy(&mut self, proxy: file::Proxy) -> Option<Proxy> {
        let header = self.text("http.proxy.header", proxy.header).map(|name| name.to_ascii_lowercase());
        if let Some(name) = &header {
            let taken = ["authorization", "cookie", "host", "origin", "forwarded", "x-forwarded-for", "x-forwarded-proto"];
            if axum::http::HeaderName::try_from(name).is_err() || taken.contains(&name.as_str()) || name.starts_with("sec-") {
                self.mistakes.add("http.proxy.header", format!("{name:?} is no header of its own, as in \"X-Forwarded-User\""));
            }
        }
        let mut from = Vec::new();
        for (i, text) in proxy.from.0.iter().enumerate() {
            match network(text) {
                Some(net) if net.prefix_len() > 0 => from.push(net),
                Some(_) => self.mistakes.add(format!("http.proxy.from[{i}]"), "is everybody: anyone could say who they are"),
                None => self.mistakes.add(format!("http.proxy.from[{i}]"), format!("{text:?} is no address or network, as in 127.0.0.1")),
            }
        }
        if header.is_some() && proxy.from.0.is_empty() {
            self.mistakes.add("http.proxy.from", "is missing: from which addresses is the header believed?");
        }
        (!from.is_empty()).then_some(Proxy { header, from })
    }

    fn tls(&mut self, tls: file::Tls) -> Option<Tls> {
        let file::Tls { listen, certificate, key, client_ca } = tls;
        if listen.is_none() && certificate.is_none() && key.is_none() && client_ca.is_none() {
            return None;
        }
        for (path, given) in [("http.tls.certificate", &certificate), ("http.tls.key", &key)] {
            if given.is_none() {
                self.mistakes.add(path, "is missing: an encrypted listener needs certificate and key, as PEM files");
            }
        }
        Some(Tls { listen: self.address("http.tls.listen", listen, 8688), certificate: certificate?, key: key?, client_ca })
    }

    fn access(&mut self, given: Vec<file::Account>, by_token_only: bool) -> Vec<Account> {
        let mut accounts: Vec<Account> = Vec::new();
        let mut seen = BTreeSet::new();
        for (i, a) in given.into_iter().enumerate() {
            let at = |key: &str| format!("access[{i}].{key}");
            let missing = |c: &mut Self, key: &str, why: &str| {
                if !c.mistakes.within(&at(key)) {
                    c.mistakes.add(at(key), format!("is missing: {why}"));
                }
            };
            let name = self.text(&at("name"), a.name).map(|name| name.trim().to_owned()).unwrap_or_default();
            if name.is_empty() {
                missing(self, "name", "it says who did what");
            } else if name.chars().count() > 200 || name.chars().any(char::is_control) {
                self.mistakes.add(at("name"), "has more than 200 letters, or such as cannot be shown");
            } else if accounts.iter().any(|other| other.name == name) {
                self.mistakes.add(at("name"), format!("{name:?} is the name of an earlier entry: nobody could tell them apart"));
            }
            let words = || Duty::ALL.iter().map(|d| d.as_str()).collect::<Vec<_>>().join(", ");
            let role = match a.role.as_deref() {
                Some(word) => Duty::from_word(word).unwrap_or_else(|| {
                    self.mistakes.add(at("role"), format!("{word:?} is none of {}", words()));
                    Duty::Auditor
                }),
                None => {
                    missing(self, "role", &format!("give one of {}", words()));
                    Duty::Auditor
                }
            };
            let (tenant, user) = (self.text(&at("tenant"), a.tenant), self.text(&at("user"), a.user));
            tenant.iter().for_each(|tenant| self.tenant_name(&at("tenant"), tenant));
            if role == Duty::Supervisor && tenant.is_none() {
                missing(self, "tenant", "a supervisor is one of an organisation");
            }
            if role == Duty::Supervisor && user.is_none() {
                missing(self, "user", "a supervisor sees who is under this id of the users");
            }
            let mut token_sha256 = Vec::new();
            for hash in a.token_sha256.0.into_iter().map(|hash| hash.to_ascii_lowercase()) {
                if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                    self.mistakes.add(at("token_sha256"), "is no SHA-256: 64 hexadecimal digits, as `filin token` prints them");
                } else if !seen.insert(hash.clone()) {
                    self.mistakes.add(at("token_sha256"), "stands here twice: a token is one person's");
                }
                token_sha256.push(Secret::new(hash));
            }
            if token_sha256.is_empty() && by_token_only {
                missing(
                    self,
                    "token_sha256",
                    "`filin token` makes a token and prints it; without one people need [http.login] or [http.proxy]",
                );
            }
            accounts.push(Account { name, role, tenant, user, token_sha256, expires: a.expires });
        }
        accounts
    }

    fn kafka(&mut self, kafka: file::Kafka) -> Option<Kafka> {
        for (i, broker) in kafka.brokers.0.iter().enumerate() {
            let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                self.mistakes.add(format!("kafka.brokers[{i}]"), format!("{broker:?} is no host:port"));
            }
        }
        let mut librdkafka = BTreeMap::new();
        for (name, value) in kafka.librdkafka {
            let (name, value) = match name.strip_suffix("_file") {
                Some(name) => {
                    let path = format!("kafka.librdkafka.{name}");
                    let Some(value) = self.secret(&path, None, Some(Path::new(&value.0))) else { continue };
                    (name.to_owned(), value)
                }
                None => (name, Secret::new(value.0)),
            };
            librdkafka.insert(name, value);
        }
        let log_topic = self.topic("kafka.log_topic", kafka.log_topic).unwrap_or_else(|| "filin.log".to_owned());
        let partitions = self.within("kafka.partitions", kafka.partitions, 32, 1..=10_000);
        let group = self.text("kafka.group", kafka.group).unwrap_or_else(|| "filin".to_owned());
        if kafka.brokers.0.is_empty() {
            return None;
        }
        Some(Kafka { brokers: kafka.brokers.0, group, log_topic, partitions, librdkafka })
    }

    fn bindings(&mut self, given: Vec<file::Binding>, known: &Known<'_>) -> Vec<Binding> {
        let mut bindings: Vec<Binding> = Vec::new();
        for (i, b) in given.into_iter().enumerate() {
            let at = |key: &str| format!("bindings[{i}].{key}");
            let topic = self.topic(&at("topic"), b.topic);
            let token = self.token(&at("token"), b.token, b.token_file.as_deref());
            let mut from: Vec<Source> =
                topic.map(Source::Topic).into_iter().chain(b.path.map(Source::Path)).chain(token.map(Source::Token)).collect();
            let wrong_already = ["topic", "path", "token", "token_file"].iter().any(|key| self.mistakes.within(&at(key)));
            if from.len() != 1 && !wrong_already {
                self.mistakes.add(format!("bindings[{i}]"), "give exactly one of topic, path and token");
            }
            // Something stands in, so that the rest of the binding is checked as well.
            let from = from.pop().unwrap_or_else(|| Source::Path(PathBuf::from(format!("bindings[{i}]"))));
            if bindings.iter().any(|other| other.from == from) {
                self.mistakes.add(format!("bindings[{i}]"), "an earlier binding has the same topic, path or token");
            }
            let format = self.text(&at("format"), b.format).unwrap_or_default();
            let format_known = known.formats.contains(&format.as_str());
            if !format_known && !self.mistakes.within(&at("format")) {
                let what = if format.is_empty() { "is missing: give".to_owned() } else { format!("{format:?} is none of") };
                self.mistakes.add(at("format"), format!("{what} {}", known.formats.join(", ")));
            }
            if let Some(country) = b.country.as_ref().filter(|c| c.len() != 2 || !c.bytes().all(|b| b.is_ascii_uppercase())) {
                self.mistakes.add(at("country"), format!("{country:?} is no ISO 3166 country, as in \"RU\""));
            }
            let binding = Binding {
                from,
                tenant: self.text(&at("tenant"), b.tenant).unwrap_or_else(|| DEFAULT_TENANT.to_owned()),
                format,
                time_zone: self.time_zone(&at("time_zone"), b.time_zone),
                country: b.country,
                actor_prefix: b.actor_prefix,
                options: b.options,
            };
            self.tenant_name(&at("tenant"), &binding.tenant);
            if is_own(&binding.tenant) {
                self.mistakes.add(at("tenant"), format!("{:?} is one of Filin's own: no _ in front", binding.tenant));
            }
            if format_known && let Err(message) = (known.check_binding)(&binding.for_adapter()) {
                self.mistakes.add(format!("bindings[{i}]"), message);
            }
            bindings.push(binding);
        }
        bindings
    }

    fn reference(&mut self, reference: file::Reference) -> Reference {
        let mut place = |key: &str, given: Option<String>| {
            let path = format!("reference.{key}");
            let text = self.text(&path, given)?;
            match text.strip_prefix("topic:") {
                Some(topic) => self.topic(&path, Some(topic.to_owned())).map(Place::Topic),
                None => Some(Place::File(PathBuf::from(text))),
            }
        };
        Reference {
            users: place("users", reference.users),
            clients: place("clients", reference.clients),
            orders: place("orders", reference.orders),
            max_lag: self.span("reference.max_lag", reference.max_lag, Duration::from_secs(300), Duration::from_secs(1)..=30 * DAY),
        }
    }

    fn store(&mut self, server: file::ClickHouse, embedded: file::Embedded) -> Store {
        let reader_password = self.secret("embedded.reader_password", embedded.reader_password, embedded.reader_password_file.as_deref());
        let listen = self.address("embedded.listen", embedded.listen, 8123);
        let memory = self.within("embedded.memory", embedded.memory.map(|Size(n)| n), 2 << 30, (512 << 20)..=(1 << 50));
        let password = self.secret("clickhouse.password", server.password, server.password_file.as_deref());
        let database = self.text("clickhouse.database", server.database).unwrap_or_else(|| "filin".to_owned());
        if database.starts_with(|c: char| c.is_ascii_digit()) || !database.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            self.mistakes
                .add("clickhouse.database", format!("{database:?} may hold only letters, digits and _ and not begin with a digit"));
        }
        let Some(url) = self.text("clickhouse.url", server.url) else {
            if !listen.ip().is_loopback() && reader_password.is_none() {
                self.mistakes.add("embedded.listen", format!("{listen} is beyond loopback: that needs embedded.reader_password"));
            }
            return Store::Embedded(Embedded { listen, reader_password, memory_bytes: memory });
        };
        self.url("clickhouse.url", &url);
        Store::Server(Server {
            url,
            user: self.text("clickhouse.user", server.user).unwrap_or_else(|| "default".to_owned()),
            password: password.unwrap_or_else(|| Secret::new("")),
            database,
            cluster: self.text("clickhouse.cluster", server.cluster),
        })
    }

    fn tenants(&mut self, given: BTreeMap<String, file::Tenant>, known: &Known<'_>) -> BTreeMap<String, Tenant> {
        let mut tenants = BTreeMap::new();
        for (id, t) in given {
            let at = |key: &str| format!("tenants.{id}.{key}");
            self.tenant_name(&format!("tenants.{id}"), &id);
            let access = t.access.and_then(|word| {
                let access = Access::from_word(&word);
                if access.is_none() {
                    self.mistakes.add(at("access"), format!("{word:?} is neither own nor team"));
                }
                access
            });
            let mut ip_allow = Vec::new();
            for (i, text) in t.ip_allow.0.iter().enumerate() {
                match network(text) {
                    Some(net) => ip_allow.push(net),
                    None => self.mistakes.add(format!("tenants.{id}.ip_allow[{i}]"), format!("{text:?} is no network, as in 10.0.0.0/8")),
                }
            }
            let calendar = self.text(&at("calendar"), t.calendar);
            for wrong in calendar.iter().flat_map(|name| (known.check_calendar)(name)) {
                self.mistakes.add(at("calendar"), wrong);
            }
            let checked = Tenant {
                time_zone: self.time_zone(&at("time_zone"), t.time_zone),
                calendar,
                access,
                ip_allow,
                require_mfa: t.require_mfa.unwrap_or_default(),
                min_versions: t.min_versions,
                backup_targets: t.backup_targets.0,
                units: t.units.into_iter().map(|(name, List(teams))| (name, teams)).collect(),
                lateness_h: t.lateness.map(|span| self.lateness(&at("lateness"), Some(span))),
            };
            tenants.insert(id, checked);
        }
        tenants
    }

    fn pipeline(&mut self, pipeline: &file::Pipeline) -> Pipeline {
        let flush_ms = self.within("pipeline.flush_ms", pipeline.flush_ms, 500, 10..=60_000);
        let checkpoint_s = self.within("pipeline.checkpoint_s", pipeline.checkpoint_s, 30, 1..=3600);
        let buffer_events = self.within("pipeline.buffer_events", pipeline.buffer_events, 200_000, 1000..=100_000_000);
        let max_line_bytes = self.within("pipeline.max_line_bytes", pipeline.max_line_bytes.map(|Size(n)| n), 16 << 20, 1024..=(1 << 30));
        Pipeline {
            lateness_h: self.lateness("pipeline.lateness", pipeline.lateness),
            flush: Duration::from_millis(flush_ms),
            checkpoint: Duration::from_secs(checkpoint_s),
            buffer_events: usize::try_from(buffer_events).unwrap_or(usize::MAX),
            max_line_bytes: usize::try_from(max_line_bytes).unwrap_or(usize::MAX),
        }
    }

    fn alerts(&mut self, alerts: file::Alerts, known: &Known<'_>) -> Alerts {
        let budget = alerts.budget.unwrap_or(Budget::Rate(1.0));
        if let Err(wrong) = budget.checked() {
            self.mistakes.add("alerts.budget", wrong);
        }
        for (i, url) in alerts.alertmanager.0.iter().enumerate() {
            self.url(&format!("alerts.alertmanager[{i}]"), url);
        }
        let webhook = self.webhook(alerts.webhook, alerts.webhook_file);
        let escalation = alerts.escalate_after.map(|after| Escalation {
            after: self.span("alerts.escalate_after", Some(after), DAY, Duration::from_secs(1)..=7 * DAY),
            from: self.severity(known, "alerts.escalate_from", alerts.escalate_from.clone()),
        });
        if alerts.escalate_from.is_some() && escalation.is_none() {
            self.mistakes.add("alerts.escalate_from", "says from which severity on: say after how long, too (alerts.escalate_after)");
        }
        if escalation.is_some() && alerts.alertmanager.0.is_empty() {
            self.mistakes.add("alerts.escalate_after", "goes with alerts.alertmanager: nobody else is told who is further up");
        }
        Alerts {
            budget,
            stakes: alerts.stakes.unwrap_or(true),
            robust: alerts.robust.unwrap_or(true),
            guard: alerts.guard.unwrap_or(true),
            groups: alerts.groups.unwrap_or(true),
            prior: match alerts.prior.as_deref() {
                None | Some("default") => Prior::Default,
                Some("none") => Prior::None,
                Some(file) => Prior::File(file.into()),
            },
            alertmanager: alerts.alertmanager.0,
            webhook,
            topic: self.topic("alerts.topic", alerts.topic),
            notify_max_age: self.span("alerts.notify_max_age", alerts.notify_max_age, DAY, Duration::from_secs(60)..=365 * DAY),
            escalation,
        }
    }

    fn severity(&mut self, known: &Known<'_>, path: &str, given: Option<String>) -> String {
        let given = given.unwrap_or_else(|| "high".to_owned());
        if !known.severities.contains(&given.as_str()) {
            self.mistakes.add(path, format!("{given:?} is no severity: {}", known.severities.join(", ")));
        }
        given
    }

    fn webhook(&mut self, given: Option<file::Webhook>, file: Option<PathBuf>) -> Option<Webhook> {
        let path = "alerts.webhook";
        let table = given.unwrap_or_default();
        let url = match (table.url, table.url_file) {
            (url, None) => self.secret(path, url, file.as_deref()),
            (url, Some(inner)) if file.is_none() => self.secret(&format!("{path}.url"), url, Some(&inner)),
            _ => {
                self.mistakes.add(path, "is given together with alerts.webhook_file: leave one out");
                None
            }
        };
        let secret = self.token(&format!("{path}.secret"), table.secret, table.secret_file.as_deref());
        if url.as_ref().is_some_and(|url| !is_url(url.expose())) {
            self.mistakes.add(path, "is no http:// or https:// address");
        }
        if url.is_none() && secret.is_some() && !self.mistakes.within(path) {
            self.mistakes.add(format!("{path}.url"), "is missing: where do findings go?");
        }
        url.map(|url| Webhook { url, secret })
    }

    fn canary(&mut self, canary: &file::Canary) -> Option<Canary> {
        let every = self.span("canary.every", canary.every, DAY, Duration::from_secs(60)..=31 * DAY);
        let first = self.span("canary.first", canary.first, Duration::from_secs(300), Duration::ZERO..=DAY);
        canary.enabled.unwrap_or(true).then_some(Canary { every, first })
    }

    fn backup(&mut self, backup: file::Backup) -> Option<Backup> {
        let every = self.span("backup.every", backup.every, DAY, Duration::from_secs(60)..=31 * DAY);
        let keep = self.within("backup.keep", backup.keep, 14, 1..=10_000);
        let key = self.token("backup.key", backup.key, backup.key_file.as_deref());
        let to: Vec<PathBuf> = backup.to.0.iter().map(|text| std::path::absolute(text).unwrap_or_else(|_| text.into())).collect();
        if to.is_empty() {
            if key.is_some() {
                self.mistakes.add("backup.to", "is missing: where do backups go?");
            }
            return None;
        }
        if to.iter().collect::<BTreeSet<_>>().len() < 2 {
            self.mistakes.add("backup.to", "is one place: give two, on two disks; one alone burns with the house");
        }
        if key.is_none() && !self.mistakes.within("backup.key") {
            self.mistakes.add("backup.key_file", "is missing: backups are encrypted, as with a file from `openssl rand -hex 32`");
        }
        key.map(|key| Backup { to, every, key, keep: usize::try_from(keep).unwrap_or(usize::MAX) })
    }

    fn controls(&mut self, given: BTreeMap<String, file::Control>, known: &Known<'_>) -> BTreeMap<String, Control> {
        let mut controls = BTreeMap::new();
        for (id, mut control) in given {
            if !known.controls.iter().any(|c| c.id == id) {
                self.mistakes.add(format!("controls.{id}"), "no such control: `filin controls` lists them");
            }
            let mut switches = BTreeMap::new();
            for name in known.switches(&id) {
                match control.parameters.remove(*name) {
                    None => {}
                    Some(Value::Bool(on)) => drop(switches.insert((*name).to_owned(), on)),
                    Some(Value::String(text)) if ["true", "false"].contains(&text.as_str()) => {
                        switches.insert((*name).to_owned(), text == "true");
                    }
                    Some(other) => self.mistakes.add(format!("controls.{id}.{name}"), format!("{other}: give true or false")),
                }
            }
            let mut settings = BTreeMap::new();
            for name in known.settings(&id) {
                let Some(value) = control.parameters.remove(*name) else { continue };
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n| n.is_finite() && *n > 0.0);
                match number {
                    Some(n) => drop(settings.insert((*name).to_owned(), n)),
                    None => self.mistakes.add(format!("controls.{id}.{name}"), format!("{value}: give a number above 0")),
                }
            }
            controls.insert(id, Control { enabled: control.enabled.unwrap_or(true), switches, settings, parameters: control.parameters });
        }
        controls
    }

    /// Whether the rules are right is the engine's to say, and no reason not to start.
    fn sigma(&mut self, sigma: file::Sigma) -> Sigma {
        let Some(folder) = sigma.rules else { return Sigma::default() };
        let texts = rules(&folder).unwrap_or_else(|e| {
            self.mistakes.add("sigma.rules", format!("{} cannot be read: {e}", folder.display()));
            BTreeMap::new()
        });
        Sigma { rules: Some(folder), texts }
    }

    fn privacy(&mut self, privacy: file::Privacy) -> Privacy {
        let alias_key = self.token("privacy.alias_key", privacy.alias_key, privacy.alias_key_file.as_deref());
        Privacy {
            pseudonyms: privacy.pseudonyms.unwrap_or(true),
            alias_key,
            names_in_messages: privacy.names_in_messages.unwrap_or_default(),
            four_eyes: privacy.four_eyes.unwrap_or_default(),
        }
    }

    /// What no section can say of itself.
    fn together(&mut self, config: &Config) {
        let server = matches!(config.store, Store::Server(_));
        if config.kafka.is_none() {
            let mut needs = |path: String| self.mistakes.add(path, "is a topic: that needs kafka.brokers");
            for (i, _) in config.bindings.iter().enumerate().filter(|(_, b)| matches!(b.from, Source::Topic(_))) {
                needs(format!("bindings[{i}].topic"));
            }
            let places = [("users", &config.reference.users), ("clients", &config.reference.clients), ("orders", &config.reference.orders)];
            places.iter().filter(|(_, p)| matches!(p, Some(Place::Topic(_)))).for_each(|(key, _)| needs(format!("reference.{key}")));
            if config.alerts.topic.is_some() {
                needs("alerts.topic".to_owned());
            }
        }
        if let Some(kafka) = &config.kafka {
            if !cfg!(feature = "kafka") {
                self.mistakes.add("kafka.brokers", "this build has no Kafka: build it with the feature `kafka`");
            }
            if config.bindings.iter().any(|b| matches!(&b.from, Source::Topic(topic) if *topic == kafka.log_topic)) {
                self.mistakes.add("kafka.log_topic", "is bound as a source as well: the log would feed itself");
            }
        }
        if !server && !cfg!(feature = "embedded") {
            self.mistakes
                .add("clickhouse.url", "is missing, and this build has no embedded ClickHouse: build it with the feature `embedded`");
        }
        if server && config.privacy.alias_key.is_none() {
            self.mistakes.add("privacy.alias_key_file", "is missing: with clickhouse.url all instances need the same key");
        }
        if config.roles.len() < Role::ALL.len() && (config.kafka.is_none() || !server) {
            self.mistakes.add("--role", "a part of the work needs kafka.brokers and clickhouse.url, which it shares with the others");
        }
        self.doors(config);
        let encrypted = config.http.tls.as_ref().map(|tls| ("http.tls.listen", tls.listen));
        let listeners = [("http.listen", config.http.listen)].into_iter().chain(encrypted);
        for (path, listen) in listeners.filter(|(_, listen)| !listen.ip().is_loopback() && config.tokens().next().is_none()) {
            self.mistakes
                .add(path, format!("{listen} is beyond loopback: that needs a binding with a token, or anybody could push events"));
        }
    }

    /// Log-in and proxy let in whom `[[access]]` names, and passwords do not travel in the clear.
    fn doors(&mut self, config: &Config) {
        let Http { login, proxy, listen, tls, .. } = &config.http;
        let asked = [("http.login.enabled", login.is_some()), ("http.proxy.header", proxy.as_ref().is_some_and(|p| p.header.is_some()))];
        for (path, _) in asked.iter().filter(|(_, on)| *on && config.access.is_empty()) {
            self.mistakes.add(*path, "lets in those whom [[access]] names, and it names nobody");
        }
        if login.is_some() && !listen.ip().is_loopback() && tls.is_none() && proxy.is_none() {
            self.mistakes.add(
                "http.login.enabled",
                format!("passwords would travel in the clear to {listen}: add [http.tls], or [http.proxy] with a proxy that speaks TLS"),
            );
        }
    }

    fn address(&mut self, path: &str, given: Option<String>, port: u16) -> SocketAddr {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let Some(text) = given else { return default };
        let local = || text.strip_prefix("localhost:")?.parse().ok().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        text.parse().ok().or_else(local).unwrap_or_else(|| {
            self.mistakes.add(path, format!("{text:?} is no address and port, as in 127.0.0.1:{port}"));
            default
        })
    }

    fn within<T: Copy + PartialOrd + Display>(&mut self, path: &str, given: Option<T>, default: T, range: RangeInclusive<T>) -> T {
        let value = given.unwrap_or(default);
        if !range.contains(&value) {
            self.mistakes.add(path, format!("{value} is not within {} and {}", range.start(), range.end()));
        }
        value
    }

    fn span(&mut self, path: &str, given: Option<Span>, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let value = given.map_or(default, |Span(span)| span);
        if !range.contains(&value) {
            let [value, from, to] = [value, *range.start(), *range.end()].map(span_text);
            self.mistakes.add(path, format!("{value} is not within {from} and {to}"));
        }
        value
    }

    /// What is not said stays as it is. Nothing goes before the log that gave it, or a replay would miss it.
    fn retention(&mut self, given: &file::Retention, log: Option<Span>) -> Retention {
        let kept = log.map_or(30 * DAY, |Span(span)| span);
        let mut of = |path: &str, given: Option<Kept>, least: Duration| {
            if let Some(Kept::For(span)) = given {
                self.span(path, Some(Span(span)), least, least..=3650 * DAY);
            }
            given
        };
        Retention {
            log: log.map(|Span(span)| Kept::For(span)),
            events: of("retention.events", given.events, kept + 7 * DAY),
            dead_letters: of("retention.dead_letters", given.dead_letters, DAY),
            alerts: of("retention.alerts", given.alerts, kept + 7 * DAY),
        }
    }

    fn lateness(&mut self, path: &str, given: Option<Span>) -> u32 {
        let span = self.span(path, given, 6 * HOUR, Duration::ZERO..=48 * HOUR);
        if !span.as_secs().is_multiple_of(3600) || span.subsec_nanos() != 0 {
            self.mistakes.add(path, format!("{} is no whole number of hours", span_text(span)));
        }
        u32::try_from(span.as_secs() / 3600).unwrap_or(48)
    }

    /// A text that says something.
    fn text(&mut self, path: &str, given: Option<String>) -> Option<String> {
        let text = given?;
        if text.trim().is_empty() {
            self.mistakes.add(path, "is empty");
            return None;
        }
        Some(text)
    }

    fn topic(&mut self, path: &str, given: Option<String>) -> Option<String> {
        let topic = self.text(path, given)?;
        // Kafka's own rule.
        let legal =
            topic.len() <= 249 && topic != "." && topic != ".." && topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !legal {
            self.mistakes.add(path, format!("{topic:?} is no name of a Kafka topic"));
        }
        Some(topic)
    }

    /// Topic keys are `tenant|id|valid_from`.
    fn tenant_name(&mut self, path: &str, name: &str) {
        if name.len() > 100 || name.chars().any(|c| c.is_control() || c.is_whitespace() || c == '|') {
            self.mistakes.add(path, format!("{name:?} is no tenant: at most 100 bytes, no spaces, no |"));
        }
    }

    fn time_zone(&mut self, path: &str, given: Option<String>) -> Option<String> {
        let name = given?;
        match jiff::tz::TimeZone::get(&name) {
            Ok(_) => Some(name),
            Err(_) => {
                self.mistakes.add(path, format!("{name:?} is no IANA time zone, as in \"Europe/Moscow\""));
                None
            }
        }
    }

    fn url(&mut self, path: &str, url: &str) {
        if !is_url(url) {
            self.mistakes.add(path, format!("{url:?} is no http:// or https:// address"));
        }
    }

    /// A secret that a program made, long enough not to be guessed.
    fn token(&mut self, path: &str, given: Option<Secret>, file: Option<&Path>) -> Option<Secret> {
        let token = self.secret(path, given, file)?;
        if token.expose().len() < 16 {
            self.mistakes.add(path, "too short: take at least 16 characters, as from `openssl rand -hex 24`");
        }
        Some(token)
    }

    /// A secret given as it is or in a file.
    fn secret(&mut self, path: &str, given: Option<Secret>, file: Option<&Path>) -> Option<Secret> {
        let secret = match (given, file) {
            (Some(_), Some(_)) => {
                self.mistakes.add(path, format!("is given together with {path}_file: leave one out"));
                return None;
            }
            (given, None) => given?,
            (None, Some(file)) => match std::fs::read_to_string(file) {
                Ok(text) => Secret::new(text.trim_end_matches(['\r', '\n'])),
                Err(e) => {
                    self.mistakes.add(format!("{path}_file"), format!("{} cannot be read: {e}", file.display()));
                    return None;
                }
            },
        };
        if secret.expose().is_empty() {
            self.mistakes.add(path, "is empty");
            return None;
        }
        Some(secret)
    }
}

/// The texts of a folder by the names of their files.
fn rules(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let (mut texts, mut left) = (BTreeMap::new(), MAX_SIGMA);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_file() || !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml")) {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{name}: {e}"));
        let mut text = String::new();
        // One byte more than may be tells that there is more.
        let read =
            io::Read::read_to_string(&mut io::Read::take(fs::File::open(&path).map_err(named)?, left + 1), &mut text).map_err(named)?;
        left =
            left.checked_sub(read as u64).ok_or_else(|| io::Error::other(format!("the rules are larger than {} KiB", MAX_SIGMA >> 10)))?;
        texts.insert(name, text);
    }
    Ok(texts)
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !text.contains(char::is_whitespace))
}
