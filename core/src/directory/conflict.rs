//! Where a tenant's reference data contradicts itself.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{Directory, Row};
use crate::event::words;

/// Rows that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// What does not fit.
    pub kind: ConflictKind,
    /// The alias or id that is to blame.
    pub id: String,
    /// Ids of the rows that name it: the first of them, sorted.
    pub named_by: Vec<String>,
    /// How many name it.
    pub count: usize,
}

words! {
    /// How rows do not fit together.
    ConflictKind {
        /// Several users claim one alias at a time: events go to the first of them.
        SharedAlias = "shared_alias",
        /// A supervisor is no user: alerts find nobody.
        UnknownSupervisor = "unknown_supervisor",
        /// A deputy or substitute is no user.
        UnknownDeputy = "unknown_deputy",
        /// The owner of clients is no user.
        UnknownOwner = "unknown_owner",
        /// The manager or a participant of orders is no user.
        UnknownManager = "unknown_manager",
        /// Orders name a client who is not among the clients.
        UnknownClient = "unknown_client",
    }
}

/// How many ids a conflict lists.
const LISTED: usize = 5;

impl Conflict {
    /// Whether Filin would take one person for another; all else only makes it know less.
    pub fn is_error(&self) -> bool {
        self.kind == ConflictKind::SharedAlias
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, names) = (&self.id, self.named_by.join(", "));
        let more = if self.count > self.named_by.len() { ", …" } else { "" };
        let many = |one: &str, several: &str| format!("{} {} ({names}{more})", self.count, if self.count == 1 { one } else { several });
        match self.kind {
            ConflictKind::SharedAlias => write!(f, "alias {id:?} is claimed by {names}{more} at one time"),
            ConflictKind::UnknownSupervisor => write!(f, "supervisor {id:?} of {} is no user", many("user", "users")),
            ConflictKind::UnknownDeputy => write!(f, "deputy or substitute {id:?} of {} is no user", many("user", "users")),
            ConflictKind::UnknownOwner => write!(f, "owner {id:?} of {} is no user", many("client", "clients")),
            ConflictKind::UnknownManager => write!(f, "manager or participant {id:?} of {} is no user", many("order", "orders")),
            ConflictKind::UnknownClient => write!(f, "client {id:?} of {} is not among the clients", many("order", "orders")),
        }
    }
}

impl Directory {
    /// Where the data contradicts itself, by kind and id. References to a kind of row of which there is none at all are
    /// no conflict: that file was not given.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut found = Found::default();
        for (alias, users) in self.shared_aliases() {
            users.iter().for_each(|user| found.note(ConflictKind::SharedAlias, alias, user));
        }
        if !self.users().is_empty() {
            let unknown = |id: &&String| !self.users().contains(id);
            for user in self.users().iter() {
                user.supervisor.iter().filter(unknown).for_each(|id| found.note(ConflictKind::UnknownSupervisor, id, user.id()));
                let others = user.deputies.iter().chain(&user.substitutes);
                others.filter(unknown).for_each(|id| found.note(ConflictKind::UnknownDeputy, id, user.id()));
            }
            for client in self.clients().iter() {
                client.owner.iter().filter(unknown).for_each(|id| found.note(ConflictKind::UnknownOwner, id, client.id()));
            }
            for order in self.orders().iter() {
                let people = order.manager.iter().chain(&order.participants);
                people.filter(unknown).for_each(|id| found.note(ConflictKind::UnknownManager, id, order.id()));
            }
        }
        if !self.clients().is_empty() {
            for order in self.orders().iter() {
                let unknown = order.client.iter().filter(|id| !self.clients().contains(id));
                unknown.for_each(|id| found.note(ConflictKind::UnknownClient, id, order.id()));
            }
        }
        found.0.into_values().map(|(conflict, _)| conflict).collect()
    }
}

/// With the id noted last.
#[derive(Default)]
struct Found(BTreeMap<(ConflictKind, String), (Conflict, String)>);

impl Found {
    /// Rows come sorted by id, so one that was noted before was noted last.
    fn note(&mut self, kind: ConflictKind, id: &str, by: &str) {
        let new = || (Conflict { kind, id: id.to_owned(), named_by: Vec::new(), count: 0 }, String::new());
        let (conflict, last) = self.0.entry((kind, id.to_owned())).or_insert_with(new);
        if last == by {
            return;
        }
        by.clone_into(last);
        conflict.count += 1;
        if conflict.named_by.len() < LISTED {
            conflict.named_by.push(by.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Client, Order, User};

    fn user(id: &str, alias: &str, supervisor: Option<&str>) -> User {
        User { id: id.to_owned(), aliases: vec![alias.to_owned()], supervisor: supervisor.map(str::to_owned), ..User::default() }
    }

    #[test]
    fn names_what_does_not_fit() {
        let mut d = Directory::default();
        d.insert_order(Order {
            id: "o".to_owned(),
            client: Some("nowhere".to_owned()),
            manager: Some("gone".to_owned()),
            participants: vec!["anna".to_owned(), "gone".to_owned()],
            ..Order::default()
        });
        assert_eq!(d.conflicts(), [], "neither users nor clients were given");
        for u in [user("anna", "mango:1", Some("boss")), user("boris", "mango:1", Some("anna")), user("vera", "mango:2", Some("boss"))] {
            d.insert_user(u).expect("taken");
        }
        for i in 0..7 {
            for region in ["north", "south"] {
                let (id, owner, region) = (format!("c{i}"), Some("gone".to_owned()), Some(region.to_owned()));
                d.insert_client(Client { id, owner, region, ..Client::default() });
            }
        }
        let said: Vec<String> = d.conflicts().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "alias \"mango:1\" is claimed by anna, boris at one time",
                "supervisor \"boss\" of 2 users (anna, vera) is no user",
                "owner \"gone\" of 7 clients (c0, c1, c2, c3, c4, …) is no user",
                "manager or participant \"gone\" of 1 order (o) is no user",
                "client \"nowhere\" of 1 order (o) is not among the clients",
            ]
        );
        assert_eq!(d.conflicts().iter().filter(|c| c.is_error()).count(), 1);
    }
}
