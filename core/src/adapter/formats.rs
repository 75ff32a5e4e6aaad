//! The formats there are.

use super::{
    Binding, Error, Format, amocrm, asterisk, bitrix24, canonical, crm_tables, debezium, dynamics365, espocrm, freeswitch, hubspot, mango,
    mapping, nginx, o365, odoo, onec, salesforce_elf, salesforce_rtem, salesforce_setup_audit, suitecrm, zoho,
};

/// A format that can be read.
#[derive(Clone, Copy)]
pub struct Known {
    /// Its name in bindings and on the command line.
    pub name: &'static str,
    /// Another name that is understood.
    pub alias: Option<&'static str>,
    /// What it is, in a line.
    pub about: &'static str,
    /// A row that holds this cell is the header of a CSV file; none: the format is JSON only.
    pub csv_header: Option<&'static str>,
    /// Columns of a CSV file that has no header, where the binding gives none; the last ones may be missing.
    pub(super) columns: &'static [&'static str],
    pub(super) open: fn(&Binding) -> Result<Box<dyn Format>, Error>,
}

impl Known {
    /// Whether its records may be rows of CSV.
    pub fn reads_csv(&self) -> bool {
        self.csv_header.is_some() || !self.columns.is_empty()
    }

    /// A format of JSON records.
    const fn json(name: &'static str, about: &'static str, open: fn(&Binding) -> Result<Box<dyn Format>, Error>) -> Self {
        Self { name, alias: None, about, csv_header: None, columns: &[], open }
    }

    const fn also(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    /// Also CSV, with a header that holds this cell.
    const fn csv(self, marker: &'static str) -> Self {
        Self { csv_header: Some(marker), ..self }
    }

    /// Also CSV without a header.
    const fn headless(self, columns: &'static [&'static str]) -> Self {
        Self { columns, ..self }
    }
}

/// Formats that can be read.
pub static FORMATS: &[Known] = &[
    Known::json("canonical", "Filin's own events: NDJSON, a JSON object or an array of them", canonical::open),
    Known::json("o365", "Microsoft 365 unified audit log: JSON records, or the CSV export with its AuditData column", o365::open)
        .csv("AuditData"),
    Known::json("salesforce-elf", "Salesforce event log files: CSV with header, or a JSON object a row", salesforce_elf::open)
        .csv("EVENT_TYPE"),
    Known::json(
        "salesforce-rtem",
        "Salesforce Real-Time Event Monitoring: CometD messages, Pub/Sub payloads, storage objects",
        salesforce_rtem::open,
    ),
    Known::json("salesforce-setup-audit", "Salesforce Setup Audit Trail: rows of the SetupAuditTrail object", salesforce_setup_audit::open),
    Known::json(
        "dynamics365",
        "Microsoft Dynamics 365 / Dataverse: Sentinel activity, Purview records, rows of the audit table",
        dynamics365::open,
    )
    .csv("AuditData"),
    Known::json("hubspot", "HubSpot account activity: audit logs, log-ins, security activity", hubspot::open),
    Known::json("amocrm", "amoCRM / Kommo: events, call notes, webhooks", amocrm::open),
    Known::json("bitrix24", "Bitrix24: event log, CRM history, calls, webhooks", bitrix24::open),
    Known::json("espocrm", "EspoCRM: history of actions and log-ins, exports, webhooks", espocrm::open),
    Known::json("suitecrm", "SuiteCRM / SugarCRM: tracker, audit tables, calls, failed log-ins", suitecrm::open),
    Known::json("zoho", "Zoho CRM audit log: its CSV, or JSON rows", zoho::open).csv("Audited Time"),
    Known::json("odoo", "Odoo with the auditlog module: its log with lines, log-ins", odoo::open).also("odoo-auditlog"),
    Known::json("1c", "1C registration journal, as exporters write it in JSON", onec::open).also("1c-eventlog"),
    Known::json("asterisk", "Asterisk call detail records: Master.csv, manager events, cdr tables", asterisk::open)
        .also("asterisk-cdr")
        .headless(asterisk::COLUMNS),
    Known::json("freeswitch", "FreeSWITCH mod_json_cdr", freeswitch::open).also("freeswitch-json-cdr"),
    Known::json("mango", "Mango Office: summaries of calls", mango::open),
    Known::json("nginx", "Web access log of a self-hosted CRM, JSON", nginx::open).also("nginx-json"),
    Known::json("cloudevents", "Filin's own events as the data of CloudEvents, structured or binary", canonical::open_cloudevents),
    Known::json("debezium", "Several tables in one topic: the binding's tables name the format of each", debezium::open),
    Known::json("crm-tables", "A CRM's own tables through Debezium: rows made, changed, deleted", crm_tables::open),
    Known::json("mapping", "A CRM that is not in this list, described in the binding", mapping::open),
];

/// Names of the formats that can be read, and then their other names.
pub fn names() -> Vec<&'static str> {
    FORMATS.iter().map(|f| f.name).chain(FORMATS.iter().filter_map(|f| f.alias)).collect()
}

/// The format of a name.
pub(super) fn known(name: &str) -> Result<&'static Known, Error> {
    let found = FORMATS.iter().find(|f| f.name == name || f.alias == Some(name));
    found.ok_or_else(|| Error::UnknownFormat { given: name.to_owned(), known: FORMATS.iter().map(|f| f.name).collect() })
}
