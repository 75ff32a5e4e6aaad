//! One alert: its reasons, what to check first, what people did about it, and the buttons that answer it. Plain forms; each says which
//! revision it was made for.

use axum::{
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::{
    door::{fields, leave_button, let_in},
    language,
    page::{amounts, brand, chip, head, languages, marks, story},
    words::{Lang, minute},
};
use crate::{
    api::{ActionOrder, Alert, Api, Asker, Error, Right, Story, Who, perform},
    engine::{AlertVersion, Contribution, VerdictKind, control, explain::Detector},
    event::Timestamp,
    store::actions::{self, ActionKind, ActionRow, Standing},
};

/// What a page of an alert was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    lang: Option<Lang>,
}

pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    uri: Uri,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let lang = language(&asker.headers, asked.lang);
    let reader = match let_in(&api, &asker, lang, &uri) {
        Ok(reader) => reader,
        Err(led) => return *led,
    };
    let Story { versions, actions } = reader.story(id).await?;
    let alert = versions.last().ok_or(Error::NotFound("there is no such alert"))?;
    let language = (header::CONTENT_LANGUAGE, lang.tag());
    Ok(([language, (header::VARY, "accept-language")], Html(page(lang, &reader.who, alert, &actions).into_string())).into_response())
}

pub(super) async fn act(State(api): State<Api>, asker: Asker, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let field = fields(&asker, &body)?;
    let (order, lang) = order(&body).map_err(|message| Error::BadRequest { code: "bad_action", message })?;
    asker.is_of_our_page()?;
    api.who(&asker)?.made(&field("form"))?;
    perform(&api, &asker, id.clone(), order).await?;
    // Letters, digits and dashes only, or there would be no such alert.
    let place = format!("/alerts/{id}{}", lang.map_or(String::new(), |lang| format!("?lang={}", lang.tag())));
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response())
}

/// The order of a form. A button says all of what it does: `close/benign_expected`.
fn order(body: &[u8]) -> Result<(ActionOrder, Option<Lang>), String> {
    let mut order =
        ActionOrder { action: ActionKind::Comment, verdict: None, reason: None, comment: None, assignee: None, revision: 0, by: None };
    let (mut lang, mut text, mut said) = (None, None, false);
    for (key, value) in form_urlencoded::parse(body) {
        match &*key {
            "do" => {
                let (action, verdict) = value.split_once('/').map_or((&*value, None), |(a, v)| (a, Some(v)));
                order.action = ActionKind::from_word(action).ok_or("the form says nothing that can be done")?;
                order.verdict = verdict.map(|v| VerdictKind::from_word(v).ok_or("there is no such verdict")).transpose()?;
                said = true;
            }
            "revision" => order.revision = value.parse().map_err(|_| "the revision is no number")?,
            "text" => text = Some(value.trim().to_owned()).filter(|t| !t.is_empty()),
            "by" => order.by = Some(value.trim().to_owned()).filter(|t| !t.is_empty()),
            "lang" => lang = if value == "ru" { Some(Lang::Ru) } else { Some(Lang::En) },
            _ => {}
        }
    }
    match order.action {
        _ if !said => Err("the form says nothing that can be done".to_owned()),
        ActionKind::Comment => Ok((ActionOrder { comment: text, ..order }, lang)),
        _ => Ok((ActionOrder { reason: text, ..order }, lang)),
    }
}

fn page(lang: Lang, who: &Who, alert: &Alert, done: &[ActionRow]) -> Markup {
    let (t, a) = (|en, ru| lang.pick(en, ru), &alert.version);
    let home = format!("/?lang={}", lang.tag());
    let (lead, rest) = story(lang, a);
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head { (head(&format!("Filin · {}", alert.manager_alias))) }
            body {
                header.top {
                    (brand(&home))
                    p.lead { a href=(home) { (t("All alerts", "Все оповещения")) } }
                    div.controls {
                        (languages(lang, |other| format!("/alerts/{}?lang={}", a.alert_id, other.tag())))
                        (leave_button(lang, who))
                    }
                }
                main {
                    article.alert data-severity=(a.severity.as_str()) {
                        p.meta {
                            (chip(lang, a.severity)) " " (state(lang, alert)) " "
                            @if !alert.manager_alias.is_empty() { a.who href={ (home) "&manager=" (alert.manager_alias) } { (alert.manager_alias) } }
                            @if !alert.manager_alias.is_empty() && who.must(Right::Reveal).is_ok() {
                                " " a href={ "/reveals?lang=" (lang.tag()) "&alias=" (alert.manager_alias) } { (t("who is it?", "кто это?")) }
                            }
                            @if let Some(team) = &a.team { " " span.team { (team) } }
                            span.when { time datetime=(a.time) { (minute(a.time)) } }
                        }
                        h1 { (lead) }
                        @if !rest.is_empty() { p.rest { (rest) } }
                        p.meta {
                            (amounts(lang, a))
                            @for id in &a.controls { " " code title=[control::get(id).map(|c| lang.words(c.title))] { (id) } }
                            @for technique in &a.mitre { " " code { (technique) } }
                            (marks(lang, a))
                            " " a href={ "/v1/alerts/" (a.alert_id) } { (t("all versions", "все версии")) }
                        }
                        @for before in &a.linked {
                            p.meta { a href={ "/alerts/" (before) "?lang=" (lang.tag()) } { (t("Comes after an answered alert", "Следует за закрытым оповещением")) } }
                        }
                    }
                    (evidence(lang, a))
                    (questions(lang, a))
                    @if who.may(Right::Answer) { (form(lang, who, alert)) }
                    (history(lang, done))
                }
            }
        }
    }
}

/// What speaks for it: parts that add up to the whole.
fn evidence(lang: Lang, a: &AlertVersion) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let title = |c: &Contribution| {
        Detector::from_word(&c.detector).and_then(control::of).map_or(t("Rule", "Правило"), |control| lang.words(control.title))
    };
    // What would read as 0.0 stands in one line.
    let (told, rest): (Vec<_>, Vec<_>) = a.contributions.iter().partition(|c| c.sentence.is_some() || c.bits >= 50);
    html! {
        section aria-labelledby="evidence" {
            h2 #evidence { (t("Evidence", "Из чего складывается")) }
            div.scroll tabindex="0" role="region" aria-label=(t("Evidence", "Из чего складывается")) { table.evidence {
                tbody {
                    @for c in &told { tr {
                        th scope="row" { (title(c)) " " span.note { (c.detector) } }
                        td { meter min="0" max=(a.bits.max(1)) value=(c.bits) {} }
                        td.n { (lang.bits(c.bits)) }
                        td.why { @if let Some(s) = &c.sentence { (lang.text(s)) } }
                    } }
                    @if !rest.is_empty() { tr {
                        th scope="row" { (t("other", "прочее")) }
                        td {}
                        td.n { (lang.bits(rest.iter().map(|c| c.bits).sum())) }
                        td.why { @for c in &rest { span.note { (c.detector) } " " } }
                    } }
                }
                tfoot { tr { th scope="row" { (t("together", "вместе")) } td {} td.n { b { (lang.bits(a.bits)) } } td { (t("bits", "бит")) } } }
            } }
            details {
                summary { (t("events behind it", "события, на которых основано")) " (" (lang.count(a.event_ids.len())) ")" }
                p { a href={ "/v1/alerts/" (a.alert_id) "/events?format=csv" } { (t("with all that is known of them, as a table", "со всем, что о них известно, таблицей")) } " (CSV)" }
                ul.ids { @for id in &a.event_ids { li { code { (id) } } } }
            }
        }
    }
}

/// Honest reasons for such a thing, to be looked at before anybody is blamed.
fn questions(lang: Lang, a: &AlertVersion) -> Markup {
    let benign: Vec<&str> = control::benign(&a.controls).map(|w| lang.words(w)).collect();
    html! {
        @if !benign.is_empty() {
            section aria-labelledby="check" {
                h2 #check { (lang.pick("Check first", "Что проверить сначала")) }
                ul.reasons { @for question in benign { li { (question) } } }
            }
        }
    }
}

/// How far an alert is, in a word.
pub(super) fn state(lang: Lang, alert: &Alert) -> Markup {
    state_of(lang, &alert.standing)
}

/// The same.
pub(super) fn state_of(lang: Lang, standing: &Standing) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let word = match standing.state {
        actions::State::Open => t("open", "открыто"),
        actions::State::Acknowledged => t("acknowledged", "в работе"),
        actions::State::Closed => t("closed", "закрыто"),
    };
    html! { span.pill { (word) @if let Some(v) = standing.verdict { ": " (verdict(lang, v)) } } }
}

fn verdict(lang: Lang, verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::TruePositive => lang.pick("that was not work", "это была не работа"),
        VerdictKind::BenignExpected => lang.pick("that was work", "это была работа"),
        VerdictKind::FalsePositive => lang.pick("false alarm", "ложная тревога"),
        VerdictKind::Duplicate => lang.pick("duplicate", "повтор"),
        VerdictKind::Unknown => lang.pick("unknown", "неизвестно"),
    }
}

fn form(lang: Lang, who: &Who, alert: &Alert) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let button = |what: &str, text: &str| html! { button type="submit" name="do" value=(what) { (text) } " " };
    html! {
        section aria-labelledby="answer" {
            h2 #answer { (t("Your answer", "Ваш ответ")) }
            form.answer method="post" action={ "/alerts/" (alert.version.alert_id) } {
                input type="hidden" name="form" value=(who.form);
                input type="hidden" name="revision" value=(alert.standing.revision);
                input type="hidden" name="lang" value=(lang.tag());
                @match &who.name {
                    Some(name) => p { (t("You answer as", "Вы отвечаете как")) " " b { (name) } "." },
                    None => p { label { (t("Your name", "Ваше имя")) " " input type="text" name="by" maxlength="200" autocomplete="name"; } },
                }
                p { label { (t("Reason or comment", "Причина или комментарий")) br; textarea name="text" rows="3" maxlength="2000" {} } }
                p {
                    @if alert.standing.state == actions::State::Closed {
                        (button("reopen", t("Reopen", "Открыть снова")))
                    } @else {
                        @if alert.standing.state == actions::State::Open { (button("acknowledge", t("I am looking at it", "Разбираюсь"))) }
                        (button("close/benign_expected", t("That was work", "Это была работа")))
                        (button("close/true_positive", t("That was not work", "Это была не работа")))
                        (button("close/false_positive", t("False alarm", "Ложная тревога")))
                        (button("close/unknown", t("I cannot say", "Не могу сказать")))
                    }
                    (button("comment", t("Only comment", "Только комментарий")))
                }
            }
        }
    }
}

fn history(lang: Lang, done: &[ActionRow]) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let word = |row: &ActionRow| match ActionKind::from_word(&row.action) {
        Some(ActionKind::Acknowledge) => t("looks at it", "разбирается"),
        Some(ActionKind::Assign) => t("gave it to", "передал(а):"),
        Some(ActionKind::Close) => t("closed it", "закрыл(а)"),
        Some(ActionKind::Reopen) => t("opened it again", "открыл(а) снова"),
        Some(ActionKind::Escalate) => t("escalated it", "передал(а) выше"),
        Some(ActionKind::Comment) | None => t("said", "пишет"),
    };
    html! {
        section aria-labelledby="history" {
            h2 #history { (t("What was done", "Что было сделано")) }
            @if done.is_empty() { p.empty { (t("Nothing yet.", "Пока ничего.")) } }
            ol.history { @for row in done { li {
                time { (minute(Timestamp::from_millis(row.at))) } " " b { (row.actor) } " " (word(row))
                @if !row.assignee.is_empty() { " " (row.assignee) }
                @if let Some(v) = VerdictKind::from_word(&row.verdict) { ": " (verdict(lang, v)) }
                @for text in [&row.reason, &row.comment] { @if !text.is_empty() { " — " (text) } }
            } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_says_what_it_does() {
        let check = |body: &str, expected: Option<&str>| {
            let got = order(body.as_bytes()).ok().map(|(order, _)| serde_json::to_string(&order).expect("its keys are texts"));
            assert_eq!(got.as_deref(), expected, "{body}");
        };
        check(
            "do=close%2Fbenign_expected&revision=2&text=a+campaign",
            Some(r#"{"action":"close","verdict":"benign_expected","reason":"a campaign","revision":2}"#),
        );
        check("revision=2&text=hm&do=comment&by=vera", Some(r#"{"action":"comment","comment":"hm","revision":2,"by":"vera"}"#));
        check("do=reopen&text=", Some(r#"{"action":"reopen","revision":0}"#));
        for wrong in ["text=hm", "do=close/fine", "do=burn", "do=reopen&revision=x"] {
            check(wrong, None);
        }
    }
}
