//! What other budgets would have given: what would be missed at half, what twice as much would bring.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use serde_json::{Value, json};

use crate::{
    engine::AlertVersion,
    event::{Budget, DAY_MS, Timestamp},
};

/// Alerts opened, by tenant, manager and time.
type Opened = BTreeSet<(String, String, Timestamp)>;

/// The alerts of the budget in force and of others.
#[derive(Default)]
pub(super) struct Others {
    own: Opened,
    others: Vec<(Budget, Opened)>,
}

/// One budget.
struct Row {
    budget: Budget,
    alerts: usize,
    /// Managers with an alert.
    managers: usize,
    /// Alerts of the budget in force that nothing of this one meets within a day.
    missed: usize,
}

impl Others {
    pub(super) fn new(budgets: &[Budget]) -> Self {
        Self { own: Opened::new(), others: budgets.iter().map(|b| (*b, Opened::new())).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// An alert version of the budget in force (none) or of another.
    pub(super) fn note(&mut self, budget: Option<usize>, a: &AlertVersion) {
        if a.version != 1 {
            return;
        }
        let of = budget.map_or(&mut self.own, |i| &mut self.others[i].1);
        of.insert((a.tenant.clone(), a.subject.id.clone(), a.opened_at));
    }

    fn row(&self, (budget, opened): &(Budget, Opened)) -> Row {
        let meets = |(tenant, manager, at): &(String, String, Timestamp)| {
            let key = |t: Timestamp| (tenant.clone(), manager.clone(), t);
            opened.range(key(at.plus(-DAY_MS))..=key(at.plus(DAY_MS))).next().is_some()
        };
        Row {
            budget: *budget,
            alerts: opened.len(),
            managers: opened.iter().map(|(tenant, manager, _)| (tenant, manager)).collect::<BTreeSet<_>>().len(),
            missed: self.own.iter().filter(|own| !meets(own)).count(),
        }
    }

    /// One row per budget, for machines.
    pub(super) fn rows(&self) -> Value {
        let row = |r: Row| json!({"budget": r.budget, "alerts": r.alerts, "managers": r.managers, "missed": r.missed});
        self.others.iter().map(|o| row(self.row(o))).collect()
    }

    /// The same as a table.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nother budgets  alerts  managers  missed of these {}", self.own.len())?;
        for row in self.others.iter().map(|o| self.row(o)) {
            writeln!(out, "{:<13}  {:>6}  {:>8}  {:>6}", row.budget.to_string(), row.alerts, row.managers, row.missed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_missed_where_nothing_meets_it_within_a_day() {
        let key = |manager: &str, time: &str| ("t".to_owned(), manager.to_owned(), Timestamp::parse(time).expect(time));
        let mut others = Others::new(&[Budget::Rate(0.5), Budget::Rate(2.0)]);
        others.own = [key("a", "2026-01-05T10:00:00Z"), key("b", "2026-01-05T10:00:00Z")].into();
        others.others[0].1 = [key("a", "2026-01-05T12:00:00Z"), key("b", "2026-01-07T10:00:00Z")].into();
        others.others[1].1 = [key("a", "2026-01-05T09:00:00Z"), key("b", "2026-01-05T10:00:00Z"), key("b", "2026-01-09T10:00:00Z")].into();
        assert_eq!(
            others.rows(),
            json!([{"budget": 0.5, "alerts": 2, "managers": 2, "missed": 1}, {"budget": 2.0, "alerts": 3, "managers": 2, "missed": 0}])
        );
        let mut table = Vec::new();
        others.print(&mut table).expect("in memory");
        let expected = "\nother budgets  alerts  managers  missed of these 2\n0.5                 2         2       1\n2                   3         2       0\n";
        assert_eq!(String::from_utf8(table).expect("text"), expected);
    }
}
