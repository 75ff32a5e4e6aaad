//! Another's clients, where the tenant has said that they are not one's to touch.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Text,
        explain::{Facts, Hit, phrase},
        math::number,
        rule::{Hits, Rule},
    },
    event::{Access, Action, Owner},
};

pub(super) const CONTROL: Control = Control {
    id: "out_of_book",
    title: words("Another's clients", "Чужие клиенты"),
    kind: Kind::Behavioural,
    about: words(
        "A client outside one's own book (or team) was read, exported or changed without an order, a contact, a hand-over or an absence to stand in for. A rule only where the tenant states its policy by [tenants.T] access; otherwise the name of strangers' clients of other teams",
        "Прочитан, выгружен или изменён клиент не из своего круга (или не своей команды) без заказа, обращения, передачи и замещения. Правило действует, только если политика задана в [tenants.T] access; иначе так называются обращения к клиентам других команд",
    ),
    mitre: &["T1213.004"],
    severity: SeverityRule::Budget,
    said: Some(said),
    named: Some(words(
        "when most of the weight of `unrelated` lies on clients of other teams",
        "если большая часть веса `unrelated` приходится на клиентов других команд",
    )),
    benign: &[
        words(
            "Does the person stand in for a colleague whose absence is not in the calendar?",
            "Не замещает ли человек коллегу, чьего отсутствия нет в календаре?",
        ),
        words(
            "Were clients handed over that still have the old owner in the CRM?",
            "Не переданы ли клиенты, у которых в CRM ещё прежний владелец?",
        ),
        words(
            "Does the stated policy (own, team) describe how people really work?",
            "Соответствует ли заявленная политика (own, team) тому, как люди на самом деле работают?",
        ),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    let (Some(access), event) = (asked.terms.access, asked.now.event) else { return };
    if !event.ok() || matches!(event.action, Action::Login | Action::Logout) {
        return;
    }
    let foreign = |owner: Owner| owner == Owner::Other || access == Access::Own && owner == Owner::Team;
    let clients = &asked.now.enriched.enrich.clients;
    let strangers = clients.iter().filter(|c| foreign(c.owner) && c.related.is_none() && !asked.in_contact(c.h)).count();
    if strangers > 0 {
        hits.count(Rule::OutOfBook, event.time, number(strangers as u64), &[access.as_str()]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let (clock, own) = (phrase::clock(facts, hit.at), hit.text(0) == Some("own"));
    Text {
        en: format!(
            "{} outside {} without an order or another reason, first at {clock}; the policy allows none",
            phrase::en(hit.observed, "touch of a client", "touches of clients"),
            if own { "the own book" } else { "the own team" }
        ),
        ru: format!(
            "{} {} без заказа и другой причины, первый раз в {clock}; политика не допускает ни одного",
            phrase::ru(hit.observed, ["обращение к клиентам", "обращения к клиентам", "обращений к клиентам"]),
            if own { "не из своего круга" } else { "не своей команды" }
        ),
    }
}
