//! An account wakes after a long sleep.

use super::{Asked, Control, Kind, RULE, SeverityRule, floor, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::number,
        memory::Memory,
        rule::{Hits, Rule},
    },
    event::DAY_MS,
};

pub(super) const CONTROL: Control = Control {
    id: "dormant",
    title: words("Sleeping account wakes", "Проснувшаяся учётная запись"),
    kind: Kind::Rule,
    about: words("The first successful action after a long time without any", "Первое успешное действие после долгого времени без единого"),
    mitre: &["T1078"],
    severity: SeverityRule::Fixed(Severity::Medium),
    settings: &[floor("days", 45.0, "days without a successful action", "дней без успешных действий")],
    said: Some(said),
    benign: &[
        words("Did the person come back from a long leave or illness?", "Не вернулся ли человек из долгого отпуска или с больничного?"),
        words(
            "Is it a seasonal worker or a rarely used account of a program?",
            "Не сезонный ли это сотрудник, не редко ли нужная учётная запись программы?",
        ),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let t = asked.now.event.time;
    if !asked.now.event.ok() {
        return;
    }
    let slept = memory.active.map_or(0, |last| t.millis() - last);
    if slept >= asked.terms.limits.dormant_ms {
        let days = number(slept.unsigned_abs() / DAY_MS.unsigned_abs());
        hits.mark(Rule::Dormant, t, [days, number(asked.terms.limits.dormant_ms.unsigned_abs() / DAY_MS.unsigned_abs())], &[]);
    }
    memory.active = memory.active.max(Some(t.millis()));
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "Active at {clock} after {} of silence; from {} on that is told",
            phrase::en(hit.observed, "day", "days"),
            phrase::n_en(hit.expected)
        ),
        ru: format!(
            "Активность в {clock} после молчания в {}; сообщается, начиная с {}",
            phrase::ru(hit.observed, ["день", "дня", "дней"]),
            phrase::n_ru(hit.expected)
        ),
    }
}
