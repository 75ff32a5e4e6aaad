//! The manager-days that `filin replay --features` writes.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{
    cli::lines,
    event::Date,
    model::{Day, Days},
};

/// What the columns of evidence begin with.
const EVIDENCE: &str = "s_";

/// Where a row has what.
struct Columns {
    tenant: usize,
    manager: usize,
    date: usize,
    integration: usize,
    evidence: Vec<usize>,
}

pub(super) fn read(path: &Path) -> anyhow::Result<Days> {
    read_rows(lines::open(path)?).with_context(|| format!("{} cannot be used", path.display()))
}

fn read_rows(bytes: impl std::io::Read) -> anyhow::Result<Days> {
    let mut rows = csv::Reader::from_reader(bytes);
    let head = rows.headers()?.clone();
    let columns = Columns::of(&head)?;
    let detectors = columns.evidence.iter().map(|i| head[*i].trim_start_matches(EVIDENCE).to_owned()).collect();
    let mut days = Days { detectors, ..Days::default() };
    for row in rows.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let tenant = &row[columns.tenant];
        if days.rows.is_empty() {
            tenant.clone_into(&mut days.tenant);
        } else if tenant != days.tenant {
            bail!("line {line} is of the tenant {tenant:?}, others are of {:?}: tenants are judged one at a time", days.tenant);
        }
        days.rows.push(columns.day(&row).with_context(|| format!("line {line} is no manager-day"))?);
    }
    Ok(days)
}

impl Columns {
    fn of(head: &csv::StringRecord) -> anyhow::Result<Self> {
        let at = |name: &str| {
            let found = head.iter().position(|h| h == name);
            found.with_context(|| format!("there is no column {name:?}; `filin replay --features` writes such a file"))
        };
        let evidence = head.iter().enumerate().filter(|(_, h)| h.starts_with(EVIDENCE)).map(|(i, _)| i).collect();
        Ok(Self { tenant: at("tenant")?, manager: at("manager")?, date: at("date")?, integration: at("integration")?, evidence })
    }

    fn day(&self, row: &csv::StringRecord) -> anyhow::Result<Day> {
        let evidence = |i: &usize| row[*i].parse::<f64>().with_context(|| format!("{:?} is no number", &row[*i]));
        Ok(Day {
            manager: row[self.manager].to_owned(),
            date: Date::parse(&row[self.date]).with_context(|| format!("{:?} is no date", &row[self.date]))?,
            integration: row[self.integration]
                .parse()
                .with_context(|| format!("{:?} is neither true nor false", &row[self.integration]))?,
            s: self.evidence.iter().map(evidence).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "tenant,manager,date,integration,peak,s_rec_out,x_rec_out,s_rule\n";

    #[test]
    fn reads_evidence_by_the_names_of_columns() {
        let days = read_rows(format!("{HEAD}acme,m1,2026-01-05,false,1,2.5,7,0\nacme,bot,2026-01-06,true,1,0,7,0.5\n").as_bytes());
        let day = |manager: &str, date: &str, integration, s: [f64; 2]| Day {
            manager: manager.into(),
            date: Date::parse(date).unwrap(),
            integration,
            s: s.to_vec(),
        };
        let rows = vec![day("m1", "2026-01-05", false, [2.5, 0.0]), day("bot", "2026-01-06", true, [0.0, 0.5])];
        assert_eq!(days.unwrap(), Days { tenant: "acme".into(), detectors: vec!["rec_out".into(), "rule".into()], rows });
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("tenant,date\n".to_owned(), "there is no column \"manager\"; `filin replay --features` writes such a file"),
            (format!("{HEAD}a,m,yesterday,false,1,1,1,1\n"), "line 2 is no manager-day: \"yesterday\" is no date"),
            (format!("{HEAD}a,m,2026-01-05,false,1,much,1,1\n"), "line 2 is no manager-day: \"much\" is no number: invalid float literal"),
            (
                format!("{HEAD}a,m,2026-01-05,false,1,1,1,1\nb,m,2026-01-05,false,1,1,1,1\n"),
                "line 3 is of the tenant \"b\", others are of \"a\": tenants are judged one at a time",
            ),
        ] {
            assert_eq!(format!("{:#}", read_rows(text.as_bytes()).unwrap_err()), reason);
        }
    }
}
