//! `filin adapters`: the formats there are, what each can see, and what it is blind to.

use std::{fmt::Write, process::ExitCode};

use serde_json::json;

use crate::adapter::{self, Known, sight};

/// Flags of `filin adapters`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print them as JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print them as the page docs/adapters.md
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = match (args.json, args.markdown) {
        (true, _) => json(),
        (_, true) => page(),
        _ => list(),
    };
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// What a control cannot do without: one of these actions and one of these fields; none: any event will do.
struct Needs {
    control: &'static str,
    actions: &'static [&'static str],
    fields: &'static [&'static str],
}

/// Actions whose records count as taken out, or that ask for many at once.
const OUT: &[&str] = &["export", "print", "api_query", "report", "list"];
/// Actions that show or take records.
const READS: &[&str] = &["view", "search", "list", "report", "export", "print", "api_query"];
/// What tells which client an event is about.
const CLIENT: &[&str] = &["object.client", "object.id", "object.ids", "call.client", "call.number"];

const NEEDS: &[Needs] = &[
    Needs { control: "address_denied", actions: &[], fields: &["client.ip"] },
    Needs { control: "brute_force", actions: &["login"], fields: &[] },
    Needs { control: "bulk_export", actions: OUT, fields: &["records"] },
    Needs { control: "chunked_export", actions: READS, fields: &[] },
    Needs { control: "drip", actions: &[], fields: &["records", "object.client", "object.id", "object.ids", "call.client", "call.number"] },
    Needs { control: "first_time", actions: &[], fields: &[] },
    Needs { control: "leaver_active", actions: &[], fields: &[] },
    Needs { control: "mass_change", actions: &["update", "delete", "merge", "transfer", "share"], fields: &[] },
    Needs {
        control: "new_place",
        actions: &[],
        fields: &["client.ip", "client.country", "client.asn", "client.user_agent", "client.device"],
    },
    Needs { control: "off_hours", actions: &[], fields: &[] },
    Needs { control: "scraping", actions: &["search", "list", "report"], fields: &[] },
    Needs { control: "shared_account", actions: &[], fields: &["client.user_agent", "client.device"] },
    Needs { control: "unrelated", actions: &[], fields: CLIENT },
    Needs { control: "unrelated_call", actions: &["call"], fields: &["call.client", "call.number"] },
];

impl Needs {
    /// What a format lacks for it; empty: nothing.
    fn lacks(&self, format: &str) -> String {
        let sight = sight::of(format);
        let has = |wanted: &[&str], given: &[&str]| wanted.is_empty() || wanted.iter().any(|w| given.contains(w));
        let mut lacks = Vec::new();
        if !has(self.actions, sight.actions) {
            lacks.push(if self.actions.len() > 1 { "such actions" } else { self.actions[0] });
        }
        if !has(self.fields, sight.fields) {
            lacks.push(self.fields[0]);
        }
        lacks.join(", ")
    }
}

/// Which controls are blind for which formats.
fn controls() -> String {
    let mut text = String::from(
        "## Which controls work on which source\n\n\
         + : its records can give what the control looks at. Otherwise the control stays silent for this source alone, for want of what is\n\
         named: other sources of the same people may still feed it. `debezium` sees what the formats of its tables see.\n\n| format |",
    );
    for needs in NEEDS {
        write!(text, " `{}` |", needs.control).expect("in memory");
    }
    text.push_str("\n| --- |");
    text.push_str(&" --- |".repeat(NEEDS.len()));
    for f in adapter::FORMATS.iter().filter(|f| f.name != "debezium") {
        write!(text, "\n| `{}` |", f.name).expect("in memory");
        for needs in NEEDS {
            match needs.lacks(f.name) {
                none if none.is_empty() => text.push_str(" + |"),
                lacks => write!(text, " no {lacks} |").expect("in memory"),
            }
        }
    }
    text.push_str("\n\n");
    text
}

/// How records of a format may be written.
fn layouts(format: &Known) -> &'static str {
    if format.reads_csv() { "JSON, CSV" } else { "JSON" }
}

fn list() -> String {
    let width = adapter::FORMATS.iter().map(|f| f.name.len()).max().unwrap_or_default();
    let lines = adapter::FORMATS.iter().map(|f| format!("{:width$}  {} ({})\n", f.name, f.about, layouts(f)));
    lines.chain(["\n--json says what each can see; docs/adapters.md is the same as a page.\n".to_owned()]).collect()
}

fn json() -> String {
    let formats = adapter::FORMATS.iter().map(|f| {
        let sight = sight::of(f.name);
        let fields = [sight::ALWAYS, sight.fields].concat();
        let controls: serde_json::Map<_, _> = NEEDS.iter().map(|n| (n.control.to_owned(), n.lacks(f.name).into())).collect();
        json!({
            "name": f.name,
            "alias": f.alias,
            "about": f.about,
            "csv": f.reads_csv(),
            "fields": fields,
            "actions": sight.actions,
            "blind": sight.blind,
            "controls": controls,
        })
    });
    let all = json!({"formats": formats.collect::<Vec<_>>()});
    format!("{}\n", serde_json::to_string_pretty(&all).expect("plain values"))
}

/// The page of the documentation.
fn page() -> String {
    let mut page = String::from(
        "# Formats\n\n\
         Generated by `filin adapters --markdown`. A binding names one of these as its `format`; what transports put around records\n\
         (arrays, lists of APIs, Event Hubs `records`, CloudEvents, Debezium) is opened for each of them.\n\n\
         | format | reads |\n| --- | --- |\n",
    );
    for f in adapter::FORMATS {
        let other = f.alias.map(|a| format!(" (also `{a}`)")).unwrap_or_default();
        writeln!(page, "| `{}`{other} | {} |", f.name, f.about).expect("in memory");
    }
    page.push('\n');
    page.push_str(&controls());
    page.push_str("## What each can see\n\nEvery event has ");
    writeln!(page, "{}. Beside these:\n", words(sight::ALWAYS)).expect("in memory");
    for f in adapter::FORMATS {
        let sight = sight::of(f.name);
        writeln!(page, "### {}\n", f.name).expect("in memory");
        if !sight.fields.is_empty() {
            writeln!(page, "Fields: {}.\n\nActions: {}.\n", words(sight.fields), words(sight.actions)).expect("in memory");
        }
        page.push_str("Blind spots:\n\n");
        for spot in sight.blind {
            writeln!(page, "- {spot}").expect("in memory");
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn words(all: &[&str]) -> String {
    all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::control;

    #[test]
    fn every_control_says_what_it_needs_and_no_word_is_made_up() {
        assert!(NEEDS.iter().map(|n| n.control).eq(control::ALL.iter().map(|c| c.id)));
        let all = sight::of("canonical");
        for n in NEEDS {
            assert!(n.actions.iter().all(|a| all.actions.contains(a)) && n.fields.iter().all(|f| all.fields.contains(f)), "{}", n.control);
            assert_eq!(n.lacks("canonical"), "", "{}", n.control);
        }
        let lacks = |control: &str, format: &str| NEEDS.iter().find(|n| n.control == control).expect("there").lacks(format);
        assert_eq!(lacks("bulk_export", "amocrm"), "such actions");
        assert_eq!(lacks("address_denied", "zoho"), "client.ip");
        assert_eq!(lacks("unrelated_call", "asterisk"), "");
        assert_eq!(lacks("unrelated_call", "nginx"), "call, call.client");
    }
}
