//! Many failed log-ins on one account.

use super::{Asked, Control, Kind, SeverityRule, floor, words};
use crate::{
    engine::{
        Text,
        explain::{Detector, Facts, Hit, phrase},
        math::number,
        memory::Memory,
        rule::{Hits, Rule},
    },
    event::Action,
};

pub(super) const CONTROL: Control = Control {
    id: "brute_force",
    title: words("Failed log-ins", "Подбор пароля"),
    kind: Kind::Behavioural,
    about: words(
        "Far more failed log-ins on this account than usual; by itself many within minutes, and critical when one then succeeds",
        "Неудачных входов под этой учётной записью намного больше обычного; само по себе — много за несколько минут, критично — если затем вход удался",
    ),
    detectors: &[Detector::Authfail],
    mitre: &["T1110.001"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_failures",
        5.0,
        "failed log-ins of the day below which they are no evidence",
        "неудачных входов за день, меньше которых они не считаются признаком",
    )],
    settings: &[
        floor("failures", 10.0, "failed log-ins that are an alert by themselves", "неудачных входов, которые сами по себе оповещение"),
        floor("minutes", 10.0, "minutes within which they count together", "минут, за которые они считаются вместе"),
    ],
    switches: &[],
    said: Some(said),
    named: None,
    benign: &[
        words(
            "Was the password changed, so that a telephone or mail program keeps trying the old one?",
            "Не сменён ли пароль, а телефон или почтовая программа всё ещё входит со старым?",
        ),
        words("Did the person come back from leave and forget the password?", "Не забыл ли человек пароль после отпуска?"),
        words("Was there a failure of the sign-in service?", "Не было ли сбоя службы входа?"),
    ],
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let (event, limits) = (asked.now.event, &asked.terms.limits);
    if event.action != Action::Login {
        return;
    }
    let t = event.time.millis();
    if !event.ok() {
        let n = number(memory.failures.note(t, limits.failures_ms) as u64);
        if n >= limits.failures {
            memory.attacked = memory.attacked.max(Some(t));
            hits.mark(Rule::BruteForce, event.time, [n, limits.failures], &[]);
        }
        return;
    }
    if memory.attacked.is_some_and(|at| (0..=limits.failures_ms).contains(&(t - at))) {
        let n = hits.greatest(Rule::BruteForce).unwrap_or(limits.failures);
        hits.mark(Rule::BruteForced, event.time, [n, limits.failures], &[]);
    }
    memory.failures.clear();
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let en = phrase::en(hit.observed, "failed log-in", "failed log-ins");
    let ru = phrase::ru(hit.observed, ["неудачный вход", "неудачных входа", "неудачных входов"]);
    if hit.rule == Rule::BruteForced {
        return Text {
            en: format!("A log-in succeeded at {clock} after {en} within minutes; expected none"),
            ru: format!("В {clock} вход удался: перед ним {ru} за несколько минут; ожидалось ни одного"),
        };
    }
    Text {
        en: format!(
            "{} within minutes, at {clock}; from {} on that is an alert by itself",
            phrase::capital(&en),
            phrase::n_en(hit.expected)
        ),
        ru: format!(
            "{} за несколько минут, в {clock}; начиная с {} это оповещение само по себе",
            phrase::capital(&ru),
            phrase::n_ru(hit.expected)
        ),
    }
}
