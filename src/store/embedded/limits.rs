//! How much a request may take, and which settings an account may change.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{auth::Account, connection::Exception};

/// Bounds of the listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request's body as sent.
    pub request_bytes: u64,
    /// The same, decompressed.
    pub decompressed_bytes: u64,
    /// Bytes of a statement without data, and of a form.
    pub statement_bytes: usize,
    /// Bytes of a result that a reader gets, and of a result that must be held in memory.
    pub result_bytes: u64,
    /// Open HTTP connections.
    pub connections: usize,
    /// Sessions with temporary tables.
    pub sessions: usize,
    /// Statements of the writer at a time.
    pub writer_queries: usize,
    /// Statements of readers at a time.
    pub reader_queries: usize,
    /// Milliseconds that a statement waits for its turn.
    pub queue_ms: u64,
    /// Milliseconds that a client may pause within a request or a response.
    pub idle_ms: u64,
    /// Seconds of a statement when the client names none, and the most it may name: writer.
    pub writer_time_s: (u64, u64),
    /// The same for readers.
    pub reader_time_s: (u64, u64),
    /// Inserts are refused when less than this part of the disk is free.
    pub free_disk: f64,
    /// Milliseconds that the end waits for statements that were cancelled.
    pub grace_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 256 << 20,
            decompressed_bytes: 1 << 30,
            statement_bytes: 1 << 20,
            result_bytes: 256 << 20,
            connections: 256,
            sessions: 32,
            writer_queries: 16,
            reader_queries: 2,
            queue_ms: 10_000,
            idle_ms: 60_000,
            writer_time_s: (600, 3600),
            reader_time_s: (60, 300),
            free_disk: 0.05,
            grace_ms: 5_000,
        }
    }
}

impl Limits {
    pub(super) fn queue(&self) -> Duration {
        Duration::from_millis(self.queue_ms)
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }
}

/// The values of `max_…` settings that readers may only lower; 0 is no bound.
pub(super) type Ceilings = BTreeMap<String, f64>;

/// What a reader gets where it says nothing.
pub(super) fn ceilings(engine: impl IntoIterator<Item = (String, String)>, limits: &Limits, memory_bytes: u64) -> Ceilings {
    let number = |value: &str| value.trim_start_matches("auto(").trim_end_matches(')').parse::<f64>().ok();
    let mut ceilings: Ceilings = engine.into_iter().filter_map(|(name, value)| Some((name, number(&value)?))).collect();
    #[expect(clippy::cast_precision_loss, reason = "limits, not counts")]
    let own = [
        ("max_execution_time", limits.reader_time_s.1 as f64),
        ("max_memory_usage", (memory_bytes / 2) as f64),
        ("max_result_bytes", limits.result_bytes as f64),
        // Threads cost memory, not rights; dashboards ask for a few.
        ("max_threads", 16.0),
    ];
    ceilings.extend(own.map(|(name, value)| (name.to_owned(), value)));
    ceilings
}

/// The `SET` that goes before a statement.
pub(super) struct Settings<'a> {
    pub(super) account: Account,
    pub(super) given: &'a [(String, String)],
    pub(super) limits: &'a Limits,
    pub(super) ceilings: &'a Ceilings,
    pub(super) memory_bytes: u64,
    /// The result is held in memory.
    pub(super) held: bool,
    pub(super) comment: &'a str,
}

impl Settings<'_> {
    /// Names and values in the order in which they are set; nothing when the account may not set one of them.
    pub(super) fn list(&self) -> Result<Vec<(&str, String)>, Exception> {
        let reader = self.account == Account::Reader;
        let (time, most) = if reader { self.limits.reader_time_s } else { self.limits.writer_time_s };
        let mut list = vec![
            ("max_execution_time", time.to_string()),
            ("max_query_size", self.limits.statement_bytes.to_string()),
            ("log_comment", self.comment.to_owned()),
        ];
        if reader || self.held {
            list.push(("max_result_bytes", self.limits.result_bytes.to_string()));
            list.push(("result_overflow_mode", "throw".to_owned()));
        }
        if reader {
            list.push(("max_memory_usage", (self.memory_bytes / 2).to_string()));
            list.push(("final", "1".to_owned()));
        }
        for (name, value) in self.given {
            if reader {
                self.check_reader(name, value)?;
            }
            if name == "max_execution_time" {
                // There is always an end.
                let seconds = value.parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0);
                let seconds = seconds.ok_or_else(|| Exception::new(36, "BAD_ARGUMENTS", "max_execution_time is a number of seconds"))?;
                #[expect(clippy::cast_precision_loss, reason = "seconds")]
                let most_s = most as f64;
                list.push((name, if seconds > 0.0 && seconds <= most_s { value.clone() } else { most.to_string() }));
            } else {
                list.push((name, value.clone()));
            }
        }
        if reader {
            list.push(("readonly", "1".to_owned()));
        }
        Ok(list)
    }

    fn check_reader(&self, name: &str, value: &str) -> Result<(), Exception> {
        let refused = |why: &str| Err(Exception::new(164, "READONLY", format!("Cannot modify '{name}' setting in readonly mode{why}")));
        match name {
            "final" | "readonly" => {
                if value == "1" {
                    Ok(())
                } else {
                    refused("")
                }
            }
            // It names a file to write.
            "output_format_schema" => refused(""),
            "cancel_http_readonly_queries_on_client_close" | "date_time_input_format" | "date_time_output_format" | "extremes" => Ok(()),
            "join_use_nulls" | "limit" | "offset" | "network_compression_method" | "session_timezone" | "use_client_time_zone" => Ok(()),
            _ if name.starts_with("output_format_") => Ok(()),
            _ if name.starts_with("max_") => {
                let ceiling = self.ceilings.get(name).copied().unwrap_or(0.0);
                let number = value.parse::<f64>().unwrap_or(f64::NAN);
                let lower = number > 0.0 && number.is_finite() && (ceiling <= 0.0 || number <= ceiling);
                let unbounded = ceiling <= 0.0 && number.abs() < f64::MIN_POSITIVE;
                if lower || unbounded { Ok(()) } else { refused(": it can only be lowered") }
            }
            _ => refused(""),
        }
    }
}

/// `SET a = 'x', b = 'y'`.
pub(super) fn set(list: &[(&str, String)]) -> String {
    let pairs: Vec<_> = list.iter().map(|(name, value)| format!("{name} = {}", crate::store::quoted(value))).collect();
    format!("SET {}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(account: Account, name: &str, value: &str) -> Result<Vec<(String, String)>, u32> {
        let limits = Limits::default();
        let engine = [("max_block_size", "65409"), ("max_rows_to_read", "0"), ("max_threads", "auto(2)")];
        let ceilings = ceilings(engine.map(|(n, v)| (n.to_owned(), v.to_owned())), &limits, 2 << 30);
        let given = [(name.to_owned(), value.to_owned())];
        let given = if name.is_empty() { &[][..] } else { &given[..] };
        let settings = Settings { account, given, limits: &limits, ceilings: &ceilings, memory_bytes: 2 << 30, held: true, comment: "c" };
        settings.list().map(|l| l.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()).map_err(|e| e.code)
    }

    #[track_caller]
    fn reader(name: &str, value: &str, allowed: bool) {
        let got = list(Account::Reader, name, value);
        assert_eq!(got.as_ref().err().copied(), (!allowed).then_some(164), "{name}={value}");
        if let Ok(got) = got {
            assert_eq!(got.last(), Some(&("readonly".to_owned(), "1".to_owned())));
        }
    }

    #[test]
    fn a_reader_may_lower_bounds_and_choose_formats() {
        reader("max_execution_time", "5", true);
        reader("max_execution_time", "300", true);
        reader("max_execution_time", "301", false);
        reader("max_execution_time", "0", false);
        reader("max_execution_time", "-1", false);
        reader("max_execution_time", "inf", false);
        reader("max_execution_time", "NaN", false);
        reader("max_memory_usage", "0", false);
        reader("max_memory_usage", "1000000", true);
        reader("max_result_bytes", "999999999999", false);
        reader("max_rows_to_read", "10", true);
        reader("max_rows_to_read", "0", true);
        reader("max_block_size", "65410", false);
        reader("max_threads", "3", true);
        reader("final", "1", true);
        reader("final", "0", false);
        reader("readonly", "0", false);
        reader("readonly", "2", false);
        reader("output_format_json_quote_64bit_integers", "0", true);
        reader("output_format_schema", "/tmp/x", false);
        reader("format_schema", "/tmp/x", false);
        reader("allow_experimental_analyzer", "0", false);
        reader("dialect", "kusto", false);
    }

    #[test]
    fn there_is_always_an_end() {
        let last = |value: &str| {
            let list = list(Account::Writer, "max_execution_time", value).unwrap();
            list.into_iter().rev().find(|(n, _)| n == "max_execution_time").unwrap().1
        };
        assert_eq!([last("0"), last("7"), last("0.5"), last("99999")], ["3600", "7", "0.5", "3600"]);
        assert_eq!(list(Account::Writer, "max_execution_time", "soon"), Err(36));
        assert_eq!(list(Account::Writer, "", "").unwrap()[0], ("max_execution_time".to_owned(), "600".to_owned()));
    }

    #[test]
    fn values_are_escaped() {
        assert_eq!(set(&[("a", "x'\\y".to_owned()), ("b", "1".to_owned())]), "SET a = 'x\\'\\\\y', b = '1'");
    }
}
