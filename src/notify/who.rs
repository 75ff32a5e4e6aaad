//! Who hears of an alert.

use std::collections::BTreeSet;

use crate::{
    directory::{Directory, User, Zone},
    event::Timestamp,
};

/// The supervisor of a manager at an instant: the next one up the line who is not the manager and still works here. None: there is
/// nobody, or the line goes round in a circle; then it is the analysts' alone.
///
/// The subject of an alert never hears of it, whoever the directory names as their supervisor.
pub fn supervisor(directory: &Directory, manager: &str, now: Timestamp) -> Option<String> {
    let (users, mut seen, mut at) = (directory.users(), BTreeSet::new(), manager);
    loop {
        let next = users.at(at, now)?.supervisor.as_deref()?;
        if !seen.insert(next) {
            return None;
        }
        // Whoever is not in the directory is taken at their id's word.
        if next != manager && users.at(next, now).is_none_or(|user| works(user, now)) {
            return Some(next.to_owned());
        }
        at = next;
    }
}

/// Whether somebody can still read a message.
fn works(user: &User, now: Timestamp) -> bool {
    let zone = user.time_zone.as_deref().and_then(|name| Zone::get(name).ok()).unwrap_or(Zone::UTC);
    user.active != Some(false) && user.terminated_at.is_none_or(|end| zone.start(end) > now)
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
            let found = supervisor(&directory(rows), "anna", Timestamp::from_millis(2000));
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
        assert_eq!(supervisor(&all, "boss", Timestamp::from_millis(0)).as_deref(), Some("head"));
        assert_eq!(supervisor(&all, "head", Timestamp::from_millis(0)), None);
    }
}
