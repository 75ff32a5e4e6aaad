//! Personal data that one never asked for.

use super::{Control, Kind, NAMED, switch, words};

pub(super) const CONTROL: Control = Control {
    id: "personal_fields",
    title: words("Personal data asked for the first time", "Персональные данные впервые"),
    kind: Kind::Behavioural,
    about: words(
        "A query or export asked for telephones, e-mails, passport or other personal fields that this person has not asked for before",
        "Запрос или выгрузка с телефонами, почтой, паспортными и другими персональными полями, которых этот человек раньше не запрашивал",
    ),
    mitre: &["T1213.004"],
    switches: &[switch(
        "fields",
        true,
        "personal fields asked for the first time count as new queries",
        "впервые запрошенные персональные поля считаются новыми запросами",
    )],
    named: Some(words(
        "when a query named such fields for the first time and `first_time` leads",
        "если запрос впервые назвал такие поля и ведёт `first_time`",
    )),
    benign: &[
        words("Did a form or a report of the CRM get new columns?", "Не добавлены ли столбцы в форму или отчёт CRM?"),
        words("Is a mailing or a calling campaign being prepared?", "Не готовится ли рассылка или обзвон?"),
    ],
    ..NAMED
};
