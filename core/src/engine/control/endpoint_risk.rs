//! A finding of the antivirus on a manager's machine.

use super::{Asked, Control, Kind, RULE, SeverityRule, floor, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::number,
        memory::Memory,
        rule::{Hits, Rule},
    },
    event::Action,
};

pub(super) const CONTROL: Control = Control {
    id: "endpoint_risk",
    title: words("Finding on the machine", "Находка на компьютере"),
    kind: Kind::Rule,
    about: words(
        "The antivirus reports a finding on this person's machine; for a week their activity is looked at a nat more closely, and an export is critical",
        "Антивирус сообщил о находке на компьютере этого человека; неделю его действия рассматриваются строже на один нат, а выгрузка критична",
    ),
    mitre: &["T1204"],
    severity: SeverityRule::Raised {
        usually: Severity::Low,
        at_worst: Severity::Critical,
        when: words("with an export within a week", "с выгрузкой в течение недели"),
    },
    settings: &[floor("days", 7.0, "days for which a finding counts", "дней, в течение которых находка учитывается")],
    said: Some(said),
    benign: &[
        words("Was the finding blocked before anything ran?", "Не остановлена ли находка до запуска?"),
        words(
            "Is it a tool of the administrators that the antivirus does not like?",
            "Не инструмент ли это администраторов, который не нравится антивирусу?",
        ),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    let t = event.time.millis();
    if event.action == Action::EndpointFinding {
        memory.finding = memory.finding.max(Some(t));
        let what = event.change.as_ref().and_then(|c| c.what.as_deref()).or(event.reason.as_deref()).unwrap_or_default();
        hits.count(Rule::EndpointRisk, event.time, 1.0, &[what]);
    }
    if event.action == Action::Export && event.ok() && is_at_risk(memory, t, asked.terms.limits.finding_ms) {
        hits.count(Rule::EndpointExport, event.time, number(event.records.unwrap_or(1)), &[]);
    }
}

/// A finding is so fresh that everything done on the machine may be somebody else's doing.
pub(in crate::engine) fn is_at_risk(memory: &Memory, t: i64, span: i64) -> bool {
    memory.finding.is_some_and(|at| (0..span).contains(&(t - at)))
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    if hit.rule == Rule::EndpointExport {
        return Text {
            en: format!(
                "Exported {} at {clock}, within a week of a finding of the antivirus on this machine; expected none",
                phrase::en(hit.observed, "record", "records")
            ),
            ru: format!(
                "В {clock} выгружено {} в течение недели после находки антивируса на этом компьютере; ожидалось ни одной",
                phrase::ru(hit.observed, ["запись", "записи", "записей"])
            ),
        };
    }
    let what = hit.text(0).map(|w| format!(" ({w})")).unwrap_or_default();
    Text {
        en: format!("The antivirus reported {}{what} at {clock}; expected none", phrase::en(hit.observed, "finding", "findings")),
        ru: format!(
            "В {clock} антивирус сообщил: {}{what}; ожидалось ни одной",
            phrase::ru(hit.observed, ["находка", "находки", "находок"])
        ),
    }
}
