//! Notices of an incident as pages that print: what the law asks for, filled from evidence, each figure with the query that gave it, and what
//! a person has still to say marked so that nobody overlooks it.

mod notice;
mod words;

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};
use serde::Serialize;

pub use notice::{BLANKS, Blank};

use super::{
    page::printed_head,
    words::{Lang, minute},
};
use crate::{
    directory::Zone,
    event::{HOUR_MS, Timestamp, words},
    store::incident::Incident,
};

words! {
    /// The law that asks for a notice.
    Law {
        /// Federal law 152-FZ, article 21 part 3.1: within 24 hours, and within 72.
        Fz152 = "152-fz",
        /// Regulation (EU) 2016/679, article 33: within 72 hours.
        Gdpr = "gdpr",
    }
}

/// What stands around the figures.
#[derive(Clone, Debug)]
pub struct Frame {
    /// In Russian, else in English.
    pub russian: bool,
    /// For whom.
    pub law: Law,
    /// Names, by id, where somebody asked for them; pseudonyms else.
    pub names: BTreeMap<String, String>,
    /// What a person said, by the keys of [`BLANKS`].
    pub filled: BTreeMap<String, String>,
    /// When it was made.
    pub made: Timestamp,
    /// Whose clock stands beside UTC.
    pub zone: Zone,
}

impl Frame {
    fn lang(&self) -> Lang {
        if self.russian { Lang::Ru } else { Lang::En }
    }

    /// An instant, in UTC and by the organisation's clock.
    fn when(&self, t: Timestamp) -> String {
        let utc = minute(t);
        if self.zone.offset_ms(t) == 0 {
            return utc;
        }
        let (h, m) = self.zone.clock(t);
        format!("{utc} ({} {h:02}:{m:02} {})", self.zone.date(t), self.zone.name())
    }
}

/// A line of a notice. Queries are told by their place in [`Notices::queries`], from 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// A sentence.
    Says {
        /// It.
        text: String,
    },
    /// A figure.
    Figure {
        /// What it is.
        label: String,
        /// As it is read.
        value: String,
        /// What gives it.
        query: usize,
    },
    /// A table.
    Table {
        /// What it is.
        label: String,
        /// Over its columns.
        heads: Vec<String>,
        /// It.
        rows: Vec<Vec<String>>,
        /// What gives it.
        query: usize,
    },
    /// What only a person can say.
    Blank {
        /// Under which it is given.
        key: &'static str,
        /// What is meant.
        label: String,
        /// What was given; none: it is still to be filled in.
        value: Option<String>,
    },
}

/// A part of a notice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// What it is about.
    pub title: String,
    /// What it says.
    pub lines: Vec<Line>,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// Its name.
    pub title: String,
    /// The article that asks for it.
    pub article: String,
    /// Hours from the discovery.
    pub within_h: i64,
    /// Until when it is due.
    pub due: Timestamp,
    /// Its parts.
    pub items: Vec<Item>,
}

/// All notices that a law asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notices {
    /// The law.
    pub law: Law,
    /// The notices, in the order in which they are due.
    pub notices: Vec<Notice>,
    /// What stands behind all of them.
    pub annexes: Vec<Item>,
    /// What gave the figures.
    pub queries: Vec<String>,
}

impl Notices {
    /// What an incident makes of them.
    pub fn of(frame: &Frame, incident: &Incident) -> Self {
        notice::all(frame, incident)
    }

    /// What is still to be filled in: keys, each once.
    pub fn blanks(&self) -> Vec<&'static str> {
        let lines = self.notices.iter().flat_map(|n| &n.items).flat_map(|item| &item.lines);
        let open: Vec<&str> = lines
            .filter_map(|line| match line {
                Line::Blank { key, value: None, .. } => Some(*key),
                _ => None,
            })
            .collect();
        BLANKS.iter().map(|b| b.key).filter(|key| open.contains(key)).collect()
    }
}

impl Law {
    /// Hours from the discovery within which it wants its notices.
    pub const fn hours(self) -> &'static [i64] {
        match self {
            Self::Fz152 => &[24, 72],
            Self::Gdpr => &[72],
        }
    }
}

/// The page: whole in itself.
pub fn page(frame: &Frame, incident: &Incident, notices: &Notices) -> String {
    let lang = frame.lang();
    let t = |en, ru| lang.pick(en, ru);
    let blanks = notices.blanks();
    let markup = html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                (printed_head(&format!("Filin · {}", t("notices of an incident", "уведомления об инциденте")), include_str!("../assets/notice.css")))
            }
            body {
                header.draft {
                    p { b { (t("Draft, made from evidence in the store", "Проект, составлен по данным из хранилища")) } " · " (frame.when(frame.made)) " · " (incident.tenant) }
                    p {
                        (t("Marked places are for a person to fill in: ", "Отмеченное заполняет человек: ")) b { (lang.count(blanks.len())) }
                        ". " (t("Numbers in brackets lead to the query behind a figure. This is no legal advice: a lawyer reads it before it is sent.",
                               "Номер в скобках ведёт к запросу, который дал число. Это не юридическая консультация: перед отправкой документ читает юрист."))
                    }
                    ul { @for notice in &notices.notices { li {
                        (notice.title) ": " b { (frame.when(notice.due)) } " — " (left(lang, notice.due, frame.made))
                    } } }
                }
                @for notice in &notices.notices { (one(frame, notice)) }
                section.annex {
                    h1 { (t("Annex", "Приложение")) }
                    @for item in &notices.annexes { (part(lang, item, false)) }
                    h2 { (t("Queries", "Запросы")) }
                    p.note { (t("Each runs as it stands, with the account of a reader.", "Каждый выполняется как есть, с правами читателя.")) }
                    ol.queries { @for (i, query) in notices.queries.iter().enumerate() { li id=(format!("q{}", i + 1)) { code { (query) } } } }
                }
            }
        }
    };
    markup.into_string()
}

fn left(lang: Lang, due: Timestamp, now: Timestamp) -> String {
    let ms = due.millis() - now.millis();
    let span = lang.span(std::time::Duration::from_millis(ms.unsigned_abs()));
    match (lang, ms >= 0) {
        (Lang::En, true) => format!("{span} left"),
        (Lang::En, false) => format!("{span} overdue"),
        (Lang::Ru, true) => format!("осталось {span}"),
        (Lang::Ru, false) => format!("просрочено на {span}"),
    }
}

fn one(frame: &Frame, notice: &Notice) -> Markup {
    let lang = frame.lang();
    html! {
        section.notice {
            h1 { (notice.title) }
            p.article { (notice.article) " · " (lang.pick("due", "срок")) " " b { (frame.when(notice.due)) } }
            @for (i, item) in notice.items.iter().enumerate() { (part(lang, &Item { title: format!("{}. {}", i + 1, item.title), ..item.clone() }, true)) }
            p.sign { (lang.pick("Signature, date", "Подпись, дата")) " ______________________" }
        }
    }
}

fn part(lang: Lang, item: &Item, boxed: bool) -> Markup {
    html! {
        div.item.boxed[boxed] {
            h2 { (item.title) }
            @for line in &item.lines { (said(lang, line)) }
        }
    }
}

fn said(lang: Lang, line: &Line) -> Markup {
    match line {
        Line::Says { text } => html! { p { (text) } },
        Line::Figure { label, value, query } => {
            html! { p.figure { span.label { (label) } " " span.value { (value) " " (cited(*query)) } } }
        }
        Line::Table { label, heads, rows, query } => html! {
            table {
                caption { (label) " " (cited(*query)) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in rows { tr { @for cell in row { td { (cell) } } } }
                    @if rows.is_empty() { tr { td colspan=(heads.len()) { (lang.pick("none", "нет")) } } }
                }
            }
        },
        Line::Blank { label, value: Some(value), .. } => html! { p.figure { span.label { (label) } " " span.value { (value) } } },
        Line::Blank { key, label, value: None } => html! {
            p.figure { span.label { (label) } " " mark title=(key) { (lang.pick("to be filled in", "заполнить")) } }
        },
    }
}

fn cited(query: usize) -> Markup {
    html! { a.cite href=(format!("#q{query}")) { "[" (query) "]" } }
}

/// The end of a stage.
fn due(discovered: Timestamp, hours: i64) -> Timestamp {
    discovered.plus(hours * HOUR_MS)
}
