//! What each control asks besides the one thing in which its near-miss differs. A canary in which one clause more is broken keeps
//! still; one that comes another way to the same finding fires all the same.

use super::{
    scene::{at, of_client},
    *,
};
use crate::{
    directory::{Grade, Span, When},
    event::{Access, Action, ActorKind, Auth, Channel, DAY_MS, Net, Object, ObjectType, Outcome, Place},
};

/// A canary, in which way it is another, and what makes it so.
type Clause = (&'static str, &'static str, fn(&mut Scene));

/// Each of these keeps still.
const STILL: &[Clause] = &[
    ("audit_gap", "the attempt fails", fail),
    ("audit_gap", "somebody only looks at it", |s| last(s).action = Action::View),
    ("audit_gap", "it is another setting", |s| what(s, "greeting")),
    ("automation", "the attempt fails", fail),
    ("automation", "somebody only looks at it", |s| last(s).action = Action::View),
    ("automation", "it is removed", |s| what(s, "remove mail forwarding")),
    ("automation", "another kind of event is about an object of such a name", |s| {
        let event = last(s);
        (event.action, event.change) = (Action::Other, None);
        event.object = Some(Object { id: text("webhook"), ..Object::default() });
    }),
    ("base_share", "all of it was more than 90 days ago", |s| {
        events(s, |n, e| {
            if n < 19 {
                e.time = e.time.plus(-130 * DAY_MS)
            }
        });
    }),
    ("brute_force", "they are not log-ins", |s| events(s, |_, e| e.action = Action::View)),
    ("brute_force", "they succeed", |s| events(s, |_, e| e.outcome = Outcome::Success)),
    ("brute_force", "they come every two minutes", |s| events(s, |n, e| e.time = e.time.plus(n * 60_000))),
    ("brute_force", "one of eleven succeeds", |s| {
        again(s, 0);
        events(s, |n, e| {
            if n == 5 {
                e.outcome = Outcome::Success
            }
        });
    }),
    ("brute_force/success", "the log-in that succeeds comes a quarter of an hour later", |s| later(s, 15)),
    ("brute_force/success", "only nine failed", |s| drop(s.case.steps.remove(0))),
    ("brute_force/success", "what succeeds is no log-in", |s| last(s).action = Action::View),
    ("bulk_export/top", "it fails", fail),
    ("bulk_export/top", "it is a list on the screen", |s| last(s).action = Action::List),
    ("decoy", "the attempt fails", fail),
    ("dormant", "the attempt fails", fail),
    ("endpoint_risk/export", "the export fails", fail),
    ("endpoint_risk/export", "nothing is exported", |s| last(s).action = Action::List),
    ("endpoint_risk/export", "nothing was found", |s| {
        events(s, |n, e| {
            if n == 0 {
                e.action = Action::View
            }
        })
    }),
    ("impossible_travel", "the second attempt fails", fail),
    ("impossible_travel", "by a VPN", |s| place(s, |p| p.net = Some(Net::Vpn))),
    ("impossible_travel", "by a telephone's network", |s| place(s, |p| p.net = Some(Net::Mobile))),
    ("impossible_travel", "within the same region, at once", |s| {
        place(s, |p| (p.lat, p.lon) = (Some(55.2), Some(37.6)));
        later(s, -119);
    }),
    ("junior_delete", "the attempt fails", fail),
    ("junior_delete", "somebody only looks at it", |s| last(s).action = Action::View),
    ("junior_delete", "an empty value is filled in", |s| overwrite(s, Action::Update, "", "b")),
    ("junior_delete", "a value stays what it was", |s| overwrite(s, Action::Update, "a", "a")),
    ("junior_delete", "another kind of event tells of values", |s| overwrite(s, Action::View, "a", "b")),
    ("key_client", "a senior does it", |s| s.person("anna").grade = Some(Grade::Senior)),
    ("key_client", "the attempt fails", fail),
    ("key_client", "it is the manager's own client", |s| {
        s.client("c", "anna");
    }),
    ("key_client", "the owner is of the team, and absent", |s| {
        let span = Span { from: When::Instant(s.time(at(0, 0, 0))), to: When::Instant(s.time(at(2, 0, 0))) };
        let olga = s.person("olga");
        (olga.team, olga.absences) = (text("a"), vec![span]);
    }),
    ("leaver_active", "the attempt fails", fail),
    ("leaver_not_closed", "the directory says that it is closed", |s| s.person("anna").active = Some(false)),
    ("leaver_not_closed", "gone before the log began", |s| {
        let end = s.time(at(-9, 12, 0));
        s.person("anna").terminated_at = Some(When::Instant(end));
    }),
    ("leaver_not_closed", "it was closed", |s| close(s, "anna", at(0, 13, 0))),
    ("leaver_watch", "nothing was nearly an alert", |s| drop(s.case.steps.remove(s.case.steps.len() - 2))),
    ("leaver_watch", "notice was given before that day", |s| {
        let notice = s.time(at(3, 0, 0));
        if let Some(Step::User(user)) = s.case.steps.last_mut() {
            user.notice_at = Some(When::Instant(notice));
        }
    }),
    ("leaver_watch", "it becomes known 62 days later", |s| {
        let notice = s.time(at(67, 0, 0));
        s.act("anna", at(66, 10, 0), Action::View);
        let n = s.case.steps.len();
        s.case.steps.swap(n - 1, n - 2);
        if let Some(Step::User(user)) = s.case.steps.last_mut() {
            user.notice_at = Some(When::Instant(notice));
        }
    }),
    ("leaver_watch", "the day had an alert of its own", |s| {
        let row = s.case.steps.len() - 1;
        bait(s, at(4, 13, 30), row);
    }),
    ("leaver_watch", "an alert of the evening before may still grow", |s| {
        let first = s.case.baseline;
        bait(s, at(3, 18, 0), first);
    }),
    ("leaver_watch", "it came late", |s| {
        let first = s.case.baseline;
        s.act("boris", at(6, 10, 0), Action::Logout);
        let event = s.case.steps.pop().expect("it was pushed");
        s.case.steps.insert(first, event);
    }),
    ("leaver_watch", "it was known before", |s| {
        let (first, notice) = (s.case.baseline, s.time(at(20, 0, 0)));
        s.row("anna", |u| u.notice_at = Some(When::Instant(notice)));
        let row = s.case.steps.pop().expect("it was pushed");
        s.case.steps.insert(first, row);
        if let Some(Step::User(user)) = s.case.steps.last_mut() {
            (user.notice_at, user.name) = (Some(When::Instant(notice)), text("Anna"));
        }
    }),
    ("leaver_not_closed", "it was long ago when somebody asked", |s| {
        s.case.steps.pop();
        s.tick(at(62, 0, 0));
    }),
    ("lost_deal_look", "the deals were a colleague's", |s| {
        let boris = s.id("boris");
        s.case.orders.values_mut().for_each(|o| o.manager = Some(boris.clone()));
    }),
    ("mass_change/top", "the attempt fails", fail),
    ("mass_change/top", "somebody only looks at it", |s| last(s).action = Action::View),
    ("mass_change/top", "half of them in the next hour", |s| {
        last(s).records = Some(5);
        again(s, 0);
        later(s, 60);
    }),
    ("new_channel", "the telephone's own program", |s| {
        events(s, |n, e| {
            if n == 192 {
                e.channel = Some(Channel::Mobile)
            }
        })
    }),
    ("new_channel", "it was used before", |s| {
        events(s, |n, e| {
            if n == 0 {
                e.channel = Some(Channel::Api)
            }
        })
    }),
    ("no_mfa", "the tenant asks for no second factor", |s| s.policy().require_mfa = false),
    ("no_mfa", "an integration logs in", |s| s.person("anna").kind = Some(ActorKind::Integration)),
    ("no_mfa", "nothing is known of a second factor", |s| last(s).auth = None),
    ("no_mfa", "it is no log-in", |s| last(s).action = Action::View),
    ("no_mfa/prompts", "they are wrong passwords", |s| events(s, |_, e| e.reason = text("password"))),
    ("no_mfa/prompts", "they come every four minutes", |s| events(s, |n, e| e.time = e.time.plus(3 * n * 60_000))),
    ("no_mfa/prompts", "they are not log-ins", |s| events(s, |_, e| e.action = Action::View)),
    ("out_of_book", "the tenant has stated nothing", |s| s.policy().access = None),
    ("out_of_book", "the attempt fails", fail),
    ("out_of_book", "it is a log-in", |s| last(s).action = Action::Login),
    ("out_of_book", "a team mate's client, where teams share", |s| {
        s.policy().access = Some(Access::Team);
        s.person("olga").team = text("a");
    }),
    ("out_of_book", "there is an order", |s| {
        s.order("o", "c", "anna");
    }),
    ("out_of_book", "the client called an hour ago", |s| contact(s, 60)),
    ("outdated_client", "the minimum is of another program", |s| s.policy().min_versions = [("other".to_owned(), "10".to_owned())].into()),
    ("privilege", "the attempt fails", fail),
    ("privilege", "somebody only looks at it", |s| last(s).action = Action::View),
    ("privilege/own", "the attempt fails", fail),
    ("session_hijack", "the attempt fails", fail),
    ("session_hijack", "another session", |s| last(s).session = text("s2")),
    ("session_hijack", "the program is not said", |s| place(s, |p| p.user_agent = None)),
    ("session_hijack", "a newer version of the program", |s| place(s, |p| p.user_agent = text("Chrome/121"))),
    ("session_hijack/country", "another session", |s| last(s).session = text("s2")),
    ("session_hijack/country", "the country is not said", |s| place(s, |p| p.country = None)),
    ("shared_account", "the attempt fails", fail),
    ("shared_account", "the other session is a telephone's", |s| {
        events(s, |n, e| {
            if n == 1 {
                e.channel = Some(Channel::Mobile)
            }
        })
    }),
    ("shared_account", "the other session comes by a VPN", |s| between(s, |p| p.net = Some(Net::Vpn))),
    ("shared_account", "the other session's program is a telephone's", |s| between(s, |p| p.user_agent = text("Safari (iPhone)"))),
    ("shared_account", "this session is a telephone's", |s| last(s).channel = Some(Channel::Mobile)),
    ("shared_account", "the same network", |s| between(s, |p| p.ip = text("192.0.2.99"))),
    ("shared_account", "the same machine", |s| between(s, |p| p.device = text("desk"))),
    ("shared_account", "the other session was over before this one began", |s| {
        events(s, |n, e| {
            if n == 1 {
                e.time = e.time.plus(-15 * 60_000)
            }
        });
        s.case.steps.swap(0, 1);
    }),
    ("shared_account", "the other session came only afterwards", |s| {
        events(s, |n, e| {
            if n == 1 {
                e.time = e.time.plus(25 * 60_000)
            }
        });
    }),
    ("shared_account", "all of it is one session", |s| events(s, |_, e| e.session = text("s1"))),
    ("shared_account/places", "the other place is in the same network", |s| elsewhere(s, |p| p.ip = text("192.0.2.99"))),
    ("shared_account/places", "the other place has the same machine", |s| elsewhere(s, |p| p.device = text("desk"))),
    ("shared_account/places", "they come every 31 minutes", |s| {
        events(s, |n, e| {
            if n >= 192 {
                e.time = e.time.plus((n - 192) * 30 * 60_000)
            }
        });
    }),
    ("sigma", "another action", |s| last(s).action = Action::Export),
    ("spraying", "one account", |s| {
        let one = s.id("anna");
        events(s, |_, e| e.actor.id.clone_from(&one));
    }),
    ("spraying", "one every ten minutes", |s| events(s, |n, e| e.time = e.time.plus(n * 9 * 60_000))),
    ("spraying", "they succeed", |s| events(s, |_, e| e.outcome = Outcome::Success)),
    ("spraying", "they are not log-ins", |s| events(s, |_, e| e.action = Action::View)),
    ("spraying", "each from a network of its own", |s| {
        events(s, |n, e| e.client = Some(Place { ip: Some(format!("198.51.{n}.7")), ..Place::default() }));
    }),
    ("stuffing", "only four failed", |s| drop(s.case.steps.remove(0))),
    ("stuffing", "a quarter of an hour later", |s| later(s, 15)),
    ("stuffing", "it fails, too", fail),
    ("stuffing", "it is no log-in", |s| last(s).action = Action::View),
    ("tamper", "the attempt fails", fail),
    ("tamper", "another value is set", |s| values(s, "2", "3")),
    ("tamper", "it was another value", |s| values(s, "3", "1")),
    ("tamper", "nothing was changed", |s| events(s, |_, e| e.change.iter_mut().for_each(|c| (c.from, c.to) = (text("1"), text("1"))))),
    ("tamper", "another field", |s| what(s, "region")),
    ("tamper", "of another client", |s| last(s).object = Some(of_client("d"))),
    ("tamper", "two days later", |s| later(s, 2 * 24 * 60)),
    ("tamper", "nothing was set", |s| events(s, |_, e| e.action = Action::View)),
    ("tamper/lent", "taking it fails", fail),
    ("tamper/lent", "somebody else's right is taken", |s| {
        let object = Object { kind: Some(ObjectType::User), id: Some(s.id("vera")), ..Object::default() };
        last(s).object = Some(object);
    }),
    ("tamper/lent", "two days later", |s| later(s, 2 * 24 * 60)),
    ("tamper/lent", "it is no change of rights", |s| last(s).action = Action::SettingChange),
    ("tamper/lent", "it is given again", |s| what(s, "assign role")),
    ("tamper/redirected", "the attempt fails", fail),
    ("tamper/redirected", "somebody only looks at it", |s| last(s).action = Action::View),
    ("tamper/redirected", "it is no client's", |s| last(s).object = Some(Object { kind: Some(ObjectType::Order), ..of_client("c") })),
    ("unrelated", "the clients are the manager's own", |s| everyone(s, "anna")),
    ("unrelated", "the clients are nobody's", |s| s.case.clients.values_mut().for_each(|c| c.owner = None)),
    ("unrelated", "there are orders", |s| {
        for client in ["far-1", "far-2", "far-3"] {
            s.order(client, client, "anna");
        }
    }),
    ("unrelated", "they called an hour ago", |s| ["far-1", "far-2", "far-3"].into_iter().for_each(|c| called(s, c, at(4, 12, 30)))),
    ("unrelated_call", "nobody is called", |s| {
        let first = s.case.baseline;
        for step in &mut s.case.steps[first..] {
            if let Step::Event(e) = step {
                (e.action, e.object) = (Action::View, e.call.take().and_then(|c| c.client).map(|c| of_client(&c)));
            }
        }
    }),
    ("weak_password", "the log-in fails", fail),
    ("weak_password", "it is no log-in", |s| last(s).action = Action::View),
    ("weak_password", "the directory reports something else", |s| s.person("anna").password_flags = vec!["long".to_owned()]),
    ("weak_password/reported", "another setting is weak", |s| what(s, "cipher")),
    ("weak_password/reported", "somebody only looks at it", |s| last(s).action = Action::View),
];

/// Each of these fires.
const ALSO: &[Clause] = &[
    ("audit_gap", "it is deleted", |s| {
        let event = last(s);
        (event.action, event.change) = (Action::Delete, None);
        event.object = Some(Object { id: text("audit trail"), ..Object::default() });
    }),
    ("audit_gap", "it is cut", |s| {
        what(s, "purge audit trail");
        last(s).change.as_mut().expect("a change").to = None;
    }),
    ("automation", "the object is one", |s| {
        let event = last(s);
        (event.action, event.change) = (Action::Create, None);
        event.object = Some(Object { id: text("webhook"), ..Object::default() });
    }),
    ("backup_overdue", "one that failed came in between", |s| backup(s, "vault", Outcome::Failure)),
    ("backup_overdue", "one went to another place", |s| backup(s, "shelf", Outcome::Success)),
    ("bulk_export/top", "a report", |s| last(s).action = Action::Report),
    ("junior_delete", "records are merged", |s| last(s).action = Action::Merge),
    ("junior_delete", "a value is overwritten", |s| overwrite(s, Action::Update, "a", "b")),
    ("leaver_not_closed", "somebody else's account was closed", |s| close(s, "boris", at(0, 13, 0))),
    ("leaver_not_closed", "it was closed long before, and opened again", |s| {
        let id = s.id("anna");
        s.act("boris", at(-40, 10, 0), Action::UserDeactivate).object =
            Some(Object { kind: Some(ObjectType::User), id: Some(id), ..Object::default() });
        let close = s.case.steps.pop().expect("it was pushed");
        s.case.steps.insert(0, close);
    }),
    ("leaver_not_closed", "gone before the log began, and said to be open", |s| {
        let end = s.time(at(-9, 12, 0));
        let anna = s.person("anna");
        (anna.terminated_at, anna.active) = (Some(When::Instant(end)), Some(true));
    }),
    ("no_mfa/prompts", "the method is named, not the reason", |s| {
        events(s, |_, e| (e.reason, e.auth) = (None, Some(Auth { mfa_method: text("push"), ..Auth::default() })));
    }),
    ("out_of_book", "a team mate's client", |s| s.person("olga").team = text("a")),
    ("sigma", "a critical one", |s| level(s, "critical")),
    ("sigma", "a high one", |s| level(s, "high")),
    ("sigma", "a low one", |s| level(s, "low")),
    ("tamper", "a setting", |s| events(s, |_, e| e.action = Action::SettingChange)),
];

fn text(of: &str) -> Option<String> {
    Some(of.to_owned())
}

/// All events, by their place among them.
fn events(s: &mut Scene, mut change: impl FnMut(i64, &mut Event)) {
    let all = s.case.steps.iter_mut().filter_map(|step| if let Step::Event(e) = step { Some(e) } else { None });
    (0..).zip(all).for_each(|(n, e)| change(n, e));
}

fn last(s: &mut Scene) -> &mut Event {
    let last = s.case.steps.iter_mut().rev().find_map(|step| if let Step::Event(e) = step { Some(e) } else { None });
    last.expect("a canary has events")
}

fn fail(s: &mut Scene) {
    last(s).outcome = Outcome::Failure;
}

fn later(s: &mut Scene, minutes: i64) {
    let event = last(s);
    event.time = event.time.plus(minutes * 60_000);
}

fn what(s: &mut Scene, name: &str) {
    last(s).change.as_mut().expect("a change").what = text(name);
}

fn values(s: &mut Scene, from: &str, to: &str) {
    let change = last(s).change.as_mut().expect("a change");
    (change.from, change.to) = (text(from), text(to));
}

fn overwrite(s: &mut Scene, action: Action, from: &str, to: &str) {
    let event = last(s);
    event.action = action;
    event.change = Some(crate::event::Change { what: text("note"), from: text(from), to: text(to), ..Default::default() });
}

fn place(s: &mut Scene, change: impl FnOnce(&mut Place)) {
    change(last(s).client.as_mut().expect("a place"));
}

/// The place of the second event.
fn between(s: &mut Scene, change: impl Fn(&mut Place)) {
    events(s, |n, e| e.client.iter_mut().filter(|_| n == 1).for_each(&change));
}

/// The places that are not the desk.
fn elsewhere(s: &mut Scene, change: impl Fn(&mut Place)) {
    events(s, |_, e| e.client.iter_mut().filter(|p| p.device.as_deref() == Some("laptop")).for_each(&change));
}

/// The last event again, days later.
fn again(s: &mut Scene, days: i64) {
    let mut event = last(s).clone();
    event.id.push_str("-again");
    event.time = event.time.plus(days * DAY_MS);
    s.case.steps.push(Step::Event(Box::new(event)));
}

/// An alert of Anna's, before a step.
fn bait(s: &mut Scene, when: i64, step: usize) {
    s.client("bait", "anna").decoy = Some(true);
    s.view("anna", when, "bait");
    let event = s.case.steps.pop().expect("it was pushed");
    s.case.steps.insert(step, event);
}

fn level(s: &mut Scene, name: &str) {
    s.policy().sigma.values_mut().for_each(|rule| *rule = rule.replace("level: medium", &format!("level: {name}")));
}

fn close(s: &mut Scene, who: &str, when: i64) {
    let id = s.id(who);
    let event = s.act("boris", when, Action::UserDeactivate);
    event.object = Some(Object { kind: Some(ObjectType::User), id: Some(id), ..Object::default() });
    let n = s.case.steps.len();
    s.case.steps.swap(n - 1, n - 2);
}

fn backup(s: &mut Scene, target: &str, outcome: Outcome) {
    let event = s.act("anna", at(0, 20, 0), Action::Backup);
    event.outcome = outcome;
    event.change = Some(crate::event::Change { target: text(target), ..Default::default() });
    let n = s.case.steps.len();
    s.case.steps.swap(n - 1, n - 2);
}

fn contact(s: &mut Scene, minutes: i64) {
    let at = at(0, 10, 0) - minutes;
    called(s, "c", at);
}

/// A client calls, before all that is not usual.
fn called(s: &mut Scene, client: &str, when: i64) {
    let first = s.case.baseline;
    s.call("anna", when, client).call.as_mut().expect("a call").direction = Some(crate::event::Direction::In);
    let call = s.case.steps.pop().expect("it was pushed");
    s.case.steps.insert(first, call);
}

fn everyone(s: &mut Scene, owner: &str) {
    let owner = s.id(owner);
    s.case.clients.values_mut().for_each(|c| c.owner = Some(owner.clone()));
}

/// How often a canary's control shows when its case is changed.
fn shown(name: &str, change: fn(&mut Scene)) -> usize {
    let canary = all().find(|c| c.name() == name).unwrap_or_else(|| panic!("{name}"));
    let key = Key { run: "r", control: canary.control, part: canary.part, expected: Expected::Fire };
    let mut scene = Scene::new(key, Timestamp::parse("2026-03-04T12:34:56Z").expect("a time"));
    (canary.tell)(&mut scene, true);
    change(&mut scene);
    let (mut tenant, mut effects) = (canary.tenant(), Vec::new());
    scene.case.records().iter().for_each(|record| tenant.apply(record, &mut effects));
    effects
        .iter()
        .filter(|e| matches!(e, Effect::Signal(_)) || canary.shows != Shows::Named || canary.control == "leaver_watch")
        .filter(|e| canary.is_shown_by(e))
        .count()
}

#[test]
fn a_canary_without_one_clause_keeps_still() {
    let wrong: Vec<_> = STILL.iter().filter(|(name, _, change)| shown(name, *change) > 0).map(|(name, how, _)| (name, how)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn another_way_to_the_same_finding_fires() {
    let wrong: Vec<_> = ALSO.iter().filter(|(name, _, change)| shown(name, *change) == 0).map(|(name, how, _)| (name, how)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How often each of these is told when the same goes on or comes again.
#[test]
#[expect(clippy::type_complexity, reason = "a table")]
fn what_goes_on_is_told_as_often_as_it_should_be() {
    let told: [(&str, usize, fn(&mut Scene)); 10] = [
        ("automation", 1, |s| again(s, 2)),
        ("automation", 2, |s| {
            let notice = s.time(at(1, 0, 0));
            s.person("anna").notice_at = Some(When::Instant(notice));
            again(s, 2);
        }),
        ("dormant", 1, |s| again(s, 2)),
        ("insecure_transport", 1, |s| again(s, 6)),
        ("insecure_transport", 2, |s| again(s, 7)),
        ("outdated_client", 1, |s| again(s, 6)),
        ("weak_password", 1, |s| again(s, 6)),
        ("backup_overdue", 1, |s| s.tick(at(2, 12, 0))),
        ("leaver_not_closed", 1, |s| s.tick(at(2, 12, 0))),
        ("audit_gap/silent", 1, |s| s.tick(at(21, 15, 0))),
    ];
    let wrong: Vec<_> = told.iter().map(|(name, n, change)| (name, n, shown(name, *change))).filter(|(_, n, m)| *n != m).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
