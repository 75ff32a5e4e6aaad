//! What Prometheus reads at `/metrics`. Names are `filin_<part>_<what>_<unit>[_total]`; labels are words of ours, never a person,
//! a client or the text of an error. Every label set is there, at zero, from the start.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

use crate::event::{Timestamp, words};

/// Words of other parts that become labels.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Ids of controls.
    pub controls: &'a [&'a str],
    /// Severities of alerts.
    pub severities: &'a [&'a str],
    /// Codes under which input is refused.
    pub reasons: &'a [&'a str],
}

words! {
    /// What became of an event.
    Outcome {
        /// Stored and scored on an open date.
        Accepted = "accepted",
        /// A dead letter.
        Rejected = "rejected",
        /// Seen before.
        Duplicate = "duplicate",
        /// Scored after its date had closed.
        Late = "late",
        /// More than 72 h late: stored, hard rules only.
        TooLate = "too_late",
        /// Of a system actor: stored, not scored.
        Unscored = "unscored",
    }
}

words! {
    /// Where raw records come from.
    Source {
        /// A topic.
        Kafka = "kafka",
        /// Files and standard input.
        File = "file",
        /// `POST /v1/events`.
        Http = "http",
    }
}

words! {
    /// A kind of reference data.
    Reference {
        /// People.
        Users = "users",
        /// Clients.
        Clients = "clients",
        /// Orders.
        Orders = "orders",
    }
}

words! {
    /// Who is told of alerts.
    Receiver {
        /// Alertmanagers.
        Alertmanager = "alertmanager",
        /// An address that takes OCSF findings.
        Webhook = "webhook",
        /// A Kafka topic that takes them.
        Topic = "topic",
    }
}

words! {
    /// What became of an attempt to tell somebody.
    Told {
        /// The receiver took it.
        Sent = "sent",
        /// It did not; it will be tried again.
        Again = "again",
        /// The receiver refused it, or it was given up.
        Failed = "failed",
        /// Too old to be told when it was stored.
        Skipped = "skipped",
        /// The receiver knows that the alert is closed.
        Resolved = "resolved",
    }
}

words! {
    /// What became of a try to log in.
    LoggedIn {
        /// Somebody was let in.
        Ok = "ok",
        /// Name, password or code were wrong.
        Refused = "refused",
        /// It came too soon after others and was not looked at.
        Throttled = "throttled",
    }
}

/// The label of a word that was not announced.
const OTHER: &str = "other";
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
const BACKUP_AT: &str = "filin_backup_last_success_timestamp_seconds";
const OLDEST_DUE: &str = "filin_notify_oldest_due_timestamp_seconds";
const CANARY_HIT: &str = "filin_canary_last_hit_seconds";
/// 1 ms to 30 s.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// All metrics of a process. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    reasons: Vec<String>,
    events: IntCounterVec,
    rejected: IntCounterVec,
    alerts: IntCounterVec,
    signals: IntCounterVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    source_lag: IntGaugeVec,
    reference_rows: IntGaugeVec,
    watermark: Gauge,
    checkpoint_at: Gauge,
    log_appended: IntCounter,
    log_append_seconds: Histogram,
    log_lag: IntGauge,
    log_unreadable: IntCounter,
    score_records: IntCounter,
    score_seconds: Histogram,
    alert_versions: IntCounter,
    managers: IntGauge,
    store_seconds: Histogram,
    store_rows: IntCounter,
    store_retries: IntCounter,
    store_buffer: IntGauge,
    store_away: IntGauge,
    store_free: Gauge,
    checkpoint_seconds: Histogram,
    checkpoint_bytes: IntCounter,
    ready: IntGauge,
    unrecorded: IntCounter,
    logged_in: IntCounterVec,
    foreign_proxy: IntCounter,
    canary_hit: GaugeVec,
    canary_failed: IntGaugeVec,
    notified: IntCounterVec,
    ranker_in_force: IntGaugeVec,
    ranker_verdicts: IntGaugeVec,
    notify_due: IntGaugeVec,
    notify_oldest: GaugeVec,
    backup_at: GaugeVec,
    backup_every: Gauge,
    backup_bytes: IntCounterVec,
    backup_failures: IntCounterVec,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Panics
    /// When the registry holds one of these names already.
    pub fn new(registry: &Registry, labels: &Labels<'_>) -> Self {
        let r = registry;
        let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).chain([OTHER.to_owned()]).collect::<Vec<_>>();
        let metrics = Self {
            registry: registry.clone(),
            reasons: words(labels.reasons),
            events: counters(r, "filin_pipeline_events_total", "Events by what became of them.", &["outcome"]),
            rejected: counters(r, "filin_source_rejected_total", "Input refused and kept as dead letters, by reason.", &["reason"]),
            alerts: counters(r, "filin_engine_alerts_total", "Alerts opened.", &["control", "severity"]),
            signals: counters(r, "filin_engine_signals_total", "Findings of one rule or detector.", &["control"]),
            requests: counters(r, "filin_api_requests_total", "Requests answered.", &["route", "status"]),
            request_seconds: register(r, histograms("filin_api_request_seconds", "Time to answer a request.", &["route"])),
            source_lag: gauges(r, "filin_source_lag_records", "Raw records known and not yet read.", &["source"]),
            reference_rows: gauges(r, "filin_directory_rows", "Rows of reference data in force.", &["kind"]),
            watermark: float(r, "filin_engine_watermark_timestamp_seconds", "Greatest event time in the log of any tenant."),
            checkpoint_at: float(r, "filin_store_checkpoint_timestamp_seconds", "When the last checkpoint was written."),
            log_appended: counter(r, "filin_log_appended_total", "Records appended to the log."),
            log_append_seconds: histogram(r, "filin_log_append_seconds", "Time until an append to the log was durable."),
            log_lag: gauge(r, "filin_log_lag_records", "Records of the log that are not scored yet."),
            log_unreadable: counter(r, "filin_log_unreadable_total", "Lines of the log that could not be read and were skipped."),
            score_records: counter(r, "filin_engine_records_total", "Records of the log given to the engine."),
            score_seconds: histogram(r, "filin_engine_score_seconds", "Time to score a batch of records."),
            alert_versions: counter(r, "filin_engine_alert_versions_total", "Versions of alerts, the first of each included."),
            managers: gauge(r, "filin_engine_managers", "Managers with a baseline."),
            store_seconds: histogram(r, "filin_store_insert_seconds", "Time to store a batch of rows."),
            store_rows: counter(r, "filin_store_rows_total", "Rows stored."),
            store_retries: counter(r, "filin_store_retries_total", "Attempts to store that failed and were made again."),
            store_buffer: gauge(r, "filin_store_buffer_rows", "Rows waiting to be stored."),
            store_away: gauge(r, "filin_store_away", "1 while ClickHouse cannot be reached and consumption pauses."),
            store_free: float(r, "filin_store_disk_free_ratio", "Free part of the fullest disk of ClickHouse; 0 until it was asked."),
            checkpoint_seconds: histogram(r, "filin_store_checkpoint_seconds", "Time to write a checkpoint."),
            checkpoint_bytes: counter(r, "filin_store_checkpoint_bytes_total", "Bytes of changed states written by checkpoints."),
            ready: gauge(r, "filin_api_ready", "1 when /readyz says ready."),
            unrecorded: counter(r, "filin_api_reads_unrecorded_total", "Reads of alerts that could not be written down as audit events."),
            logged_in: counters(r, "filin_login_attempts_total", "Tries to log in to the console by what became of them.", &["outcome"]),
            foreign_proxy: counter(
                r,
                "filin_api_foreign_proxy_total",
                "Requests that said who they are from by the proxy's header and did not come through it.",
            ),
            canary_hit: register(
                r,
                floats(CANARY_HIT, "When the last run began in which a control's canaries fired and its near-misses did not."),
            ),
            canary_failed: gauges(
                r,
                "filin_canary_failed",
                "1 where the last run of a control's canaries did not go as expected.",
                &["control"],
            ),
            notified: counters(
                r,
                "filin_notify_attempts_total",
                "Notifications of alert versions by receiver and what became of them.",
                &["receiver", "outcome"],
            ),
            ranker_in_force: gauges(
                r,
                "filin_ranker_in_force",
                "1 while what a tenant's answers taught gives the order of its queue.",
                &["tenant"],
            ),
            ranker_verdicts: gauges(r, "filin_ranker_verdicts", "Answers of a tenant that say something of that order.", &["tenant"]),
            notify_due: gauges(r, "filin_notify_due_versions", "Alert versions that a receiver has not taken yet.", &["receiver"]),
            backup_at: register(
                r,
                GaugeVec::new(Opts::new(BACKUP_AT, "When the newest backup of a place was begun; 0: there is none."), &["place"])
                    .expect("the names are right"),
            ),
            backup_every: float(r, "filin_backup_interval_seconds", "How often backups are made; 0: by hand only."),
            backup_bytes: counters(r, "filin_backup_written_bytes_total", "Bytes that backups wrote to a place.", &["place"]),
            backup_failures: counters(r, "filin_backup_failures_total", "Backups to a place that did not come about.", &["place"]),
            notify_oldest: register(
                r,
                GaugeVec::new(Opts::new(OLDEST_DUE, "Since when the oldest of them waits; 0: none waits."), &["receiver"])
                    .expect("the names are right"),
            ),
        };
        metrics.start_at_zero(labels);
        let info = Opts::new("filin_build_info", "Version of this binary.").const_label("version", env!("CARGO_PKG_VERSION"));
        register(r, Gauge::with_opts(info).expect("the name is right")).set(1.0);
        #[cfg(target_os = "linux")]
        r.register(Box::new(prometheus::process_collector::ProcessCollector::for_self())).expect("each name is registered once");
        metrics
    }

    fn start_at_zero(&self, labels: &Labels<'_>) {
        Outcome::ALL.iter().for_each(|o| drop(self.events.with_label_values(&[o.as_str()])));
        LoggedIn::ALL.iter().for_each(|o| drop(self.logged_in.with_label_values(&[o.as_str()])));
        Source::ALL.iter().for_each(|s| drop(self.source_lag.with_label_values(&[s.as_str()])));
        Reference::ALL.iter().for_each(|k| drop(self.reference_rows.with_label_values(&[k.as_str()])));
        self.reasons.iter().for_each(|r| drop(self.rejected.with_label_values(&[r.as_str()])));
        for receiver in Receiver::ALL {
            self.notify_waiting(*receiver, 0, None);
            Told::ALL.iter().for_each(|told| drop(self.notified.with_label_values(&[receiver.as_str(), told.as_str()])));
        }
        for control in labels.controls {
            drop(self.signals.with_label_values(&[control]));
            drop(self.canary_hit.with_label_values(&[control]));
            drop(self.canary_failed.with_label_values(&[control]));
            labels.severities.iter().for_each(|severity| drop(self.alerts.with_label_values(&[control, severity])));
        }
    }

    /// Routes that will be counted.
    pub fn start_routes(&self, routes: &[&str]) {
        for route in routes {
            drop(self.request_seconds.with_label_values(&[route]));
            STATUSES.iter().for_each(|status| drop(self.requests.with_label_values(&[route, status])));
        }
    }

    /// A request was answered.
    pub fn request(&self, route: &str, status: u16, took: Duration) {
        let class = STATUSES.get(usize::from(status / 100).saturating_sub(2)).copied().unwrap_or("5xx");
        self.requests.with_label_values(&[route, class]).inc();
        self.request_seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// Reads of alerts could not be written down.
    pub fn unrecorded(&self, reads: usize) {
        self.unrecorded.inc_by(wide(reads));
    }

    /// A record was refused and is a dead letter now; a reason that was not announced counts as `other`.
    pub fn rejected(&self, reason: &str) {
        let reason = if self.reasons.iter().any(|r| r == reason) { reason } else { OTHER };
        self.rejected.with_label_values(&[reason]).inc();
        self.event(Outcome::Rejected);
    }

    /// Records are in the log.
    pub fn appended(&self, records: usize, took: Duration) {
        self.log_appended.inc_by(wide(records));
        self.log_append_seconds.observe(took.as_secs_f64());
    }

    /// A line of the log could not be read.
    pub fn unreadable(&self) {
        self.log_unreadable.inc();
    }

    /// Records of the log were given to the engine.
    pub fn scored(&self, records: usize, took: Duration) {
        self.score_records.inc_by(wide(records));
        self.score_seconds.observe(took.as_secs_f64());
    }

    /// An event came out of the engine.
    pub fn event(&self, outcome: Outcome) {
        self.events.with_label_values(&[outcome.as_str()]).inc();
    }

    /// A rule or detector found something.
    pub fn signal(&self, control: &str) {
        self.signals.with_label_values(&[control]).inc();
    }

    /// A version of an alert; the first opens it.
    pub fn alert(&self, control: &str, severity: &str, version: u32) {
        self.alert_versions.inc();
        if version == 1 {
            self.alerts.with_label_values(&[control, severity]).inc();
        }
    }

    /// Rows are stored.
    pub fn flushed(&self, rows: usize, took: Duration) {
        self.store_rows.inc_by(wide(rows));
        self.store_seconds.observe(took.as_secs_f64());
    }

    /// An attempt to store failed and will be made again.
    pub fn store_away(&self) {
        self.store_retries.inc();
        self.store_away.set(1);
    }

    /// Storing works.
    pub fn store_back(&self) {
        self.store_away.set(0);
    }

    /// The free part of ClickHouse's fullest disk.
    pub fn disk_free(&self, ratio: f64) {
        self.store_free.set(ratio);
    }

    /// Somebody tried to log in.
    pub fn logged_in(&self, outcome: LoggedIn) {
        self.logged_in.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Somebody said to be whom the proxy let in, and did not come through it.
    pub fn foreign_proxy(&self) {
        self.foreign_proxy.inc();
    }

    /// Rows that wait to be stored.
    pub fn waiting(&self, rows: usize) {
        self.store_buffer.set(whole(rows));
    }

    /// A checkpoint is written; `bytes` of changed states.
    pub fn checkpointed(&self, bytes: usize, took: Duration, at: Timestamp) {
        self.checkpoint_bytes.inc_by(wide(bytes));
        self.checkpoint_seconds.observe(took.as_secs_f64());
        self.checkpoint_at.set(seconds(at));
    }

    /// Managers with a baseline.
    pub fn managers(&self, managers: usize) {
        self.managers.set(whole(managers));
    }

    /// Records of the log that are not scored yet.
    pub fn log_lag(&self, records: u64) {
        self.log_lag.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// How far a kind of source lies behind.
    pub fn source_lag(&self, source: Source, records: u64) {
        self.source_lag.with_label_values(&[source.as_str()]).set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// Rows of reference data came into force.
    pub fn reference_rows(&self, kind: Reference, rows: usize) {
        self.reference_rows.with_label_values(&[kind.as_str()]).add(whole(rows));
    }

    /// The greatest event time; one before the last is no news.
    pub fn watermark(&self, at: Timestamp) {
        self.watermark.set(self.watermark.get().max(seconds(at)));
    }

    /// All canaries of a control were heard once more.
    pub fn canary(&self, control: &str, passed: bool, run: Timestamp) {
        self.canary_failed.with_label_values(&[control]).set((!passed).into());
        if passed {
            self.canary_hit.with_label_values(&[control]).set(seconds(run));
        }
    }

    /// Attempts to tell somebody of alert versions came to something.
    pub fn notified(&self, receiver: Receiver, told: Told, versions: usize) {
        self.notified.with_label_values(&[receiver.as_str(), told.as_str()]).inc_by(wide(versions));
    }

    /// What a receiver has not taken yet.
    pub fn notify_waiting(&self, receiver: Receiver, versions: u64, oldest: Option<Timestamp>) {
        self.notify_due.with_label_values(&[receiver.as_str()]).set(i64::try_from(versions).unwrap_or(i64::MAX));
        self.notify_oldest.with_label_values(&[receiver.as_str()]).set(oldest.map_or(0.0, seconds));
    }

    /// Backups are made so often, to these places, each of which has its newest.
    pub fn backups(&self, every: Duration, newest: &[(&str, Option<Timestamp>)]) {
        self.backup_every.set(every.as_secs_f64());
        for (place, at) in newest {
            self.backup_at.with_label_values(&[place]).set(at.map_or(0.0, seconds));
            drop(self.backup_bytes.with_label_values(&[place]));
            drop(self.backup_failures.with_label_values(&[place]));
        }
    }

    /// A backup that was begun then came about.
    pub fn backed_up(&self, place: &str, at: Timestamp, bytes: u64) {
        self.backup_at.with_label_values(&[place]).set(seconds(at));
        self.backup_bytes.with_label_values(&[place]).inc_by(bytes);
    }

    /// A backup did not come about.
    pub fn not_backed_up(&self, place: &str) {
        self.backup_failures.with_label_values(&[place]).inc();
    }

    /// What a tenant's answers came to.
    pub fn ranked(&self, tenant: &str, verdicts: usize, in_force: bool) {
        self.ranker_verdicts.with_label_values(&[tenant]).set(i64::try_from(verdicts).unwrap_or(i64::MAX));
        self.ranker_in_force.with_label_values(&[tenant]).set(in_force.into());
    }

    /// Another instance learns from a tenant's answers.
    pub fn unranked(&self, tenant: &str) {
        // Never said here: nothing to take back.
        self.ranker_verdicts.remove_label_values(&[tenant]).ok();
        self.ranker_in_force.remove_label_values(&[tenant]).ok();
    }

    /// Whether requests are answered.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// Events by what became of them, for pages.
    pub fn events_total(&self, outcome: Outcome) -> u64 {
        self.events.with_label_values(&[outcome.as_str()]).get()
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("memory can be written to and names are right");
        String::from_utf8(text).expect("the encoder writes UTF-8")
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn whole(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of our time are far below 2^53")]
fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1000.0
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("each name is registered once");
    collector
}

fn counter(r: &Registry, name: &str, help: &str) -> IntCounter {
    register(r, IntCounter::new(name, help).expect("the name is right"))
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(r, IntCounterVec::new(Opts::new(name, help), labels).expect("the names are right"))
}

fn gauge(r: &Registry, name: &str, help: &str) -> IntGauge {
    register(r, IntGauge::new(name, help).expect("the name is right"))
}

fn floats(name: &str, help: &str) -> GaugeVec {
    GaugeVec::new(Opts::new(name, help), &["control"]).expect("the names are right")
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(r, IntGaugeVec::new(Opts::new(name, help), labels).expect("the names are right"))
}

fn float(r: &Registry, name: &str, help: &str) -> Gauge {
    register(r, Gauge::new(name, help).expect("the name is right"))
}

fn histogram(r: &Registry, name: &str, help: &str) -> Histogram {
    register(r, Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec())).expect("the name is right"))
}

fn histograms(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels).expect("the names are right")
}

#[cfg(test)]
mod tests {
    use std::{io::Write, process::Stdio};

    use super::*;

    fn metrics() -> Metrics {
        let labels = Labels { controls: &["bulk_export", "off_hours"], severities: &["low", "high"], reasons: &["not_json", "future"] };
        Metrics::new(&Registry::new(), &labels)
    }

    #[test]
    fn every_label_set_starts_at_zero() {
        let text = metrics().text();
        for line in [
            "filin_pipeline_events_total{outcome=\"duplicate\"} 0",
            "filin_source_rejected_total{reason=\"future\"} 0",
            "filin_engine_alerts_total{control=\"off_hours\",severity=\"high\"} 0",
            "filin_engine_signals_total{control=\"bulk_export\"} 0",
            "filin_directory_rows{kind=\"orders\"} 0",
            "filin_api_ready 0",
            "filin_notify_attempts_total{outcome=\"sent\",receiver=\"webhook\"} 0",
            "filin_notify_oldest_due_timestamp_seconds{receiver=\"alertmanager\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains(concat!("filin_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
    }

    #[test]
    fn counts_what_it_is_told() {
        let metrics = metrics();
        metrics.rejected("future");
        metrics.rejected("Ivanov, +7 900 000-00-00");
        metrics.watermark(Timestamp::from_millis(2500));
        metrics.watermark(Timestamp::from_millis(1000));
        metrics.request("/v1/events", 200, Duration::from_millis(100));
        metrics.request("/v1/events", 999, Duration::from_millis(100));
        metrics.alert("off_hours", "high", 1);
        metrics.alert("off_hours", "high", 2);
        let text = metrics.text();
        for line in [
            "filin_source_rejected_total{reason=\"future\"} 1",
            "filin_source_rejected_total{reason=\"other\"} 1",
            "filin_pipeline_events_total{outcome=\"rejected\"} 2",
            "filin_engine_alerts_total{control=\"off_hours\",severity=\"high\"} 1",
            "filin_engine_alert_versions_total 2",
            "filin_engine_watermark_timestamp_seconds 2.5",
            "filin_api_requests_total{route=\"/v1/events\",status=\"2xx\"} 1",
            "filin_api_requests_total{route=\"/v1/events\",status=\"5xx\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn promtool_has_nothing_to_say() {
        let promtool = crate::ops::config::cache_dir().join("promtool");
        assert!(promtool.exists(), "{} is missing: run scripts/parts promtool", promtool.display());
        let metrics = metrics();
        metrics.start_routes(&["/metrics"]);
        let mut child = std::process::Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool starts");
        child.stdin.take().expect("piped").write_all(metrics.text().as_bytes()).expect("promtool reads");
        let out = child.wait_with_output().expect("promtool ends");
        assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    }
}
