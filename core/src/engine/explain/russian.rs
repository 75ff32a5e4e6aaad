//! Sentences in Russian. Nouns follow the number shown: 1 клиент, 2 клиента, 5 клиентов, 1,5 клиента.

use std::fmt::Write as _;

use super::{
    Attribute, Detector, Facts, Finding, Reason,
    number::{Language, Number, Rarity},
    shared::{
        action_of, drift_of, in_an_unusual_hour, joined, lower, new_values, other_rules, quoted, share, title, weighty, worded_clock,
    },
};
use crate::{
    directory::Zone,
    engine::{control, personal},
    event::{Action, Channel, Timestamp},
};

const RU: Language = Language::Russian;
const MONTHS: [&str; 12] =
    ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"];

/// `Причина была у 37 из 52 клиентов (свои — 20, заказ — 15, обращение клиента — 2).`
fn reasons(facts: &Facts) -> Option<String> {
    let name = |r: Reason| match r {
        Reason::Own => "свои",
        Reason::Order => "заказ",
        Reason::HandOver => "передача",
        Reason::Contact => "обращение клиента",
        Reason::Unowned => "владелец неизвестен",
    };
    let said = |r: &Reason| Some(facts.reasons[*r as usize]).filter(|n| *n > 0).map(|n| format!("{} — {}", name(*r), RU.whole(n).text));
    let parts: Vec<String> = Reason::ALL.iter().filter_map(said).collect();
    let (with_reason, all) = (facts.clients_related, facts.clients.max(facts.clients_related));
    let of = clients_of(&RU.whole(all));
    (facts.clients > 0).then(|| match with_reason {
        0 => format!("Причины не было ни у одного из {of}."),
        _ if parts.is_empty() => format!("Причина была у {} из {of}.", RU.whole(with_reason).text),
        _ => format!("Причина была у {} из {of} ({}).", RU.whole(with_reason).text, parts.join(", ")),
    })
}

/// Why, from one finding.
pub(super) fn sentence(f: &Finding, facts: &Facts) -> String {
    let n = RU.counted(f.observed);
    let head = match f.detector {
        Detector::RecOut => {
            format!("Сегодня {}{}", done(&n, "выгружена", "выгружено", RECORDS), usual(f, facts, "в дни с выгрузкой "))
        }
        Detector::RecScr => format!("Сегодня на экран {}{}", done(&n, "выведена", "выведено", RECORDS), usual(f, facts, "")),
        Detector::RecUnf => format!(
            "Сегодня запросами без отбора {}{}",
            done(&n, "получена", "получено", RECORDS),
            usual(f, facts, "в дни с такими запросами ")
        ),
        Detector::NOut => format!(
            "Сегодня {}{}",
            done(&n, "сделана", "сделано", ["выгрузка", "выгрузки", "выгрузок"]),
            usual(f, facts, "в дни с выгрузкой ")
        ),
        Detector::NQuery => format!(
            "Сегодня {} (поиск, списки, отчёты){}",
            done(&n, "выполнен", "выполнено", ["запрос", "запроса", "запросов"]),
            usual(f, facts, "")
        ),
        Detector::Distinct => format!("Сегодня {}{}", done(&n, "затронут", "затронуто", CLIENTS), usual(f, facts, "")),
        Detector::Clients1h => {
            format!("Сегодня за один час {}{}", done(&n, "затронут", "затронуто", CLIENTS), usual(f, facts, "в самый занятой час "))
        }
        Detector::Clients7d => window(f, facts, 7),
        Detector::Clients30d => window(f, facts, 30),
        Detector::TwoPlaces => {
            let returns = n.with_ru("возврат", "возврата", "возвратов");
            format!(
                "Сразу в двух местах: сегодня {returns} в течение получаса в другую сеть и программу{}",
                usual(f, facts, "в такие дни ")
            )
        }
        Detector::UnrelShare => strangers(f, facts),
        Detector::Unrel => unrelated(f, facts),
        Detector::Ucall => format!("Звонки клиентам других менеджеров без заказа ({})", joined_weight(f, facts, None)),
        Detector::Destr if facts.tidied > 0 => format!(
            "Сегодня записи удалены, объединены или переданы, вес {} (из них {} — чистка базы администратором, где {} весят как одна){}",
            n.text,
            RU.whole(facts.tidied).text,
            RU.counted(facts.tidied_as_one).text,
            usual(f, facts, "в такие дни ")
        ),
        Detector::Destr => format!(
            "Сегодня {}{}",
            done(&n, "удалена, объединена или передана", "удалено, объединено или передано", RECORDS),
            usual(f, facts, "в такие дни ")
        ),
        Detector::NUpd => format!("Сегодня {}{}", done(&n, "изменена", "изменено", RECORDS), usual(f, facts, "в дни с изменениями ")),
        Detector::Ext => format!(
            "Сегодня записи открыты для других или переданы, вес {} (вовне — полностью, внутри — десятая часть){}",
            n.text,
            usual(f, facts, "в такие дни ")
        ),
        Detector::Offh => hour("Работа", "работа", absence(facts), facts),
        Detector::OffOut => {
            let so_far = format!(" (за сегодня {}){}", with(&RU.whole(facts.records_out), RECORDS), absence(facts));
            hour("Выгрузка", "выгрузка", &so_far, facts)
        }
        Detector::NovCtx => new_place(facts),
        Detector::NovQ => new_query(facts),
        Detector::Authfail => {
            let failures = n.with_ru("неудачный вход", "неудачных входа", "неудачных входов");
            format!("Сегодня {failures}{}", usual(f, facts, "в такие дни "))
        }
        Detector::CRec | Detector::CUnrel | Detector::CDistinct | Detector::COut => drift(f.detector, facts),
        Detector::Rule => return rule(f, facts),
    };
    format!("{head}{}.", rarity(f))
}

/// What an analyst reads first.
pub(super) fn summary(findings: &[Finding], facts: &Facts) -> String {
    let mut said = Vec::new();
    if let Some(first) = findings.first() {
        said.push(sentence(first, facts));
        let also: Vec<String> =
            weighty(findings).map(|f| format!("{} ({})", lower(&title(&f.control, RU)), bits(&RU.millibits(f.bits)))).collect();
        if !also.is_empty() {
            said.push(format!("Также: {}.", joined(&also, "и")));
        }
        let total = findings.iter().map(|f| f.bits).sum();
        said.push(format!("Оповещение: {}.", bits(&RU.millibits(total))));
    }
    said.push(format!(
        "С начала дня {}, на экране {}, {}.",
        done(&RU.whole(facts.records_out), "выгружена", "выгружено", RECORDS),
        RU.whole(facts.records_screen).text,
        with(&RU.whole(facts.clients), CLIENTS),
    ));
    said.extend(reasons(facts));
    if let Some((own, all)) = facts.quarter {
        let share = RU.percent(share(own, all));
        said.push(format!(
            "За 90 дней — примерно {} из {}, к которым вообще обращались ({share}).",
            RU.whole(own).text,
            clients_of(&RU.whole(all))
        ));
    }
    let days = RU.number(facts.baseline_days, 0);
    said.push(if days.is_zero() {
        "Своей истории ещё нет: сравнение с ролью.".to_owned()
    } else if facts.baseline_days < 10.0 {
        format!("База сравнения — пока только {}, поэтому учтена и роль.", with(&days, DAYS))
    } else {
        format!("База сравнения — {}.", with(&days, DAYS))
    });
    if findings.iter().any(|f| f.discount > 0.0) {
        said.push("Команда сегодня тоже активнее обычного, это вычтено.".to_owned());
    }
    if facts.substitute {
        said.push("Часть клиентов — отсутствующего коллеги.".to_owned());
    }
    if facts.absent {
        said.push("По календарю человек отсутствует.".to_owned());
    }
    if let Some(at) = facts.notice_at {
        said.push(format!("Заявление об уходе: {}.", date(&facts.zone, at)));
    }
    if let Some(at) = facts.terminated_at {
        said.push(format!("Прекращение доступа: {}.", date(&facts.zone, at)));
    }
    let alerts = RU.counted(facts.budget).with_ru("оповещение", "оповещения", "оповещений");
    said.push(format!("Порог: {alerts} на 100 человеко-дней, когда всё в порядке."));
    said.join(" ")
}

/// A noun after 1, after 2 and after 5.
type Noun = [&'static str; 3];

const RECORDS: Noun = ["запись", "записи", "записей"];
const CLIENTS: Noun = ["клиент", "клиента", "клиентов"];
const DAYS: Noun = ["день", "дня", "дней"];
const MANAGER_DAYS: Noun = ["человеко-день", "человеко-дня", "человеко-дней"];

fn with(n: &Number, noun: Noun) -> String {
    n.with_ru(noun[0], noun[1], noun[2])
}

/// `выгружена 21 запись`, `выгружено 5 записей`.
fn done(n: &Number, one: &str, many: &str, noun: Noun) -> String {
    format!("{} {}", n.ru(one, many, many), with(n, noun))
}

fn bits(n: &Number) -> String {
    n.with_ru("бит", "бита", "бит")
}

/// `в 0,4 % дней`.
fn in_share_of_days(share: f64) -> String {
    let percent = RU.percent(share);
    match percent.strip_prefix("менее ") {
        Some(percent) => format!("менее чем в {percent} дней"),
        None => format!("в {percent} дней"),
    }
}

/// `; в дни с выгрузкой обычно 95 (в 80 % дней 40–230, по роли 120)`.
fn usual(f: &Finding, facts: &Facts, on: &str) -> String {
    let details = details(f, facts);
    match middle(f) {
        Some(middle) if details.is_empty() => format!("; {on}{middle}"),
        Some(middle) => format!("; {on}{middle} ({})", details.join(", ")),
        None => String::new(),
    }
}

fn middle(f: &Finding) -> Option<String> {
    let usual = f.usual?;
    let middle = RU.about(usual.mid);
    Some(if middle.is_zero() {
        "обычно почти ничего".to_owned()
    } else if usual.mid < 0.5 {
        "обычно меньше 1".to_owned()
    } else {
        format!("обычно {}", middle.text)
    })
}

fn details(f: &Finding, facts: &Facts) -> Vec<String> {
    let Some(usual) = f.usual else { return Vec::new() };
    let (low, high, role) = (RU.about(usual.low), RU.about(usual.high), RU.about(usual.role));
    let mut parts = Vec::new();
    if low != high {
        let range = if low.is_zero() { format!("до {}", high.text) } else { format!("{}–{}", low.text, high.text) };
        parts.push(format!("{} {range}", in_share_of_days(0.8)));
    }
    if !role.is_zero() {
        parts.push(format!("по роли {}", role.text));
    }
    if usual.share > 0.0 && usual.share < 0.5 {
        parts.push(format!("бывает {}", in_share_of_days(usual.share)));
    }
    let days = RU.number(facts.baseline_days, 0);
    if days.is_zero() {
        parts.push("своих дней ещё нет".to_owned());
    } else if facts.baseline_days < 10.0 {
        parts.push(format!("своих дней пока {}", days.text));
    }
    parts
}

/// `вес 9,5, обычно 1, в 80 % дней до 3, по роли 0,8; у команды сегодня 0,8`.
fn joined_weight(f: &Finding, facts: &Facts, team: Option<f64>) -> String {
    let mut parts = vec![format!("вес {}", RU.counted(f.observed).text)];
    parts.extend(middle(f));
    parts.extend(details(f, facts));
    let team = team.map(|t| format!("; у команды сегодня {}", RU.counted(t).text)).unwrap_or_default();
    parts.join(", ") + &team
}

fn unrelated(f: &Finding, facts: &Facts) -> String {
    let n = facts.clients.saturating_sub(facts.clients_related);
    let weight = joined_weight(f, facts, facts.team_unrelated);
    let head = if n == 0 {
        "Обращения к клиентам".to_owned()
    } else {
        format!("Без заказа {}", done(&RU.whole(n), "затронут", "затронуто", CLIENTS))
    };
    let without = if n == 0 { " без заказа" } else { "" };
    let key = if facts.unrelated_key == 0 {
        String::new()
    } else {
        format!(", из них ключевых — {}", RU.whole(facts.unrelated_key.min(n.max(1))).text)
    };
    let once = match f.control.as_str() {
        "lost_deal_look" => {
            format!("; большая часть веса ({}) — бывшие клиенты: сделка проиграна или клиент передан", RU.counted(facts.former).text)
        }
        "out_of_book" => format!("; большая часть веса ({}) — клиенты других команд", RU.counted(facts.elsewhere).text),
        _ => String::new(),
    };
    format!("{head} других менеджеров{without} ({weight}){key}{once}")
}

/// `из 21 клиента`, `из 22 клиентов`.
fn clients_of(n: &Number) -> String {
    n.with_ru("клиента", "клиентов", "клиентов")
}

fn strangers(f: &Finding, facts: &Facts) -> String {
    let mut usual = f.usual.map(|u| format!("; обычно {}, по роли {}", RU.percent(u.mid), RU.percent(u.role))).unwrap_or_default();
    if let Some(team) = facts.team_share {
        let when = if facts.team_lately { "в эти дни" } else { "сегодня" };
        write!(usual, ", у команды {when} {}", RU.percent(team)).expect("in memory");
    }
    let of = if facts.few_clients {
        "От обычного за день числа клиентов"
    } else {
        "Среди затронутых сегодня клиентов"
    };
    format!("{of} чужих без заказа — {}{usual}", RU.percent(f.observed))
}

fn window(f: &Finding, facts: &Facts, days: u64) -> String {
    let days = with(&RU.whole(days), DAYS);
    format!("За {days} — примерно {}{}", with(&RU.about(f.observed), CLIENTS), usual(f, facts, ""))
}

fn hour(what: &str, lower_what: &str, so_far: &str, facts: &Facts) -> String {
    let (clock, share) = (worded_clock(facts), RU.percent(facts.hour_share));
    if facts.day_off {
        return format!("{what} в {clock}{so_far}, в нерабочий по календарю день");
    }
    if in_an_unusual_hour(facts) {
        format!("{what} в {clock}{so_far}; на этот час приходится {share} рабочего времени этого человека")
    } else {
        format!("Сегодня была {lower_what} в непривычные часы{so_far}; сейчас {clock}")
    }
}

fn absence(facts: &Facts) -> &'static str {
    if facts.absent { ", во время отсутствия" } else { "" }
}

fn new_place(facts: &Facts) -> String {
    let found = new_values(facts, |a| !matches!(a, Attribute::Action | Attribute::Fingerprint));
    let one = |(attribute, values): &(Attribute, Vec<String>)| {
        let (_, noun) = attribute_names(*attribute);
        match values.as_slice() {
            [value] if value.is_empty() || matches!(attribute, Attribute::Agent) => noun[0].to_owned(),
            [value] => format!("{} {value}", noun[0]),
            more => with(&RU.whole(more.len() as u64), noun),
        }
    };
    let parts: Vec<String> = found.values.iter().map(one).collect();
    match found.rarest {
        None => "Впервые: сеть, страна, программа или устройство".to_owned(),
        Some((attribute, rate)) => {
            let (new, noun) = attribute_names(attribute);
            format!("Впервые: {}; {new} {} бывает {}", joined(&parts, "и"), noun[0], in_share_of_days(rate))
        }
    }
}

fn attribute_names(attribute: Attribute) -> (&'static str, Noun) {
    match attribute {
        Attribute::Network => ("новая", ["сеть", "сети", "сетей"]),
        Attribute::Country => ("новая", ["страна", "страны", "стран"]),
        Attribute::Asn => ("новый", ["провайдер", "провайдера", "провайдеров"]),
        Attribute::Agent => ("новый", ["браузер", "браузера", "браузеров"]),
        Attribute::Device => ("новое", ["устройство", "устройства", "устройств"]),
        Attribute::Action => ("новый", ["вид действий", "вида действий", "видов действий"]),
        Attribute::Fingerprint => ("новый", ["запрос", "запроса", "запросов"]),
    }
}

fn new_query(facts: &Facts) -> String {
    let found = new_values(facts, |a| matches!(a, Attribute::Action | Attribute::Fingerprint));
    let mut parts = Vec::new();
    for (attribute, values) in &found.values {
        if *attribute == Attribute::Fingerprint {
            let fields: Vec<String> = values.iter().filter_map(|v| personal::kind(v)).map(|k| field(k).to_owned()).collect();
            match values.len() - fields.len() {
                0 => {}
                1 => parts.push("такой запрос".to_owned()),
                queries => parts.push(with(&RU.whole(queries as u64), attribute_names(*attribute).1)),
            }
            if !fields.is_empty() {
                parts.push(format!("запрошены {}", joined(&fields, "и")));
            }
        } else {
            parts.extend(values.iter().take(3).map(|v| first_time(v)));
            if values.len() > 3 {
                parts.push(format!("ещё {}", with(&RU.whole(values.len() as u64 - 3), attribute_names(*attribute).1)));
            }
        }
    }
    match found.rarest {
        None => "Впервые: вид действия или запрос".to_owned(),
        Some((attribute, rate)) => {
            let (new, noun) = attribute_names(attribute);
            format!("Впервые: {}; {new} {} бывает {}", joined(&parts, "и"), noun[0], in_share_of_days(rate))
        }
    }
}

/// A kind of personal field.
fn field(kind: &str) -> &str {
    match kind {
        "phone" => "номера телефонов",
        "email" => "адреса почты",
        "passport" => "паспортные данные",
        "birth" => "даты рождения",
        "address" => "адреса",
        "tax" => "ИНН или СНИЛС",
        "bank" => "банковские реквизиты",
        other => other,
    }
}

/// `export/bulk_api` in words.
fn first_time(value: &str) -> String {
    let Some((action, channel)) = action_of(value) else { return format!("действие {}", quoted(value)) };
    let action = match action {
        Action::Login => "вход",
        Action::Logout => "выход",
        Action::View => "просмотр записи",
        Action::Search => "поиск",
        Action::List => "список",
        Action::Report => "отчёт",
        Action::Export => "выгрузка",
        Action::ApiQuery => "запрос к API",
        Action::Print => "печать",
        Action::Create => "создание записи",
        Action::Update => "изменение",
        Action::Delete => "удаление",
        Action::Merge => "объединение",
        Action::Transfer => "передача",
        Action::Share => "открытие доступа",
        Action::Call => "звонок",
        Action::Email => "письмо",
        Action::Message => "сообщение",
        Action::PermissionChange => "изменение прав",
        Action::UserCreate => "создание учётной записи",
        Action::UserDeactivate => "закрытие учётной записи",
        Action::SettingChange => "изменение настроек",
        Action::Backup => "резервное копирование",
        Action::EndpointFinding => "находка антивируса",
        Action::Other => "действие другого вида",
    };
    let channel = match channel {
        None => "",
        Some(Channel::Ui) => " в браузере",
        Some(Channel::Mobile) => " в мобильном приложении",
        Some(Channel::Api) => " через API",
        Some(Channel::BulkApi) => " через массовый API",
        Some(Channel::Report) => " из отчёта",
        Some(Channel::Telephony) => " по телефону",
        Some(Channel::Import) => " импортом",
        Some(Channel::Other) => " по другому каналу",
    };
    format!("{action}{channel}")
}

fn drift(detector: Detector, facts: &Facts) -> String {
    let (days, drift) = drift_of(detector, facts);
    let level = match detector {
        Detector::CUnrel => "по чужим клиентам",
        Detector::CDistinct => "по числу разных клиентов",
        Detector::COut => "по выгруженным записям",
        _ => "по записям",
    };
    let drift = RU.counted(drift);
    if days == 0 {
        return format!("Выше своего обычного уровня {level} (сдвиг {})", drift.text);
    }
    let days = RU.whole(u64::from(days)).with_ru("рабочий день", "рабочих дня", "рабочих дней");
    format!("Уже {days} выше своего обычного уровня {level} (сдвиг {})", drift.text)
}

fn rule(f: &Finding, facts: &Facts) -> String {
    let said = facts.hits.first().and_then(|hit| Some(control::get(hit.rule.id())?.said?(hit, facts).ru));
    let others: Vec<String> = other_rules(facts, RU).iter().map(|t| lower(t)).collect();
    as_rule(&said.unwrap_or_else(|| title(&f.control, RU)), &others, f.s)
}

/// A rule's sentence: with its evidence, without how rare that is.
pub(super) fn as_rule(what: &str, others: &[String], nats: f64) -> String {
    let others = if others.is_empty() { String::new() } else { format!("; также {}", joined(others, "и")) };
    format!("{what}{others} (правило, {}).", bits(&RU.bits(nats)))
}

fn rarity(f: &Finding) -> String {
    let bits = bits(&RU.bits(f.s));
    match RU.rarity(f.s) {
        Rarity::Common => format!("; само по себе не редкость ({bits})"),
        Rarity::Once(n) => format!(": примерно раз в {} ({bits})", with(&n, MANAGER_DAYS)),
        Rarity::Beyond => format!(": реже чем раз в миллион человеко-дней ({bits})"),
    }
}

pub(super) fn date(zone: &Zone, t: Timestamp) -> String {
    let (year, month, day) = zone.date(t).ymd();
    format!("{day} {} {year} года", MONTHS[usize::try_from(month - 1).expect("a month")])
}
