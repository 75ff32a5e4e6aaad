//! A log-in without the second factor.

use super::{Asked, Control, Kind, RULE, SeverityRule, floor, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::number,
        memory::Memory,
        rule::{Hits, Rule},
    },
    event::{Action, ActorKind},
};

pub(super) const CONTROL: Control = Control {
    id: "no_mfa",
    title: words("No second factor", "Вход без второго фактора"),
    kind: Kind::Rule,
    about: words(
        "A log-in without the second factor where [tenants.T] require_mfa is set, or many refused prompts",
        "Вход без второго фактора там, где задано [tenants.T] require_mfa, либо много отклонённых запросов подтверждения",
    ),
    mitre: &["T1078", "T1621"],
    severity: SeverityRule::Fixed(Severity::Medium),
    settings: &[
        floor("prompts", 5.0, "refused prompts that are told", "отклонённых запросов, о которых сообщается"),
        floor("minutes", 10.0, "minutes within which they count together", "минут, за которые они считаются вместе"),
    ],
    said: Some(said),
    benign: &[
        words("Is the person new, and the second factor not set up yet?", "Не новичок ли это, у которого второй фактор ещё не настроен?"),
        words("Did they lose the telephone or get a new one?", "Не потерян ли телефон, не сменён ли?"),
        words("Does a program sign in where only people should?", "Не входит ли программа там, где должны входить люди?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    if event.action != Action::Login {
        return;
    }
    let mfa = event.auth.as_ref().and_then(|a| a.mfa);
    if event.ok() {
        let person = asked.now.person.kind.unwrap_or(event.actor.kind) == ActorKind::User;
        if asked.terms.require_mfa && person && mfa == Some(false) {
            hits.count(Rule::NoMfa, event.time, 1.0, &["without"]);
        }
        return;
    }
    let method = event.auth.as_ref().and_then(|a| a.mfa_method.as_deref()).is_some_and(|m| !m.is_empty());
    let about = event.reason.as_deref().is_some_and(|r| {
        let r = r.to_lowercase();
        ["mfa", "2fa", "second factor", "push", "otp", "второй фактор"].iter().any(|word| r.contains(word))
    });
    if method || about {
        let limits = &asked.terms.limits;
        let n = memory.prompts.note(event.time.millis(), limits.prompts_ms);
        if number(n as u64) >= limits.prompts {
            hits.mark(Rule::NoMfa, event.time, [number(n as u64), limits.prompts], &["prompts"]);
        }
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    if hit.text(0) == Some("prompts") {
        return Text {
            en: format!(
                "{} of the second factor within minutes, at {clock}; from {} on that is told",
                phrase::en(hit.observed, "refused prompt", "refused prompts"),
                phrase::n_en(hit.expected)
            ),
            ru: format!(
                "{} второго фактора за несколько минут, в {clock}; сообщается, начиная с {}",
                phrase::ru(hit.observed, ["отклонённый запрос", "отклонённых запроса", "отклонённых запросов"]),
                phrase::n_ru(hit.expected)
            ),
        };
    }
    Text {
        en: format!(
            "{} without the second factor today, first at {clock}; the policy allows none",
            phrase::en(hit.observed, "log-in", "log-ins")
        ),
        ru: format!(
            "Сегодня {} без второго фактора, первый раз в {clock}; политика не допускает ни одного",
            phrase::ru(hit.observed, ["вход", "входа", "входов"])
        ),
    }
}
