//! What the directory of users shows of itself: doors that stand open without anybody going through them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    directory::{Directory, Grade, Row as _, User, Zone},
    engine::{Policy, Severity, Text},
    event::{ActorKind, DAY_MS, Timestamp, words},
};

/// What is asked of a tenant.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its name.
    pub tenant: &'a str,
    /// Its users, as far as rows go.
    pub directory: &'a Directory,
    /// As of when.
    pub now: Timestamp,
    /// When accounts were last closed, by user id; empty where no events are at hand.
    pub closed: &'a BTreeMap<String, Timestamp>,
    /// What the tenant states; none: not known, so nothing is found about it.
    pub policy: Option<&'a Policy>,
}

words! {
    /// Kinds of findings, the gravest first.
    Kind {
        /// Access has ended, the account is open.
        OpenAccount = "open_account",
        /// A right that else only seniors, leads and admins have.
        AboveGrade = "above_grade",
        /// No second factor.
        NoMfa = "no_mfa",
        /// The password is known to be shared.
        SharedAccount = "shared_account",
        /// The password is weak, old or the default one.
        Password = "password",
        /// Two rows claim one account.
        AliasTwice = "alias_twice",
        /// Backups go to fewer than two places.
        BackupTargets = "backup_targets",
        /// Nobody gets the alerts about this person.
        NoSupervisor = "no_supervisor",
        /// Working hours are not known.
        NoSchedule = "no_schedule",
        /// The zone is not known.
        NoZone = "no_zone",
    }
}

/// One open door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The organisation.
    pub tenant: String,
    /// What it is.
    pub finding: Kind,
    /// How bad.
    pub severity: Severity,
    /// Whose; empty: a team's or the organisation's.
    pub manager: String,
    /// Of which team.
    pub team: String,
    /// What it is about beside the person: a permission, an alias; with these four it is the same finding again.
    pub subject: String,
    /// Other people that it is about.
    pub others: Vec<String>,
    /// What was found, without names.
    pub said: Text,
}

/// An account closed so long before the end of access counts as closed for it, as for `leaver_not_closed`.
const EARLY_MS: i64 = 30 * DAY_MS;
/// Of juniors and middles, one in so many may have a right of their seniors before it counts as usual.
const ONE_IN: usize = 10;
/// How many places a backup should reach.
const TARGETS: usize = 2;

/// All findings, by kind, team, person.
pub fn audit(input: &Input<'_>) -> Vec<Finding> {
    let users = input.directory.users();
    let current: Vec<&User> = users.ids().filter_map(|id| users.at(id, input.now)).collect();
    let at_work: Vec<&User> = current.iter().filter(|u| u.active != Some(false) && ended(input, u).is_none()).copied().collect();
    let people: Vec<&User> = at_work.iter().filter(|u| u.kind.is_none_or(|k| k == ActorKind::User)).copied().collect();
    let mut found = Vec::new();
    for user in &current {
        open_account(input, user, &mut found);
    }
    for user in &at_work {
        passwords(input, user, &mut found);
    }
    for user in &people {
        no_mfa(input, user, &mut found);
        no_supervisor(input, user, &mut found);
    }
    above_grade(input, &people, &mut found);
    aliases(input, &current, &mut found);
    hours(input, &people, &mut found);
    backups(input, &mut found);
    found.sort_by(|a, b| (a.finding, &a.team, &a.manager, &a.subject).cmp(&(b.finding, &b.team, &b.manager, &b.subject)));
    found
}

fn finding(input: &Input<'_>, kind: Kind, severity: Severity, user: &User, en: String, ru: String) -> Finding {
    Finding {
        tenant: input.tenant.to_owned(),
        finding: kind,
        severity,
        manager: user.id.clone(),
        team: user.team.clone().unwrap_or_default(),
        subject: String::new(),
        others: Vec::new(),
        said: Text { en, ru },
    }
}

fn zone(input: &Input<'_>, user: &User) -> Zone {
    let tenant = input.policy.map_or("UTC", |p| p.zone.as_str());
    Zone::get(user.time_zone.as_deref().unwrap_or(tenant)).unwrap_or(Zone::UTC)
}

/// The end of access, once it has passed.
fn ended(input: &Input<'_>, user: &User) -> Option<Timestamp> {
    user.terminated_at.map(|end| zone(input, user).start(end)).filter(|end| *end <= input.now)
}

fn open_account(input: &Input<'_>, user: &User, found: &mut Vec<Finding>) {
    let Some(end) = ended(input, user) else { return };
    let closed = input.closed.get(&user.id).is_some_and(|at| *at >= end.plus(-EARLY_MS));
    if user.active == Some(false) || closed {
        return;
    }
    let date = zone(input, user).date(end);
    let (en, ru) = match user.active {
        Some(_) => ("the directory says that the account is enabled", "справочник говорит, что учётная запись включена"),
        None => ("nothing says that the account was closed", "ничто не говорит, что учётная запись закрыта"),
    };
    let en = format!("access ended on {date}, {en}");
    let ru = format!("доступ прекращён {date}, {ru}");
    found.push(finding(input, Kind::OpenAccount, Severity::High, user, en, ru));
}

fn passwords(input: &Input<'_>, user: &User, found: &mut Vec<Finding>) {
    for flag in &user.password_flags {
        let (kind, severity, en, ru) = match flag.as_str() {
            "shared" => (
                Kind::SharedAccount,
                Severity::Medium,
                "several people know the password".to_owned(),
                "пароль знают несколько человек".to_owned(),
            ),
            "default" => (Kind::Password, Severity::High, "the password is the default one".to_owned(), "пароль стандартный".to_owned()),
            "weak" => (Kind::Password, Severity::Medium, "the password is weak".to_owned(), "пароль слабый".to_owned()),
            "old" => (Kind::Password, Severity::Low, "the password is old".to_owned(), "пароль старый".to_owned()),
            other => (Kind::Password, Severity::Low, format!("the password is marked {other}"), format!("пароль отмечен: {other}")),
        };
        found.push(Finding { subject: flag.clone(), ..finding(input, kind, severity, user, en, ru) });
    }
}

fn no_mfa(input: &Input<'_>, user: &User, found: &mut Vec<Finding>) {
    if user.mfa != Some(false) {
        return;
    }
    let required = input.policy.is_some_and(|p| p.require_mfa);
    let mighty = user.sees_all == Some(true) || user.grade.is_some_and(|g| matches!(g, Grade::Lead | Grade::Admin));
    let severity = if required || mighty { Severity::High } else { Severity::Medium };
    let (mut en, mut ru) = ("no second factor is enrolled".to_owned(), "второй фактор не подключён".to_owned());
    if required {
        en.push_str(&format!(", tenants.{}.require_mfa asks for it", input.tenant));
        ru.push_str(&format!(", а tenants.{}.require_mfa его требует", input.tenant));
    } else if mighty {
        en.push_str(", and the account can do much");
        ru.push_str(", а учётная запись может многое");
    }
    found.push(finding(input, Kind::NoMfa, severity, user, en, ru));
}

fn no_supervisor(input: &Input<'_>, user: &User, found: &mut Vec<Finding>) {
    // Above them is nobody in the CRM.
    if user.grade == Some(Grade::Admin) {
        return;
    }
    let users = input.directory.users();
    let (en, ru) = match &user.supervisor {
        None => {
            ("no supervisor: alerts find nobody who can say whether it was work", "нет руководителя: некому сказать, была ли это работа")
        }
        Some(id) => match users.at(id, input.now) {
            None => ("the supervisor is no user", "руководителя нет среди users"),
            Some(above) if ended(input, above).is_some() => ("the supervisor has left", "руководитель уволен"),
            Some(_) => return,
        },
    };
    found.push(finding(input, Kind::NoSupervisor, Severity::Low, user, en.to_owned(), ru.to_owned()));
}

/// A permission, or `sees_all`, is above the grade of a junior or middle who has it when a senior, lead or admin of the tenant has it
/// and, of all juniors and middles, at most one in ten (at least one person) does.
fn above_grade(input: &Input<'_>, people: &[&User], found: &mut Vec<Finding>) {
    let below = |u: &User| matches!(u.grade, Some(Grade::Junior | Grade::Middle));
    let above = |u: &User| matches!(u.grade, Some(Grade::Senior | Grade::Lead | Grade::Admin));
    let (lower, upper): (Vec<&User>, Vec<&User>) =
        (people.iter().filter(|u| below(u)).copied().collect(), people.iter().filter(|u| above(u)).copied().collect());
    let usual = (lower.len() / ONE_IN).max(1);
    let mut holders: BTreeMap<&str, Vec<&User>> = BTreeMap::new();
    for user in &lower {
        for right in rights(user) {
            let of = holders.entry(right).or_default();
            if of.last().is_none_or(|u| u.id != user.id) {
                of.push(user);
            }
        }
    }
    for (right, of) in holders {
        let seniors = upper.iter().filter(|u| rights(u).any(|r| r == right)).count();
        if seniors == 0 || of.len() > usual {
            continue;
        }
        for user in &of {
            let grade = user.grade.map_or("", Grade::as_str);
            let en = format!(
                "a {grade} has {right}: of {} seniors, leads and admins {seniors}, of {} juniors and middles {}",
                upper.len(),
                lower.len(),
                of.len()
            );
            let ru = format!(
                "у {grade} есть {right}: из старших (senior, lead, admin: {}) оно у {seniors}, из младших (junior, middle: {}) у {}",
                upper.len(),
                lower.len(),
                of.len()
            );
            found.push(Finding { subject: right.to_owned(), ..finding(input, Kind::AboveGrade, Severity::Medium, user, en, ru) });
        }
    }
}

fn rights(user: &User) -> impl Iterator<Item = &str> {
    let all = (user.sees_all == Some(true)).then_some("sees_all");
    user.permissions.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).chain(all)
}

fn aliases(input: &Input<'_>, current: &[&User], found: &mut Vec<Finding>) {
    let mut claims: BTreeMap<&str, Vec<&User>> = BTreeMap::new();
    for user in current {
        for alias in &user.aliases {
            let of = claims.entry(alias).or_default();
            if of.last().is_none_or(|u| u.id != user.id) {
                of.push(user);
            }
        }
    }
    for (alias, of) in claims.into_iter().filter(|(_, of)| of.len() > 1) {
        for user in &of {
            let others: Vec<String> = of.iter().filter(|u| u.id != user.id).map(|u| u.id().to_owned()).collect();
            let first = if of[0].id == user.id { ("here", "сюда") } else { ("to another", "другому") };
            let en = format!("alias {alias} is claimed by {} people; its events go {}", of.len(), first.0);
            let ru = format!("псевдоним {alias} указан у {} человек; события достаются {}", of.len(), first.1);
            found.push(Finding { subject: alias.to_owned(), others, ..finding(input, Kind::AliasTwice, Severity::Medium, user, en, ru) });
        }
    }
}

/// Whom hours cannot be judged for, counted by team: a whole directory without schedules is one finding per team, not one per person.
fn hours(input: &Input<'_>, people: &[&User], found: &mut Vec<Finding>) {
    let mut teams: BTreeMap<&str, Vec<&User>> = BTreeMap::new();
    for user in people {
        teams.entry(user.team.as_deref().unwrap_or_default()).or_default().push(user);
    }
    let tenant = input.policy.map_or("UTC", |p| p.zone.as_str());
    for (team, of) in teams {
        let mut note = |kind: Kind, lacks: &dyn Fn(&User) -> bool, en: &str, ru: &str| {
            let who: Vec<String> = of.iter().filter(|u| lacks(u)).map(|u| u.id.clone()).collect();
            if who.is_empty() {
                return;
            }
            let nobody = User { team: Some(team.to_owned()), ..User::default() };
            let (en, ru) = (format!("{} of {} people {en}", who.len(), of.len()), format!("{} из {} человек {ru}", who.len(), of.len()));
            found.push(Finding { others: who, ..finding(input, kind, Severity::Low, &nobody, en, ru) });
        };
        note(
            Kind::NoSchedule,
            &|u| u.schedule.as_deref().is_none_or(str::is_empty),
            "have no schedule: their hours are learned from events alone",
            "без расписания: их часы известны только из событий",
        );
        note(
            Kind::NoZone,
            &|u| u.time_zone.is_none(),
            &format!("have no time zone: {tenant} is taken"),
            &format!("без часового пояса: берётся {tenant}"),
        );
    }
}

fn backups(input: &Input<'_>, found: &mut Vec<Finding>) {
    let Some(policy) = input.policy else { return };
    let n = policy.backup_targets.len();
    if n >= TARGETS {
        return;
    }
    let en = format!("tenants.{}.backup_targets names {n} of at least {TARGETS} places", input.tenant);
    let ru = format!("в tenants.{}.backup_targets мест хранения: {n}, нужно не меньше {TARGETS}", input.tenant);
    found.push(finding(input, Kind::BackupTargets, Severity::Medium, &User::default(), en, ru));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::load;

    const NOW: &str = "2026-03-10T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn directory(csv: &str) -> Directory {
        let mut directory = Directory::default();
        let loaded = load::read::<User>("users.csv", csv.as_bytes()).expect("readable");
        assert!(loaded.complaints.is_empty(), "{:?}", loaded.complaints);
        for row in loaded.rows {
            directory.insert_user(row).expect("known zones");
        }
        directory
    }

    /// `kind manager subject` of each finding, but hours.
    fn found(csv: &str, closed: &[(&str, &str)], policy: Option<&Policy>) -> Vec<String> {
        let closed = closed.iter().map(|(id, t)| ((*id).to_owned(), at(t))).collect();
        let directory = directory(csv);
        let input = Input { tenant: "acme", directory: &directory, now: at(NOW), closed: &closed, policy };
        let all = audit(&input);
        let hours = |f: &&Finding| !matches!(f.finding, Kind::NoSchedule | Kind::NoZone | Kind::NoSupervisor);
        all.iter().filter(hours).map(|f| format!("{} {} {}", f.finding.as_str(), f.manager, f.subject).trim_end().to_owned()).collect()
    }

    #[test]
    fn accounts_of_those_who_left() {
        let csv = "id,terminated_at,active\n\
                   open,2026-03-01,\nenabled,2026-03-01,true\ndisabled,2026-03-01,false\nclosed,2026-03-01,\nearly,2026-03-01,\n\
                   before,2026-03-01,\nlater,2026-03-20,true\nstays,,true\n";
        let closed = [("closed", "2026-03-02T10:00:00Z"), ("early", "2026-02-28T17:00:00Z"), ("before", "2026-01-10T10:00:00Z")];
        assert_eq!(found(csv, &closed, None), ["open_account before", "open_account enabled", "open_account open"]);
        // Midnight is the person's own.
        let csv = "id,time_zone,terminated_at\neast,Asia/Tokyo,2026-03-11\nwest,America/New_York,2026-03-11\n";
        let directory = directory(csv);
        let now = at("2026-03-10T16:00:00Z");
        let all = audit(&Input { tenant: "t", directory: &directory, now, closed: &BTreeMap::new(), policy: None });
        let open: Vec<&str> = all.iter().filter(|f| f.finding == Kind::OpenAccount).map(|f| f.manager.as_str()).collect();
        assert_eq!(open, ["east"]);
        // The row in force counts: a dismissal that was taken back is none.
        let csv = "id,valid_from,terminated_at\na,2026-01-01,2026-03-01\na,2026-03-02,\n";
        assert_eq!(found(csv, &[], None), Vec::<String>::new());
    }

    #[test]
    fn rights_above_the_grade() {
        let mut csv = "id,grade,permissions,sees_all,terminated_at\nlead,lead,export;admin,true,\nsenior,senior,export,,\n".to_owned();
        csv.push_str("j1,junior,read;admin,,\nj2,junior,read,,\nm1,middle,read;export,true,\ngone,junior,admin,,2026-03-01\n");
        let expected = ["open_account gone", "above_grade j1 admin", "above_grade m1 export", "above_grade m1 sees_all"];
        assert_eq!(found(&csv, &[], None), expected);
        // What a second one of few has is usual; what no senior has is nobody's privilege.
        csv.push_str("j3,junior,read;admin;lonely,,\n");
        assert_eq!(found(&csv, &[], None), ["open_account gone", "above_grade m1 export", "above_grade m1 sees_all"]);
        // Without grades nothing can be said.
        assert_eq!(found("id,permissions\na,admin\nb,admin\n", &[], None), Vec::<String>::new());
    }

    #[test]
    fn factors_passwords_aliases() {
        let csv = "id,grade,mfa,kind,password_flags,aliases,active\n\
                   a,middle,false,,shared;old,mango:1,\nb,admin,false,,,mango:1;crm:7,\nbot,,false,integration,default,,\n\
                   off,middle,false,,weak,,false\nfine,middle,true,,,crm:8,\n";
        let expected = [
            "no_mfa a",
            "no_mfa b",
            "shared_account a shared",
            "password a old",
            "password bot default",
            "alias_twice a mango:1",
            "alias_twice b mango:1",
        ];
        assert_eq!(found(csv, &[], None), expected);
        let directory = directory(csv);
        let severity = |policy: Option<&Policy>, who: &str| {
            let all = audit(&Input { tenant: "t", directory: &directory, now: at(NOW), closed: &BTreeMap::new(), policy });
            all.into_iter().find(|f| f.finding == Kind::NoMfa && f.manager == who).expect("found")
        };
        assert_eq!((severity(None, "a").severity, severity(None, "b").severity), (Severity::Medium, Severity::High));
        let policy = Policy { require_mfa: true, ..Policy::default() };
        let told = severity(Some(&policy), "a");
        assert_eq!(told.severity, Severity::High);
        assert!(told.said.en.contains("tenants.t.require_mfa") && told.said.ru.contains("требует"), "{:?}", told.said);
    }

    #[test]
    fn backups_supervisors_and_hours() {
        let policy = |targets: &[&str]| Policy { backup_targets: targets.iter().map(|t| (*t).to_owned()).collect(), ..Policy::default() };
        assert_eq!(found("id\na\n", &[], Some(&policy(&["nas"]))), ["backup_targets"]);
        assert_eq!(found("id\na\n", &[], Some(&policy(&["nas", "cloud"]))), Vec::<String>::new());
        let csv = "id,team,supervisor,schedule,time_zone,grade,terminated_at,active\n\
                   a,north,head,Mo-Fr 09:00-18:00,Europe/Moscow,,,\nb,north,gone,,,,,\nc,south,nobody,,Europe/Moscow,,,\nhead,north,,,,admin,,\n\
                   gone,north,head,,,,2026-01-01,false\n";
        let directory = directory(csv);
        let all = audit(&Input { tenant: "t", directory: &directory, now: at(NOW), closed: &BTreeMap::new(), policy: None });
        let told: Vec<String> = all.iter().map(|f| format!("{} {}{}: {}", f.finding.as_str(), f.team, f.manager, f.said.en)).collect();
        assert_eq!(
            told,
            [
                "no_supervisor northb: the supervisor has left",
                "no_supervisor southc: the supervisor is no user",
                "no_schedule north: 2 of 3 people have no schedule: their hours are learned from events alone",
                "no_schedule south: 1 of 1 people have no schedule: their hours are learned from events alone",
                "no_zone north: 2 of 3 people have no time zone: UTC is taken",
            ]
        );
        assert_eq!(all[2].others, ["b", "head"]);
    }
}
