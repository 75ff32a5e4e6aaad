//! A week of a supervisor's people as a page that prints: what each asked for and whom they called, what had no reason first.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};

use super::{
    page::{chip, printed_head, story},
    words::{Lang, minute},
};
use crate::{
    notify,
    store::digest::{Amounts, Digest, Person, Told},
};

/// What stands around the numbers.
#[derive(Clone, Debug)]
pub struct Frame {
    /// In Russian, else in English.
    pub russian: bool,
    /// Whose people they are; none: nobody's, the analysts'.
    pub supervisor: Option<String>,
    /// Names, by id, where messages may say them; pseudonyms else.
    pub names: BTreeMap<String, String>,
    /// Where the console is.
    pub console: String,
}

impl Frame {
    fn lang(&self) -> Lang {
        if self.russian { Lang::Ru } else { Lang::En }
    }
}

/// The page: whole in itself.
pub fn page(frame: &Frame, digest: &Digest) -> String {
    let lang = frame.lang();
    let t = |en, ru| lang.pick(en, ru);
    let (looked_at, usual): (Vec<&Person>, Vec<&Person>) = digest.people.iter().partition(|p| !p.is_usual());
    let markup = html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head { (printed_head(&format!("Filin · {} – {}", digest.from, digest.until), include_str!("assets/filin.css"))) }
            body.digest {
                header.top {
                    h1 { (t("The week of your people", "Неделя ваших людей")) }
                    p.lead {
                        (digest.from) " – " (digest.until) " · " (digest.tenant)
                        @if let Some(id) = &frame.supervisor { " · " (id) }
                    }
                }
                main {
                    p { (summary(lang, digest, looked_at.len(), usual.len())) }
                    @if !digest.unanswered.is_empty() {
                        section { h2 { (t("Waiting for an answer", "Ждут ответа")) } (alerts(frame, &digest.unanswered, true)) }
                    }
                    @if !looked_at.is_empty() {
                        section {
                            h2 { (t("To be looked at", "На что посмотреть")) }
                            @for person in &looked_at { (whole(frame, person)) }
                        }
                    }
                    @if !usual.is_empty() {
                        section {
                            h2 { (t("Nothing unusual", "Ничего необычного")) }
                            div.scroll { table {
                                (heads(lang, true))
                                tbody { @for person in &usual { tr { th scope="row" { (name(frame, &person.week)) } (cells(lang, &person.week)) } } }
                            } }
                        }
                    }
                    @if !digest.silent.is_empty() {
                        section {
                            h2 { (t("Not seen this week, though usually", "На этой неделе не видно, хотя обычно есть")) }
                            p { @for (i, of) in digest.silent.iter().enumerate() { @if i > 0 { ", " } (name(frame, of)) } }
                        }
                    }
                }
                footer {
                    p.note {
                        (t("A client is counted without a reason when it is another manager's, no order of the person is open or was lately, it was \
                            not handed over, and it had not called. A usual week: the mean of the four before. Days are the person's own, times UTC.",
                           "Клиент считается затронутым без причины, если он чужой, у человека нет с ним открытого или недавнего заказа, его не \
                            передавали и он сам не звонил. Обычная неделя — среднее четырёх предыдущих. Дни — по месту человека, время — UTC."))
                    }
                }
            }
        }
    };
    markup.into_string()
}

fn summary(lang: Lang, digest: &Digest, looked_at: usize, usual: usize) -> String {
    let n = |n: usize| lang.count(n);
    let (people, waiting) = (digest.people.len(), digest.unanswered.len());
    match lang {
        Lang::En => format!(
            "People active: {}. To be looked at: {}; nothing unusual: {}. Alerts that nobody has answered: {}.",
            n(people),
            n(looked_at),
            n(usual),
            n(waiting)
        ),
        Lang::Ru => format!(
            "Работали: {}. Есть на что посмотреть: {}; ничего необычного: {}. Оповещений без ответа: {}.",
            n(people),
            n(looked_at),
            n(usual),
            n(waiting)
        ),
    }
}

fn name<'a>(frame: &'a Frame, of: &'a Amounts) -> &'a str {
    frame.names.get(&of.manager).unwrap_or(&of.manager_alias)
}

fn heads(lang: Lang, people: bool) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    html! { thead { tr {
        th scope="col" { @if people { (t("who", "кто")) } }
        th.n scope="col" { (t("days", "дней")) } th.n scope="col" { (t("events", "событий")) } th.n scope="col" { (t("clients, by day", "клиентов, по дням")) }
        th.n scope="col" { (t("records out", "выгружено записей")) } th.n scope="col" { (t("on screen", "на экране")) } th.n scope="col" { (t("calls", "звонков")) }
    } } }
}

fn cells(lang: Lang, of: &Amounts) -> Markup {
    html! { @for n in [of.days, of.events, of.clients, of.records_out, of.records_screen, of.calls] { td.n { (lang.number(n)) } } }
}

fn whole(frame: &Frame, person: &Person) -> Markup {
    let lang = frame.lang();
    let t = |en, ru| lang.pick(en, ru);
    html! {
        article.alert {
            p.meta {
                span.who { (name(frame, &person.week)) } " " span.team { (person.week.team) } " " span.note { (person.week.role) }
            }
            @if !person.strangers.is_empty() {
                p { b { (t("Clients without a reason", "Клиенты без причины")) } ": " @for (i, s) in person.strangers.iter().enumerate() {
                    @if i > 0 { ", " }
                    code { (s.client) } " " (lang.number(s.times)) "×"
                    @if s.calls > 0 { " (" (t("calls", "звонков")) " " (lang.number(s.calls)) ")" }
                } }
            }
            div.scroll { table {
                (heads(lang, false))
                tbody {
                    tr { th scope="row" { (t("this week", "эта неделя")) } (cells(lang, &person.week)) }
                    @match &person.usual {
                        Some(usual) => tr { th scope="row" { (t("a usual week", "обычная неделя")) } (cells(lang, usual)) },
                        None => tr { th scope="row" { (t("new: no week before", "новый человек, сравнить не с чем")) } },
                    }
                }
            } }
            (alerts(frame, &person.alerts, false))
        }
    }
}

/// `named`: each says whom it is about.
fn alerts(frame: &Frame, told: &[Told], named: bool) -> Markup {
    let lang = frame.lang();
    html! { @if !told.is_empty() { ul.reasons { @for Told { alert, manager_alias, standing } in told {
        @let (lead, _) = story(lang, alert);
        li {
            (chip(lang, alert.severity)) " " (minute(alert.time)) " — "
            @if named { b { (alert.manager.as_ref().and_then(|id| frame.names.get(id)).unwrap_or(manager_alias)) } ": " }
            (lead) " "
            (super::one::state_of(lang, standing)) " "
            a href=(notify::link(&frame.console, &alert.alert_id)) { (lang.pick("answer", "ответить")) }
        }
    } } } }
}
