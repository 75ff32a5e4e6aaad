//! A bad password, as the CRM or the directory reports it.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        memory::Memory,
        people::FLAGS,
        rule::{Hits, Rule},
    },
    event::Action,
};

pub(super) const CONTROL: Control = Control {
    id: "weak_password",
    title: words("Weak password", "Слабый пароль"),
    kind: Kind::Rule,
    about: words(
        "The CRM or the directory reports a weak, old, shared or default password; told again after a week",
        "CRM или справочник сообщает о слабом, старом, общем или стандартном пароле; повторно — через неделю",
    ),
    mitre: &["T1078.001"],
    severity: SeverityRule::Fixed(Severity::Low),
    said: Some(said),
    benign: &[
        words("Was the password changed since, and the report is old?", "Не сменён ли пароль, а сведения устарели?"),
        words(
            "Does the account sign in by a single sign-on, so that the password is not used?",
            "Не через единый ли вход работает учётная запись, так что пароль не нужен?",
        ),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    if event.action == Action::Login && event.ok() {
        for flag in asked.now.person.password_flags() {
            if memory.tell(&[b"password", flag.as_bytes()].concat(), asked.date) {
                hits.mark(Rule::WeakPassword, event.time, [1.0, 0.0], &[flag]);
            }
        }
        return;
    }
    let Some(change) = event.change.as_ref().filter(|_| matches!(event.action, Action::SettingChange | Action::Other)) else { return };
    let about = change.what.as_deref().is_some_and(|w| {
        let w = w.to_lowercase();
        w.contains("password") || w.contains("парол")
    });
    let bad = change.to.as_deref().and_then(|to| FLAGS.into_iter().find(|f| to.eq_ignore_ascii_case(f)));
    if let Some(flag) = bad.filter(|_| about) {
        hits.mark(Rule::WeakPassword, event.time, [1.0, 0.0], &[flag]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let flag = hit.text(0).unwrap_or_default();
    let ru = match flag {
        "weak" => "слабый",
        "old" => "старый",
        "shared" => "общий",
        "default" => "стандартный",
        other => other,
    };
    Text {
        en: format!("The password is reported as {flag}, seen at {clock}; expected none such"),
        ru: format!("Пароль отмечен как {ru}, замечено в {clock}; таких быть не должно"),
    }
}
