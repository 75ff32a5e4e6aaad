//! Effects as rows. Equal effects give equal rows; `stored_at` alone is the server's own.

use std::borrow::Cow;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::{
    engine::{AlertVersion, Lateness, ManagerDay, ManagerHour, Mute, Signal},
    event::{Enriched, client_hash},
    store::Alias,
};

/// A position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
}

/// A word of the event format; static when we write it, owned when it is read back.
pub type Word = Cow<'static, str>;

/// A row of `events`.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are EVENT.md's paths")]
pub struct Event {
    pub tenant: String,
    pub manager: String,
    pub manager_alias: String,
    pub team: String,
    pub time: i64,
    pub source: String,
    pub id: String,
    pub actor_id: String,
    pub actor_kind: Word,
    pub action: Word,
    pub outcome: Word,
    pub reason: String,
    pub channel: Word,
    pub session: String,
    pub object_type: Word,
    pub object_id: String,
    pub object_owner: String,
    pub object_ids: Vec<String>,
    pub object_client: String,
    pub records: Option<u64>,
    pub bytes: Option<u64>,
    pub query_fingerprint: String,
    pub query_fields: Vec<String>,
    pub query_filter: Option<bool>,
    pub call_direction: Word,
    pub call_duration_s: Option<u64>,
    pub call_client: String,
    pub order: String,
    pub client_ip: String,
    pub client_user_agent: String,
    pub client_device: String,
    pub client_app: String,
    pub client_version: String,
    pub client_country: String,
    pub client_asn: Option<u32>,
    pub client_lat: Option<f64>,
    pub client_lon: Option<f64>,
    pub client_net: Word,
    pub client_tls: String,
    pub auth_method: String,
    pub auth_mfa: Option<bool>,
    pub auth_mfa_method: String,
    pub change_what: String,
    pub change_from: String,
    pub change_to: String,
    pub change_target: String,
    pub enrich: String,
    pub late: Word,
    pub log_partition: u32,
    pub log_offset: u64,
}

/// A row of `events_raw`: what only the writer may see.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are EVENT.md's paths")]
pub struct EventRaw {
    pub tenant: String,
    pub manager: String,
    pub time: i64,
    pub source: String,
    pub id: String,
    pub actor_name: String,
    pub call_number: String,
    pub query_text: String,
    pub attrs: String,
    pub log_offset: u64,
}

/// Both rows of an event; the second only where there is something to keep.
pub fn event(e: &Enriched, late: Lateness, alias: &Alias, at: Position) -> (Event, Option<EventRaw>) {
    let event = &e.event;
    let object = event.object.clone().unwrap_or_default();
    let query = event.query.clone().unwrap_or_default();
    let call = event.call.clone().unwrap_or_default();
    let place = event.client.clone().unwrap_or_default();
    let auth = event.auth.clone().unwrap_or_default();
    let change = event.change.clone().unwrap_or_default();
    let text = |t: Option<String>| t.unwrap_or_default();
    let raw = EventRaw {
        tenant: event.tenant.clone(),
        manager: e.enrich.manager.clone(),
        time: event.time.millis(),
        source: event.source.clone(),
        id: event.id.clone(),
        actor_name: text(event.actor.name.clone()),
        call_number: text(call.number),
        query_text: text(query.text),
        attrs: if event.attrs.is_empty() { String::new() } else { json(&event.attrs) },
        log_offset: at.offset,
    };
    let empty = raw.actor_name.is_empty() && raw.call_number.is_empty() && raw.query_text.is_empty() && raw.attrs.is_empty();
    let row = Event {
        tenant: event.tenant.clone(),
        manager: e.enrich.manager.clone(),
        manager_alias: alias.of(&event.tenant, &e.enrich.manager),
        team: text(e.enrich.team.clone()),
        time: event.time.millis(),
        source: event.source.clone(),
        id: event.id.clone(),
        actor_id: event.actor.id.clone(),
        actor_kind: event.actor.kind.as_str().into(),
        action: event.action.as_str().into(),
        outcome: event.outcome.as_str().into(),
        reason: text(event.reason.clone()),
        channel: event.channel.map_or(Word::Borrowed(""), |c| c.as_str().into()),
        session: text(event.session.clone()),
        object_type: object.kind.map_or(Word::Borrowed(""), |k| k.as_str().into()),
        object_id: text(object.id),
        object_owner: text(object.owner),
        object_ids: object.ids,
        object_client: text(object.client),
        records: event.records,
        bytes: event.bytes,
        query_fingerprint: text(query.fingerprint),
        query_fields: query.fields,
        query_filter: query.filter,
        call_direction: call.direction.map_or(Word::Borrowed(""), |d| d.as_str().into()),
        call_duration_s: call.duration_s,
        call_client: text(call.client),
        order: text(event.order.clone()),
        client_ip: text(place.ip),
        client_user_agent: text(place.user_agent),
        client_device: text(place.device),
        client_app: text(place.app),
        client_version: text(place.version),
        client_country: text(place.country),
        client_asn: place.asn,
        client_lat: place.lat,
        client_lon: place.lon,
        client_net: place.net.map_or(Word::Borrowed(""), |n| n.as_str().into()),
        client_tls: text(place.tls),
        auth_method: text(auth.method),
        auth_mfa: auth.mfa,
        auth_mfa_method: text(auth.mfa_method),
        change_what: text(change.what),
        change_from: text(change.from),
        change_to: text(change.to),
        change_target: text(change.target),
        enrich: json(&e.enrich),
        late: late.as_str().into(),
        log_partition: at.partition,
        log_offset: at.offset,
    };
    (row, (!empty).then_some(raw))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types have string keys only")
}

/// A row of `signals`.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are the fields of a signal")]
pub struct SignalRow {
    pub signal_id: String,
    pub tenant: String,
    pub manager: String,
    pub manager_alias: String,
    pub time: i64,
    pub source: String,
    pub id: String,
    pub control: String,
    pub detector: String,
    pub bits: u64,
    pub observed: f64,
    pub expected: f64,
    pub unit: String,
    pub event_id: String,
    pub muted: bool,
    pub log_partition: u32,
    pub log_offset: u64,
}

/// The row of a signal that `e` raised.
pub fn signal(s: Signal, e: Option<&Enriched>, alias: &Alias, at: Position) -> SignalRow {
    SignalRow {
        manager_alias: alias.of(&s.tenant, &s.manager),
        signal_id: s.signal_id,
        tenant: s.tenant,
        manager: s.manager,
        time: s.time.millis(),
        source: e.map(|e| e.event.source.clone()).unwrap_or_default(),
        id: e.map(|e| e.event.id.clone()).unwrap_or_default(),
        control: s.control,
        detector: s.detector,
        bits: s.bits,
        observed: s.observed,
        expected: s.expected,
        unit: s.unit,
        event_id: s.event_id,
        muted: s.muted,
        log_partition: at.partition,
        log_offset: at.offset,
    }
}

/// A contribution in a row of `alerts`: detector, family, bits, observed, expected, unit, sentence en, sentence ru.
pub type ContributionColumn = (String, String, u64, f64, f64, String, String, String);

/// A row of `alerts`.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are the fields of an alert version")]
pub struct AlertRow {
    pub alert_id: String,
    pub version: u32,
    pub tenant: String,
    pub manager: String,
    pub manager_alias: String,
    pub subject_kind: String,
    pub subject_id: String,
    pub team: String,
    pub role: String,
    pub notify: bool,
    pub linked: Vec<String>,
    pub late: bool,
    pub lookback: bool,
    pub time: i64,
    pub opened_at: i64,
    pub kind: String,
    pub controls: Vec<String>,
    pub severity: String,
    pub bits: u64,
    pub ln_p: f64,
    pub score: f64,
    pub summary_en: String,
    pub summary_ru: String,
    pub contributions: Vec<ContributionColumn>,
    pub event_ids: Vec<String>,
    pub events_total: u64,
    pub records: u64,
    pub clients: u64,
    pub mitre: Vec<String>,
    pub prior: String,
    pub engine: String,
    pub log_partition: u32,
    pub log_offset: u64,
}

/// The row of an alert version.
pub fn alert(a: AlertVersion, alias: &Alias, at: Position) -> AlertRow {
    let manager = a.manager.unwrap_or_default();
    AlertRow {
        manager_alias: alias.of(&a.tenant, &manager),
        alert_id: a.alert_id,
        version: a.version,
        tenant: a.tenant,
        manager,
        subject_kind: a.subject.kind.as_str().to_owned(),
        subject_id: a.subject.id,
        team: a.team.unwrap_or_default(),
        role: a.role.unwrap_or_default(),
        notify: a.notify,
        linked: a.linked,
        late: a.late,
        lookback: a.lookback,
        time: a.time.millis(),
        opened_at: a.opened_at.millis(),
        kind: a.kind,
        controls: a.controls,
        severity: a.severity.as_str().to_owned(),
        bits: a.bits,
        ln_p: a.ln_p,
        score: a.score,
        summary_en: a.summary.en,
        summary_ru: a.summary.ru,
        contributions: a
            .contributions
            .into_iter()
            .map(|c| {
                let s = c.sentence.unwrap_or_default();
                (c.detector, c.family, c.bits, c.observed, c.expected, c.unit, s.en, s.ru)
            })
            .collect(),
        event_ids: a.event_ids,
        events_total: a.events_total,
        records: a.records,
        clients: a.clients,
        mitre: a.mitre,
        prior: a.prior,
        engine: a.engine,
        log_partition: at.partition,
        log_offset: at.offset,
    }
}

impl AlertRow {
    /// The alert version as it left the engine.
    ///
    /// # Errors
    /// When a word in the row is not one of ours.
    pub fn into_version(self) -> Result<AlertVersion, super::Error> {
        use crate::engine::{Contribution, Severity, Subject, SubjectKind, Text};
        let wrong = |what: &str, word: &str| super::Error::Refused(format!("alert {} has the {what} {word:?}", self.alert_id));
        let kind = SubjectKind::from_word(&self.subject_kind).ok_or_else(|| wrong("subject kind", &self.subject_kind))?;
        let severity = Severity::from_word(&self.severity).ok_or_else(|| wrong("severity", &self.severity))?;
        let some = |t: String| (!t.is_empty()).then_some(t);
        Ok(AlertVersion {
            alert_id: self.alert_id,
            version: self.version,
            tenant: self.tenant,
            manager: some(self.manager),
            subject: Subject { kind, id: self.subject_id },
            team: some(self.team),
            role: some(self.role),
            notify: self.notify,
            linked: self.linked,
            late: self.late,
            lookback: self.lookback,
            time: crate::event::Timestamp::from_millis(self.time),
            opened_at: crate::event::Timestamp::from_millis(self.opened_at),
            kind: self.kind,
            controls: self.controls,
            severity,
            bits: self.bits,
            ln_p: self.ln_p,
            score: self.score,
            summary: Text { en: self.summary_en, ru: self.summary_ru },
            contributions: self
                .contributions
                .into_iter()
                .map(|(detector, family, bits, observed, expected, unit, en, ru)| Contribution {
                    detector,
                    family,
                    bits,
                    observed,
                    expected,
                    unit,
                    sentence: (!en.is_empty()).then_some(Text { en, ru }),
                })
                .collect(),
            event_ids: self.event_ids,
            events_total: self.events_total,
            records: self.records,
            clients: self.clients,
            mitre: self.mitre,
            prior: self.prior,
            engine: self.engine,
        })
    }
}

/// A row of `manager_hour`.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are the fields of the roll-up")]
pub struct HourRow {
    pub tenant: String,
    pub manager: String,
    pub manager_alias: String,
    pub team: String,
    pub time: i64,
    pub events: u64,
    pub records_out: u64,
    pub records_screen: u64,
    pub calls: u64,
    pub log_offset: u64,
}

/// The row of an hour.
pub fn hour(tenant: &str, h: ManagerHour, alias: &Alias, offset: u64) -> HourRow {
    HourRow {
        tenant: tenant.to_owned(),
        manager_alias: alias.of(tenant, &h.manager),
        manager: h.manager,
        team: h.team.unwrap_or_default(),
        time: h.hour.millis(),
        events: h.events,
        records_out: h.records_out,
        records_screen: h.records_screen,
        calls: h.calls,
        log_offset: offset,
    }
}

/// A row of `mutes`; empty: nothing was said of it.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are the fields of the mute")]
pub struct MuteRow {
    pub tenant: String,
    pub id: String,
    pub manager: String,
    pub team: String,
    pub client_hash: String,
    pub control: String,
    pub address: String,
    pub from: i64,
    pub until: i64,
    pub reason: String,
    pub by: String,
    pub log_partition: u32,
    pub log_offset: u64,
}

/// The row of a mute.
pub fn mute(tenant: &str, m: &Mute, at: Position) -> MuteRow {
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    MuteRow {
        tenant: tenant.to_owned(),
        id: m.id.clone(),
        manager: said(&m.manager),
        team: said(&m.team),
        client_hash: m.client.as_deref().map(|c| format!("{:016x}", client_hash(c))).unwrap_or_default(),
        control: said(&m.control),
        address: said(&m.address),
        from: m.from.millis(),
        until: m.until.millis(),
        reason: m.reason.clone(),
        by: m.by.clone(),
        log_partition: at.partition,
        log_offset: at.offset,
    }
}

/// A row of `manager_day`; `time` is midnight UTC of the local date.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are the fields of the roll-up")]
pub struct DayRow {
    pub tenant: String,
    pub manager: String,
    pub manager_alias: String,
    pub team: String,
    pub role: String,
    pub time: i64,
    pub events: u64,
    pub records_out: u64,
    pub records_screen: u64,
    pub clients: u64,
    pub related: u64,
    pub unrelated: f64,
    pub peak_bits: u64,
    pub log_offset: u64,
}

/// The row of a day.
pub fn day(tenant: &str, d: ManagerDay, alias: &Alias, offset: u64) -> DayRow {
    DayRow {
        tenant: tenant.to_owned(),
        manager_alias: alias.of(tenant, &d.manager),
        manager: d.manager,
        team: d.team.unwrap_or_default(),
        role: d.role.unwrap_or_default(),
        time: d.date.midnight_utc().millis(),
        events: d.events,
        records_out: d.records_out,
        records_screen: d.records_screen,
        clients: d.clients,
        related: d.related,
        unrelated: d.unrelated,
        peak_bits: d.peak_bits,
        log_offset: offset,
    }
}
