//! The landing page.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Asked,
    words::{Lang, minute},
};
use crate::{
    api::{self, Alert, Counts, Right, Status, Who},
    engine::{AlertVersion, Severity, SubjectKind},
    event::Timestamp,
    store::{actions, query::Sort},
};

/// A severity, coloured.
pub(super) fn chip(lang: Lang, severity: Severity) -> Markup {
    html! { span.chip data-severity=(severity.as_str()) { (lang.severity(severity)) } }
}

/// What stands in the head of every page.
pub(super) fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) }
        link rel="icon" type="image/svg+xml" href="/assets/filin.svg";
        link rel="stylesheet" href="/assets/filin.css";
    }
}

/// What every page says of itself that is whole in itself: to be saved, sent, printed.
pub(super) fn printed_head(title: &str, style: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        title { (title) }
        style { (PreEscaped(style)) }
    }
}

/// The owl, and where it leads.
pub(super) fn brand(home: &str) -> Markup {
    html! {
        a.brand href=(home) {
            img src="/assets/filin.svg" alt="" width="32" height="32";
            span { "Filin" }
        }
    }
}

/// Links to the same page in each language.
pub(super) fn languages(now: Lang, address: impl Fn(Lang) -> String) -> Markup {
    html! {
        nav aria-label=(now.pick("Language", "Язык")) {
            @for lang in [Lang::En, Lang::Ru] {
                a href=(address(lang)) lang=(lang.tag()) hreflang=(lang.tag()) aria-current=[(lang == now).then_some("true")] {
                    (lang.pick("English", "Русский"))
                }
            }
        }
    }
}

/// A summary begins with the strongest reason; what comes behind it is said in smaller letters.
pub(super) fn story(lang: Lang, alert: &AlertVersion) -> (&str, &str) {
    let summary = lang.text(&alert.summary);
    let strongest = alert.contributions.iter().find_map(|c| c.sentence.as_ref()).map(|s| lang.text(s));
    let lead = strongest.filter(|s| summary.starts_with(s)).unwrap_or(summary);
    (lead, summary[lead.len()..].trim())
}

/// How much an alert is about.
pub(super) fn amounts(lang: Lang, a: &AlertVersion) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    html! {
        (t("score", "балл")) " " b { (format!("{:.1}", a.score)) }
        " · " (t("records", "записей")) " " (lang.number(a.records))
        " · " (t("clients", "клиентов")) " " (lang.number(a.clients))
    }
}

/// When it was seen, where that was not at once.
pub(super) fn marks(lang: Lang, a: &AlertVersion) -> Markup {
    html! {
        @if a.late { " " span.pill { (lang.pick("late", "с опозданием")) } }
        @if a.lookback { " " span.pill { (lang.pick("look-back", "за прошлое")) } }
    }
}

/// All that the page shows.
pub(super) struct Page {
    pub(super) lang: Lang,
    /// Who asks.
    pub(super) who: Who,
    pub(super) asked: Asked,
    pub(super) now: Timestamp,
    pub(super) status: Status,
    /// The name under which the page was asked for.
    pub(super) host: String,
    /// None while the store does not answer.
    pub(super) stored: Option<(api::Page<Alert>, Counts)>,
}

impl Page {
    pub(super) fn html(&self) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        html! {
            (DOCTYPE)
            html lang=(self.lang.tag()) {
                head {
                    (head("Filin"))
                    script src="/assets/filin.js" defer {}
                }
                body {
                    a.skip href="#alerts" { (t("Skip to alerts", "К оповещениям")) }
                    (self.top())
                    main {
                        div #live {
                            (self.tiles())
                            (self.alerts())
                            (self.tables())
                        }
                    }
                    (self.foot())
                }
            }
        }
    }

    fn top(&self) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        html! {
            header.top {
                (brand(&self.address(|a| (a.severity, a.manager) = (None, None))))
                p.lead { (t("Who asks for what, and what is unusual about it", "Кто что запрашивает и что в этом необычного")) }
                div.controls {
                    label #refresh hidden { input #pause type="checkbox"; " " (t("pause updates", "не обновлять")) }
                    // The language stays in links only where it was chosen.
                    (languages(self.lang, |lang| self.address(|a| a.lang = (a.lang.is_some() || lang != self.lang).then_some(lang))))
                    (super::door::leave_button(self.lang, &self.who))
                }
            }
        }
    }

    fn tiles(&self) -> Markup {
        let (t, s) = (|en, ru| self.lang.pick(en, ru), &self.status);
        let uptime = Duration::from_millis(u64::try_from(self.now.millis() - s.started.millis()).unwrap_or_default());
        let watermark = s.tenants.iter().filter_map(|tenant| tenant.watermark).max();
        let mode = match s.mode {
            "servers" => t("Kafka and ClickHouse servers", "серверы Kafka и ClickHouse"),
            _ => t("embedded, no servers", "встроенный, без серверов"),
        };
        html! {
            section aria-label=(t("State", "Состояние")) {
                p.state {
                    @if !s.ready() {
                        span.pill.wait { (t("starting", "запускается")) } " " (t("still to do:", "осталось:")) " " (s.missing.join(", "))
                    } @else if self.stored.is_none() {
                        span.pill.wait { (t("store away", "хранилище недоступно")) } " "
                        (t("Events are kept in the log; nothing is lost.", "События остаются в журнале, ничего не теряется."))
                    } @else {
                        span.pill.good { (t("ready", "работает")) }
                    }
                    @if s.demo { " " span.pill.demo { (t("made-up data", "вымышленные данные")) } }
                    span.facts { "Filin " (env!("CARGO_PKG_VERSION")) " · " (mode) " · " (t("up", "работает уже")) " " (self.lang.span(uptime)) }
                }
                dl.tiles {
                    (self.tile(t("records scored", "записей оценено"), &self.lang.number(s.events), self.stored.as_ref().map(|(_, c)| {
                        format!("{} {}", self.lang.number(c.events), t("events in all kept days", "событий за все хранимые дни"))
                    })))
                    (self.tile(t("managers", "менеджеров"), &self.stored.as_ref().map_or("–".to_owned(), |(_, c)| self.lang.number(c.managers)), None))
                    (self.tile(t("watermark", "время событий"), &watermark.map_or("–".to_owned(), |at| minute(at).replace(" UTC", "")),
                        Some(t("greatest event time, UTC", "самое позднее, UTC").to_owned())))
                    (self.tile(t("log behind", "в очереди"), &self.lang.number(s.log_behind), Some(t("records to score", "записей до оценки").to_owned())))
                }
            }
        }
    }

    fn tile(&self, name: &str, value: &str, note: Option<String>) -> Markup {
        html! { div { dt { (name) } dd { span.value { (value) } @if let Some(note) = note { span.note { (note) } } } } }
    }

    fn alerts(&self) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        html! {
            section aria-labelledby="alerts" {
                div.bar {
                    h1 #alerts { (t("Alerts", "Оповещения")) }
                    @if let Some((_, counts)) = &self.stored {
                        ul.counts {
                            @for severity in Severity::ALL.iter().rev() {
                                @let n = counts.alerts.iter().find(|(name, _)| name == severity.as_str()).map_or(0, |(_, n)| *n);
                                li { (chip(self.lang, *severity)) " " (self.lang.number(n)) }
                            }
                        }
                    }
                }
                nav.filter aria-label=(t("Show", "Показать")) {
                    a href=(self.address(|a| a.severity = None)) aria-current=[self.asked.severity.is_none().then_some("true")] { (t("all", "все")) }
                    @for severity in [Severity::Medium, Severity::High, Severity::Critical] {
                        a href=(self.address(|a| a.severity = Some(severity))) aria-current=[(self.asked.severity == Some(severity)).then_some("true")] {
                            (self.lang.severity(severity)) @if severity < Severity::Critical { " " (t("and above", "и выше")) }
                        }
                    }
                    @if let Some(manager) = self.asked.manager.as_deref().filter(|m| !m.is_empty()) {
                        a.remove href=(self.address(|a| a.manager = None)) { (t("only", "только")) " " b { (manager) } " ✕" span.hidden { (t("show everybody", "показать всех")) } }
                    }
                }
                nav.filter aria-label=(t("State", "Состояние")) {
                    a href=(self.address(|a| a.state = None)) aria-current=[self.asked.state.is_none().then_some("true")] { (t("all states", "любое состояние")) }
                    @for (state, name) in [
                        (actions::State::Open, t("open", "открытые")), (actions::State::Acknowledged, t("acknowledged", "в работе")),
                        (actions::State::Closed, t("closed", "закрытые")),
                    ] {
                        a href=(self.address(|a| a.state = Some(state))) aria-current=[(self.asked.state == Some(state)).then_some("true")] { (name) }
                    }
                }
                nav.filter aria-label=(t("Order", "Порядок")) {
                    @let learned = self.stored.as_ref().is_some_and(|(_, counts)| counts.learned);
                    @for (sort, name) in [
                        (Sort::Time, t("newest first", "сначала новые")), (Sort::Score, t("most surprising first", "сначала самые необычные")),
                        (Sort::Priority, t("as your answers taught", "как научили ваши ответы")),
                    ].into_iter().filter(|(sort, _)| learned || *sort != Sort::Priority) {
                        a href=(self.address(|a| a.sort = Some(sort))) aria-current=[(self.asked.sort.unwrap_or_default() == sort).then_some("true")] { (name) }
                    }
                }
                @match &self.stored {
                    Some((page, _)) if !page.found.is_empty() => {
                        ol.alerts { @for alert in &page.found { li { (self.alert(alert)) } } }
                        (self.pages(page))
                    },
                    Some(_) => (self.nothing()),
                    None => p.empty { (t("Alerts are shown when the store answers.", "Оповещения появятся, когда ответит хранилище.")) },
                }
            }
        }
    }

    /// To the alerts that follow, and back to the first.
    fn pages(&self, page: &api::Page<Alert>) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        html! {
            nav.filter aria-label=(t("Pages", "Страницы")) {
                @if self.asked.after.is_some() { a href=(self.address(|_| ())) { (t("from the beginning", "с начала")) } }
                @if let Some(next) = &page.next {
                    a rel="next" href=(self.address(|a| a.after = Some(next.to_string()))) { (t("further", "дальше")) }
                }
            }
        }
    }

    fn nothing(&self) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        html! {
            div.empty {
                p { (t("No alerts.", "Оповещений нет.")) }
                @if self.status.events == 0 {
                    p { (t("Nothing has come in yet. Send events:", "Событий ещё не было. Отправьте их:")) }
                    pre { code { "filin push --to http://" (self.host) " --format canonical events.jsonl" } }
                }
            }
        }
    }

    fn alert(&self, alert: &Alert) -> Markup {
        let (t, a) = (|en, ru| self.lang.pick(en, ru), &alert.version);
        html! {
            article.alert data-severity=(a.severity.as_str()) {
                p.meta {
                    (chip(self.lang, a.severity)) " "
                    (super::one::state(self.lang, alert)) " "
                    (self.subject(alert))
                    @if let Some(team) = &a.team { " " span.team { (team) } }
                    span.when { time datetime=(a.time) { (minute(a.time)) } }
                }
                @let (lead, rest) = story(self.lang, a);
                h2 { (lead) }
                @let sentences = a.contributions.iter().filter_map(|c| c.sentence.as_ref()).map(|s| self.lang.text(s));
                @let reasons: Vec<&str> = sentences.filter(|reason| *reason != lead).collect();
                @let (shown, more) = reasons.split_at(reasons.len().min(3));
                @if !shown.is_empty() { ul.reasons { @for reason in shown { li { (reason) } } } }
                @if !more.is_empty() {
                    details #{ "why-" (a.alert_id) } {
                        summary { (t("more reasons", "ещё причины")) " (" (more.len()) ")" }
                        ul.reasons { @for reason in more { li { (reason) } } }
                    }
                }
                @if !rest.is_empty() { p.rest { (rest) } }
                p.meta {
                    (amounts(self.lang, a))
                    @for control in &a.controls { " " code { (control) } }
                    (marks(self.lang, a))
                    " " a href={ "/alerts/" (a.alert_id) "?lang=" (self.lang.tag()) } { (if self.who.may(Right::Answer) { t("answer", "ответить") } else { t("history", "история") }) }
                    " " a href={ "/v1/alerts/" (a.alert_id) } { (t("all versions", "все версии")) " " span.hidden { (a.alert_id) } }
                }
            }
        }
    }

    /// Never an id: the pseudonym, or the kind of a subject that is no person.
    fn subject(&self, alert: &Alert) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        if !alert.manager_alias.is_empty() {
            return html! { a.who href=(self.address(|a| a.manager = Some(alert.manager_alias.clone()))) { (alert.manager_alias) } };
        }
        let kind = match alert.version.subject.kind {
            SubjectKind::Manager => t("manager", "менеджер"),
            SubjectKind::Address => t("address", "адрес"),
            SubjectKind::Source => t("source", "источник"),
            SubjectKind::Tenant => t("organisation", "организация"),
        };
        html! { span.who { (kind) } }
    }

    fn tables(&self) -> Markup {
        let (t, s) = (|en, ru| self.lang.pick(en, ru), &self.status);
        html! {
            div.columns {
                section {
                    h2 { (t("Sources", "Источники")) }
                    @if s.sources.is_empty() {
                        p.empty { (t("None is bound. Events come by", "Не настроены. События принимает")) " " code { "POST /v1/events" } "." }
                    } @else {
                        div.scroll tabindex="0" role="region" aria-label=(t("Sources", "Источники")) { table {
                            thead { tr {
                                th scope="col" { (t("source", "источник")) } th scope="col" { (t("format", "формат")) }
                                th.n scope="col" { (t("records", "записей")) } th.n scope="col" { (t("behind", "отставание")) }
                            } }
                            tbody { @for source in &s.sources { tr {
                                th scope="row" { (source.name) " " span.note { (source.kind.as_str()) } } td { (source.format) }
                                td.n { (self.lang.number(source.records)) }
                                td.n { (source.behind.map_or("–".to_owned(), |n| self.lang.number(n))) }
                            } } }
                        } }
                    }
                }
                section {
                    h2 { (t("Organisations", "Организации")) }
                    @if s.tenants.is_empty() {
                        p.empty { (t("No event yet.", "Событий ещё не было.")) }
                    } @else {
                        div.scroll tabindex="0" role="region" aria-label=(t("Organisations", "Организации")) { table {
                            thead { tr {
                                th scope="col" { (t("tenant", "организация")) } th scope="col" { (t("watermark", "время событий")) }
                                th.n scope="col" { (t("log offset", "место в журнале")) }
                            } }
                            tbody { @for tenant in &s.tenants { tr {
                                th scope="row" { (tenant.tenant) }
                                td { (tenant.watermark.map_or("–".to_owned(), minute)) }
                                td.n { (tenant.log_offset.map_or("–".to_owned(), |n| self.lang.number(n))) }
                            } } }
                        } }
                    }
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        let t = |en, ru| self.lang.pick(en, ru);
        html! {
            footer {
                nav aria-label=(t("For programs", "Для программ")) {
                    a href="/v1/alerts" { "/v1/alerts" } a href="/v1/managers" { "/v1/managers" } a href="/openapi.json" { "OpenAPI" } a href="/metrics" { "/metrics" }
                    a href="/readyz" { "/readyz" }
                }
                p { "ClickHouse: " code { (self.status.clickhouse) } " · " (t("database", "база")) " " code { "filin" } }
                p.note {
                    (t("People are shown by pseudonym; times are UTC.", "Люди показаны под псевдонимами, время — UTC."))
                    @if self.who.must(Right::Allow).is_ok() { " " a href={ "/reveals?lang=" (self.lang.tag()) } { (t("Who saw whom by name", "Кто кого видел по имени")) } }
                }
            }
        }
    }

    /// The address of this page, asked otherwise; it begins with the first alerts unless that is changed, too.
    fn address(&self, change: impl FnOnce(&mut Asked)) -> String {
        let mut asked = Asked { after: None, ..self.asked.clone() };
        change(&mut asked);
        let sort = asked.sort.filter(|sort| *sort != Sort::default());
        let mut query = form_urlencoded::Serializer::for_suffix("/?".to_owned(), 2);
        for (key, value) in [
            ("lang", asked.lang.map(Lang::tag)),
            ("severity", asked.severity.map(Severity::as_str)),
            ("state", asked.state.map(actions::State::as_str)),
            ("sort", sort.map(Sort::as_str)),
            ("manager", asked.manager.as_deref()),
            ("tenant", asked.tenant.as_deref()),
            ("after", asked.after.as_deref()),
        ] {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                query.append_pair(key, value);
            }
        }
        query.finish().trim_end_matches('?').to_owned()
    }
}
