//! Reference data from files: CSV with a header, or JSONL, also compressed. A bad row costs that row, not the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    Directory, Error, Row, Zone,
    rows::{Client, Grade, Order, OrderState, Span, User, When},
    schedule::Schedule,
};
use crate::event::{ActorKind, DEFAULT_TENANT, Tier, Timestamp, is_own};

/// What is wrong with a file of reference data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// As the user named it.
    pub file: String,
    /// From 1; the header is line 1 of a CSV file.
    pub line: u64,
    /// The column or field, when one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The row was left out; else it was taken, and this is a warning.
    pub lost: bool,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// Its good rows, in order.
    pub rows: Vec<T>,
    /// What is wrong with it.
    pub complaints: Vec<Complaint>,
}

/// The reference data of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    tenants: BTreeMap<String, Directory>,
}

/// A row that can be read cell by cell.
pub trait Cells: Row {
    /// Takes a cell; false when the column is not one of this kind of row.
    ///
    /// # Errors
    /// What is wrong with the cell, in words.
    fn set(&mut self, column: &str, cell: &Cell<'_>) -> Result<bool, String>;

    /// What is odd about the row, by column, although it can be used.
    fn oddities(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// A cell of a row; never an empty one.
#[derive(Debug)]
pub enum Cell<'a> {
    /// Of a CSV file: lists separated by `;`.
    Text(&'a str),
    /// Of a JSON object.
    Json(&'a Value),
}

/// Reads a file (`-`: standard input), whether CSV or JSONL, plain, gzip or zstd.
///
/// # Errors
/// When the file cannot be read or its header is of no use.
pub fn file<T: Cells>(path: &Path) -> Result<Loaded<T>, Error> {
    let name = path.display().to_string();
    if name == "-" {
        return read(&name, io::stdin().lock());
    }
    let file = File::open(path).map_err(|source| Error::Read { file: name.clone(), source })?;
    read(&name, file)
}

/// Reads rows from bytes, whether CSV or JSONL, plain, gzip or zstd; `name` is what complaints say.
///
/// # Errors
/// When the bytes cannot be read or the header is of no use.
pub fn read<T: Cells>(name: &str, bytes: impl Read) -> Result<Loaded<T>, Error> {
    let mut reader = Reading { name, rows: Vec::new(), complaints: Vec::new(), unknown: BTreeSet::new() };
    let wrong = |source| Error::Read { file: name.to_owned(), source };
    let mut text = BufReader::new(plain(bytes).map_err(wrong)?);
    if text.fill_buf().map_err(wrong)?.starts_with(b"\xef\xbb\xbf") {
        text.consume(3);
    }
    let first = text.fill_buf().map_err(wrong)?.iter().find(|b| !b.is_ascii_whitespace()).copied();
    match first {
        None => {}
        Some(b'{') => reader.jsonl(text).map_err(wrong)?,
        Some(_) => reader.csv(text)?,
    }
    reader.report_unknown();
    Ok(Loaded { rows: reader.rows, complaints: reader.complaints })
}

/// The bytes without compression, by what they begin with.
fn plain<'a>(bytes: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut bytes = BufReader::new(bytes);
    let start = bytes.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(bytes))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?)
    } else {
        Box::new(bytes)
    })
}

struct Reading<'a, T> {
    name: &'a str,
    rows: Vec<T>,
    complaints: Vec<Complaint>,
    unknown: BTreeSet<String>,
}

impl<T: Cells> Reading<'_, T> {
    fn csv(&mut self, mut text: impl BufRead) -> Result<(), Error> {
        let wrong = |source| Error::Read { file: self.name.to_owned(), source };
        let header = text.fill_buf().map_err(wrong)?;
        let header = header.split(|b| *b == b'\n').next().unwrap_or_default();
        // Spreadsheets write semicolons where the comma is the decimal sign.
        let delimiter = [b',', b'\t', b';'].into_iter().find(|d| header.contains(d)).unwrap_or(b',');
        let mut csv = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
        let unusable = |reason: String| Error::Header { file: self.name.to_owned(), reason };
        let columns: Vec<String> = match csv.headers() {
            Ok(header) => header.iter().map(|c| c.trim().to_ascii_lowercase()).collect(),
            Err(e) => return Err(unusable(format!("the header cannot be read: {e}"))),
        };
        if !columns.iter().any(|c| c == "id") {
            return Err(unusable("the header has no column \"id\"".to_owned()));
        }
        if let Some(twice) = columns.iter().enumerate().find(|(i, c)| !c.is_empty() && columns[..*i].contains(c)) {
            return Err(unusable(format!("the header has the column {:?} twice", twice.1)));
        }
        let mut record = csv::StringRecord::new();
        loop {
            match csv.read_record(&mut record) {
                Ok(false) => return Ok(()),
                Ok(true) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let cells = columns.iter().zip(&record).map(|(c, v)| (c.as_str(), v.trim())).filter(|(_, v)| !v.is_empty());
                    self.row(line, cells.map(|(c, v)| (c, Cell::Text(v))));
                }
                Err(e) => {
                    let line = e.position().map_or(0, csv::Position::line);
                    let reason = match e.into_kind() {
                        csv::ErrorKind::Io(source) => return Err(Error::Read { file: self.name.to_owned(), source }),
                        csv::ErrorKind::UnequalLengths { len, expected_len, .. } => {
                            format!("the row has {len} cells, the header {expected_len}; quote cells that hold the separator")
                        }
                        csv::ErrorKind::Utf8 { .. } => "the row is not in UTF-8".to_owned(),
                        _ => "the row cannot be read".to_owned(),
                    };
                    self.complain(line, None, reason, true);
                }
            }
        }
    }

    fn jsonl(&mut self, mut text: impl BufRead) -> io::Result<()> {
        let mut buffer = Vec::new();
        for line in 1.. {
            buffer.clear();
            if text.read_until(b'\n', &mut buffer)? == 0 {
                break;
            }
            let bytes = buffer.trim_ascii();
            if bytes.is_empty() {
                continue;
            }
            match serde_json::from_slice::<Value>(bytes) {
                Ok(Value::Object(fields)) => {
                    let known = fields.iter().filter(|(_, v)| !is_empty(v));
                    self.row(line, known.map(|(c, v)| (c.as_str(), Cell::Json(v))));
                }
                Ok(_) => self.complain(line, None, "the line is no JSON object".to_owned(), true),
                Err(e) => self.complain(line, None, format!("the line is no JSON: {e}"), true),
            }
        }
        Ok(())
    }

    fn row<'c>(&mut self, line: u64, cells: impl Iterator<Item = (&'c str, Cell<'c>)>) {
        let (mut row, before) = (T::default(), self.complaints.len());
        for (column, cell) in cells {
            match row.set(column, &cell) {
                Ok(true) => {}
                Ok(false) => {
                    if !self.unknown.contains(column) {
                        self.unknown.insert(column.to_owned());
                    }
                }
                Err(reason) => self.complain(line, Some(column), reason, true),
            }
        }
        if let Some(reason) = own_tenant(row.tenant()) {
            self.complain(line, Some("tenant"), reason, true);
        }
        if self.complaints.len() == before && row.id().is_empty() {
            self.complain(line, Some("id"), "the row has no id".to_owned(), true);
        }
        if self.complaints.len() == before {
            for (column, reason) in row.oddities() {
                self.complain(line, Some(column), reason, false);
            }
            self.rows.push(row);
        }
    }

    fn complain(&mut self, line: u64, column: Option<&str>, reason: String, lost: bool) {
        self.complaints.push(Complaint { file: self.name.to_owned(), line, column: column.map(str::to_owned), reason, lost });
    }

    fn report_unknown(&mut self) {
        if !self.unknown.is_empty() {
            let names: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
            let reason = format!("unknown columns were ignored: {}", names.join(", "));
            self.complain(1, None, reason, false);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(s) => s.trim().is_empty(),
        Value::Array(a) => a.is_empty(),
        _ => false,
    }
}

impl Cell<'_> {
    fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok((*text).to_owned()),
            Self::Json(Value::String(text)) => Ok(text.trim().to_owned()),
            Self::Json(Value::Number(number)) => Ok(number.to_string()),
            Self::Json(_) => Err("a text is expected".to_owned()),
        }
    }

    fn list(&self) -> Result<Vec<String>, String> {
        let split = |text: &str| text.split(';').map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect();
        match self {
            Self::Text(text) => Ok(split(text)),
            Self::Json(Value::String(text)) => Ok(split(text)),
            Self::Json(Value::Array(items)) => items.iter().filter(|v| !is_empty(v)).map(|v| Cell::Json(v).text()).collect(),
            Self::Json(_) => Err("a list is expected".to_owned()),
        }
    }

    fn flag(&self) -> Result<bool, String> {
        if let Self::Json(Value::Bool(flag)) = self {
            return Ok(*flag);
        }
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            other => Err(format!("{other:?} is neither true nor false")),
        }
    }

    fn instant(&self) -> Result<Timestamp, String> {
        Timestamp::parse(&self.text()?).map_err(|e| e.to_string())
    }

    fn when(&self) -> Result<When, String> {
        when(&self.text()?)
    }

    fn word<W>(&self, from_word: fn(&str) -> Option<W>, all: &[&str]) -> Result<W, String> {
        let word = self.text()?.to_ascii_lowercase();
        from_word(&word).ok_or_else(|| format!("{word:?} is none of {}", all.join(", ")))
    }

    fn spans(&self) -> Result<Vec<Span>, String> {
        let Self::Json(Value::Array(items)) = self else { return self.list()?.iter().map(|s| span(s)).collect() };
        let one = |item: &Value| match item {
            Value::Object(o) => match (o.get("from").and_then(Value::as_str), o.get("to").and_then(Value::as_str)) {
                (Some(from), Some(to)) => span(&format!("{from}/{to}")),
                _ => Err("an absence needs \"from\" and \"to\"".to_owned()),
            },
            other => span(&Cell::Json(other).text()?),
        };
        items.iter().filter(|v| !is_empty(v)).map(one).collect()
    }

    fn nets(&self) -> Result<Vec<ipnet::IpNet>, String> {
        let net = |text: String| {
            let single = || text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from).ok();
            text.parse::<ipnet::IpNet>().ok().or_else(single).ok_or_else(|| format!("{text:?} is no address and no CIDR block"))
        };
        self.list()?.into_iter().map(net).collect()
    }
}

fn when(text: &str) -> Result<When, String> {
    When::parse(text).ok_or_else(|| format!("{text:?} is neither a date nor an RFC 3339 time"))
}

fn span(text: &str) -> Result<Span, String> {
    let (from, to) = text.split_once('/').ok_or_else(|| format!("the absence {text:?} is not written from/to"))?;
    let span = Span { from: when(from.trim())?, to: when(to.trim())? };
    let backwards = match (span.from, span.to) {
        (When::Instant(a), When::Instant(b)) => b < a,
        (When::Day(a), When::Day(b)) => b < a,
        _ => false,
    };
    if backwards { Err(format!("the absence {text:?} ends before it begins")) } else { Ok(span) }
}

macro_rules! words_of {
    ($kind:ty) => {
        &<$kind>::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>()
    };
}

impl Cells for User {
    fn set(&mut self, column: &str, cell: &Cell<'_>) -> Result<bool, String> {
        match column {
            "tenant" => self.tenant = cell.text()?,
            "id" => self.id = cell.text()?,
            "valid_from" => self.valid_from = Some(cell.instant()?),
            "name" => self.name = Some(cell.text()?),
            "team" => self.team = Some(cell.text()?),
            "role" => self.role = Some(cell.text()?),
            "grade" => self.grade = Some(cell.word(Grade::from_word, words_of!(Grade))?),
            "supervisor" => self.supervisor = Some(cell.text()?),
            "deputies" => self.deputies = cell.list()?,
            "time_zone" => self.time_zone = Some(Zone::get(&cell.text()?).map_err(|e| e.to_string())?.name().to_owned()),
            "schedule" => self.schedule = Some(cell.text()?),
            "hired_at" => self.hired_at = Some(cell.when()?),
            "notice_at" => self.notice_at = Some(cell.when()?),
            "terminated_at" => self.terminated_at = Some(cell.when()?),
            "absences" => self.absences = cell.spans()?,
            "substitutes" => self.substitutes = cell.list()?,
            "ip_allow" => self.ip_allow = cell.nets()?,
            "locale" => self.locale = Some(cell.text()?),
            "kind" => self.kind = Some(cell.word(ActorKind::from_word, words_of!(ActorKind))?),
            "aliases" => self.aliases = cell.list()?,
            "phones" => self.phones = cell.list()?,
            "emails" => self.emails = cell.list()?,
            "active" => self.active = Some(cell.flag()?),
            "mfa" => self.mfa = Some(cell.flag()?),
            "permissions" => self.permissions = cell.list()?,
            "password_flags" => self.password_flags = cell.list()?,
            "sees_all" => self.sees_all = Some(cell.flag()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn oddities(&self) -> Vec<(&'static str, String)> {
        let mut odd = Vec::new();
        if let Some(text) = &self.schedule {
            let (schedule, unknown) = Schedule::parse(text);
            if !unknown.is_empty() {
                odd.push(("schedule", format!("not understood and left out: {}", unknown.join("; "))));
            } else if schedule.is_empty() {
                odd.push(("schedule", format!("{text:?} names no working hour")));
            } else if schedule.is_overruled() {
                let advice = "a later rule takes the place of all hours of an earlier one: join hours of the same days by a comma";
                odd.push(("schedule", format!("{text:?}: {advice}")));
            }
        }
        for alias in self.aliases.iter().filter(|a| !a.contains(':')) {
            odd.push(("aliases", format!("{alias:?} is not written source:actor_id and matches nobody")));
        }
        if self.supervisor.as_ref() == Some(&self.id) {
            odd.push(("supervisor", "the person supervises themselves: alerts would go to whom they are about".to_owned()));
        }
        odd
    }
}

impl Cells for Client {
    fn set(&mut self, column: &str, cell: &Cell<'_>) -> Result<bool, String> {
        match column {
            "tenant" => self.tenant = cell.text()?,
            "id" => self.id = cell.text()?,
            "valid_from" => self.valid_from = Some(cell.instant()?),
            "owner" => self.owner = Some(cell.text()?),
            "team" => self.team = Some(cell.text()?),
            "tier" => self.tier = Some(cell.word(Tier::from_word, words_of!(Tier))?),
            "region" => self.region = Some(cell.text()?),
            "phones" => self.phones = cell.list()?,
            "emails" => self.emails = cell.list()?,
            "country" => self.country = Some(cell.text()?),
            "decoy" => self.decoy = Some(cell.flag()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Cells for Order {
    fn set(&mut self, column: &str, cell: &Cell<'_>) -> Result<bool, String> {
        match column {
            "tenant" => self.tenant = cell.text()?,
            "id" => self.id = cell.text()?,
            "valid_from" => self.valid_from = Some(cell.instant()?),
            "client" => self.client = Some(cell.text()?),
            "manager" => self.manager = Some(cell.text()?),
            "participants" => self.participants = cell.list()?,
            "state" => self.state = Some(cell.word(OrderState::from_word, words_of!(OrderState))?),
            "opened_at" => self.opened_at = Some(cell.instant()?),
            "closed_at" => self.closed_at = Some(cell.instant()?),
            "amount" => self.amount = Some(cell.text()?),
            "next_step_at" => self.next_step_at = Some(cell.instant()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn oddities(&self) -> Vec<(&'static str, String)> {
        let mut odd = Vec::new();
        if self.client.is_none() {
            odd.push(("client", "the order has no client and explains nothing".to_owned()));
        }
        if self.opened_at.is_some() && self.closed_at.is_some() && self.closed_at < self.opened_at {
            odd.push(("closed_at", "the order was closed before it was opened: it is never open".to_owned()));
        }
        odd
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, "{column}: ")?;
        }
        f.write_str(&self.reason)?;
        if self.lost { f.write_str("; the row is left out") } else { Ok(()) }
    }
}

impl Reference {
    /// Reads the files that are given; complaints come in the order users, clients, orders.
    ///
    /// # Errors
    /// When a file cannot be read or its header is of no use.
    pub fn load(users: Option<&Path>, clients: Option<&Path>, orders: Option<&Path>) -> Result<(Self, Vec<Complaint>), Error> {
        let (mut reference, mut complaints) = (Self::default(), Vec::new());
        if let Some(path) = users {
            complaints.extend(reference.load_users(path)?);
        }
        if let Some(path) = clients {
            complaints.extend(reference.load_clients(path)?);
        }
        if let Some(path) = orders {
            complaints.extend(reference.load_orders(path)?);
        }
        Ok((reference, complaints))
    }

    /// Adds a file of users; what is wrong with it comes back.
    ///
    /// # Errors
    /// When it cannot be read or its header is of no use.
    pub fn load_users(&mut self, path: &Path) -> Result<Vec<Complaint>, Error> {
        let loaded = file::<User>(path)?;
        for row in loaded.rows {
            self.insert_user(row)?;
        }
        Ok(loaded.complaints)
    }

    /// Adds a file of clients; what is wrong with it comes back.
    ///
    /// # Errors
    /// When it cannot be read or its header is of no use.
    pub fn load_clients(&mut self, path: &Path) -> Result<Vec<Complaint>, Error> {
        let loaded = file::<Client>(path)?;
        for row in loaded.rows {
            self.insert_client(row);
        }
        Ok(loaded.complaints)
    }

    /// Adds a file of orders; what is wrong with it comes back.
    ///
    /// # Errors
    /// When it cannot be read or its header is of no use.
    pub fn load_orders(&mut self, path: &Path) -> Result<Vec<Complaint>, Error> {
        let loaded = file::<Order>(path)?;
        for row in loaded.rows {
            self.insert_order(row);
        }
        Ok(loaded.complaints)
    }

    /// A tenant's directory, made when it is not there.
    pub fn tenant_mut(&mut self, tenant: &str) -> &mut Directory {
        let name = if tenant.is_empty() { DEFAULT_TENANT } else { tenant };
        if !self.tenants.contains_key(name) {
            self.tenants.insert(name.to_owned(), Directory::default());
        }
        self.tenants.get_mut(name).expect("just made")
    }

    /// A tenant's directory.
    pub fn tenant(&self, tenant: &str) -> Option<&Directory> {
        self.tenants.get(if tenant.is_empty() { DEFAULT_TENANT } else { tenant })
    }

    /// All tenants and their directories, by name.
    pub fn tenants(&self) -> impl Iterator<Item = (&str, &Directory)> {
        self.tenants.iter().map(|(name, directory)| (name.as_str(), directory))
    }

    /// Adds a user's row to its tenant. False when it is there already.
    ///
    /// # Errors
    /// When its time zone is unknown.
    pub fn insert_user(&mut self, mut row: User) -> Result<bool, Error> {
        name_tenant(&mut row.tenant);
        self.tenant_mut(&row.tenant.clone()).insert_user(row)
    }

    /// Adds a client's row to its tenant. False when it is there already.
    pub fn insert_client(&mut self, mut row: Client) -> bool {
        name_tenant(&mut row.tenant);
        self.tenant_mut(&row.tenant.clone()).insert_client(row)
    }

    /// Adds an order's row to its tenant. False when it is there already.
    pub fn insert_order(&mut self, mut row: Order) -> bool {
        name_tenant(&mut row.tenant);
        self.tenant_mut(&row.tenant.clone()).insert_order(row)
    }
}

/// Why no row of reference data may name a tenant, where that is so: `_canary` and `_audit` know their people themselves.
pub fn own_tenant(name: &str) -> Option<String> {
    is_own(name).then(|| format!("{name:?} is one of Filin's own: no _ in front"))
}

/// A row without a tenant is the default tenant's; said in the row, so that equal rows are equal.
pub fn name_tenant(tenant: &mut String) {
    if tenant.is_empty() {
        DEFAULT_TENANT.clone_into(tenant);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::event::Date;

    fn users(text: &str) -> Loaded<User> {
        read("users.csv", text.as_bytes()).expect("readable")
    }

    fn said<T>(loaded: &Loaded<T>) -> Vec<String> {
        loaded.complaints.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_csv_cells_by_their_kind() {
        let loaded = users(
            "\u{feff}tenant,ID,valid_from,team,grade,time_zone,schedule,absences,ip_allow,aliases,active,terminated_at\r\n\
             north,anna,2026-01-12,,Senior,europe/moscow,Mo-Fr 09:00-18:00,2026-02-01/2026-02-03;2026-03-01T10:00:00Z/2026-03-01T12:00:00Z,198.51.100.0/24;203.0.113.5,mango:101;bitrix24:7,yes,2026-04-01\r\n",
        );
        assert_eq!(said(&loaded), Vec::<String>::new());
        let row = &loaded.rows[0];
        assert_eq!((row.tenant.as_str(), row.id.as_str(), row.team.as_deref()), ("north", "anna", None));
        assert_eq!((row.grade, row.time_zone.as_deref(), row.active), (Some(Grade::Senior), Some("Europe/Moscow"), Some(true)));
        assert_eq!(row.absences.len(), 2);
        assert_eq!(row.absences[0].to, When::Day(Date::parse("2026-02-03").expect("a date")));
        assert_eq!(row.ip_allow[1].to_string(), "203.0.113.5/32");
        assert_eq!(row.aliases, ["mango:101", "bitrix24:7"]);
    }

    #[test]
    fn no_row_is_of_a_tenant_of_filins_own() {
        let loaded = users("tenant,id\n_canary,anna\nnorth,boris\n_audit,vera\n,zoya\n");
        assert_eq!(loaded.rows.iter().map(|u| u.id.as_str()).collect::<Vec<_>>(), ["boris", "zoya"]);
        let refused = |line: u32, name: &str| {
            format!("users.csv:{line}: tenant: \"{name}\" is one of Filin's own: no _ in front; the row is left out")
        };
        assert_eq!(said(&loaded), [refused(2, "_canary"), refused(4, "_audit")]);
        let orders = read::<Order>("orders.jsonl", &br#"{"tenant":"_canary","id":"o","client":"c"}"#[..]).expect("readable");
        assert!(orders.rows.is_empty() && said(&orders)[0].starts_with("orders.jsonl:1: tenant: "), "{:?}", orders.complaints);
    }

    #[test]
    fn a_bad_row_costs_that_row_and_says_where() {
        let loaded = users(
            "id,time_zone,grade,absences,shoe_size,hat\n\
             a,Mars/Base,boss,2026-02-03/2026-02-01,44,L\n\
             b,,,,,\n\
             ,UTC,,,,\n\
             \"d\ne\",UTC,,2026-02-01,,\n\
             f,UTC\n\
             g,UTC,,,,\n",
        );
        assert_eq!(loaded.rows.iter().map(|u| u.id.as_str()).collect::<Vec<_>>(), ["b", "g"]);
        assert_eq!(
            said(&loaded),
            [
                "users.csv:2: time_zone: there is no time zone \"Mars/Base\"; give an IANA name such as Europe/Moscow; the row is left out",
                "users.csv:2: grade: \"boss\" is none of junior, middle, senior, lead, admin; the row is left out",
                "users.csv:2: absences: the absence \"2026-02-03/2026-02-01\" ends before it begins; the row is left out",
                "users.csv:4: id: the row has no id; the row is left out",
                "users.csv:5: absences: the absence \"2026-02-01\" is not written from/to; the row is left out",
                "users.csv:7: the row has 2 cells, the header 6; quote cells that hold the separator; the row is left out",
                "users.csv:1: unknown columns were ignored: hat, shoe_size",
            ]
        );
    }

    #[test]
    fn odd_rows_are_taken_with_a_warning() {
        let loaded = users("id,schedule,aliases,supervisor\na,Mo-Fr 09:00-18:00; when it rains,101,a\n");
        assert_eq!(loaded.rows.len(), 1);
        assert!(loaded.complaints.iter().all(|c| !c.lost));
        assert_eq!(loaded.complaints.iter().filter_map(|c| c.column.as_deref()).collect::<Vec<_>>(), ["schedule", "aliases", "supervisor"]);
    }

    #[test]
    fn reads_jsonl_compressed_or_not() {
        let text = "\u{feff}{\"id\": 7, \"tier\": \"key\", \"phones\": [\"+7000\"], \"decoy\": false, \"owner\": null, \"region\": \"\"}\n\n[1]\n{\"id\": \"8\", \"colour\": 1}\n{\"id\n";
        let check = |bytes: &[u8]| {
            let loaded: Loaded<Client> = read("c", bytes).expect("readable");
            assert_eq!(loaded.rows.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["7", "8"]);
            assert_eq!((loaded.rows[0].tier, loaded.rows[0].decoy, loaded.rows[0].owner.as_deref()), (Some(Tier::Key), Some(false), None));
            assert_eq!(loaded.complaints.iter().map(|c| (c.line, c.lost)).collect::<Vec<_>>(), [(3, true), (5, true), (1, false)]);
        };
        check(text.as_bytes());
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(text.as_bytes()).expect("in memory");
        check(&gz.finish().expect("in memory"));
        check(&zstd::encode_all(text.as_bytes(), 0).expect("in memory"));
    }

    #[test]
    fn absences_of_json_may_be_objects() {
        let row = |absences: &str| users(&format!("{{\"id\": \"a\", \"absences\": {absences}}}\n"));
        let expected = row("\"2026-02-01/2026-02-03\"").rows[0].absences.clone();
        assert_eq!(expected.len(), 1);
        assert_eq!(row("[\"2026-02-01/2026-02-03\"]").rows[0].absences, expected);
        assert_eq!(row("[{\"from\": \"2026-02-01\", \"to\": \"2026-02-03\"}]").rows[0].absences, expected);
        assert!(row("[{\"from\": \"2026-02-01\"}]").rows.is_empty());
    }

    #[test]
    fn spreadsheets_separate_by_semicolons() {
        let loaded: Loaded<Order> = read("o", "id;client;manager;amount\no1;c1;anna;\"1 000,50\"\n".as_bytes()).expect("readable");
        assert_eq!((loaded.rows[0].client.as_deref(), loaded.rows[0].amount.as_deref()), (Some("c1"), Some("1 000,50")));
    }

    #[test]
    fn an_unusable_header_stops() {
        for text in ["name,team\na,b\n", "id,team,id\na,b,c\n"] {
            assert!(matches!(read::<User>("u", text.as_bytes()), Err(Error::Header { .. })), "{text}");
        }
        assert!(users("").rows.is_empty());
        assert!(matches!(file::<User>(Path::new("/no/such/file")), Err(Error::Read { .. })));
    }

    #[test]
    fn rows_go_to_their_tenants() {
        let mut reference = Reference::default();
        for row in users("tenant,id\nnorth,a\n,b\ndefault,b\n").rows {
            reference.insert_user(row).expect("taken");
        }
        let found: Vec<_> = reference.tenants().map(|(name, d)| (name.to_owned(), d.users().iter().count())).collect();
        assert_eq!(found, [("default".to_owned(), 1), ("north".to_owned(), 1)]);
    }
}
