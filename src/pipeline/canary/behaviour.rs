//! Canaries of behavioural controls: few days of a small team as what is usual, then a day that is not.

use super::{
    Canary, Shows,
    scene::{Scene, TEAM, at, desk, of_client},
};
use crate::{
    directory::{OrderState, When},
    engine::control::Words,
    event::{Action, ActorKind, Channel, Query},
};

const fn words(en: &'static str, ru: &'static str) -> Words {
    Words { en, ru }
}

/// Named by a signal or an alert, in a tenant of a firm.
const USUAL: Canary = Canary { control: "", part: "", differs: words("", ""), shows: Shows::Named, audit: false, tell: |_, _| {} };

/// New kinds of question, as much news as a day may bring.
fn curious(s: &mut Scene, records: u64) {
    for (i, fingerprint) in (0..).zip(["debts", "region", "turnover", "contacts", "birthdays", "discounts"]) {
        s.query("anna", at(4, 13, i), Action::Report, if i == 0 { records } else { 0 }, fingerprint);
    }
}

/// Three clients of a stranger of another team, whom Anna has no reason to touch.
fn strangers(s: &mut Scene) -> [&'static str; 3] {
    s.stranger();
    let clients = ["far-1", "far-2", "far-3"];
    for id in clients {
        s.client(id, "olga").team = Some("b".to_owned());
    }
    clients
}

/// Anna's order with a client, closed long ago.
fn closed(s: &mut Scene, client: &str, state: OrderState) {
    let (opened, end) = (s.time(at(-60, 10, 0)), s.time(at(-30, 10, 0)));
    let order = s.order(&format!("o-{client}"), client, "anna");
    (order.state, order.opened_at, order.closed_at) = (Some(state), Some(opened), Some(end));
}

pub(super) const ALL: &[Canary] = &[
    Canary {
        control: "base_share",
        differs: words(
            "one client fewer than is worth telling: the alert says nothing of the share",
            "на одного клиента меньше, чем стоит упоминания: о доле базы в оповещении ни слова",
        ),
        shows: Shows::Share,
        tell: |s, fire| {
            s.person("anna");
            for i in 0..20 {
                s.client(&format!("c{i}"), "anna");
            }
            for i in 0..if fire { 19 } else { 18 } {
                s.view("anna", at(0, 9, i), &format!("c{i}"));
            }
            s.client("bait", "anna").decoy = Some(true);
            s.view("anna", at(0, 10, 0), "bait");
        },
        ..USUAL
    },
    Canary {
        control: "bulk_export",
        differs: words("45 records, not 50", "45 записей, а не 50"),
        tell: |s, fire| {
            s.usual();
            s.query("anna", at(4, 13, 0), Action::Export, if fire { 50 } else { 45 }, "offer");
        },
        ..USUAL
    },
    Canary {
        control: "bulk_export",
        part: "top",
        differs: words("a record fewer than is critical by itself", "на одну запись меньше, чем критично само по себе"),
        shows: Shows::Critical,
        tell: |s, fire| {
            s.setting("bulk_export", "top_records", 40.0);
            s.person("anna");
            s.query("anna", at(0, 10, 0), Action::Export, if fire { 40 } else { 39 }, "offer");
        },
        ..USUAL
    },
    Canary {
        control: "chunked_export",
        differs: words("nine clients in an hour, not ten", "девять клиентов за час, а не десять"),
        tell: |s, fire| {
            s.usual();
            for i in 1..=if fire { 10 } else { 9 } {
                s.view("anna", at(4, 13, i), &format!("anna-{i}"));
            }
        },
        ..USUAL
    },
    Canary {
        control: "drip", differs: words("the last day is as usual", "последний день — как обычно"), tell: drip, ..USUAL
    },
    Canary {
        control: "first_time",
        differs: words("nine records shown, not ten", "показано девять записей, а не десять"),
        tell: |s, fire| {
            s.usual();
            curious(s, if fire { 10 } else { 9 });
        },
        ..USUAL
    },
    Canary {
        control: "leaver_watch",
        differs: words("no notice becomes known", "об уходе ничего не становится известно"),
        tell: |s, fire| {
            s.usual();
            s.query("anna", at(4, 13, 0), Action::Export, 60, "offer");
            s.nearly();
            let notice = s.time(at(5, 0, 0));
            s.row("anna", |u| u.notice_at = fire.then_some(When::Instant(notice)));
        },
        ..USUAL
    },
    Canary {
        control: "lost_deal_look",
        differs: words("one of the two deals was won", "одна из двух сделок выиграна"),
        tell: |s, fire| {
            s.usual();
            let clients = strangers(s);
            closed(s, clients[0], OrderState::Lost);
            closed(s, clients[1], if fire { OrderState::Lost } else { OrderState::Won });
            for (i, id) in (0..).zip(clients) {
                s.view("anna", at(4, 13, i), id);
            }
        },
        ..USUAL
    },
    Canary {
        control: "mass_change",
        differs: words("nine records deleted, not ten", "удалено девять записей, а не десять"),
        tell: |s, fire| {
            s.usual();
            s.act("anna", at(4, 13, 0), Action::Delete).records = Some(if fire { 10 } else { 9 });
        },
        ..USUAL
    },
    Canary {
        control: "mass_change",
        part: "top",
        differs: words("a record fewer than is critical by itself", "на одну запись меньше, чем критично само по себе"),
        shows: Shows::Critical,
        tell: |s, fire| {
            s.setting("mass_change", "top_changes", 9.0);
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::Update).records = Some(if fire { 9 } else { 8 });
        },
        ..USUAL
    },
    Canary {
        control: "new_channel",
        differs: words("the question came by the browser", "запрос пришёл через браузер"),
        tell: |s, fire| {
            s.usual();
            let event = s.query("anna", at(4, 12, 0), Action::ApiQuery, 10, "offer");
            event.channel = Some(if fire { Channel::Api } else { Channel::Ui });
            curious(s, 10);
        },
        ..USUAL
    },
    Canary {
        control: "new_place",
        differs: words("the country is the usual one", "страна обычная"),
        tell: |s, fire| {
            s.usual();
            let mut place = desk();
            (place.ip, place.device) = (Some("198.51.100.20".to_owned()), Some("laptop".to_owned()));
            place.user_agent = Some("Mozilla/5.0 Firefox/121".to_owned());
            place.country = Some(if fire { "NL" } else { "RU" }.to_owned());
            s.view("anna", at(4, 13, 0), "anna-1").client = Some(place);
        },
        ..USUAL
    },
    Canary {
        control: "off_hours",
        differs: words("at two in the afternoon, not at eleven at night", "в два часа дня, а не в одиннадцать вечера"),
        tell: |s, fire| {
            s.usual();
            s.query("anna", at(4, if fire { 23 } else { 14 }, 0), Action::List, 40, "week");
        },
        ..USUAL
    },
    Canary {
        control: "out_of_book",
        part: "unusual",
        differs: words("one of the other team's two clients is of the own team", "один из двух клиентов чужой команды — своей команды"),
        tell: |s, fire| {
            s.usual();
            let clients = strangers(s);
            s.client(clients[0], "olga").team = Some("a".to_owned());
            s.client(clients[1], "olga").team = Some(if fire { "b" } else { "a" }.to_owned());
            for (i, id) in (0..).zip(clients) {
                s.view("anna", at(4, 13, i), id);
            }
        },
        ..USUAL
    },
    Canary {
        control: "personal_fields",
        differs: words("the new field is an amount, no telephone", "новое поле — сумма, а не телефон"),
        tell: |s, fire| {
            s.usual();
            let fields = vec![if fire { "phone" } else { "amount" }.to_owned()];
            let event = s.act("anna", at(4, 12, 0), Action::Report);
            event.query = Some(Query { fingerprint: Some("week".to_owned()), fields, ..Query::default() });
            curious(s, 10);
        },
        ..USUAL
    },
    Canary {
        control: "scraping",
        differs: words("nine searches, not ten", "девять поисков, а не десять"),
        tell: |s, fire| {
            s.usual();
            for i in 0..if fire { 10 } else { 9 } {
                s.act("anna", at(4, 13, i), Action::Search);
            }
        },
        ..USUAL
    },
    Canary {
        control: "service_account",
        differs: words("a person does the same", "то же делает человек"),
        tell: |s, fire| {
            s.person("robot").kind = Some(if fire { ActorKind::Integration } else { ActorKind::User });
            for day in 0..4 {
                for hour in 9..15 {
                    s.query("robot", at(day, hour, 0), Action::Export, 2, "sync");
                }
            }
            s.usual_until_here();
            s.query("robot", at(4, 13, 0), Action::Export, 100, "sync");
        },
        ..USUAL
    },
    Canary {
        control: "shared_account",
        part: "places",
        differs: words("two returns to the other place, not three", "два возвращения на другое место, а не три"),
        tell: |s, fire| {
            s.usual();
            for i in 0..if fire { 5 } else { 4 } {
                let event = s.view("anna", at(4, 13, i), "anna-1");
                if i % 2 == 1 {
                    let mut place = desk();
                    (place.ip, place.device) = (Some("198.51.100.20".to_owned()), Some("laptop".to_owned()));
                    event.client = Some(place);
                }
            }
        },
        ..USUAL
    },
    Canary {
        control: "unrelated",
        differs: words("one of the three strangers' clients is a team mate's", "один из трёх чужих клиентов — коллеги по команде"),
        tell: |s, fire| {
            s.usual();
            let clients = strangers(s);
            for id in clients {
                s.client(id, "olga").team = None;
            }
            s.client(clients[2], if fire { "olga" } else { "boris" });
            for (i, id) in (0..).zip(clients) {
                s.view("anna", at(4, 13, i), id);
            }
        },
        ..USUAL
    },
    Canary {
        control: "unrelated_call",
        differs: words("one of the three strangers' clients is a team mate's", "один из трёх чужих клиентов — коллеги по команде"),
        tell: |s, fire| {
            s.usual();
            let clients = strangers(s);
            s.client(clients[2], if fire { "olga" } else { "boris" });
            for (i, id) in (0..).zip(clients) {
                s.call("anna", at(4, 13, i), id);
            }
        },
        ..USUAL
    },
    Canary {
        control: "watcher",
        differs: words("45 alerts listed, not 50", "показано 45 оповещений, а не 50"),
        audit: true,
        tell: |s, fire| {
            s.usual();
            s.query("anna", at(4, 13, 0), Action::List, if fire { 50 } else { 45 }, "week");
        },
        ..USUAL
    },
];

/// Weeks of a team whose days differ by half, and then three days on which one of them asks for a fifth more than usual.
///
/// The only baseline beyond 200 events: a drift has no scale of its own, it is judged by at least 150 days of people who have been
/// there for ten (DETECTION.md §7), and a day of fewer than five events teaches nothing (§8).
fn drip(s: &mut Scene, fire: bool) {
    const DAYS: i64 = 46;
    const USUAL: [u64; 7] = [20, 26, 22, 30, 18, 24, 28];
    let team = &TEAM[..6];
    for who in team {
        s.person(who);
        s.client(&format!("{who}-1"), who);
    }
    let work = |s: &mut Scene, who: &str, n: i64, day: i64, records: u64| {
        s.query(who, at(day, 9, n), Action::Report, records, "week");
        for hour in 10..14 {
            s.act(who, at(day, hour, n), Action::Update).object = Some(of_client(&format!("{who}-1")));
        }
    };
    for day in 0..DAYS {
        for (n, who) in (0..).zip(team) {
            let records = USUAL[usize::try_from((n * 3 + day) % 7).expect("a remainder")];
            work(s, who, n, day, records);
        }
    }
    s.usual_until_here();
    for (day, records) in (DAYS..).zip([29, 29, if fire { 29 } else { 24 }]) {
        work(s, team[0], 0, day, records);
    }
}
