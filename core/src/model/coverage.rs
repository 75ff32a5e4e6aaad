//! What arrives, and which controls are blind for want of it: [`NEEDS`] against what was seen, in words.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    engine::{
        Text,
        control::{
            self, Kind,
            needs::{NEEDS, Needs},
        },
    },
    event::{Timestamp, words},
};

/// Events of one source, team and action, counted back from the tenant's newest event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// Where they came from.
    pub source: String,
    /// Whose; empty: of people without a team.
    pub team: String,
    /// What was done.
    pub action: String,
    /// Within the last 24 hours.
    pub events_24h: u64,
    /// Within the last 7 days.
    pub events_7d: u64,
    /// Within the last 30 days: what controls are judged by.
    pub events_30d: u64,
    /// The newest.
    pub last: Timestamp,
    /// Fields that at least one of them has.
    pub fields: BTreeSet<&'static str>,
}

/// All that is known of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What arrived.
    pub arrivals: Vec<Arrival>,
    /// Fields of which the store can tell whether they arrive.
    pub known: &'static [&'static str],
    /// People.
    pub users: u64,
    /// Columns that the row of at least one of them has.
    pub user_columns: BTreeSet<&'static str>,
    /// Rows of clients.
    pub clients: u64,
    /// Columns that at least one of these rows has.
    pub client_columns: BTreeSet<&'static str>,
    /// Keys of `[tenants.T]` that are set, and [`SIGMA`].
    pub stated: BTreeSet<&'static str>,
    /// Controls that the policy disables.
    pub disabled: BTreeSet<String>,
    /// Filin's own audit events arrive, under the tenant [`AUDIT`].
    pub audited: bool,
}

words! {
    /// What a control can see.
    State {
        /// All that it needs.
        Sees = "sees",
        /// Not for every team, or not by its rule.
        Partly = "partly",
        /// Nothing.
        Blind = "blind",
        /// Whether what it needs arrives cannot be told.
        Unchecked = "unchecked",
        /// It is switched off.
        Off = "off",
    }
}

words! {
    /// What follows from a reason.
    Effect {
        /// The control is blind.
        Blind = "blind",
        /// It is blind to these teams.
        BlindThere = "blind_there",
        /// Only behavioural findings take its name; the rule itself never fires.
        OnlyName = "only_name",
        /// Only refused prompts are told.
        OnlyPrompts = "only_prompts",
        /// Not checked.
        Unchecked = "unchecked",
        /// Switched off.
        Off = "off",
    }
}

/// Why a control does not see all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What is missing.
    #[serde(flatten)]
    pub text: Text,
    /// What follows.
    pub effect: Effect,
}

/// One control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its id.
    pub control: &'static str,
    /// What it can see.
    pub state: State,
    /// Why; empty where it sees all.
    pub reasons: Vec<Reason>,
}

/// The tenant of Filin's own audit events.
pub const AUDIT: &str = "_audit";
/// The key under which the user's own rules count as stated.
pub const SIGMA: &str = "sigma.rules";
/// A field that is none of the event format's paths but stands in for a column: an account that says itself that it is a program.
pub const INTEGRATION: &str = "actor.kind";
/// A team with fewer events in 30 days says nothing by what it does not send.
const TEAM_EVENTS: u64 = 100;
/// Fields by which an event names a client: where a control takes all of them, one word is enough.
const CLIENT: [&str; 5] = ["object.client", "object.id", "object.ids", "call.client", "call.number"];
/// Keys of `[tenants.T]` without which a control does less than it could.
const NARROWED: [(&str, &str, Effect); 2] = [("out_of_book", "access", Effect::OnlyName), ("no_mfa", "require_mfa", Effect::OnlyPrompts)];

/// What each control of the catalogue can see of a tenant, by id.
pub fn judge(tenant: &str, seen: &Seen) -> Vec<Verdict> {
    NEEDS.iter().map(|needs| one(tenant, seen, needs)).collect()
}

fn one(tenant: &str, seen: &Seen, needs: &Needs) -> Verdict {
    let control = needs.control;
    let verdict = |state, reasons| Verdict { control, state, reasons };
    if seen.disabled.contains(control) {
        let text = both(format!("controls.{control}.enabled is false"), format!("controls.{control}.enabled = false"));
        return verdict(State::Off, vec![Reason { text, effect: Effect::Off }]);
    }
    let all: Vec<&Arrival> = seen.arrivals.iter().collect();
    let mut reasons: Vec<Reason> = Vec::new();
    let mut blind = |text| reasons.push(Reason { text, effect: Effect::Blind });
    let mut unchecked = None;
    match event_needs(needs, &all, seen.known) {
        Met::Yes => {}
        Met::No(text) => blind(text),
        Met::Unknown(text) => unchecked = Some(text),
    }
    if !needs.users.is_empty() && needs.policy != needs.users && !has(needs.users, &seen.user_columns) {
        // An account that says itself what it is needs no row.
        let says = needs.users.contains(&"kind") && all.iter().any(|a| a.fields.contains(INTEGRATION));
        if !says {
            blind(no_column("users", seen.users, needs.users));
        }
    }
    if !needs.clients.is_empty() && !has(needs.clients, &seen.client_columns) {
        blind(if needs.clients == ["decoy"] && seen.clients > 0 {
            both("no client is a decoy".to_owned(), "ни один клиент не помечен как приманка (decoy)".to_owned())
        } else {
            no_column("clients", seen.clients, needs.clients)
        });
    }
    for key in needs.policy.iter().filter(|key| !seen.stated.contains(*key)) {
        if !needs.users.contains(key) {
            blind(not_set(tenant, key));
        } else if !seen.user_columns.contains(key) {
            blind(both(
                format!("neither tenants.{tenant}.{key} nor {key} of a users row is set"),
                format!("не заданы ни tenants.{tenant}.{key}, ни {key} в строках users"),
            ));
        }
    }
    if control == "sigma" && !seen.stated.contains(SIGMA) {
        blind(both(format!("{SIGMA} gives no rules"), format!("{SIGMA} не даёт правил")));
    }
    if control == "watcher" && !seen.audited {
        blind(both(format!("nothing arrives for the tenant {AUDIT}"), format!("для организации {AUDIT} ничего не приходит")));
    }
    if !reasons.is_empty() {
        return verdict(State::Blind, reasons);
    }
    if let Some(text) = unchecked {
        return verdict(State::Unchecked, vec![Reason { text, effect: Effect::Unchecked }]);
    }
    for (_, key, effect) in NARROWED.iter().filter(|(id, key, _)| *id == control && !seen.stated.contains(key)) {
        reasons.push(Reason { text: not_set(tenant, key), effect: *effect });
    }
    // Rights, backups and the like come from a few accounts; what people do all day must come from every team.
    if control::get(control).is_some_and(|c| c.kind == Kind::Behavioural) {
        reasons.extend(by_team(needs, seen).into_iter().map(|text| Reason { text, effect: Effect::BlindThere }));
    }
    verdict(if reasons.is_empty() { State::Sees } else { State::Partly }, reasons)
}

/// Teams to which a control is blind though others show it what it needs.
fn by_team(needs: &Needs, seen: &Seen) -> Vec<Text> {
    let mut teams: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in seen.arrivals.iter().filter(|a| !a.team.is_empty()) {
        teams.entry(&arrival.team).or_default().push(arrival);
    }
    let mut missing: Vec<(Text, Vec<&str>)> = Vec::new();
    for (team, arrivals) in teams {
        if arrivals.iter().map(|a| a.events_30d).sum::<u64>() < TEAM_EVENTS {
            continue;
        }
        if let Met::No(text) = event_needs(needs, &arrivals, seen.known) {
            match missing.iter_mut().find(|(known, _)| *known == text) {
                Some((_, teams)) => teams.push(team),
                None => missing.push((text, vec![team])),
            }
        }
    }
    let said = |(text, teams): (Text, Vec<&str>)| {
        let several = teams.len() > 1;
        let teams = teams.join(", ");
        both(
            format!("team{} {teams}: {}", if several { "s" } else { "" }, text.en),
            format!("{} {teams}: {}", if several { "команды" } else { "команда" }, text.ru),
        )
    };
    missing.into_iter().map(said).collect()
}

/// Whether events bring what a control needs.
enum Met {
    Yes,
    No(Text),
    Unknown(Text),
}

fn event_needs(needs: &Needs, arrivals: &[&Arrival], known: &[&str]) -> Met {
    let arrived: Vec<&&Arrival> = arrivals.iter().filter(|a| a.events_30d > 0).collect();
    if arrived.is_empty() {
        return Met::No(both("no events".to_owned(), "нет событий".to_owned()));
    }
    let right: Vec<&&&Arrival> =
        arrived.iter().filter(|a| needs.actions.is_empty() || needs.actions.contains(&a.action.as_str())).collect();
    if right.is_empty() {
        let text = both(format!("no {} events", or(needs.actions, "or")), format!("нет событий {}", or(needs.actions, "или")));
        return Met::No(text);
    }
    if needs.fields.is_empty() || right.iter().any(|a| needs.fields.iter().any(|f| a.fields.contains(f))) {
        return Met::Yes;
    }
    let (en, ru) = (fields(needs.fields, "a named client", "or"), fields(needs.fields, "названного клиента", "или"));
    if needs.fields.iter().any(|f| !known.contains(f)) {
        return Met::Unknown(both(format!("whether events have {en} is not checked"), format!("есть ли в событиях {ru}, не проверяется")));
    }
    let of = if needs.actions.is_empty() { String::new() } else { format!("{} ", or(needs.actions, "or")) };
    let of_ru = if needs.actions.is_empty() { String::new() } else { format!(" {}", or(needs.actions, "или")) };
    Met::No(both(format!("no {of}event has {en}"), format!("ни в одном событии{of_ru} нет {ru}")))
}

fn has(wanted: &[&str], given: &BTreeSet<&'static str>) -> bool {
    wanted.iter().any(|w| given.contains(w))
}

fn no_column(table: &str, rows: u64, columns: &[&str]) -> Text {
    if rows == 0 {
        return both(format!("there are no {table} rows"), format!("нет строк {table}"));
    }
    both(format!("no {table} row has {}", or(columns, "or")), format!("ни в одной строке {table} нет {}", or(columns, "или")))
}

fn not_set(tenant: &str, key: &str) -> Text {
    both(format!("tenants.{tenant}.{key} is not set"), format!("не задано tenants.{tenant}.{key}"))
}

/// Names of fields; the five that name a client as one word.
fn fields(all: &[&str], client: &str, or_word: &str) -> String {
    if !CLIENT.iter().all(|c| all.contains(c)) {
        return or(all, or_word);
    }
    let mut rest: Vec<&str> = all.iter().filter(|f| !CLIENT.contains(*f)).copied().collect();
    rest.push(client);
    or(&rest, or_word)
}

/// `a`, `a or b`, `a, b or c`.
fn or(words: &[&str], or_word: &str) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} {or_word} {last}", first.join(", ")),
    }
}

fn both(en: String, ru: String) -> Text {
    Text { en, ru }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &[
        "client.ip",
        "client.tls",
        "records",
        "object.client",
        "object.id",
        "object.ids",
        "call.client",
        "call.number",
        "change.what",
        "change.to",
        "change.target",
        "auth.mfa",
        "auth.mfa_method",
        "reason",
    ];

    fn arrival(team: &str, action: &str, fields: &[&'static str]) -> Arrival {
        Arrival {
            source: "crm".to_owned(),
            team: team.to_owned(),
            action: action.to_owned(),
            events_24h: 0,
            events_7d: 9,
            events_30d: 200,
            last: Timestamp::from_millis(0),
            fields: fields.iter().copied().collect(),
        }
    }

    fn of(seen: &Seen, control: &str) -> Verdict {
        judge("acme", seen).into_iter().find(|v| v.control == control).expect("a control")
    }

    fn check(seen: &Seen, control: &str, state: State, reasons: &[&str]) {
        let verdict = of(seen, control);
        let told: Vec<&str> = verdict.reasons.iter().map(|r| r.text.en.as_str()).collect();
        assert_eq!((verdict.state, told.as_slice()), (state, reasons), "{control}");
        assert!(verdict.reasons.iter().all(|r| r.text.ru.chars().any(|c| ('а'..='я').contains(&c)) || r.effect == Effect::Off));
    }

    fn seen(arrivals: Vec<Arrival>) -> Seen {
        Seen { arrivals, known: KNOWN, users: 3, clients: 5, ..Seen::default() }
    }

    #[test]
    fn without_events_everything_is_blind() {
        let all = judge("acme", &Seen::default());
        assert_eq!(all.len(), control::ALL.len());
        assert!(all.iter().all(|v| v.state == State::Blind && !v.reasons.is_empty()));
        // An action that was seen long ago is not arriving.
        let old = Arrival { events_30d: 0, ..arrival("north", "view", &[]) };
        check(&seen(vec![old]), "off_hours", State::Blind, &["no events"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut s = seen(vec![arrival("north", "view", &["object.id"]), arrival("north", "login", &["client.ip"])]);
        s.client_columns = ["owner"].into();
        check(&s, "off_hours", State::Sees, &[]);
        check(&s, "unrelated", State::Sees, &[]);
        check(&s, "unrelated_call", State::Blind, &["no call events"]);
        check(&s, "junior_delete", State::Blind, &["no delete, merge or update events", "no users row has grade"]);
        check(&s, "insecure_transport", State::Blind, &["no event has client.tls"]);
        check(&s, "decoy", State::Blind, &["no client is a decoy"]);
        check(&s, "address_denied", State::Blind, &["neither tenants.acme.ip_allow nor ip_allow of a users row is set"]);
        check(&s, "backup_overdue", State::Blind, &["no backup events", "tenants.acme.backup_targets is not set"]);
        check(&s, "out_of_book", State::Partly, &["tenants.acme.access is not set"]);
        check(&s, "sigma", State::Blind, &["sigma.rules gives no rules"]);
        check(&s, "watcher", State::Blind, &["nothing arrives for the tenant _audit"]);
        // The address is the log-in's own: fields are asked of the actions that need them.
        check(&s, "spraying", State::Sees, &[]);
        check(&s, "no_mfa", State::Blind, &["no login event has auth.mfa, auth.mfa_method or reason"]);
        s.arrivals = vec![arrival("north", "view", &["client.ip"]), arrival("north", "login", &[])];
        check(&s, "spraying", State::Blind, &["no login event has client.ip"]);
        check(&s, "unrelated", State::Blind, &["no event has a named client"]);
        check(&s, "drip", State::Blind, &["no event has records or a named client"]);
    }

    #[test]
    fn what_is_stated_opens_eyes() {
        let mut s = seen(vec![arrival("", "view", &["client.ip", "object.client", INTEGRATION])]);
        check(&s, "service_account", State::Sees, &[]);
        s.stated = ["ip_allow", "access", SIGMA].into();
        s.client_columns = ["team", "decoy"].into();
        s.audited = true;
        for control in ["address_denied", "out_of_book", "sigma", "decoy", "watcher"] {
            check(&s, control, State::Sees, &[]);
        }
        s.stated.clear();
        s.user_columns = ["ip_allow"].into();
        check(&s, "address_denied", State::Sees, &[]);
        s.disabled = ["address_denied".to_owned()].into();
        check(&s, "address_denied", State::Off, &["controls.address_denied.enabled is false"]);
        s.users = 0;
        s.user_columns.clear();
        check(&s, "leaver_active", State::Blind, &["there are no users rows"]);
    }

    #[test]
    fn a_team_without_what_others_bring_is_named() {
        let mut s = seen(vec![
            arrival("north", "export", &["records"]),
            arrival("south", "export", &[]),
            arrival("west", "view", &[]),
            Arrival { events_30d: 3, ..arrival("small", "view", &[]) },
        ]);
        check(
            &s,
            "bulk_export",
            State::Partly,
            &[
                "team south: no export, print, api_query, report or list event has records",
                "team west: no export, print, api_query, report or list events",
            ],
        );
        // Who changes rights, and where backups are reported, is no team's affair.
        s.arrivals.push(arrival("north", "permission_change", &[]));
        check(&s, "privilege", State::Sees, &[]);
    }

    #[test]
    fn a_field_that_nobody_looks_at_is_said() {
        let s = Seen { known: &["records"], ..seen(vec![arrival("", "view", &[])]) };
        check(&s, "insecure_transport", State::Unchecked, &["whether events have client.tls is not checked"]);
    }
}
