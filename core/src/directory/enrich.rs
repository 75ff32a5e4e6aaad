//! What was known about an event at its own time.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

use super::{
    Directory, Zone,
    rows::{Order, OrderState, User},
    schedule::Shift,
};
use crate::event::{Action, Address, DAY_MS, Enrich, Event, Former, NamedClient, ObjectType, Owner, Related, Timestamp, Work, client_hash};

/// How long a closed order still explains work with its client.
const RECENT_ORDER_MS: i64 = 15 * DAY_MS;
/// How long a former owner may still work with a client.
const HAND_OVER_MS: i64 = 14 * DAY_MS;

/// Everything that the directory knows about an event as of its time. `tenant_zone` holds for those without a zone of
/// their own (an unknown one counts as UTC; configuration is checked earlier), `actor_prefix` for those without an alias.
pub fn enrich(directory: &Directory, event: &Event, tenant_zone: &str, actor_prefix: &str) -> Enrich {
    let t = event.time;
    let target = target(directory, event, actor_prefix);
    // A finding is the machine's: whoever reports it, it is about the person who works there.
    let manager = match &target {
        Some(person) if event.action == Action::EndpointFinding => person.clone(),
        _ => directory.resolve(&event.source, &event.actor.id, actor_prefix, t),
    };
    let user = directory.users().at(&manager, t);
    let zone = zone_of(user, tenant_zone);
    let seen = Seen { directory, event, manager: &manager, team: user.and_then(|u| u.team.as_deref()), tenant_zone, actor_prefix };
    let clients = seen.clients();
    let unnamed = if event.ok() && reads(event.action) {
        let records = event.records.unwrap_or(u64::from(event.action == Action::View));
        records.saturating_sub(u64::try_from(clients.len()).unwrap_or(u64::MAX))
    } else {
        0
    };
    let ip_allow = user.map(|u| u.ip_allow.as_slice()).filter(|nets| !nets.is_empty()).unwrap_or(directory.ip_allow());
    Enrich {
        team: user.and_then(|u| u.team.clone()),
        role: user.and_then(|u| u.role.clone()),
        grade: user.and_then(|u| u.grade).map(|g| g.as_str().to_owned()),
        work: user.and_then(|u| work(directory, u, &zone, t)),
        address: address(ip_allow, event.client.as_ref().and_then(|c| c.ip.as_deref())),
        notice: user.is_some_and(|u| [u.notice_at, u.terminated_at].into_iter().flatten().any(|w| zone.start(w) <= t)),
        zone: zone.name().to_owned(),
        manager,
        clients,
        target,
        unnamed,
    }
}

/// Whom an administrator's action or a finding is about. The source writes its own account ids; one that is a manager id already
/// stays as it is.
fn target(directory: &Directory, event: &Event, actor_prefix: &str) -> Option<String> {
    use Action::{EndpointFinding, PermissionChange, SettingChange, UserCreate, UserDeactivate};
    if !matches!(event.action, EndpointFinding | PermissionChange | SettingChange | UserCreate | UserDeactivate) {
        return None;
    }
    let object = event.object.as_ref().filter(|o| o.kind == Some(ObjectType::User)).and_then(|o| o.id.as_deref());
    let said = event.change.as_ref().and_then(|c| c.target.as_deref()).filter(|t| !t.is_empty());
    let id = said.or(object).filter(|id| !id.is_empty())?;
    let resolved = directory.resolve(&event.source, id, actor_prefix, event.time);
    let users = directory.users();
    Some(if !users.contains(&resolved) && users.contains(id) { id.to_owned() } else { resolved })
}

/// The zone whose clock a person's days go by.
pub fn zone_of(user: Option<&User>, tenant_zone: &str) -> Zone {
    let name = user.and_then(|u| u.time_zone.as_deref()).unwrap_or(tenant_zone);
    Zone::get(name).unwrap_or(Zone::UTC)
}

fn reads(action: Action) -> bool {
    use Action::{ApiQuery, Export, List, Print, Report, Search, View};
    matches!(action, Export | Print | ApiQuery | List | Report | Search | View)
}

fn work(directory: &Directory, user: &User, zone: &Zone, t: Timestamp) -> Option<Work> {
    if user.absences.iter().any(|a| zone.covers(a, t)) {
        return Some(Work::Absent);
    }
    Some(match directory.shift(user.schedule.as_deref()?, zone.local_ms(t))? {
        Shift::Working => Work::In,
        Shift::Rostered => Work::Rostered,
        Shift::Holiday => Work::Holiday,
        Shift::Out => Work::Out,
    })
}

/// What is no address is nobody's fault: it is not on no list.
fn address(allowed: &[IpNet], ip: Option<&str>) -> Address {
    match ip.and_then(|ip| ip.parse::<IpAddr>().ok()) {
        Some(ip) if !allowed.is_empty() => {
            // A v4 address may come in v6 clothes from a dual-stack listener.
            let ip = ip.to_canonical();
            if allowed.iter().any(|net| net.contains(&ip)) { Address::Allowed } else { Address::Denied }
        }
        _ => Address::None,
    }
}

/// An event seen from its manager.
struct Seen<'a> {
    directory: &'a Directory,
    event: &'a Event,
    manager: &'a str,
    team: Option<&'a str>,
    tenant_zone: &'a str,
    actor_prefix: &'a str,
}

impl<'a> Seen<'a> {
    fn clients(&self) -> Vec<NamedClient> {
        let owner_of_object = self.owner_of_object();
        self.named().into_iter().enumerate().map(|(i, id)| self.client(id, i == 0, owner_of_object.as_deref())).collect()
    }

    /// The clients that the event names, each once: `object.client` (or the object itself), `object.ids` of clients,
    /// `call.client` (or whose number it is).
    fn named(&self) -> Vec<&'a str> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut add = |id: &'a str| {
            if !id.is_empty() && seen.insert(id) {
                found.push(id);
            }
        };
        if let Some(object) = &self.event.object {
            let is_client = object.kind == Some(ObjectType::Client);
            let one = object.client.as_deref().filter(|c| !c.is_empty());
            one.or(object.id.as_deref().filter(|_| is_client)).into_iter().for_each(&mut add);
            if is_client {
                object.ids.iter().map(String::as_str).for_each(&mut add);
            }
        }
        if let Some(call) = &self.event.call {
            let client = call.client.as_deref().filter(|c| !c.is_empty());
            let by_number = || call.number.as_deref().and_then(|n| self.directory.client_of_phone(n, self.manager, self.event.time));
            client.or_else(by_number).into_iter().for_each(&mut add);
        }
        found
    }

    /// `main`: the client of the event's object, of whom alone the event's order and owner speak.
    fn client(&self, id: &str, main: bool, owner_of_object: Option<&str>) -> NamedClient {
        let t = self.event.time;
        let row = self.directory.clients().at(id, t);
        let owner_of_row = row.and_then(|c| c.owner.as_deref()).filter(|o| !o.is_empty());
        let owner = self.owner(owner_of_object.filter(|_| main).or(owner_of_row));
        let handed_over = || {
            let rows = self.directory.clients().within(id, t.plus(-HAND_OVER_MS), t);
            !matches!(owner, Owner::Unknown | Owner::Me) && rows.iter().any(|c| c.owner.as_deref() == Some(self.manager))
        };
        let related = (if main { self.named_order() } else { None })
            .or_else(|| self.order_of(id))
            .or_else(|| handed_over().then_some(Related::HandOver));
        let former = if related.is_none() && !matches!(owner, Owner::Unknown | Owner::Me) { self.former(id) } else { None };
        NamedClient {
            h: client_hash(id),
            owner,
            team: row.and_then(|c| c.team.clone()),
            region: row.and_then(|c| c.region.clone()),
            tier: row.and_then(|c| c.tier),
            decoy: row.and_then(|c| c.decoy).unwrap_or(false),
            related,
            former,
        }
    }

    /// What the client was to the manager once.
    fn former(&self, id: &str) -> Option<Former> {
        let t = self.event.time;
        let lost = |o: &Order| o.state == Some(OrderState::Lost) && o.closed_at.is_some_and(|closed| closed <= t);
        if self.directory.orders_of(id, t).any(|o| takes_part(o, self.manager) && lost(o)) {
            return Some(Former::LostDeal);
        }
        let rows = self.directory.clients().within(id, Timestamp::MIN, t);
        rows.iter().any(|c| c.owner.as_deref() == Some(self.manager)).then_some(Former::HandedOver)
    }

    /// The owner that the event itself reports: said of a deal or task it is not the client's. The source writes its own
    /// account ids; one that is a manager id already stays as it is.
    fn owner_of_object(&self) -> Option<String> {
        let object = self.event.object.as_ref()?;
        let own = matches!(object.kind, Some(ObjectType::Client | ObjectType::Lead | ObjectType::Contact));
        let id = object.owner.as_deref().filter(|o| own && !o.is_empty())?;
        let resolved = self.directory.resolve(&self.event.source, id, self.actor_prefix, self.event.time);
        let users = self.directory.users();
        Some(if resolved != self.manager && !users.contains(&resolved) && users.contains(id) { id.to_owned() } else { resolved })
    }

    fn owner(&self, id: Option<&str>) -> Owner {
        let (Some(id), t) = (id, self.event.time) else { return Owner::Unknown };
        if id == self.manager {
            return Owner::Me;
        }
        let same_team = |u: &&User| self.team.is_some_and(|team| !team.is_empty()) && u.team.as_deref() == self.team;
        let Some(mate) = self.directory.users().at(id, t).filter(same_team) else { return Owner::Other };
        let zone = zone_of(Some(mate), self.tenant_zone);
        if mate.absences.iter().any(|a| zone.covers(a, t)) { Owner::TeamAbsent } else { Owner::Team }
    }

    /// The order that the event names: the manager's, or one that only the source knows.
    fn named_order(&self) -> Option<Related> {
        let id = self.event.order.as_deref().filter(|o| !o.is_empty())?;
        match self.directory.orders().at(id, self.event.time) {
            None => Some(Related::SourceOrder),
            Some(order) => takes_part(order, self.manager).then_some(Related::NamedOrder),
        }
    }

    /// An order of this client in which the manager takes part: an open one, else one closed lately.
    fn order_of(&self, client: &str) -> Option<Related> {
        let (t, mut recent) = (self.event.time, None);
        for order in self.directory.orders_of(client, t).filter(|o| takes_part(o, self.manager)) {
            if order.opened_at.is_some_and(|opened| t < opened) {
                continue;
            }
            match order.closed_at {
                Some(closed) if closed <= t => {
                    if t < closed.plus(RECENT_ORDER_MS) {
                        recent = Some(Related::RecentOrder);
                    }
                }
                _ => return Some(Related::OpenOrder),
            }
        }
        recent
    }
}

fn takes_part(order: &Order, manager: &str) -> bool {
    order.manager.as_deref() == Some(manager) || order.participants.iter().any(|p| p == manager)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::{Client, Span, When},
        event::{Date, Tier},
    };

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn day(text: &str) -> When {
        When::Day(Date::parse(text).expect(text))
    }

    fn user(id: &str, team: &str) -> User {
        User { id: id.to_owned(), team: Some(team.to_owned()), time_zone: Some("Europe/Moscow".to_owned()), ..User::default() }
    }

    fn client(id: &str, owner: &str, since: &str) -> Client {
        Client { id: id.to_owned(), owner: Some(owner.to_owned()), valid_from: Some(at(since)), ..Client::default() }
    }

    fn order(id: &str, client: &str, manager: &str, opened: &str, closed: Option<&str>) -> Order {
        Order {
            id: id.to_owned(),
            client: Some(client.to_owned()),
            manager: Some(manager.to_owned()),
            opened_at: Some(at(opened)),
            closed_at: closed.map(at),
            ..Order::default()
        }
    }

    /// Anna and Boris are one team, Vera another; Boris is away on 4 and 5 March.
    fn company() -> Directory {
        let mut d = Directory::default();
        let away = vec![Span { from: day("2026-03-04"), to: day("2026-03-05") }];
        for u in [user("anna", "t1"), User { absences: away, ..user("boris", "t1") }, user("vera", "t2")] {
            d.insert_user(u).expect("taken");
        }
        for c in [client("a", "anna", "2026-01-01"), client("b", "boris", "2026-01-01"), client("v", "vera", "2026-01-01")] {
            d.insert_client(c);
        }
        d
    }

    fn event(time: &str, actor: &str, json: &str) -> Event {
        let mut e: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).expect(json);
        e.entry("action").or_insert("view".into());
        for (key, value) in [("id", "1".into()), ("source", "generic".into()), ("time", time.into())] {
            e.insert(key.to_owned(), value);
        }
        e.insert("actor".to_owned(), serde_json::json!({ "id": actor }));
        serde_json::from_value(e.into()).expect(json)
    }

    fn view(d: &Directory, time: &str, actor: &str, client: &str) -> NamedClient {
        let e = event(time, actor, &format!(r#"{{"object": {{"type": "client", "id": "{client}"}}}}"#));
        enrich(d, &e, "UTC", "").clients[0].clone()
    }

    #[test]
    fn tells_owners_apart() {
        let d = company();
        for (time, client, expected) in [
            ("2026-03-02T10:00:00Z", "a", Owner::Me),
            ("2026-03-02T10:00:00Z", "b", Owner::Team),
            // Moscow's 4 March begins at 21:00 UTC; the plain end includes the 5th.
            ("2026-03-03T20:59:59.999Z", "b", Owner::Team),
            ("2026-03-03T21:00:00Z", "b", Owner::TeamAbsent),
            ("2026-03-05T20:59:59.999Z", "b", Owner::TeamAbsent),
            ("2026-03-05T21:00:00Z", "b", Owner::Team),
            ("2026-03-02T10:00:00Z", "v", Owner::Other),
            ("2026-03-02T10:00:00Z", "nobody-knows", Owner::Unknown),
        ] {
            assert_eq!(view(&d, time, "anna", client).owner, expected, "{client} at {time}");
        }
    }

    #[test]
    fn people_without_a_team_are_no_team() {
        let mut d = Directory::default();
        for id in ["x", "y"] {
            d.insert_user(User { team: Some(String::new()), ..user(id, "") }).expect("taken");
            d.insert_client(client(id, id, "2026-01-01"));
        }
        assert_eq!(view(&d, "2026-03-02T10:00:00Z", "x", "y").owner, Owner::Other);
    }

    #[test]
    fn a_hand_over_ends_after_fourteen_days() {
        let mut d = company();
        d.insert_client(client("a", "vera", "2026-03-01T12:00:00Z"));
        for (time, owner, related) in [
            ("2026-03-01T11:59:59.999Z", Owner::Me, None),
            ("2026-03-01T12:00:00Z", Owner::Other, Some(Related::HandOver)),
            ("2026-03-15T11:59:59.999Z", Owner::Other, Some(Related::HandOver)),
            ("2026-03-15T12:00:00Z", Owner::Other, None),
        ] {
            let c = view(&d, time, "anna", "a");
            assert_eq!((c.owner, c.related), (owner, related), "{time}");
        }
    }

    #[test]
    fn an_order_explains_until_fifteen_days_after_its_close() {
        let mut d = company();
        d.insert_order(order("o", "v", "anna", "2026-03-01", Some("2026-03-10")));
        for (time, related) in [
            ("2026-02-28T23:59:59.999Z", None),
            ("2026-03-01T00:00:00Z", Some(Related::OpenOrder)),
            ("2026-03-09T23:59:59.999Z", Some(Related::OpenOrder)),
            ("2026-03-10T00:00:00Z", Some(Related::RecentOrder)),
            ("2026-03-24T23:59:59.999Z", Some(Related::RecentOrder)),
            ("2026-03-25T00:00:00Z", None),
        ] {
            assert_eq!(view(&d, time, "anna", "v").related, related, "{time}");
        }
        assert_eq!(view(&d, "2026-03-05T00:00:00Z", "boris", "v").related, None, "it is Anna's order");
        // A late row: from 20 March on the order was another client's.
        d.insert_order(Order { valid_from: Some(at("2026-03-20")), ..order("o", "b", "anna", "2026-03-01", None) });
        assert_eq!(view(&d, "2026-03-19T00:00:00Z", "anna", "v").related, Some(Related::RecentOrder));
        assert_eq!(view(&d, "2026-03-20T00:00:00Z", "anna", "v").related, None);
        assert_eq!(view(&d, "2026-03-20T00:00:00Z", "anna", "b").related, Some(Related::OpenOrder));
    }

    #[test]
    fn a_named_order_speaks_of_the_main_client_alone() {
        let mut d = company();
        d.insert_order(Order { participants: vec!["anna".to_owned()], ..order("o", "x", "vera", "2026-03-01", None) });
        let related = |actor: &str, order: &str| -> Vec<Option<Related>> {
            let e = event(
                "2026-03-02T10:00:00Z",
                actor,
                &format!(r#"{{"order": "{order}", "object": {{"type": "client", "id": "v", "ids": ["v", "b"]}}}}"#),
            );
            enrich(&d, &e, "UTC", "").clients.iter().map(|c| c.related).collect()
        };
        assert_eq!(related("anna", "o"), [Some(Related::NamedOrder), None]);
        assert_eq!(related("anna", "elsewhere"), [Some(Related::SourceOrder), None]);
        assert_eq!(related("boris", "o"), [None, None], "opening a stranger's deal names the stranger's deal");
    }

    #[test]
    fn the_events_owner_counts_for_clients_leads_and_contacts() {
        let d = company();
        let owner = |kind: &str| {
            let object = format!(r#"{{"object": {{"type": "{kind}", "id": "z", "client": "v", "owner": "anna"}}}}"#);
            enrich(&d, &event("2026-03-02T10:00:00Z", "anna", &object), "UTC", "").clients[0].owner
        };
        assert_eq!((owner("client"), owner("lead"), owner("contact")), (Owner::Me, Owner::Me, Owner::Me));
        assert_eq!((owner("deal"), owner("task")), (Owner::Other, Owner::Other));
    }

    #[test]
    fn the_events_owner_may_be_an_account_of_the_source() {
        let mut d = company();
        d.insert_user(User { aliases: vec!["generic:7".to_owned()], ..user("anna", "t1") }).expect("taken");
        let e = event("2026-03-02T10:00:00Z", "7", r#"{"object": {"type": "client", "id": "new", "owner": "7"}}"#);
        let enriched = enrich(&d, &e, "UTC", "b24-");
        assert_eq!((enriched.manager.as_str(), enriched.clients[0].owner), ("anna", Owner::Me));
    }

    #[test]
    fn names_each_client_once_and_counts_the_rest() {
        let mut d = company();
        d.insert_client(Client { phones: vec!["+70001112233".to_owned()], tier: Some(Tier::Key), ..client("p", "vera", "2026-01-01") });
        let check = |json: &str, names: &[&str], unnamed: u64| {
            let e = enrich(&d, &event("2026-03-02T10:00:00Z", "anna", json), "UTC", "");
            let expected: Vec<u64> = names.iter().map(|n| client_hash(n)).collect();
            assert_eq!(e.clients.iter().map(|c| c.h).collect::<Vec<_>>(), expected, "{json}");
            assert_eq!(e.unnamed, unnamed, "{json}");
        };
        check(r#"{"object": {"type": "client", "id": "a", "client": "b", "ids": ["v", "b", "v"]}}"#, &["b", "v"], 0);
        check(r#"{"object": {"type": "deal", "id": "a", "client": "b", "ids": ["v"]}}"#, &["b"], 0);
        check(r#"{"object": {"type": "deal", "id": "a"}}"#, &[], 1);
        check(r#"{"action": "export", "records": 500, "object": {"type": "client", "ids": ["a", "b"]}}"#, &["a", "b"], 498);
        check(r#"{"action": "export", "records": 500, "outcome": "denied"}"#, &[], 0);
        check(r#"{"action": "update", "records": 500}"#, &[], 0);
        check(r#"{"action": "call", "call": {"number": "+7 000 111-22-33"}}"#, &["p"], 0);
        check(r#"{"action": "call", "call": {"number": "+70001112233", "client": "v"}}"#, &["v"], 0);
        let e = event("2026-03-02T10:00:00Z", "anna", r#"{"action": "call", "call": {"number": "+70001112233"}}"#);
        assert_eq!(enrich(&d, &e, "UTC", "").clients[0].tier, Some(Tier::Key));
    }

    #[test]
    fn knows_hours_absence_address_and_notice() {
        let mut d = Directory::default();
        let row = User {
            schedule: Some("Mo-Fr 09:00-18:00; Mo-Fr 20:00-05:00".to_owned()),
            absences: vec![Span { from: day("2026-03-03"), to: day("2026-03-03") }],
            ip_allow: vec!["198.51.100.0/24".parse().expect("a net"), "2001:db8::/32".parse().expect("a net")],
            notice_at: Some(day("2026-03-10")),
            ..user("anna", "t1")
        };
        d.insert_user(row).expect("taken");
        let of = |time: &str, ip: &str| {
            let e = enrich(&d, &event(time, "anna", &format!(r#"{{"client": {{"ip": "{ip}"}}}}"#)), "Asia/Tokyo", "");
            (e.work, e.address, e.notice)
        };
        assert_eq!(of("2026-03-02T06:00:00Z", "198.51.100.7"), (Some(Work::In), Address::Allowed, false));
        assert_eq!(of("2026-03-02T16:00:00Z", "203.0.113.7"), (Some(Work::Out), Address::Denied, false));
        assert_eq!(of("2026-03-02T18:00:00Z", "2001:db8:1::5"), (Some(Work::Rostered), Address::Allowed, false));
        assert_eq!(of("2026-03-03T06:00:00Z", "::ffff:198.51.100.7"), (Some(Work::Absent), Address::Allowed, false));
        assert_eq!(of("2026-03-09T20:59:59Z", "unknown"), (Some(Work::Rostered), Address::None, false));
        assert!(of("2026-03-09T21:00:00Z", "unknown").2, "local midnight");

        let stranger = enrich(&d, &event("2026-03-02T06:00:00Z", "ghost", r#"{"client": {"ip": "203.0.113.7"}}"#), "Asia/Tokyo", "x-");
        assert_eq!((stranger.manager.as_str(), stranger.zone.as_str()), ("x-ghost", "Asia/Tokyo"));
        assert_eq!((stranger.team, stranger.role, stranger.work, stranger.address), (None, None, None, Address::None));
        d.set_ip_allow(vec!["192.0.2.0/24".parse().expect("a net")]);
        let stranger = enrich(&d, &event("2026-03-02T06:00:00Z", "ghost", r#"{"client": {"ip": "203.0.113.7"}}"#), "Asia/Tokyo", "x-");
        assert_eq!(stranger.address, Address::Denied, "the tenant's list holds for those without one");
    }
}
