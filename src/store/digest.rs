//! What a digest asks: a week of people beside the four before it, whom they had no reason to look at, and their alerts.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    actions::{self, Standing, State},
    query::{self, Filter, Scope},
    rows::AlertRow,
    unchecked,
};
use crate::{
    engine::AlertVersion,
    event::{DAY_MS, Date, HOUR_MS, Timestamp},
};

/// Weeks before it that say what is usual.
pub const BEFORE: i32 = 4;
/// Clients without a reason that are named per person.
const NAMED: u32 = 10;
/// A client's own call or e-mail is a reason for so long.
const CONTACT_MS: i64 = 48 * HOUR_MS;
/// Alerts looked at of one tenant.
const MOST: u32 = 1000;

/// What somebody did within some days.
#[derive(Clone, Debug, Default, PartialEq, Row, Serialize, Deserialize)]
pub struct Amounts {
    /// The person.
    pub manager: String,
    /// Their pseudonym.
    pub manager_alias: String,
    /// Their team, as last known.
    pub team: String,
    /// Their role, as last known.
    pub role: String,
    /// Days with activity.
    pub days: u64,
    /// Events.
    pub events: u64,
    /// Records that left.
    pub records_out: u64,
    /// Records on the screen.
    pub records_screen: u64,
    /// Clients of each day, added up.
    pub clients: u64,
    /// Of these without a reason, weighed (docs/detection.md).
    pub unrelated: f64,
    /// Calls.
    pub calls: u64,
}

/// A client whom somebody touched without a reason that the directory knows.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Stranger {
    /// Who.
    #[serde(skip_serializing)]
    pub manager: String,
    /// The client.
    pub client: String,
    /// How often.
    pub times: u64,
    /// Of these by telephone.
    pub calls: u64,
    /// The last time, milliseconds since 1970.
    pub last: i64,
}

/// An alert and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// The pseudonym of whom it is about.
    pub manager_alias: String,
    /// Its latest version.
    #[serde(flatten)]
    pub alert: AlertVersion,
    /// What people did about it comes to this.
    #[serde(flatten)]
    pub standing: Standing,
}

/// A person's week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Person {
    /// This week.
    pub week: Amounts,
    /// A usual one: the mean of those before it in which there was activity; none where there was none.
    pub usual: Option<Amounts>,
    /// Clients without a reason, the most often touched first.
    pub strangers: Vec<Stranger>,
    /// Alerts of the week.
    pub alerts: Vec<Told>,
}

impl Person {
    /// Whether nothing has to be looked at: no alert, and no more work without a reason than twice as much as usual.
    pub fn is_usual(&self) -> bool {
        let usual = self.usual.as_ref().map_or(0.0, |u| u.unrelated);
        self.alerts.is_empty() && (self.strangers.is_empty() || self.week.unrelated <= 2.0 * usual + 1.0)
    }
}

/// A week of some people.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Digest {
    /// Whose.
    pub tenant: String,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub until: Date,
    /// People with activity in it: those with clients without a reason first, then those with alerts.
    pub people: Vec<Person>,
    /// The usual week of people who were active in those before, and not in this one.
    pub silent: Vec<Amounts>,
    /// Alerts about these people that nobody has taken up, whatever week they are of; the oldest first.
    pub unanswered: Vec<Told>,
}

/// A week of a whole tenant, of which digests are cut.
pub struct Week {
    tenant: String,
    from: Date,
    now: Vec<Amounts>,
    before: BTreeMap<String, Amounts>,
    strangers: Vec<Stranger>,
    alerts: Vec<Told>,
    open: Vec<Told>,
}

async fn amounts(client: &clickhouse::Client, tenant: &str, from: Date, until: Date) -> Result<Vec<Amounts>, Error> {
    let sql = "SELECT d.manager AS manager, any(d.manager_alias), toString(argMax(d.team, d.time)), toString(argMax(d.role, d.time)), count(), \
               sum(d.events), sum(d.records_out), sum(d.records_screen), sum(d.clients), sum(d.unrelated), any(h.calls) \
               FROM (SELECT * FROM manager_day FINAL WHERE tenant = ? AND time >= fromUnixTimestamp64Milli(?) AND time < fromUnixTimestamp64Milli(?)) AS d \
               LEFT JOIN (SELECT manager, sum(calls) AS calls FROM manager_hour FINAL \
               WHERE tenant = ? AND time >= fromUnixTimestamp64Milli(?) AND time < fromUnixTimestamp64Milli(?) GROUP BY manager) AS h \
               ON d.manager = h.manager GROUP BY d.manager ORDER BY d.manager";
    let (from, until) = (from.midnight_utc().millis(), until.midnight_utc().millis());
    let query = unchecked(client).query(sql).bind(tenant).bind(from).bind(until).bind(tenant).bind(from).bind(until);
    Ok(query.fetch_all().await?)
}

/// Clients of other managers, without an order or a hand-over, and who had not called or written to this one lately.
async fn strangers(client: &clickhouse::Client, tenant: &str, from: Timestamp, until: Timestamp) -> Result<Vec<Stranger>, Error> {
    let named = "SELECT manager, time, action, if(call_client != '', call_client, if(object_type = 'client', object_id, object_client)) AS client, \
                 JSONExtractString(enrich, 'clients', 1, 'owner') AS owner, JSONExtractString(enrich, 'clients', 1, 'related') AS related, \
                 (action = 'call' AND call_direction = 'in') AS contact FROM events FINAL \
                 WHERE tenant = ? AND time >= fromUnixTimestamp64Milli(?) AND time < fromUnixTimestamp64Milli(?) AND outcome = 'success' \
                 AND JSONLength(enrich, 'clients') = 1";
    let sql = format!(
        "SELECT manager, client, count(), countIf(action = 'call'), toUnixTimestamp64Milli(max(time)) FROM ({named}) \
         WHERE time >= fromUnixTimestamp64Milli(?) AND client != '' AND owner = 'other' AND related = '' AND (manager, client) NOT IN \
         (SELECT manager, client FROM ({named}) WHERE contact) \
         GROUP BY manager, client ORDER BY manager, count() DESC, client LIMIT ? BY manager"
    );
    let (before, from, until) = (from.plus(-CONTACT_MS).millis(), from.millis(), until.millis());
    let query = unchecked(client).query(&sql).bind(tenant).bind(before).bind(until).bind(from);
    Ok(query.bind(tenant).bind(before).bind(until).bind(NAMED).fetch_all().await?)
}

async fn told(client: &clickhouse::Client, filter: &Filter) -> Result<Vec<Told>, Error> {
    let rows: Vec<AlertRow> = query::alerts(client, &Scope::default(), filter).await?;
    let ids: Vec<String> = rows.iter().map(|row| row.alert_id.clone()).collect();
    let done = actions::of(client, &ids).await?;
    let one = |row: AlertRow| {
        let standing = Standing::among(&done, &row.alert_id);
        Ok(Told { manager_alias: row.manager_alias.clone(), alert: row.into_version()?, standing })
    };
    rows.into_iter().map(one).collect()
}

impl Week {
    /// The seven days from `from` on.
    ///
    /// # Errors
    /// When ClickHouse is away or refuses.
    pub async fn read(client: &clickhouse::Client, tenant: &str, from: Date) -> Result<Self, Error> {
        let (until, before) = (Date(from.0 + 7), Date(from.0 - 7 * BEFORE));
        let (since, end) = (from.midnight_utc(), until.midnight_utc());
        let of = |state, since| Filter { tenant: Some(tenant.to_owned()), state, since, limit: MOST, ..Filter::default() };
        let mut alerts = told(client, &of(None, Some(since.millis()))).await?;
        alerts.retain(|t| t.alert.time < end);
        let mut open = told(client, &of(Some(State::Open), None)).await?;
        open.retain(|t| t.alert.time < end);
        open.reverse();
        Ok(Self {
            tenant: tenant.to_owned(),
            from,
            now: amounts(client, tenant, from, until).await?,
            before: amounts(client, tenant, before, from).await?.into_iter().map(|a| (a.manager.clone(), usual(a))).collect(),
            strangers: strangers(client, tenant, since, end).await?,
            alerts,
            open,
        })
    }

    /// Everybody whom it knows.
    pub fn people(&self) -> BTreeSet<&str> {
        let all = self.now.iter().map(|a| a.manager.as_str()).chain(self.before.keys().map(String::as_str));
        all.chain(self.open.iter().filter_map(|t| t.alert.manager.as_deref())).collect()
    }

    /// What is about these people.
    pub fn of(&self, people: &BTreeSet<String>) -> Digest {
        let about = |t: &&Told| t.alert.manager.as_ref().is_some_and(|m| people.contains(m));
        let mut all: Vec<Person> = self.now.iter().filter(|a| people.contains(&a.manager)).map(|a| self.person(a)).collect();
        let rank = |p: &Person| (p.strangers.iter().map(|s| s.times).sum::<u64>(), p.alerts.iter().map(|t| t.alert.bits).sum::<u64>());
        all.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| a.week.manager_alias.cmp(&b.week.manager_alias)));
        let is_silent = |a: &&Amounts| people.contains(&a.manager) && self.now.iter().all(|now| now.manager != a.manager);
        Digest {
            tenant: self.tenant.clone(),
            from: self.from,
            until: Date(self.from.0 + 6),
            silent: self.before.values().filter(is_silent).cloned().collect(),
            people: all,
            unanswered: self.open.iter().filter(about).cloned().collect(),
        }
    }

    fn person(&self, week: &Amounts) -> Person {
        Person {
            week: week.clone(),
            usual: self.before.get(&week.manager).cloned(),
            strangers: self.strangers.iter().filter(|s| s.manager == week.manager).cloned().collect(),
            alerts: self.alerts.iter().filter(|t| t.alert.manager.as_ref() == Some(&week.manager)).cloned().collect(),
        }
    }
}

/// A week as those before it were: by the weeks that five days of activity make.
fn usual(all: Amounts) -> Amounts {
    let weeks = all.days.div_ceil(5).clamp(1, BEFORE.unsigned_abs().into());
    let mean = |n: u64| (n + weeks / 2) / weeks;
    #[expect(clippy::cast_precision_loss, reason = "at most four")]
    let unrelated = all.unrelated / weeks as f64;
    Amounts {
        days: mean(all.days),
        events: mean(all.events),
        records_out: mean(all.records_out),
        records_screen: mean(all.records_screen),
        clients: mean(all.clients),
        calls: mean(all.calls),
        unrelated,
        ..all
    }
}

/// The Monday of the last week that is over.
pub fn last_week(now: Timestamp) -> Date {
    let today = i32::try_from(now.millis().div_euclid(DAY_MS)).unwrap_or_default();
    Date(today - Date(today).weekday() - 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(manager: &str, days: u64, records_out: u64) -> Amounts {
        let manager_alias = manager.to_uppercase();
        Amounts { manager: manager.to_owned(), manager_alias, days, records_out, unrelated: 2.0, ..Amounts::default() }
    }

    #[test]
    fn weeks_begin_on_mondays() {
        let check =
            |now: &str, expected: &str| assert_eq!(last_week(Timestamp::parse(now).expect("a time")).to_string(), expected, "{now}");
        check("2026-11-27T10:00:00Z", "2026-11-16");
        check("2026-11-23T00:00:00Z", "2026-11-16");
        check("2026-11-22T23:59:59Z", "2026-11-09");
    }

    #[test]
    fn people_with_strangers_come_first_and_the_usual_is_a_mean() {
        let stranger = |manager: &str, times| Stranger { manager: manager.to_owned(), client: "c".to_owned(), times, calls: 0, last: 0 };
        let week = Week {
            tenant: "t".to_owned(),
            from: Date::parse("2026-11-16").expect("a date"),
            now: vec![amounts("anna", 5, 7), amounts("boris", 5, 9), amounts("vera", 1, 1)],
            before: [amounts("anna", 20, 42), amounts("gone", 3, 1)].into_iter().map(|a| (a.manager.clone(), usual(a))).collect(),
            strangers: vec![stranger("boris", 3), stranger("vera", 9)],
            alerts: Vec::new(),
            open: Vec::new(),
        };
        let digest = week.of(&["anna", "boris", "gone"].map(str::to_owned).into());
        let names: Vec<&str> = digest.people.iter().map(|p| p.week.manager.as_str()).collect();
        let silent: Vec<&str> = digest.silent.iter().map(|a| a.manager.as_str()).collect();
        assert_eq!((names, silent, digest.until.to_string()), (vec!["boris", "anna"], vec!["gone"], "2026-11-22".to_owned()));
        let anna = digest.people[1].usual.as_ref().expect("four weeks");
        assert_eq!((anna.days, anna.records_out, anna.unrelated), (5, 11, 0.5), "of four weeks");
        assert!(digest.people[1].is_usual() && !digest.people[0].is_usual() && digest.people[0].usual.is_none());
        let mut boris = digest.people[0].clone();
        boris.usual = Some(Amounts { unrelated: 0.5, ..amounts("boris", 5, 0) });
        assert!(boris.is_usual(), "strangers belong to his week, and not more than twice as many");
        assert_eq!(week.people().into_iter().collect::<Vec<_>>(), ["anna", "boris", "gone", "vera"]);
    }
}
