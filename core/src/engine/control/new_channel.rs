//! API or bulk jobs by a person who only used the browser.

use super::{Control, Kind, NAMED, words};

pub(super) const CONTROL: Control = Control {
    id: "new_channel",
    title: words("New channel", "Новый канал"),
    kind: Kind::Behavioural,
    about: words(
        "The API or a bulk job used by somebody who has not used it before",
        "API или пакетное задание у того, кто раньше ими не пользовался",
    ),
    mitre: &["T1106"],
    named: Some(words(
        "when the channel api or bulk_api is new for this person and `first_time` leads",
        "если канал api или bulk_api для этого человека новый и ведёт `first_time`",
    )),
    benign: &[
        words("Was a spreadsheet, a telephone or a tool connected to the CRM?", "Не подключена ли к CRM таблица, телефон или программа?"),
        words("Does an update of the CRM work through the API now?", "Не работает ли обновлённая CRM теперь через API?"),
    ],
    ..NAMED
};
