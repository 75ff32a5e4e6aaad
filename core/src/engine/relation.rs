//! What reason a manager has to touch a client, and how little where there is none (DETECTION.md §3, relation).

use super::{explain::Reason, manager::Baseline};
use crate::event::{DAY_MS, Date, NamedClient, Owner, Related, Tier, Timestamp};

/// A contact by the client is a reason for so long.
const CONTACT_MS: i64 = 2 * DAY_MS;
/// A client touched before is a smaller surprise for so many days.
const FAMILIAR_DAYS: i32 = 30;

/// How a manager stands to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// There is a reason.
    Reason(Reason),
    /// There is none: weight of the touch, in sixteenths, 16 for a stranger's client, 24 for a stranger's key client.
    Stranger(u8),
}

impl Relation {
    /// In sixteenths; 0 with a reason.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Reason(_) => 0,
            Self::Stranger(weight) => weight,
        }
    }
}

/// How a manager stands to a client that is touched.
///
/// The event's own orders, the client's orders, hand-overs and owners are in `client`, as of the event; contacts and earlier
/// touches are the manager's memory. `learn`: a touch without a reason is remembered.
pub(super) fn of(base: &mut Baseline, client: &NamedClient, date: Date, t: Timestamp, learn: bool) -> Relation {
    if let Some(related) = client.related {
        return Relation::Reason(if related == Related::HandOver { Reason::HandOver } else { Reason::Order });
    }
    let weight = match client.owner {
        Owner::Me => return Relation::Reason(Reason::Own),
        Owner::Unknown => return Relation::Reason(Reason::Unowned),
        Owner::Other => 16,
        Owner::Team => 8,
        Owner::TeamAbsent => 4,
    };
    if in_contact(base, client.h, t) {
        return Relation::Reason(Reason::Contact);
    }
    let familiar = base.strangers.last(client.h).is_some_and(|last| (1..FAMILIAR_DAYS).contains(&(date.0 - last.0)));
    if learn {
        base.strangers.note(client.h, date);
    }
    let weight = if familiar { weight / 2 } else { weight };
    Relation::Stranger(if client.tier == Some(Tier::Key) { weight + weight / 2 } else { weight })
}

/// The client made contact within the last two days.
pub(super) fn in_contact(base: &Baseline, h: u64, t: Timestamp) -> bool {
    base.contacts.last(h).is_some_and(|at| (0..=CONTACT_MS).contains(&(t.millis() - at)))
}

/// Forgets what can be no reason any more for an event at or after `since`, of `date` or later; true when there was any.
pub(super) fn forget(base: &mut Baseline, date: Date, since: i64) -> bool {
    let strangers = base.strangers.forget(Date(date.0 - FAMILIAR_DAYS));
    base.contacts.forget(since - CONTACT_MS) || strangers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Related;

    fn client(owner: Owner) -> NamedClient {
        NamedClient { h: 7, owner, ..NamedClient::default() }
    }

    #[test]
    fn weights_by_owner_tier_and_memory() {
        let t = Timestamp::from_millis(100 * DAY_MS);
        let fresh = |c: &NamedClient| of(&mut Baseline::default(), c, Date(100), t, true).weight();
        for (owner, expected) in [(Owner::Me, 0), (Owner::Unknown, 0), (Owner::Other, 16), (Owner::Team, 8), (Owner::TeamAbsent, 4)] {
            assert_eq!(fresh(&client(owner)), expected, "{owner:?}");
            let related = NamedClient { related: Some(Related::OpenOrder), ..client(owner) };
            assert_eq!(fresh(&related), 0);
            let key = NamedClient { tier: Some(Tier::Key), ..client(owner) };
            assert_eq!(fresh(&key), expected * 3 / 2, "{owner:?}");
        }
        let mut base = Baseline::default();
        let mut on = |date: i32| of(&mut base, &client(Owner::TeamAbsent), Date(date), t, true).weight();
        assert_eq!([on(100), on(100), on(101), on(130), on(160)], [4, 4, 2, 2, 4], "halved from the next day on, for 29 days");
    }

    #[test]
    fn reasons_have_names() {
        let mut base = Baseline::default();
        base.contacts.note(7, 0);
        let mut of = |owner, related| of(&mut base, &NamedClient { related, ..client(owner) }, Date(0), Timestamp::from_millis(1), false);
        assert_eq!(of(Owner::Other, Some(Related::NamedOrder)), Relation::Reason(Reason::Order));
        assert_eq!(of(Owner::Me, Some(Related::HandOver)), Relation::Reason(Reason::HandOver));
        assert_eq!(of(Owner::Me, None), Relation::Reason(Reason::Own));
        assert_eq!(of(Owner::Unknown, None), Relation::Reason(Reason::Unowned));
        assert_eq!(of(Owner::Team, None), Relation::Reason(Reason::Contact));
    }

    #[test]
    fn a_contact_is_a_reason_for_two_days() {
        let mut base = Baseline::default();
        base.contacts.note(7, 0);
        let mut at = |t: i64| of(&mut base, &client(Owner::Other), Date(0), Timestamp::from_millis(t), false).weight();
        assert_eq!([at(-1), at(0), at(CONTACT_MS), at(CONTACT_MS + 1)], [16, 0, 0, 16]);
    }
}
