//! Sentences in English.

use std::fmt::Write as _;

use super::{
    Attribute, Detector, Facts, Finding, Reason,
    number::{Language, Number, Rarity},
    shared::{
        action_of, capital, drift_of, in_an_unusual_hour, joined, lower, new_values, other_rules, quoted, share, title, weighty,
        worded_clock,
    },
};
use crate::{
    directory::Zone,
    engine::{control, personal},
    event::{Action, Channel, Timestamp},
};

const EN: Language = Language::English;
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// Why, from one finding.
pub(super) fn sentence(f: &Finding, facts: &Facts) -> String {
    let n = EN.counted(f.observed);
    let head = match f.detector {
        Detector::RecOut => format!("Exported {} today{}", records(&n), usual(f, facts, "on days with an export ")),
        Detector::RecScr => format!("Had {} on screen today{}", records(&n), usual(f, facts, "")),
        Detector::RecUnf => {
            format!("Got {} by queries without a filter today{}", records(&n), usual(f, facts, "on days with such queries "))
        }
        Detector::NOut => format!("Made {} today{}", count(&n, "export", "exports"), usual(f, facts, "on days with an export ")),
        Detector::NQuery => {
            let queries = count(&n, "query", "queries");
            format!("Ran {queries} (searches, lists, reports) today{}", usual(f, facts, ""))
        }
        Detector::Distinct => format!("Touched {} today{}", count(&n, "different client", "different clients"), usual(f, facts, "")),
        Detector::Clients1h => format!(
            "Touched {} within one hour today{}",
            count(&n, "different client", "different clients"),
            usual(f, facts, "in their busiest hour ")
        ),
        Detector::Clients7d => window(f, facts, 7),
        Detector::Clients30d => window(f, facts, 30),
        Detector::TwoPlaces => {
            let returns = count(&n, "return", "returns");
            format!(
                "Two places at once: {returns} within half an hour to another network and program today{}",
                usual(f, facts, "on days with any ")
            )
        }
        Detector::UnrelShare => strangers(f, facts),
        Detector::Unrel => unrelated(f, facts),
        Detector::Ucall => format!("Called clients of other managers without an order ({})", joined_weight(f, facts, None)),
        Detector::Destr if facts.tidied > 0 => format!(
            "Deleted, merged or transferred records of weight {} today ({} in an administrator's clean-up, where {} weigh as one){}",
            n.text,
            EN.whole(facts.tidied).text,
            EN.counted(facts.tidied_as_one).text,
            usual(f, facts, "on days with any ")
        ),
        Detector::Destr => {
            format!("Deleted, merged or transferred {} today{}", records(&n), usual(f, facts, "on days with any "))
        }
        Detector::NUpd => format!("Changed {} today{}", records(&n), usual(f, facts, "on days with any ")),
        Detector::Ext => format!(
            "Shared or gave away records of weight {} today (outside the firm they count in full, within it a tenth){}",
            n.text,
            usual(f, facts, "on days with any ")
        ),
        Detector::Offh => hour("Worked", absence(facts), facts),
        Detector::OffOut => {
            let so_far = format!(" ({} so far today){}", records(&EN.whole(facts.records_out)), absence(facts));
            hour("Exported", &so_far, facts)
        }
        Detector::NovCtx => new_place(facts),
        Detector::NovQ => new_query(facts),
        Detector::Authfail => {
            let failures = count(&n, "failed log-in", "failed log-ins");
            capital(&format!("{failures} today{}", usual(f, facts, "on days with any ")))
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
            weighty(findings).map(|f| format!("{} ({})", lower(&title(&f.control, EN)), bits(&EN.millibits(f.bits)))).collect();
        if !also.is_empty() {
            said.push(format!("Also {}.", joined(&also, "and")));
        }
        let total = findings.iter().map(|f| f.bits).sum();
        said.push(format!("The alert: {}.", bits(&EN.millibits(total))));
    }
    said.push(format!(
        "So far today {} out, {} on screen, {}.",
        records(&EN.whole(facts.records_out)),
        EN.whole(facts.records_screen).text,
        count(&EN.whole(facts.clients), "client", "clients"),
    ));
    said.extend(reasons(facts));
    if let Some((own, all)) = facts.quarter {
        let share = EN.percent(share(own, all));
        said.push(format!(
            "In 90 days about {} of the {} that anybody touched ({share}).",
            EN.whole(own).text,
            count(&EN.whole(all), "client", "clients")
        ));
    }
    let days = EN.number(facts.baseline_days, 0);
    said.push(if days.is_zero() {
        "No baseline of their own yet: compared with the role.".to_owned()
    } else if facts.baseline_days < 10.0 {
        format!("Baseline of only {}: compared with the role, too.", days.with_en("day", "days"))
    } else {
        format!("Baseline of {}.", days.with_en("day", "days"))
    });
    if findings.iter().any(|f| f.discount > 0.0) {
        said.push("The team rose too; that is discounted.".to_owned());
    }
    if facts.substitute {
        said.push("Some of the clients are an absent colleague's.".to_owned());
    }
    if facts.absent {
        said.push("Absent by the calendar.".to_owned());
    }
    if let Some(at) = facts.notice_at {
        said.push(format!("Notice given: {}.", date(&facts.zone, at)));
    }
    if let Some(at) = facts.terminated_at {
        said.push(format!("End of access: {}.", date(&facts.zone, at)));
    }
    said.push(format!("Budget: {} per 100 manager-days when nothing is wrong.", EN.counted(facts.budget).with_en("alert", "alerts")));
    said.join(" ")
}

/// `37 of the 52 clients had a reason (own 20, an order 15, a contact of theirs 2).`
fn reasons(facts: &Facts) -> Option<String> {
    let name = |r: Reason| match r {
        Reason::Own => "own",
        Reason::Order => "an order",
        Reason::HandOver => "a hand-over",
        Reason::Contact => "a contact of theirs",
        Reason::Unowned => "no known owner",
    };
    let said = |r: &Reason| Some(facts.reasons[*r as usize]).filter(|n| *n > 0).map(|n| format!("{} {}", name(*r), EN.whole(n).text));
    let parts: Vec<String> = Reason::ALL.iter().filter_map(said).collect();
    let (with, all) = (facts.clients_related, facts.clients.max(facts.clients_related));
    let of = count(&EN.whole(all), "client", "clients");
    (facts.clients > 0).then(|| match with {
        0 => format!("None of the {of} had a reason."),
        _ if parts.is_empty() => format!("{} of the {of} had a reason.", EN.whole(with).text),
        _ => format!("{} of the {of} had a reason ({}).", EN.whole(with).text, parts.join(", ")),
    })
}

fn records(n: &Number) -> String {
    count(n, "record", "records")
}

fn count(n: &Number, one: &str, many: &str) -> String {
    if n.is_zero() { format!("no {many}") } else { n.with_en(one, many) }
}

fn bits(n: &Number) -> String {
    n.with_en("bit", "bits")
}

/// `; on days with an export usually 95 (80 % of days 40–230, role 120)`.
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
    let middle = EN.about(usual.mid);
    Some(if middle.is_zero() {
        "usually hardly any".to_owned()
    } else if usual.mid < 0.5 {
        "usually less than 1".to_owned()
    } else {
        format!("usually {}", middle.text)
    })
}

fn details(f: &Finding, facts: &Facts) -> Vec<String> {
    let Some(usual) = f.usual else { return Vec::new() };
    let (low, high, role) = (EN.about(usual.low), EN.about(usual.high), EN.about(usual.role));
    let mut parts = Vec::new();
    if low != high {
        let range = if low.is_zero() { format!("up to {}", high.text) } else { format!("{}–{}", low.text, high.text) };
        parts.push(format!("{} of days {range}", EN.percent(0.8)));
    }
    if !role.is_zero() {
        parts.push(format!("role {}", role.text));
    }
    if usual.share > 0.0 && usual.share < 0.5 {
        parts.push(format!("any on {} of days", EN.percent(usual.share)));
    }
    let days = EN.number(facts.baseline_days, 0);
    if days.is_zero() {
        parts.push("no own days yet".to_owned());
    } else if facts.baseline_days < 10.0 {
        parts.push(format!("only {} so far", days.with_en("own day", "own days")));
    }
    parts
}

/// `weight 9.5, usually 1, 80 % of days up to 3, role 0.8; team today 0.8`.
fn joined_weight(f: &Finding, facts: &Facts, team: Option<f64>) -> String {
    let mut parts = vec![format!("weight {}", EN.counted(f.observed).text)];
    parts.extend(middle(f));
    parts.extend(details(f, facts));
    let team = team.map(|t| format!("; team today {}", EN.counted(t).text)).unwrap_or_default();
    parts.join(", ") + &team
}

fn unrelated(f: &Finding, facts: &Facts) -> String {
    let n = facts.clients.saturating_sub(facts.clients_related);
    let weight = joined_weight(f, facts, facts.team_unrelated);
    let who = if n == 0 { "Clients".to_owned() } else { EN.whole(n).with_en("client", "clients") };
    let key = if facts.unrelated_key == 0 {
        String::new()
    } else {
        format!(", {} of them key", EN.whole(facts.unrelated_key.min(n.max(1))).text)
    };
    let once = match f.control.as_str() {
        "lost_deal_look" => {
            format!("; most of the weight ({}) lies on former clients: deals lost, clients handed over", EN.counted(facts.former).text)
        }
        "out_of_book" => format!("; most of the weight ({}) lies on clients of other teams", EN.counted(facts.elsewhere).text),
        _ => String::new(),
    };
    format!("{who} of other managers touched without an order ({weight}){key}{once}")
}

fn strangers(f: &Finding, facts: &Facts) -> String {
    let mut usual = f.usual.map(|u| format!("; usually {}, role {}", EN.percent(u.mid), EN.percent(u.role))).unwrap_or_default();
    if let Some(team) = facts.team_share {
        let when = if facts.team_lately { "lately" } else { "today" };
        write!(usual, ", team {when} {}", EN.percent(team)).expect("in memory");
    }
    let of = if facts.few_clients { "Measured against the clients of a usual day" } else { "Of the clients touched today" };
    format!("{of}, {} were other managers' without an order{usual}", EN.percent(f.observed))
}

fn window(f: &Finding, facts: &Facts, days: u64) -> String {
    let clients = EN.about(f.observed).with_en("different client", "different clients");
    format!("Touched about {clients} within {} days{}", EN.whole(days).text, usual(f, facts, ""))
}

fn hour(did: &str, so_far: &str, facts: &Facts) -> String {
    let (clock, share) = (worded_clock(facts), EN.percent(facts.hour_share));
    if facts.day_off {
        return format!("{did} at {clock}{so_far}, on a day off by the calendar");
    }
    if in_an_unusual_hour(facts) {
        format!("{did} at {clock}{so_far}; this hour holds {share} of this person's time")
    } else {
        format!("{did} at unusual hours today{so_far}; it is {clock} now")
    }
}

fn absence(facts: &Facts) -> &'static str {
    if facts.absent { ", during an absence" } else { "" }
}

fn new_place(facts: &Facts) -> String {
    let found = new_values(facts, |a| !matches!(a, Attribute::Action | Attribute::Fingerprint));
    let one = |(attribute, values): &(Attribute, Vec<String>)| {
        let (name, names) = attribute_names(*attribute);
        match values.as_slice() {
            [value] if value.is_empty() || matches!(attribute, Attribute::Agent) => name.to_owned(),
            [value] => format!("{name} {}", quoted(value)),
            more => format!("{} {names}", EN.whole(more.len() as u64).text),
        }
    };
    let parts: Vec<String> = found.values.iter().map(one).collect();
    match found.rarest {
        None => "New network, country, program or device".to_owned(),
        Some((attribute, rate)) => {
            let first = if parts[0].starts_with(|c: char| c.is_ascii_digit()) { "First seen:" } else { "New" };
            let name = attribute_names(attribute).0;
            format!("{first} {}; a new {name} happens on {} of days", joined(&parts, "and"), EN.percent(rate))
        }
    }
}

fn attribute_names(attribute: Attribute) -> (&'static str, &'static str) {
    match attribute {
        Attribute::Network => ("network", "networks"),
        Attribute::Country => ("country", "countries"),
        Attribute::Asn => ("provider", "providers"),
        Attribute::Agent => ("browser", "browsers"),
        Attribute::Device => ("device", "devices"),
        Attribute::Action => ("kind of action", "kinds of action"),
        Attribute::Fingerprint => ("query", "queries"),
    }
}

fn new_query(facts: &Facts) -> String {
    let found = new_values(facts, |a| matches!(a, Attribute::Action | Attribute::Fingerprint));
    let mut parts = Vec::new();
    for (attribute, values) in &found.values {
        if *attribute == Attribute::Fingerprint {
            let fields: Vec<String> = values.iter().filter_map(|v| personal::kind(v)).map(|k| field(k).to_owned()).collect();
            let n = values.len() - fields.len();
            let queries = EN.whole(n as u64);
            if n > 0 {
                let queries = if n == 1 { "a query".to_owned() } else { queries.with_en("query", "queries") };
                parts.push(format!("{queries} never asked before"));
            }
            if !fields.is_empty() {
                parts.push(format!("{} never asked for before", joined(&fields, "and")));
            }
        } else {
            parts.extend(values.iter().take(3).map(|v| format!("a first {}", first_time(v))));
            if values.len() > 3 {
                parts.push(format!("{} more kinds of action for the first time", values.len() - 3));
            }
        }
    }
    match found.rarest {
        None => "New kind of action or query".to_owned(),
        Some((attribute, rate)) => {
            let name = attribute_names(attribute).0;
            capital(&format!("{}; a new {name} happens on {} of days", joined(&parts, "and"), EN.percent(rate)))
        }
    }
}

/// A kind of personal field.
fn field(kind: &str) -> &str {
    match kind {
        "phone" => "telephone numbers",
        "email" => "e-mail addresses",
        "passport" => "passport data",
        "birth" => "dates of birth",
        "address" => "addresses",
        "tax" => "tax or insurance numbers",
        "bank" => "bank details",
        other => other,
    }
}

/// `export/bulk_api` in words.
fn first_time(value: &str) -> String {
    let Some((action, channel)) = action_of(value) else { return format!("action {}", quoted(value)) };
    let action = match action {
        Action::Login => "log-in",
        Action::Logout => "log-out",
        Action::View => "record view",
        Action::Search => "search",
        Action::List => "list",
        Action::Report => "report",
        Action::Export => "export",
        Action::ApiQuery => "API query",
        Action::Print => "print-out",
        Action::Create => "new record",
        Action::Update => "change",
        Action::Delete => "deletion",
        Action::Merge => "merge",
        Action::Transfer => "transfer",
        Action::Share => "share",
        Action::Call => "call",
        Action::Email => "e-mail",
        Action::Message => "message",
        Action::PermissionChange => "permission change",
        Action::UserCreate => "new account",
        Action::UserDeactivate => "closed account",
        Action::SettingChange => "change of settings",
        Action::Backup => "backup",
        Action::EndpointFinding => "antivirus finding",
        Action::Other => "action of another kind",
    };
    let channel = match channel {
        None => "",
        Some(Channel::Ui) => " in the browser",
        Some(Channel::Mobile) => " in the mobile app",
        Some(Channel::Api) => " through the API",
        Some(Channel::BulkApi) => " through the bulk API",
        Some(Channel::Report) => " from a report",
        Some(Channel::Telephony) => " by telephone",
        Some(Channel::Import) => " by import",
        Some(Channel::Other) => " through another channel",
    };
    format!("{action}{channel}")
}

fn drift(detector: Detector, facts: &Facts) -> String {
    let (days, drift) = drift_of(detector, facts);
    let level = match detector {
        Detector::CUnrel => "of clients without a reason",
        Detector::CDistinct => "of different clients",
        Detector::COut => "of records taken out",
        _ => "of records",
    };
    let drift = EN.counted(drift);
    if days == 0 {
        return format!("Above their own usual level {level} (drift {})", drift.text);
    }
    let days = EN.whole(u64::from(days)).with_en("working day", "working days");
    format!("For {days} above their own usual level {level} (drift {})", drift.text)
}

fn rule(f: &Finding, facts: &Facts) -> String {
    let said = facts.hits.first().and_then(|hit| Some(control::get(hit.rule.id())?.said?(hit, facts).en));
    let others: Vec<String> = other_rules(facts, EN).iter().map(|t| lower(t)).collect();
    as_rule(&said.unwrap_or_else(|| title(&f.control, EN)), &others, f.s)
}

/// A rule's sentence: with its evidence, without how rare that is.
pub(super) fn as_rule(what: &str, others: &[String], nats: f64) -> String {
    let others = if others.is_empty() { String::new() } else { format!("; also {}", joined(others, "and")) };
    format!("{what}{others} (rule, {}).", bits(&EN.bits(nats)))
}

fn rarity(f: &Finding) -> String {
    let bits = bits(&EN.bits(f.s));
    match EN.rarity(f.s) {
        Rarity::Common => format!("; by itself nothing rare ({bits})"),
        Rarity::Once(n) => format!(": once in about {} ({bits})", n.with_en("manager-day", "manager-days")),
        Rarity::Beyond => format!(": less than once in a million manager-days ({bits})"),
    }
}

pub(super) fn date(zone: &Zone, t: Timestamp) -> String {
    let (year, month, day) = zone.date(t).ymd();
    format!("{day} {} {year}", MONTHS[usize::try_from(month - 1).expect("a month")])
}
