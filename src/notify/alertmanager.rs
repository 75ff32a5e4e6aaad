//! Alertmanager, API v2. Identity is the label set, so labels are what stays: who, what, how severe; numbers and words are annotations.
//!
//! An alert is posted again each minute until it is closed or two weeks old, to every Alertmanager there is: they tell each other what they
//! have sent, not which alerts they know. Each post says that it holds for an hour, so that a restart of ours resolves nothing.

use std::collections::BTreeMap;

use hyper::Uri;
use serde::Serialize;

use super::{
    Answer, Notice,
    http::{Poster, address},
};
use crate::{
    engine::{Contribution, Severity, control},
    event::{HOUR_MS, Timestamp},
};

/// Posted at once.
pub const AT_ONCE: usize = 100;

/// All Alertmanagers.
pub struct Alertmanager {
    poster: Poster,
    peers: Vec<Uri>,
}

/// An alert as Alertmanager reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// Identity.
    pub labels: BTreeMap<&'static str, String>,
    /// Words.
    pub annotations: BTreeMap<&'static str, String>,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when, if nothing more is said.
    pub ends_at: Timestamp,
    /// Where to read on.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
}

/// What an alert's posts are made of.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// Its newest version that is told.
    pub notice: &'a Notice,
    /// The control that opened it.
    pub opened_by: &'a str,
    /// Severities it had before.
    pub before: &'a [Severity],
    /// Severity or supervisor changed not long ago: earlier label sets end.
    pub changed: bool,
    /// Since when somebody is to be told.
    pub since: Timestamp,
    /// Somebody closed it.
    pub closed: bool,
}

impl Told<'_> {
    /// Its label set as of now and, where that changed, the earlier ones with their end.
    pub fn posts(&self, now: Timestamp) -> Vec<Post> {
        let (mut posts, now_severe) = (Vec::new(), self.notice.alert.severity);
        let levels = self.notice.escalated_from.iter().chain([&self.notice.supervisor]);
        // Some of these sets never were: an end of what never began tells nobody anything.
        for (level, supervisor) in levels.enumerate().filter(|_| self.changed) {
            let last = level == self.notice.escalated_from.len();
            let severities = self.before.iter().copied().chain((!last).then_some(now_severe));
            posts.extend(severities.map(|severity| self.post(severity, supervisor.as_deref(), level, now, true)));
        }
        posts.push(self.post(now_severe, self.notice.supervisor.as_deref(), self.notice.escalated_from.len(), now, self.closed));
        posts
    }

    fn post(&self, severity: Severity, supervisor: Option<&str>, level: usize, now: Timestamp, ended: bool) -> Post {
        Post {
            labels: labels(self.notice, self.opened_by, severity, supervisor, level),
            annotations: annotations(self.notice),
            starts_at: self.since.min(now),
            ends_at: if ended { now } else { now.plus(HOUR_MS) },
            generator_url: self.notice.link.clone(),
        }
    }
}

/// Never a name: those who see labels are not only those who get messages. A label without a value is none.
fn labels(notice: &Notice, opened_by: &str, severity: Severity, supervisor: Option<&str>, level: usize) -> BTreeMap<&'static str, String> {
    let (a, escalated) = (&notice.alert, if level > 0 { level.to_string() } else { String::new() });
    let all = [
        ("alertname", opened_by),
        ("tenant", &a.tenant),
        ("team", a.team.as_deref().unwrap_or_default()),
        ("supervisor", supervisor.unwrap_or_default()),
        ("escalated", &escalated),
        ("severity", severity.as_str()),
        ("manager_alias", &notice.manager_alias),
        ("alert_id", &a.alert_id),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.to_owned())).collect()
}

fn annotations(notice: &Notice) -> BTreeMap<&'static str, String> {
    let (a, catalogued) = (&notice.alert, control::get(&notice.alert.kind));
    let sentences = |pick: fn(&crate::engine::Text) -> &str| {
        let said: Vec<&str> = a.contributions.iter().filter_map(|c| c.sentence.as_ref()).map(pick).collect();
        said.join("\n")
    };
    let strongest = a.contributions.first().filter(|c| counts(c));
    let all = [
        ("title_en", catalogued.map_or(a.kind.as_str(), |c| c.title.en).to_owned()),
        ("title_ru", catalogued.map_or(a.kind.as_str(), |c| c.title.ru).to_owned()),
        ("summary_en", a.summary.en.clone()),
        ("summary_ru", a.summary.ru.clone()),
        ("why_en", sentences(|t| &t.en)),
        ("why_ru", sentences(|t| &t.ru)),
        ("actual", strongest.map(|c| number(c.observed)).unwrap_or_default()),
        ("usual", strongest.map(|c| number(c.expected)).unwrap_or_default()),
        ("unit", strongest.map(|c| c.unit.clone()).unwrap_or_default()),
        ("score", format!("{:.1}", a.score)),
        ("version", a.version.to_string()),
        ("opened_at", a.opened_at.to_string()),
        ("time", a.time.to_string()),
        ("name", notice.name.clone().unwrap_or_default()),
        ("link", notice.link.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Whether a person would count what it counts.
fn counts(c: &Contribution) -> bool {
    !["nats", "drift", "share", "weight"].contains(&c.unit.as_str())
}

fn number(x: f64) -> String {
    format!("{x:.1}").trim_end_matches(".0").to_owned()
}

impl Alertmanager {
    pub(super) fn open(peers: &[String]) -> Result<Self, String> {
        let peer = |(i, base): (usize, &String)| {
            let wrong = |e| format!("alerts.alertmanager[{i}]: {e}");
            address(base, "/api/v2/alerts").map_err(wrong)
        };
        Ok(Self { poster: Poster::open()?, peers: peers.iter().enumerate().map(peer).collect::<Result<_, _>>()? })
    }

    /// Posts to all peers. It is taken when one has it: the others get it within a minute of being back.
    pub async fn post(&self, posts: &[Post]) -> Answer {
        let body: bytes::Bytes = serde_json::to_vec(posts).expect("string keys").into();
        let asked = self.peers.iter().map(|uri| self.poster.post(uri, &[], body.clone()));
        let answers = futures_util::future::join_all(asked).await;
        for (i, answer) in answers.iter().enumerate().filter(|(_, a)| **a != Answer::Taken) {
            tracing::debug!(peer = i, ?answer, "an Alertmanager did not take alerts");
        }
        combined(answers)
    }
}

/// One that took it is enough; else what is worth trying again goes before what is not.
fn combined(answers: Vec<Answer>) -> Answer {
    let rank = |a: &Answer| match a {
        Answer::Taken => 0,
        Answer::Busy(_) => 1,
        Answer::Away(_) => 2,
        Answer::Shut(_) => 3,
        Answer::Refused(_) => 4,
    };
    answers.into_iter().min_by_key(rank).unwrap_or_else(|| Answer::Away("there is no Alertmanager".to_owned()))
}
