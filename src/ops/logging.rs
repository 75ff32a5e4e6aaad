//! Log lines on standard error: for people on a terminal, JSON elsewhere. No personal data goes there.

use std::io::IsTerminal;

use tracing::{Subscriber, subscriber};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt as _,
    filter::ParseError,
    fmt::{self, format::debug_fn},
};

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
    // The error says that somebody started logging before: a test, or a program that embeds us.
    drop(subscriber::set_global_default(lines(style, filter, std::io::stderr, std::io::stderr().is_terminal())));
    Ok(())
}

/// A value on one line, without control characters.
fn plain(value: &dyn std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        if c.is_control() {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
        all
    })
}

/// What writes lines.
fn lines<W>(style: Style, filter: EnvFilter, writer: W, colours: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::fmt().with_env_filter(filter).with_writer(writer);
    match style {
        Style::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).with_span_list(false).finish()),
        Style::Pretty => {
            // A value may hold what a terminal obeys.
            let fields = debug_fn(|writer, field, value| match field.name() {
                "message" => write!(writer, "{}", plain(value)),
                name => write!(writer, "{name}={}", plain(value)),
            });
            Box::new(lines.with_target(false).with_ansi(colours).fmt_fields(fields.delimited(" ")).finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_value_is_no_line_of_its_own() {
        let hostile = "x\n{\"level\":\"INFO\",\"message\":\"all is well\"}\r\n\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\"}";
        let written = |style| {
            let (kept, of) = (Kept::default(), EnvFilter::new("info"));
            let writer = kept.clone();
            subscriber::with_default(lines(style, of, move || writer.clone(), false), || {
                tracing::warn!(name = hostile, error = %hostile, "a source says {hostile}");
            });
            let bytes = kept.0.lock().expect("no panic").clone();
            String::from_utf8(bytes).expect("text")
        };
        let json = written(Style::Json);
        assert_eq!(json.lines().count(), 1, "{json}");
        let line: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((&line["level"], &line["error"]), (&"WARN".into(), &hostile.into()));
        let pretty = written(Style::Pretty);
        assert_eq!(pretty.lines().count(), 1, "{pretty}");
        assert!(pretty.contains("all is well") && !pretty.contains('\u{1b}') && !pretty.contains('\u{9b}'), "{pretty:?}");
    }
}
