//! Who hears of an alert, and who may look.

use std::collections::BTreeSet;

use crate::{
    directory::{Directory, User, zone_of},
    event::Timestamp,
};

/// Of people whose zone nobody told.
const UTC: &str = "UTC";

/// The supervisor of a manager at an instant: the next one up the line who is not the manager and still works here, or who stands in
/// for them while they are absent; after `escalations` so many levels further up, or the last there is. None: there is nobody, or the
/// line goes round in a circle; then it is the analysts' alone.
///
/// The subject of an alert never hears of it, whoever the directory names as their supervisor.
pub fn supervisor(directory: &Directory, manager: &str, now: Timestamp, escalations: usize) -> Option<String> {
    let (users, mut seen, mut at) = (directory.users(), BTreeSet::new(), manager);
    let (mut found, mut further) = (None, escalations);
    while let Some((user, next)) = users.at(at, now).and_then(|user| Some((user, user.supervisor.as_deref()?))) {
        if !seen.insert(next) {
            break;
        }
        // Whoever is not in the directory is taken at their id's word.
        if next != manager && users.at(next, now).is_none_or(|user| works(user, now)) {
            found = Some(deputy(directory, user, next, manager, now).unwrap_or(next).to_owned());
            if further == 0 {
                break;
            }
            further -= 1;
        }
        at = next;
    }
    found
}

/// Who stands in for an absent supervisor of somebody: the first of the deputies who is there and is not the manager.
fn deputy<'a>(directory: &Directory, of: &'a User, supervisor: &str, manager: &str, now: Timestamp) -> Option<&'a str> {
    let is_away = |id: &str| directory.users().at(id, now).is_some_and(|user| is_away(user, now));
    let first = || of.deputies.iter().map(String::as_str).find(|id| *id != manager && *id != supervisor && !is_away(id));
    is_away(supervisor).then(first).flatten()
}

/// Everybody who may hear of others at an instant: named as a supervisor or a deputy, and still here.
pub fn told(directory: &Directory, now: Timestamp) -> BTreeSet<String> {
    let users = directory.users();
    let named = users.ids().filter_map(|id| users.at(id, now)).flat_map(|user| {
        let both = user.supervisor.iter().chain(&user.deputies);
        both.filter(move |id| **id != user.id)
    });
    named.filter(|id| users.at(id, now).is_none_or(|user| works(user, now))).cloned().collect()
}

/// Everybody under a supervisor at an instant, at whatever depth: whose line upwards leads to them, and while somebody of that line is
/// away, whose `deputies` name them in their place. Never themselves; nobody once they have left.
pub fn people(directory: &Directory, supervisor: &str, now: Timestamp) -> BTreeSet<String> {
    let users = directory.users();
    if users.at(supervisor, now).is_some_and(|user| !works(user, now)) {
        return BTreeSet::new();
    }
    let is_under = |id: &&str| *id != supervisor && leads_to(directory, id, supervisor, now);
    users.ids().filter(is_under).map(str::to_owned).collect()
}

/// Whether a person's line upwards leads to somebody.
fn leads_to(directory: &Directory, person: &str, to: &str, now: Timestamp) -> bool {
    let (users, mut seen, mut at) = (directory.users(), BTreeSet::new(), person);
    while let Some((user, next)) = users.at(at, now).and_then(|user| Some((user, user.supervisor.as_deref()?))) {
        let stands_in = || user.deputies.iter().any(|d| d == to) && users.at(next, now).is_some_and(|boss| is_away(boss, now));
        if next == to || stands_in() {
            return true;
        }
        if !seen.insert(next) {
            return false;
        }
        at = next;
    }
    false
}

/// Whether somebody can still read a message.
fn works(user: &User, now: Timestamp) -> bool {
    user.active != Some(false) && user.terminated_at.is_none_or(|end| zone_of(Some(user), UTC).start(end) > now)
}

/// Whether somebody else has to look in their place.
fn is_away(user: &User, now: Timestamp) -> bool {
    !works(user, now) || user.absences.iter().any(|span| zone_of(Some(user), UTC).covers(span, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::When;

    fn directory(rows: &[(&str, Option<&str>, bool)]) -> Directory {
        let mut directory = Directory::default();
        for (id, supervisor, gone) in rows {
            let row = User {
                id: (*id).to_owned(),
                supervisor: supervisor.map(str::to_owned),
                terminated_at: gone.then_some(When::Instant(Timestamp::from_millis(1000))),
                ..User::default()
            };
            directory.insert_user(row).expect("no zone");
        }
        directory
    }

    #[test]
    fn it_goes_up_the_line_and_never_to_the_subject() {
        let check = |rows: &[(&str, Option<&str>, bool)], expected: Option<&str>| {
            let found = supervisor(&directory(rows), "anna", Timestamp::from_millis(2000), 0);
            assert_eq!(found.as_deref(), expected, "{rows:?}");
        };
        check(&[("anna", Some("boss"), false), ("boss", Some("head"), false)], Some("boss"));
        check(&[("anna", Some("outside"), false)], Some("outside"));
        check(&[("anna", None, false)], None);
        check(&[], None);
        // Whoever left hears nothing: one level up.
        check(&[("anna", Some("boss"), false), ("boss", Some("head"), true), ("head", None, false)], Some("head"));
        // Their own supervisor, at once or through somebody who left.
        check(&[("anna", Some("anna"), false)], None);
        check(&[("anna", Some("boss"), false), ("boss", Some("anna"), true)], None);
        check(&[("anna", Some("boss"), false), ("boss", Some("boss"), true)], None);
    }

    #[test]
    fn an_alert_about_a_supervisor_goes_to_theirs() {
        let all = directory(&[("anna", Some("boss"), false), ("boss", Some("head"), false), ("head", None, false)]);
        assert_eq!(supervisor(&all, "boss", Timestamp::from_millis(0), 0).as_deref(), Some("head"));
        assert_eq!(supervisor(&all, "head", Timestamp::from_millis(0), 0), None);
    }

    #[test]
    fn what_nobody_answers_goes_further_up_as_far_as_the_line_leads() {
        let rows =
            [("anna", Some("boss"), false), ("boss", Some("gone"), false), ("gone", Some("head"), true), ("head", Some("anna"), false)];
        let all = directory(&rows);
        let found = |escalations| supervisor(&all, "anna", Timestamp::from_millis(2000), escalations);
        assert_eq!([0, 1, 2, 9].map(found), ["boss", "head", "head", "head"].map(|id| Some(id.to_owned())));
    }

    #[test]
    fn a_supervisor_sees_everybody_below_and_never_themselves() {
        let all = directory(&[
            ("anna", Some("boss"), false),
            ("boris", Some("lead"), false),
            ("lead", Some("boss"), false),
            ("boss", Some("head"), false),
            ("head", None, false),
            ("vera", Some("other"), false),
            ("gone", Some("vera"), true),
        ]);
        let check = |who: &str, expected: &[&str]| {
            assert_eq!(people(&all, who, Timestamp::from_millis(2000)).into_iter().collect::<Vec<_>>(), expected, "{who}");
        };
        check("boss", &["anna", "boris", "lead"]);
        check("head", &["anna", "boris", "boss", "lead"]);
        check("lead", &["boris"]);
        check("anna", &[]);
        check("nobody", &[]);
        // Not in the directory, and named there.
        check("other", &["gone", "vera"]);
        // Whoever has left sees nothing any more.
        let left = directory(&[("anna", Some("boss"), false), ("boss", None, true)]);
        assert!(people(&left, "boss", Timestamp::from_millis(2000)).is_empty());
        // Lines that go round.
        let round = directory(&[("a", Some("b"), false), ("b", Some("a"), false), ("c", Some("c"), false)]);
        assert_eq!(people(&round, "a", Timestamp::from_millis(0)).into_iter().collect::<Vec<_>>(), ["b"]);
        assert!(people(&round, "c", Timestamp::from_millis(0)).is_empty());
    }

    #[test]
    fn a_deputy_sees_what_an_absent_supervisor_would() {
        let day = |text: &str| When::Day(crate::event::Date::parse(text).expect("a date"));
        let user = |id: &str, supervisor: &str, deputies: &[&str]| User {
            id: id.to_owned(),
            supervisor: Some(supervisor.to_owned()),
            deputies: deputies.iter().map(|d| (*d).to_owned()).collect(),
            ..User::default()
        };
        let mut all = Directory::default();
        let absences = vec![crate::directory::Span { from: day("2026-03-02"), to: day("2026-03-06") }];
        let rows = [
            user("anna", "boss", &["vera"]),
            user("boris", "anna", &[]),
            user("vera", "boss", &["vera"]),
            user("zoya", "boss", &[]),
            User { absences, ..user("boss", "head", &[]) },
        ];
        for row in rows {
            all.insert_user(row).expect("no zone");
        }
        let seen = |time: &str| people(&all, "vera", Timestamp::parse(time).expect("a time")).into_iter().collect::<Vec<_>>();
        assert_eq!(seen("2026-03-06T23:00:00Z"), ["anna", "boris"]);
        assert!(seen("2026-03-07").is_empty() && seen("2026-03-01").is_empty());
        // And hears what they would, but for what is about herself.
        let hears = |manager: &str, time: &str| supervisor(&all, manager, Timestamp::parse(time).expect("a time"), 0);
        assert_eq!(hears("anna", "2026-03-06T23:00:00Z").as_deref(), Some("vera"));
        assert_eq!(hears("anna", "2026-03-07").as_deref(), Some("boss"));
        assert_eq!(hears("vera", "2026-03-06").as_deref(), Some("boss"), "she is her own deputy");
        assert_eq!(hears("zoya", "2026-03-06").as_deref(), Some("boss"), "nobody was named");
    }
}
