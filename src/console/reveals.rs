//! Who is behind a pseudonym: whoever asks says why, somebody else allows it where two have to agree, and auditors read the list.

use axum::{
    body::Bytes,
    extract::{Query, State, rejection::QueryRejection},
    http::{Uri, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::{
    door::{chosen, fields, leave_button, let_in, see},
    language,
    page::{brand, head, languages},
    words::{Lang, minute},
};
use crate::{
    api::{Api, Asker, Error, Reading, RevealOrder, Reveals, Right, Told, Who},
    store::reveals::Request,
};

/// What the page was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    lang: Option<Lang>,
    alias: Option<String>,
    tenant: Option<String>,
}

pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    uri: Uri,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let lang = language(&asker.headers, asked.lang);
    let reader = match let_in(&api, &asker, lang, &uri) {
        Ok(reader) => reader,
        Err(led) => return *led,
    };
    answer(lang, &reader, &asked, None).await
}

pub(super) async fn act(State(api): State<Api>, asker: Asker, body: Bytes) -> Result<Response, Error> {
    let field = fields(&asker, &body)?;
    asker.is_of_our_page()?;
    let reader = api.reader(&asker)?;
    reader.who.made(&field("form"))?;
    let lang = language(&asker.headers, chosen(&field("lang")));
    let given = |name: &str| Some(field(name)).filter(|text| !text.is_empty());
    let asked = Asked { lang: Some(lang), alias: given("alias"), tenant: given("tenant") };
    if let Some(id) = given("allow") {
        reader.allow(id).await?;
        return Ok(see(&format!("/reveals?lang={}", lang.tag())));
    }
    let order = RevealOrder { manager_alias: field("alias"), tenant: asked.tenant.clone(), reason: field("reason") };
    let told = reader.reveal(order).await?;
    answer(lang, &reader, &Asked { alias: None, ..asked }, Some(told)).await
}

async fn answer(lang: Lang, reader: &Reading<'_>, asked: &Asked, told: Option<Told>) -> Result<Response, Error> {
    let all = reader.reveals(asked.tenant.clone()).await?;
    let language = (header::CONTENT_LANGUAGE, lang.tag());
    let page = page(lang, &reader.who, asked, told.as_ref(), &all);
    // A name that was told once is in no cache.
    let headers = [language, (header::VARY, "accept-language"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Html(page.into_string())).into_response())
}

fn page(lang: Lang, who: &Who, asked: &Asked, told: Option<&Told>, all: &Reveals) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let home = format!("/?lang={}", lang.tag());
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head { (head(t("Filin · names", "Filin · имена"))) }
            body {
                header.top {
                    (brand(&home))
                    p.lead { a href=(home) { (t("All alerts", "Все оповещения")) } }
                    div.controls { (languages(lang, |other| format!("/reveals?lang={}", other.tag()))) (leave_button(lang, who)) }
                }
                main {
                    @if let Some(told) = told { (said(lang, told)) }
                    @if who.must(Right::Reveal).is_ok() { (ask(lang, who, asked)) }
                    (waiting(lang, who, &all.requests))
                    (history(lang, all))
                }
            }
        }
    }
}

fn said(lang: Lang, told: &Told) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    html! {
        section role="status" {
            @match told {
                Told::Person(p) => {
                    h2 { (p.manager_alias) " — " (p.name.as_deref().unwrap_or(t("no name is known", "имя неизвестно"))) }
                    p { (t("Account", "Учётная запись")) " " code { (p.manager) } ", " (p.tenant) ". " (t("That you saw it is written down.", "То, что вы это видели, записано.")) }
                }
                Told::Waits(r) => {
                    h2 { (r.manager_alias) ": " (t("somebody else has to agree", "нужно согласие другого человека")) }
                    p { (t("An analyst, admin or auditor allows it on this page until", "Аналитик, администратор или аудитор разрешает на этой странице до")) " " (minute(r.until)) "; " (t("then ask again.", "затем спросите снова.")) }
                }
            }
        }
    }
}

fn hidden(lang: Lang, who: &Who) -> Markup {
    html! {
        input type="hidden" name="form" value=(who.form);
        input type="hidden" name="lang" value=(lang.tag());
    }
}

fn ask(lang: Lang, who: &Who, asked: &Asked) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    html! {
        section aria-labelledby="ask" {
            h2 #ask { (t("Who is it?", "Кто это?")) }
            form.answer method="post" action="/reveals" {
                (hidden(lang, who))
                @if let Some(tenant) = &asked.tenant { input type="hidden" name="tenant" value=(tenant); }
                p { label { (t("Pseudonym", "Псевдоним")) " " input type="text" name="alias" required maxlength="40" autocomplete="off" value=[asked.alias.as_deref()]; } }
                p { label { (t("Why: it is kept, with your name", "Зачем: сохранится вместе с вашим именем")) br; textarea name="reason" rows="2" maxlength="2000" required {} } }
                p { button type="submit" { (t("Show the name", "Показать имя")) } }
            }
        }
    }
}

fn waiting(lang: Lang, who: &Who, requests: &[Request]) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let title = t("Waiting for somebody else", "Ждут согласия");
    let own = |r: &Request| who.name.as_ref() == Some(&r.by);
    html! {
        @if !requests.is_empty() {
            section aria-labelledby="waiting" {
                h2 #waiting { (title) }
                div.scroll tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr { th { (t("since", "с")) } th { (t("whom", "кого")) } th { (t("who asks", "кто просит")) } th { (t("why", "зачем")) } th {} } }
                    tbody { @for r in requests { tr {
                        td { (minute(r.at)) }
                        th scope="row" { (r.manager_alias) " " span.note { (r.tenant) } }
                        td { (r.by) }
                        td { (r.reason) }
                        td {
                            form.answer method="post" action="/reveals" {
                                @match &r.allowed_by {
                                    Some(by) => {
                                        (t("allowed by", "разрешил(а)")) " " (by)
                                        @if own(r) && who.must(Right::Reveal).is_ok() {
                                            (hidden(lang, who))
                                            input type="hidden" name="tenant" value=(r.tenant);
                                            input type="hidden" name="alias" value=(r.manager_alias);
                                            input type="hidden" name="reason" value=(r.reason);
                                            " " button type="submit" { (t("Show the name", "Показать имя")) }
                                        }
                                    }
                                    None if !own(r) && who.must(Right::Allow).is_ok() => {
                                        (hidden(lang, who))
                                        button type="submit" name="allow" value=(r.id) { (t("Allow", "Разрешить")) }
                                    }
                                    None => span.note { (t("until", "до")) " " (minute(r.until)) }
                                }
                            }
                        }
                    } } }
                } }
            }
        }
    }
}

fn history(lang: Lang, all: &Reveals) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let title = t("Who saw whom", "Кто кого видел");
    html! {
        section aria-labelledby="seen" {
            h2 #seen { (title) }
            @if all.reveals.is_empty() { p.empty { (t("Nobody saw a name here.", "Имён здесь никто не видел.")) } } @else {
                div.scroll tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr { th { (t("when", "когда")) } th { (t("whom", "кого")) } th { (t("who", "кто")) } th { (t("where", "где")) } th { (t("why", "зачем")) } } }
                    tbody { @for r in &all.reveals { tr {
                        td { (minute(r.at)) }
                        th scope="row" { (r.manager_alias) " " span.note { (r.tenant) } }
                        td { (r.by) }
                        td { (r.place) @if !r.about.is_empty() { " " span.note { (r.about) } } }
                        td { (r.reason) }
                    } } }
                } }
            }
        }
    }
}
