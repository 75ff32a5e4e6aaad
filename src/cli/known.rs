//! The configuration, checked against what this version can read and detect.

use std::path::{Path, PathBuf};

use prometheus::Registry;

use crate::{
    adapter::{self, Binding},
    directory::{self, Calendar},
    engine::{Severity, control},
    ops::{
        config::{Config, Flags, Known, KnownControl, Mistakes},
        metrics::{Labels, Metrics},
    },
};

// No doc comment: clap would take it for what the command is about.
#[derive(Debug, clap::Args)]
pub(super) struct Reference {
    /// Users (CSV or JSONL, also .gz, .zst)
    #[arg(long, value_name = "F")]
    users: Option<PathBuf>,
    /// Clients
    #[arg(long, value_name = "F")]
    clients: Option<PathBuf>,
    /// Orders
    #[arg(long, value_name = "F")]
    orders: Option<PathBuf>,
}

impl Reference {
    /// The flags that these are.
    pub(super) fn flags(&self) -> Flags {
        Flags { users: self.users.clone(), clients: self.clients.clone(), orders: self.orders.clone(), ..Flags::default() }
    }
}

/// The configuration of this process.
pub(super) fn config(path: Option<&Path>, flags: &Flags) -> Result<Config, Mistakes> {
    let controls: Vec<_> = control::ALL
        .iter()
        .map(|c| KnownControl {
            id: c.id,
            switches: c.switches.iter().map(|s| s.name).collect(),
            settings: c.settings.iter().map(|s| s.name).collect(),
        })
        .collect();
    let severities: Vec<&str> = Severity::ALL.iter().map(|s| s.as_str()).collect();
    let known = Known {
        formats: &adapter::names(),
        controls: &controls,
        severities: &severities,
        check_binding: &Binding::check,
        check_calendar: &wrong_with_calendar,
    };
    Config::load(path, flags, &known)
}

/// What this process counts.
pub(super) fn metrics() -> Metrics {
    let controls: Vec<&str> = control::ALL.iter().map(|c| c.id).collect();
    let severities: Vec<&str> = Severity::ALL.iter().map(|s| s.as_str()).collect();
    let reasons: Vec<&str> = adapter::Code::ALL.iter().map(|c| c.as_str()).collect();
    Metrics::new(&Registry::new(), &Labels { controls: &controls, severities: &severities, reasons: &reasons })
}

/// All that is wrong with a production calendar.
fn wrong_with_calendar(name: &str) -> Vec<String> {
    match Calendar::load(name) {
        Ok(_) => Vec::new(),
        Err(directory::Error::Calendar { file, reasons }) => reasons.iter().map(|reason| format!("{file}: {reason}")).collect(),
        Err(e) => vec![format!("{:#}; a file is meant, or ru", anyhow::Error::from(e))],
    }
}
