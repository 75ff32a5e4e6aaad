//! A mail rule, webhook, key or integration by a leaver or for the first time.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        memory::Memory,
        rule::{Hits, Rule},
    },
    event::Action,
};

pub(super) const CONTROL: Control = Control {
    id: "automation",
    title: words("New automation", "Новая автоматизация"),
    kind: Kind::Rule,
    about: words(
        "A mail rule, webhook, API key or integration was made by somebody who is leaving, or who has never made one",
        "Правило почты, вебхук, ключ API или интеграцию создал тот, кто уходит, или тот, кто раньше их не создавал",
    ),
    mitre: &["T1020"],
    severity: SeverityRule::Fixed(Severity::Medium),
    said: Some(said),
    benign: &[
        words("Was a new tool introduced on order?", "Не вводится ли по распоряжению новый инструмент?"),
        words("Is it part of the person's new duties?", "Не входит ли это в новые обязанности человека?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    if !event.ok() || !matches!(event.action, Action::SettingChange | Action::Create | Action::PermissionChange | Action::Other) {
        return;
    }
    let change = event.change.as_ref();
    let texts = [
        change.and_then(|c| c.what.as_deref()),
        event.object.as_ref().and_then(|o| o.id.as_deref()).filter(|_| event.action != Action::Other),
    ];
    let Some(what) = texts.into_iter().flatten().find(|t| is_automation(t)) else { return };
    let taken = change.is_some_and(super::privilege::is_withdrawn);
    let first = !std::mem::replace(&mut memory.automated, true);
    if !taken && (first || asked.now.person.leaving(event.time)) {
        hits.count(Rule::Automation, event.time, 1.0, &[what]);
    }
}

fn is_automation(text: &str) -> bool {
    const WORDS: [&str; 19] = [
        "webhook",
        "web hook",
        "apikey",
        "api key",
        "api_key",
        "api-key",
        "token",
        "oauth",
        "connected app",
        "connectedapp",
        "integration",
        "inboxrule",
        "mail rule",
        "mail_rule",
        "forwarding",
        "вебхук",
        "ключ api",
        "интеграци",
        "переадресац",
    ];
    let text = text.to_lowercase();
    WORDS.iter().any(|w| text.contains(w))
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let what = hit.text(0).map(|w| format!(" ({w})")).unwrap_or_default();
    let (en, ru) = if facts.notice_at.is_some() || facts.terminated_at.is_some() {
        ("by somebody who is leaving", "тем, кто уходит")
    } else {
        ("for the first time", "впервые")
    };
    Text {
        en: format!("Automation{what} set up {en} at {clock}: {} today, expected none", phrase::n_en(hit.observed)),
        ru: format!("Автоматизация{what} настроена {ru} в {clock}: сегодня {}, ожидалось ни одной", phrase::n_ru(hit.observed)),
    }
}
