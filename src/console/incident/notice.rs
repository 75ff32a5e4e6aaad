//! What the notices say, law by law.

use super::{Frame, Item, Law, Line, Notice, Notices, due, words};
use crate::{
    console::{
        page::story,
        words::{Lang, minute},
    },
    engine::{Severity, control, personal_kinds},
    event::Timestamp,
    store::incident::{Account, Answer, Basis, Figure, Incident, Suspect},
};

/// What only a person can say.
#[derive(Clone, Copy, Debug)]
pub struct Blank {
    /// Its key in a file of `--fill`.
    pub key: &'static str,
    /// What is meant.
    pub en: &'static str,
    /// The same in Russian.
    pub ru: &'static str,
}

const fn blank(key: &'static str, en: &'static str, ru: &'static str) -> Blank {
    Blank { key, en, ru }
}

/// All that a person may have to say, in the order of the notices.
pub const BLANKS: &[Blank] = &[
    blank("operator", "Controller: full name", "Полное наименование оператора"),
    blank("operator_inn", "Tax number (INN)", "ИНН"),
    blank("operator_address", "Address", "Адрес"),
    blank("operator_email", "E-mail for answers", "Адрес электронной почты для ответа"),
    blank("authority", "Supervisory authority (art. 55, 56)", "Надзорный орган (ст. 55, 56)"),
    blank("contact", "Data protection officer or contact person", "Лицо, уполномоченное на взаимодействие: ФИО, должность"),
    blank("contact_phone", "Their telephone", "Его телефон"),
    blank("contact_email", "Their e-mail", "Его электронная почта"),
    blank("subjects", "Categories of data subjects, beside clients", "Категории субъектов, кроме клиентов"),
    blank("data", "What the records hold, category by category", "Состав данных в записях, по категориям"),
    blank(
        "collected",
        "Over which time the data had been collected, and whether they are current",
        "За какой период собраны данные и актуальны ли они",
    ),
    blank("where", "Where the data are now, as far as is known", "Где данные находятся сейчас, насколько известно"),
    blank("cause", "Cause, as a person sees it", "Причина, по мнению ответственного лица"),
    blank("harm", "Likely consequences for the data subjects", "Предполагаемый вред субъектам"),
    blank("measures", "Measures beside those listed", "Меры, кроме перечисленных"),
    blank("first_notice", "Number and date of the first notice", "Номер и дата первичного уведомления"),
    blank(
        "investigation",
        "Decision on the investigation: number, date, who held it",
        "Решение о проведении расследования: реквизиты, кто проводил",
    ),
    blank("findings", "What the investigation found", "Выводы расследования"),
    blank("persons", "Persons whose actions were the cause: full name, position", "Лица, действия которых стали причиной: ФИО, должность"),
    blank("informed", "Whether and how data subjects are told (art. 34)", "Сообщено ли субъектам и как (ст. 34)"),
    blank("delay", "Reasons for the delay (art. 33(1))", "Причины задержки (п. 1 ст. 33)"),
];

/// Columns that are told by name.
const COLUMNS: usize = 30;

/// Gathers what is said, and the queries behind it.
struct Pen<'a> {
    lang: Lang,
    frame: &'a Frame,
    incident: &'a Incident,
    queries: Vec<String>,
}

/// The notices of a law.
pub(super) fn all(frame: &Frame, incident: &Incident) -> Notices {
    let mut pen = Pen { lang: frame.lang(), frame, incident, queries: Vec::new() };
    let notices = match frame.law {
        Law::Fz152 => vec![pen.first_day(), pen.third_day()],
        Law::Gdpr => vec![pen.gdpr()],
    };
    let annexes = pen.annexes();
    Notices { law: frame.law, notices, annexes, queries: pen.queries }
}

impl<'a> Pen<'a> {
    fn t(&self, en: &'static str, ru: &'static str) -> &'static str {
        self.lang.pick(en, ru)
    }

    fn item(&self, en: &'static str, ru: &'static str, lines: Vec<Line>) -> Item {
        Item { title: self.t(en, ru).to_owned(), lines }
    }

    /// The place of a query among all, from 1.
    fn cite(&mut self, query: &str) -> usize {
        let known = self.queries.iter().position(|q| q == query);
        let at = known.unwrap_or_else(|| {
            self.queries.push(query.to_owned());
            self.queries.len() - 1
        });
        at + 1
    }

    fn says(&self, en: &'static str, ru: &'static str) -> Line {
        Line::Says { text: self.t(en, ru).to_owned() }
    }

    fn blank(&self, key: &'static str) -> Line {
        let blank = BLANKS.iter().find(|b| b.key == key);
        debug_assert!(blank.is_some(), "{key}");
        let label = blank.map_or(key, |b| self.t(b.en, b.ru)).to_owned();
        Line::Blank { key, label, value: self.frame.filled.get(key).cloned() }
    }

    fn blanks(&self, keys: &[&'static str]) -> Vec<Line> {
        keys.iter().map(|key| self.blank(key)).collect()
    }

    fn figure(&mut self, en: &'static str, ru: &'static str, value: String, query: &str) -> Line {
        Line::Figure { label: self.t(en, ru).to_owned(), value, query: self.cite(query) }
    }

    fn number(&mut self, en: &'static str, ru: &'static str, of: &Figure<u64>) -> Line {
        self.figure(en, ru, self.lang.number(of.value), &of.query)
    }

    fn up_to(&mut self, en: &'static str, ru: &'static str, of: &Figure<u64>) -> Line {
        let value = format!("{} {}", self.t("up to", "до"), self.lang.number(of.value));
        self.figure(en, ru, value, &of.query)
    }

    fn time(&mut self, en: &'static str, ru: &'static str, of: &Figure<Option<Timestamp>>) -> Line {
        let value = of.value.map_or_else(|| self.t("not known", "неизвестно").to_owned(), |t| self.frame.when(t));
        self.figure(en, ru, value, &of.query)
    }

    fn table(&mut self, label: &'static str, heads: &[&'static str], rows: Vec<Vec<String>>, query: &str) -> Line {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Line::Table { label: label.to_owned(), heads, rows, query: self.cite(query) }
    }

    fn notice(&self, en: &'static str, ru: &'static str, article: (&'static str, &'static str), within_h: i64, items: Vec<Item>) -> Notice {
        Notice {
            title: self.t(en, ru).to_owned(),
            article: self.t(article.0, article.1).to_owned(),
            within_h,
            due: due(self.incident.discovered.value, within_h),
            items,
        }
    }

    /// 152-FZ, within 24 hours.
    fn first_day(&mut self) -> Notice {
        let items = vec![
            self.operator(),
            self.item(
                "Person who speaks with the authority",
                "Лицо, уполномоченное на взаимодействие с Роскомнадзором",
                self.blanks(&["contact", "contact_phone", "contact_email"]),
            ),
            self.happened(),
            self.data(),
            self.causes(),
            self.item("Presumed harm to the data subjects", "Предполагаемый вред, нанесённый правам субъектов", self.blanks(&["harm"])),
            self.measures(true),
        ];
        let article = ("Federal law 152-FZ, article 21, part 3.1, item 1", "Федеральный закон № 152-ФЗ, статья 21, часть 3.1, пункт 1");
        self.notice(
            "First notice of an incident with personal data",
            "Первичное уведомление об инциденте с персональными данными",
            article,
            24,
            items,
        )
    }

    /// 152-FZ, within 72 hours.
    fn third_day(&mut self) -> Notice {
        let mut found = self.blanks(&["investigation", "findings"]);
        let i = self.incident;
        found.push(self.number("Events looked at", "Изучено событий", &i.events));
        found.push(self.time("First of them", "Первое из них", &i.first));
        found.push(self.time("Last of them", "Последнее из них", &i.last));
        found.extend(self.counted());
        found.push(self.answers());
        let items = vec![
            self.item("First notice", "Первичное уведомление", self.blanks(&["first_notice"])),
            self.operator(),
            self.item("Results of the internal investigation", "Результаты внутреннего расследования", found),
            self.causes(),
            self.persons(),
            self.item("Harm to the data subjects", "Вред, нанесённый правам субъектов", self.blanks(&["harm"])),
            self.measures(false),
        ];
        let article = ("Federal law 152-FZ, article 21, part 3.1, item 2", "Федеральный закон № 152-ФЗ, статья 21, часть 3.1, пункт 2");
        self.notice(
            "Notice of the results of the internal investigation",
            "Уведомление о результатах внутреннего расследования",
            article,
            72,
            items,
        )
    }

    /// GDPR, article 33.
    fn gdpr(&mut self) -> Notice {
        let mut to = self.operator();
        to.lines.insert(0, self.blank("authority"));
        let late = self.frame.made > due(self.incident.discovered.value, 72);
        let mut when = self.happened();
        if late {
            when.lines.push(self.blank("delay"));
        }
        let mut items = vec![
            to,
            when,
            self.data(),
            self.causes(),
            self.item(
                "Contact point (art. 33(3)(b))",
                "Контактное лицо (подп. b п. 3 ст. 33)",
                self.blanks(&["contact", "contact_phone", "contact_email"]),
            ),
            self.item("Likely consequences (art. 33(3)(c))", "Вероятные последствия (подп. c п. 3 ст. 33)", self.blanks(&["harm"])),
            self.measures(true),
        ];
        items.push(self.item("Data subjects (art. 34)", "Субъекты данных (ст. 34)", self.blanks(&["informed"])));
        let article = (
            "Regulation (EU) 2016/679, article 33; what is not known yet may follow in phases (art. 33(4))",
            "Регламент (ЕС) 2016/679, статья 33; неизвестное пока можно сообщить поэтапно (п. 4 ст. 33)",
        );
        self.notice(
            "Notification of a personal data breach",
            "Уведомление о нарушении безопасности персональных данных",
            article,
            72,
            items,
        )
    }

    fn operator(&self) -> Item {
        let keys: &[&str] = match self.frame.law {
            Law::Fz152 => &["operator", "operator_inn", "operator_address", "operator_email"],
            Law::Gdpr => &["operator", "operator_address", "operator_email"],
        };
        self.item("Controller", "Оператор", self.blanks(keys))
    }

    /// When, and how it is known.
    fn happened(&mut self) -> Item {
        let i = self.incident;
        let discovered = Figure { value: Some(i.discovered.value), query: i.discovered.query.clone() };
        let mut lines = vec![self.time("Discovered", "Дата и время выявления", &discovered)];
        lines.push(match i.basis {
            Basis::Said => self.says("The time of discovery was given by a person.", "Время выявления указано человеком."),
            Basis::Raised => self.says(
                "That is when the system that watches the CRM's audit trail raised the first of the alerts below.",
                "В это время система наблюдения за журналом CRM подняла первое из оповещений, указанных ниже.",
            ),
            Basis::EventTime => self.says(
                "When the alert was raised is not known any more: this is the time of what it is about. Check it, or give --discovered.",
                "Когда поднято оповещение, уже неизвестно: указано время самого происшествия. Проверьте или задайте --discovered.",
            ),
        });
        lines.push(self.time("First event of the incident", "Первое событие инцидента", &i.first));
        lines.push(self.time("Last event of the incident", "Последнее событие инцидента", &i.last));
        lines.push(self.says(
            "Source: the CRM's own audit events, and alerts made from them.",
            "Источник сведений: события журнала CRM и оповещения по ним.",
        ));
        for told in &i.alerts {
            let a = &told.alert;
            let text = format!("{} {} ({})", self.t("Alert", "Оповещение"), a.alert_id, self.lang.severity(a.severity));
            lines.push(Line::Says { text });
        }
        self.item("The incident", "Сведения об инциденте", lines)
    }

    /// How many, and how much.
    fn counted(&mut self) -> Vec<Line> {
        let i = self.incident;
        vec![
            self.number(
                "Data subjects: clients named by events, each once",
                "Субъекты: клиенты, названные в событиях, каждый один раз",
                &i.clients,
            ),
            self.number("of these without a known reason of work", "из них без известной рабочей причины", &i.strangers),
            self.up_to("more, not named by events", "ещё, не названных в событиях", &i.unnamed),
            self.number("Clients in the whole directory, for comparison", "Всего клиентов в базе, для сравнения", &i.directory),
            self.number("Records that left in files or by programs", "Записей выгружено файлами и программами", &i.records_out),
            self.number("Records shown on the screen", "Записей показано на экране", &i.records_screen),
            self.number(
                "Records changed, deleted, handed over or shared",
                "Записей изменено, удалено, передано или открыто другим",
                &i.records_changed,
            ),
            self.number("Calls", "Звонков", &i.calls),
        ]
    }

    /// Whose data, which, how many.
    fn data(&mut self) -> Item {
        let (i, lang) = (self.incident, self.lang);
        let mut lines = vec![
            self.says(
                "Categories of data subjects: clients of the controller and their contact persons.",
                "Категории субъектов: клиенты оператора и их контактные лица.",
            ),
            self.blank("subjects"),
        ];
        lines.extend(self.counted());
        lines.push(self.says(
            "Counted is all that the account did from the beginning of the day of the first evidence to the end of the episode, ordinary work \
             included: the first number is a bound from above. Records without a named client may be of one client several times.",
            "Учтено всё, что делала учётная запись с начала дня первого свидетельства до конца эпизода, в том числе обычная работа: первое число — \
             оценка сверху. Записи без названного клиента могут относиться к одному клиенту несколько раз.",
        ));
        let rows = i.objects.value.iter().map(|c| vec![words::object(lang, &c.what).to_owned(), lang.number(c.n)]).collect();
        lines.push(self.table(
            self.t("What was touched", "К чему обращались"),
            &[self.t("records of", "записи"), self.t("events", "событий")],
            rows,
            &i.objects.query,
        ));
        let columns: Vec<String> = i.fields.value.iter().map(|c| c.what.clone()).collect();
        if !columns.is_empty() {
            let kinds: Vec<&str> = personal_kinds(&columns).map(|kind| words::kind(lang, kind)).collect();
            let told = if kinds.is_empty() {
                self.t("none by their names", "по названиям — нет").to_owned()
            } else {
                kinds.join(", ")
            };
            lines.push(self.figure(
                "Personal data among the columns asked for",
                "Персональные данные среди запрошенных полей",
                told,
                &i.fields.query,
            ));
            let mut named = columns[..columns.len().min(COLUMNS)].join(", ");
            if columns.len() > COLUMNS {
                named += ", …";
            }
            lines.push(self.figure("Columns asked for", "Запрошенные поля", named, &i.fields.query));
        }
        if i.calls.value > 0 {
            lines.push(self.says("Of calls: the number, the time and how long.", "О звонках: номер, время и длительность."));
        }
        lines.extend(self.blanks(&["data", "collected", "where"]));
        self.item("Personal data concerned", "Характеристика персональных данных", lines)
    }

    /// What was found, in words.
    fn causes(&self) -> Item {
        let mut lines = Vec::new();
        for told in &self.incident.alerts {
            let titles: Vec<&str> =
                told.alert.controls.iter().map(|id| control::get(id).map_or(id.as_str(), |c| self.lang.words(c.title))).collect();
            let (lead, _) = story(self.lang, &told.alert);
            let who = self.who(told.alert.manager.as_deref(), &told.manager_alias);
            let who = if who.is_empty() { String::new() } else { format!("{who}: ") };
            lines.push(Line::Says { text: format!("{who}{}. {lead}", titles.join("; ")) });
        }
        lines.push(self.blank("cause"));
        self.item("Presumed cause", "Предполагаемые причины", lines)
    }

    /// A person's name where names were asked for, else their pseudonym.
    fn who(&self, manager: Option<&str>, alias: &str) -> String {
        match manager.and_then(|id| Some((id, self.frame.names.get(id)?))) {
            Some((id, name)) => format!("{name} ({id})"),
            None => alias.to_owned(),
        }
    }

    fn persons(&mut self) -> Item {
        let i = self.incident;
        let mut lines: Vec<Line> = i.suspects.iter().map(|s| Line::Says { text: self.person(s) }).collect();
        if i.suspects.is_empty() {
            lines
                .push(self.says("The alerts are about no account of an employee.", "Оповещения не относятся к учётной записи сотрудника."));
        } else if self.frame.names.is_empty() {
            lines.push(self.says(
                "Employees stand under pseudonyms. An account acted: that its owner did is for the investigation to say.",
                "Сотрудники указаны под псевдонимами. Действовала учётная запись: что это был её владелец, устанавливает расследование.",
            ));
        }
        lines.push(self.addresses());
        lines.push(self.blank("persons"));
        self.item("Persons whose actions were the cause", "Лица, действия которых стали причиной инцидента", lines)
    }

    fn person(&self, s: &Suspect) -> String {
        let mut text = format!("{} {}", self.t("Account of", "Учётная запись:"), self.who(Some(&s.manager), &s.manager_alias));
        for (what, value) in [(self.t("role", "роль"), &s.role), (self.t("team", "отдел"), &s.team)] {
            if !value.is_empty() {
                text += &format!(", {what} {value}");
            }
        }
        text
    }

    fn addresses(&mut self) -> Line {
        let i = self.incident;
        let rows = i.addresses.value.iter().map(|a| vec![a.ip.clone(), a.country.clone(), self.lang.number(a.events)]).collect();
        let heads = [self.t("IP address", "IP-адрес"), self.t("country", "страна"), self.t("events", "событий")];
        self.table(self.t("From where", "Откуда"), &heads, rows, &i.addresses.query)
    }

    fn answers(&mut self) -> Line {
        let (i, lang) = (self.incident, self.lang);
        let row = |a: &Answer| {
            vec![
                minute(Timestamp::from_millis(a.at)),
                a.alert_id.clone(),
                words::role(lang, &a.role).to_owned(),
                words::action(lang, &a.action).to_owned(),
                words::verdict(lang, &a.verdict).to_owned(),
            ]
        };
        let rows = i.answers.value.iter().map(row).collect();
        let heads = [
            self.t("when", "когда"),
            self.t("alert", "оповещение"),
            self.t("who", "кто"),
            self.t("what", "что"),
            self.t("answer", "ответ"),
        ];
        self.table(self.t("What was done about the alerts", "Что сделано по оповещениям"), &heads, rows, &i.answers.query)
    }

    /// `answers`: with what people did about the alerts, where that is told nowhere else.
    fn measures(&mut self, answers: bool) -> Item {
        let (i, lang) = (self.incident, self.lang);
        let mut lines = Vec::new();
        if answers {
            lines.push(self.answers());
        }
        let state = |a: &Account| match (a.active, a.terminated_at.as_str()) {
            (Some(false), _) => self.t("closed", "закрыта").to_owned(),
            (_, end) if !end.is_empty() => format!("{} {end}", self.t("access ends", "доступ прекращается")),
            (Some(true), _) => self.t("open", "открыта").to_owned(),
            (None, _) => self.t("not known", "неизвестно").to_owned(),
        };
        let name = |alias: &str| {
            let id = i.suspects.iter().find(|s| s.manager_alias == alias).map(|s| s.manager.as_str());
            self.who(id, alias)
        };
        let rows = i.accounts.value.iter().map(|a| vec![name(&a.manager_alias), state(a)]).collect();
        lines.push(self.table(
            self.t("Accounts, as the directory says now", "Учётные записи, по справочнику на сейчас"),
            &[self.t("account", "учётная запись"), self.t("state", "состояние")],
            rows,
            &i.accounts.query,
        ));
        let rows = i
            .measures
            .value
            .iter()
            .map(|m| vec![minute(Timestamp::from_millis(m.time)), words::action(lang, &m.action).to_owned(), m.what.clone()])
            .collect();
        lines.push(self.table(
            self.t("What administrators did about these accounts since", "Что с тех пор сделали администраторы с этими учётными записями"),
            &[self.t("when", "когда"), self.t("what", "что"), self.t("of what", "с чем")],
            rows,
            &i.measures.query,
        ));
        lines.push(self.blank("measures"));
        self.item("Measures taken", "Принятые меры", lines)
    }

    /// What stands behind all notices: time line, deeds, whose clients.
    fn annexes(&mut self) -> Vec<Item> {
        let (i, lang) = (self.incident, self.lang);
        let time_line = vec![
            self.time("First event", "Первое событие", &i.first),
            {
                let rows = i
                    .steps
                    .value
                    .iter()
                    .map(|s| {
                        let severity = Severity::from_word(&s.severity).map_or(s.severity.as_str(), |known| lang.severity(known));
                        let title = control::get(&s.kind).map_or(s.kind.as_str(), |c| lang.words(c.title));
                        vec![
                            minute(Timestamp::from_millis(s.time)),
                            s.alert_id.clone(),
                            s.version.to_string(),
                            severity.to_owned(),
                            title.to_owned(),
                        ]
                    })
                    .collect();
                let heads = [
                    self.t("time of the event", "время события"),
                    self.t("alert", "оповещение"),
                    self.t("version", "версия"),
                    self.t("severity", "серьёзность"),
                    self.t("found", "найдено"),
                ];
                self.table(self.t("How the alerts grew", "Как росли оповещения"), &heads, rows, &i.steps.query)
            },
            self.time("Somebody was told", "Сообщено ответственному", &i.told),
            self.answers(),
            self.time("Last event", "Последнее событие", &i.last),
        ];
        let rows = i
            .deeds
            .value
            .iter()
            .map(|d| {
                vec![
                    words::action(lang, &d.action).to_owned(),
                    words::channel(lang, &d.channel).to_owned(),
                    lang.number(d.events),
                    lang.number(d.records),
                ]
            })
            .collect();
        let heads = [self.t("what", "что"), self.t("by", "как"), self.t("events", "событий"), self.t("records", "записей")];
        let deeds = self.table(self.t("Successful actions", "Успешные действия"), &heads, rows, &i.deeds.query);
        let rows = i.owners.value.iter().map(|o| vec![words::owner(lang, &o.what).to_owned(), lang.number(o.n)]).collect();
        let owners = self.table(
            self.t("Named clients, by whose they were then", "Названные клиенты — чьи они были на тот момент"),
            &[self.t("whose", "чьи"), self.t("clients", "клиентов")],
            rows,
            &i.owners.query,
        );
        let done = vec![
            self.number("Events", "Событий", &i.events),
            self.number("failed or denied", "из них неудачных или запрещённых", &i.failed),
            deeds,
            owners,
            self.number("Key clients among the named", "Ключевых клиентов среди названных", &i.key_clients),
            self.addresses(),
        ];
        vec![self.item("Time line", "Хронология", time_line), self.item("What was done", "Что было сделано", done)]
    }
}
