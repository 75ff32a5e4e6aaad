//! Canaries of hard rules, of rules about an address, and of what did not happen: few events, no past.

use super::{
    Canary, Shows,
    scene::{Scene, at, of_client},
};
use crate::{
    directory::{Grade, When},
    engine::control::Words,
    event::{Access, Action, Auth, Change, Net, Object, ObjectType, Outcome, Place, Tier},
};

const fn words(en: &'static str, ru: &'static str) -> Words {
    Words { en, ru }
}

/// Named by a signal or an alert, in a tenant of a firm.
const USUAL: Canary = Canary { control: "", part: "", differs: words("", ""), shows: Shows::Named, audit: false, tell: |_, _| {} };

fn text(of: &str) -> Option<String> {
    Some(of.to_owned())
}

/// A log-in that failed.
fn failed(s: &mut Scene, who: &str, minute: i64) {
    let event = s.act(who, at(0, 10, minute), Action::Login);
    (event.outcome, event.reason) = (Outcome::Failure, text("password"));
}

/// A change of a setting or of rights.
fn change(what: &str, to: &str) -> Option<Change> {
    Some(Change { what: text(what), to: text(to), ..Change::default() })
}

fn user(id: String) -> Option<Object> {
    Some(Object { kind: Some(ObjectType::User), id: Some(id), ..Object::default() })
}

pub(super) const ALL: &[Canary] = &[
    Canary {
        control: "address_denied",
        differs: words("the address is on the list", "адрес есть в списке"),
        tell: |s, fire| {
            s.person("anna").ip_allow = vec!["192.0.2.0/24".parse().expect("a network")];
            let ip = if fire { "198.51.100.7" } else { "192.0.2.7" };
            s.act("anna", at(0, 10, 0), Action::View).client = Some(Place { ip: text(ip), ..Place::default() });
        },
        ..USUAL
    },
    Canary {
        control: "audit_gap",
        differs: words("the trail is switched on, not off", "журнал включают, а не выключают"),
        tell: |s, fire| {
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::SettingChange).change = change("audit trail", if fire { "off" } else { "on" });
        },
        ..USUAL
    },
    Canary {
        control: "audit_gap",
        part: "silent",
        differs: words(
            "the source is asked about an hour earlier, after four silent hours, not five",
            "об источнике спрашивают на час раньше: молчит четыре часа, а не пять",
        ),
        tell: |s, fire| {
            s.setting("audit_gap", "hours", 5.0);
            s.person("anna");
            for week in 0..3 {
                for hour in 9..16 {
                    s.act("anna", at(week * 7, hour, 0), Action::View);
                }
            }
            s.usual_until_here();
            s.tick(at(21, if fire { 14 } else { 13 }, 0));
        },
        ..USUAL
    },
    Canary {
        control: "automation",
        differs: words("the setting is a signature, no forwarding", "меняют подпись, а не переадресацию"),
        tell: |s, fire| {
            s.person("anna");
            let what = if fire { "mail forwarding" } else { "mail signature" };
            s.act("anna", at(0, 10, 0), Action::SettingChange).change = change(what, "x@example.com");
        },
        ..USUAL
    },
    Canary {
        control: "backup_overdue",
        differs: words("25 hours since the last backup, not 26", "с последней копии прошло 25 часов, а не 26"),
        tell: |s, fire| {
            s.policy().backup_targets = vec!["vault".to_owned()];
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::Backup).change = Some(Change { target: text("vault"), ..Change::default() });
            s.tick(at(1, if fire { 12 } else { 11 }, 0));
        },
        ..USUAL
    },
    Canary {
        control: "brute_force",
        differs: words("nine failures, not ten", "девять неудач, а не десять"),
        tell: |s, fire| {
            s.person("anna");
            (0..if fire { 10 } else { 9 }).for_each(|i| failed(s, "anna", i));
        },
        ..USUAL
    },
    Canary {
        control: "brute_force",
        part: "success",
        differs: words("the log-in after ten failures fails, too", "вход после десяти неудач тоже не удаётся"),
        shows: Shows::Critical,
        tell: |s, fire| {
            s.person("anna");
            (0..10).for_each(|i| failed(s, "anna", i));
            let event = s.act("anna", at(0, 10, 10), Action::Login);
            event.outcome = if fire { Outcome::Success } else { Outcome::Failure };
        },
        ..USUAL
    },
    Canary {
        control: "decoy",
        differs: words("the client is not marked as a decoy", "клиент не отмечен как приманка"),
        tell: |s, fire| {
            s.person("anna");
            s.client("bait", "anna").decoy = Some(fire);
            s.view("anna", at(0, 10, 0), "bait");
        },
        ..USUAL
    },
    Canary {
        control: "dormant",
        differs: words("44 days of sleep, not 45", "перерыв 44 дня, а не 45"),
        tell: |s, fire| {
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::View);
            s.act("anna", at(if fire { 45 } else { 44 }, 10, 0), Action::View);
        },
        ..USUAL
    },
    Canary {
        control: "endpoint_risk",
        differs: words("the agent reports an update, no finding", "агент сообщает об обновлении, а не о находке"),
        tell: |s, fire| {
            s.person("anna");
            let action = if fire { Action::EndpointFinding } else { Action::Other };
            s.act("anna", at(0, 10, 0), action).change = Some(Change { what: text("Trojan.Generic"), ..Change::default() });
        },
        ..USUAL
    },
    Canary {
        control: "endpoint_risk",
        part: "export",
        differs: words(
            "the export comes eight days after the finding, not on the next day",
            "выгрузка через восемь дней после находки, а не на следующий день",
        ),
        shows: Shows::Critical,
        tell: |s, fire| {
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::EndpointFinding).change =
                Some(Change { what: text("Trojan.Generic"), ..Change::default() });
            s.act("anna", at(if fire { 1 } else { 8 }, 10, 0), Action::Export).records = Some(3);
        },
        ..USUAL
    },
    Canary {
        control: "impossible_travel",
        differs: words("half an hour more on the way: 860 km/h, not 1070", "в пути на полчаса дольше: 860 км/ч, а не 1070"),
        tell: |s, fire| {
            s.person("anna");
            let (moscow, amsterdam) = ((55.7558, 37.6173), (52.3676, 4.9041));
            for ((lat, lon), minute) in [(moscow, 0), (amsterdam, if fire { 120 } else { 150 })] {
                s.act("anna", at(0, 10, minute), Action::View).client =
                    Some(Place { lat: Some(lat), lon: Some(lon), net: Some(Net::Fixed), ..Place::default() });
            }
        },
        ..USUAL
    },
    Canary {
        control: "insecure_transport",
        differs: words("TLS 1.2, not 1.1", "TLS 1.2, а не 1.1"),
        tell: |s, fire| {
            s.person("anna");
            let tls = text(if fire { "1.1" } else { "1.2" });
            s.act("anna", at(0, 10, 0), Action::View).client = Some(Place { tls, ..Place::default() });
        },
        ..USUAL
    },
    Canary {
        control: "junior_delete",
        differs: words("a middle manager deletes, not a junior", "удаляет менеджер среднего уровня, а не новичок"),
        tell: |s, fire| {
            s.person("anna").grade = Some(if fire { Grade::Junior } else { Grade::Middle });
            s.client("c", "anna");
            s.act("anna", at(0, 10, 0), Action::Delete).object = Some(of_client("c"));
        },
        ..USUAL
    },
    Canary {
        control: "key_client",
        differs: words("the client is a usual one, no key client", "клиент обычный, а не ключевой"),
        tell: |s, fire| {
            s.person("anna").grade = Some(Grade::Middle);
            s.stranger();
            s.client("c", "olga").tier = Some(if fire { Tier::Key } else { Tier::Normal });
            s.view("anna", at(0, 10, 0), "c");
        },
        ..USUAL
    },
    Canary {
        control: "leaver_active",
        differs: words("a minute before the end of access", "за минуту до прекращения доступа"),
        tell: |s, fire| {
            let end = s.time(at(0, 12, 0));
            s.person("anna").terminated_at = Some(When::Instant(end));
            s.act("anna", if fire { at(0, 12, 0) } else { at(0, 11, 59) }, Action::View);
        },
        ..USUAL
    },
    Canary {
        control: "leaver_not_closed",
        differs: words(
            "three and a half hours after the end of access, not four",
            "через три с половиной часа после прекращения доступа, а не через четыре",
        ),
        tell: |s, fire| {
            let end = s.time(at(0, 12, 0));
            s.person("anna").terminated_at = Some(When::Instant(end));
            s.person("boris");
            s.act("boris", at(0, 10, 0), Action::View);
            s.tick(if fire { at(0, 16, 0) } else { at(0, 15, 30) });
        },
        ..USUAL
    },
    Canary {
        control: "no_mfa",
        differs: words("the log-in had a second factor", "вход был со вторым фактором"),
        tell: |s, fire| {
            s.policy().require_mfa = true;
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::Login).auth = Some(Auth { mfa: Some(!fire), ..Auth::default() });
        },
        ..USUAL
    },
    Canary {
        control: "no_mfa",
        part: "prompts",
        differs: words("four refused prompts, not five", "четыре отклонённых запроса, а не пять"),
        tell: |s, fire| {
            s.person("anna");
            for i in 0..if fire { 5 } else { 4 } {
                let event = s.act("anna", at(0, 10, i), Action::Login);
                (event.outcome, event.reason) = (Outcome::Denied, text("push refused"));
            }
        },
        ..USUAL
    },
    Canary {
        control: "out_of_book",
        differs: words("the client is the manager's own", "клиент — собственный"),
        tell: |s, fire| {
            s.policy().access = Some(Access::Own);
            s.person("anna");
            s.stranger();
            s.client("c", if fire { "olga" } else { "anna" });
            s.view("anna", at(0, 10, 0), "c");
        },
        ..USUAL
    },
    Canary {
        control: "outdated_client",
        differs: words("version 10.0, not 9.9", "версия 10.0, а не 9.9"),
        tell: |s, fire| {
            s.policy().min_versions.insert("app".to_owned(), "10".to_owned());
            s.person("anna");
            let version = text(if fire { "9.9" } else { "10.0" });
            s.act("anna", at(0, 10, 0), Action::View).client = Some(Place { app: text("App"), version, ..Place::default() });
        },
        ..USUAL
    },
    Canary {
        control: "privilege",
        differs: words("the role is taken, not given", "роль отзывают, а не выдают"),
        tell: |s, fire| {
            s.person("anna");
            s.person("boris");
            let id = s.id("boris");
            let event = s.act("anna", at(0, 10, 0), Action::PermissionChange);
            (event.object, event.change) = (user(id), change(if fire { "assign role" } else { "unassign role" }, "admin"));
        },
        ..USUAL
    },
    Canary {
        control: "privilege",
        part: "own",
        differs: words("the role is a colleague's, not one's own", "роль выдают коллеге, а не себе"),
        shows: Shows::Critical,
        tell: |s, fire| {
            s.person("anna");
            s.person("boris");
            let id = s.id(if fire { "anna" } else { "boris" });
            let event = s.act("anna", at(0, 10, 0), Action::PermissionChange);
            (event.object, event.change) = (user(id), change("assign role", "admin"));
        },
        ..USUAL
    },
    Canary {
        control: "session_hijack",
        differs: words("the same program goes on in the session", "в сеансе продолжает та же программа"),
        tell: |s, fire| {
            s.person("anna");
            for (minute, agent) in [(0, "Chrome/120"), (5, if fire { "Firefox/121" } else { "Chrome/120" })] {
                let event = s.act("anna", at(0, 10, minute), Action::View);
                event.session = text("s1");
                event.client = Some(Place { user_agent: text(agent), ..Place::default() });
            }
        },
        ..USUAL
    },
    Canary {
        control: "session_hijack",
        part: "country",
        differs: words("the session stays in its country", "сеанс остаётся в своей стране"),
        tell: |s, fire| {
            s.person("anna");
            for (minute, country) in [(0, "RU"), (5, if fire { "NL" } else { "RU" })] {
                let event = s.act("anna", at(0, 10, minute), Action::View);
                event.session = text("s1");
                event.client = Some(Place { country: text(country), ..Place::default() });
            }
        },
        ..USUAL
    },
    Canary {
        control: "shared_account",
        differs: words("the first session goes on after 31 minutes, not 30", "первый сеанс продолжается через 31 минуту, а не через 30"),
        tell: |s, fire| {
            s.person("anna");
            for (minute, session, ip, device) in [
                (0, "s1", "192.0.2.10", "desk"),
                (10, "s2", "198.51.100.20", "laptop"),
                (if fire { 30 } else { 31 }, "s1", "192.0.2.10", "desk"),
            ] {
                let event = s.act("anna", at(0, 10, minute), Action::View);
                event.session = text(session);
                event.client = Some(Place { ip: text(ip), device: text(device), net: Some(Net::Fixed), ..Place::default() });
            }
        },
        ..USUAL
    },
    Canary {
        control: "sigma",
        differs: words(
            "99 records printed, where the user's rule says from 100 on",
            "напечатано 99 записей, а в правиле пользователя — от 100",
        ),
        tell: |s, fire| {
            s.policy().sigma.insert("canary.yml".to_owned(), RULE.to_owned());
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::Print).records = Some(if fire { 100 } else { 99 });
        },
        ..USUAL
    },
    Canary {
        control: "spraying",
        differs: words("four accounts, not five", "четыре учётные записи, а не пять"),
        tell: |s, fire| {
            let people = ["anna", "boris", "dina", "egor", "gleb"];
            for (minute, who) in (0..).zip(&people[..if fire { 5 } else { 4 }]) {
                s.person(who);
                failed(s, who, minute);
            }
            s.person("gleb");
        },
        ..USUAL
    },
    Canary {
        control: "stuffing",
        differs: words("the log-in comes from another network", "вход — из другой сети"),
        tell: |s, fire| {
            for (minute, who) in (0..).zip(["anna", "boris", "dina", "egor", "gleb"]) {
                s.person(who);
                failed(s, who, minute);
            }
            s.person("vera");
            let ip = text(if fire { "192.0.2.10" } else { "198.51.100.20" });
            s.act("vera", at(0, 10, 6), Action::Login).client = Some(Place { ip, ..Place::default() });
        },
        ..USUAL
    },
    Canary {
        control: "tamper",
        differs: words(
            "set back after nine minutes, where ten are a slip put right",
            "возвращено через девять минут, а опечаткой считается всё до десяти",
        ),
        tell: |s, fire| {
            s.setting("tamper", "slip_seconds", 600.0);
            s.person("anna");
            s.client("c", "anna");
            for (minute, from, to) in [(0, "1", "2"), (if fire { 10 } else { 9 }, "2", "1")] {
                let event = s.act("anna", at(0, 10, minute), Action::Update);
                event.object = Some(of_client("c"));
                event.change = Some(Change { what: text("discount"), from: text(from), to: text(to), ..Change::default() });
            }
        },
        ..USUAL
    },
    Canary {
        control: "tamper",
        part: "lent",
        differs: words("somebody else works while the right is given", "пока право выдано, работает кто-то другой"),
        tell: |s, fire| {
            ["anna", "boris", "vera"].into_iter().for_each(|who| {
                s.person(who);
            });
            let id = s.id("boris");
            let event = s.act("anna", at(0, 10, 0), Action::PermissionChange);
            (event.object, event.change) = (user(id.clone()), change("assign role", "export"));
            s.act(if fire { "boris" } else { "vera" }, at(0, 10, 5), Action::View);
            let event = s.act("anna", at(0, 10, 10), Action::PermissionChange);
            (event.object, event.change) = (user(id), change("unassign role", ""));
        },
        ..USUAL
    },
    Canary {
        control: "tamper",
        part: "redirected",
        differs: words("the new number is nobody's of the firm", "новый номер — не сотрудника"),
        tell: |s, fire| {
            s.person("anna").phones = vec!["+79990000001".to_owned()];
            s.client("c", "anna");
            let event = s.act("anna", at(0, 10, 0), Action::Update);
            event.object = Some(of_client("c"));
            event.change = change("phone", if fire { "+79990000001" } else { "+79990000002" });
        },
        ..USUAL
    },
    Canary {
        control: "weak_password",
        differs: words("the directory reports no weak password", "справочник не отмечает слабого пароля"),
        tell: |s, fire| {
            s.person("anna").password_flags = if fire { vec!["weak".to_owned()] } else { Vec::new() };
            s.act("anna", at(0, 10, 0), Action::Login);
        },
        ..USUAL
    },
    Canary {
        control: "weak_password",
        part: "reported",
        differs: words("the CRM reports a strong password", "CRM сообщает о надёжном пароле"),
        tell: |s, fire| {
            s.person("anna");
            s.act("anna", at(0, 10, 0), Action::SettingChange).change = change("password", if fire { "weak" } else { "strong" });
        },
        ..USUAL
    },
];

/// A user's own rule.
const RULE: &str = "title: Canary
id: 00000000-0000-4000-8000-000000000001
logsource:
  product: crm
  service: filin
detection:
  selection:
    action: print
    records|gte: 100
  condition: selection
level: medium
";
