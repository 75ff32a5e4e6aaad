//! Clients touched without an order, ownership or contact.

use super::{Control, Kind, SeverityRule, floor, switch, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "unrelated",
    title: words("Clients without a reason", "Обращения к чужим клиентам"),
    kind: Kind::Behavioural,
    about: words(
        "Clients touched who are not the manager's own, without an order, a hand-over or a recent contact of theirs",
        "Обращения к чужим клиентам без заказа, без передачи и без недавнего обращения самого клиента",
    ),
    detectors: &[Detector::Unrel, Detector::UnrelShare],
    mitre: &["T1213.004"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_weight",
        3.0,
        "weight of the day below which it is no evidence; a stranger's client weighs 1, a team mate's 0.5, a key client half as much again",
        "вес за день, меньше которого он не считается признаком; чужой клиент весит 1, клиент коллеги по команде 0,5, ключевой — в полтора раза больше",
    )],
    settings: &[],
    switches: &[
        switch(
            "share",
            true,
            "the share of such clients among those touched is evidence of its own, so that strangers in place of one's own work are seen",
            "доля таких клиентов среди затронутых — отдельный признак: видны и чужие клиенты вместо собственных",
        ),
        switch(
            "lately",
            true,
            "the team's share, which is taken off, begins from that of its day before, so that a campaign is known in the morning",
            "доля по команде, которая вычитается, начинается с её прошлого рабочего дня: обзвон, идущий не первый день, известен с утра",
        ),
    ],
    said: None,
    named: None,
    benign: &[
        words(
            "Does the person stand in for a colleague whose absence is not in the calendar?",
            "Не замещает ли человек коллегу, чьего отсутствия нет в календаре?",
        ),
        words(
            "Were clients handed over that still have the old owner in the CRM?",
            "Не переданы ли клиенты, у которых в CRM ещё прежний владелец?",
        ),
        words("Is a campaign over the whole base under way?", "Не идёт ли кампания по всей базе?"),
    ],
};
