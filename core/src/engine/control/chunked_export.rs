//! Many small exports and views that add up.

use super::{Control, Kind, SeverityRule, floor, switch, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "chunked_export",
    title: words("Base taken in pieces", "Выгрузка по частям"),
    kind: Kind::Behavioural,
    about: words(
        "Many small answers that add up to many records or many different clients in a day",
        "Много небольших ответов, которые за день складываются во множество записей или разных клиентов",
    ),
    detectors: &[Detector::RecScr, Detector::NOut, Detector::Distinct, Detector::Clients1h, Detector::Clients7d, Detector::Clients30d],
    mitre: &["T1213.004"],
    severity: SeverityRule::Budget,
    parameters: &[
        floor(
            "floor_records",
            50.0,
            "records on screen below which they are no evidence",
            "записей на экране, меньше которых они не считаются признаком",
        ),
        floor(
            "floor_exports",
            5.0,
            "exports below which their number is no evidence",
            "выгрузок, меньше которых их число не считается признаком",
        ),
        floor(
            "floor_clients",
            10.0,
            "different clients below which their number is no evidence",
            "разных клиентов, меньше которых их число не считается признаком",
        ),
        floor(
            "floor_clients_7d",
            30.0,
            "different clients of 7 days below which their number is no evidence",
            "разных клиентов за 7 дней, меньше которых их число не считается признаком",
        ),
        floor(
            "floor_clients_30d",
            60.0,
            "different clients of 30 days below which their number is no evidence",
            "разных клиентов за 30 дней, меньше которых их число не считается признаком",
        ),
    ],
    settings: &[],
    switches: &[
        switch(
            "hour",
            true,
            "different clients within one hour are evidence of their own",
            "число разных клиентов за один час — отдельный признак",
        ),
        switch(
            "week",
            false,
            "different clients within 7 days are evidence of their own",
            "число разных клиентов за 7 дней — отдельный признак",
        ),
        switch(
            "month",
            false,
            "different clients within 30 days are evidence of their own",
            "число разных клиентов за 30 дней — отдельный признак",
        ),
    ],
    said: None,
    named: None,
    benign: &[
        words(
            "Is a calling campaign under way? See whether the team rose too",
            "Не идёт ли кампания обзвона? Посмотрите, выросла ли активность всей команды",
        ),
        words("Does the person stand in for an absent colleague?", "Не замещает ли человек отсутствующего коллегу?"),
        words(
            "Are clients being cleaned up or merged on somebody's order?",
            "Не идёт ли по чьему-то поручению чистка или объединение клиентов?",
        ),
    ],
};
