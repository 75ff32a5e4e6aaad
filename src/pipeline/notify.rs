//! Telling people what is stored: the outbox is swept at the start, whenever an alert was stored, and every few seconds.
//!
//! The owner of a tenant's partition tells its alerts. At least once: a crash between an answer and its row sends again, under the same
//! key. Whoever takes over a partition sees what is due in the store.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::score::Progress;
use crate::{
    directory::Reference,
    engine::Severity,
    event::Timestamp,
    notify::{self, Answer, Line, Notice, Receiver, alertmanager, who},
    ops::{
        clock,
        config::Config,
        happening::Notified,
        metrics::{Metrics, Told},
    },
    store::{
        self, actions,
        notifications::{self, Known, Note, Open},
        persist, reference,
        rows::AlertRow,
    },
};

/// The outbox is looked at no less often than this.
const EVERY: Duration = Duration::from_secs(5);
/// Open alerts are posted to Alertmanager again so often.
const REPOST: Duration = Duration::from_secs(60);
/// Label sets that ended are posted so long, for an Alertmanager that was away.
const ENDING_MS: i64 = 10 * 60_000;
/// Between two attempts: the first wait and the longest.
const WAIT_MS: (i64, i64) = (1000, 60_000);
/// A receiver that does not let us in may be repaired within this.
const SHUT_MS: i64 = 3_600_000;

/// What messages say beside what is stored.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Where the console is, for links.
    pub console: String,
    /// Messages may say names.
    pub names: bool,
}

impl Manner {
    /// As configured; `listens`: where the console listens.
    pub fn of(config: &Config, listens: std::net::SocketAddr) -> Self {
        let console = config.http.public_url.clone().unwrap_or_else(|| format!("http://{listens}"));
        Self { console, names: config.privacy.names_in_messages }
    }
}

/// Tells the alerts of the tenants that are scored here, until `stop`. What the store or a receiver refuses now is tried again.
pub async fn run(
    client: clickhouse::Client,
    lines: Vec<Line>,
    manner: Manner,
    metrics: Metrics,
    progress: watch::Receiver<Progress>,
    stop: CancellationToken,
) {
    let each = lines.into_iter().map(|line| {
        let desk = Desk { client: &client, line, manner: &manner, metrics: &metrics, away: None, posted: None };
        desk.attend(progress.clone())
    });
    tokio::select! {
        () = stop.cancelled() => {}
        _ = futures_util::future::join_all(each) => {}
    }
}

/// One receiver and what is on its way there.
struct Desk<'a> {
    client: &'a clickhouse::Client,
    line: Line,
    manner: &'a Manner,
    metrics: &'a Metrics,
    /// Nobody answered so many times; not before this.
    away: Option<(u32, Instant)>,
    /// When open alerts were posted last, by both clocks.
    posted: Option<(Instant, Timestamp)>,
}

impl Desk<'_> {
    async fn attend(mut self, mut progress: watch::Receiver<Progress>) {
        if progress.wait_for(|p| p.restored).await.is_err() {
            return;
        }
        loop {
            let (tenants, noted) = {
                let p = progress.borrow_and_update();
                (p.watched().cloned().collect::<Vec<_>>(), p.noted)
            };
            if let Err(error) = self.sweep(&tenants).await {
                tracing::warn!(receiver = self.line.receiver().as_str(), %error, "what is due cannot be looked up, trying again");
            }
            // The scorer has ended: what it stored last is due at the next start.
            if let Ok(Err(_)) = tokio::time::timeout(EVERY, progress.wait_for(|p| p.noted != noted)).await {
                return;
            }
        }
    }

    async fn sweep(&mut self, tenants: &[String]) -> Result<(), store::Error> {
        let (receiver, now) = (self.line.receiver(), clock::now());
        let waiting = notifications::waiting(self.client, tenants, receiver, now).await?;
        self.metrics.notify_waiting(receiver, waiting.n, waiting.oldest);
        if self.away.is_some_and(|(_, until)| Instant::now() < until) {
            return Ok(());
        }
        let due: Vec<&Open> = waiting.first.iter().filter(|o| is_ready(o, now)).collect();
        let told = match &self.line {
            Line::Alertmanager(_) => self.post(tenants, &due, now).await?,
            _ => self.send(&due).await?,
        };
        if told > 0 {
            let waiting = notifications::waiting(self.client, tenants, receiver, now).await?;
            self.metrics.notify_waiting(receiver, waiting.n, waiting.oldest);
        }
        Ok(())
    }

    /// One message for each version. Returns how many are done with.
    async fn send(&mut self, due: &[&Open]) -> Result<usize, store::Error> {
        let mut done = 0;
        if due.is_empty() {
            return Ok(done);
        }
        let mut rows = notifications::versions(self.client, due).await?;
        let people = reference::people(self.client).await?;
        let escalated = actions::escalations(self.client, &ids(due.iter().map(|open| &open.alert_id))).await?;
        for open in due {
            let times = escalated.get(&open.alert_id).map_or(0, Vec::len);
            let key = (open.alert_id.clone(), open.version);
            let answer = match rows.remove(&key).map(|row| self.notice(row, &people, times, clock::now())) {
                None => Answer::Refused("the alert is not stored any more".to_owned()),
                Some(Err(e)) => Answer::Refused(e.to_string()),
                Some(Ok(notice)) => match &self.line {
                    Line::Webhook(webhook) => webhook.send(&notice).await,
                    #[cfg(feature = "kafka")]
                    Line::Topic(topic) => topic.send(&notice).await,
                    Line::Alertmanager(_) => unreachable!("it is posted to"),
                },
            };
            done += self.note(&[open], &answer).await?;
            if matches!(answer, Answer::Away(_)) {
                break;
            }
        }
        Ok(done)
    }

    /// Posts what is due and, once a minute, all that is open. Returns how many versions are done with.
    async fn post(&mut self, tenants: &[String], due: &[&Open], now: Timestamp) -> Result<usize, store::Error> {
        let repost = match self.posted {
            Some((since, at)) if since.elapsed() < REPOST => actions::escalated_since(self.client, tenants, at).await? > 0,
            _ => true,
        };
        let known = notifications::known(self.client, tenants, Receiver::Alertmanager, now).await?;
        let closed: Vec<&Known> = known.iter().filter(|k| k.closed > k.resolved).collect();
        if due.is_empty() && closed.is_empty() && !repost {
            return Ok(0);
        }
        let people = reference::people(self.client).await?;
        for some in closed.chunks(alertmanager::AT_ONCE) {
            let cases: Vec<_> = some.iter().map(|k| (k.alert_id.clone(), Case::of(k, now))).collect();
            if self.posted_to(tenants, &cases, &people, now).await? == Answer::Taken {
                self.resolved(some, now).await?;
            }
        }
        let known: BTreeMap<String, Known> = known.into_iter().map(|k| (k.alert_id.clone(), k)).collect();
        let mut done = 0;
        for some in by_alert(due).chunks(alertmanager::AT_ONCE) {
            let case = |opens: &Vec<&Open>| {
                let first = opens[0];
                let since = known.get(&first.alert_id).map_or(first.since, |k| k.since.min(first.since));
                (first.alert_id.clone(), Case { since, changed: true, closed: false })
            };
            let alerts: Vec<(String, Case)> = some.iter().map(case).collect();
            let opens: Vec<&Open> = some.iter().flatten().copied().collect();
            let answer = self.posted_to(tenants, &alerts, &people, now).await?;
            // One that is refused must not hold up the others.
            if let (Answer::Refused(_), true) = (&answer, alerts.len() > 1) {
                for (alert, opens) in alerts.iter().zip(some) {
                    let answer = self.posted_to(tenants, std::slice::from_ref(alert), &people, now).await?;
                    done += self.note(opens, &answer).await?;
                }
            } else {
                done += self.note(&opens, &answer).await?;
            }
            if matches!(answer, Answer::Away(_)) {
                return Ok(done);
            }
        }
        if repost {
            let lately = |k: &&Known| k.closed == 0 || now.millis() - k.closed < ENDING_MS;
            let cases = known.values().filter(lately).map(|k| (k.alert_id.clone(), Case::of(k, now)));
            for some in cases.collect::<Vec<_>>().chunks(alertmanager::AT_ONCE) {
                match self.posted_to(tenants, some, &people, now).await? {
                    Answer::Taken => {}
                    answer => tracing::warn!(?answer, "open alerts could not be posted to Alertmanager again"),
                }
            }
            self.posted = Some((Instant::now(), now));
        }
        Ok(done)
    }

    async fn posted_to(
        &self,
        tenants: &[String],
        cases: &[(String, Case)],
        people: &Reference,
        now: Timestamp,
    ) -> Result<Answer, store::Error> {
        let Line::Alertmanager(line) = &self.line else { unreachable!("only Alertmanager is posted to") };
        let ids = ids(cases.iter().map(|(id, _)| id));
        let mut stories = notifications::stories(self.client, tenants, &ids).await?;
        let escalated = actions::escalations(self.client, &ids).await?;
        let mut posts = Vec::new();
        for (id, case) in cases {
            let Some(mut story) = stories.remove(id) else { continue };
            let Some(newest) = story.severities.pop() else { continue };
            let before: Vec<Severity> = story.severities.iter().filter_map(|row| Severity::from_word(&row.severity)).collect();
            let times = escalated.get(id).map_or(&[][..], |times| times);
            let passed_on = times.last().is_some_and(|at| now.millis() - at < ENDING_MS);
            let notice = self.notice(newest, people, times.len(), now)?;
            let told = alertmanager::Told {
                notice: &notice,
                opened_by: &story.opened_by,
                before: &before,
                changed: case.changed || passed_on,
                since: Timestamp::from_millis(case.since),
                closed: case.closed,
            };
            posts.extend(told.posts(now));
        }
        Ok(if posts.is_empty() { Answer::Refused("the alert is not stored any more".to_owned()) } else { line.post(&posts).await })
    }

    /// Writes down that Alertmanager knows of closed alerts.
    async fn resolved(&self, known: &[&Known], now: Timestamp) -> Result<(), store::Error> {
        let note = |k: &&Known| Note {
            tenant: k.tenant.clone(),
            alert_id: k.alert_id.clone(),
            version: k.version,
            receiver: Receiver::Alertmanager.as_str().to_owned(),
            attempt: 0,
            state: Told::Resolved.as_str().to_owned(),
            reason: String::new(),
            at: now.millis().max(k.closed),
        };
        let notes: Vec<Note> = known.iter().map(note).collect();
        persist("notifications", || notifications::save(self.client, &notes)).await?;
        Notified { receiver: Receiver::Alertmanager, told: Told::Resolved, n_versions: notes.len(), reason: None }.emit(self.metrics);
        Ok(())
    }

    fn notice(&self, row: AlertRow, people: &Reference, escalated: usize, now: Timestamp) -> Result<Notice, store::Error> {
        let manager_alias = row.manager_alias.clone();
        let alert = row.into_version()?;
        let directory = people.tenant(&alert.tenant);
        let manager = alert.manager.as_deref();
        let at = |level| directory.zip(manager).and_then(|(d, m)| who::supervisor(d, m, now, level));
        let (supervisor, escalated_from) = (at(escalated), (0..escalated).map(at).collect());
        let user = directory.zip(manager).and_then(|(d, m)| d.users().at(m, now));
        let name = user.and_then(|u| u.name.clone()).filter(|_| self.manner.names);
        let link = notify::link(&self.manner.console, &alert.alert_id);
        Ok(Notice { alert, manager_alias, supervisor, escalated_from, name, link })
    }

    /// Writes down what became of an attempt, counts and logs it. Returns how many are done with.
    async fn note(&mut self, opens: &[&Open], answer: &Answer) -> Result<usize, store::Error> {
        let (now, receiver) = (clock::now(), self.line.receiver());
        self.away = match (answer, self.away) {
            (Answer::Away(_), before) => {
                let times = before.map_or(0, |(times, _)| times) + 1;
                Some((times, Instant::now() + Duration::from_millis(wait_ms(times).unsigned_abs())))
            }
            _ => None,
        };
        let notes: Vec<Note> = opens.iter().map(|open| judged(open, receiver, answer, now)).collect();
        // What was sent must be known to be: until it is, nothing else is sent.
        persist("notifications", || notifications::save(self.client, &notes)).await?;
        let mut done = 0;
        for told in [Told::Sent, Told::Again, Told::Failed] {
            let of: Vec<&Note> = notes.iter().filter(|n| n.state == told.as_str()).collect();
            if let Some(first) = of.first() {
                let reason = (!first.reason.is_empty()).then_some(first.reason.as_str());
                Notified { receiver, told, n_versions: of.len(), reason }.emit(self.metrics);
                done += if told == Told::Again { 0 } else { of.len() };
            }
        }
        Ok(done)
    }
}

/// An alert that is posted.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Since when it is told.
    since: i64,
    /// Its severity rose not long ago: earlier label sets are ended.
    changed: bool,
    /// Somebody closed it.
    closed: bool,
}

impl Case {
    fn of(k: &Known, now: Timestamp) -> Self {
        Self { since: k.since, changed: now.millis() - k.last < ENDING_MS, closed: k.closed > 0 }
    }
}

fn ids<'a>(all: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut ids: Vec<String> = all.cloned().collect();
    ids.dedup();
    ids
}

/// What is due, by alert, each in the order in which it came.
fn by_alert<'a>(due: &[&'a Open]) -> Vec<Vec<&'a Open>> {
    let mut alerts: BTreeMap<&str, Vec<&Open>> = BTreeMap::new();
    for open in due {
        alerts.entry(&open.alert_id).or_default().push(open);
    }
    alerts.into_values().collect()
}

/// Whether the last attempt is long enough ago.
fn is_ready(open: &Open, now: Timestamp) -> bool {
    open.attempts == 0 || now.millis() - open.last >= wait_ms(open.attempts)
}

/// How long to wait after so many attempts.
fn wait_ms(attempts: u32) -> i64 {
    WAIT_MS.0.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(WAIT_MS.1)
}

/// What becomes of a version after an attempt.
fn judged(open: &Open, receiver: Receiver, answer: &Answer, now: Timestamp) -> Note {
    let waited = now.millis() - open.since;
    let (told, reason) = match answer {
        Answer::Taken => (Told::Sent, String::new()),
        Answer::Refused(why) => (Told::Failed, why.clone()),
        Answer::Shut(why) if waited >= SHUT_MS => (Told::Failed, format!("{why}, for an hour")),
        Answer::Busy(why) | Answer::Away(why) if waited >= notifications::GIVE_UP_MS => (Told::Failed, format!("{why}, for 14 days")),
        Answer::Busy(why) | Answer::Away(why) | Answer::Shut(why) => (Told::Again, why.clone()),
    };
    Note {
        tenant: open.tenant.clone(),
        alert_id: open.alert_id.clone(),
        version: open.version,
        receiver: receiver.as_str().to_owned(),
        attempt: open.attempts + 1,
        state: told.as_str().to_owned(),
        reason,
        at: now.millis(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(attempts: u32, since: i64, last: i64) -> Open {
        Open { tenant: "t".to_owned(), alert_id: "a".to_owned(), version: 1, attempts, since, last }
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        assert_eq!([1, 2, 3, 6, 7, 100, u32::MAX].map(wait_ms), [1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000]);
        let at = Timestamp::from_millis;
        assert!(is_ready(&open(0, 5000, 5000), at(5000)), "at once");
        assert!(!is_ready(&open(2, 0, 5000), at(6999)) && is_ready(&open(2, 0, 5000), at(7000)));
    }

    #[test]
    fn what_is_refused_ends_and_what_may_be_repaired_waits() {
        let why = || "answered 404".to_owned();
        let check = |answer: Answer, waited: i64, state: &str, reason: &str| {
            let note = judged(&open(2, 0, 0), Receiver::Webhook, &answer, Timestamp::from_millis(waited));
            assert_eq!((note.attempt, note.state.as_str(), note.reason.as_str()), (3, state, reason), "{answer:?} after {waited} ms");
        };
        check(Answer::Taken, 0, "sent", "");
        check(Answer::Refused(why()), 0, "failed", "answered 404");
        check(Answer::Shut(why()), SHUT_MS - 1, "again", "answered 404");
        check(Answer::Shut(why()), SHUT_MS, "failed", "answered 404, for an hour");
        check(Answer::Away(why()), SHUT_MS, "again", "answered 404");
        check(Answer::Busy(why()), notifications::GIVE_UP_MS, "failed", "answered 404, for 14 days");
    }
}
