//! Filin's own audit trail: who read which alerts becomes events of the tenant `_audit`, and stands in the log like any others.

use std::{collections::BTreeMap, io, net::IpAddr, sync::Arc};

use data_encoding::HEXLOWER;
use tokio::sync::mpsc;

use super::ingest::Ingestor;
use crate::{
    api::{Door, Look, Seen, Witness},
    event::{Action, Actor, ActorKind, Auth, Change, Event, Object, ObjectType, Outcome, Place, Query},
    model::coverage::AUDIT,
    ops::{happening::ReadsUnrecorded, metrics::Metrics, random},
};

/// Looks that wait for the log; with more than these the answer goes out and is counted as unrecorded.
const WAITING: usize = 4096;
/// Looks in one append.
const AT_ONCE: usize = 512;

/// Takes looks without waiting.
pub(super) struct Watch {
    sender: mpsc::Sender<Look>,
    metrics: Metrics,
}

impl Watch {
    /// With what writes down its looks, which ends when all are written and the watch is dropped.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn start(ingestor: Ingestor, metrics: Metrics) -> io::Result<(Arc<Self>, impl Future<Output = ()> + Send + 'static)> {
        // Ids of another start must be others.
        let start = HEXLOWER.encode(&random::bytes::<8>()?);
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let watch = Arc::new(Self { sender, metrics: metrics.clone() });
        let write = async move {
            let (mut n, mut looks) = (0_u64, Vec::new());
            while receiver.recv_many(&mut looks, AT_ONCE).await > 0 {
                let event = |look| {
                    n += 1;
                    (event(format!("{start}-{n}"), look), None)
                };
                let events: Vec<_> = looks.drain(..).map(event).collect();
                let n_reads = events.len();
                if let Err(error) = ingestor.submit(events, "", &[]).await {
                    ReadsUnrecorded { n_reads, error: &error }.emit(&metrics);
                }
            }
        };
        Ok((watch, write))
    }
}

impl Witness for Watch {
    fn saw(&self, look: Look) {
        if let Err(error) = self.sender.try_send(look) {
            let error = match error {
                mpsc::error::TrySendError::Full(_) => "the log does not keep up",
                mpsc::error::TrySendError::Closed(_) => "stopping",
            };
            ReadsUnrecorded { n_reads: 1, error: &error }.emit(&self.metrics);
        }
    }
}

/// What is said of a look, beside who and when.
struct Said {
    action: Action,
    object: Option<Object>,
    manager: Option<String>,
    query: Option<Query>,
    records: Option<u64>,
    client: Option<Place>,
    auth: Option<Auth>,
    change: Option<Change>,
    outcome: Outcome,
}

impl Said {
    fn of(action: Action) -> Self {
        let (object, manager, query, records) = (None, None, None, None);
        Self { action, object, manager, query, records, client: None, auth: None, change: None, outcome: Outcome::Success }
    }

    fn look(action: Action, kind: ObjectType, id: Option<String>, manager: Option<String>, query: Option<Query>, records: u64) -> Self {
        let object = Some(Object { kind: Some(kind), id, ..Object::default() });
        Self { object, manager, query, records: Some(records), ..Self::of(action) }
    }

    /// What happened where people come in.
    fn door(door: Door) -> Self {
        let place = |from: Option<IpAddr>| from.map(|ip| Place { ip: Some(ip.to_string()), ..Place::default() });
        let auth = || Some(Auth { method: Some("password".to_owned()), mfa: Some(true), mfa_method: Some("totp".to_owned()) });
        let change = |what: &str, target| Some(Change { what: Some(what.to_owned()), target, ..Change::default() });
        match door {
            Door::LogIn { from, ok } => {
                let outcome = if ok { Outcome::Success } else { Outcome::Failure };
                Self { client: place(from), auth: auth(), outcome, ..Self::of(Action::Login) }
            }
            Door::LogOut => Self::of(Action::Logout),
            Door::Enrolled { from } => Self { client: place(from), change: change("access.enrolled", None), ..Self::of(Action::Other) },
            Door::Changed { from } => Self { client: place(from), change: change("access.changed", None), ..Self::of(Action::Other) },
            Door::Invited(name) => Self { change: change("access.invited", Some(name)), ..Self::of(Action::Other) },
            Door::Revoked(name) => Self { change: change("access.revoked", Some(name)), ..Self::of(Action::Other) },
        }
    }
}

fn event(id: String, look: Look) -> Event {
    let list = |of: &str, filter| Some(Query { filter, fingerprint: Some(of.to_owned()), ..Query::default() });
    let said = match look.at_what {
        Seen::Alert(alert, manager) => Said::look(Action::View, ObjectType::Other, Some(alert), Some(manager), None, look.records),
        Seen::Alerts(manager) => {
            let query = list("alerts", Some(manager.is_some()));
            Said::look(Action::List, ObjectType::Other, None, manager, query, look.records)
        }
        Seen::Manager(alias) => Said::look(Action::View, ObjectType::User, None, Some(alias), None, look.records),
        Seen::Managers => Said::look(Action::List, ObjectType::User, None, None, list("managers", None), look.records),
        Seen::Events(manager, client) => {
            let query = list("events", Some(manager.is_some() || client.is_some()));
            Said::look(Action::List, ObjectType::Client, client, manager, query, look.records)
        }
        Seen::Door(door) => Said::door(door),
    };
    let mut attrs = BTreeMap::from([("role".to_owned(), look.role.as_str().into())]);
    attrs.extend(look.tenant.map(|tenant| ("tenant".to_owned(), tenant.into())));
    attrs.extend(said.manager.filter(|who| !who.is_empty()).map(|who| ("manager".to_owned(), who.into())));
    Event {
        id,
        time: look.at,
        tenant: AUDIT.to_owned(),
        source: "filin".to_owned(),
        actor: Actor { id: look.by, kind: ActorKind::User, name: None },
        action: said.action,
        outcome: said.outcome,
        reason: None,
        channel: None,
        session: None,
        object: said.object,
        records: said.records,
        bytes: None,
        query: said.query,
        call: None,
        order: None,
        client: said.client,
        auth: said.auth,
        change: said.change,
        attrs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Timestamp, ops::config::Duty};

    #[test]
    fn a_look_is_an_event_of_filins_own() {
        let look = |at_what, tenant: Option<&str>| Look {
            at: Timestamp::from_millis(1_773_307_200_000),
            by: "vera".to_owned(),
            role: Duty::Analyst,
            tenant: tenant.map(str::to_owned),
            at_what,
            records: 3,
        };
        let check = |look: Look, expected: serde_json::Value| {
            let got = serde_json::to_value(event("s-1".to_owned(), look)).expect("JSON");
            assert_eq!((&got["tenant"], &got["actor"]["id"]), (&"_audit".into(), &"vera".into()));
            assert_eq!(got["records"].as_u64(), (got["action"] == "view" || got["action"] == "list").then_some(3), "{got}");
            for (key, value) in expected.as_object().expect("an object") {
                assert_eq!(&got[key], value, "{got}");
            }
        };
        let alert = look(Seen::Alert("a-1".to_owned(), "MFRGGZDFMY".to_owned()), Some("acme"));
        check(
            alert,
            serde_json::json!({"action": "view", "object": {"type": "other", "id": "a-1"},
                "attrs": {"role": "analyst", "tenant": "acme", "manager": "MFRGGZDFMY"}}),
        );
        check(
            look(Seen::Alerts(None), None),
            serde_json::json!({"action": "list", "query": {"fingerprint": "alerts", "filter": false}, "attrs": {"role": "analyst"}}),
        );
        check(look(Seen::Managers, Some("acme")), serde_json::json!({"action": "list", "object": {"type": "user"}}));
        check(
            look(Seen::Events(None, Some("c-1".to_owned())), Some("acme")),
            serde_json::json!({"action": "list", "object": {"type": "client", "id": "c-1"}, "query": {"fingerprint": "events", "filter": true}}),
        );
        let from = "10.1.2.3".parse().ok();
        check(
            look(Seen::Door(Door::LogIn { from, ok: false }), None),
            serde_json::json!({"action": "login", "outcome": "failure", "client": {"ip": "10.1.2.3"},
                "auth": {"method": "password", "mfa": true, "mfa_method": "totp"}}),
        );
        check(look(Seen::Door(Door::LogOut), None), serde_json::json!({"action": "logout"}));
        check(
            look(Seen::Door(Door::Invited("boris".to_owned())), None),
            serde_json::json!({"action": "other", "change": {"what": "access.invited", "target": "boris"}}),
        );
    }
}
