//! Several tables in one topic: the binding says which format the rows of each are in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Around, Binding, Code, Error, Fault, Format, Marks, Notes, fields::short};
use crate::event::Event;

struct Tables(BTreeMap<String, Box<dyn Format>>);

pub(super) fn open(binding: &Binding) -> Result<Box<dyn Format>, Error> {
    if binding.tables.is_empty() {
        // Nothing can be read then, but to have said nothing of it is no reason not to start a decoder.
        return Ok(Box::new(Tables(BTreeMap::new())));
    }
    let mut tables = BTreeMap::new();
    for (table, name) in &binding.tables {
        let wrong = |e: &dyn std::fmt::Display| Error::Binding(format!("tables.{table:?}: {e}"));
        let known = super::known(name).map_err(|e| wrong(&e))?;
        if known.name == "debezium" {
            return Err(wrong(&"give the format of its rows"));
        }
        tables.insert(table.clone(), (known.open)(binding)?);
    }
    Ok(Box::new(Tables(tables)))
}

impl Tables {
    /// The format of a table, by its name with database and schema, or with less of them.
    fn of(&self, marks: &Marks, element: &Map<String, Value>) -> Option<&dyn Format> {
        let table = marks.table(element)?;
        let database = marks.change.as_ref().map_or("", |c| c.database.as_str());
        let full = format!("{database}.{table}");
        let (db, schema) = database.split_once('.').unwrap_or((database, ""));
        let names = [full.as_str(), &format!("{db}.{table}"), &format!("{schema}.{table}"), table];
        names.iter().find_map(|name| self.0.get(*name)).map(|format| &**format)
    }
}

impl Format for Tables {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        match self.of(around.marks, &element) {
            Some(format) => format.event(element, around, notes),
            None => {
                let table = around.marks.table(&element).unwrap_or_default();
                Err(Fault::new(Code::BadValue, format!("the binding's tables do not name {:?}", short(table))))
            }
        }
    }

    fn rows_change(&self, marks: &Marks) -> bool {
        // A table that nobody named is refused, whatever its change.
        self.of(marks, &Map::new()).is_none_or(|format| format.rows_change(marks))
    }
}
