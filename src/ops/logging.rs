//! Log lines on standard error: for people on a terminal, JSON elsewhere. No personal data goes there.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl Style {
    /// [`Style::Pretty`] when standard error is a terminal.
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::Pretty } else { Self::Json }
    }
}

/// Libraries that talk more than on-call wants to read.
const DEFAULT: &str = "info,rdkafka=warn,librdkafka=warn,hyper=warn,h2=warn,clickhouse=warn";

/// Starts logging for the whole process; `filter` is `FILIN_LOG`. A second call changes nothing.
///
/// # Errors
/// When the filter cannot be read.
pub fn start(style: Style, filter: Option<&str>) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The error says that somebody started logging before: a test, or a program that embeds us.
    drop(match style {
        Style::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        Style::Pretty => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
    });
    Ok(())
}
