//! Clients looked at after the deal was lost or the client handed over.

use super::{Control, Kind, NAMED, words};

pub(super) const CONTROL: Control = Control {
    id: "lost_deal_look",
    title: words("Former clients looked at", "Просмотр бывших клиентов"),
    kind: Kind::Behavioural,
    about: words(
        "Clients touched without a reason whose deal with this person was lost or who were handed over to somebody else",
        "Обращения без причины к клиентам, сделка с которыми проиграна или которые переданы другому",
    ),
    mitre: &["T1213.004"],
    named: Some(words(
        "when most of the weight of `unrelated` lies on such clients",
        "если большая часть веса `unrelated` приходится на таких клиентов",
    )),
    benign: &[
        words(
            "Does the person close the books on lost deals or write a report about them?",
            "Не подводит ли человек итоги по проигранным сделкам, не пишет ли о них отчёт?",
        ),
        words("Did a client come back who is not yet assigned again?", "Не вернулся ли клиент, ещё не закреплённый заново?"),
    ],
    ..NAMED
};
