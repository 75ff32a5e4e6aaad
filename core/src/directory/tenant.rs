//! One tenant's users, clients and orders, and the ways to find them.

use std::{collections::HashMap, sync::Arc};

use ipnet::IpNet;

use super::{
    Calendar, Error, Row, Zone,
    rows::{Client, Order, User},
    schedule::{Shift, Timetable},
    table::Table,
};
use crate::event::Timestamp;

/// One tenant's reference data. Rows may come in any order and at any time; look-ups are as of the time asked about.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: Table<User>,
    clients: Table<Client>,
    orders: Table<Order>,
    /// Per client, the ids of orders with a row that names it, sorted.
    orders_of: Index,
    /// Per `source:actor_id`, the ids of users with a row that names it, sorted.
    users_of: Index,
    /// Per telephone number (digits only), the ids of clients with a row that names it, sorted.
    clients_of: Index,
    /// Allowed addresses of those whose own row lists none.
    ip_allow: Vec<IpNet>,
    calendar: Calendar,
    /// Schedules of users' rows, read once.
    timetables: HashMap<String, Arc<Timetable>>,
}

type Index = HashMap<String, Vec<String>>;

impl Directory {
    /// Adds a user's row. False when exactly this row is there already.
    ///
    /// # Errors
    /// When its time zone is unknown; nothing is added then.
    pub fn insert_user(&mut self, row: User) -> Result<bool, Error> {
        if let Some(name) = &row.time_zone {
            Zone::get(name)?;
        }
        for alias in &row.aliases {
            note(&mut self.users_of, alias, &row.id);
        }
        if let Some(text) = &row.schedule
            && !self.timetables.contains_key(text)
        {
            self.timetables.insert(text.clone(), Arc::new(Timetable::new(text)));
        }
        Ok(self.users.insert(row))
    }

    /// Adds a client's row. False when exactly this row is there already.
    pub fn insert_client(&mut self, row: Client) -> bool {
        for phone in &row.phones {
            note(&mut self.clients_of, &digits(phone), &row.id);
        }
        self.clients.insert(row)
    }

    /// Adds an order's row. False when exactly this row is there already.
    pub fn insert_order(&mut self, row: Order) -> bool {
        if let Some(client) = &row.client {
            note(&mut self.orders_of, client, &row.id);
        }
        self.orders.insert(row)
    }

    /// Sets the tenant's allowed addresses; they hold for those whose own row lists none.
    pub fn set_ip_allow(&mut self, nets: Vec<IpNet>) {
        self.ip_allow = nets;
    }

    /// The tenant's allowed addresses.
    pub fn ip_allow(&self) -> &[IpNet] {
        &self.ip_allow
    }

    /// Sets the tenant's production calendar; without one no day is a holiday.
    pub fn set_calendar(&mut self, calendar: Calendar) {
        self.calendar = calendar;
        // They remember days of the calendar before.
        self.timetables.iter_mut().for_each(|(text, timetable)| *timetable = Arc::new(Timetable::new(text)));
    }

    /// What the local wall clock's moment is to a schedule of some user's row, by the tenant's calendar
    /// ([`super::schedule::Schedule::at`]).
    pub fn shift(&self, schedule: &str, local_ms: i64) -> Option<Shift> {
        self.timetables.get(schedule)?.at(local_ms, &self.calendar)
    }

    /// Users.
    pub fn users(&self) -> &Table<User> {
        &self.users
    }

    /// Clients.
    pub fn clients(&self) -> &Table<Client> {
        &self.clients
    }

    /// Orders.
    pub fn orders(&self) -> &Table<Order> {
        &self.orders
    }

    /// Who an actor is at an instant: the user whose `aliases` hold `source:actor_id` then (of several the first by id),
    /// else the binding's prefix and the actor's id.
    pub fn resolve(&self, source: &str, actor_id: &str, prefix: &str, t: Timestamp) -> String {
        if !self.users_of.is_empty() {
            let alias = format!("{source}:{actor_id}");
            let holds = |id: &&String| self.users.at(id, t).is_some_and(|u| u.aliases.contains(&alias));
            if let Some(id) = self.users_of.get(&alias).into_iter().flatten().find(holds) {
                return id.clone();
            }
        }
        format!("{prefix}{actor_id}")
    }

    /// Rows of the orders that were this client's at an instant.
    pub fn orders_of(&self, client: &str, t: Timestamp) -> impl Iterator<Item = &Order> {
        let ids = self.orders_of.get(client).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(move |id| self.orders.at(id, t)).filter(move |o| o.client.as_deref() == Some(client))
    }

    /// The client with this telephone number at an instant: of several the manager's own, else the first by id.
    pub fn client_of_phone(&self, number: &str, manager: &str, t: Timestamp) -> Option<&str> {
        let number = digits(number);
        let ids = self.clients_of.get(&number)?;
        let mut rows = ids.iter().filter_map(|id| self.clients.at(id, t)).filter(|c| c.phones.iter().any(|p| digits(p) == number));
        let first = rows.next()?;
        let own = |c: &&Client| c.owner.as_deref() == Some(manager);
        Some(if own(&first) { first } else { rows.find(own).unwrap_or(first) }.id())
    }

    /// Names that several users' rows claim at one time: (`source:actor_id`, the users), sorted.
    pub fn shared_aliases(&self) -> Vec<(&str, &[String])> {
        let together = |alias: &str, ids: &[String]| {
            let starts = ids.iter().flat_map(|id| self.users.of(id)).map(Row::since);
            starts
                .into_iter()
                .any(|t| ids.iter().filter(|id| self.users.at(id, t).is_some_and(|u| u.aliases.iter().any(|a| a == alias))).count() > 1)
        };
        let mut found: Vec<_> =
            self.users_of.iter().filter(|(alias, ids)| together(alias, ids)).map(|(a, ids)| (a.as_str(), ids.as_slice())).collect();
        found.sort_unstable();
        found
    }
}

/// A telephone number as it is compared: digits only.
pub(super) fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

fn note(index: &mut Index, key: &str, id: &str) {
    if key.is_empty() {
        return;
    }
    let ids = index.entry(key.to_owned()).or_default();
    if let Err(place) = ids.binary_search_by(|known| known.as_str().cmp(id)) {
        ids.insert(place, id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn user(id: &str, since: &str, aliases: &[&str]) -> User {
        let aliases = aliases.iter().map(|a| (*a).to_owned()).collect();
        User { id: id.to_owned(), valid_from: Some(at(since)), aliases, ..User::default() }
    }

    #[test]
    fn resolves_aliases_as_of_the_time() {
        let mut d = Directory::default();
        d.insert_user(user("anna", "2026-01-01", &["mango:101", "bitrix24:7"])).expect("taken");
        assert_eq!(d.resolve("mango", "101", "b24-", at("2025-01-01")), "anna", "the first row holds before, too");
        assert_eq!(d.resolve("mango", "102", "m-", at("2026-02-01")), "m-102");
        // The extension passes to Boris; the rows come late and in the wrong order.
        d.insert_user(user("boris", "2026-03-01", &["mango:101"])).expect("taken");
        d.insert_user(user("boris", "2026-01-01", &[])).expect("taken");
        d.insert_user(user("anna", "2026-03-01", &["bitrix24:7"])).expect("taken");
        assert_eq!(d.resolve("mango", "101", "", at("2026-02-28")), "anna");
        assert_eq!(d.resolve("mango", "101", "", at("2026-03-01")), "boris");
        assert_eq!(d.resolve("bitrix24", "7", "", at("2026-03-01")), "anna");
        assert_eq!(d.shared_aliases(), []);
        d.insert_user(user("vera", "2026-04-01", &["mango:101"])).expect("taken");
        assert_eq!(d.shared_aliases().iter().map(|(alias, _)| *alias).collect::<Vec<_>>(), ["mango:101"]);
    }

    #[test]
    fn an_unknown_zone_is_refused_at_once() {
        let mut d = Directory::default();
        let row = User { id: "a".to_owned(), time_zone: Some("Mars/Base".to_owned()), ..User::default() };
        assert!(matches!(d.insert_user(row), Err(Error::Zone(name)) if name == "Mars/Base"));
        assert!(d.users().is_empty());
    }

    #[test]
    fn finds_clients_by_phone() {
        let mut d = Directory::default();
        let client = |id: &str, owner: &str, phone: &str| Client {
            id: id.to_owned(),
            owner: Some(owner.to_owned()),
            phones: vec![phone.to_owned()],
            ..Client::default()
        };
        d.insert_client(client("c1", "anna", "+7 (495) 000-11-22"));
        d.insert_client(client("c2", "boris", "+74950001122"));
        let t = at("2026-01-01");
        assert_eq!(d.client_of_phone("+74950001122", "boris", t), Some("c2"), "the manager's own first");
        assert_eq!(d.client_of_phone("74950001122", "vera", t), Some("c1"));
        assert_eq!(d.client_of_phone("+74950001123", "vera", t), None);
        assert_eq!(d.client_of_phone("", "vera", t), None);
    }
}
