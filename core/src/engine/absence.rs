//! What did not happen (CONTROLS.md, kind T), asked at each tick.

use super::{
    Effect, Severity, Signal, Subject, SubjectKind, Text,
    alert::Lone,
    calendar::date,
    control::{audit_gap, backup_overdue, leaver_not_closed},
    explain,
    manager::Episode,
    math::number,
    mute::About,
    tenant::Tenant,
};
use crate::event::{HOUR_MS, Timestamp};

/// Something that should have happened by a deadline.
struct Due<'a> {
    lone: Lone<'a>,
    deadline: i64,
    /// Of several things of one subject, which.
    which: Option<&'a str>,
}

fn hours(ms: i64) -> f64 {
    number(ms.unsigned_abs()) / number(HOUR_MS.unsigned_abs())
}

impl Tenant {
    /// A minute passed and the sources were caught up: what should have happened by now, and did not?
    pub(super) fn tick(&mut self, at: Timestamp, effects: &mut Vec<Effect>) {
        let now = at.millis();
        let Some(since) = self.shared.watch.since else { return };
        let mut found: Vec<Due<'_>> = Vec::new();
        let Some(new_hour) = self.shared.watch.tick(now) else { return };
        let (terms, people, prior) = (&self.terms, &self.people, self.shared.prior.as_deref());
        let zone = self.calendar.zone_of(0);
        let (watch, mutes) = (&mut self.shared.watch, &self.shared.mutes);
        let lone = |subject: Subject, control: &'static str, deadline: i64, sentence: Text| Lone {
            tenant: &self.name,
            subject,
            person: None,
            control,
            severity: Severity::High,
            time: Timestamp::from_millis(deadline),
            observed: 0.0,
            expected: 0.0,
            unit: "hours",
            sentence,
            prior,
        };
        if terms.enabled("leaver_not_closed") {
            for (id, person) in people.all(at) {
                let Some(ended) = person.terminated_at else { continue };
                let (ended_ms, deadline) = (ended.millis(), ended.millis().saturating_add(terms.limits.close_ms));
                // Whoever left before the log began is asked about only where the directory says that the account is open.
                let asked = ended_ms >= since || person.active == Some(true);
                let closed = person.active == Some(false) || watch.is_closed(id, ended_ms);
                if deadline > now || !asked || closed || !watch.tell(format!("leaver_not_closed/{id}"), deadline) {
                    continue;
                }
                let hours = hours(terms.limits.close_ms);
                let end = explain::dates(self.calendar.zone_of(person.zone), ended);
                let subject = Subject { kind: SubjectKind::Manager, id: id.to_owned() };
                let of = lone(subject, "leaver_not_closed", deadline, leaver_not_closed::sentence(hours, &end));
                found.push(Due {
                    lone: Lone { person: Some((id, person)), observed: hours, expected: hours, ..of },
                    deadline,
                    which: None,
                });
            }
        }
        if terms.enabled("backup_overdue") {
            for target in &terms.backup_targets {
                let deadline = watch.backup(target).unwrap_or(since).saturating_add(terms.limits.backup_ms);
                if deadline > now || !watch.tell(format!("backup_overdue/{target}"), deadline) {
                    continue;
                }
                let hours = hours(terms.limits.backup_ms);
                let subject = Subject { kind: SubjectKind::Tenant, id: self.name.clone() };
                let of = lone(subject, "backup_overdue", deadline, backup_overdue::sentence(target, hours, hours));
                found.push(Due { lone: Lone { observed: hours, expected: hours, ..of }, deadline, which: Some(target) });
            }
        }
        if new_hour && terms.enabled("audit_gap") {
            let (least, weeks) = (terms.limits.silent_hours, terms.limits.silent_weeks);
            let silent: Vec<(String, i64, i64)> = watch
                .sources
                .iter()
                .filter_map(|(source, pulse)| pulse.silent(now, least, weeks).map(|(_, at)| (source.clone(), at, pulse.last_ms())))
                .collect();
            for (source, deadline, last) in silent {
                if !watch.tell(format!("audit_gap/{source}"), deadline) {
                    continue;
                }
                let heard = explain::dates(zone, Timestamp::from_millis(last));
                let clock = explain::clock(zone, Timestamp::from_millis(last));
                let heard = Text { en: format!("{}, {clock}", heard.en), ru: format!("{}, {clock}", heard.ru) };
                let subject = Subject { kind: SubjectKind::Source, id: source.clone() };
                let of = lone(subject, "audit_gap", deadline, audit_gap::sentence(&source, least, least, &heard));
                found.push(Due {
                    lone: Lone { severity: Severity::Medium, observed: least, expected: least, ..of },
                    deadline,
                    which: None,
                });
            }
        }
        for Due { lone, deadline, which } in found {
            let passed = Timestamp::from_millis(deadline).to_string();
            let cause: Vec<&str> = [lone.control, &passed].into_iter().chain(which).collect();
            let episode = Episode {
                date: date(deadline),
                from: deadline,
                until: deadline,
                alert_id: lone.alert_id(&cause),
                version: 1,
                severity: lone.severity,
                controls: vec![lone.control.to_owned()],
                bits: lone.bits(),
                records: 0,
                clients: 0,
                linked: None,
                verdict: None,
            };
            let manager = lone.person.map_or("", |(id, _)| id);
            let team = lone.person.map_or("", |(_, p)| &p.post.team);
            let about = About { manager: lone.person.map(|(id, _)| id), team, now: None, address: None, time: lone.time };
            let muted = mutes.silence(lone.control, &about);
            effects.push(Effect::Signal(Box::new(Signal { muted, ..lone.signal(manager, &cause[1..].join("/"), "") })));
            if muted {
                continue;
            }
            effects.push(Effect::Alert(Box::new(lone.version(&episode, true, false, Vec::new(), 0))));
        }
    }
}
