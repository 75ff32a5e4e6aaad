//! What Prometheus reads at `/metrics`. Names are `filin_<part>_<what>_<unit>[_total]`; labels are words of ours, never a person,
//! a client or the text of an error. Every label set is there, at zero, from the start.

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector,
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
        /// Appended to the log.
        Accepted = "accepted",
        /// A dead letter.
        Rejected = "rejected",
        /// Seen before.
        Duplicate = "duplicate",
        /// Scored after its date had closed.
        Late = "late",
        /// More than 72 h late: stored, hard rules only.
        TooLate = "too_late",
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

/// The label of a word that was not announced.
const OTHER: &str = "other";
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
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
    /// Records appended to the log.
    pub log_appended: IntCounter,
    /// Time until an append was durable.
    pub log_append_seconds: Histogram,
    /// Records of the log behind the scorer.
    pub log_lag: IntGauge,
    /// Time to score a batch.
    pub score_seconds: Histogram,
    /// Versions of alerts stored.
    pub alert_versions: IntCounter,
    /// Bytes of the tenants' states.
    pub state_bytes: IntGauge,
    /// Managers with a baseline.
    pub managers: IntGauge,
    /// Time to store a batch.
    pub store_seconds: Histogram,
    /// Rows stored.
    pub store_rows: IntCounter,
    /// Attempts to store that failed and are made again.
    pub store_retries: IntCounter,
    /// Rows waiting to be stored.
    pub store_buffer: IntGauge,
    /// 1 while ClickHouse is away and consumption pauses.
    pub store_away: IntGauge,
    /// Time to write a checkpoint.
    pub checkpoint_seconds: Histogram,
    /// Time from the log's append to the effects' storing.
    pub delay_seconds: Histogram,
    /// 1 when requests are answered.
    pub ready: IntGauge,
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
            score_seconds: histogram(r, "filin_engine_score_seconds", "Time to score a batch of records."),
            alert_versions: counter(r, "filin_engine_alert_versions_total", "Versions of alerts, the first of each included."),
            state_bytes: gauge(r, "filin_engine_state_bytes", "Size of the tenants' states."),
            managers: gauge(r, "filin_engine_managers", "Managers with a baseline."),
            store_seconds: histogram(r, "filin_store_insert_seconds", "Time to store a batch of rows."),
            store_rows: counter(r, "filin_store_rows_total", "Rows stored."),
            store_retries: counter(r, "filin_store_retries_total", "Attempts to store that failed and were made again."),
            store_buffer: gauge(r, "filin_store_buffer_rows", "Rows waiting to be stored."),
            store_away: gauge(r, "filin_store_away", "1 while ClickHouse cannot be reached and consumption pauses."),
            checkpoint_seconds: histogram(r, "filin_store_checkpoint_seconds", "Time to write a checkpoint."),
            delay_seconds: histogram(r, "filin_pipeline_delay_seconds", "Time from a record's append to the storing of its effects."),
            ready: gauge(r, "filin_api_ready", "1 when /readyz says ready."),
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
        Source::ALL.iter().for_each(|s| drop(self.source_lag.with_label_values(&[s.as_str()])));
        Reference::ALL.iter().for_each(|k| drop(self.reference_rows.with_label_values(&[k.as_str()])));
        self.reasons.iter().for_each(|r| drop(self.rejected.with_label_values(&[r.as_str()])));
        for control in labels.controls {
            drop(self.signals.with_label_values(&[control]));
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

    /// Counts a request.
    pub fn request(&self, route: &str, status: u16, seconds: f64) {
        let class = STATUSES.get(usize::from(status / 100).saturating_sub(2)).copied().unwrap_or("5xx");
        self.requests.with_label_values(&[route, class]).inc();
        self.request_seconds.with_label_values(&[route]).observe(seconds);
    }

    /// Counts events.
    pub fn events(&self, outcome: Outcome, n: u64) {
        self.events.with_label_values(&[outcome.as_str()]).inc_by(n);
    }

    /// Counts refused input; a reason that was not announced counts as `other`.
    pub fn rejected(&self, reason: &str, n: u64) {
        let reason = if self.reasons.iter().any(|r| r == reason) { reason } else { OTHER };
        self.rejected.with_label_values(&[reason]).inc_by(n);
        self.events(Outcome::Rejected, n);
    }

    /// Counts an opened alert.
    pub fn alert(&self, control: &str, severity: &str) {
        self.alerts.with_label_values(&[control, severity]).inc();
    }

    /// Counts a signal.
    pub fn signal(&self, control: &str) {
        self.signals.with_label_values(&[control]).inc();
    }

    /// Says how far a source lies behind.
    pub fn source_lag(&self, source: Source, records: u64) {
        self.source_lag.with_label_values(&[source.as_str()]).set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// Says how much reference data there is.
    pub fn reference_rows(&self, kind: Reference, rows: u64) {
        self.reference_rows.with_label_values(&[kind.as_str()]).set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    /// Says the greatest event time; one before the last is no news.
    pub fn watermark(&self, at: Timestamp) {
        self.watermark.set(self.watermark.get().max(seconds(at)));
    }

    /// Says when a checkpoint was written.
    pub fn checkpoint_at(&self, at: Timestamp) {
        self.checkpoint_at.set(seconds(at));
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("memory can be written to and names are right");
        String::from_utf8(text).expect("the encoder writes UTF-8")
    }
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
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains(concat!("filin_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")));
    }

    #[test]
    fn counts_what_it_is_told() {
        let metrics = metrics();
        metrics.rejected("future", 3);
        metrics.rejected("Ivanov, +7 900 000-00-00", 2);
        metrics.watermark(Timestamp::from_millis(2500));
        metrics.watermark(Timestamp::from_millis(1000));
        metrics.request("/v1/events", 200, 0.1);
        metrics.request("/v1/events", 999, 0.1);
        let text = metrics.text();
        for line in [
            "filin_source_rejected_total{reason=\"future\"} 3",
            "filin_source_rejected_total{reason=\"other\"} 2",
            "filin_pipeline_events_total{outcome=\"rejected\"} 5",
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
